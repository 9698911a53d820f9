"""Peers that may have so many connections and no more: what counts, what one too many gets, and when it counts back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.formats.mllp import frame
from casecart.listeners.mllp_settings import MllpSettings
from casecart.runtime.listener import Completion, Receipt
from support.listening import Door, Intake, message, mllp_settings
from support.settings import findings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.listening import Line

ORSYS = "orsys: {match: {MSH-3: ORSYS, MSH-4: NORTH}, facility: NORTH, connections: 1}"
LAB = "lab: {match: {MSH-3: LAB}, facility: NORTH}"
CABINET = "cabinet: {match: {MSH-3: CABINET}, facility: NORTH, connections: 2}"
EACH = f"{ORSYS}, {LAB}, {CABINET}"
BHS = b"BHS|^~\\&|LAB|NORTH|CASECART|MERCY|2026||||B1\r"


def of(application: str, control_id: str) -> bytes:
    """A message of another peer."""
    return message(control_id, header=[(3, application)])


def door(more: str = "", intake: Intake | None = None, peers: str = EACH) -> Door:
    """With peers of which some may have so many connections."""
    return Door(intake, mllp_settings(more, peers=peers))


def counted(there: Door) -> dict[str, int]:
    """Connections by peer."""
    return {peer: count for peer, count in there.listener._seats._count.items() if count}


def test_the_first_message_on_one_connection_too_many_is_not_taken_and_not_answered() -> None:
    there = door()
    first, second = there.connect(), there.connect()
    first.send(message("1"))
    second.send(message("2"))
    assert (second.transport.value(), second.closing()) == (b"", True)
    first.send(message("3"))
    assert first.codes == ["AA 1", "AA 3"]
    assert [(each.control_id, each.notes, each.refused, each.body) for each in there.intake.arrivals] == [
        ("1", None, False, message("1")),
        ("", "too-many-of-peer", True, b""),
        ("3", None, False, message("3")),
    ]
    assert there.intake.arrivals[1].source == "192.0.2.7:40000"


def test_a_connection_counts_once_and_one_that_says_nothing_for_nobody() -> None:
    there = door()
    there.connect()
    line = there.connect()
    line.send(message("1"), message("2"))
    line.send(message("3"))
    assert counted(there) == {"orsys": 1}


def test_a_connection_counts_for_each_peer_whose_messages_it_brings() -> None:
    there = door()
    relay, orsys, cabinet = there.connect(), there.connect(), there.connect()
    relay.send(of("CABINET", "1"), message("2"), of("LAB", "3"))
    orsys.send(message("4"))
    cabinet.send(of("CABINET", "5"))
    assert (relay.codes, orsys.closing(), cabinet.codes) == (["AA 1", "AA 2", "AA 3"], True, ["AA 5"])
    assert counted(there) == {"orsys": 1, "cabinet": 2}


@pytest.mark.parametrize(
    ("body", "control_id"),
    [(of("NOBODY", "1"), "1"), (b"no message", ""), (BHS + message("1") + b"BTS|7\r", "")],
)
def test_what_is_no_peers_message_counts_for_nobody_and_is_refused_as_ever(body: bytes, control_id: str) -> None:
    there = door()
    there.connect().send(message("0"))
    line = there.connect()
    line.send(body)
    assert (there.intake.last.refused, there.intake.last.control_id) == (True, control_id)
    assert (line.closing(), counted(there)) == (False, {"orsys": 1})


def test_a_peer_without_a_number_has_as_many_connections_as_there_are() -> None:
    there = door()
    lines = [there.connect() for _ in range(50)]
    for number, line in enumerate(lines):
        line.send(of("LAB", str(number)))
    assert [line.codes for line in lines] == [[f"AA {number}"] for number in range(50)]
    assert counted(there) == {}


def test_what_came_before_on_its_connection_is_answered_in_order_and_what_follows_is_not_taken() -> None:
    there = door(intake=Intake(None))
    there.connect().send(message("0"))
    line = there.connect()
    line.send(of("LAB", "1"), of("LAB", "2"), message("3"), of("LAB", "4"))
    line.send(of("LAB", "5"))
    assert [each.control_id for each in there.intake.arrivals if not each.refused] == ["0", "1", "2"]
    assert (line.closing(), line.paused()) == (False, True)
    for arrival in there.intake.arrivals:
        arrival.reply(Receipt.STORED)
    there.reactor.advance(0)
    assert (line.codes, line.closing()) == (["AA 1", "AA 2"], True)


def test_an_answer_of_the_application_that_is_still_to_come_is_waited_for() -> None:
    asks = LAB.replace("}, facility", "}, acknowledge: {mode: commit-then-app}, facility")
    there = door(intake=Intake(None), peers=f"{ORSYS}, {asks}")
    there.connect().send(message("0"))
    line = there.connect()
    line.send(message("1", header=[(3, "LAB"), (15, "AL"), (16, "AL")]), message("2"))
    arrival = there.intake.arrivals[1]
    assert arrival.stored is not None
    arrival.stored()
    assert (line.codes, line.closing()) == (["CA 1"], False)
    arrival.reply(Receipt("stored", Completion("processed")))
    assert (line.codes, line.closing()) == (["CA 1", "AA 1"], True)


@pytest.mark.parametrize("body", [of("LAB", "1") + message("2"), BHS + of("LAB", "1") + message("2") + b"BTS|2\r"])
def test_of_a_frame_with_one_message_of_such_a_peer_nothing_is_taken(body: bytes) -> None:
    there = door("several_messages: take")
    there.connect().send(message("0"))
    line = there.connect()
    line.send(body)
    assert [(each.control_id, each.notes) for each in there.intake.arrivals] == [("0", None), ("", "too-many-of-peer")]
    assert (line.transport.value(), line.closing()) == (b"", True)


def test_release_2_says_nothing_of_it_either() -> None:
    there = door("release: 2")
    there.connect().send(message("0"))
    line = there.connect()
    line.send(message("1"))
    assert (line.transport.value(), line.closing()) == (b"", True)


def half_closed(there: Door, line: Line) -> None:
    """The sender sends nothing more."""
    line.protocol.readConnectionLost()
    assert line.closing()
    line.protocol.connectionLost()


def cut(there: Door, line: Line) -> None:
    """The connection is gone, in the middle of a message."""
    line.send_bytes(frame(message("9"))[:40])
    line.protocol.connectionLost()


def silent(there: Door, line: Line) -> None:
    """It is closed after a long silence."""
    there.wait(12)
    assert line.closing()
    line.protocol.connectionLost()


def stalled(there: Door, line: Line) -> None:
    """It is closed since a message does not come to its end."""
    line.send_bytes(frame(message("9"))[:40])
    there.wait(6)
    assert line.closing()
    line.protocol.connectionLost()


def not_stored(there: Door, line: Line) -> None:
    """It is closed since its message can't be stored."""
    there.intake.receipt = Receipt.NOT_STORED
    line.send(message("9"))
    assert line.closing()
    line.protocol.connectionLost()
    there.intake.receipt = Receipt.STORED


