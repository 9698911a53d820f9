"""Replay: lines that were held are worked again by today's channel and master data, as people wished in the worklist.

Only a line that is still held is worked again, so that a wish which comes twice does nothing the second time, and what
was posted is not posted again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casecart.rules import Trouble
from casecart.runtime.copy import Decision, decode_decision
from casecart.runtime.effect import case_damaged, hold
from casecart.runtime.fault import NotWorkable, told
from casecart.runtime.made import PLACE, SCHEMA, Made, decode_made, encode_made
from casecart.runtime.whole import worked_before
from casecart.store import (
    OPEN_STATES,
    Change,
    Count,
    Damaged,
    HoldChange,
    LeaseLost,
    Run,
    StoreBroken,
    StoreInUse,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from casecart.runtime.clock import Call, Clock
    from casecart.runtime.pipeline import Became, Pipeline
    from casecart.runtime.whole import WholeWork
    from casecart.runtime.window import Work
    from casecart.store import Fence, Message, Replay, Store

__all__ = ["By", "Replayer"]

log = logging.getLogger(__name__)

MOST = 2_000  # wishes that are looked at in one look
WAIT = 0.05  # seconds until it is asked again whether the catalogue is whole
GROUP = 16  # messages that are worked again in one turn

ALL = 1_000_000
"""More exceptions than a message can have."""


@dataclass(frozen=True, slots=True)
class By:
    """What lines are worked by."""

    revisions: Mapping[str, str]
    """Channel → its revision: a wish may ask for another one than the line was held by."""
    wholes: Sequence[WholeWork] = ()
    """Work the wishes of channels whose messages are worked as one line, such as master data."""


class Replayer:
    """Looks for wishes and works them off, in turns between which listeners are served.

    Args:
        store: has the wishes and the messages.
        pipeline: works the lines.
        reactor: gives the turns.
        identifier: mints ids of exceptions.
        now: wall clock, µs since 1970.
        by: what the lines are worked by.
        settled: how many calls of destinations have ended: as long as that stays, so does what waits for them.
        ready: whether the catalogue is whole, so that lines can be resolved by it.
        defer: told that messages wait in the store that were not waiting before.
        planned: told of work for destinations, after its commit.
        recovered: told that the store may have taken work that nobody was told of.
        broken: told that the store failed for good, or the engine did; it must stop.
        fences: what is written under.
    """

    def __init__(
        self,
        *,
        store: Store,
        pipeline: Pipeline,
        reactor: Clock,
        identifier: Callable[[], bytes],
        now: Callable[[], int],
        by: By,
        settled: Callable[[], int],
        ready: Callable[[], bool],
        defer: Callable[[], None],
        planned: Callable[[list[Work]], None],
        recovered: Callable[[], None],
        broken: Callable[[Exception], None],
        fences: Callable[[], Collection[Fence]] = tuple,
    ) -> None:
        self._store, self._pipeline, self._reactor, self._fences = store, pipeline, reactor, fences
        self._identifier, self._now, self._by = identifier, now, by
        self._settled, self._ready, self._defer = settled, ready, defer
        self._planned, self._recovered, self._broken = planned, recovered, broken
        self._waiting: dict[bytes, int] = {}  # wishes that wait for an answer, and how many had come
        self._groups: list[list[Replay]] = []
        self._call: Call | None = None

    def wishes(self) -> list[Replay]:
        """Those that can be worked off by this engine's channels, unless the last ones are still being worked."""
        if self._call is not None:
            return []
        settled, wishes = self._settled(), self._store.replays(MOST)
        self._waiting = {wish.hold: self._waiting[wish.hold] for wish in wishes if wish.hold in self._waiting}
        return [
            wish
            for wish in wishes
            if self._by.revisions.get(wish.channel) != wish.revision and self._waiting.get(wish.hold) != settled
        ]

    def work(self, wishes: Sequence[Replay]) -> None:
        """Work them off, from the next turn on. The catalogue must have been looked at after they were found."""
        if not wishes:
            return
        by_message: dict[int, list[Replay]] = {}
        for wish in wishes:
            by_message.setdefault(wish.position, []).append(wish)
        # Master data in the order in which their messages came.
        self._groups = [by_message[position] for position in sorted(by_message)]
        self._soon()

    def work_by(self, by: By) -> None:
        """From now on it is by this; what is in hand, and what waits for an answer, is looked at anew."""
        self.stop()
        self._by, self._groups, self._waiting = by, [], {}

    def stop(self) -> None:
        """Work off no more; what is left is found at the next look, or start."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _soon(self) -> None:
        self._call = self._reactor.callLater(0, self._turn) if self._groups else None

    def _turn(self) -> None:
        if not self._ready():
            self._call = self._reactor.callLater(WAIT, self._turn)
            return
        groups, self._groups = self._groups[:GROUP], self._groups[GROUP:]
        try:
            for wishes in groups:
                self._message(wishes)
        except (LeaseLost, StoreInUse):
            self._groups = []  # another engine sees to them; or master data are being changed: at the next look
        except StoreUnavailable:
            self._recovered()
            self._groups = []  # what was not done is looked for again
        except Exception as fault:  # noqa: BLE001 - as in the journal
            self._broken(fault)
            return
        self._soon()

    def _message(self, wishes: list[Replay]) -> None:
        """All wishes about one message, in one transaction."""
        message = self._store.message(wishes[0].position)
        change = Change()
        works: list[Work] = []
        if message is not None:
            wishes = self._look_again(message, self._worked_whole(message, wishes))
        if message is not None and message.body_gone:  # it went in the moment in which somebody wished it
            log.warning("the message at position %d can't be worked again: its body is deleted", message.position)
        elif message is not None:
            wishes = self._noted(message, wishes)
            if any(not wish.channel for wish in wishes) and message.outcome in ("quarantined", "unrouted"):
                change.outcomes.append(("waiting", message.notes, message.position))
                scope = f"messages:{message.listener}"
                change.counts.append(Count(message.facility, scope, message.outcome, -1))
            for channel in {wish.channel: None for wish in wishes if wish.channel}:
                its_own = [wish for wish in wishes if wish.channel == channel]
                # All of its lines, or those that were fixed; of the latter none is left after the former.
                whole = any(not wish.place for wish in its_own)
                works += (
                    self._whole(message, channel, change) if whole else self._lines(message, channel, its_own, change)
                )
        change.replays_done += [(wish.hold,) for wish in wishes]
        if not change:
            self._store.let_go()
            return
        self._write(change)
        if works:
            self._planned(works)
        if change.outcomes:
            self._defer()

    def _worked_whole(self, message: Message, wishes: list[Replay]) -> list[Replay]:
        """Work messages that are one line, such as master data; gives the wishes about lines."""
        for whole in self._by.wholes:
            for name in {wish.channel: None for wish in wishes if wish.channel in whole.channels}:
                works = whole.work(message, name, [wish for wish in wishes if wish.channel == name], self._fences())
                wishes = [wish for wish in wishes if wish.channel != name]
                if works:
                    self._planned(works)
        return wishes

    def _write(self, change: Change) -> None:
        change.fences += self._fences()
        self._store.write(change)

    def _look_again(self, message: Message, wishes: list[Replay]) -> list[Replay]:
        """Work off the wishes to look what is due on a line, each in a transaction of its own; gives all the others."""
        left = []
        for wish in wishes:
            try:
                decision = self._decided(wish)
            except Damaged as damage:
                self._not_looked(message, wish, Trouble("record-damaged", "", f"{damage}: decide it again.", ""))
                continue
            if not decision.outcome:
                left.append(wish)
                continue
            change = Change(replays_done=[(wish.hold,)])
            settled = self._settled()
            try:
                works = self._pipeline.look_again(message, wish, decision, change)
            except Damaged as damage:
                self._not_looked(message, wish, case_damaged(damage))
                continue
            if works is None:
                self._store.let_go()
                self._waiting[wish.hold] = settled
                continue
            self._write(change)
            self._planned(works)
        return left

    def _whole(self, message: Message, channel: str, change: Change) -> list[Work]:
        """All lines of a message. What waits for a person is worked anew, and its exception with it."""
        whole, before, attempt = Change(), dict[str, "Became"](), 0
        try:
            before, attempt = self._became(message.position, channel)
            works = self._pipeline.replay_whole(message, channel, before, attempt, whole)
        except (StoreUnavailable, StoreBroken):
            raise
        except Exception as fault:  # noqa: BLE001 - a fault in one message must not take the others with it
            if isinstance(fault, KeyError) and fault.args == (channel,) and not before:
                self._nobodys(message, channel, attempt, change)
            else:
                self._not_worked(message, fault)
            return []
        held = {place for place, became in before.items() if became == "held"}
        self._add(message, channel, held, whole, change)
        return works

    def _noted(self, message: Message, wishes: list[Replay]) -> list[Replay]:
        """Note what the message tells of cases, before lines are filled by it, in transactions of their own.

        Gives the other wishes.
        """
        for channel in {wish.channel: None for wish in wishes if self._pipeline.notes(wish.channel)}:
            change = Change(replays_done=[(wish.hold,) for wish in wishes if wish.channel == channel])
            self._note(message, channel, change)
            self._write(change)
            wishes = [wish for wish in wishes if wish.channel != channel]
        return wishes

    def _note(self, message: Message, channel: str, change: Change) -> None:
        """What a message tells of cases, all of it."""
        whole, before = Change(), ""
        try:
            before, attempt = worked_before(self._store, message.position, channel, first=0)
            self._pipeline.note_again(message, channel, before, attempt, whole)
        except (StoreUnavailable, StoreBroken):
            raise
        except Exception as fault:  # noqa: BLE001 - a fault in one message must not take the others with it
            if before == "held":
                self._fault(message, channel, [PLACE], fault, change)
                whole = Change()  # but for the exception that was there, which this one takes the place of
            else:
                self._not_worked(message, fault)
                return
        self._add(message, channel, [PLACE], whole, change)

    def _lines(self, message: Message, channel: str, wishes: list[Replay], change: Change) -> list[Work]:
        decisions: dict[str, Decision] = {}
        whole = Change()
        try:
            held, attempt = self._held(message.position, channel)
            decisions = {wish.place: self._decided(wish) for wish in wishes if wish.place in held}
            if not decisions:
                return []
            works = self._pipeline.replay(message, channel, decisions, attempt, whole)
        except (StoreUnavailable, StoreBroken):
            raise
        except Damaged as damage:
            self._damaged(message, channel, {wish.place for wish in wishes}, damage, change)
            return []
        except KeyError as gone:
            if gone.args != (channel,):
                self._fault(message, channel, decisions, gone, change)
                return []
            words = f"There is no channel '{channel}' any more that could work this line again."
            self._hold(message, channel, decisions, Trouble("channel-gone", "", words, ""), change)
            return []
        except Exception as fault:  # noqa: BLE001 - a fault in one message must not take the others with it
            self._fault(message, channel, decisions, fault, change)
            return []
        self._add(message, channel, decisions, whole, change)
        return works

    def _add(self, message: Message, channel: str, places: Collection[str], whole: Change, change: Change) -> None:
        """What was made of lines that were held, and that their exceptions are no more."""
        for name in (
            "runs", "entries", "holds", "counts", "events", "lookups", "replays", "hold_changes", "known_cases"
        ):  # fmt: skip
            getattr(change, name).extend(getattr(whole, name))
        done = {each.id for each in change.hold_changes}
        change.hold_changes += [
            HoldChange("fixed", other.assignee, "The line was worked again", self._now(), other.id)
            for other in self._store.holds(position=message.position, states=OPEN_STATES, limit=ALL)
            if other.channel == channel and other.place in places and not other.destination and other.id not in done
        ]

    def _held(self, position: int, channel: str) -> tuple[set[str], int]:
        """Places of a channel's lines that are held now, and the number of its next run over the message."""
        before, attempt = self._became(position, channel)
        return {place for place, became in before.items() if became == "held"}, attempt

    def _became(self, position: int, channel: str) -> tuple[dict[str, Became], int]:
        """What became of each place when it was last worked, and the number of the channel's next run."""
        state: dict[str, Became] = {}
        attempt = 0
        for run in self._store.runs(position):
            if run.channel == channel:
                made, attempt = decode_made(run.documents), run.attempt + 1
                state |= {document[0]: "made" for document in made.documents}
                state |= {place: "filtered" for place, _ in made.filtered}
                state |= {place: "held" for place, *_ in made.held}
                if made.cases:
                    state[PLACE] = "made"
        for other in self._store.holds(position=position, state="rejected", limit=ALL):
            if other.channel == channel and other.kind == "held" and state.get(other.place) == "held":
                state[other.place] = "gone"
        return state, attempt

    def _decided(self, wish: Replay) -> Decision:
        """Raises `Damaged`, where a person can be asked again."""
        try:
            return decode_decision(wish.decision)
        except Damaged:
            if self._store.hold(wish.hold) is not None:
                raise
            # The two wishes that are about no exception: to look what is due on a line, or to work all lines again.
            return Decision(outcome="again" if wish.place else "")

    def _not_looked(self, message: Message, wish: Replay, why: Trouble) -> None:
        """What is due on a line can't be told; its exception, or one of its own, waits for a person again."""
        log.error("what is due on a line of the message at position %d can't be told: %s", message.position, why.words)
        change = Change(replays_done=[(wish.hold,)])
        raised = self._store.hold(wish.hold)
        if raised is None:
            scope = f"lines:{wish.channel}"
            change.counts = [Count(message.facility, scope, name, n) for name, n in (("waiting", -1), ("held", 1))]
            self._hold(message, wish.channel, [wish.place], why, change)
        else:
            again = raised._replace(id=self._identifier(), recorded_at=self._now(), code=why.code, cause=why.words)
            change.holds.append(again._replace(state="new", assignee="", reason="", changed_at=0))
        self._write(change)

    def _nobodys(self, message: Message, channel: str, attempt: int, change: Change) -> None:
        """What was left to a channel that is gone, such as master data, waits for a person, as one line."""
        why = Trouble("channel-gone", "", f"There is no channel '{channel}' any more that could work this message.", "")
        made = Made(SCHEMA, [], [], [(PLACE, why.code, why.field)])
        change.runs.append(Run(message.position, channel, "", self._now(), encode_made(made), attempt))
        change.counts += [Count(message.facility, f"lines:{channel}", name, 1) for name in ("produced", "held")]
        self._hold(message, channel, [PLACE], why, change)

    def _not_worked(self, message: Message, fault: Exception) -> None:
        """Everything stays as it was: the message can be worked again another time."""
        why = str(fault) if isinstance(fault, Damaged) else told(fault)
        log.error("the message at position %d could not be worked again: %s", message.position, why)

    def _fault(self, message: Message, channel: str, places: Collection[str], fault: Exception, change: Change) -> None:
        log.error("a line of the message at position %d could not be worked again: %s", message.position, told(fault))
        words = f"The engine failed when it worked this line again ({told(fault)})."
        why = fault.trouble if isinstance(fault, NotWorkable) else Trouble("engine-fault", "", words, "")
        self._hold(message, channel, places, why, change)

    def _damaged(
        self, message: Message, channel: str, places: Collection[str], damage: Damaged, change: Change
    ) -> None:
        log.error("a line of the message at position %d could not be worked again: %s", message.position, damage)
        words = f"{damage}: this line can't be worked again. Bring the store back from a backup, or reject it."
        self._hold(message, channel, places, Trouble("record-damaged", "", words, ""), change)

    def _hold(self, message: Message, channel: str, places: Collection[str], why: Trouble, change: Change) -> None:
        """The lines are held as before, for another reason."""
        change.holds += [
            hold(message, self._identifier(), why, channel=channel, place=place) for place in sorted(places)
        ]
