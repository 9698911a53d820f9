"""Several messages in one frame, and MLLP release 2's commit bytes: exactly which answers come."""

from __future__ import annotations

import pytest

from casecart.formats.mllp import frame
from casecart.runtime.listener import Receipt
from support.listening import Door, Intake, message, mllp_settings

BHS = b"BHS|^~\\&|ORSYS|NORTH|CASECART|MERCY|2026||||B1\r"
TAKES = mllp_settings("several_messages: take")
RELEASE_2 = mllp_settings("release: 2")


def segments(answer: bytes) -> list[str]:
    """The answer without what is of the moment: the names of its segments, and MSA and the counts in full."""
    lines = answer.decode().rstrip("\r").split("\r")
    return [line if line[:3] in ("MSA", "BTS", "FTS") else line[:3] for line in lines]


def test_the_messages_of_a_batch_arrive_one_by_one_and_a_batch_of_answers_goes_back_in_one_frame() -> None:
    door = Door()
    line = door.connect()
    line.send(BHS + message("1") + message("2") + b"BTS|2\r")
    assert [(arrival.control_id, arrival.body, arrival.refused) for arrival in door.intake.arrivals] == [
        ("1", message("1"), False),
        ("2", message("2"), False),
    ]
    (answer,) = line.answers
    assert segments(answer) == ["BHS", "MSH", "MSA|AA|1", "MSH", "MSA|AA|2", "BTS|2"]
    assert answer.split(b"\r")[0].split(b"|")[2:6] == [b"CASECART", b"MERCY", b"ORSYS", b"NORTH"]
    assert answer.split(b"\r")[0].split(b"|")[11] == b"B1"


def test_a_batch_without_messages_is_answered_by_one_and_nothing_arrives() -> None:
    door = Door()
    line = door.connect()
    line.send(b"FHS|^~\\&|ORSYS|NORTH\r" + BHS + b"BTS|0\rFTS|1\r")
    assert door.intake.arrivals == []
    assert [segments(answer) for answer in line.answers] == [["FHS", "BHS", "BTS|0", "FTS|1"]]


@pytest.mark.parametrize("trailer", [b"BTS|3\r", b"BTS|1\r", b"BTS|two\r", b""])
def test_nothing_is_taken_of_a_batch_whose_count_is_wrong_and_its_sender_gets_the_reason(trailer: bytes) -> None:
    door = Door()
    line = door.connect()
    body = BHS + message("1") + message("2") + trailer
    line.send(body)
    (arrival,) = door.intake.arrivals
    assert (arrival.refused, arrival.notes, arrival.body) == (True, "batch", body)
    assert line.codes == ["AR B1"]
    line.send(message("3"))
    assert line.codes == ["AR B1", "AA 3"]


def test_a_message_of_a_batch_that_cannot_be_taken_is_rejected_by_itself() -> None:
    door = Door()
    line = door.connect()
    stranger = message("2", header=[(3, "OTHER")])
    line.send(BHS + message("1") + stranger + message("") + message("4") + b"BTS|4\r")
    assert [arrival.refused for arrival in door.intake.arrivals] == [False, True, True, False]
    found = [line for line in segments(line.answers[0]) if line.startswith("MSA")]
    assert [each.split("|")[1:3] for each in found] == [["AA", "1"], ["AR", "2"], ["AR", ""], ["AA", "4"]]


def test_only_messages_that_want_an_answer_have_one_in_the_batch() -> None:
    door = Door()
    line = door.connect()
    silent = [(15, "NE"), (16, "NE")]
    line.send(BHS + message("1", header=silent) + message("2") + b"BTS|2\r")
    line.send(BHS + message("3", header=silent) + b"BTS|1\r")
    assert [segments(answer) for answer in line.answers] == [["BHS", "MSH", "MSA|AA|2", "BTS|1"]]
    assert len(door.intake.arrivals) == 3


