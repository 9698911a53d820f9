"""What people look up by a value in a line: on real stores, with values that share a key, page after page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from casecart.canonical.master import Assignment, Department, Identifier, Item, Location, Recall
from casecart.commands import line_story
from casecart.commands.actor import Actor
from casecart.commands.desk import Desk
from casecart.commands.line import ShowLine
from casecart.commands.message_list import ListMessages
from casecart.commands.moment import moment
from casecart.commands.recall import TraceRecall
from casecart.commands.refusal import Refusal
from casecart.commands.site import Site
from casecart.commands.worklist import ListWorklist, ShowCause
from casecart.commands.worklist_state import RejectCause
from casecart.runtime.identifier import shown
from casecart.store import lookup_key
from support.line import CHANNEL, MAPPING, Line, dft, new_line
from support.master import publish
from support.postgresql import database
from support.store import empty, new_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from casecart.store import Hold, HoldGroup

RESOLVE = "  - map: usage\n  - resolve: {item: {order: [di, item]}, location: {from: [department]}}\n"
FIELDS = """\
  item: {path: FT1-7.1, optional: true}
  lot: {path: FT1-7.2, optional: true}
  serial: {path: FT1-7.3, optional: true}
  di: {path: FT1-7.4, optional: true}
"""
TOLD = MAPPING.replace("  item: {path: FT1-7.1, optional: true}\n", FIELDS)
ROOM = Department(number="OR", assignments=(Assignment(dimension="location", value="CORE"),))
SCREW_DI, BOX_DI, PLATE_DI = "09521101530018", "19521101530015", "00643169001763"
PLATE = Item(number="PLATE", unit="EA", identifiers=(Identifier(system="GS1", value=PLATE_DI),))


def screw(*dis: str) -> Item:
    return Item(number="SCREW", unit="EA", identifiers=tuple(Identifier(system="GS1", value=di) for di in dis))


@pytest.fixture(scope="module")
def migrated(postgresql_server: str) -> Iterator[str]:
    """A PostgreSQL store that the tests share and leave empty."""
    with database(postgresql_server) as url:
        new_store(url)
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/casecart.db"
    else:
        made = request.getfixturevalue("migrated")
        yield made
        empty(made)


@pytest.fixture
def plain(tmp_path: Path, url: str) -> Iterator[Line]:
    """Lines are taken as they were told."""
    made = new_line(tmp_path, url, mapping=TOLD)
    yield made
    made.store.close()


@pytest.fixture
def resolving(tmp_path: Path, url: str) -> Iterator[Line]:
    """Lines are posted as the items of the master data."""
    made = new_line(tmp_path, url, mapping=TOLD, channel=CHANNEL.replace("  - map: usage\n", RESOLVE))
    publish(made.store, ROOM, Location(number="CORE"), screw(SCREW_DI, BOX_DI), PLATE)
    made.look()
    yield made
    made.store.close()


def desk(line: Line) -> Desk:
    site = Site(
        root=line.root, organisation="MERCY", store_url=line.url, store_place="", time_zones={}, listeners={},
        destinations={},
    )  # fmt: skip
    return Desk(site=site, store=line.store, actor=Actor("alice", frozenset({"see", "operate"})), now=line.now)


def tell(line: Line, *codes: str, case: str = "V1") -> None:
    """A message a code: ``item^lot^serial^di``; with a + between, several lines of one message."""
    for code in codes:
        lines = [f"{number}|CG|{each}|1|OR" for number, each in enumerate(code.split("+"), 1)]
        line.send(dft(f"M{len(line.outcomes()) + 1}", case, lines=lines))


def found(line: Line, wanted: ListMessages) -> list[int]:
    return [each.position for each in desk(line).ask(wanted).messages]


def traced(line: Line, wanted: TraceRecall) -> list[tuple[int, str]]:
    return [(use.position, use.place) for use in desk(line).ask(wanted).uses]


# Two values with one key, found once by trying: to look for them took ten seconds at each start of the tests.
ONE, OTHER = "LOT-261460-7411", "LOT-783750-7803"


def never(*_: object, **__: object) -> NoReturn:
    raise AssertionError("it was asked")


def test_the_twins_share_a_key() -> None:
    assert lookup_key("lot", ONE) == lookup_key("lot", OTHER)


@pytest.mark.parametrize(
    ("wanted", "positions"),
    [
        (ListMessages(item="SCREW"), [4, 3, 1]),
        (ListMessages(lot="L1"), [4, 1]),
        (ListMessages(serial="S1"), [2]),
        (ListMessages(item="SCREW", lot="L1"), [1]),
        (ListMessages(item="SCREW", lot="L1", serial="S1"), []),
        (ListMessages(lot="L9"), []),
        (ListMessages(lot=""), []),
        (ListMessages(lot="\udcff"), []),
        (ListMessages(case="case-of-nobody"), []),
        (ListMessages(case="V1"), []),
        (ListMessages(item="SCREW", outcome="refused"), []),
        (ListMessages(item="SCREW", facility="NORTH", listener="or-mllp", message_type="DFT^P03"), [4, 3, 1]),
        (ListMessages(item="SCREW", facility="SOUTH"), []),
        (ListMessages(item="SCREW", control_id="M3"), [3]),
        (ListMessages(item="SCREW", before=4), [3, 1]),
        (ListMessages(item="SCREW", since=moment(0)), [4, 3, 1]),
        (ListMessages(item="SCREW", until=moment(0)), []),
    ],
)
def test_messages_are_found_by_what_stands_in_one_line_of_theirs(
    plain: Line, wanted: ListMessages, positions: list[int]
) -> None:
    tell(plain, "SCREW^L1", "PLATE^L2^S1", "SCREW", "SCREW^L2+PLATE^L1")
    assert found(plain, wanted) == positions


def test_messages_are_found_by_the_token_of_their_case(plain: Line) -> None:
    tell(plain, "SCREW", "SCREW", case="V1")
    tell(plain, "SCREW", case="V2")
    token = desk(plain).ask(ShowLine(reference="M1", place="1")).case
    assert found(plain, ListMessages(case=token)) == [2, 1]


def test_a_value_that_shares_its_key_with_another_is_not_the_other(plain: Line) -> None:
    tell(plain, f"SCREW^{ONE}", f"SCREW^{OTHER}", f"SCREW^{ONE}")
    assert found(plain, ListMessages(lot=ONE)) == [3, 1]
    assert traced(plain, TraceRecall(lot=OTHER)) == [(2, "FT1[1]")]


def test_pages_follow_one_another_also_past_a_value_that_shares_the_key(plain: Line) -> None:
    tell(plain, *(f"SCREW^{OTHER if number % 3 else ONE}" for number in range(9)))
    pages: list[list[int]] = []
    before: int | None = None
    while True:
        page = desk(plain).ask(ListMessages(lot=OTHER, before=before, limit=2))
        pages.append([each.position for each in page.messages])
        before = page.before
        if before is None:
            break
    assert pages == [[9, 8], [6, 5], [3, 2]]


@pytest.mark.parametrize("wanted", [ListMessages(listener="other"), ListMessages(facility="WEST\udcff")])
def test_for_a_listener_or_facility_that_nothing_came_from_the_log_is_not_read(
    plain: Line, wanted: ListMessages, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(plain, "SCREW")
    monkeypatch.setattr(plain.store, "messages", never)
    assert found(plain, wanted) == []


# --- recalls
SENT = ("SCREW", f"^L1^^{SCREW_DI}", f"^^^{BOX_DI}", f"PLATE^^^{PLATE_DI}", f"^^^{SCREW_DI.lstrip('0')}", "PLATE^L1")


def test_an_item_is_traced_by_its_number_and_by_its_device_identifiers(resolving: Line) -> None:
    tell(resolving, *SENT)
    assert traced(resolving, TraceRecall(item="SCREW")) == [(each, "FT1[1]") for each in (5, 3, 2, 1)]


def test_lines_that_nobody_could_tell_the_item_of_are_traced_by_the_identifier_that_it_has_now(resolving: Line) -> None:
    tell(resolving, "^^^04012345000016", "^^^00000040123455", "^^^40123455")
    assert len(resolving.store.holds()) == 3
    publish(resolving.store, screw(SCREW_DI, "04012345000016", "00000040123455"))
    assert traced(resolving, TraceRecall(item="SCREW")) == [(3, "FT1[1]"), (2, "FT1[1]"), (1, "FT1[1]")]


def test_lines_are_traced_whose_identifier_was_another_items_then(resolving: Line) -> None:
    tell(resolving, f"^^^{BOX_DI}", f"PLATE^^^{PLATE_DI}")
    publish(resolving.store, screw(SCREW_DI), Item(number="BOX", identifiers=(Identifier(system="GS1", value=BOX_DI),)))
    assert traced(resolving, TraceRecall(item="BOX")) == [(1, "FT1[1]")]


def test_a_line_whose_numbers_are_of_different_items_is_traced_by_both(resolving: Line) -> None:
    tell(resolving, f"PLATE^^^{SCREW_DI}")
    assert (
        traced(resolving, TraceRecall(item="SCREW")) == traced(resolving, TraceRecall(item="PLATE")) == [(1, "FT1[1]")]
    )


def test_a_line_that_tells_an_item_and_another_ones_identifier_is_traced_by_both(plain: Line) -> None:
    publish(plain.store, screw(SCREW_DI), PLATE)
    tell(plain, f"PLATE^^^{SCREW_DI}")
    assert traced(plain, TraceRecall(item="SCREW")) == traced(plain, TraceRecall(item="PLATE")) == [(1, "FT1[1]")]


def test_of_a_lot_of_an_item_the_lines_that_tell_no_lot_are_traced_too(resolving: Line) -> None:
    tell(resolving, "SCREW^L1", "SCREW", "SCREW^L2", "PLATE^L1")
    assert traced(resolving, TraceRecall(item="SCREW", lot="L1")) == [(2, "FT1[1]"), (1, "FT1[1]")]


RECALLS: Sequence[Recall] = (
    Recall(recall="Z-1", row="1", di=SCREW_DI, lot_from="L1"),
    Recall(recall="Z-2", row="1", item="SCREW", lot_from="L1", lot_to="L3"),
    Recall(recall="Z-3", row="1", di=BOX_DI, serial_from="S1"),
    Recall(recall="Z-3", row="2", item="PLATE"),
    Recall(recall="Z-4", row="1", item="NOTHING"),
)


@pytest.mark.parametrize(
    "wanted",
    [
        *(TraceRecall(recall=number) for number in ("Z-1", "Z-2", "Z-3", "Z-4")),
        *(TraceRecall(item=item) for item in ("SCREW", "PLATE", "NOTHING")),
        TraceRecall(item="SCREW", serial="S1"),
        TraceRecall(lot="L1"),
        TraceRecall(serial="S1"),
        TraceRecall(lot="L1", serial="S1"),
    ],
)
@pytest.mark.parametrize("many", [10, 0], ids=["some identifiers", "many identifiers"])
def test_by_look_ups_as_much_is_found_as_in_every_message(
    resolving: Line, wanted: TraceRecall, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casecart.commands.recall_reach.MOST_PIECES", many)
    tell(resolving, *SENT, "SCREW^L1^S1+PLATE^L2^S1", f"^^S1^{BOX_DI}", f"^L2^^{BOX_DI}", "UNKNOWN^L1", "^^^99999999")
    publish(resolving.store, *RECALLS, screw(SCREW_DI), Item(number="BOX", identifiers=PLATE.identifiers))
    every = TraceRecall(
        recall=wanted.recall, item=wanted.item, lot=wanted.lot, serial=wanted.serial, every_message=True
    )
    assert traced(resolving, wanted) == traced(resolving, every)


def test_an_item_is_traced_without_a_look_at_other_messages(resolving: Line) -> None:
    tell(resolving, *SENT)
    assert desk(resolving).ask(TraceRecall(item="PLATE")).looked_at == 2


@pytest.mark.parametrize("wanted", [TraceRecall(), TraceRecall(item="\udcff"), TraceRecall(recall="Z-9")])
def test_what_can_not_be_traced_is_refused(resolving: Line, wanted: TraceRecall) -> None:
    with pytest.raises(Refusal):
        desk(resolving).ask(wanted)


# --- exceptions
def open_holds(line: Line) -> list[Hold]:
    return line.store.holds(states=("new", "assigned", "parked"))


def test_a_single_exception_is_shown_without_grouping_all(resolving: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(resolving, "A", "A", "B")
    hold = open_holds(resolving)[-1]
    monkeypatch.setattr(resolving.store, "hold_groups", never)
    work = desk(resolving).ask(ShowCause(reference=shown(hold.id)))
    assert (work.cause.exceptions, [each.id for each in work.items]) == (1, [shown(hold.id)])


def test_a_cause_that_waits_is_shown_without_grouping_what_was_worked_off(
    resolving: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(resolving, "A", "A", "B")
    asked: list[Sequence[str]] = []
    grouped = resolving.store.hold_groups

    def hold_groups(states: Sequence[str], limit: int) -> list[HoldGroup]:
        asked.append(states)
        return grouped(states, limit)

    monkeypatch.setattr(resolving.store, "hold_groups", hold_groups)
    (cause, *_) = desk(resolving).ask(ListWorklist()).causes
    assert desk(resolving).ask(ShowCause(reference=cause.id)).cause.exceptions == 2
    assert asked == [("new", "assigned", "parked"), ["new", "assigned", "parked"]]


def test_a_cause_that_was_rejected_is_still_shown(resolving: Line) -> None:
    tell(resolving, "A", "A")
    (cause,) = desk(resolving).ask(ListWorklist()).causes
    desk(resolving).do(RejectCause(reference=cause.id, reason="not ours"), key="1")
    assert desk(resolving).ask(ShowCause(reference=cause.id)).cause.state == "rejected"


@pytest.mark.parametrize("reference", ["00000000", "f" * 32, "", "ÄÖÜ"])
def test_what_nothing_in_the_worklist_is_called_is_refused(resolving: Line, reference: str) -> None:
    tell(resolving, "A")
    with pytest.raises(Refusal) as refused:
        desk(resolving).ask(ShowCause(reference=reference))
    assert refused.value.code == "not-found"


def test_exceptions_of_other_cases_are_not_read_for_a_line(plain: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_story, "MOST_LOOKED_AT", 3)
    plain.send(dft("M1", "V1"), dft("M2", "V1", lines=["1|CG|SCREW|2|HOLD"]))
    plain.send(*(dft(f"O{number}", f"W{number}", lines=["1|CG|SCREW|1|HOLD"]) for number in range(5)))
    told = desk(plain).ask(ShowLine(reference="M1", place="1"))
    assert ([each.became for each in told.statements], told.not_all_exceptions) == (["counts", "held"], False)


def test_a_case_of_very_many_messages_says_that_not_all_were_looked_at(
    plain: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_story, "MOST_LOOKED_AT", 3)
    plain.send(*(dft(f"M{number}", "V1", lines=[f"{number}|CG|SCREW|1|OR"]) for number in range(4)))
    assert desk(plain).ask(ShowLine(reference="M1")).not_all_exceptions


def test_the_exceptions_of_a_case_whose_token_is_not_kept_are_found(
    plain: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain.send(dft("M1"), dft("M2", lines=["1|CG|SCREW|2|HOLD"]))
    monkeypatch.setattr(plain.store, "token", lambda _: None)
    monkeypatch.setattr(plain.store, "looked_up", never)
    told = desk(plain).ask(ShowLine(reference="M1", place="1"))
    assert [each.became for each in told.statements] == ["counts", "held"]
