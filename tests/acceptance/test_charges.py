"""Charges to billing, as the page says it: usage in over MLLP, DFT^P03 out, with the stock posted beside it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from casecart.commands.workspace import check
from support.engine_process import EngineProcess
from support.hl7_receiver import Receiver, acknowledgement, field, receiving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.user import User

PAGE = (Path(__file__).parents[2] / "docs/how-to/send-hl7.md").read_text("utf-8")
ENGINE, CHANNEL, MAPPING, _ = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SEGMENTS = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)[0].splitlines()[1:]
STOCK = "      - {when: 'true', post: {to: inventory}}\n"
STEM, CREDIT = "samples/hl7v2/dft-hip-stem.hl7", "samples/hl7v2/dft-hip-stem-credit.hl7"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def configure(user: User, port: int) -> None:
    """The user does what the page says."""
    engine = user.ws / "config" / "engine.yaml"
    block = "".join(f"  {line}\n" for line in ENGINE.splitlines() if not line.startswith("#"))
    block = block.replace("billing.example.org", "127.0.0.1").replace("2576", str(port))
    engine.write_text(f"{engine.read_text('utf-8')}{block}", "utf-8")
    (user.ws / "channels" / "or-charges.yaml").write_text(CHANNEL, "utf-8")


def findings(user: User) -> list[str]:
    """The errors that `casecart check` finds."""
    return [str(finding) for finding in check(user.ws).findings if finding.severity == "error"]


@pytest.fixture
def billing(user: User) -> Iterator[Receiver]:
    with receiving() as (receiver, port):
        configure(user, port)
        yield receiver


def charges(receiver: Receiver) -> list[tuple[str, ...]]:
    """Type, code, quantity and account of each that came."""
    return [
        (*(field(message, "FT1", number) for number in (2, 6, 7, 10)), field(message, "PID", 18))
        for message in receiver.messages
    ]


def test_what_was_used_is_charged_and_what_was_taken_back_is_credited(user: User, billing: Receiver) -> None:
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        assert user.send(STEM).returncode == 0
        until(lambda: len(billing.messages) == 1)
        assert user.send(STEM).returncode == 0  # the same again
        assert user.send(CREDIT).returncode == 0
        until(lambda: len(billing.messages) == 2)
        user.rest()
        status = user.json("status")
        assert engine.stop() == 0
    assert charges(billing) == [
        ("770001", "CG", "CH-27130", "1", "V100231"),
        ("770001", "CD", "CH-27130", "1", "V100231"),
    ]
    assert {posted["action"] for posted in user.handed_over} == {"use", "reverse"}  # the stock beside it
    assert status["balances"]["exact"]
    _, evn, *segments = billing.messages[0].decode().rstrip("\r").split("\r")
    assert (evn[:8], segments) == ("EVN|P03|", SEGMENTS)
    # Nothing of the patient but the account number, which the audit trail knows of.
    for message in billing.messages:
        assert not re.search(rb"HANNAH|TESTPATIENT|MRN000042|1950|SN-4711", message)
        assert field(message, "MSH", 4) == "NORTH"
    trail = user.run("audit", "list").stdout
    assert trail.count("disclose") == 2
    assert "V100231" not in trail + engine.log


def test_a_charge_survives_kills_and_a_billing_that_does_not_answer(user: User, billing: Receiver) -> None:
    billing.behave = lambda *_: None
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        user.send(STEM)
        until(lambda: len(billing.messages) == 1)
        engine.kill()
        billing.behave = lambda session, message: session.say(acknowledgement(message))
        engine.start()
        until(lambda: len(billing.messages) == 2)
        user.rest()
        engine.kill()
        engine.start()
        user.send(STEM)
        user.rest()
        assert engine.stop() == 0
    # At least once, as `blind` says, and each time the very same message: by its control id it is known again.
    assert len(set(billing.messages)) == 1
    assert len(billing.messages) == 2


def test_a_charge_that_billing_refuses_waits_for_a_person_while_the_stock_goes_on(
    user: User, billing: Receiver
) -> None:
    error = "ERR||FT1^1^7|103^Table value not found^HL70357|E||||CANARY"
    billing.behave = lambda session, message: session.say(acknowledgement(message, "AE", more=error))
    settings = user.ws / "config" / "engine.yaml"
    policy = "mapping: charge-dft\n    refused: {AE: retry}\n    tries: 2"
    settings.write_text(settings.read_text("utf-8").replace("mapping: charge-dft", policy), "utf-8")
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        user.send(STEM)
        until(lambda: len(billing.messages) == 2)
        user.rest()
        (cause,) = user.json("worklist", "list")["causes"]
        assert len(user.handed_over) == 1
        assert user.json("status")["balances"]["exact"]
        assert engine.stop() == 0
    assert billing.messages[0] == billing.messages[1]
    assert len(billing.messages) == 2
    assert "103 Table value not found at FT1-7" in cause["words"]
    assert "CANARY" not in engine.log + str(cause)


def test_what_discloses_without_saying_so_is_refused_by_check(user: User, billing: Receiver) -> None:
    engine = user.ws / "config" / "engine.yaml"
    engine.write_text(engine.read_text("utf-8").replace("    discloses: [case]\n", ""), "utf-8")
    (found,) = findings(user)
    assert re.fullmatch(r"config/engine\.yaml:\d+:14 error not-disclosed mapping 'charge-dft' writes .*", found)


def test_a_tryton_is_not_charged(user: User, billing: Receiver) -> None:
    engine = user.ws / "config" / "engine.yaml"
    text = engine.read_text("utf-8")
    kind = '{kind: tryton, url: "http://127.0.0.1:8000/x", key: {env: TRYTON_KEY}}'
    engine.write_text(text.replace("{kind: file, folder: var/inventory}", kind), "utf-8")
    assert findings(user) == []
    (user.ws / "channels" / "or-charges.yaml").write_text(CHANNEL.replace("to: billing", "to: inventory"), "utf-8")
    (found,) = findings(user)
    assert "error bad-value 'inventory' is a tryton, which takes consumption and no charge" in found


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        ("as: charge", "as: bill", "error unknown-value"),
        ("map: dft-usage", "map: charge-dft", "error unknown-name"),  # that one writes
        ("      - post", f"{STOCK}      - post", "error bad-value this channel's lines are posted as consumption"),
    ],
)
def test_a_channel_that_cannot_charge_is_found(
    user: User, billing: Receiver, before: str, after: str, finding: str
) -> None:
    (user.ws / "channels" / "or-charges.yaml").write_text(CHANNEL.replace(before, after), "utf-8")
    (found,) = findings(user)
    assert finding in found


def test_the_mapping_of_the_page_is_good(user: User, billing: Receiver) -> None:
    (user.ws / "mappings" / "charge-dft.yaml").write_text(MAPPING, "utf-8")
    assert findings(user) == []
