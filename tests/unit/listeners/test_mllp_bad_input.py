"""What a sender can do wrong: each shows the answer, the record, and that another connection goes on."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from casecart.formats.mllp import KEPT, frame
from support.listening import ORSYS, Door, Line, message, mllp_settings

if TYPE_CHECKING:
    from casecart.runtime.listener import Arrival


def goes_on(other: Line) -> bool:
    """Whether a connection beside the bad one is served as ever."""
    before = len(other.codes)
    other.send(message("other"))
    return other.codes[before:] == ["AA other"] and not other.closing()


def is_record(arrival: Arrival, notes: str, body: bytes) -> bool:
    """Whether it is the record of something that can't be processed: its bytes, and a code that says why."""
    return arrival.refused and arrival.notes == notes and arrival.body == body and arrival.source == "192.0.2.7:40000"


def test_garbage_is_recorded_with_its_bytes_and_not_answered() -> None:
    door = Door()
    other, bad = door.connect(), door.connect()
    bad.send_bytes(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    door.wait(31)
    assert is_record(door.intake.last, "noise timeout", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert (door.intake.last.schema, door.intake.last.message_type) == ("mllp/1", "")
    assert bad.answers == []
    assert bad.closing()
    assert goes_on(other)


def test_noise_before_a_frame_is_recorded_and_the_frame_is_taken() -> None:
    door = Door()
    other, bad = door.connect(), door.connect()
    bad.send_bytes(b"hello" + frame(message("1")))
    assert is_record(door.intake.arrivals[0], "noise", b"hello")
    assert bad.codes == ["AA 1"]
    assert not bad.closing()
    assert goes_on(other)


def test_a_truncated_frame_is_recorded_and_the_next_one_taken() -> None:
    door = Door()
    other, bad = door.connect(), door.connect()
    half = message("1")[:40]
    bad.send_bytes(b"\x0b" + half + frame(message("2")))
    assert is_record(door.intake.arrivals[0], "truncated", half)
    assert bad.codes == ["AA 2"]
    assert goes_on(other)


def test_a_connection_cut_in_a_message_leaves_a_record_of_the_half() -> None:
    door = Door()
    other, bad = door.connect(), door.connect()
    bad.send(message("1"))
    bad.send_bytes(b"\x0b" + message("2")[:60])
    bad.protocol.connectionLost()
    assert is_record(door.intake.last, "truncated", message("2")[:60])
    assert bad.codes == ["AA 1"]
    assert goes_on(other)


def test_a_frame_without_msh_is_recorded_and_rejected() -> None:
    door = Door()
    other, bad = door.connect(), door.connect()
    bad.send(b"PID|1||MRN1\r", message("2"))
    assert is_record(door.intake.arrivals[0], "no-header", b"PID|1||MRN1\r")
    assert bad.codes == ["AR ", "AA 2"]
    assert b"ERR||" in bad.answers[0]
    assert goes_on(other)


@pytest.mark.parametrize("control_id", ["", "  "])
def test_a_message_without_a_control_id_is_recorded_and_rejected_with_error_101(control_id: str) -> None:
    door = Door()
    other, bad = door.connect(), door.connect()
    bad.send(message(control_id))
    assert is_record(door.intake.last, "no-control-id", message(control_id))
    assert door.intake.last.facility == "NORTH"
    assert bad.codes == [f"AR {control_id}"]
    assert b"ERR||MSH^1^10|101^" in bad.answers[0]
    assert goes_on(other)


def test_two_messages_in_a_frame_are_recorded_and_rejected() -> None:
    door = Door()
    other, bad = door.connect(), door.connect()
    both = message("1") + message("2")
    bad.send(both)
    assert is_record(door.intake.last, "several-messages", both)
    assert bad.codes == ["AR 1"]
    assert b"ERR||MSH^2|100^" in bad.answers[0]
    assert goes_on(other)


@pytest.mark.parametrize(
    "body",
    [
        message("1", segments=["DSC|P1|F", "FT1|1"]),  # DSC is not the last
        message("1", segments=["FT1|1", "DSC|P1|I"]),  # interactive: of a query
        message("1", segments=["FT1|1", "ADD"]),  # FT1 goes on, and nothing says where
        message("1", header=[(14, "P1")], segments=["FT1|1", "DSC|P1|F"]),  # no order can be told
        message("1", header=[(14, "P" * 200)]),
    ],
)
def test_a_part_whose_place_among_the_others_can_not_be_told_is_recorded_and_rejected(body: bytes) -> None:
    door = Door()
    other, bad = door.connect(), door.connect()
    bad.send(body)
    assert is_record(door.intake.last, "continued", body)
    assert bad.codes == ["AR 1"]
    assert goes_on(other)


@pytest.mark.parametrize(
    ("body", "part", "notes"),
    [
        (message("1", segments=["FT1|1", "DSC|more^ORSYS|F"]), True, None),
        (message("1", header=[(14, "more^ORSYS")]), True, None),
        (message("1", segments=["FT1|1", "ADD|the rest of FT1"]), False, "segment-continued"),
        (message("1", segments=["FT1|1", "DSC|"]), False, "segment-continued"),  # says that nothing follows
        (message("1", segments=["NTE|1||ADD a screw"]), False, None),
    ],
)
def test_a_part_of_a_longer_message_is_known_as_one(body: bytes, notes: str | None, *, part: bool) -> None:
    door = Door()
    sender = door.connect()
    sender.send(body)
    special = door.intake.last.special
    assert (special is not None and special.part is not None) is part
    assert (door.intake.last.notes, door.intake.last.refused) == (notes, False)
    assert sender.codes == ["AA 1"]


@pytest.mark.parametrize("field", ["0", "1^ORSYS", "P" * 200])
def test_what_a_peer_writes_into_msh_14_for_no_reason_is_passed_over_where_the_setting_says_so(field: str) -> None:
    ignoring = ORSYS.replace("facility:", "continuation_pointer: ignore, facility:")
    door = Door(settings=mllp_settings(peers=ignoring))
    sender = door.connect()
    sender.send(message("1", header=[(14, field)]), message("2", header=[(14, field)], segments=["FT1|1", "DSC|P1|F"]))
    whole, part = door.intake.arrivals
    assert (whole.special, whole.refused, whole.notes) == (None, False, None)
    assert part.special is not None
    assert part.special.part is not None
    assert (part.special.part.follows, part.special.part.pointer) == ("", "P1")
    assert sender.codes == ["AA 1", "AA 2"]


def test_a_message_of_no_peer_is_recorded_and_rejected_without_repeating_its_name() -> None:
    door = Door()
    other, bad = door.connect(), door.connect()
    bad.send(message("1", header=[(3, "SOMEBODY")]))
    assert is_record(door.intake.last, "unknown-peer", message("1", header=[(3, "SOMEBODY")]))
    assert (door.intake.last.facility, door.intake.last.peer) == ("", "")
    assert door.intake.last.sender == "SOMEBODY|NORTH"
    assert bad.codes == ["AR 1"]
    error = bad.answers[0].split(b"\rERR|")[1]
    assert b"MSH-3 and MSH-4" in error
    assert b"SOMEBODY" not in error
    assert goes_on(other)


def test_a_message_of_no_peer_that_wants_enhanced_mode_gets_cr() -> None:
    door = Door()
    bad = door.connect()
    bad.send(message("1", header=[(3, "SOMEBODY"), (15, "AL"), (16, "NE")]))
    assert bad.codes == ["CR 1"]


def test_a_header_without_end_is_recorded_and_rejected() -> None:
    door = Door()
    other, bad = door.connect(), door.connect()
    endless = b"MSH|^~\\&|" + b"A" * 20_000 + b"\r"
    for body in (endless, b"\r\n" + endless):
        bad.send(body)
        assert is_record(door.intake.last, "long-header", body)
    assert bad.codes == ["AR ", "AR "]
    assert goes_on(other)


def test_a_control_id_longer_than_any_is_recorded_and_rejected() -> None:
    door = Door()
    bad = door.connect()
    bad.send(message("7" * 300))
    assert door.intake.last.notes == "long-control-id"
    assert len(door.intake.last.control_id) == 199
    assert bad.codes == ["AR " + "7" * 300]


def test_bytes_that_no_database_keeps_as_text_are_kept_in_the_body_only() -> None:
    door = Door()
    line = door.connect()
    line.send(message(b"a\0b\xff"))
    assert door.intake.last.control_id == "a\ufffdbÿ"
    assert line.answers[0].split(b"|")[-1] == b"a\0b\xff\r"


def test_a_frame_of_100_mb_is_given_up_at_the_limit_and_memory_stays_bounded() -> None:
    door = Door(settings=mllp_settings("maximum_frame: 1MB"))
    other, bad = door.connect(), door.connect()
    bad.send(message("1"))
    chunk = b"A" * 65_536
    tracemalloc.start()
    bad.send_bytes(b"\x0bMSH|")
    for _ in range(1600):
        bad.send_bytes(chunk)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4_000_000
    assert len(door.intake.arrivals) == 2
    assert is_record(door.intake.last, "too-large", (b"MSH|" + chunk)[:KEPT])
    assert bad.codes == ["AA 1"]
    assert bad.closing()
    assert goes_on(other)


def test_slow_bytes_are_recorded_when_their_time_is_up_however_often_they_come() -> None:
    door = Door()
    other, bad = door.connect(), door.connect()
    bad.send_bytes(b"\x0b" + message("1")[:10])
    for byte in message("1")[10:]:
        if bad.closing():
            break
        door.wait(2)
        bad.send_bytes(bytes([byte]))
    assert 29 <= door.reactor.seconds() <= 33
    assert door.intake.last.notes == "truncated timeout"
    assert message("1").startswith(door.intake.last.body)
    assert bad.answers == []
    assert bad.closing()
    assert goes_on(other)


def test_a_sender_that_never_reads_its_answers_is_not_read_from_and_closed_at_last() -> None:
    door = Door()
    other, bad = door.connect(), door.connect()
    bad.send(message("1"))
    bad.transport.producer.pauseProducing()  # as the transport does when 64 KiB are unread
    assert bad.paused()
    door.wait(3599)
    assert goes_on(other)
    assert not bad.closing()
    door.wait(2)
    assert bad.dropped()
    assert goes_on(other)


def test_a_sender_that_reads_its_answers_again_is_read_from_again() -> None:
    door = Door()
    line = door.connect()
    line.transport.producer.pauseProducing()
    line.transport.producer.resumeProducing()
    assert not line.paused()
    line.send(message("1"))
    assert line.codes == ["AA 1"]


def test_commit_bytes_of_release_2_and_keep_alives_are_passed_over() -> None:
    door = Door()
    line = door.connect()
    for signal in (b"\x06", b"\x15", b"", b"\0"):
        line.send_bytes(frame(signal))
    assert door.intake.arrivals == []
    assert line.answers == []
    line.send(message("1"))
    assert line.codes == ["AA 1"]


def test_a_sender_that_only_makes_faults_is_closed_after_some_of_them() -> None:
    door = Door()
    other, bad = door.connect(), door.connect()
    for _ in range(1000):
        bad.send_bytes(b"x\x1c\r")
    assert bad.closing()
    assert len(door.intake.arrivals) < 100
    assert goes_on(other)


def crowd(door: Door, senders: int, size: int) -> list[Line]:
    """So many connections, each with half a message of this size."""
    lines = [door.connect() for _ in range(senders)]
    for line in lines:
        line.send_bytes(b"\x0b" + message("half").ljust(size - 1, b"x"))
    return lines


def test_half_messages_of_many_senders_are_bounded_in_all_and_an_honest_one_is_not_harmed() -> None:
    door = Door()
    door.context.unfinished.most = 1_000_000
    other = door.connect()
    honest = message("1")
    other.send_bytes(b"\x0b" + honest[:50])
    lines = crowd(door, 60, 20_000)
    assert door.context.unfinished.total <= 1_000_000
    assert [line.closing() for line in lines].count(True) == 10  # 50 are left, and the other one
    assert {arrival.notes for arrival in door.intake.arrivals} == {"truncated crowded"}
    other.send_bytes(honest[50:] + b"\x1c\r")
    assert other.codes == ["AA 1"]
    assert goes_on(other)


def test_half_messages_count_no_more_when_they_are_whole_or_their_sender_is_gone() -> None:
    door = Door()
    whole, gone, slow = crowd(door, 3, 20_000)
    whole.send_bytes(b"\x1c\r")
    gone.protocol.connectionLost()
    slow.protocol.readConnectionLost()
    assert door.context.unfinished.total == 0


def test_half_messages_whose_time_is_up_count_no_more() -> None:
    door = Door()
    crowd(door, 3, 20_000)
    door.wait(31)
    assert door.context.unfinished.total == 0


def test_what_is_kept_while_nothing_can_be_stored_counts_too() -> None:
    door = Door()
    line = door.connect()
    door.intake.open = False
    line.send(message("1"))
    assert door.context.unfinished.total == len(frame(message("1")))
    door.intake.open = True
    door.wait(1)
    assert (door.context.unfinished.total, line.codes) == (0, ["AA 1"])
