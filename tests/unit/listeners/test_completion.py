"""What came of a message as its sender is told: outcome by outcome, policy by policy, version by version."""

from __future__ import annotations

from textwrap import dedent

import pytest

from casecart.formats.hl7v2 import Problem
from casecart.listeners.completion import ERROR_CODES, MOST, Policy, text_of
from casecart.listeners.mllp_settings import MllpSettings
from casecart.mapping import CODES as OF_MAPPING
from casecart.rules.trouble import CODES as OF_RULES
from casecart.rules.verify import CHECKS
from casecart.runtime.listener import Completion, HeldLine, Receipt
from support.checkout import ROOT
from support.listening import Door, Intake, message, mllp_settings
from support.settings import findings_of, settings_of

HELD = (HeldLine("FT1[2]", "item-unknown"), HeldLine("FT1[12]", "missing"))
OUTCOMES = {
    "fine": Completion("processed"),
    "held": Completion("processed", HELD),
    "unrouted": Completion("unrouted"),
    "put_aside": Completion("quarantined", (HeldLine("", "overran"),)),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("code", ["AA", "AE", "AR"])
@pytest.mark.parametrize("mode", ["original", "auto", "commit-then-app"])
def test_an_outcome_is_answered_as_its_own_setting_says_and_others_are_not(outcome: str, code: str, mode: str) -> None:
    others = [name for name in OUTCOMES if name != "fine"]
    policy = "" if outcome == "fine" else f", {outcome}: {code}"
    when = "" if mode == "commit-then-app" else ", when: on_complete"
    receipts = [Receipt("stored", OUTCOMES[name]) for name in [outcome, *(name for name in others if name != outcome)]]
    it = Door(Intake(None), mllp_settings(f"acknowledge: {{mode: {mode}{when}{policy}}}"))
    line = it.connect()
    for number, receipt in enumerate(receipts):
        line.send(message(str(number)))
        if it.intake.last.stored is not None:
            it.intake.last.stored()
        it.intake.last.reply(receipt)
    application = [told for told in line.codes if not told.startswith("CA")]
    assert application[0] == f"{'AA' if outcome == 'fine' else code} 0"
    assert {told[:2] for told in application[1:]} == {"AA"}
    assert sum(b"\rERR" in answer for answer in line.answers) == (code != "AA" and outcome != "fine")


@pytest.mark.parametrize(
    ("version", "outcome", "segments"),
    [
        (
            "2.4",
            "held",
            [
                "MSA|AE|1|This waits for a person: item-unknown. (2 errors)",
                "ERR|FT1^2^^204&Unknown key identifier&HL70357~FT1^12^^101&Required field missing&HL70357",
            ],
        ),
        (
            "2.8.2",
            "held",
            [
                "MSA|AE|1",
                "ERR||FT1^2|204^Unknown key identifier^HL70357|E|item-unknown|||This waits for a person: item-unknown.",
                "ERR||FT1^12|101^Required field missing^HL70357|E|missing|||This waits for a person: missing.",
            ],
        ),
        (
            "2.3.1",
            "unrouted",
            [
                "MSA|AE|1|No channel takes messages of this type.",
                "ERR|MSH^1^9^200&Unsupported message type&HL70357",
            ],
        ),
        (
            "2.5.1",
            "put_aside",
            [
                "MSA|AE|1|The message was put aside: overran.",
                "ERR|||207^Application error^HL70357|E|overran|||The message was put aside: overran.",
            ],
        ),
    ],
)
def test_the_answer_names_place_and_code_in_the_senders_version(
    version: str, outcome: str, segments: list[str]
) -> None:
    it = Door(Intake(None), mllp_settings("acknowledge: {when: on_complete, held: AE, unrouted: AE, put_aside: AE}"))
    line = it.connect()
    line.send(message("1", header=[(12, version)]))
    it.intake.last.reply(Receipt("duplicate", OUTCOMES[outcome]))
    (answer,) = line.answers
    assert answer.decode().split("\r")[1:-1] == segments


def test_an_accept_acknowledgement_tells_nothing_of_the_work() -> None:
    it = Door(Intake(None), mllp_settings("acknowledge: {when: on_complete, held: AE}"))
    line = it.connect()
    line.send(message("1", header=[(15, "AL"), (16, "NE")]))
    it.intake.last.reply(Receipt("stored", OUTCOMES["held"]))
    assert line.codes == ["CA 1"]
    assert b"ERR" not in line.answers[0]


def test_a_message_with_very_many_held_lines_gets_an_answer_of_bounded_length() -> None:
    it = Door(Intake(None), mllp_settings("acknowledge: {when: on_complete, held: AR}"))
    line = it.connect()
    line.send(message("1"))
    held = tuple(HeldLine(f"FT1[{number}]", "missing") for number in range(1, 200))
    it.intake.last.reply(Receipt("stored", Completion("processed", held)))
    assert line.answers[0].count(b"\rERR") == MOST


@pytest.mark.parametrize(
    ("place", "path"),
    [("FT1[3]", "FT1[3]"), ("RQD", "RQD"), ("", ""), ("ft1[1]", ""), ("a|b\rMSH", ""), ("FT1[x]", "")],
)
def test_a_place_that_is_none_is_not_told(place: str, path: str) -> None:
    policy = Policy(mllp_settings("acknowledge: {when: on_complete, held: AE}").acknowledge)
    _, (problem,) = policy.told(Completion("processed", (HeldLine(place, "missing"),)))
    assert problem.place == path


def test_every_code_that_has_an_error_code_of_its_own_exists() -> None:
    findings = {finding for check in CHECKS.values() for finding in check}
    assert ERROR_CODES.keys() <= OF_MAPPING.keys() | OF_RULES.keys() | findings | {"incomplete-usage"}


def test_one_error_is_told_without_a_number() -> None:
    one = Problem(error_code="207", words="It was put aside.")
    assert [text_of(()), text_of((one,)), text_of((one, one))] == ["", one.words, f"{one.words} (2 errors)"]


@pytest.mark.parametrize(
    ("acknowledge", "expected"),
    [
        ("{held: AE}", "'held' needs `when: on_complete`"),
        ("{mode: none, when: on_complete, put_aside: AE}", "'put_aside' needs `when: on_complete`"),
        ("{mode: enhanced, when: on_complete, unrouted: AR}", "'unrouted' needs mode `original`"),
        ("{mode: commit-then-app, when: on_complete}", "leave out `when`"),
        ("{when: on_complete, held: CE}", "'CE'"),
        ("commit-then-app", "'commit-then-app'"),
    ],
)
def test_a_policy_without_effect_is_found(acknowledge: str, expected: str) -> None:
    text = f"port: 1\npeers: {{a: {{match: {{MSH-3: A}}, facility: N}}}}\nacknowledge: {acknowledge}\n"
    (finding,) = findings_of(MllpSettings, text)
    assert expected in finding


def test_the_settings_that_the_page_shows_are_right() -> None:
    page = (ROOT / "docs/how-to/acknowledge.md").read_text("utf-8")
    block = dedent(page.split("```yaml\n")[1].split("```")[0].split("  or-mllp:\n")[1]).replace("kind: mllp\n", "")
    settings = settings_of(MllpSettings, block)
    assert settings.accept.processing == ("P",)
    ours = settings.peers["cabinet"].acknowledge
    assert ours is not None
    assert (ours.mode, ours.complete_within, ours.held, ours.unrouted) == ("commit-then-app", 20.0, "AE", "AA")


@pytest.mark.parametrize("acknowledge", ["on_complete", "{mode: commit-then-app}"])
def test_the_engine_is_not_asked_what_came_of_a_message_where_nobody_wants_to_know(acknowledge: str) -> None:
    it = Door(Intake(None), mllp_settings(f"acknowledge: {acknowledge}"))
    it.connect().send(message("1"))
    assert (it.intake.last.complete_within, it.intake.last.tell) == (30.0, False)
