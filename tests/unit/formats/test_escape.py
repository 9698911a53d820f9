"""Escape sequences: what a leaf says, and how it is written."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from casecart.formats.hl7v2 import STANDARD, Delimiters, escape, unescape

PUNCTUATION = "".join(chr(code) for code in range(0x21, 0x7F) if not chr(code).isalnum())
DELIMITERS = st.permutations(PUNCTUATION).flatmap(
    lambda marks: st.sampled_from([Delimiters(*marks[:5]), Delimiters(*marks[:6])])
)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("plain", "plain"),
        (r"a\F\b", "a|b"),
        (r"a\S\b", "a^b"),
        (r"a\T\b", "a&b"),
        (r"a\R\b", "a~b"),
        (r"a\E\b", "a\\b"),
        (r"\F\\S\\T\\R\\E\\F\ ", "|^&~\\| "),
        (r"\E\F\E\ ", "\\F\\ "),  # decoded once, not twice
        (r"a\.br\b", "a\nb"),
        (r"a\.BR\b", "a\nb"),
        (r"\X41\ ", "A "),
        (r"\X0D0A\ ", "\r\n "),
        (r"\XC3A9\ ", "é "),
        (r"\XC3\\XA9\ ", "é "),  # one character in two sequences
        (r"\XE9\ ", "é "),  # not UTF-8, so Windows-1252
        (r"\X00E0\ ", "à "),  # a real sender's UTF-16
        # Layout: what parts words is kept.
        (r"\H\bold\N\ ", "bold "),
        (r"a\.sp 2\b", "a\nb"),
        (r"a\.sp+2\b", "a\nb"),
        (r"a\.sp999999999\b", "a\nb"),  # no page of empty lines
        (r"a\.CE\b", "a\nb"),
        (r"a\.sk 3\b", "a b"),
        (r"\.in+4\x", "x"),
        (r"\.ti-2\x\.fi\y\.nf\z", "xyz"),
        (r"a\.spare\b", r"a\.spare\b"),
        # Other character sets within a field, as ISO 2022 has them.
        (r"\M2442\;3ED\C2842\ x", "山田 x"),
        (r"\M2442\;3ED\C2842\\F\ ", "山田| "),
        (r"\M242843\0!\C2842\ ", "가 "),
        (r"\C2878\x", r"\C2878\x"),  # a set that nobody knows
        (r"\H1\ \N2\ ", r"\H1\ \N2\ "),
        (r"\M2442\;3E", r"\M2442\;3E"),  # half a character
        (r"\M2442\é", r"\M2442\é"),
        (r"a\.br\M00E0\E\b", "a\nM00E0\\b"),  # the mark that ends a sequence begins no other
        # Known and left alone.
        (r"\Zlocal\F\ ", r"\Zlocal\F\ "),  # the second backslash closes, it doesn't open
        # Not known: kept.
        (r"\P\ ", r"\P\ "),  # no truncation character is declared
        (r"\Q\ ", r"\Q\ "),
        (r"\X4\ ", r"\X4\ "),
        (r"\XGG\ ", r"\XGG\ "),
        (r"\X\ ", r"\X\ "),
        (r"\f\ ", r"\f\ "),
        (r"\\", r"\\"),
        # A backslash without a partner is text.
        (r"5\10 mm screw", r"5\10 mm screw"),
        ("ends in \\", "ends in \\"),
        (r"C:\temp\new.txt", r"C:\temp\new.txt"),
        (r"lone \ then \T\ ", r"lone \ then & "),
    ],
)
def test_sequences_are_read(written: str, said: str) -> None:
    assert unescape(written, STANDARD) == said


def test_bytes_are_in_the_given_character_set() -> None:
    assert unescape(r"\XB1E6\ ", STANDARD, "iso8859-2") == "ąć "


def test_the_truncation_character_is_read_where_it_is_declared() -> None:
    assert unescape(r"a\P\b", Delimiters("|", "^", "~", "\\", "&", "#")) == "a#b"


def test_sequences_follow_the_delimiters_of_the_message() -> None:
    delimiters = Delimiters("^", "~", "|", "!", "%")
    assert unescape(r"a!F!b!T!c\F\ ", delimiters) == r"a^b%c\F\ "


@pytest.mark.parametrize("mark", ["+", "-", " "])
def test_an_escape_character_that_numbers_have_is_one(mark: str) -> None:
    delimiters = Delimiters("|", "^", "~", mark, "&", "")
    assert unescape(f"a{mark}.br{mark}{mark}F{mark}", delimiters) == "a\n|"
    assert unescape(f"a{mark}.sp2{mark}{mark}S{mark}", delimiters) == "a\n^"


def test_nothing_is_read_where_no_escape_character_is_declared() -> None:
    assert unescape(r"a\F\b", Delimiters("|", "^", "~", "", "&")) == r"a\F\b"


def test_an_escaped_subcomponent_separator_that_is_not_declared_is_the_usual_one() -> None:
    assert unescape(r"a\T\b", Delimiters("|", "^", "~", "\\")) == "a&b"


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("plain", "plain"),
        ("a|b^c&d~e\\f", r"a\F\b\S\c\T\d\R\e\E\f"),
        ("two\nlines", r"two\.br\lines"),
        ("tab\tCR\r", r"tab\X09\CR\X0D\ ".strip()),
        ("\x0b\x1c", r"\X0B\\X1C\ ".strip()),  # no frame is broken by a value
    ],
)
def test_values_are_written(said: str, written: str) -> None:
    assert escape(said, STANDARD) == written


def test_a_value_that_needs_escaping_is_not_written_without_an_escape_character() -> None:
    delimiters = Delimiters("|", "^", "~", "", "&")
    assert escape("plain", delimiters) == "plain"
    with pytest.raises(ValueError, match="escape character"):
        escape("a|b", delimiters)


@settings(deadline=None)
@given(st.text() | st.text(PUNCTUATION + "FSTREPXHNZ.br0A\0\x0b\r\n"), DELIMITERS)
@example("\0\x0b", STANDARD)  # two characters, not one of UTF-16
def test_what_is_written_is_read_back(text: str, delimiters: Delimiters) -> None:
    written = escape(text, delimiters)
    assert unescape(written, delimiters) == text
    assert not set(written) & (set(delimiters) - {delimiters.escape} | set("\r\n\x0b\x1c"))


@settings(deadline=None)
@given(st.text() | st.text("\\FSTREPXHNCMZ.br0A9é"), DELIMITERS)
def test_any_text_can_be_read(text: str, delimiters: Delimiters) -> None:
    assume(text)
    unescape(text.replace("\\", delimiters.escape), delimiters)
