"""A destination after a restore: what it may have had already is asked for or given to a person, and not sent again."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import pytest

from casecart.canonical.consumption import Consumption
from casecart.canonical.movement import Movement
from casecart.runtime.ask_first import MAYBE_POSTED, AskFirst
from casecart.runtime.destination import Answer, Delivery, NotDelivered, OutcomeUnknown, Posting
from casecart.runtime.restored import FORGOTTEN, Found, Mark, Moved, found_of, found_row, mark_of, mark_row, told_of
from casecart.store import Change, StoreUnavailable
from support.line import Line, Script, dft, new_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twisted.internet.defer import Deferred

T0 = 1_790_000_000_000_000
"""When the clock of a line begins: all marks are of before."""

_consumption = msgspec.json.Decoder(Consumption).decode


class Erp(Script):
    """A destination that keeps its effects by the reference under which they came, as one with drafts does."""

    def __init__(self, delivery: Delivery = Delivery.TWO_STEP) -> None:
        super().__init__(delivery)
        self.under: dict[str, set[str]] = {}

    def take(self, postings: Sequence[Posting]) -> list[Answer]:
        for posting in postings:
            self.under.setdefault(posting.group, set()).add(posting.key)
        return super().take(postings)

    def groups(self, postings: Sequence[Posting]) -> list[str]:
        """All of a row together."""
        return [f"{postings[0].key}-{postings[0].attempts}"] * len(postings)

    def look_up(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        if self.delivery is Delivery.TWO_STEP and not self.look_ups:
            self.look_ups.append(self._there)
        return super().look_up(postings)

    def _there(self, postings: Sequence[Posting]) -> list[Answer]:
        found = [posting.key in self.under.get(posting.group, ()) for posting in postings]
        return [Answer("posted", "read back", "17") if each else Answer("retry", code="absent") for each in found]


def expected(posting: Posting) -> Movement:
    """What a posting comes to there."""
    document = _consumption(posting.payload)
    return Movement(
        number="", reference=posting.group, ours=True, item=document.item or "", lot=document.lot or "",
        quantity=document.quantity, source="OR", target="USED", day=document.used_on, state="done",
    )  # fmt: skip


@dataclass
class Restored:
    """An engine on a store that was restored, with a destination that asks first."""

    root: Path
    url: str
    erp: Erp
    line: Line = field(init=False)
    asks: AskFirst = field(init=False)

    def open(self, *, mark: Mark | None, found: Sequence[Found] = ()) -> Restored:
        """A new store, with what is remembered of the restore."""
        self.line = new_line(self.root, self.url, script=self.erp, before=self._ask_first)
        rows = [found_row("erp", each, T0 + FORGOTTEN) for each in found]
        if mark is not None:
            rows.append(mark_row("erp", mark))
        self.line.store.write(Change(timers=rows))
        return self

    def again(self) -> None:
        """The engine ends, and another one is started."""
        self.line.stop()
        self.line = Line(self.root, self.url, script=self.erp, before=self._ask_first).start()

    def _ask_first(self, line: Line) -> AskFirst:
        self.asks = AskFirst(
            self.erp,
            name="erp",
            store=line.store,
            write=line.writes.write,
            now=line.now,
            later=lambda call: line.clock.callLater(0, call),
            expected=expected,
        )
        return self.asks

    def states(self) -> list[str]:
        """Of all postings."""
        return [posting.state for posting in self.line.postings()]


RELEASED = Mark(
    backup="monday.db", taken_at=T0 - 100, restored_at=T0 - 50, phase="released", asked=True, released_at=T0 + 10**9
)
NOT_ASKED = msgspec.structs.replace(RELEASED, asked=False)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/casecart.db"


def keys_of(tmp_path: Path, *bodies: bytes) -> list[str]:
    """The keys that the postings of these messages have, wherever they are made."""
    root = tmp_path / "lost"
    line = new_line(root, f"sqlite:///{root}/lost.db")
    line.send(*bodies)
    keys = [posting.key for posting in line.postings()]
    line.stop()
    return keys


def found(key: str, *moved: str, attempt: int = 1) -> Found:
    """What the destination had under the reference of a posting; each is ``item quantity``."""
    rows = [each.split() for each in moved]
    return Found(
        reference=f"{key}-{attempt}",
        number="17",
        key=key,
        moved=tuple(Moved(item, "", "OR", "USED", "", Decimal(quantity)) for item, quantity in rows),
    )


TWO = dft("M1", lines=["1|CG|A|1|OR", "2|CG|B|1|OR"])


def lost(tmp_path: Path, url: str, body: bytes, *moved: str) -> tuple[Restored, list[str]]:
    """A store that does not know a message, and a destination that has all of its postings, as one document."""
    keys = keys_of(tmp_path, body)
    there = found(keys[0], *moved)
    erp = Erp()
    erp.under[there.reference] = set(keys)
    erp.effects.update(keys)
    return Restored(tmp_path / "ws", url, erp).open(mark=RELEASED, found=[there]), keys


def test_what_was_posted_after_the_backup_is_not_posted_when_its_message_is_sent_again(
    tmp_path: Path, store_url: str
) -> None:
    restored, keys = lost(tmp_path, store_url, TWO, "A 1", "B 1")
    restored.line.send(TWO)
    postings = restored.line.postings()
    assert [(each.state, each.proof, each.reference) for each in postings] == [("posted", "read back", "17")] * 2
    assert {each.group for each in postings} == {f"{keys[0]}-1"}  # a day's comparison finds it by that
    assert [name for name, _ in restored.erp.calls] == ["look up"]
    assert dict(restored.erp.effects) == dict.fromkeys(keys, 1)
    assert restored.line.balance() == (0, 0)
    restored.line.stop()


def test_what_was_claimed_is_forgotten_and_the_next_use_of_the_same_is_posted(tmp_path: Path, url: str) -> None:
    restored, _ = lost(tmp_path, url, TWO, "A 1", "B 1")
    restored.line.send(TWO)
    restored.line.settle()
    assert found_of(restored.line.store.timers(), "erp", restored.line.now()) == []
    restored.line.send(dft("M2", "V2", lines=["1|CG|A|1|OR"]))
    assert restored.states() == ["posted"] * 3
    assert [name for name, _ in restored.erp.calls] == ["look up", "post"]
    restored.line.stop()


def test_what_is_in_no_document_of_its_reference_is_posted(tmp_path: Path, url: str) -> None:
    keys = keys_of(tmp_path, TWO)
    restored = Restored(tmp_path / "ws", url, Erp())
    restored.erp.under[f"{keys[0]}-1"] = {keys[0]}
    restored.erp.effects[keys[0]] = 1
    restored.open(mark=RELEASED, found=[found(keys[0], "A 1")])
    restored.line.send(TWO)
    restored.line.wait(5)
    assert restored.states() == ["posted", "posted"]
    assert dict(restored.erp.effects) == dict.fromkeys(keys, 1)
    restored.line.stop()


def test_a_second_use_of_the_same_in_the_same_case_is_posted(tmp_path: Path, url: str) -> None:
    one, other = dft("M1", lines=["1|CG|A|1|OR"]), dft("M2", lines=["2|CG|A|1|OR"])
    restored, keys = lost(tmp_path, url, one, "A 1")
    restored.line.take(one)
    restored.line.take(other)
    restored.line.settle()
    restored.line.wait(5)
    assert restored.states() == ["posted", "posted"]
    assert list(restored.erp.effects.values()) == [1, 1]
    assert keys[0] in restored.erp.effects
    restored.line.stop()


def test_what_is_only_like_something_there_is_given_to_a_person(tmp_path: Path, url: str) -> None:
    """The first line is not made any more: an item that the restored master data don't know, say."""
    restored, keys = lost(tmp_path, url, TWO, "A 1", "B 1")
    restored.line.send(dft("M1", lines=["1|CG|A|1|HOLD", "2|CG|B|1|OR"]))
    (posting,) = restored.line.postings()
    assert (posting.key, posting.state, posting.code, posting.unsure) == (keys[1], "held", MAYBE_POSTED, True)
    (held,) = restored.line.store.holds(code=MAYBE_POSTED)
    assert (held.subject, f"17 under {keys[0]}-1" in held.cause) == ("posting:unknown", True)
    assert restored.erp.calls == []
    assert restored.line.balance() == (0, 0)
    restored.line.stop()


