"""The item master to the EHR, as the page says it: changes of master data in, MFN^M16 out over real TCP."""

from __future__ import annotations

import csv
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from casecart.commands.workspace import check
from support.engine_process import EngineProcess
from support.hl7_receiver import Receiver, Session, acknowledgement, field, receiving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.user import User

PAGE = (Path(__file__).parents[2] / "docs/how-to/send-items.md").read_text("utf-8")
ENGINE, CHANNEL = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SEGMENTS = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)[0].splitlines()
MASTER = "samples/hl7v2/mfn-items.hl7"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def configure(user: User, port: int) -> None:
    """The user does what the page says."""
    engine = user.ws / "config" / "engine.yaml"
    _, listeners, destinations = re.split(r"^(?:listeners|destinations):\n", ENGINE, flags=re.MULTILINE)
    destinations = destinations.replace("ehr.example.org", "127.0.0.1").replace("2580", str(port))
    text = engine.read_text("utf-8").replace("listeners:\n", f"listeners:\n{listeners}")
    engine.write_text(f"{text}{destinations}", "utf-8")
    (user.ws / "channels" / "items-to-ehr.yaml").write_text(CHANNEL, "utf-8")


def change(user: User, before: str, after: str) -> None:
    """Something in the settings of the engine."""
    engine = user.ws / "config" / "engine.yaml"
    text = engine.read_text("utf-8")
    assert before in text
    engine.write_text(text.replace(before, after), "utf-8")


@pytest.fixture
def ehr(user: User) -> Iterator[Receiver]:
    with receiving() as (receiver, port):
        configure(user, port)
        yield receiver


def told(receiver: Receiver) -> list[tuple[str, str]]:
    """Event and item of each record that came."""
    return [(field(message, "MFE", 1), field(message, "MFE", 4)) for message in receiver.messages]


def without_time(line: str) -> str:
    return re.sub(r"\|\d{14}\+0000\|", "|", line)


def test_every_item_is_sent_from_the_beginning_and_what_changes_later(user: User, ehr: Receiver) -> None:
    assert [str(each) for each in check(user.ws).findings] == []
    change(user, "not_from: [ehr]", "not_from: [ehr], from: beginning")
    with (user.ws / "samples/master/items.csv").open(newline="") as rows:
        items = {row["item"] for row in csv.DictReader(rows)}
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        until(lambda: len(ehr.messages) == len(items))
        assert {item for _, item in told(ehr)} == items
        assert {event for event, _ in told(ehr)} == {"MAD"}
        screw = next(message for message in ehr.messages if b"|SCREW-65-30|" in message)
        assert [*map(without_time, screw.decode().rstrip("\r").split("\r")[1:])] == [*map(without_time, SEGMENTS)]
        assert user.send(MASTER).returncode == 0  # a new item, one with another description, one that is deactivated
        until(lambda: len(ehr.messages) == len(items) + 3)
        user.rest()
        status = user.json("status")
        line = user.run("line", "show", "1")
        replayed = user.run("message", "replay", "1", "--reason", "to see that nothing is sent twice")
        verified = user.run("store", "verify")
        traced = user.json("recall", "trace", "--item", "SCREW-65-30", "--every-message")
        reconciled = user.run("reconcile", "ehr-items", "--day", "2026-11-03")
        assert engine.stop() == 0
    assert sorted(told(ehr)[len(items) :]) == [("MAD", "PLATE-6H"), ("MUP", "HIP-STEM-13"), ("MUP", "SCREW-65-30")]
    assert status["balances"]["exact"]
    assert (line.returncode, "is a change of an item, and has no lines of usage" in line.stderr) == (1, True)
    assert (replayed.returncode, verified.returncode) == (0, 0), verified.stdout
    assert traced["uses"] == []
    assert reconciled.returncode != 0  # it can't be asked for movements
    assert len(set(ehr.control_ids)) == len(ehr.messages) == len(items) + 3


def test_a_change_survives_kills_and_an_ehr_that_does_not_answer(user: User, ehr: Receiver) -> None:
    ehr.behave = lambda *_: None
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        user.send(MASTER)
        until(lambda: len(ehr.messages) == 1)
        engine.kill()
        ehr.behave = lambda session, message: session.say(acknowledgement(message))
        engine.start()
        until(lambda: len(ehr.messages) == 4)
        user.rest()
        engine.kill()
        engine.start()
        user.rest()
        status = user.json("status")
        assert engine.stop() == 0
    # At least once, as `blind` says: the one that was not answered came again, with the same bytes.
    assert ehr.messages[0] in ehr.messages[1:]
    assert len(set(ehr.control_ids)) == len(set(ehr.messages)) == 3
    assert status["balances"]["exact"]


def test_a_record_that_the_ehr_does_not_take_waits_for_a_person_and_is_sent_again(user: User, ehr: Receiver) -> None:
    def refuse(session: Session, message: bytes) -> None:
        taken = "U" if field(message, "MFE", 4) == "PLATE-6H" else "S"
        session.say(acknowledgement(message, more=f"MFA|MAD|1|20261121|{taken}|CANARY"))

    ehr.behave = refuse
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        user.send(MASTER)
        (cause,) = user.wait("cause", "worklist", "list", until=lambda now: now["causes"])["causes"]
        shown = user.run("worklist", "show", cause["id"])
        ehr.behave = lambda session, message: session.say(acknowledgement(message))
        fixed = user.run("worklist", "fix", cause["id"], "--reason", "The EHR knows the vendor now")
        assert fixed.returncode == 0, fixed.stderr
        until(lambda: len(ehr.messages) == 4)
        user.rest()
        status = user.json("status")
        assert engine.stop() == 0
    assert (cause["code"], shown.returncode) == ("receiver-record", 0)
    assert "the record was not taken (MFA-4)" in shown.stdout
    assert "CANARY" not in shown.stdout + engine.log
    assert told(ehr)[3] == ("MAD", "PLATE-6H")
    assert status["balances"]["exact"]
