"""Where a case is, as its schedule and the patient's visit tell it, and the lines that are filled by that."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import pytest

from casecart.canonical.master import Assignment, Department, Location
from casecart.commands.actor import Actor
from casecart.commands.desk import Desk
from casecart.commands.message import ShowMessage
from casecart.commands.message_list import ListMessages
from casecart.commands.site import Site
from casecart.commands.store_verify import VerifyStore
from casecart.runtime.copy import encode_decision
from casecart.runtime.known_cases import decode_known
from casecart.runtime.made import decode_made
from casecart.runtime.pipeline import Pipeline
from casecart.store import Change, Replay, open_store
from support.master import publish
from support.master_messages import again
from support.shipped import Shipped, shipped, started
from support.shipped import sample as shipped_sample

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.runtime.pipeline import Result, Taken
    from casecart.runtime.serials import Serials
    from casecart.runtime.statements import Statements
    from casecart.runtime.usual import Usual
    from casecart.store import Message, Store

USAGE, NEW, MODIFIED, CANCELLED = "ORSYS-000020", "SCHEDULING-000001", "SCHEDULING-000002", "SCHEDULING-000003"
ADMITTED, TRANSFERRED = "REGISTRATION-000001", "REGISTRATION-000002"
CASE, VISIT = "V100251", "V100252"


def sample(name: str, *changes: tuple[str, str]) -> bytes:
    """A sample of a day before that of the line's clock."""
    return shipped_sample(name, *changes).replace(b"|202611", b"|202608")


def known(line: Shipped) -> dict[tuple[str, str], str]:
    """(channel, field) → what is known; of all cases, so that a test has one."""
    return {
        (row.channel, row.field): decode_known(row.value) for row in line.store.known_cases_after((b"", "", ""), 1_000)
    }


def told(line: Shipped, control_id: str = USAGE) -> tuple[str | None, str | None, list[str]]:
    """Department and location of a message's one line, and why it is held."""
    ((_, usage),) = line.documents(control_id)[-1:]
    return usage.department, usage.location, sorted(code for _, code, _ in line.held(control_id))


def payloads(line: Shipped) -> list[dict[str, str]]:
    return [msgspec.json.decode(posting.payload) for posting in line.postings()]


def usage(*changes: tuple[str, str]) -> bytes:
    """The charge of a hip stem that tells no department."""
    return sample("dft-without-department", *changes)


def worked_again(line: Shipped, *wishes: Replay) -> None:
    """Messages are worked again, as `casecart message replay` writes it."""
    with closing(open_store(line.url, role="person")) as person:
        person.write(Change(replays=list(wishes)))
    line.look()


COST = Assignment(dimension="cost_center", value="7100")
FILLED = ("OR-MAIN", "OR-CORE", list[str]())
UNTOLD = (None, None, ["cost_center-untold", "location-untold"])


def test_a_line_without_a_department_takes_that_of_its_schedule(line: Shipped) -> None:
    line.send(sample("siu-new"), usage())
    assert known(line) == {("or-schedule", "department"): "OR-MAIN", ("or-schedule", "location"): "OR4"}
    assert told(line) == FILLED
    assert len(line.posted()) == 1


def test_a_line_that_says_its_department_keeps_it(line: Shipped) -> None:
    line.send(sample("siu-new"), usage(("|||1||||", "|||1|||ICU|")))
    assert told(line)[0] == "ICU"


def test_a_line_of_whose_case_nothing_is_known_waits_and_is_filled_when_it_is_worked_again(line: Shipped) -> None:
    line.send(usage())
    assert told(line) == UNTOLD
    line.send(sample("siu-new"))
    again(line, USAGE)
    assert told(line)[:2] == ("OR-MAIN", "OR-CORE")
    assert len(line.posted()) == 1


def test_a_message_that_is_worked_again_as_a_whole_is_filled_and_posted_from_where_its_case_is(line: Shipped) -> None:
    line.send(usage())
    line.send(sample("siu-new"))
    position = line.position(USAGE)
    worked_again(line, Replay(b"w" * 16, position, "or-usage", "", 1, "kim", "", encode_decision({})))
    assert [(each["location"], each["cost_center"]) for each in payloads(line)] == [("OR-CORE", "7100")]
    assert line.counts()["held"] == 0


