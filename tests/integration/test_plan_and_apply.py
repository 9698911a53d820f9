"""Plan, apply, roll back: what runs changes when somebody says so, all of it or nothing, and everybody can see it."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import click
import pytest

from casecart.cli.apply import due
from casecart.cli.exit import Exit
from casecart.commands.actor import local_actor
from casecart.commands.apply import CancelRevision, ShowTakeUp, before
from casecart.commands.desk import View
from casecart.commands.moment import moment
from casecart.commands.refusal import Refusal
from casecart.commands.running import compared_with
from casecart.commands.starting import starting
from casecart.runtime.clock import wall_clock
from casecart.store import Change, Member, RevisionHead, Running, SharedStore, Store, migrate, open_store
from support.applying import Analyst, TestEngine
from support.postgresql import database
from support.shipped import sample
from support.store import NOW, a_hold, a_message, a_revision, an_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.commands.apply import TakenUp
    from casecart.commands.site import Site

TABLE = "mappings/tables/transaction-type.csv"
CHANNEL = "channels/or-usage.yaml"


@pytest.fixture
def analyst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Analyst:
    monkeypatch.delenv("CASECART_WORKSPACE", raising=False)
    return Analyst(tmp_path)


# --- plan
def test_before_anything_ran_there_is_nothing_to_compare_with(analyst: Analyst) -> None:
    assert analyst.type("plan") == Exit.FINE
    assert "Nothing ran on this store yet" in analyst.out


def test_files_that_run_need_no_plan(analyst: Analyst) -> None:
    with TestEngine(analyst):
        assert analyst.type("plan") == Exit.FINE
        assert analyst.out == "Compared with revision 1, which runs.\n\nNo changes.\n"
    analyst.type("plan")
    assert "Compared with revision 1, which ran last; no engine is at work." in analyst.out


def test_each_thing_that_changes_is_named_with_its_reason(analyst: Analyst) -> None:
    with TestEngine(analyst):
        analyst.save(TABLE, (analyst.root / TABLE).read_text("utf-8") + "X9,use,\n")
        analyst.edit("config/engine.yaml", "port: 2575", "port: 2576")
        analyst.edit("config/engine.yaml", "destinations:\n", "destinations:\n  erp: {kind: file, folder: var/erp}\n")
        analyst.edit("config/engine.yaml", "organisation: MERCY", "organisation: GRACE")
        analyst.save("channels/more.yaml", (analyst.root / CHANNEL).read_text().replace("or-usage", "more", 1))
        analyst.edit("channels/more.yaml", "DFT^P03", "DFT^P11")
        analyst.type("plan")
        assert analyst.out.splitlines() == [
            "Compared with revision 1, which runs.",
            "",
            "  + channel more",
            "  ~ channel or-usage: table transaction-type: 1 row added",
            "  ~ listener or-mllp: port",
            "      what it has taken is answered, then its connections are closed and it opens anew",
            "  + destination erp",
            "  ~ setting organisation: MERCY is GRACE (needs a restart)",
            "      a running engine would refuse all of it: stop it, apply, and start it again",
            "  in +channels/more.yaml, ~config/engine.yaml, ~mappings/tables/transaction-type.csv",
            "",
            "5 changes, in 3 files.",
        ]


def test_what_waits_for_what_goes_is_counted(analyst: Analyst) -> None:
    with TestEngine(analyst):
        pass
    with closing(open_store(analyst.url, role="engine")) as store:
        waiting = [a_message(number, outcome="waiting") for number in (1, 2)]
        holds = [a_hold(1)._replace(channel="or-usage", state="new")]
        entry = an_entry(1)._replace(destination="inventory", open=2)
        store.write(Change(messages=[*waiting, a_message(3)], holds=holds, entries=[entry]))
    analyst.save("channels/other.yaml", (analyst.root / CHANNEL).read_text().replace("or-usage", "other", 1))
    analyst.edit("channels/other.yaml", "inventory", "erp")
    (analyst.root / CHANNEL).unlink()
    analyst.edit("config/engine.yaml", "inventory: {", "erp: {")
    plan = analyst.json("plan")
    means = {each["change"]["name"]: each["means"] for each in plan["changes"]}
    assert means["or-usage"] == [
        "2 messages wait at or-mllp; those that no other channel takes become unrouted",
        "1 open exception of it can't be fixed any more, only rejected",
    ]
    assert means["inventory"] == ["2 postings on the way to it are kept, and not sent while it is gone"]


def test_the_lines_that_differ_are_shown_where_they_are_asked_for(analyst: Analyst) -> None:
    with TestEngine(analyst):
        analyst.note("mesh")
        analyst.type("plan", "--diff")
    assert f"--- revision 1: {CHANNEL}" in analyst.out
    assert "\n+# mesh\n" in analyst.out


def test_files_with_errors_have_no_plan_and_are_not_applied(analyst: Analyst) -> None:
    with TestEngine(analyst):
        analyst.edit(CHANNEL, "or-mllp", "or-mlp")
        assert analyst.type("plan") == Exit.WRONG
        assert "or-usage.yaml:4:8 error unknown-name" in analyst.err
        assert analyst.apply() == Exit.WRONG
        assert analyst.out == "The files can't be run as they are: 1 error.\n"
        (finding,) = analyst.json("plan")["findings"]
        assert finding["code"] == "unknown-name"
        assert analyst.numbers() == [(1, "start", "past")]


# --- apply
def test_what_is_applied_runs_and_is_in_the_history_with_who_and_why(analyst: Analyst) -> None:
    with TestEngine(analyst):
        analyst.note("mesh")
        assert analyst.apply("--message", "more  mesh") == Exit.FINE
        assert analyst.out.endswith("Revision 2 is applied.\nor-1:4711 runs revision 2.\n")
        newest, first = analyst.json("history")["revisions"]
        assert (newest["note"], newest["state"], newest["engines"]) == ("more mesh", "wanted", ["or-1:4711"])
        assert newest["changed"] == [{"file": CHANNEL, "kind": "changed"}]
        assert (first["kind"], first["engines"], first["changed"]) == ("start", [], [])
        analyst.type("audit", "list")
        assert "workspace.apply" in analyst.out


def test_without_an_engine_it_runs_from_the_next_start_on_whatever_becomes_of_the_files(analyst: Analyst) -> None:
    assert analyst.apply() == Exit.FINE
    assert "No engine is at work: it runs from the next start on." in analyst.out
    analyst.note("half done")
    with closing(open_store(analyst.url, role="reader")) as store:
        start = starting(analyst.root, store, wall_clock())
        assert (start.number, start.words) == (1, "files differ from revision 1, which runs: casecart plan")
        analyst.edit(CHANNEL, "or-mllp", "or-mlp")
        assert starting(analyst.root, store, wall_clock()).number == 1


def test_files_can_be_run_once_nonetheless(analyst: Analyst) -> None:
    analyst.apply()
    analyst.note("try it")
    with closing(open_store(analyst.url, role="reader")) as store:
        start = starting(analyst.root, store, wall_clock(), files=True)
    assert start.number == 0
    assert start.words == "the files are run this once; revision 1 was applied, and runs next"


def test_applying_what_runs_already_does_nothing(analyst: Analyst) -> None:
    with TestEngine(analyst):
        analyst.note("mesh")
        analyst.apply()
        assert analyst.apply() == Exit.FINE
        assert analyst.out.endswith("There is nothing to apply.\n")
        assert len(analyst.numbers()) == 2


def test_what_an_engine_began_with_can_be_applied_so_that_starts_stay_with_it(analyst: Analyst) -> None:
    with TestEngine(analyst):
        assert analyst.apply() == Exit.FINE
        assert analyst.numbers() == [(2, "apply", "wanted"), (1, "start", "past")]


def test_what_the_engine_would_not_take_is_told_and_taken_back(analyst: Analyst) -> None:
    analyst.apply()
    with TestEngine(analyst, refuses={2: "or-mllp: port 2576 is taken"}):
        analyst.edit("config/engine.yaml", "port: 2575", "port: 2576")
        assert analyst.apply() == Exit.WRONG
        assert "would not take it, and runs 1 on: or-mllp: port 2576 is taken" in analyst.out
        assert "taken back" in analyst.out
        assert analyst.numbers() == [(2, "apply", "cancelled"), (1, "apply", "wanted")]
    with closing(open_store(analyst.url, role="reader")) as store:
        assert starting(analyst.root, store, wall_clock()).number == 1


def test_an_engine_that_does_not_take_it_up_in_time_is_named(analyst: Analyst) -> None:
    with TestEngine(analyst, deaf=True):
        analyst.note("mesh")
        assert analyst.type("apply", "--yes", "--wait", "0.1") == Exit.WRONG
        assert "or-1:4711 has not taken it up yet, and runs 1" in analyst.out


def test_why_no_engine_took_it_is_in_the_audit_trail(analyst: Analyst) -> None:
    with TestEngine(analyst, refuses={2: "or-mllp: port 2576 is taken"}):
        analyst.edit("config/engine.yaml", "port: 2575", "port: 2576")
        analyst.apply()
    with closing(open_store(analyst.url, role="reader")) as store:
        (cancelled,) = [record for record in store.audit(10) if record.command == "workspace.cancel"]
    assert "or-1:4711: or-mllp: port 2576 is taken" in cancelled.detail


def test_what_only_a_start_reads_is_not_applied_to_engines_at_work(analyst: Analyst) -> None:
    analyst.apply()
    analyst.edit("config/engine.yaml", "organisation: MERCY", "organisation: GRACE")
    with TestEngine(analyst):
        assert analyst.apply() == Exit.WRONG
        assert "can't change organisation: stop them, apply, and start them again" in analyst.err
    assert analyst.apply() == Exit.FINE
    assert analyst.numbers()[0] == (2, "apply", "wanted")


def test_the_status_tells_what_runs(analyst: Analyst) -> None:
    with TestEngine(analyst, refuses={2: "or-mllp: port 2576 is taken"}, deaf=False):
        analyst.type("status")
        assert "\nrevision   1\n" in analyst.out
        with closing(open_store(analyst.url, role="person")) as store:
            store.write(Change(revisions=[a_revision(2)]))
        for _ in range(100):
            analyst.type("status")
            if "NOT TAKEN" in analyst.out:
                break
        assert "revision   1 (2 was NOT TAKEN: or-mllp: port 2576 is taken)" in analyst.out
    analyst.type("status")
    assert "revision   -" in analyst.out


def test_who_applies_what_was_planned_before_another_one_applied_is_told(
    analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object, **__: object) -> None:
        with closing(open_store(analyst.url, role="person")) as store:
            store.write(Change(revisions=[a_revision(1, actor="bob")]))

    monkeypatch.setattr("casecart.cli.apply.confirmed", asked)
    assert analyst.type("apply") == Exit.WRONG
    assert "Somebody wrote revision 1 meanwhile: look again with `casecart plan`" in analyst.err


def test_nothing_is_applied_unasked(analyst: Analyst, monkeypatch: pytest.MonkeyPatch) -> None:
    assert analyst.type("apply") == Exit.USAGE
    assert "say --yes" in analyst.err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "confirm", lambda *_, **__: (_ for _ in ()).throw(click.Abort()))
    assert analyst.type("apply") == Exit.INTERRUPTED
    assert analyst.numbers() == []


def test_a_message_that_is_a_book_is_refused(analyst: Analyst) -> None:
    assert analyst.apply("--message", "x" * 501) == Exit.WRONG
    assert "501 characters" in analyst.err


def test_a_workspace_that_is_too_large_is_refused(analyst: Analyst, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casecart.store.applied.LARGEST", 1_000)
    assert analyst.apply() == Exit.WRONG
    assert "and a revision may have 1,000: keep what is no code table elsewhere" in analyst.err
    with TestEngine(analyst):
        assert analyst.numbers() == []


def test_a_store_that_was_never_made_says_what_to_do(analyst: Analyst) -> None:
    (analyst.root / "var/casecart.db").unlink()
    for typed in (["plan"], ["apply", "--yes"], ["rollback"], ["history"]):
        assert analyst.type(*typed) == Exit.CONFIGURATION
        assert "casecart migrate" in analyst.err


# --- at a later time
def in_hours(hours: int) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def test_what_is_applied_for_later_waits_is_shown_and_keeps_others_from_applying(analyst: Analyst) -> None:
    with TestEngine(analyst):
        analyst.note("upgrade")
        assert analyst.apply("--at", in_hours(2)) == Exit.FINE
        assert "`casecart apply --cancel 2` takes it back" in analyst.out
        assert analyst.numbers()[0] == (2, "apply", "scheduled")
        assert analyst.json("plan")["scheduled"]["revision"] == 2
        analyst.note("another")
        assert analyst.apply() == Exit.WRONG
        assert "waits for its time: cancel it first with `casecart apply --cancel 2`" in analyst.err
        assert analyst.type("apply", "--cancel", "2") == Exit.FINE
        assert analyst.apply() == Exit.FINE
        assert [state for _, _, state in analyst.numbers()] == ["wanted", "cancelled", "past"]


@pytest.mark.parametrize(
    ("at", "code", "words"),
    [
        ("tomorrow", Exit.USAGE, "is not a time"),
        ("2026-11-31T02:00", Exit.USAGE, "is not a time"),
        ("0001-01-01T00:00", Exit.WRONG, "is over"),
        ("2020-01-01T00:00", Exit.WRONG, "is over"),
        ("2999-01-01T00:00", Exit.WRONG, "more than a year away"),
        ("2027-03-14T02:30", Exit.USAGE, "clocks are set forward"),
        ("2026-11-01T01:30", Exit.USAGE, "comes twice"),
    ],
)
def test_a_time_that_can_not_be_meant_is_refused(analyst: Analyst, at: str, code: Exit, words: str) -> None:
    assert analyst.apply("--at", at) == code
    assert words in analyst.err
    assert analyst.numbers() == []


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-23T02:00", "2026-11-23T08:00"),  # Chicago, in winter
        ("2026-07-01T02:00", "2026-07-01T07:00"),  # in summer
        ("2026-11-23T02:00+01:00", "2026-11-23T01:00"),
        ("2026-11-01T01:30-06:00", "2026-11-01T07:30"),  # the second of the two
    ],
)
def test_a_time_is_the_facilities_own_unless_it_says_which(text: str, utc: str) -> None:
    found = moment(due(text, "America/Chicago", ZoneInfo("America/Chicago")))
    assert found.isoformat()[:16] == utc


def test_what_runs_or_is_not_there_is_not_cancelled(analyst: Analyst) -> None:
    with TestEngine(analyst):
        analyst.note("mesh")
        analyst.apply()
        for number, words in (("1", "never applied"), ("2", "is due"), ("3", "no revision 3")):
            assert analyst.type("apply", "--cancel", number) == Exit.WRONG
            assert words in analyst.err


# --- back
def test_going_back_runs_what_ran_before_and_a_start_stays_there(analyst: Analyst) -> None:
    with TestEngine(analyst):
        analyst.note("broken")
        analyst.apply()
        assert analyst.type("rollback", "--yes", "--message", "it was wrong") == Exit.FINE
        assert "or-1:4711 runs revision 3." in analyst.out
        assert "The files in the folder differ from it" in analyst.out
    assert analyst.numbers() == [(3, "rollback", "wanted"), (2, "apply", "past"), (1, "start", "past")]
    with closing(open_store(analyst.url, role="reader")) as store:
        start = starting(analyst.root, store, wall_clock())
    assert (start.number, start.words) == (3, "files differ from revision 3, which runs: casecart plan")
    assert not start.taken.files[CHANNEL].startswith(b"#")


def test_going_back_takes_back_what_waits_for_its_time(analyst: Analyst) -> None:
    with TestEngine(analyst):
        analyst.note("broken")
        analyst.apply()
        analyst.note("later")
        analyst.apply("--at", in_hours(2))
        analyst.type("rollback", "--yes")
        assert "revision 3, which waited for its time, is cancelled" in analyst.out


def test_where_nothing_ran_before_nothing_is_gone_back_to(analyst: Analyst) -> None:
    assert analyst.type("rollback", "--yes") == Exit.WRONG
    analyst.apply()
    assert analyst.type("rollback", "--yes") == Exit.WRONG
    assert "nothing to go back to" in analyst.err
    assert analyst.type("rollback", "--yes", "7") == Exit.WRONG
    assert "no revision 7" in analyst.err
    assert analyst.type("rollback", "--yes", "1") == Exit.WRONG
    assert "has the files of revision 1" in analyst.err


def head(number: int, digest: bytes, origin: int | None = None, **changed: int) -> RevisionHead:
    return RevisionHead._make(a_revision(number, origin=origin, digest=digest, **changed)[:-1])


@pytest.mark.parametrize(
    ("heads", "gone_back_to"),
    [
        ([head(1, b"A")], None),
        ([head(1, b"A"), head(2, b"B")], 1),
        ([head(1, b"A"), head(2, b"A"), head(3, b"A")], None),  # nothing else ever ran
        ([head(1, b"A"), head(2, b"B"), head(3, b"A", 1)], None),  # not to the broken one again
        ([head(1, b"Z"), head(2, b"A"), head(3, b"B"), head(4, b"A", 2)], 1),  # one further
        ([head(1, b"A"), head(2, b"B"), head(3, b"A", 1), head(4, b"C")], 3),
        ([head(1, b"A"), head(2, b"B", cancelled_at=1), head(3, b"C")], 1),
        ([head(1, b"A"), head(2, b"B", due_at=NOW + 1), head(3, b"C")], 1),
    ],
)
def test_before_a_revision_ran_the_last_one_with_other_files(
    heads: list[RevisionHead], gone_back_to: int | None
) -> None:
    assert before(heads[::-1], heads[-1].number, NOW) == gone_back_to


# --- history
def test_a_revision_shows_its_files_and_writes_them_where_nothing_is(analyst: Analyst, tmp_path: Path) -> None:
    analyst.apply()
    text = (analyst.root / CHANNEL).read_text("utf-8")
    analyst.note("gone")
    analyst.type("history", "show", "1", CHANNEL)
    assert analyst.out == text
    assert analyst.type("history", "show", "1", "channels/or-usag.yaml") == Exit.WRONG
    assert f"Did you mean '{CHANNEL}'?" in analyst.err
    assert analyst.type("history", "show", "1", "--to", "old") == Exit.FINE
    assert (tmp_path / "old" / CHANNEL).read_text("utf-8") == text
    assert analyst.type("history", "show", "1", "--to", "old") == Exit.WRONG
    assert "not empty" in analyst.err


def test_two_revisions_are_compared_line_by_line(analyst: Analyst) -> None:
    analyst.apply()
    analyst.note("mesh")
    analyst.apply()
    analyst.type("history", "diff", "1", "2")
    assert "\n+# mesh\n" in analyst.out
    analyst.type("history", "diff", "2", "2")
    assert analyst.out == "They have the same files.\n"


def test_a_long_history_comes_in_pages(analyst: Analyst) -> None:
    for words in "abc":
        analyst.note(words)
        analyst.apply()
    analyst.type("history", "--limit", "2")
    assert analyst.out.endswith("There are older ones: casecart history --before 2\n")
    analyst.type("history", "--limit", "2", "--before", "2")
    assert "older" not in analyst.out


def test_a_damaged_revision_is_told_and_not_run(analyst: Analyst) -> None:
    analyst.apply()
    with closing(sqlite3.connect(analyst.root / "var/casecart.db")) as store:
        ((files,),) = store.execute("select files from revision").fetchall()
        store.execute("update revision set files = ?", (files[:-1] + bytes([files[-1] ^ 1]),))
        store.commit()
    analyst.type("history")
    assert "DAMAGED" in analyst.out
    for typed in (["plan"], ["history", "show", "1"], ["history", "diff", "1", "1"], ["run"]):
        assert analyst.type(*typed) == Exit.STORE
        assert "damaged" in analyst.err
    assert analyst.json("store", "verify")["findings"][0]["kind"] == "revision"


# --- messages worked by both
def taken_in(analyst: Analyst, *actions: str) -> None:
    """Charges of one case that an engine stored, such as `CG`, each of a line of its own."""
    with closing(open_store(analyst.url, role="engine")) as store:
        rows = []
        for number, action in enumerate(actions, 1):
            body = sample("dft-hip-stem", ("|CG^", f"|{action}^"), ("ORSYS-000001", f"C{number}"))
            rows.append(a_message(number, body=body, message_type="DFT^P03", charset=None))
        store.write(Change(messages=rows))


def test_what_would_become_of_stored_messages_is_compared(analyst: Analyst) -> None:
    with TestEngine(analyst):
        pass
    taken_in(analyst, "CG")
    analyst.edit(TABLE, "CG,use", "CG,reverse")
    assert analyst.type("plan", "--replay-sample", "10") == Exit.FINE
    assert "message 1 (C1), channel or-usage" in analyst.out
    assert "1 message worked by both: of 1 something else would become." in analyst.out
    found = analyst.json("plan", "--replay-sample", "10")["sample"]
    assert found["messages"] == 1
    (different,) = found["different"]
    assert different["before"] != different["after"]
    analyst.type("audit", "list")
    assert "plan.replay" in analyst.out


def test_messages_of_which_the_same_would_become_are_only_counted(analyst: Analyst) -> None:
    with TestEngine(analyst):
        pass
    taken_in(analyst, "CG", "CG")
    analyst.note("only words")
    analyst.type("plan", "--replay-sample", "10")
    assert analyst.out.endswith("2 messages worked by both: the same would become of all of them.\n")


def test_messages_for_which_there_is_no_time_are_counted(analyst: Analyst) -> None:
    with TestEngine(analyst):
        pass
    taken_in(analyst, "CG", "CG")
    analyst.note("only words")
    sampled = analyst.json("plan", "--replay-sample", "10", "--limit", "0")["sample"]
    assert (sampled["messages"], sampled["left"]) == (0, 2)


def test_messages_without_anything_to_compare_with_are_not_worked(analyst: Analyst) -> None:
    assert analyst.type("plan", "--replay-sample", "10") == Exit.WRONG
    assert "nothing is compared" in analyst.err


# --- several engines
@pytest.fixture
def engines(postgresql_server: str) -> Iterator[tuple[SharedStore, SharedStore]]:
    """Two engines on one database, in the order of their places."""
    with database(postgresql_server) as url:
        migrate(url)
        with (
            closing(cast("SharedStore", open_store(url, role="engine"))) as one,
            closing(cast("SharedStore", open_store(url, role="engine"))) as other,
        ):
            for number, store in enumerate((one, other), 1):
                store.meet(Member(bytes([number]) * 16, "work", f"or-{number}:4711", NOW))
            yield one, other


def runs(store: Store, member: int, number: int, refused: int = 0, reason: str = "") -> None:
    row = Running(bytes([member]) * 16, f"or-{member}:4711", number, NOW, refused, reason)
    store.write(Change(running=[row]))


def taken_up(store: Store) -> TakenUp:
    site = cast("Site", None)  # it is not looked at
    return ShowTakeUp(number=2).answer(View(site, store, NOW))


def test_each_of_several_engines_is_waited_for_and_the_one_that_refuses_is_named(
    engines: tuple[SharedStore, SharedStore],
) -> None:
    one, other = engines
    one.write(Change(revisions=[a_revision(1), a_revision(2)]))
    runs(one, 1, 1)
    runs(other, 2, 1)
    assert [each.state for each in taken_up(one).engines] == ["waits", "waits"]
    runs(one, 1, 2)
    assert not taken_up(one).decided
    runs(other, 2, 1, 2, "the hook does not load")
    up = taken_up(one)
    assert up.decided
    assert [(each.place, each.runs, each.reason) for each in up.refused] == [("or-2:4711", 1, "the hook does not load")]
    with pytest.raises(Refusal, match="is due"):
        CancelRevision(number=2).change(View(cast("Site", None), one, NOW), Change(), local_actor())


def test_an_engine_that_is_gone_is_not_waited_for(engines: tuple[SharedStore, SharedStore]) -> None:
    one, other = engines
    one.write(Change(revisions=[a_revision(1), a_revision(2)]))
    runs(one, 1, 2)
    runs(other, 2, 1)
    other.close()
    assert [each.place for each in taken_up(one).engines] == ["or-1:4711"]
    assert compared_with(one, NOW) == 2