def one_too_many(there: Door, line: Line) -> None:
    """It is one too many of another peer."""
    others = [there.connect(), there.connect()]
    for other in others:
        other.send(of("CABINET", "7"))
    line.send(of("CABINET", "8"))
    assert line.closing()
    for each in (line, *others):
        each.protocol.connectionLost()


@pytest.mark.parametrize("end", [half_closed, cut, silent, stalled, not_stored, one_too_many])
def test_a_connection_counts_until_it_is_gone(end: Callable[[Door, Line], None]) -> None:
    there = door("idle_timeout: 10s\nframe_timeout: 5s")
    line, early = there.connect(), there.connect()
    line.send(message("1"))
    early.send(message("2"))
    assert early.closing()
    early.protocol.connectionLost()
    assert counted(there) == {"orsys": 1}
    end(there, line)
    assert (counted(there), there.listener._seats._peers) == ({}, {})
    after = there.connect()
    after.send(message("3"))
    assert after.codes == ["AA 3"]


def test_a_stop_counts_all_of_them_back() -> None:
    there = door()
    lines = [there.connect() for _ in range(3)]
    for line, body in zip(lines, [message("1"), of("CABINET", "2"), of("CABINET", "3")], strict=True):
        line.send(body)
    assert counted(there) == {"orsys": 1, "cabinet": 2}
    there.listener.stop()
    there.reactor.advance(0)
    assert all(line.closing() for line in lines)
    for line in lines:
        line.protocol.connectionLost()
    assert counted(there) == {}


def test_a_sender_that_tries_without_end_is_told_of_once_a_minute() -> None:
    there = door()
    there.connect().send(message("0"))
    for number in range(100):
        line = there.connect()
        line.send(message(str(number)))
        line.protocol.connectionLost()
    assert [each.notes for each in there.intake.arrivals] == [None, "too-many-of-peer"]


@pytest.mark.parametrize("value", ["0", "-1", "50001", "many"])
def test_a_number_that_is_none_is_found(value: str) -> None:
    peers = ORSYS.replace("connections: 1", f"connections: {value}")
    (finding,) = findings_of(MllpSettings, f"port: 2575\npeers: {{{peers}}}")
    assert "connections" in finding