def test_a_message_behind_its_schedule_in_one_commit_is_filled(line: Shipped) -> None:
    line.take(sample("siu-new"))
    line.take(usage())
    line.settle()
    assert told(line) == FILLED
    position = line.position(NEW)
    assert line.position(USAGE) == position + 1


def test_a_message_before_its_schedule_in_one_commit_is_not_filled(line: Shipped) -> None:
    line.take(usage())
    line.take(sample("siu-new"))
    line.settle()
    assert told(line) == UNTOLD


def test_the_newest_word_stands_whatever_comes_late(line: Shipped) -> None:
    line.send(sample("siu-modified", ("OR-MAIN^OR2", "OR-EAST^OR2")), sample("siu-new"))
    assert known(line) == {("or-schedule", "department"): "OR-EAST", ("or-schedule", "location"): "OR2"}


def test_what_a_newer_message_leaves_out_stays_and_what_an_older_one_adds_is_taken(line: Shipped) -> None:
    room = ("AIL|2|A|OR-MAIN^OR2^^NORTH|D^Department^HL70305\r", "")
    line.send(sample("siu-modified", room), sample("siu-new"))
    assert known(line) == {("or-schedule", "department"): "OR-MAIN", ("or-schedule", "location"): "OR4"}


def test_a_department_without_a_room_ends_the_room_of_another_department(line: Shipped) -> None:
    line.send(sample("siu-new"), sample("siu-modified", ("OR-MAIN^OR2", "OR-EAST")))
    assert known(line) == {("or-schedule", "department"): "OR-EAST", ("or-schedule", "location"): ""}


def test_a_null_deletes_what_was_told(line: Shipped) -> None:
    line.send(sample("siu-new"), sample("siu-modified", ("OR-MAIN^OR2^^NORTH", '""^""')), usage())
    assert known(line) == {("or-schedule", "department"): "", ("or-schedule", "location"): ""}
    assert told(line) == UNTOLD


def test_a_message_that_comes_twice_is_noted_once(line: Shipped) -> None:
    line.send(sample("siu-new"), sample("siu-new"))
    assert line.counts()["duplicate"] == 1
    assert line.counts()["no_change"] == 1


def test_a_message_of_a_later_day_counts_as_of_when_it_came(line: Shipped) -> None:
    ahead = sample("siu-new", ("20261102140000-0600", "20991102140000-0600"), ("OR-MAIN^OR4", "OR-WEST^OR4"))
    line.send(ahead, sample("siu-modified", ("20261103070000-0600", "20991103070000-0600")))
    assert known(line)["or-schedule", "department"] == "OR-MAIN"


def test_a_cancelled_case_is_known_nowhere_and_a_new_word_counts_again(line: Shipped) -> None:
    line.send(sample("siu-new"), sample("siu-cancelled"), sample("siu-modified"), usage())
    assert told(line) == UNTOLD
    line.send(sample("siu-modified", ("SCHEDULING-000002", "S4"), ("20261103070000-0600", "20261103080000-0600")))
    again(line, USAGE)
    assert told(line)[0] == "OR-MAIN"


@pytest.mark.parametrize(
    ("event", "became"),
    [
        ("S13", "OR-MAIN"), ("S14", "OR-MAIN"), ("S15", ""), ("S16", "OR-MAIN"), ("S17", ""), ("S18", "OR-MAIN"),
        ("S19", "OR-MAIN"), ("S20", "OR-EAST"), ("S21", "OR-EAST"), ("S22", "OR-EAST"), ("S23", "OR-EAST"),
        ("S24", "OR-EAST"), ("S26", ""),
    ],
)  # fmt: skip
def test_each_event_of_a_schedule_means_what_its_row_says(line: Shipped, event: str, became: str) -> None:
    line.send(sample("siu-new", ("OR-MAIN^OR4", "OR-EAST^OR1")), sample("siu-modified", ("SIU^S14", f"SIU^{event}")))
    assert known(line)["or-schedule", "department"] == became


