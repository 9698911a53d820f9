"""Character sets: which text a message's bytes are, whatever it says of itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.formats.hl7v2 import codec, decode, detect

TEXT = "Jürgen"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Table 0211.
        ("ASCII", "ascii"),
        ("8859/1", "iso8859-1"),
        ("8859/9", "iso8859-9"),
        ("8859/15", "iso8859-15"),
        ("ISO IR14", "shift_jis"),
        ("ISO IR87", "iso2022_jp"),
        ("ISO IR159", "iso2022_jp_2"),
        ("KS X 1001", "euc_kr"),
        ("GB 18030-2000", "gb18030"),
        ("BIG-5", "big5"),
        ("UNICODE", "utf-8"),
        ("UNICODE UTF-8", "utf-8"),
        # As senders write them.
        ("UTF-8", "utf-8"),
        ("UTF8", "utf-8"),
        ("utf-8", "utf-8"),
        ("UNICODE-1-1-UTF-8", "utf-8"),
        ("8859-1", "iso8859-1"),
        ("ISO-8859-1", "iso8859-1"),
        ("iso8859_1", "iso8859-1"),
        ("US-ASCII", "ascii"),
        ("windows-1252", "cp1252"),
        ("ANSI", "cp1252"),
        ("Latin-1", "iso8859-1"),
        ("ISO_IR 100", "iso8859-1"),
        ("UNICODE-UTF8", "utf-8"),
        ("8859\\1", "iso8859-1"),
        ("EUC-JP", "euc_jp"),
        ("Windows-31J", "cp932"),
        # Not known, or not possible.
        ("CNS 11643-1992", None),
        ("UNICODE UTF-16", None),
        ("UNICODE UTF-32", None),
        ("8859/12", None),
        ("x", None),
        ("", None),
    ],
)
def test_a_character_set_is_known_by_all_its_names(name: str, expected: str | None) -> None:
    assert codec(name) == expected


@pytest.mark.parametrize(
    ("encoding", "declared", "override", "note"),
    [
        ("utf-8", b"UNICODE UTF-8", None, None),
        ("latin-1", b"8859/1", None, None),
        ("utf-8", b"", None, None),  # nothing declared, but it is UTF-8 without a doubt
        ("cp1252", b"", None, "charset-fallback"),
        ("utf-8", b"ASCII", None, "charset-unsuitable"),  # the usual lie
        ("cp1252", b"ASCII", None, "charset-unsuitable"),
        ("cp1252", b"UNICODE UTF-8", None, "charset-unsuitable"),
        ("utf-8", b"x", None, "charset-unknown"),
        ("cp1252", b"x", None, "charset-unknown"),
        ("utf-8", b"UNICODE UTF-16", None, "charset-unknown"),  # it would not have arrived as a message
        ("cp1252", b"UNICODE UTF-8", "windows-1252", None),  # the peer's setting is believed
        ("latin-1", b"ASCII", "8859/1", None),
        ("utf-8", b"UNICODE UTF-8", "ASCII", "charset-unsuitable"),
    ],
)
def test_text_comes_out_right_and_a_wrong_declaration_is_noted(
    encoding: str, declared: bytes, override: str | None, note: str | None
) -> None:
    assert decode(TEXT.encode(encoding), declared, override) == (TEXT, note)


@pytest.mark.parametrize(
    ("text", "encoding", "declared"),
    [
        ("Łukasz", "iso8859-2", b"8859/2"),
        ("Иван", "iso8859-5", b"8859/5"),
        ("山田", "iso2022_jp", b"ISO IR87"),  # ASCII bytes only, with control sequences
        ("ﾔﾏﾀﾞ", "shift_jis", b"ISO IR14"),
        ("홍길동", "euc_kr", b"KS X 1001"),
        ("张三", "gb18030", b"GB 18030-2000"),
        ("張三", "big5", b"BIG-5"),
    ],
)
def test_every_set_of_the_table_is_read(text: str, encoding: str, declared: bytes) -> None:
    assert decode(text.encode(encoding), declared) == (text, None)


def test_typographic_characters_under_the_name_of_8859_are_windows() -> None:
    assert decode("5 mm “A”".encode("cp1252"), b"8859/1") == ("5 mm “A”", "charset-unsuitable")


def test_utf8_under_the_name_of_8859_is_utf8() -> None:
    assert decode("5 mm “A”".encode(), b"8859/1") == ("5 mm “A”", "charset-unsuitable")


def test_ascii_is_not_noted_whatever_it_is_called() -> None:
    assert decode(b"MSH|^~\\&|", b"x") == ("MSH|^~\\&|", None)
    assert decode(b"MSH|^~\\&|", b"UNICODE UTF-16") == ("MSH|^~\\&|", None)


def test_a_byte_that_windows_1252_does_not_have_is_kept() -> None:
    text, note = decode(b"a\x81\xffb", b"")
    assert text.encode("latin-1") == b"a\x81\xffb"
    assert note == "charset-fallback"


@settings(deadline=None)
@given(
    st.binary() | st.text().map(str.encode),
    st.sampled_from([b"", b"ASCII", b"8859/1", b"8859/7", b"UNICODE UTF-8", b"GB 18030-2000", b"nonsense"]),
    st.sampled_from([None, "windows-1252", "nonsense"]),
)
def test_no_byte_is_lost(body: bytes, declared: bytes, override: str | None) -> None:
    text, note = decode(body, declared, override)
    name, same_note = detect(body, declared, override)
    assert text.encode(name) == body
    assert note == same_note
