"""Framing: what a connection's bytes are cut into, wherever they are cut on their way."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from casecart.formats.mllp import KEPT, Event, Fault, Framer, Signal, frame

LIMIT = 1_000
BODY = b"MSH|^~\\&|A\rPID|1\r"

# Bytes that mean something to the framer, and two that don't.
STREAM = st.lists(st.sampled_from(b"\x0b\x1c\r\n\0 \x06\x15Mz")).map(bytes)


def run(*reads: bytes, maximum: int = LIMIT) -> list[Event]:
    """What comes out of these reads, and of the end of the connection."""
    framer = Framer(maximum)
    events = [event for read in reads for event in framer.feed(read)]
    left = framer.finish()
    return [*events, left] if left else events


def codes(events: list[Event]) -> list[str]:
    return [event.code if isinstance(event, Fault) else type(event).__name__ for event in events]


def test_a_frame_gives_its_body() -> None:
    assert run(frame(BODY)) == [BODY]


def test_a_frame_cut_anywhere_comes_out_whole() -> None:
    whole = frame(BODY)
    for cut in range(len(whole) + 1):
        assert run(whole[:cut], whole[cut:]) == [BODY]


def test_several_frames_in_one_read_come_out_in_their_order() -> None:
    assert run(frame(b"MSH|1\r") + frame(b"MSH|2\r") + frame(b"MSH|3\r")) == [b"MSH|1\r", b"MSH|2\r", b"MSH|3\r"]


@settings(deadline=None)
@given(STREAM, st.data())
@example(b"\x0bMSH\x1c", None)
def test_where_a_stream_is_cut_makes_no_difference(stream: bytes, data: st.DataObject | None) -> None:
    places = range(len(stream) + 1)
    cuts = sorted(data.draw(st.sets(st.sampled_from(places)))) if data else list(places)
    reads = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    for maximum in (4, LIMIT):
        assert run(*reads, maximum=maximum) == run(stream, maximum=maximum)


@settings(deadline=None)
@given(STREAM)
def test_no_byte_that_means_something_disappears(stream: bytes) -> None:
    events = run(stream)
    told = b"".join(event if isinstance(event, bytes) else getattr(event, "data", b"") for event in events)
    letters = bytes(byte for byte in stream if byte in b"Mz")
    if len(events) < 32:  # then the framer gives up
        assert bytes(byte for byte in told if byte in b"Mz") == letters


@settings(deadline=None)
@given(st.lists(st.text("MSHPID|^~\\&1", min_size=1).map(lambda text: text.encode() + b"\r")), st.data())
def test_good_frames_with_strays_between_them_all_come_out(bodies: list[bytes], data: st.DataObject) -> None:
    strays = st.text("\r\n\0 ").map(str.encode)
    stream = b"".join(data.draw(strays) + frame(body) for body in bodies) + data.draw(strays)
    assert run(stream) == bodies


@pytest.mark.parametrize(
    "end",
    [
        b"\x1c",  # the last CR was forgotten
        b"\x1c\n",
        b"\x1c\r\n",
        b"\x1c\r\r",
        b"\x1c\0",
    ],
)
def test_an_end_byte_without_its_cr_ends_a_frame_at_once(end: bytes) -> None:
    framer = Framer(LIMIT)
    assert framer.feed(b"\x0b" + BODY + end) == [BODY]
    assert not framer.begun
    assert framer.feed(frame(BODY)) == [BODY]


def test_a_frame_whose_last_segment_is_not_ended_waits_for_the_byte_after_its_end() -> None:
    framer = Framer(LIMIT)
    assert framer.feed(b"\x0bMSH|1\x1c") == []
    assert framer.begun
    assert framer.feed(b"\r") == [b"MSH|1"]


def test_the_next_frame_ends_one_that_still_waits() -> None:
    assert run(b"\x0bMSH|1\x1c\x0bMSH|2\r\x1c\r") == [b"MSH|1", b"MSH|2\r"]


def test_an_end_byte_within_a_message_does_not_pass_its_first_half_off_as_a_message() -> None:
    events = run(b"\x0bMSH|1\rFT1|quantity 1\x1c0\r\x1c\r")
    assert codes(events) == ["stray-end", "no-start"]


def test_a_new_start_before_the_end_gives_the_truncated_frame_up_and_begins_anew() -> None:
    truncated, body = run(b"\x0bMSH|lost" + frame(BODY))
    assert isinstance(truncated, Fault)
    assert (truncated.code, truncated.data, truncated.size) == ("truncated", b"MSH|lost", 8)
    assert body == BODY


def test_a_doubled_start_byte_loses_nothing() -> None:
    assert run(b"\x0b" + frame(BODY)) == [BODY]


def test_a_frame_cut_off_by_the_end_of_the_connection_is_truncated() -> None:
    assert codes(run(b"\x0bMSH|1\rFT1|1")) == ["truncated"]


def test_a_frame_that_ends_with_the_connection_but_not_for_sure_is_truncated() -> None:
    assert codes(run(b"\x0bMSH|1\x1c")) == ["truncated"]


def test_strays_between_frames_are_no_fault() -> None:
    assert run(b"\r\n\0 " + frame(BODY) + b"\n \0\r" + frame(BODY) + b"\n") == [BODY, BODY]


def test_other_bytes_between_frames_are_told() -> None:
    noise, body = run(b"hello" + frame(BODY))
    assert isinstance(noise, Fault)
    assert (noise.code, noise.data) == ("noise", b"hello")
    assert body == BODY


def test_a_frame_without_a_start_is_told_when_it_ends() -> None:
    framer = Framer(LIMIT)
    (fault,) = framer.feed(BODY + b"\x1c\r")
    assert isinstance(fault, Fault)
    assert (fault.code, fault.data) == ("no-start", BODY + b"\x1c")
    assert framer.feed(frame(BODY)) == [BODY]


def test_someone_who_does_not_speak_mllp_is_cut_off() -> None:
    framer = Framer(LIMIT)
    (fault,) = framer.feed(b"x" * 1_000_000)
    assert isinstance(fault, Fault)
    assert (fault.code, fault.size) == ("noise", 4_096)
    assert framer.dead
    assert framer.feed(frame(BODY)) == []


@pytest.mark.parametrize("faults", [b"x\x1c", b"\x0bx"])
def test_faults_without_end_are_not_told_without_end(faults: bytes) -> None:
    framer = Framer(LIMIT)
    assert len(framer.feed(faults * 10_000)) == 32
    assert framer.dead


@pytest.mark.parametrize("reads", [[b"x\x1c" + frame(BODY)], [b"x\x1c", frame(BODY)]])
def test_a_good_frame_forgives_the_faults_before_it(reads: list[bytes]) -> None:
    framer = Framer(LIMIT)
    for _ in range(100):
        assert codes([event for read in reads for event in framer.feed(read)]) == ["no-start", "bytes"]
    assert not framer.dead


@pytest.mark.parametrize(
    ("body", "signal"),
    [
        (b"", Signal.EMPTY),
        (b"\0", Signal.EMPTY),
        (b"\r\n", Signal.EMPTY),
        (b"\x06", Signal.COMMITTED),  # MLLP release 2
        (b"\x15", Signal.NOT_COMMITTED),
    ],
)
def test_a_frame_without_a_message_is_a_signal(body: bytes, signal: Signal) -> None:
    assert run(frame(body) + frame(BODY)) == [signal, BODY]


def test_a_body_as_large_as_the_limit_is_taken() -> None:
    body = b"MSH|" + b"x" * (LIMIT - 5) + b"\r"
    assert len(body) == LIMIT
    assert run(frame(body)) == [body]
    assert run(b"\x0b", body, b"\x1c\r") == [body]


def test_a_larger_one_is_told_and_ends_the_connection() -> None:
    framer = Framer(LIMIT)
    (fault,) = framer.feed(frame(b"MSH|" + b"x" * (LIMIT - 3)))
    assert isinstance(fault, Fault)
    assert (fault.code, fault.size) == ("too-large", LIMIT + 1)
    assert framer.dead
    assert framer.feed(frame(BODY)) == []


def test_the_limit_is_the_same_for_a_frame_in_pieces() -> None:
    assert codes(run(b"\x0b", b"x" * LIMIT, b"\r\x1c\r")) == ["too-large"]
    assert codes(run(b"\x0b", b"x" * LIMIT + b"\r\x1c\r")) == ["too-large"]


def test_a_frame_of_a_hundred_megabytes_never_takes_more_than_the_limit() -> None:
    framer = Framer(100_000)
    chunk = b"x" * 65_536
    framer.feed(b"\x0bMSH|")
    events = [event for _ in range(1_600) for event in framer.feed(chunk)]
    assert codes(events) == ["too-large"]
    (fault,) = events
    assert isinstance(fault, Fault)
    assert len(fault.data) == KEPT
    assert framer.pending == 0


def test_bytes_that_come_one_by_one_take_time_in_proportion() -> None:
    def seconds(size: int) -> float:
        framer = Framer(10_000_000)
        framer.feed(b"\x0b")
        start = time.process_time()
        for _ in range(size):
            framer.feed(b"x")
        return time.process_time() - start

    seconds(10_000)
    # Quadratic time would be a hundred times as much.
    assert seconds(300_000) < 40 * max(seconds(30_000), 0.005)


@pytest.mark.parametrize("flood", [b"\x0b", b"\x1c", b"\x0b\r\x1c", b"\r", b"x", b"\x0bMSH\r\x1c\r"])
def test_a_flood_of_marks_takes_time_in_proportion(flood: bytes) -> None:
    start = time.process_time()
    Framer(LIMIT).feed(flood * (2_000_000 // len(flood)))
    assert time.process_time() - start < 10


def test_what_waits_is_counted() -> None:
    framer = Framer(LIMIT)
    assert (framer.begun, framer.pending) == (False, 0)
    framer.feed(b"\x0bMSH|")
    assert (framer.begun, framer.pending) == (True, 4)
    framer.feed(b"\r\x1c\r")
    assert (framer.begun, framer.pending) == (False, 0)


def test_noise_waits_too_so_that_a_time_limit_makes_it_visible() -> None:
    framer = Framer(LIMIT)
    assert framer.feed(b"GET / HTTP/1.1\r\n") == []
    assert framer.begun
    fault = framer.finish()
    assert fault is not None
    assert fault.code == "noise"


def test_the_words_of_a_fault_hold_none_of_its_bytes() -> None:
    (fault,) = run(b"\x0bMSH|DOE^JANE")
    assert isinstance(fault, Fault)
    assert "DOE" not in fault.words