@pytest.mark.parametrize(
    ("event", "became"),
    [
        ("A01", "OR-MAIN"), ("A02", "OR-MAIN"), ("A03", "OR-MAIN"), ("A04", "OR-MAIN"), ("A06", "OR-MAIN"),
        ("A07", "OR-MAIN"), ("A08", "OR-MAIN"), ("A11", ""), ("A12", "OR-MAIN"), ("A13", "OR-MAIN"), ("A23", ""),
    ],
)  # fmt: skip
def test_each_event_of_a_visit_means_what_its_row_says(line: Shipped, event: str, became: str) -> None:
    line.send(sample("adt-admit"), sample("adt-transfer", ("ADT^A02", f"ADT^{event}")))
    assert known(line)["patient-visits", "department"] == became


def scanned(*changes: tuple[str, str]) -> bytes:
    """A scan of one cup for the sample's visit, without shelf and department."""
    head, *_ = sample("supply-usage", *changes).split(b"FT1|2")
    return head.replace(b"V100239", VISIT.encode()).replace(b"|||OR-MAIN^Operating rooms", b"|||")


def test_the_first_channel_that_knows_decides_and_what_it_lost_is_asked_of_the_next(line: Shipped) -> None:
    schedule = (CASE, VISIT)
    line.send(sample("adt-admit"), sample("adt-transfer", ("OR-MAIN^OR1", "WARD^7")))
    line.send(scanned())
    assert line.documents("SUPPLIES-000001")[0][1].department == "WARD"
    line.send(sample("siu-new", schedule), scanned(("SUPPLIES-000001", "S2")))
    assert line.documents("S2")[0][1].department == "OR-MAIN"
    line.send(sample("siu-cancelled", schedule), scanned(("SUPPLIES-000001", "S3")))
    assert line.documents("S3")[0][1].department == "WARD"


def test_two_patients_who_change_places_are_two_cases_of_one_message(line: Shipped) -> None:
    other = "PID|2\rPV1|2|I|OR-EAST^OR9||||||||||||||||V100253\r"
    line.send(sample("adt-transfer", ("ADT^A02^ADT_A02", "ADT^A17")) + other.encode())
    rows = line.store.known_cases_after((b"", "", ""), 10)
    assert sorted(decode_known(row.value) for row in rows) == ["OR-EAST", "OR-MAIN", "OR1", "OR9"]
    assert len({row.case_key for row in rows}) == 2
    assert line.held(TRANSFERRED) == []


def test_of_several_places_of_an_appointment_the_department_counts(line: Shipped) -> None:
    line.send(sample("siu-new", ("AIL|2|A|OR-MAIN", "AIL|2|A|PACU^BED3|N^Nursing unit\rAIL|3|A|OR-MAIN")))
    assert known(line)["or-schedule", "department"] == "OR-MAIN"


LONG = "X" * 201


@pytest.mark.parametrize(
    ("control_id", "body", "problem"),
    [
        (NEW, sample("siu-new", (CASE, "")), ("missing", "case")),
        (NEW, sample("siu-new", ("PV1|1|I|PREOP", "ZPV|1|I|PREOP")), ("missing", "case")),
        (NEW, sample("siu-new", ("RGS|1|A\r", "PID|2\rPV1|2|I|||||||||||||||||V1\rRGS|1|A\r")), ("conflict", "case")),
        (NEW, sample("siu-new", ("SIU^S12", "SIU^S25")), ("code-not-in-table", "change")),
        (NEW, sample("siu-new", ("SIU^S12", "SIU^S99")), ("code-not-in-table", "change")),
        (NEW, sample("siu-new", ("SCH|80011", "ZCH|80011")), ("no-records", "")),
        (NEW, sample("siu-new", ("OR-MAIN^OR4", LONG)), ("too-large", "department")),
        (NEW, sample("siu-new", ("OR-MAIN^OR4", f"OR-MAIN^{LONG}")), ("too-large", "location")),
        (ADMITTED, sample("adt-admit", (VISIT, '""')), ("missing", "case")),
        (ADMITTED, sample("adt-admit", ("PV1|1", "ZPV|1")), ("no-records", "")),
        (ADMITTED, sample("adt-admit") + f"PV1|2|I|ICU||||||||||||||||{VISIT}\r".encode(), ("conflict", "case")),
    ],
)  # fmt: skip
def test_a_message_that_is_wrong_is_a_question_for_a_person_and_nothing_of_it_is_noted(
    line: Shipped, control_id: str, body: bytes, problem: tuple[str, str]
) -> None:
    line.send(body)
    assert [(place, code, field) for place, code, field in line.held(control_id)] == [("MSH[1]", *problem)]
    assert known(line) == {}
    assert line.outcomes()[control_id] == "processed"
    assert (line.counts()["produced"], line.counts()["held"]) == (1, 1)