def test_a_person_is_asked_once_about_a_line_also_after_the_next_start(tmp_path: Path, url: str) -> None:
    restored, keys = lost(tmp_path, url, TWO, "A 1", "B 1")
    restored.line.send(dft("M1", lines=["1|CG|A|1|HOLD", "2|CG|B|1|OR"]))
    restored.line.settle()
    restored.again()
    assert told_of(restored.line.store.timers(), "erp") == {keys[1].partition(".")[0]}
    posting = restored.line.postings()[0]
    posting.key, posting.state = posting.key.replace(".1", ".2"), "planned"  # what follows on --not-posted
    (posting.group,) = restored.asks.groups([posting])
    asked = restored.asks.post([posting])
    answers: list[Sequence[Answer]] = []
    asked.addCallback(answers.append)
    assert [answer.state for (answer,) in answers] == ["posted"]
    restored.line.stop()


def test_nothing_goes_out_before_a_person_has_released_it(tmp_path: Path, url: str) -> None:
    before = msgspec.structs.replace(RELEASED, phase="reconciled")
    restored = Restored(tmp_path / "ws", url, Erp(Delivery.KEYED)).open(mark=before)
    restored.line.send(dft("M1"))
    restored.line.wait(30)
    assert (restored.states(), restored.erp.calls) == (["planned"], [])
    assert "casecart reconcile erp --after-restore" in restored.line.dispatcher.trouble
    restored.line.store.write(Change(timers=[mark_row("erp", RELEASED)]))
    restored.line.wait(120)
    assert restored.states() == ["posted"]
    restored.line.stop()


