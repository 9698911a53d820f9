"""Bytes of JSON to a resource, or a reason why not."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.formats.fhir import Limits, Refused, read_resource

SMALL = Limits(size=1000, depth=10, members=20)


def holding(value: str) -> bytes:
    return b'{"resourceType": "Basic", "it": %s}' % value.encode()


def refused(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(Refused) as caught:
        read_resource(data, limits or Limits())
    return caught.value.problem.code


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("1.00", Decimal("1.00")),
        ("0.10", Decimal("0.10")),
        ("-0.0", Decimal("-0.0")),
        ("2.5E3", Decimal("2.5E+3")),
        ("1e-7", Decimal("1E-7")),
        ("0.12345678901234567890", Decimal("0.12345678901234567890")),
    ],
)
def test_a_decimal_keeps_its_digits(sent: str, read: Decimal) -> None:
    it = read_resource(holding(sent))["it"]
    assert isinstance(it, Decimal)
    assert str(it) == str(read)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("7", 7),
        ("true", True),
        ("null", None),
        ('"\\u00e9\\ud83d\\ude00\\/"', "é😀/"),  # written with escapes that nobody needs
        ('"\\u001d"', "\x1d"),  # the separator within a device identifier
        ("[1, null]", [1, None]),
        ('{"a b" : "c  d"}', {"a b": "c  d"}),
        ("1" * 200, int("1" * 200)),
    ],
)
def test_other_values_are_those_of_json(sent: str, read: object) -> None:
    it = read_resource(holding(sent))["it"]
    assert it == read
    assert type(it) is type(read)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_other_encodings_of_unicode_are_read(encoding: str) -> None:
    assert read_resource('{"resourceType": "Basic", "it": "é"}'.encode(encoding))["it"] == "é"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not-json"),
        (b"   ", "not-json"),
        (b"MSH|^~\\&|", "not-json"),
        (b"<Basic/>", "not-json"),
        (b'{"resourceType": "Basic"', "not-json"),  # half of it
        (b'{"resourceType": "Basic"}{"resourceType": "Basic"}', "not-json"),
        (b'{"resourceType": "Basic",}', "not-json"),
        (holding("NaN"), "not-json"),
        (holding("-Infinity"), "not-json"),
        (holding("01"), "not-json"),
        (holding("+1"), "not-json"),
        (holding('"\\ud800"'), "not-json"),  # half of a pair
        (holding('"\n"'), "not-json"),
        (b'{"resourceType": "Basic", "it": "\xed\xa0\x80"}', "encoding"),  # the same, in bytes
        (b'{"resourceType": "Basic", "it": "\xe9"}', "encoding"),  # Latin-1
        (b"\xff\xfe{", "encoding"),
        (b"[]", "not-an-object"),
        (b'"Basic"', "not-an-object"),
        (b"null", "not-an-object"),
        (b"{}", "no-resource-type"),
        (b'{"resourceType": ""}', "no-resource-type"),
        (b'{"resourceType": ["Basic"]}', "no-resource-type"),
        (holding("1" * 5000), "number"),
        (holding("0." + "1" * 5000), "number"),
        (holding("1E999999999"), "number"),
        (holding("-1e-999999999"), "number"),
        (holding("1E99999999999999999999"), "number"),
        (holding("0e-99999999999999999999"), "number"),
        (b"[" * 10_000 + b"]" * 10_000, "too-deep"),
        (b'{"it":' * 10_000 + b"1" + b"}" * 10_000, "too-deep"),
        (holding("[" * 100 + "]" * 100), "too-deep"),
        (holding('{"a": 1, "b": 2, "a": 1}'), "duplicate-member"),
        (holding('{"a": 1, "\\u0061": 1}'), "duplicate-member"),
        (holding('[{"a":1E5,"a":10}]'), "duplicate-member"),
        (b'{"resourceType": "Basic", "resourceType": "Basic"}', "duplicate-member"),
    ],
)
def test_what_is_no_resource_is_refused_with_its_reason(data: bytes, code: str) -> None:
    assert refused(data) == code


def test_what_is_as_large_as_may_be_is_read() -> None:
    data = holding("[" * 9 + "]" * 9)
    assert read_resource(data, Limits(size=len(data), depth=10, members=12))["it"] != []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (holding('"' + "x" * 1000 + '"'), "too-large"),
        (holding("[" * 10 + "]" * 10), "too-deep"),
        (holding("[" + "{}, " * 20 + "1]"), "too-many-members"),
        (holding("{" + ", ".join(f'"{number}": 1' for number in range(20)) + "}"), "too-many-members"),
    ],
)
def test_what_is_larger_than_may_be_is_refused(data: bytes, code: str) -> None:
    assert refused(data, SMALL) == code


def test_a_text_of_100_mb_is_refused_unread() -> None:
    assert refused(holding('"' + "x" * 100_000_000 + '"')) == "too-large"


def test_a_reason_names_no_content() -> None:
    with pytest.raises(Refused) as caught:
        read_resource(b'{"resourceType": "Patient", "name": "Example^Ada" "oops"}')
    assert "Example" not in str(caught.value)
    assert "byte 50" in str(caught.value)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=50)
@given(values, st.fixed_dictionaries({"ensure_ascii": st.booleans(), "indent": st.sampled_from([None, 2])}))
def test_any_object_of_json_is_read_as_another_reader_reads_it(value: object, style: dict[str, Any]) -> None:
    text = json.dumps({"resourceType": "Basic", "it": value}, **style)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return  # a lone surrogate, which no bytes have
    try:
        read = read_resource(data)
    except Refused as refusal:
        assert refusal.problem.code in {"number", "not-json"}  # noqa: PT017 - a large exponent, half of a pair
    else:
        assert read == json.loads(text, parse_float=Decimal)


@given(st.binary() | st.text().map(str.encode) | st.binary().map(lambda some: b'{"resourceType":"Basic",' + some))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read = read_resource(data, SMALL)
    except Refused as refusal:
        assert refusal.problem.issue_type  # noqa: PT017 - either may come
    else:
        assert isinstance(read["resourceType"], str)


@given(
    st.lists(st.sampled_from(['"a"', '"b"', '"\\u0061"', "1", "{", "}", "[", "]", ":", ",", " ", "1E5"]), max_size=30)
)
def test_a_member_that_comes_twice_never_passes(tokens: list[str]) -> None:
    data = b'{"resourceType":"Basic","it":{' + "".join(tokens).encode() + b"}}"
    try:
        read_resource(data)
    except Refused:
        return
    pairs: list[list[str]] = []
    json.loads(data, object_pairs_hook=lambda found: pairs.append([name for name, _ in found]))
    assert [names for names in pairs if len(set(names)) != len(names)] == []