def test_what_nobody_calls_a_department_is_noted_and_the_line_held_by_the_master_data(line: Shipped) -> None:
    line.send(sample("siu-new", ("OR-MAIN^OR4", "\x07\x1b[31m; drop table^")), usage())
    assert [code for _, code, _ in line.held(USAGE)] == ["department-unknown"]


def test_a_message_that_was_wrong_is_noted_when_its_table_is_mended(prepared: Path, tmp_path: Path) -> None:
    before = shipped(prepared, tmp_path / "ws")
    before.send(sample("siu-new", ("SIU^S12", "SIU^S99")))
    table = before.root / "mappings/tables/schedule-event.csv"
    table.write_text(table.read_text("utf-8") + "S99,put,Ours\n", "utf-8")
    before.stop()
    mended = started(before.root)
    again(mended, NEW)
    assert known(mended)["or-schedule", "department"] == "OR-MAIN"
    assert {hold.state for hold in mended.store.holds(position=mended.position(NEW))} == {"fixed"}
    assert (mended.counts()["held"], mended.counts()["no_change"], mended.counts()["produced"]) == (0, 1, 1)
    assert mended.balance() == (0, 0)
    mended.stop()


def test_a_message_that_is_still_wrong_waits_again(line: Shipped) -> None:
    line.send(sample("siu-new", (CASE, "")))
    again(line, NEW)
    assert [hold.state for hold in line.store.holds(position=line.position(NEW))] == ["new", "fixed"]
    assert (line.counts()["held"], line.counts()["produced"]) == (1, 1)