def test_a_keyed_destination_is_sent_what_it_has_and_refuses_it(tmp_path: Path, url: str) -> None:
    keys = keys_of(tmp_path, TWO)
    restored = Restored(tmp_path / "ws", url, Erp(Delivery.KEYED)).open(mark=NOT_ASKED)
    restored.erp.effects.update(keys)
    restored.line.send(TWO)
    assert restored.states() == ["posted", "posted"]
    assert dict(restored.erp.effects) == dict.fromkeys(keys, 1)
    restored.line.stop()


def test_a_searchable_destination_is_asked_for_each_key_before_it_is_sent(tmp_path: Path, url: str) -> None:
    keys = keys_of(tmp_path, TWO)
    restored = Restored(tmp_path / "ws", url, Erp(Delivery.SEARCHABLE)).open(mark=NOT_ASKED)
    restored.erp.effects[keys[0]] = 1
    restored.line.send(TWO)
    assert restored.states() == ["posted", "posted"]
    assert restored.erp.calls == [("look up", keys), ("post", keys[1:])]
    assert dict(restored.erp.effects) == dict.fromkeys(keys, 1)
    restored.line.stop()


@pytest.mark.parametrize("delivery", [Delivery.BLIND, Delivery.TWO_STEP])
def test_what_was_planned_for_one_that_cannot_be_asked_is_given_to_a_person_and_what_comes_later_goes_out(
    tmp_path: Path, url: str, delivery: Delivery
) -> None:
    restored = Restored(tmp_path / "ws", url, Erp(delivery)).open(mark=NOT_ASKED)
    restored.line.send(dft("M1"))
    assert restored.states() == ["held"]
    restored.line.clock.advance(10_000)
    restored.line.send(dft("M2", "V2"))
    restored.line.wait(2)
    assert restored.states() == ["held", "posted"]
    assert sum(restored.erp.effects.values()) == 1
    assert restored.line.balance() == (0, 0)
    restored.line.stop()


@pytest.mark.parametrize("failure", [NotDelivered("away", "It is away"), OutcomeUnknown("time-out", "No answer")])
def test_where_a_batch_is_answered_in_part_a_failure_is_of_the_others_only(
    tmp_path: Path, url: str, failure: Exception
) -> None:
    restored, keys = lost(tmp_path, url, TWO, "A 1", "B 1")
    restored.erp.answers.append(lambda _: failure)
    restored.line.take(TWO)
    restored.line.take(dft("M2", "V2", lines=["1|CG|C|1|OR"]))
    restored.line.settle()
    assert restored.states()[:2] == ["posted", "posted"]
    restored.line.wait(30)
    assert restored.states() == ["posted"] * 3
    assert [restored.erp.effects[key] for key in keys] == [1, 1]
    restored.line.stop()


def test_a_connector_that_fails_on_the_others_takes_no_answer_back(tmp_path: Path, url: str) -> None:
    restored = Restored(tmp_path / "ws", url, Erp(Delivery.BLIND)).open(mark=NOT_ASKED)
    restored.line.dispatcher.pause(paused=True)
    restored.line.send(dft("M1"))
    restored.line.clock.advance(10_000)
    restored.line.send(dft("M2", "V2"))
    restored.erp.answers.append(lambda _: RuntimeError("a fault of the connector"))
    restored.line.dispatcher.pause(paused=False)
    restored.line.wait(30)
    assert restored.states() == ["held", "posted"]
    restored.line.stop()


def test_after_an_unknown_outcome_it_is_looked_up_and_claimed_all_the_same(tmp_path: Path, url: str) -> None:
    restored, keys = lost(tmp_path, url, TWO, "A 1", "B 1")
    restored.erp.look_ups.append(lambda _: OutcomeUnknown("time-out", "No answer in time"))
    restored.line.send(TWO)
    restored.line.wait(30)
    assert restored.states() == ["posted", "posted"]
    assert dict(restored.erp.effects) == dict.fromkeys(keys, 1)
    assert found_of(restored.line.store.timers(), "erp", restored.line.now()) == []
    restored.line.stop()


def test_a_store_that_does_not_answer_sends_nothing(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    restored, _ = lost(tmp_path, url, TWO, "A 1", "B 1")

    def away() -> object:
        raise StoreUnavailable("it is away")

    with monkeypatch.context() as gone:
        gone.setattr(restored.line.store, "timers", away)
        restored.line.send(TWO)
        assert (restored.states(), restored.erp.calls) == (["planned", "planned"], [])
    restored.line.wait(120)
    assert restored.states() == ["posted", "posted"]
    restored.line.stop()


def test_a_memory_is_forgotten_in_time_and_what_nobody_released_is_not() -> None:
    general, waiting = mark_row("", RELEASED), mark_row("erp", msgspec.structs.replace(RELEASED, phase="restored"))
    later = T0 + FORGOTTEN
    assert mark_of([general], "new", T0) is not None  # one that the restore did not name may have been there before
    assert mark_of([general], "new", later) is None
    assert mark_of([general, waiting], "erp", later) is not None
    assert mark_of([mark_row("erp", RELEASED)], "erp", later) is None
    assert found_of([found_row("erp", found("k.1", "A 1"), later)], "erp", later) == []
