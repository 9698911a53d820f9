"""Which messages a listener takes at all, by type, version and processing id."""

from __future__ import annotations

import pytest

from casecart.listeners.mllp_settings import MllpSettings
from support.listening import ORSYS, Door, message, mllp_settings
from support.settings import findings_of

TYPE, EVENT, PROCESSING, VERSION = "MSH^1^9^1^1|200", "MSH^1^9^1^2|201", "MSH^1^11^1^1|202", "MSH^1^12^1^1|203"


@pytest.mark.parametrize(
    ("accept", "header", "error"),
    [
        ("{}", [(9, "ZZZ^Z99"), (11, "T"), (12, "1.0")], ""),
        ("{types: DFT^P03}", [], ""),
        ("{types: [ORU, DFT]}", [(9, "DFT^P11")], ""),
        ("{types: [ORU, DFT^P03]}", [(9, "DFT^P11")], EVENT),
        ("{types: DFT^P03}", [(9, "ADT^P03")], TYPE),
        ("{types: DFT^P03}", [(9, "DFT")], TYPE),
        ("{types: DFT^P03}", [(9, "")], TYPE),
        ("{types: DFT^P03}", [(9, "DF^P03")], TYPE),
        ("{versions: [2.3, 2.5.1]}", [], ""),
        ("{versions: 2.5.1}", [(12, " 2.5.1 ^USA")], ""),
        ("{versions: 2.5}", [], VERSION),
        ("{versions: 2.5}", [(12, "")], VERSION),
        ("{processing: P}", [], ""),
        ("{processing: P}", [(11, "")], ""),
        ("{processing: P}", [(11, "P^A")], ""),
        ("{processing: P}", [(11, "T")], PROCESSING),
        ("{processing: P}", [(11, "D^T")], PROCESSING),
        ("{processing: P}", [(11, "p")], PROCESSING),
        ("{processing: [T, D]}", [(11, "T")], ""),
        ("{processing: [T, D]}", [], PROCESSING),
    ],
)
@pytest.mark.parametrize(("asked", "code"), [("", "AR"), ("AL", "CR")])
def test_a_message_that_is_not_taken_is_recorded_and_rejected_with_its_reason(
    accept: str, header: list[tuple[int, str]], error: str, asked: str, code: str
) -> None:
    door = Door(settings=mllp_settings(f"accept: {accept}"))
    line = door.connect()
    line.send(message("1", header=[(15, asked), *header]))
    (answer,) = line.answers
    if not error:
        assert line.codes == ["CA 1" if asked else "AA 1"]
        assert not door.intake.last.refused
        return
    assert line.codes == [f"{code} 1"]
    place, number = error.split("|")
    told = (
        f"\rERR|MSH^1^12^{number}&" if (12, "") in header else f"\rERR||{place}|{number}^"
    )  # no version: the oldest form
    assert told.encode() in answer
    assert door.intake.last.refused
    assert str(door.intake.last.notes).endswith("-not-taken")


def test_two_messages_that_differ_in_their_processing_id_only_are_not_taken_for_the_same() -> None:
    line = Door(settings=mllp_settings("accept: {processing: P}")).connect()
    line.send(*(message(str(number), header=[(11, processing)]) for number, processing in enumerate("PTPDP")))
    assert line.codes == ["AA 0", "AR 1", "AA 2", "AR 3", "AA 4"]


def test_who_is_no_peer_is_told_that_and_nothing_else() -> None:
    line = Door(settings=mllp_settings("accept: {types: ADT}", peers=ORSYS)).connect()
    line.send(message("1", header=[(3, "X")]))
    assert b"\rERR||MSH^1^3|103^" in line.answers[0]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("{types: dft}", "a type such as DFT^P03"),
        ("{types: 'DFT^P03^DFT_P03'}", "a type such as DFT^P03"),
        ("{versions: v2}", "a version such as 2.5.1"),
        ("{processing: X}", "'X'"),
    ],
)
def test_what_can_never_be_is_found(accept: str, expected: str) -> None:
    text = f"port: 1\npeers: {{a: {{match: {{MSH-3: A}}, facility: N}}}}\naccept: {accept}\n"
    (finding,) = findings_of(MllpSettings, text)
    assert expected in finding
