"""Delimiters: what MSH-1 and MSH-2 declare, also where a sender got them wrong."""

from __future__ import annotations

import pytest

from casecart.formats.hl7v2 import STANDARD, Delimiters, Refused, read_delimiters


@pytest.mark.parametrize(
    ("separator", "encoding", "meant"),
    [
        ("|", "^~\\&", STANDARD),
        ("|", "^~\\&#", Delimiters("|", "^", "~", "\\", "&", "#")),  # 2.7: truncation
        ("^", "~|\\&", Delimiters("^", "~", "|", "\\", "&")),
        ("|", "^&~\\", Delimiters("|", "^", "&", "~", "\\")),  # another order is taken by the letter
        ("|", "^~\\}", Delimiters("|", "^", "~", "\\", "}")),
        ("|", "^~&", Delimiters("|", "^", "~", "", "&")),  # the escape character is missing
        ("|", "^~\\", Delimiters("|", "^", "~", "\\", "")),  # the subcomponent separator is missing
        ("|", "^~}", Delimiters("|", "^", "~", "", "}")),
        ("|", "^~", Delimiters("|", "^", "~", "", "")),
        ("|", "^~\\\\&", STANDARD),  # escaped once too often
        ("|", "^~\\&amp;", STANDARD),  # out of an XML document
    ],
)
def test_encoding_characters_are_read_as_meant(separator: str, encoding: str, meant: Delimiters) -> None:
    assert read_delimiters(separator, encoding) == meant


@pytest.mark.parametrize(
    ("separator", "encoding", "location"),
    [
        ("", "", "MSH-1"),
        ("X", "^~\\&", "MSH-1"),
        (" ", "^~\\&", "MSH-1"),
        ("\u00a6", "^~\\&", "MSH-1"),  # a broken bar: more than one byte in UTF-8
        ("|", "", "MSH-2"),
        ("|", "^", "MSH-2"),
        ("|", "^~\\&#!", "MSH-2"),
        ("|", "^~\\A", "MSH-2"),
        ("|", "^~ &", "MSH-2"),
        ("|", "^^\\&", "MSH-2"),
        ("^", "^~\\&", "MSH-2"),  # the field separator again
        ("|", "~\\&", "MSH-2"),  # the component separator is missing
    ],
)
def test_delimiters_that_leave_a_doubt_are_refused(separator: str, encoding: str, location: str) -> None:
    with pytest.raises(Refused) as refused:
        read_delimiters(separator, encoding)
    assert (refused.value.code, refused.value.error_code) == ("delimiters", "102")
    assert refused.value.location == location


def test_delimiters_declare_themselves() -> None:
    assert STANDARD.encoding_characters == "^~\\&"
