"""Batches: each message as it was sent, and nothing of a frame whose counts don't fit."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.formats.hl7v2 import Refused, answer_batch, read_batch

ONE, TWO = b"MSH|^~\\&|A|B|||||DFT^P03|1|P|2.5\rFT1|1\r", b"MSH|^~\\&|A|B|||||ADT^A01|2|P|2.5\rPID|1\r"
BHS, FHS = b"BHS|^~\\&|ORSYS|NORTH|CC|MERCY|2026||||B1\r", b"FHS|^~\\&|ORSYS|NORTH|CC|MERCY|2026||||F1\r"


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (BHS + ONE + TWO + b"BTS|2\r", (ONE, TWO)),
        (BHS + b"BTS|0\r", ()),  # legal: nothing happened today
        (FHS + b"FTS|0\r", ()),
        (FHS + BHS + b"BTS|0\rFTS|1\r", ()),
        (FHS + BHS + ONE + b"BTS|1\r" + BHS + TWO + b"BTS|1|done\rFTS|2\r", (ONE, TWO)),
        (FHS + ONE + TWO + b"FTS|1\r", (ONE, TWO)),  # BHS and BTS may be left out: one batch
        (BHS + ONE + TWO + b"BTS\r", (ONE, TWO)),  # it needn't count
        (FHS + BHS + ONE + b"BTS||\rFTS\r", (ONE,)),
        (BHS + b"ARV||A\r" + ONE + b"BTS|1\r", (ONE,)),  # access restrictions, from 2.9 on
        (BHS + ONE + b"BTS| 1 |\r", (ONE,)),
        (BHS + ONE + b"BTS|1", (ONE,)),  # the last CR is forgotten
        (b"\xef\xbb\xbf\r\n" + BHS + ONE + b"BTS|001\r", (ONE,)),
        ((BHS + ONE + b"BTS|1\r").replace(b"\r", b"\r\n"), (ONE.replace(b"\r", b"\r\n"),)),
        (b"BHS#*~\\&#A#B\rMSH#*~\\&#A\rBTS|not this one\rBTS#1\r", (b"MSH#*~\\&#A\rBTS|not this one\r",)),
    ],
)
def test_the_messages_of_a_batch_come_out_as_they_were_sent(body: bytes, messages: tuple[bytes, ...]) -> None:
    assert read_batch(body).messages == messages


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        (BHS + ONE + TWO + b"BTS|3\r", "BTS-1", "2 came"),
        (BHS + ONE + TWO + b"BTS|1\r", "BTS-1", "2 came"),
        (BHS + ONE + b"BTS|one\r", "BTS-1", "1 came"),
        (BHS + ONE + b"BTS|" + b"1" * 50_000 + b"\r", "BTS-1", "1 came"),
        (BHS + ONE + b"BTS|-1\r", "BTS-1", "1 came"),
        (BHS + ONE, "BTS", "does not end"),
        (BHS, "BTS", "does not end"),
        (FHS + BHS + ONE + b"BTS|1\r", "FTS", "does not end"),
        (FHS + BHS + ONE + b"BTS|1\rFTS|2\r", "FTS-1", "1 came"),
        (FHS + BHS + ONE + b"FTS|1\r", "FTS", "before the end"),
        (FHS + ONE + b"BTS|1\rFTS|1\r", "BTS", "did not begin"),
        (BHS + ONE + b"BTS|1\rFTS|1\r", "FTS", "did not begin"),
        (BHS + ONE + BHS + TWO + b"BTS|1\rBTS|1\r", "BHS", "begins before"),
        (BHS + FHS + ONE + b"FTS|1\rBTS|1\r", "FHS", "first segment"),
        (FHS + BHS + ONE + b"BTS|1\r" + TWO + b"FTS|2\r", "MSH", "between two batches"),
        (FHS + ONE + BHS + TWO + b"BTS|1\rFTS|2\r", "BHS", "begins before"),
        (FHS + BHS + ONE + b"BTS|1\rFTS|1\r" + TWO, "FTS", "behind FTS"),
        (BHS + b"PID|1\r" + ONE + b"BTS|1\r", "", "outside a message"),
        (BHS + ONE + b"BTS|1\rNTE|1\r", "", "outside a message"),
        (BHS + b"MSH|x\r" * 10_001 + b"BTS|10001\r", "MSH", "more than 10000"),
        (b"BHS", "MSH-1", "separator"),
        (b"BHS|\r", "MSH-2", "encoding"),
    ],
)
def test_a_batch_that_may_be_cut_or_mixed_up_is_not_taken(body: bytes, place: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        read_batch(body)
    assert caught.value.location == place


def test_the_answer_of_a_batch_names_it_and_counts_itself() -> None:
    batch = read_batch(FHS + BHS + ONE + b"BTS|1\rFTS|1\r")
    assert answer_batch(batch, [b"MSH|ack\r"], control_id=b"OWN", time=b"2026") == (
        b"FHS|^~\\&|CC|MERCY|ORSYS|NORTH|2026||||OWN|F1\r"
        b"BHS|^~\\&|CC|MERCY|ORSYS|NORTH|2026||||OWN|F1\r"
        b"MSH|ack\r"
        b"BTS|1\r"
        b"FTS|1\r"
    )


MESSAGES = st.lists(
    st.lists(st.sampled_from([b"PID|1\r", b"FT1|2\r\n", b"NTE|BTS|9\r", b"ZZZ\n"]), max_size=3).map(
        lambda lines: ONE + b"".join(lines)
    ),
    max_size=4,
)


@given(batches=st.lists(MESSAGES, max_size=3))
def test_whatever_is_put_into_a_file_comes_out_of_it(batches: list[list[bytes]]) -> None:
    body = b"".join(BHS + b"".join(messages) + b"BTS|%d\r" % len(messages) for messages in batches)
    assert read_batch(FHS + body + b"FTS|%d\r" % len(batches)).messages == tuple(itertools.chain(*batches))


@given(messages=MESSAGES, cut=st.integers(1, 400))
def test_a_batch_that_is_cut_off_anywhere_is_not_taken_short(messages: list[bytes], cut: int) -> None:
    body = FHS + BHS + b"".join(messages) + b"BTS|%d\rFTS|1\r" % len(messages)
    try:
        found = read_batch(body[: max(len(FHS), len(body) - cut)])
    except Refused:
        return
    assert found.messages == tuple(messages)  # only line ends were cut


PIECES = [b"FHS|^~\\&\r", BHS, b"BTS|1\r", b"FTS|1\r", b"MSH|^~\\&|\r", b"PID|\r", b"\r", b"\n", b"|", b"BTS", b"\0"]


@settings(max_examples=300)
@given(pieces=st.lists(st.sampled_from(PIECES) | st.binary(max_size=5), max_size=12))
def test_any_bytes_are_a_batch_or_refused(pieces: list[bytes]) -> None:
    body = BHS + b"".join(pieces)
    try:
        batch = read_batch(body)
    except Refused:
        pass
    else:
        assert all(message.startswith(b"MSH|") and message in body for message in batch.messages)