def test_a_message_on_which_the_engine_fails_again_and_again_waits_once(
    line: Shipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.send(sample("siu-new", (CASE, "")))
    position = line.position(NEW)
    monkeypatch.setattr(line.pipeline._noting, "read_again", lambda *_: 1 // 0)
    for number in range(2):
        worked_again(line, Replay(bytes([number]) * 16, position, "or-schedule", "", 1, "kim", "", encode_decision({})))
    assert [each.code for each in line.store.holds(position=position, states=("new",))] == ["engine-fault"]
    assert line.counts()["held"] == 1


def test_lines_are_filled_by_what_their_own_message_tells_worked_again_with_them(
    prepared: Path, tmp_path: Path
) -> None:
    before = shipped(prepared, tmp_path / "ws")
    channel = (before.root / "channels/patient-visits.yaml").read_text("utf-8")
    channel = channel.replace("patient-visits", "charged-visits").replace("[registration]", "[orsys]")
    accepted = re.sub(r"accept: .*", "accept: [DFT^P03]", channel)
    (before.root / "channels/charged-visits.yaml").write_text(accepted, "utf-8")
    usages = before.root / "channels/or-usage.yaml"
    usages.write_text(usages.read_text("utf-8").replace("[or-schedule]", "[or-schedule, charged-visits]"), "utf-8")
    before.stop()
    line = started(before.root)
    line.send(usage(("PV1|1|I||", "PV1|1|I|OR-MAIN^OR4|")))
    assert sorted(code for _, code, _ in line.held(USAGE)) == [
        "code-not-in-table",
        "cost_center-untold",
        "location-untold",
    ]
    line.stop()
    table = line.root / "mappings/tables/visit-event.csv"
    table.write_text(table.read_text("utf-8") + "P03,put,A charge\n", "utf-8")
    mended = started(line.root)
    position, decision = mended.position(USAGE), encode_decision({})
    worked_again(
        mended,
        Replay(b"a" * 16, position, "or-usage", "", 1, "kim", "", decision),
        Replay(b"b" * 16, position, "charged-visits", "", 1, "kim", "", decision),
    )
    assert told(mended)[:2] == FILLED[:2]
    assert len(mended.posted()) == 1
    assert (mended.counts()["held"], mended.balance()) == (0, (0, 0))
    mended.stop()


def test_an_old_message_that_is_worked_again_tells_it_as_of_its_own_time(line: Shipped) -> None:
    line.send(sample("siu-new"), sample("siu-modified", ("OR-MAIN^OR2", "OR-EAST^OR2")))
    position = line.position(NEW)
    worked_again(line, Replay(b"w" * 16, position, "or-schedule", "", 1, "kim", "", encode_decision({})))
    assert known(line)["or-schedule", "department"] == "OR-EAST"
    assert [run.attempt for run in line.store.runs(position)] == [0, 1]
    assert line.counts()["no_change"] == 2


def test_the_run_of_a_message_has_the_case_by_its_token(line: Shipped) -> None:
    line.send(sample("siu-new"), usage())
    ((place, case),) = decode_made(line.store.runs(line.position(NEW))[0].documents).cases
    ((_, used),) = line.documents(USAGE)
    assert (place, case.department, case.location, case.change) == ("SCH[1]", "OR-MAIN", "OR4", "put")
    assert case.case == used.case != CASE


def test_no_identifier_of_a_patient_stands_in_what_is_known(line: Shipped) -> None:
    line.send(sample("siu-new"))
    for row in line.store.known_cases_after((b"", "", ""), 10):
        assert CASE.encode() not in row.case_key
        assert b"MRN" not in row.case_key + row.value


@pytest.mark.parametrize(
    "damage",
    ["value = cast(substr(value, 1, 5) || x'A24F52' as blob)", "value = x''", "value = x'A24F52'"],
    ids=["another department", "nothing", "without a seal"],
)
def test_a_line_is_held_where_what_is_known_of_its_case_is_damaged(line: Shipped, damage: str) -> None:
    line.send(sample("siu-new"))
    with closing(sqlite3.connect(line.url.removeprefix("sqlite:///"))) as store:
        store.execute(f"update known_case set {damage} where field = 'department'")  # noqa: S608 - of this test
        store.commit()
    line.send(usage())
    assert line.held(USAGE) == [("FT1[1]", "record-damaged", "department")]
    assert line.posted() == []
    line.send(sample("siu-modified"))
    again(line, USAGE)
    assert told(line)[0] == "OR-MAIN"


def test_a_credit_takes_back_from_where_it_was_taken_though_the_schedule_says_another_room_now(line: Shipped) -> None:
    east = Department(number="OR-EAST", assignments=(Assignment(dimension="location", value="EAST"), COST))
    with closing(open_store(line.url, role="person")) as person:
        publish(person, Location(number="EAST"), east)
    line.look()
    line.send(sample("siu-new"), usage())
    line.send(sample("siu-modified", ("OR-MAIN^OR2", "OR-EAST^OR2")))
    line.send(usage(("ORSYS-000020", "C2"), ("|CG^Charge^HL70017|", "|CD^Credit^HL70017|")))
    assert line.documents("C2")[0][1].location == "EAST"
    assert [(each["action"], each["location"]) for each in payloads(line)] == [
        ("use", "OR-CORE"),
        ("reverse", "OR-CORE"),
    ]


class Failing(Pipeline):
    """Has a fault of the engine when it writes what a schedule's message comes to."""

    def _effect(
        self,
        message: Message,
        mapped: Taken,
        usual: Usual,
        about: tuple[Statements, Serials],
        change: Change,
    ) -> Result:
        result = super()._effect(message, mapped, usual, about, change)
        if message.control_id == NEW:
            raise ZeroDivisionError
        return result


def test_what_a_message_told_that_is_put_aside_fills_no_line_of_its_commit(prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path / "ws")
    line = Shipped(tmp_path / "ws", f"sqlite:///{tmp_path}/ws/casecart.db", pipeline_class=Failing)
    line.start()
    line.take(sample("siu-new"))
    line.take(usage())
    line.take(sample("siu-modified"))
    line.take(usage((USAGE, "AFTER"), ("770020", "770021"), ("SN-4720", "SN-4721")))
    line.settle()
    assert line.outcomes()[NEW] == "quarantined"
    assert told(line) == UNTOLD
    assert told(line, "AFTER") == FILLED
    assert known(line) == {("or-schedule", "department"): "OR-MAIN", ("or-schedule", "location"): "OR2"}
    line.stop()


def desk(line: Shipped, store: Store) -> Desk:
    site = Site(
        root=line.root, organisation="MERCY", store_url=line.url, store_place="a store", time_zones={}, listeners={},
        destinations={},
    )  # fmt: skip
    return Desk(site=site, store=store, actor=Actor("alice", frozenset({"see"})), now=lambda: 0)


def test_people_see_what_was_noted_of_a_case_and_find_its_messages(line: Shipped) -> None:
    line.send(sample("siu-new"), usage())
    with closing(open_store(line.url, role="reader")) as store:
        (run,) = desk(line, store).ask(ShowMessage(reference=NEW)).runs
        ((_, used),) = line.documents(USAGE)
        page = desk(line, store).ask(ListMessages(case=used.case))
        lot = desk(line, store).ask(ListMessages(case=used.case, serial="SN-4720"))
    assert [(each.place, each.fields["department"], each.fields["location"]) for each in run.cases] == [
        ("SCH[1]", "OR-MAIN", "OR4")
    ]
    assert [each.control_id for each in page.messages] == [USAGE, NEW]
    assert [each.control_id for each in lot.messages] == [USAGE]


def test_a_look_through_the_store_finds_what_is_damaged_of_a_case(line: Shipped) -> None:
    line.send(sample("siu-new"))
    with closing(open_store(line.url, role="reader")) as store:
        assert desk(line, store).ask(VerifyStore()).looked_at["case"] == 2
        line.store.write(Change(known_cases=[store.known_cases_after((b"", "", ""), 1)[0]._replace(value=b"\xc1x")]))
        (finding,) = desk(line, store).ask(VerifyStore()).findings
    assert (finding.kind, finding.where) == ("case", f"position {line.position(NEW)}, channel or-schedule, department")


def test_many_visits_leave_nothing_in_memory(line: Shipped) -> None:
    for number in range(200):
        line.take(sample("adt-admit", (VISIT, f"V{number}"), (ADMITTED, f"A{number}")))
    line.settle()
    line.send(usage())
    assert sum(map(len, line.pipeline._known._noted.values())) == 0
    assert len(line.store.known_cases_after((b"", "", ""), 1_000)) == 400


def test_a_case_of_another_facility_with_the_same_number_is_another_case(line: Shipped) -> None:
    keys = line.pipeline._keys
    assert keys.case("NORTH", CASE) != keys.case("SOUTH", CASE)
    line.send(sample("siu-new"))
    (row, _) = line.store.known_cases_after((b"", "", ""), 10)
    assert row.case_key == keys.case("NORTH", CASE)


def test_it_is_the_same_in_every_store(prepared: Path, tmp_path: Path, store_url: str) -> None:
    made = shipped(prepared, tmp_path / "ws", store_url)
    made.send(sample("siu-new"), usage(), sample("siu-cancelled"), sample("siu-modified"))
    assert told(made) == FILLED
    assert known(made) == {("or-schedule", "department"): "", ("or-schedule", "location"): ""}
    assert made.broken == []
    made.stop()


def test_what_a_channel_noted_that_is_gone_is_left_as_it_is(prepared: Path, tmp_path: Path) -> None:
    before = shipped(prepared, tmp_path / "ws")
    before.send(sample("siu-new"), sample("siu-modified", (CASE, "")))
    before.stop()
    (before.root / "channels/or-schedule.yaml").unlink()
    for channel in ("or-usage", "supply-usage"):
        path = before.root / f"channels/{channel}.yaml"
        path.write_text(re.sub(r"  - fill: .*\n", "", path.read_text("utf-8")), "utf-8")
    line = started(before.root)
    wishes = [
        Replay(bytes(15) + bytes([each]), line.position(name), "or-schedule", "", 1, "kim", "", encode_decision({}))
        for each, name in enumerate((NEW, MODIFIED))
    ]
    with closing(open_store(line.url, role="person")) as person:
        person.write(Change(replays=wishes))
    line.look()
    assert (line.counts()["produced"], line.counts()["no_change"], line.counts()["held"]) == (2, 1, 1)
    assert line.store.replays(10) == []
    assert line.broken == []
    line.stop()
