"""Changes of the item master on their way to a receiver: each item as it is now, in order, exactly once, and kept."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from casecart.canonical.item_change import ITEM_SCHEMA
from casecart.canonical.master import Item, Supplier
from casecart.runtime.ask_first import MAYBE_POSTED, AskFirst
from casecart.runtime.destination import Answer, Delivery, NotDelivered, OutcomeUnknown
from casecart.runtime.listener import Receipt
from casecart.runtime.marks import ITEMS
from casecart.runtime.restored import Mark, mark_row
from casecart.store import Change, HoldChange, Replay, open_store
from support.damage import blobs, flip
from support.item_line import CHANNEL, ItemLine, item_line, publish, refuse, started
from support.line import Line, Script, dft

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.runtime.destination import Destination

NORTH = "facility: NORTH"
BEGINNING = "facility: NORTH, from: beginning"


def screw(description: str = "A screw", **more: object) -> Item:
    return Item(number="SCREW", description=description, **more)  # type: ignore[arg-type]  # fields of Item


@pytest.fixture
def line(tmp_path: Path, store_url: str) -> Iterator[ItemLine]:
    made = item_line(tmp_path, store_url)
    yield made
    assert made.broken == []
    made.stop()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/casecart.db"


def test_an_item_is_added_updated_and_deleted_as_it_is_now(line: ItemLine) -> None:
    for document in (screw("first"), screw("second"), "SCREW", screw("third")):
        publish(line.url, document)
        line.look()
    # What is deleted is told as it was last.
    assert line.told() == [
        ("add", "SCREW", "first"), ("update", "SCREW", "second"), ("delete", "SCREW", "second"),
        ("add", "SCREW", "third"),
    ]  # fmt: skip
    assert (line.counts()["posted"], line.balance()) == (4, (0, 0))
    assert [posting.revision for posting in line.postings()] == [1, 2, 3, 4]


def test_every_change_is_a_message_of_its_own_that_is_kept(line: ItemLine) -> None:
    publish(line.url, screw())
    line.look()
    message = line.store.message(1)
    assert message is not None
    assert (message.listener, message.schema, message.message_type, message.control_id, message.outcome) == (
        "item-changes", ITEM_SCHEMA, "MFN^M16", "SCREW.1", "processed"
    )  # fmt: skip
    assert b'"description":"A screw"' in message.body


def test_only_the_newest_state_is_told_of_what_changed_in_quick_succession(line: ItemLine) -> None:
    publish(line.url, screw("first"), screw("second"), Item(number="PLATE", description="x"))
    publish(line.url, screw("third"))
    line.look()
    assert line.told() == [("add", "PLATE", "x"), ("add", "SCREW", "third")]


def test_what_was_there_before_the_first_start_is_known_to_the_receiver(tmp_path: Path, url: str) -> None:
    line = item_line(tmp_path, url, NORTH, screw(), Item(number="PLATE"))
    line.look()
    assert line.told() == []
    publish(url, screw("new"), "PLATE")
    line.look()
    assert line.told() == [("update", "SCREW", "new"), ("delete", "PLATE", None)]
    line.stop()


def test_from_the_beginning_every_item_is_told_in_slices(tmp_path: Path, url: str) -> None:
    items = [Item(number=f"I{number:03}") for number in range(250)]
    line = item_line(tmp_path, url, BEGINNING, *items)
    line.look()
    line.look()
    assert [item for _, item, _ in line.told()] == [each.number for each in items]
    assert {action for action, _, _ in line.told()} == {"add"}
    line.stop()
    again = started(tmp_path, url, BEGINNING)
    again.look()
    assert (again.told(), again.counts()["received"]) == ([], 250)
    again.stop()


def test_an_item_that_was_never_told_and_is_no_more_is_nobodys_news(line: ItemLine) -> None:
    publish(line.url, screw(), "SCREW")
    line.look()
    assert line.told() == []
    assert (line.counts()["filtered"], line.balance()) == (1, (0, 0))


def test_master_data_that_are_no_items_are_nobodys_news(line: ItemLine) -> None:
    publish(line.url, Supplier(number="S", name="Example"))
    line.look()
    assert line.counts()["received"] == 0


def test_what_the_receiver_said_itself_does_not_go_back_to_it(tmp_path: Path, url: str) -> None:
    line = item_line(tmp_path, url, "facility: NORTH, not_from: [ehr]")
    publish(url, screw("of the ehr"), source="ehr")
    line.look()
    assert line.counts()["received"] == 0
    # It has the item: what another system says of it is no addition.
    publish(url, screw("of the erp"))
    publish(url, screw("of the ehr again"), source="ehr")
    line.look()
    assert line.told() == [("update", "SCREW", "of the ehr again")]
    line.stop()


def test_a_facilitys_own_values_stand_over_the_others_and_other_facilities_are_passed_over(line: ItemLine) -> None:
    publish(line.url, screw("everywhere", unit="EA"))
    publish(line.url, screw("here"), facility="NORTH")
    publish(line.url, screw("there"), facility="SOUTH")
    line.look()
    assert line.told() == [("add", "SCREW", "here")]
    publish(line.url, screw("elsewhere"), facility="SOUTH")
    line.look()
    assert line.counts()["received"] == 1
    publish(line.url, "SCREW", facility="NORTH")
    line.look()
    assert line.told()[1:] == [("update", "SCREW", "everywhere")]


def test_what_was_handed_in_before_the_cursor_was_written_is_known_again(tmp_path: Path, store_url: str) -> None:
    line = item_line(tmp_path, store_url)
    line.write = lambda *_: None  # the engine is killed before the cursor is written
    publish(store_url, screw("first"))
    line.look()
    assert line.told() == [("add", "SCREW", "first")]
    line.crash()
    again = started(tmp_path, store_url, NORTH)
    again.look()
    assert again.told() == []
    assert (again.counts()["duplicate"], again.counts()["posted"], again.balance()) == (1, 1, (0, 0))
    publish(store_url, screw("second"))
    again.look()
    assert again.told() == [("update", "SCREW", "second")]
    again.stop()


def test_a_change_before_the_first_look_is_not_missed(tmp_path: Path, url: str) -> None:
    line = item_line(tmp_path, url)
    assert [each.name for each in line.store.cursors() if each.name.startswith(ITEMS)] == [f"{ITEMS}item-changes"]
    line.crash()
    publish(url, screw())
    again = started(tmp_path, url, NORTH)
    again.look()
    assert again.told() == [("add", "SCREW", "A screw")]
    again.stop()


def test_what_can_not_be_stored_now_is_handed_in_again(line: ItemLine) -> None:
    publish(line.url, screw())
    take, line.journal.take = line.journal.take, lambda arrival: arrival.reply(Receipt.NOT_STORED)  # type: ignore[method-assign]  # the store takes nothing
    line.look()
    assert line.counts()["received"] == 0
    line.journal.take = take  # type: ignore[method-assign]  # the store takes nothing
    line.look()
    assert line.told() == [("add", "SCREW", "A screw")]


def test_an_engine_that_is_not_to_follow_hands_in_nothing_and_goes_on_from_where_the_other_was(line: ItemLine) -> None:
    publish(line.url, screw())
    line.mine = False
    line.look()
    assert line.counts()["received"] == 0
    line.mine = None
    line.look()
    assert line.told() == [("add", "SCREW", "A screw")]


@pytest.mark.parametrize(("mine", "duplicates"), [(None, 0), (True, 1)], ids=["leased", "both"])
def test_of_engines_that_share_a_store_one_follows_and_two_would_do_no_harm(
    tmp_path: Path, postgresql_dsn: str, *, mine: bool | None, duplicates: int
) -> None:
    one = item_line(tmp_path, postgresql_dsn)
    other = started(tmp_path, postgresql_dsn, NORTH)
    for engine in (one, other, one, other):
        engine.look()
    one.mine = other.mine = mine
    publish(postgresql_dsn, screw())
    one.journal.write = one.write = lambda *_: None  # type: ignore[method-assign]  # its cursor is written late
    for engine in (one, other) * 3:
        engine.look()
    counts = one.counts()
    assert (counts["received"] - counts["duplicate"], counts["duplicate"]) == (1, duplicates)
    assert len(one.postings()) == 1
    for engine in (one, other):
        assert engine.broken == []
        engine.crash()


def test_no_more_is_handed_in_than_the_engine_keeps_up_with(tmp_path: Path, url: str) -> None:
    line = item_line(tmp_path, url, BEGINNING, *(Item(number=f"I{number:04}") for number in range(300)))
    line.replayer.stop()
    waiting = Replay(b"w" * 16, 1, "usage", "", 1, "casecart", "never", "{}")
    line.store.write(Change(replays=[waiting._replace(hold=number.to_bytes(16)) for number in range(1_000)]))
    line.wait(5)
    assert line.counts()["received"] <= 200
    line.store.write(Change(replays_done=[(number.to_bytes(16),) for number in range(1_000)]))
    line.wait(5)
    assert line.counts()["received"] == 300
    line.stop()


def test_states_of_one_item_go_out_one_after_the_other_through_a_long_outage(line: ItemLine) -> None:
    line.script.answers += [lambda _: NotDelivered("connection-refused", "Nobody is there.")] * 3
    for number in range(3):
        publish(line.url, screw(str(number)))
        line.look()
    line.wait(15)
    told = line.told()
    # What was tried in vain comes first again.
    assert [description for _, _, description in told[-3:]] == ["0", "1", "2"]
    assert [posting.state for posting in line.postings()] == ["posted"] * 3


def test_an_unknown_outcome_is_sent_again_with_the_same_key(tmp_path: Path, url: str) -> None:
    line = item_line(tmp_path, url)
    line.script.delivery = Delivery.BLIND
    line.script.answers.append(lambda _: OutcomeUnknown("no-answer", "No answer came."))
    publish(url, screw())
    line.look()
    line.wait(10)
    calls = [keys for _, keys in line.script.calls]
    assert calls == [calls[0], calls[0]]
    line.stop()


def test_only_items_that_are_wanted_are_told_and_those_that_were_are_told_on(tmp_path: Path, url: str) -> None:
    wanted = CHANNEL.replace("{to: erp}", "{to: erp, when: \"item.supplier == 'ORTHO'\"}")
    line = item_line(tmp_path, url, NORTH, Item(number="PLATE", supplier="OTHER"), channel=wanted)
    for supplier in ("OTHER", "ORTHO", "OTHER"):
        publish(url, screw(supplier, supplier=supplier), Item(number="PLATE", description=supplier, supplier="OTHER"))
        line.look()
    publish(url, "SCREW", "PLATE")
    line.look()
    assert line.told() == [("add", "SCREW", "ORTHO"), ("update", "SCREW", "OTHER"), ("delete", "SCREW", "OTHER")]
    assert (line.counts()["filtered"], line.balance()) == (5, (0, 0))
    line.stop()


# --- refusals
def test_what_is_refused_waits_for_a_person_and_is_sent_again(line: ItemLine) -> None:
    refuse(line)
    publish(line.url, screw())
    line.look()
    assert [(each.code, each.line, each.destination) for each in line.held()] == [("no", "SCREW", "erp")]
    assert (line.counts()["held"], line.balance()) == (1, (0, 0))
    line.decide("again")
    assert line.told() == [("add", "SCREW", "A screw")] * 2
    assert len({key for _, keys in line.script.calls for key in keys}) == 2  # another attempt is another message
    assert (line.counts()["held"], line.counts()["posted"], line.balance()) == (0, 1, (0, 0))


def test_a_later_state_stands_for_one_that_was_refused(line: ItemLine) -> None:
    refuse(line)
    publish(line.url, screw("wrong"))
    line.look()
    publish(line.url, screw("right"))
    line.look()
    # The receiver does not have it: it is added once more.
    assert line.told() == [("add", "SCREW", "wrong"), ("add", "SCREW", "right")]
    assert line.held() == []
    assert (line.counts()["held"], line.counts()["no_change"], line.counts()["posted"]) == (0, 1, 1)
    line.replay(1, 2)
    assert len(line.told()) == 2


def test_an_older_state_is_never_sent_after_a_newer_one(line: ItemLine) -> None:
    line.script.answers += [lambda _: NotDelivered("connection-refused", "Nobody is there.")] * 4
    publish(line.url, screw("old"))
    line.look()
    publish(line.url, screw("new"))  # while the old one is on its way
    line.script.answers += [
        lambda postings: [
            Answer("held", code="no", words="No.") if each.revision == 1 else Answer("posted", "acknowledged")
            for each in postings
        ]
    ] * 2
    line.look()
    line.wait(15)
    assert [(each.code, each.position) for each in line.held()] == [("no", 1)]
    told = line.told()
    line.decide("again")
    assert line.told() == told
    assert (line.counts()["held"], line.counts()["no_change"], line.balance()) == (0, 1, (0, 0))


@pytest.mark.parametrize(
    ("outcome", "actions", "counted"),
    [("posted", ["add"], {"posted": 1}), ("not posted", ["add", "add"], {"posted": 1})],
)
def test_what_nobody_knows_is_not_sent_again_before_a_person_has_said_what_became_of_it(
    line: ItemLine, outcome: str, actions: list[str], counted: dict[str, int]
) -> None:
    refuse(line, unsure=True)
    publish(line.url, screw())
    line.look()
    line.replay(1)
    assert len(line.told()) == 1
    line.decide(outcome)
    assert [action for action, _, _ in line.told()] == actions
    assert {name: line.counts()[name] for name in counted} == counted
    assert (line.counts()["held"], line.balance()) == (0, (0, 0))
    # What a person said of it counts for the next.
    publish(line.url, screw("next"))
    line.look()
    assert line.told()[-1] == ("update", "SCREW", "next")


def test_a_message_that_is_replayed_sends_what_was_refused_and_nothing_twice(line: ItemLine) -> None:
    publish(line.url, screw())
    line.look()
    line.replay(1)
    assert len(line.told()) == 1
    refuse(line, "rejected")
    publish(line.url, screw("second"))
    line.look()
    line.replay(2)
    line.replay(2)
    assert line.told()[1:] == [("update", "SCREW", "second")] * 2
    assert (line.held(), line.counts()["rejected"], line.counts()["posted"]) == ([], 0, 2)


def test_what_a_replay_sends_to_another_destination_is_a_line_more(tmp_path: Path, url: str) -> None:
    line = item_line(tmp_path, url)
    publish(url, screw())
    line.look()
    line.crash()
    engine, channel = tmp_path / "config/engine.yaml", tmp_path / "channels/items-to-ehr.yaml"
    other = engine.read_text("utf-8").replace(
        "destinations:\n", "destinations:\n  other: {kind: file, folder: var/o}\n"
    )
    engine.write_text(other, "utf-8")
    channel.write_text(CHANNEL.replace("to: erp", "to: other"), "utf-8")
    changed = started(tmp_path, url, NORTH)
    changed.replay(1)
    counts = changed.counts()
    assert (counts["produced"], counts["posted"], counts["no_change"], changed.balance()) == (2, 2, 0, (0, 0))
    changed.stop()


def test_what_a_person_rejected_is_not_sent_by_a_replay(line: ItemLine) -> None:
    refuse(line)
    publish(line.url, screw())
    line.look()
    (held,) = line.held()
    with closing(open_store(line.url, role="person")) as person:
        person.write(Change(hold_changes=[HoldChange("rejected", "", "no use", 1, held.id)]))
    line.replay(1)
    assert len(line.told()) == 1


def test_after_a_restore_a_person_says_of_each_change_whether_the_receiver_has_it(tmp_path: Path, url: str) -> None:
    line = item_line(tmp_path, url)
    now = line.now()
    mark = Mark(backup="b", taken_at=now - 9, restored_at=now, phase="released", asked=False, released_at=now + 10**9)
    line.store.write(Change(timers=[mark_row("erp", mark)]))
    line.crash()
    restored = ItemLine(tmp_path, url, script=Script(Delivery.BLIND), before=asking_first, settings=NORTH).start()
    publish(url, screw())
    restored.look()
    assert [each.code for each in restored.held()] == [MAYBE_POSTED]
    restored.decide("posted")
    assert (restored.told(), restored.counts()["posted"], restored.balance()) == ([], 1, (0, 0))
    restored.stop()


def asking_first(line: Line) -> Destination:
    return AskFirst(
        line.script,
        name="erp",
        store=line.store,
        write=line.writes.write,
        now=line.now,
        later=lambda call: line.clock.callLater(0, call),
        expected=lambda _: None,
    )


# --- bad input
def test_a_message_that_is_no_item_waits_for_a_person(line: ItemLine) -> None:
    usual = line.arrival(dft("M1"))
    for number, body in enumerate((b"MSH|^~\\&|X|||||||", b"{}", b"[" * 5_000, b"\xff", b"null")):
        arrival = replace(usual, listener="item-changes", message_type="MFN^M16", control_id=str(number), body=body)
        line.journal.take(arrival)
        line.look()
    assert {each.code for each in line.held()} == {"not-an-item"}
    assert len(line.held()) == 5
    assert (line.told(), line.counts()["held"], line.balance()) == ([], 5, (0, 0))
    line.replay(1)
    assert (len(line.held()), line.balance()) == (5, (0, 0))


def test_an_item_whose_newest_version_is_damaged_is_told_when_it_is_mended(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    line = item_line(tmp_path, url)
    publish(url, screw("damaged"), Item(number="PLATE"))
    stored = next(each for each in blobs(url, [("master", "data")]) if b"damaged" in each.value)
    flip(url, stored, len(stored.value) // 2, 1)
    line.look()
    assert "item 'SCREW'. Nothing is told of it until" in caplog.text
    publish(url, screw("mended"))
    line.look()
    line.look()
    assert sorted(line.told()) == [("add", "PLATE", None), ("add", "SCREW", "mended")]
    line.stop()


def test_an_item_whose_supplier_is_damaged_is_told_without_its_name(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    line = item_line(tmp_path, url)
    publish(url, Supplier(number="ACME", name="damaged"))
    stored = next(each for each in blobs(url, [("master", "data")]) if b"damaged" in each.value)
    flip(url, stored, len(stored.value) // 2, 1)
    publish(url, screw(supplier="ACME"))
    line.look()
    assert "supplier 'ACME'" in caplog.text
    publish(url, Supplier(number="ACME", name="mended"))  # until then all messages wait
    line.look()
    line.look()
    assert line.told() == [("add", "SCREW", "A screw")]
    line.stop()


def test_an_item_whose_row_of_the_ledger_is_damaged_waits_for_a_person(tmp_path: Path, url: str) -> None:
    line = item_line(tmp_path, url)
    publish(url, screw())
    line.look()
    (stored,) = blobs(url, [("ledger", "postings")])
    flip(url, stored, len(stored.value) // 2, 1)
    publish(url, screw("second"))
    line.look()
    assert [each.code for each in line.held()] == ["record-damaged"]
    assert (len(line.script.calls), line.balance(), line.broken) == (1, (0, 0), [])
    line.stop()


@pytest.mark.parametrize("number", ["A|B^C~D\\E&F", "Schräubchen ß 漢", "x" * 200, "line\u2028feed"])
def test_whatever_a_number_is_it_is_one_items(tmp_path: Path, url: str, number: str) -> None:
    line = item_line(tmp_path, url)
    publish(url, Item(number=number))
    line.look()
    publish(url, Item(number=number, description="two\r\nlines"))
    line.look()
    assert line.told() == [("add", number, None), ("update", number, "two\r\nlines")]
    line.stop()
