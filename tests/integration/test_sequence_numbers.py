"""The sequence-number protocol (HL7 v2.8.2 §2.9.1): what is taken, what MSA-4 says, and that the number is durable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.runtime.listener import Receipt
from casecart.store import MessageFilter
from support.line import Line, dft, new_line
from support.listening import ORSYS, Door, Intake, mllp_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.listening import Line as Connection

FOLLOWS = ORSYS.replace("facility: NORTH", "facility: NORTH, sequence_numbers: follow")


@pytest.fixture
def line(tmp_path: Path, store_url: str) -> Iterator[Line]:
    made = new_line(tmp_path, store_url)
    yield made
    made.stop()
    assert not made.broken


def connected(line: Line, peers: str = FOLLOWS) -> Connection:
    return Door(line.journal, mllp_settings(peers=peers)).connect()  # type: ignore[arg-type]  # the engine's own intake


def numbered(control_id: str, number: int | str) -> bytes:
    return dft(control_id).replace(b"|2.5.1\r", f"|2.5.1|{number}\r".encode())


def send(line: Line, connection: Connection, *messages: bytes) -> list[str]:
    """(MSA-1, MSA-2, MSA-4) of the answers."""
    before = len(connection.answers)
    for message in messages:
        connection.send(message)
        line.settle()
    found = [answer.split(b"\rMSA|")[1].split(b"\r")[0].decode().split("|") for answer in connection.answers[before:]]
    return [" ".join([fields[0], fields[1], *fields[3:4]]) for fields in found]


def processed(line: Line) -> list[str]:
    rows = line.store.messages(MessageFilter(outcome="processed"), None, 100)
    return [row.control_id for row in reversed(rows)]


def test_numbers_in_their_order_are_taken_and_told_again(line: Line) -> None:
    connection = connected(line)
    assert send(line, connection, numbered("A", 7), numbered("B", 8), numbered("C", 9)) == [
        "AA A 7",
        "AA B 8",
        "AA C 9",
    ]
    assert processed(line) == ["A", "B", "C"]


def test_a_gap_is_refused_and_told_what_is_expected(line: Line) -> None:
    connection = connected(line)
    answers = send(line, connection, numbered("A", 1), numbered("C", 3), numbered("B", 2), numbered("C2", 3))
    assert answers == ["AA A 1", "AE C 2", "AA B 2", "AA C2 3"]
    assert processed(line) == ["A", "B", "C2"]
    assert line.balance() == (0, 0)


def test_a_message_that_comes_again_is_acknowledged_with_the_next_number_and_does_nothing(line: Line) -> None:
    connection = connected(line)
    answers = send(line, connection, numbered("A", 1), numbered("A", 1), numbered("B", 2), numbered("A", 1))
    assert answers == ["AA A 1", "AA A 2", "AA B 2", "AA A 3"]
    assert processed(line) == ["A", "B"]
    assert line.balance() == (0, 0)


def test_an_old_number_for_another_message_is_refused(line: Line) -> None:
    answers = send(line, connected(line), numbered("A", 1), numbered("B", 2), numbered("X", 1))
    assert answers == ["AA A 1", "AA B 2", "AE X 3"]
    assert processed(line) == ["A", "B"]


def test_zero_asks_for_the_expected_number_and_minus_one_begins_anew(line: Line) -> None:
    connection = connected(line)
    empty = b"MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|2026|||%b|P|2.5.1|%b\r"  # type and event are not used
    assert send(line, connection, empty % (b"S1", b"0")) == ["AA S1 -1"]
    assert send(line, connection, numbered("A", 5), empty % (b"S2", b"0")) == ["AA A 5", "AA S2 6"]
    assert send(line, connection, empty % (b"S3", b"-1"), numbered("B", 1)) == ["AA S3 -1", "AA B 1"]
    assert processed(line) == ["A", "B"]
    assert line.balance() == (0, 0)


def test_several_in_one_turn_are_looked_at_in_their_order(line: Line) -> None:
    connection = connected(line)
    connection.send(numbered("A", 1), numbered("B", 2), numbered("D", 4), numbered("C", 3))
    line.settle()
    assert connection.codes == ["AA A", "AA B", "AE D", "AA C"]
    assert processed(line) == ["A", "B", "C"]


@pytest.mark.parametrize(("number", "code"), [("", "AA"), ('""', "AA"), ("x", "AR"), ("-2", "AR"), ("9" * 16, "AR")])
def test_without_a_number_the_protocol_is_not_meant_and_one_that_is_none_is_refused(
    line: Line, number: str, code: str
) -> None:
    connection = connected(line)
    send(line, connection, numbered("A", 1))
    assert send(line, connection, numbered("B", number))[0].startswith(f"{code} B")
    assert send(line, connection, numbered("C", 2)) == ["AA C 2"]


def test_the_number_is_durable_with_its_message(tmp_path: Path, store_url: str) -> None:
    first = new_line(tmp_path, store_url)
    send(first, connected(first), numbered("A", 1))
    first.crash()
    second = Line(tmp_path, store_url).start()
    assert send(second, connected(second), numbered("C", 3), numbered("B", 2)) == ["AE C 2", "AA B 2"]
    second.stop()


def test_a_message_that_is_refused_for_another_reason_has_no_number(line: Line) -> None:
    answers = send(line, connected(line), numbered("", 1), numbered("A", 1))
    assert [answer[:2] for answer in answers] == ["AR", "AA"]
    assert answers[1] == "AA A 1"


def test_where_nobody_asked_for_it_the_number_means_nothing(line: Line) -> None:
    connection = connected(line, ORSYS)
    assert send(line, connection, numbered("A", 5), numbered("B", 5)) == ["AA A", "AA B"]
    assert processed(line) == ["A", "B"]


def test_where_nothing_can_be_stored_no_number_is_said_to_be_expected() -> None:
    door = Door(Intake(Receipt.NOT_STORED), mllp_settings("acknowledge: {not_stored: error}", peers=FOLLOWS))
    connection = door.connect()
    connection.send(numbered("A", 5))
    (answer,) = connection.answers
    assert b"\rMSA|AE|A|The message can't be stored now: send it again later.\r" in answer


def test_two_of_one_message_out_of_its_turn_are_both_refused(line: Line) -> None:
    connection = connected(line)
    send(line, connection, numbered("A", 1))
    connection.send(numbered("C", 3), numbered("C", 3))
    line.settle()
    assert connection.codes == ["AA A", "AE C", "AE C"]
    assert processed(line) == ["A"]
    assert line.balance() == (0, 0)


def test_a_message_that_was_refused_in_its_turn_is_taken_when_it_comes_again_behind_the_missing_one(line: Line) -> None:
    connection = connected(line)
    send(line, connection, numbered("A", 1))
    connection.send(numbered("C", 3), numbered("B", 2), numbered("C", 3), numbered("C", 3))
    line.settle()
    assert connection.codes == ["AA A", "AE C", "AA B", "AA C", "AA C"]
    assert processed(line) == ["A", "B", "C"]
    assert line.balance() == (0, 0)


def test_a_beginning_anew_holds_also_when_a_resend_comes_in_the_same_turn(line: Line) -> None:
    connection = connected(line)
    anew = b"MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|2026|||S|P|2.5.1|-1\r"
    send(line, connection, numbered("Z", ""), numbered("A", 5))
    connection.send(numbered("Z", ""), anew, numbered("B", 1), numbered("C", 2))
    line.settle()
    assert connection.codes == ["AA Z", "AA A", "AA Z", "AA S", "AA B", "AA C"]
    assert send(line, connection, numbered("D", 3)) == ["AA D 3"]
    assert line.balance() == (0, 0)


def test_a_message_of_a_batch_out_of_its_turn_is_refused_also_where_the_second_of_two_answers_stands(
    line: Line,
) -> None:
    twice = FOLLOWS.replace("facility", "acknowledge: {mode: commit-then-app}, facility")
    connection = connected(line, twice)
    connection.send(b"BHS|^~\\&|ORSYS|NORTH|CASECART|MERCY\r" + numbered("A", 1) + numbered("C", 3) + b"BTS|2\r")
    line.settle()
    codes = [segment[4:].split(b"|")[:2] for segment in connection.answers[0].split(b"\r") if segment[:3] == b"MSA"]
    assert codes == [[b"AA", b"A"], [b"CE", b"C"]]
    assert processed(line) == ["A"]
