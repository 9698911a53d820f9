"""The commands as a user types them, with an engine at work on a real port and a real store."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from support.engine_process import EngineProcess
from support.user import SAMPLE, User, of_mllp

if TYPE_CHECKING:
    from pathlib import Path


def test_a_message_comes_in_and_its_posting_goes_out(at_work: User) -> None:
    sent = at_work.send(SAMPLE)
    assert (sent.returncode, sent.stdout.split()[:3]) == (0, [SAMPLE, "AA", "ORSYS-000001"])
    status = at_work.rest()
    assert status["balances"]["exact"] is True
    assert (status["engine"], status["exceptions_open"]) == ("running", 0)
    (listed,) = at_work.json("messages")["messages"]
    assert (listed["position"], listed["outcome"], listed["control_id"]) == (1, "processed", "ORSYS-000001")
    shown = at_work.json("message", "show", "ORSYS-000001")
    (posting,) = shown["ledger"][0]["postings"]
    assert (posting["state"], posting["proof"]) == ("posted", "read back")
    assert at_work.handed_over == [posting["payload"]]
    assert shown["body"] is None


def test_what_is_printed_for_people_tells_the_same(at_work: User) -> None:
    at_work.send(SAMPLE)
    at_work.rest()
    messages = at_work.run("messages").stdout
    assert "TIME (America/Chicago)" in messages
    assert "ORSYS-000001" in messages
    shown = at_work.run("message", "show", "1")
    assert "posted (read back" in shown.stdout
    for secret in ("MRN000042", "TESTPATIENT", "HANNAH", "V100231"):
        assert secret not in shown.stdout + messages
    status = at_work.run("status")
    assert status.returncode == 0
    assert "1 received + 0 copied + 0 assembled = 1 processed: exact" in status.stdout
    assert "1 produced = 1 posted: exact" in status.stdout


def test_the_same_on_postgresql(new: Path, tmp_path: Path, postgresql_dsn: str) -> None:
    user = User(new, tmp_path / "ws", postgresql_dsn)
    missing = user.run("messages")
    assert missing.returncode == 3
    assert "casecart migrate" in missing.stderr
    assert user.run("migrate").returncode == 0
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        assert user.send(SAMPLE).returncode == 0
        user.rest()
        cause, _ = user.json("worklist", "list")[
            "causes"
        ]  # the item and the department; the line is worked again whole
        tables = sorted(str(path) for path in (user.ws / "samples/master").glob("*.csv"))
        assert user.run("master", "import", *tables, "--from", "erp").returncode == 0
        # The engine follows what is brought in while it runs, before it works lines again.
        assert user.run("worklist", "fix", cause["id"], "--reason", "it is there now").returncode == 0
        user.wait("posting", "status", until=lambda now: not now["exceptions_open"] and len(user.handed_over) == 1)
        assert user.rest()["balances"]["exact"] is True
        assert engine.stop() == 0
    assert user.json("messages")["messages"][0]["outcome"] == "processed"


def test_a_resend_is_acknowledged_and_counted_and_nothing_else(at_work: User) -> None:
    sent = at_work.send(SAMPLE, "--count", "3", "--json")
    document = json.loads(sent.stdout)
    assert [message["code"] for message in document["messages"]] == ["AA", "AA", "AA"]
    status = at_work.rest()
    counts = of_mllp(status)["counts"]
    assert (counts["received"], counts["processed"], counts["duplicate"]) == (3, 1, 2)
    assert status["balances"]["exact"] is True
    assert len(at_work.handed_over) == 1
    assert len(at_work.json("messages")["messages"]) == 1


def test_new_ids_make_new_messages(at_work: User) -> None:
    sent = at_work.send(SAMPLE, "--count", "60", "--new-ids")
    assert sent.returncode == 0
    assert sent.stdout.startswith("60 messages answered: 60 AA")
    assert of_mllp(at_work.rest())["counts"]["processed"] == 60
    page = at_work.run("messages", "--limit", "5").stdout
    assert "There are older ones: add --before 56" in page
    assert len(at_work.json("messages", "--before", "56", "--limit", "1000")["messages"]) == 55


def test_a_sender_that_is_no_peer_is_rejected_and_recorded(at_work: User) -> None:
    text = (at_work.ws / SAMPLE).read_bytes().replace(b"|ORSYS|", b"|OTHER|", 1)
    sent = at_work.send("-", stdin=text)
    assert sent.returncode == 1
    assert sent.stdout.split()[1] == "AR"
    (listed,) = at_work.json("messages", "--outcome", "refused")["messages"]
    assert listed["control_id"] == "ORSYS-000001"
    assert at_work.rest()["balances"]["exact"] is True


def test_garbage_is_recorded_and_can_be_looked_at(at_work: User) -> None:
    sent = at_work.send("-", "--raw", "--timeout", "2", stdin=b"this is no message\r")
    assert sent.returncode == 1
    (listed,) = at_work.json("messages")["messages"]
    assert listed["outcome"] == "refused"
    shown = at_work.run("message", "show", str(listed["position"])).stdout
    assert "not an HL7 message" in shown
    assert "this is" not in shown
    assert at_work.rest()["balances"]["exact"] is True


def test_a_paused_destination_gets_nothing_until_it_is_resumed(at_work: User) -> None:
    paused = at_work.run("pause", "inventory", "--reason", "stocktaking")
    assert (paused.returncode, paused.stdout.split(".")[0]) == (0, "inventory is paused")
    time.sleep(1.5)  # the engine looks each second
    at_work.send(SAMPLE)
    time.sleep(0.5)
    status = at_work.json("status")
    (inventory,) = status["destinations"]
    assert (inventory["state"], inventory["postings_open"]) == ("paused", 1)
    assert inventory["paused"]["reason"] == "stocktaking"
    assert status["balances"]["exact"] is True
    assert at_work.handed_over == []
    assert "1 posting on the way" in at_work.run("resume", "inventory").stdout
    at_work.rest()
    assert len(at_work.handed_over) == 1


def test_a_body_is_shown_on_demand_while_the_engine_runs(at_work: User) -> None:
    at_work.send(SAMPLE)
    shown = at_work.run("message", "show", "1", "--body")
    assert shown.returncode == 0
    assert "TESTPATIENT^HANNAH" in shown.stdout
