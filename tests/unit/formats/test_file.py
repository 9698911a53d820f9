"""The messages of a file, and what is wrong with one that can't be taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.formats.hl7v2.file import read_file
from casecart.formats.mllp import frame

ONE = b"MSH|^~\\&|A|B|||20261103||DFT^P03|ID1|P|2.5\rPID|1\r"
TWO = b"MSH|^~\\&|A|B|||20261103||DFT^P03|ID2|P|2.5\rPID|2\r"
FHS, BHS, BTS, FTS = (b"%b|%b\r" % (name, rest) for name, rest in
                      [(b"FHS", b"^~\\&|A"), (b"BHS", b"^~\\&|A"), (b"BTS", b"2"), (b"FTS", b"1")])  # fmt: skip


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (ONE, [ONE]),
        (ONE + TWO, [ONE, TWO]),
        (ONE.replace(b"\r", b"\n") + TWO, [ONE.replace(b"\r", b"\n"), TWO]),  # each as it was written
        (b"\xef\xbb\xbf" + ONE, [ONE]),
        (b"\r\n \n" + ONE + b"\n\x1a", [ONE + b"\n\x1a"]),
        (ONE.rstrip(b"\r"), [ONE.rstrip(b"\r")]),
        (FHS + BHS + ONE + TWO + BTS + FTS, [ONE, TWO]),
        (BHS + ONE + TWO + BTS, [ONE, TWO]),
        (FHS + ONE + TWO + FTS, [ONE, TWO]),  # the messages are a batch without its own header
        (FHS + BHS + ONE + TWO + BTS + BHS + ONE + b"BTS|1\rFTS|2\r", [ONE, TWO, ONE]),
        (FHS + b"ARV||A\r" + BHS + ONE + TWO + BTS + FTS, [ONE, TWO]),
        (BHS + ONE + b"BTS\r", [ONE]),  # a trailer needn't count
        (BHS + ONE + TWO + b"BTS|2\r\n\x1a", [ONE, TWO]),
        (BHS + b"BTS|0\r", []),  # a batch without a message is legal
        (frame(ONE) + b"\r\n" + frame(TWO), [ONE, TWO]),
        (ONE + b"OBX|1|TX|MSHX\rNTE|1||MSH|x\r", [ONE + b"OBX|1|TX|MSHX\rNTE|1||MSH|x\r"]),
    ],
)
def test_each_message_of_a_file_is_found_as_it_was_written(data: bytes, messages: list[bytes]) -> None:
    read = read_file(data)
    assert (read.code, list(read.messages)) == ("", messages)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"\r\n \0", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\xef\xbb\xbf\r\n", "empty"),
        (b"hello", "no-message"),
        (b"PID|1\rPV1|1\r", "no-message"),
        (b"hello\r" + ONE, "not-a-message"),
        (ONE.decode().encode("utf-16"), "utf-16"),
        (ONE.decode().encode("utf-16-le"), "utf-16"),
        (ONE.decode().encode("utf-16-be"), "utf-16"),
        (FHS + BHS + ONE + TWO, "batch"),
        (BHS + ONE, "batch"),
        (FHS + BHS + ONE + TWO + BTS, "batch"),
        (FHS + BHS + ONE + TWO + FTS, "batch"),
        (BHS + ONE + BTS, "batch"),
        (FHS + BHS + ONE + TWO + BTS + b"FTS|7\r", "batch"),
        (BHS + BHS + ONE + BTS, "batch"),
        (ONE + FHS + FTS, "batch"),
        (FHS + BHS + ONE + TWO + BTS + FTS + ONE, "batch"),
        (FHS + b"PID|1\r" + FTS, "batch"),
        (b"BHS\r" + ONE + b"BTS|1\r", "delimiters"),
        (frame(ONE)[:-10], "truncated"),
        (frame(ONE) + b"junk", "noise"),
        (frame(b""), "no-message"),
    ],
)
def test_of_a_file_that_is_not_whole_nothing_is_taken(data: bytes, code: str) -> None:
    read = read_file(data)
    assert (read.code, read.messages) == (code, ())
    assert read.words.endswith(".")


@given(st.one_of(st.binary(), st.lists(st.sampled_from([ONE, TWO, FHS, BHS, BTS, FTS, b"junk\r"])).map(b"".join)))
def test_any_file_is_messages_or_a_reason_and_never_both(data: bytes) -> None:
    read = read_file(data)
    assert bool(read.code) == bool(read.words)
    assert not (read.code and read.messages)
    assert all(message.startswith(b"MSH") and message in data for message in read.messages) or data[:1] == b"\x0b"
