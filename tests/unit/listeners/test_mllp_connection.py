"""The way of a message through a connection: arrival, receipt, answer, and what stops it."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent

from casecart.formats.mllp import frame
from casecart.listeners.mllp import MllpListener
from casecart.runtime.listener import Arrival, Receipt
from support.listening import ORSYS, Door, Intake, message, mllp_settings


def settle(intake: Intake, *control_ids: str, receipt: Receipt = Receipt.STORED) -> None:
    """The store is through with these messages, in this order."""
    for control_id in control_ids:
        next(arrival for arrival in intake.arrivals if arrival.control_id == control_id).reply(receipt)


def test_a_message_arrives_with_its_envelope() -> None:
    door = Door()
    body = message("4711", header=[(7, "20260315101500.5")])
    door.connect().send(body)
    arrival = door.intake.last
    assert arrival.body == body
    assert (arrival.listener, arrival.organisation, arrival.facility, arrival.peer) == (
        "or-mllp",
        "MERCY",
        "NORTH",
        "orsys",
    )
    assert (arrival.schema, arrival.message_type) == ("hl7v2/2.5.1", "DFT^P03")
    assert (arrival.sender, arrival.control_id) == ("ORSYS|NORTH", "4711")
    assert arrival.occurred_at == 1_773_587_700_500_000  # 15:15:00.5 UTC: Chicago has summer time by then
    assert (arrival.notes, arrival.charset, arrival.refused, arrival.complete_within) == (None, None, False, None)
    assert arrival.source == "192.0.2.7:40000"


def test_an_answer_goes_out_when_the_message_is_stored_and_not_before() -> None:
    door = Door(Intake(None))
    line = door.connect()
    line.send(message("1"))
    assert line.answers == []
    settle(door.intake, "1")
    assert line.codes == ["AA 1"]


def test_a_resend_is_acknowledged_again() -> None:
    door = Door(Intake(Receipt.DUPLICATE))
    line = door.connect()
    line.send(message("1"))
    assert line.codes == ["AA 1"]


def test_an_answer_never_overtakes_an_earlier_one() -> None:
    door = Door(Intake(None))
    line = door.connect()
    line.send(message("1"), message("2"), message("3"))
    settle(door.intake, "3", "2")
    door.reactor.advance(0)
    assert line.answers == []
    settle(door.intake, "1")
    assert line.codes == ["AA 1", "AA 2", "AA 3"]


@settings(deadline=None)
@given(order=st.permutations(range(6)), cut=st.integers(0, 6))
def test_answers_come_in_the_order_of_their_messages_whatever_the_order_of_receipts(order: list[int], cut: int) -> None:
    door = Door(Intake(None))
    line = door.connect()
    line.send(*(message(str(number)) for number in range(6)))
    settle(door.intake, *map(str, order[:cut]))
    door.reactor.advance(0)
    through = next(number for number in itertools.count() if number not in order[:cut])
    assert line.codes == [f"AA {number}" for number in range(through)]
    settle(door.intake, *map(str, order[cut:]))
    assert line.codes == [f"AA {number}" for number in range(6)]


def test_the_answers_of_one_turn_go_out_in_one_write() -> None:
    door = Door(Intake(None))
    line = door.connect()
    line.send(*(message(str(number)) for number in range(8)))
    writes = line.writes()
    settle(door.intake, *map(str, range(5)))
    assert writes == []
    door.reactor.advance(0)
    assert writes == [5]
    settle(door.intake, *map(str, range(5, 8)))
    assert writes == [5, 3]


def test_answers_that_come_at_once_go_out_in_one_write_a_read() -> None:
    door = Door()
    line = door.connect()
    writes = line.writes()
    line.send(*(message(str(number)) for number in range(8)))
    assert writes == [8]


def test_a_message_that_was_not_stored_closes_the_connection_unanswered_and_all_behind_it() -> None:
    door = Door(Intake(None))
    other, line = door.connect(), door.connect()
    line.send(message("1"), message("2"), message("3"))
    settle(door.intake, "1")
    settle(door.intake, "2", receipt=Receipt.NOT_STORED)
    settle(door.intake, "3")
    assert line.codes == ["AA 1"]
    assert line.closing()
    assert line.transport.producer is None  # Twisted closes no connection whose producer it has paused
    line.send(message("4"))
    assert door.intake.control_ids == ["1", "2", "3"]
    other.send(message("5"))
    settle(door.intake, "5")
    assert other.codes == ["AA 5"]


def test_what_came_before_a_message_that_was_not_stored_is_still_answered() -> None:
    door = Door(Intake(None))
    line = door.connect()
    line.send(message("1"), message("2"))
    settle(door.intake, "2", receipt=Receipt.NOT_STORED)
    assert not line.closing()
    settle(door.intake, "1")
    assert line.codes == ["AA 1"]
    assert line.closing()


def test_a_peer_that_asks_for_an_error_gets_one_when_nothing_can_be_stored() -> None:
    door = Door(Intake(Receipt.NOT_STORED), mllp_settings("acknowledge: {not_stored: error}"))
    line = door.connect()
    line.send(message("1"), message("2", header=[(15, "AL"), (16, "NE")]))
    assert line.codes == ["AE 1", "CE 2"]
    assert b"ERR||" in line.answers[0]
    assert not line.closing()


def test_nothing_is_read_while_nothing_can_be_stored_and_nothing_is_lost_by_it() -> None:
    door = Door()
    line = door.connect()
    door.intake.open = False
    line.send_bytes(frame(message("1")) + frame(message("2"))[:50])
    assert line.paused()
    assert door.intake.arrivals == []
    door.wait(100)
    assert line.paused()
    door.intake.open = True
    door.wait(1)
    assert not line.paused()
    line.send_bytes(frame(message("2"))[50:])
    assert line.codes == ["AA 1", "AA 2"]


def test_a_connection_made_while_nothing_can_be_stored_is_closed_at_once() -> None:
    door = Door()
    door.intake.open = False
    assert door.try_to_connect() is None
    door.intake.open = True
    assert door.try_to_connect() is not None


def test_no_more_connections_are_open_than_the_settings_say() -> None:
    door = Door(settings=mllp_settings("connections: 2"))
    first, _ = door.connect(), door.connect()
    assert door.try_to_connect() is None
    first.protocol.connectionLost()
    assert door.try_to_connect() is not None


@pytest.mark.parametrize("full", [True, False])
def test_connections_that_come_and_go_at_the_limit_are_told_of_once_a_minute(*, full: bool) -> None:
    door = Door(settings=mllp_settings(f"connections: {1 if full else 2}"))

    def come_and_go() -> None:
        line = door.connect()
        door.intake.open = full
        assert door.try_to_connect() is None
        door.intake.open = True
        line.protocol.connectionLost()

    with capturedLogs() as events:
        for _ in range(100):
            come_and_go()
        assert len(events) == 1
        door.wait(60)
        come_and_go()
    assert len(events) == 2


def test_a_sender_far_ahead_of_the_store_is_not_read_from_until_it_has_caught_up() -> None:
    door = Door(Intake(None))
    line = door.connect()
    line.send(*(message(str(number)) for number in range(600)))
    assert line.paused()
    settle(door.intake, *map(str, range(500)))
    assert not line.paused()
    line.send(message("last"))
    settle(door.intake, *map(str, range(500, 600)), "last")
    assert line.codes[-1] == "AA last"


def test_a_few_large_messages_are_ahead_of_the_store_too() -> None:
    door = Door(Intake(None))
    line = door.connect()
    line.send(*(message(str(number), segments=["NTE|1||" + "x" * 2_000_000]) for number in range(3)))
    assert line.paused()
    settle(door.intake, "0", "1", "2")
    assert not line.paused()


def test_a_sender_whose_messages_are_stored_as_they_come_is_never_held_up() -> None:
    door = Door()
    line = door.connect()
    for number in range(5):
        line.send(message(str(number), segments=["NTE|1||" + "x" * 2_000_000]))
        assert not line.paused()


def test_time_in_which_nothing_is_read_is_not_held_against_a_message() -> None:
    door = Door()
    line = door.connect()
    data = frame(message("1"))
    line.send_bytes(data[:50])
    line.transport.producer.pauseProducing()
    door.wait(100)
    line.transport.producer.resumeProducing()
    line.send_bytes(data[50:])
    assert line.codes == ["AA 1"]


def test_senders_that_make_up_a_new_header_for_every_message_fill_no_memory() -> None:
    door = Door()
    line = door.connect()
    for number in range(3000):
        line.send(message("1", header=[(3, f"ORSYS{number}")]))
    assert len(door.listener.reception._known) <= 1024


def test_a_half_closed_connection_gets_its_answers_and_is_closed_then() -> None:
    door = Door(Intake(None))
    line = door.connect()
    line.send(message("1"))
    line.protocol.readConnectionLost()
    assert not line.closing()
    settle(door.intake, "1")
    assert line.codes == ["AA 1"]
    assert line.closing()
    assert len(door.intake.arrivals) == 1


def test_a_half_closed_connection_with_half_a_message_leaves_a_record() -> None:
    door = Door()
    line = door.connect()
    line.send_bytes(b"\x0b" + message("1")[:30])
    line.protocol.readConnectionLost()
    assert [arrival.notes for arrival in door.intake.arrivals] == ["truncated"]
    assert line.closing()


def test_a_receipt_for_a_lost_connection_is_nobodys_any_more() -> None:
    door = Door(Intake(None))
    line = door.connect()
    line.send(message("1"))
    line.protocol.connectionLost()
    settle(door.intake, "1")
    assert line.answers == []
    assert len(door.intake.arrivals) == 1


def test_a_silent_connection_is_closed_after_the_idle_time_out_and_leaves_no_record() -> None:
    door = Door(settings=mllp_settings("idle_timeout: 1m"))
    line = door.connect()
    line.send(message("1"))
    door.wait(59)
    line.send(message("2"))
    door.wait(59)
    assert not line.closing()
    door.wait(2)
    assert line.closing()
    assert len(door.intake.arrivals) == 2


def test_the_time_that_an_answer_takes_is_no_silence_of_its_sender() -> None:
    door = Door(Intake(None), mllp_settings("idle_timeout: 10s\nacknowledge: {when: on_complete, within: 1m}"))
    line = door.connect()
    line.send(message("1"))
    door.wait(50)
    settle(door.intake, "1")
    door.wait(9)
    assert (line.codes, line.closing()) == (["AA 1"], False)
    door.wait(3)
    assert line.closing()


def test_a_fault_of_ours_ends_its_connection_when_time_goes_by_and_holds_up_no_other() -> None:
    class Faulty(Intake):
        def take(self, arrival: Arrival) -> None:
            if arrival.control_id == "faulty":
                raise ZeroDivisionError
            super().take(arrival)

    door = Door(Faulty())
    lines = [door.connect() for _ in range(5)]
    door.intake.open = False
    for number, line in enumerate(lines):
        line.send(message("faulty" if number == 2 else str(number)))
    door.intake.open = True
    with capturedLogs() as events:
        door.wait(1)
    assert [line.codes for line in lines] == [["AA 0"], ["AA 1"], [], ["AA 3"], ["AA 4"]]
    assert [line.closing() for line in lines] == [False, False, True, False, False]
    (said,) = map(formatEvent, events)
    assert said.startswith("or-mllp ended a connection: ZeroDivisionError in ")


def test_a_message_in_time_is_not_held_against_the_next_ones_time() -> None:
    door = Door()
    line = door.connect()
    for number in range(10):
        data = frame(message(str(number)))
        line.send_bytes(data[:50])
        door.wait(20)
        line.send_bytes(data[50:])
    assert len(line.codes) == 10


def test_a_closed_connection_whose_answers_nobody_reads_is_dropped_at_last() -> None:
    door = Door(Intake(Receipt.NOT_STORED))
    line = door.connect()
    line.send(message("1"))
    assert line.closing()
    assert not line.dropped()
    door.wait(31)
    assert line.dropped()


def test_keep_alive_of_tcp_is_on() -> None:
    assert Door().connect().transport.keep_alive is True


@pytest.mark.parametrize(
    ("mode", "accept", "application", "code"),
    [
        ("auto", "", "", "AA"),
        ("auto", "AL", "NE", "CA"),
        ("auto", "NE", "AL", None),  # its answer would come later, as a message of its own
        ("original", "AL", "NE", "AA"),
        ("enhanced", "", "", "CA"),
        ("none", "", "", None),
    ],
)
def test_the_mode_decides_the_code(mode: str, accept: str, application: str, code: str | None) -> None:
    door = Door(settings=mllp_settings(f"acknowledge: {{mode: {mode}}}"))
    line = door.connect()
    line.send(message("1", header=[(15, accept), (16, application)]), message("2", header=[(3, "X")]))
    assert line.codes[: len(line.codes) - (mode != "none")] == ([] if code is None else [f"{code} 1"])


def test_a_peer_is_answered_in_its_own_way() -> None:
    lab = (
        "lab: {match: {MSH-3: LAB}, facility: SOUTH, charset: 8859/1, time_zone: Asia/Tokyo,"
        " acknowledge: {mode: enhanced, when: on_complete}}"
    )
    door = Door(settings=mllp_settings(peers=f"{lab}, {ORSYS}"))
    line = door.connect()
    line.send(message("1", header=[(3, "LAB^1.2.3^ISO")]))
    arrival = door.intake.last
    assert (arrival.peer, arrival.facility, arrival.charset) == ("lab", "SOUTH", "8859/1")
    assert arrival.complete_within == 30.0
    assert arrival.occurred_at == 1_773_537_300_000_000
    line.send(message("2"))
    assert line.codes == ["CA 1", "AA 2"]
    assert door.intake.last.complete_within is None
    assert line.answers[0].split(b"|")[6].endswith(b"+0900")
    assert line.answers[1].split(b"|")[6].endswith(b"-0500")


def test_a_message_that_is_stored_and_late_is_told_so() -> None:
    door = Door(Intake(Receipt.LATE), mllp_settings("acknowledge: on_complete"))
    line = door.connect()
    line.send(message("1"))
    assert line.codes == ["AA 1"]
    assert line.answers[0].endswith(b"|Stored; its processing goes on.\r")


def test_every_answer_has_a_control_id_of_its_own_in_order() -> None:
    door = Door()
    line = door.connect()
    for number in range(50):
        line.send(message(str(number)))
    own = [answer.split(b"|")[9] for answer in line.answers]
    assert own == sorted(own)
    assert len(set(own)) == 50
    assert all(re.fullmatch(rb"[0-9]{16}[A-Z2-7]{4}", each) for each in own)


def test_stopping_waits_for_the_answers_that_are_due_and_takes_nothing_new() -> None:
    door = Door(Intake(None))
    idle, busy = door.connect(), door.connect()
    busy.send(message("1"))
    stopped = door.listener.stop()
    assert idle.closing()
    assert not busy.closing()
    busy.send(message("2"))
    settle(door.intake, "1")
    assert busy.codes == ["AA 1"]
    assert busy.closing()
    for line in (idle, busy):
        line.protocol.connectionLost()
    assert stopped.called
    assert door.intake.control_ids == ["1"]
    assert door.listener.port == 0
    assert not door.reactor.getDelayedCalls()


def test_stopping_doesnt_wait_for_ever() -> None:
    door = Door(Intake(None))
    line = door.connect()
    line.send(message("1"))
    stopped = door.listener.stop()
    door.wait(9)
    assert not line.dropped()
    door.wait(2)
    assert line.dropped()
    line.protocol.connectionLost()
    assert stopped.called
    settle(door.intake, "1")
    assert line.answers == []


def test_a_message_cut_by_our_own_stop_is_not_its_senders_fault() -> None:
    door = Door()
    line = door.connect()
    line.send_bytes(b"\x0b" + message("1")[:30])
    door.listener.stop()
    line.protocol.connectionLost()
    assert door.intake.arrivals == []


def test_an_address_that_is_taken_is_named() -> None:
    class Taken(MemoryReactorClock):
        def listenTCP(self, *_: object, **__: object) -> None:  # noqa: N802 - the name is Twisted's
            raise CannotListenError("127.0.0.1", 2575, OSError(98, "Address already in use"))

    context = replace(Door(settings=mllp_settings(port=2575)).context, reactor=Taken())
    failed = MllpListener(context).start()
    reasons: list[OSError] = []
    failed.addErrback(lambda failure: reasons.append(failure.value))  # type: ignore[call-overload]  # as all do
    assert reasons[0].errno == 98
    assert str(reasons[0]) == "[Errno 98] or-mllp can't listen on 127.0.0.1:2575: Address already in use"


@pytest.mark.parametrize(("interface", "where"), [("127.0.0.1", "on 127.0.0.1:0 (mllp)"), ("::1", "on [::1]:0 (mllp)")])
def test_a_listener_says_where_it_listens(interface: str, where: str) -> None:
    assert Door(settings=mllp_settings(f"interface: '{interface}'")).listener.where == where


@pytest.mark.parametrize(("interface", "warned"), [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True)])  # noqa: S104 - asked about
def test_an_open_interface_is_warned_of(interface: str, *, warned: bool) -> None:
    warnings = list(Door(settings=mllp_settings(f"interface: '{interface}'")).listener.warnings())
    assert bool(warnings) == warned


@pytest.mark.parametrize("taken", [0, 1, 40, 10_000, "lost"])
def test_answers_are_whole_and_in_order_whatever_the_socket_takes_at_once(taken: int | str) -> None:
    door = Door()
    line = door.connect()
    sent: list[int] = []

    def take(data: bytes) -> int | Exception:
        if isinstance(taken, str):
            return ConnectionError()
        sent.append(len(data))
        line.transport.write(data[:taken])
        return min(taken, len(data))

    line.protocol._send = take
    line.send(message("1"), message("2"))
    line.send(message("3"))
    assert line.codes == ["AA 1", "AA 2", "AA 3"]
    # Once it took less than all, everything goes by the transport, which keeps the order.
    assert len(sent) == (2 if taken == 10_000 else 0 if taken == "lost" else 1)


def test_more_connections_than_the_system_lets_the_process_have_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casecart.listeners.door.resource.getrlimit", lambda _: (1024, 1024))
    assert list(Door(settings=mllp_settings("connections: 1000")).listener.warnings()) == []
    (warning,) = Door(settings=mllp_settings("connections: 1001")).listener.warnings()
    assert "1001 connections" in warning
    assert "1024 open files" in warning
