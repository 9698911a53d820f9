"""`commit-then-app`: two answers to a message on one connection, whatever happens between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.runtime.listener import Completion, HeldLine, Receipt
from support.listening import ORSYS, Door, Intake, message, mllp_settings

if TYPE_CHECKING:
    from casecart.runtime.listener import Arrival

LAB = "lab: {match: {MSH-3: LAB}, facility: NORTH, acknowledge: {mode: original}}"
TWICE = "acknowledge: {mode: commit-then-app, held: AE, unrouted: AR, put_aside: AE}"
HELD = Receipt("stored", Completion("processed", (HeldLine("FT1[2]", "item-unknown"),)))


def door() -> Door:
    """Its peer ORSYS is answered twice, LAB once; nothing happens by itself."""
    return Door(Intake(None), mllp_settings(TWICE, peers=f"{ORSYS}, {LAB}"))


def arrival(of: Door, control_id: str) -> Arrival:
    return next(each for each in of.intake.arrivals if each.control_id == control_id)


def store(of: Door, *control_ids: str) -> None:
    """These are stored."""
    for control_id in control_ids:
        stored = arrival(of, control_id).stored
        assert stored is not None
        stored()


def complete(of: Door, *control_ids: str, receipt: Receipt = Receipt.STORED) -> None:
    """The work of these is committed."""
    for control_id in control_ids:
        arrival(of, control_id).reply(receipt)


def test_each_answer_goes_out_when_it_is_true_and_has_a_control_id_of_its_own() -> None:
    it = door()
    line = it.connect()
    line.send(message("1"))
    assert line.answers == []
    store(it, "1")
    assert line.codes == ["CA 1"]
    complete(it, "1")
    assert line.codes == ["CA 1", "AA 1"]
    assert line.answers[0].split(b"|")[9] != line.answers[1].split(b"|")[9]


def test_what_came_of_the_work_is_told_in_the_second_answer_only() -> None:
    it = door()
    line = it.connect()
    line.send(message("1"))
    store(it, "1")
    complete(it, "1", receipt=HELD)
    first, second = line.answers
    assert b"\rERR" not in first
    assert b"\rMSA|AE|1|This waits for a person: item-unknown.\rERR||FT1^2|204^" in second


def test_a_second_answer_holds_up_no_first_one() -> None:
    it = door()
    line = it.connect()
    line.send(message("1"), message("2"), message("3", header=[(3, "LAB")]))
    store(it, "1", "2")
    complete(it, "3")
    complete(it, "2")
    it.reactor.advance(0)
    assert line.codes == ["CA 1", "CA 2", "AA 3"]
    complete(it, "1")
    assert line.codes == ["CA 1", "CA 2", "AA 3", "AA 1", "AA 2"]


def test_no_second_answer_overtakes_the_first_of_its_message() -> None:
    it = door()
    line = it.connect()
    line.send(message("1", header=[(3, "LAB")]), message("2"))
    store(it, "2")
    complete(it, "2")
    it.reactor.advance(0)
    assert line.codes == []
    complete(it, "1")
    assert line.codes == ["AA 1", "CA 2", "AA 2"]


@given(data=st.data())
def test_first_and_second_answers_are_each_in_the_order_of_the_messages(data: st.DataObject) -> None:
    it = door()
    line = it.connect()
    names = [str(number) for number in range(5)]
    line.send(*map(message, names))
    todo = {name: [store, complete] for name in names}
    while todo:
        name = data.draw(st.sampled_from(sorted(todo)))
        todo[name].pop(0)(it, name)
        if not todo[name]:
            del todo[name]
        if data.draw(st.booleans()):
            it.reactor.advance(0)
        codes = line.codes
        for kind in ("CA", "AA"):
            told = [code[3:] for code in codes if code.startswith(kind)]
            assert told == names[: len(told)]
        assert all(codes.index(f"CA {code[3:]}") < codes.index(code) for code in codes if code.startswith("AA"))
    it.reactor.advance(0)
    assert len(line.codes) == 10
    assert not line.paused()


@pytest.mark.parametrize(
    ("accept", "application", "twice"),
    [
        ("", "", True),
        ("AL", "AL", True),
        ("AL", "NE", False),
        ("AL", "", False),
        ("NE", "ER", True),
        ("NE", "NE", False),
    ],
)
def test_the_engine_is_asked_to_tell_twice_only_where_a_second_answer_may_be_wanted(
    accept: str, application: str, *, twice: bool
) -> None:
    it = door()
    it.connect().send(message("1", header=[(15, accept), (16, application)]))
    told = it.intake.last
    assert (told.stored is not None, told.complete_within) == ((True, 30.0) if twice else (False, None))


def test_what_is_refused_gets_one_answer() -> None:
    it = Door(Intake(), mllp_settings(TWICE))
    line = it.connect()
    line.send(
        message("1", header=[(3, "X")]),  # no peer: the listener's way holds
        message(long := "2" * 200),
        message(longer := "3" * 200, header=[(15, "NE"), (16, "AL")]),
        message("4" * 200, header=[(15, "NE"), (16, "NE")]),
        message("", header=[(15, "AL"), (16, "AL")]),
    )
    assert line.codes == ["CR 1", f"CR {long}", f"AR {longer}", "CR "]


def test_what_could_not_be_stored_is_not_answered_and_closes_the_connection() -> None:
    it = door()
    line = it.connect()
    line.send(message("1"))
    complete(it, "1", receipt=Receipt.NOT_STORED)
    assert line.codes == []
    assert line.closing()


def test_a_peer_that_asks_for_an_error_gets_one_answer_when_nothing_can_be_stored() -> None:
    settings = mllp_settings("acknowledge: {mode: commit-then-app, not_stored: error}")
    line = Door(Intake(Receipt.NOT_STORED), settings).connect()
    line.send(message("1"), message("2", header=[(15, "NE"), (16, "AL")]))
    assert line.codes == ["CE 1", "AE 2"]


def test_a_half_closed_connection_waits_for_second_answers() -> None:
    it = door()
    line = it.connect()
    line.send(message("1"))
    line.protocol.readConnectionLost()
    store(it, "1")
    assert not line.closing()
    complete(it, "1")
    assert line.codes == ["CA 1", "AA 1"]
    assert line.closing()


def test_stopping_waits_for_second_answers_and_not_for_ever() -> None:
    it = door()
    soon, never = it.connect(), it.connect()
    soon.send(message("1"))
    never.send(message("2"))
    store(it, "1", "2")
    it.listener.stop()
    complete(it, "1")
    assert soon.codes == ["CA 1", "AA 1"]
    assert soon.closing()
    assert not never.closing()
    it.wait(11)
    assert never.dropped()
    complete(it, "2")
    assert never.codes == ["CA 2"]


def test_a_connection_that_waits_for_a_second_answer_is_not_idle() -> None:
    it = Door(Intake(None), mllp_settings(f"{TWICE}\nidle_timeout: 1m"))
    line = it.connect()
    line.send(message("1"))
    store(it, "1")
    it.wait(90)
    assert not line.closing()
    complete(it, "1")
    it.wait(59)
    assert not line.closing()
    it.wait(2)
    assert line.closing()


def test_a_sender_far_ahead_of_the_work_is_not_read_from_until_it_has_caught_up() -> None:
    it = door()
    line = it.connect()
    names = [str(number) for number in range(600)]
    line.send(*map(message, names))
    assert line.paused()
    store(it, *names)
    assert line.paused()
    complete(it, *names[:500])
    assert not line.paused()


def test_a_lost_connection_is_told_nothing_more() -> None:
    it = door()
    line = it.connect()
    line.send(message("1"), message("2"))
    store(it, "1")
    it.reactor.advance(0)
    line.protocol.connectionLost()
    store(it, "2")
    complete(it, "1", "2")
    assert line.codes == ["CA 1"]


@pytest.mark.parametrize("mode", ["auto", "original", "enhanced", "commit-then-app"])
@pytest.mark.parametrize("event", ["ACK", "ACK^P03", "ACK^P03^ACK"])
def test_an_acknowledgement_is_recorded_and_never_acknowledged(mode: str, event: str) -> None:
    # Two engines that acknowledge each other's acknowledgements never come to an end.
    it = Door(settings=mllp_settings(f"acknowledge: {{mode: {mode}, not_stored: error}}"))
    line = it.connect()
    line.send(
        message("1", header=[(9, event)], segments=["MSA|CA|X"]),
        message("2", header=[(9, event), (15, "AL")]),
        message("", header=[(9, event)]),
        message("3", header=[(9, event), (3, "X")]),
        message("4", header=[(9, event)]) + message("5", header=[(9, event)]),
    )
    assert line.codes == []
    assert not line.closing()
    assert all(each.refused for each in it.intake.arrivals)
    assert [each.notes for each in it.intake.arrivals][:2] == ["acknowledgement"] * 2


def test_beside_others_in_a_batch_a_message_is_answered_once_when_its_work_is_done() -> None:
    it = door()
    line = it.connect()
    line.send(b"FHS|^~\\&|ORSYS|NORTH\rBHS|^~\\&|ORSYS|NORTH\r" + message("1") + message("2") + b"BTS|2\rFTS|1\r")
    store(it, "1", "2")
    complete(it, "2")
    assert line.answers == []
    complete(it, "1", receipt=HELD)
    (answer,) = line.answers
    assert [answer.count(told) for told in (b"\rMSA|", b"\rMSA|AE|1|", b"\rMSA|AA|2\r")] == [2, 1, 1]


def test_before_the_first_answer_goes_the_commit_of_mllp_release_2_and_none_before_the_second() -> None:
    it = Door(Intake(None), mllp_settings(f"{TWICE}\nrelease: 2"))
    line = it.connect()
    line.send(message("1"))
    store(it, "1")
    complete(it, "1")
    assert line.transport.value().count(b"\x0b\x06\x1c\r") == 1
    assert line.transport.value().startswith(b"\x0b\x06\x1c\r\x0bMSH")
    assert line.codes == ["CA 1", "AA 1"]


def test_the_parts_of_a_message_are_accepted_and_only_the_last_is_answered_for_the_work() -> None:
    it = door()
    line = it.connect()
    line.send(
        message("1", segments=["PID|1||MRN1", "FT1|1|L1", "DSC|P1|F"]),
        message("2", header=[(14, "P1")], segments=["FT1|2|L2"]),
    )
    first, last = it.intake.arrivals
    assert (first.stored, first.complete_within) == (None, None)
    complete(it, "1")
    store(it, "2")
    complete(it, "2")
    assert last.complete_within == 30.0
    assert line.codes == ["CA 1", "CA 2", "AA 2"]


@pytest.mark.parametrize("control_id", ["", "x" * 200])
def test_a_sender_with_sequence_numbers_is_told_of_other_faults_too(control_id: str) -> None:
    orsys = ORSYS.replace("facility:", "sequence_numbers: follow, facility:")
    line = Door(Intake(), mllp_settings(TWICE, peers=orsys)).connect()
    line.send(message(control_id, header=[(13, "7")]))
    assert line.codes == [f"CR {control_id}"]


@pytest.mark.parametrize(
    ("application", "receipt", "codes"),
    [
        ("ER", Receipt.STORED, ["CA 1"]),
        ("ER", HELD, ["AE 1"]),
        ("SU", Receipt.STORED, ["AA 1"]),
        ("SU", HELD, ["CA 1"]),
    ],
)
def test_a_message_of_a_batch_has_the_first_answer_where_its_sender_does_not_want_the_second(
    application: str, receipt: Receipt, codes: list[str]
) -> None:
    it = door()
    line = it.connect()
    asks = message("1", header=[(15, "AL"), (16, application)])
    line.send(b"BHS|^~\\&|ORSYS|NORTH\r" + asks + b"BTS|1\r")
    store(it, "1")
    complete(it, "1", receipt=receipt)
    assert line.codes == codes


@pytest.mark.parametrize("batch", [b"%b", b"BHS|^~\\&|ORSYS|NORTH\r%bBTS|1\r"])
@pytest.mark.parametrize(("mode", "failing"), [("original", "answer"), ("commit-then-app", "completed")])
def test_an_answer_that_cannot_be_made_ends_its_connection_and_no_other(
    mode: str, failing: str, batch: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = Door(Intake(None), mllp_settings(f"acknowledge: {{mode: {mode}}}"))
    one, other = it.connect(), it.connect()
    one.send(batch % message("1"))
    other.send(message("2"))
    twice = ["1", "2"] if mode == "commit-then-app" else []
    store(it, *twice)
    monkeypatch.setattr(it.listener.reception, failing, lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        complete(it, "1")
    monkeypatch.undo()
    assert one.dropped()
    complete(it, "2")
    assert other.codes[-1] == "AA 2"


def test_a_first_answer_that_cannot_be_made_ends_the_connection_too(monkeypatch: pytest.MonkeyPatch) -> None:
    it = door()
    line = it.connect()
    line.send(message("1"))
    monkeypatch.setattr(it.listener.reception, "answer", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        store(it, "1")
    assert line.dropped()
    complete(it, "1")
    assert line.codes == []
