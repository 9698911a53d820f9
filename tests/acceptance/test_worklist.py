"""An exception from the message that caused it to the posting that its fix made, with a real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from acceptance.test_items import LOT, SCREW, charge, sent
from support.engine_process import EngineProcess

if TYPE_CHECKING:
    import subprocess

    from support.user import User

BOX = "24012345000010"
"""A GTIN that nobody has yet."""


def unknown(control_id: str, *, case: str | None = None) -> bytes:
    """A use that was told by it."""
    return charge(control_id, case=case, prt=f"(01){BOX}{LOT}")


def causes(user: User) -> list[dict[str, Any]]:
    """What waits in the worklist."""
    return list(user.json("worklist", "list")["causes"])


def fix(user: User, reference: str, *typed: str) -> subprocess.CompletedProcess[str]:
    """`casecart worklist fix`."""
    return user.run("worklist", "fix", reference, "--reason", "the supplier says so", *typed)


def fixed(user: User) -> None:
    """Waits until nothing is left to be done of what was fixed."""
    user.wait(
        "posting",
        "status",
        until=lambda now: now["balances"]["exact"] and not now["balances"]["lines"]["is_in"]["held"],
    )
    user.rest()


def test_a_fix_writes_the_number_and_posts_exactly_the_lines_that_waited_for_it(at_work: User) -> None:
    for message in (unknown("A1"), unknown("A2"), charge("A3", code="CH-27130"), charge("A4", code="CH-20931")):
        sent(at_work, message)
    found = {cause["words"]: cause for cause in causes(at_work)}
    cause = found[f"no item has the device identifier {BOX}"]
    assert (cause["messages"], cause["state"]) == (2, "new")
    shown = at_work.run("worklist", "show", cause["id"]).stdout
    assert f"casecart worklist fix {cause['id']} --item NUMBER" in shown

    done = fix(at_work, cause["id"], "--item", SCREW, "--quantity", "5")
    assert (done.returncode, "2 lines to be worked again" in done.stdout) == (0, True), done.stderr
    at_work.wait("fix", "worklist", "list", until=lambda now: len(now["causes"]) == 2)
    at_work.wait("posting", "status", until=lambda _: len(at_work.handed_over) == 2)
    assert {(each["line"], each["item"], each["quantity"]) for each in at_work.handed_over} == {
        ("L-A1", SCREW, "15"),
        ("L-A2", SCREW, "15"),
    }
    assert at_work.rest()["balances"]["exact"]
    # From now on the number is known.
    sent(at_work, unknown("A5"))
    assert len(at_work.handed_over) == 3
    told = at_work.run("master", "history", "item", SCREW).stdout
    assert f"value {BOX}" in told


def test_a_fix_is_made_once(at_work: User) -> None:
    sent(at_work, unknown("T1"))
    (cause,) = causes(at_work)
    assert fix(at_work, cause["id"], "--item", SCREW).returncode == 0
    again = fix(at_work, cause["id"], "--item", SCREW)
    assert (again.returncode, "othing in the worklist has the id" in again.stderr) == (1, True)
    fixed(at_work)
    assert len(at_work.handed_over) == 1


def test_lines_are_the_item_that_a_person_says_and_later_ones_are_asked_again(at_work: User) -> None:
    sent(at_work, charge("D1", code="CH-27130"))
    (cause,) = causes(at_work)
    near = at_work.json("worklist", "show", cause["id"])["candidates"]
    assert {each["number"] for each in near} == {"HIP-STEM-12", "HIP-STEM-13"}
    assert fix(at_work, cause["id"], "--item", "HIP-STEM-13").returncode == 0
    # A stem has a serial number, which this line does not tell: that is the next question.
    at_work.wait(
        "question",
        "worklist",
        "list",
        until=lambda now: {c["code"] for c in now["causes"]} == {"serial-missing", "expiry-missing"},
    )


def test_a_finding_that_a_person_accepts_is_posted_flagged(at_work: User) -> None:
    sent(at_work, charge("F1", rest="|" * 21 + SCREW))
    (cause,) = causes(at_work)
    assert cause["code"] == "lot-missing"
    assert fix(at_work, cause["id"], "--accept").returncode == 0
    fixed(at_work)
    (posting,) = at_work.handed_over
    assert (posting["item"], posting["flags"]) == (SCREW, "lot-missing")


def test_a_rejected_line_is_posted_never_and_counted(at_work: User) -> None:
    sent(at_work, unknown("X1"))
    (cause,) = causes(at_work)
    done = at_work.run("worklist", "reject", cause["id"], "--reason", "a test of the theatre's scanner")
    assert (done.returncode, done.stdout) == (0, "1 exception rejected.\n")
    status = at_work.rest()
    (terms,) = [each["terms"] for each in status["balances"]["channels"]]
    assert (terms["held"], terms["rejected"], status["balances"]["exact"]) == (0, 1, True)
    assert fix(at_work, cause["id"], "--item", SCREW).returncode == 1
    assert at_work.handed_over == []


def test_assigned_and_parked_exceptions_say_to_whom_and_why(at_work: User) -> None:
    sent(at_work, unknown("P1"))
    (cause,) = causes(at_work)
    assert at_work.run("worklist", "assign", cause["id"], "--to", "kim").returncode == 0
    assert [(each["state"], each["assignee"]) for each in causes(at_work)] == [("assigned", "kim")]
    assert at_work.run("worklist", "park", cause["id"], "--reason", "waits for the supplier").returncode == 0
    (item,) = at_work.json("worklist", "show", cause["id"])["items"]
    assert (item["state"], item["assignee"], item["reason"]) == ("parked", "kim", "waits for the supplier")


def test_a_code_that_the_table_lacks_is_fixed_by_a_row_that_is_applied(user: User) -> None:
    message = charge("V1", prt=f"(01)09521101530018{LOT}").replace(b"|CG|", b"|CHARGE|")
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        sent(user, message)
        (cause,) = causes(user)
        refused = fix(user, cause["id"], "--value", "usee")
        assert (refused.returncode, "Did you mean 'use'?" in refused.stderr) == (1, True)
        done = fix(user, cause["id"], "--value", "use")
        assert "`casecart apply` it" in done.stdout, done.stderr
        applied = user.run("apply", "--yes")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        fixed(user)
        assert engine.stop() == 0
    assert [each["line"] for each in user.handed_over] == ["L-V1"]
    assert "CHARGE,use" in (user.ws / "mappings/tables/transaction-type.csv").read_text("utf-8")


def test_a_fix_while_no_engine_runs_is_worked_off_by_the_next_and_survives_a_kill(user: User) -> None:
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        sent(user, unknown("K1"))
        engine.kill()
        (cause,) = causes(user)
        assert fix(user, cause["id"], "--item", SCREW).returncode == 0
        engine.start()
        engine.kill()  # perhaps in the midst of it
        engine.start()
        fixed(user)
        assert engine.stop() == 0
    assert [each["line"] for each in user.handed_over] == ["L-K1"]


def test_what_another_system_says_is_an_exception_that_can_be_taken_over(at_work: User) -> None:
    table = at_work.ws / "items-ehr.csv"
    table.write_text(f"item,description\n{SCREW},Bone screw\n", "utf-8")
    typed = ("master", "import", str(table), "--as", "items", "--part", "--from", "ehr")
    assert at_work.run(*typed).returncode == 0
    assert at_work.run(*typed).returncode == 0  # the same again is no second exception
    (cause,) = causes(at_work)
    assert cause["words"] == "ehr says something about the description of items, which erp owns"
    assert cause["exceptions"] == 1
    assert fix(at_work, cause["id"], "--accept").returncode == 0
    (item,) = at_work.json("master", "show", "item", SCREW)
    assert item["fields"]["description"] == "Bone screw"
    assert causes(at_work) == []