def test_a_batch_is_answered_when_its_last_message_is_stored_and_in_the_order_of_the_frames() -> None:
    door = Door(Intake(None))
    line = door.connect()
    line.send(message("0"), BHS + message("1") + message("2") + b"BTS|2\r", message("3"))
    zero, one, two, three = door.intake.arrivals
    for arrival in (three, two, zero):
        arrival.reply(Receipt.STORED)
    door.reactor.advance(0)
    assert line.codes == ["AA 0"]
    one.reply(Receipt.DUPLICATE)
    door.reactor.advance(0)
    assert [segments(answer)[-1] for answer in line.answers] == ["MSA|AA|0", "BTS|2", "MSA|AA|3"]


def test_a_batch_that_cannot_be_stored_is_not_answered_and_its_connection_closes() -> None:
    door = Door(Intake(None))
    line = door.connect()
    line.send(BHS + message("1") + message("2") + b"BTS|2\r")
    one, two = door.intake.arrivals
    one.reply(Receipt.STORED)
    two.reply(Receipt.NOT_STORED)
    assert line.answers == []
    assert line.closing()


def test_several_messages_in_a_frame_are_refused_as_one() -> None:
    door = Door()
    line = door.connect()
    line.send(message("1") + message("2"))
    assert [(arrival.refused, arrival.notes) for arrival in door.intake.arrivals] == [(True, "several-messages")]
    assert line.codes == ["AR 1"]


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b" ", b"\0\t", b"\r\n", b"\n \xef\xbb\xbf"])
def test_what_stands_before_the_first_of_several_messages_is_passed_over(before: bytes) -> None:
    door = Door(settings=TAKES)
    line = door.connect()
    line.send(before + message("1") + message("2") + message("3"))
    assert line.codes == ["AA 1", "AA 2", "AA 3"]
    assert [arrival.body for arrival in door.intake.arrivals] == [before + message("1"), message("2"), message("3")]


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\r"])
def test_several_messages_in_a_frame_are_taken_and_answered_by_a_frame_each_where_the_setting_says_so(
    between: bytes,
) -> None:
    door = Door(settings=TAKES)
    line = door.connect()
    line.send(b"\r" + message("1") + between + message("2", header=[(3, "OTHER")]) + message("3"))
    assert line.codes == ["AA 1", "AR 2", "AA 3"]
    assert b"".join(arrival.body for arrival in door.intake.arrivals) == (
        b"\r" + message("1") + between + message("2", header=[(3, "OTHER")]) + message("3")
    )


def test_a_frame_of_very_many_messages_is_refused() -> None:
    door = Door(settings=TAKES)
    line = door.connect()
    line.send(message("1") + b"MSH|^~\\&|ORSYS|NORTH\r" * 10_000)
    assert [(arrival.refused, arrival.notes) for arrival in door.intake.arrivals] == [(True, "batch")]
    assert line.codes == ["AR 1"]


# --- MLLP release 2


def test_in_release_2_the_commit_byte_goes_before_each_acknowledgement() -> None:
    door = Door(settings=RELEASE_2)
    line = door.connect()
    line.send(message("1"), message("2", header=[(15, "NE"), (16, "NE")]))
    line.send(BHS + b"BTS|0\r")
    parts = line.transport.value().split(b"\x1c\r")
    assert [part[1:2] for part in parts[:-1]] == [b"\x06", b"M", b"\x06", b"\x06", b"B"]
    assert line.transport.value().count(frame(b"\x06")) == 3


def test_in_release_2_what_is_not_stored_is_told_and_the_connection_stays() -> None:
    door = Door(Intake(None), RELEASE_2)
    line = door.connect()
    line.send(message("1"), message("2"))
    one, two = door.intake.arrivals
    two.reply(Receipt.STORED)
    assert line.transport.value() == b""  # in order
    one.reply(Receipt.NOT_STORED)
    door.reactor.advance(0)
    assert line.transport.value().startswith(frame(b"\x15") + frame(b"\x06"))
    assert line.codes == ["AA 2"]
    assert not line.closing()


def test_in_release_1_no_commit_byte_is_sent_and_one_that_comes_is_passed_over() -> None:
    door = Door()
    line = door.connect()
    line.send(b"\x06", b"\x15", message("1"))
    assert line.codes == ["AA 1"]
    assert b"\x06" not in line.transport.value()
