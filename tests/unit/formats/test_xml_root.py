"""XML is looked at without doing anything that it asks for."""

from __future__ import annotations

import pytest

from casecart.formats.xml_root import NotTaken, root_of

BOMB = b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    ("body", "root"),
    [
        (b"<usage/>", "usage"),
        (b'<?xml version="1.0" encoding="UTF-8"?>\n<!-- made up --><usage><line/></usage>', "usage"),
        (b'<s:Envelope xmlns:s="urn:soap"/>', "Envelope"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><ü/>'.encode("latin-1"), "ü"),
        ("<usage/>".encode("utf-16"), "usage"),
        (b"\xef\xbb\xbf<usage/>", "usage"),
    ],
)
def test_the_root_is_named_without_its_namespace(body: bytes, root: str) -> None:
    assert root_of(body) == root


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "xml-broken"),
        (b"usage", "xml-broken"),
        (b"<a><b></a></b>", "xml-broken"),
        (b"<a/><a/>", "xml-broken"),
        (b"<a>&b;</a>", "xml-broken"),
        (b"<a>\0</a>", "xml-broken"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "xml-broken"),
        (BOMB, "xml-dtd"),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>', "xml-dtd"),
        (b'<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><a/>', "xml-dtd"),
        (b"<!DOCTYPE html><a/>", "xml-dtd"),
        (b"<a>" * 257 + b"</a>" * 257, "xml-too-deep"),
        (b"<a>" + b"<b/>" * 200_000 + b"</a>", "xml-too-large"),
    ],
)
def test_what_is_no_xml_or_does_more_is_not_taken(body: bytes, code: str) -> None:
    with pytest.raises(NotTaken) as refused:
        root_of(body)
    assert refused.value.code == code


def test_256_elements_within_each_other_are_taken() -> None:
    assert root_of(b"<a>" * 256 + b"</a>" * 256) == "a"
