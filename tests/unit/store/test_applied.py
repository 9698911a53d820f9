"""The files of a revision are encoded so that what comes back is what went in, or is told to be damaged."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.store import (
    Damaged,
    TooLarge,
    applied,
    decode_channels,
    decode_files,
    encode_channels,
    encode_files,
    files_digest,
)
from casecart.store.seal import sealed

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
files = st.dictionaries(names, st.binary(max_size=200), max_size=8)


@given(files)
def test_files_come_back_as_they_were(given: dict[str, bytes]) -> None:
    assert decode_files(encode_files(given)) == given


@given(files, files)
def test_the_digest_is_the_same_exactly_when_the_files_are(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (files_digest(one) == files_digest(other)) == (one == other)


def test_what_stands_in_which_file_makes_a_difference() -> None:
    assert files_digest({"a": b"bc"}) != files_digest({"ab": b"c"})
    assert files_digest({"a": b"b", "c": b""}) != files_digest({"a": b"", "c": b"b"})


@given(st.data())
def test_a_changed_byte_is_found(data: st.DataObject) -> None:
    encoded = bytearray(encode_files({"channels/or-usage.yaml": b"channel: or-usage\n" * 3}))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Damaged):
        decode_files(bytes(encoded))


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", sealed(b"x"), sealed(zlib.compress(b"\x93")), sealed(zlib.compress(b"\x90"))]
)
def test_what_is_none_of_ours_is_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        decode_files(data)
    with pytest.raises(Damaged):
        decode_channels(data)


def test_files_that_unpack_to_more_than_was_ever_written_are_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = encode_files({"a": bytes(100_000)})
    monkeypatch.setattr(applied, "LARGEST", 1_000)
    with pytest.raises(Damaged, match="do not end"):
        decode_files(bomb)


def test_more_files_than_a_revision_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applied, "LARGEST", 10)
    encode_files({"a": b"12345", "b": b"67890"})
    with pytest.raises(TooLarge, match="11 bytes together, and a revision may have 10"):
        encode_files({"a": b"12345", "b": b"678901"})


def test_channels_come_back_as_they_were() -> None:
    assert decode_channels(encode_channels({"or-usage": "abc"})) == {"or-usage": "abc"}
