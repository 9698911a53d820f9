"""The backlog: messages that are stored and not yet mapped, worked off in order.

After an unclean stop the engine stores first and maps later, and marks durably what it is about to map: a message that
kills the process is found that way, and put aside after three deaths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.runtime.marks import RUNNING
from casecart.store import Change, Count, Cursor, Hold, Message, Store, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.runtime.clock import Call, Clock
    from casecart.runtime.journal import Journal
    from casecart.runtime.pipeline import Pipeline
    from casecart.runtime.window import Work

__all__ = ["Backlog"]

GROUP = 64
TURN = 0.05  # seconds that one turn may take, if one message alone does not take longer
DEATHS = 3
WAIT = 0.005  # seconds until it is looked again whether there is anything to do, and whether it can be done
CAREFUL = 300.0  # seconds after an unclean start in which every message is stored before it is mapped

TRYING = "backlog:trying"  # position: the first of the group in hand; epoch: deaths so far
UNTIL = "backlog:until"  # position: the last of that group


class Backlog:
    """Works off waiting messages and says when mapping may share the intake's commit again.

    Args:
        store: the durable store.
        journal: commits and answers.
        pipeline: maps messages.
        reactor: gives the turns.
        identifier: mints ids of exceptions.
        now: wall clock, µs since 1970.
        planned: told of work for destinations, after its commit.
        broken: told that the store failed for good, or the engine did; it must stop.
        recovered: told that the store may have taken work that nobody was told of.
        ready: whether messages can be mapped; until then they wait.
    """

    def __init__(
        self,
        *,
        store: Store,
        journal: Journal,
        pipeline: Pipeline,
        reactor: Clock,
        identifier: Callable[[], bytes],
        now: Callable[[], int],
        planned: Callable[[list[Work]], None],
        broken: Callable[[Exception], None],
        recovered: Callable[[], None],
        ready: Callable[[], bool],
    ) -> None:
        self._ready = ready
        self._store, self._journal, self._pipeline, self._reactor = store, journal, pipeline, reactor
        self._identifier, self._now, self._planned, self._broken = identifier, now, planned, broken
        self._recovered = recovered
        self._careful_until = 0.0
        self._suspects: tuple[int, int, int] | None = None
        self._call: Call | None = None
        self._stopped = False
        self._marked = False
        self._trying, self._until = TRYING, UNTIL
        journal.overran = self._start

    def begin(self) -> None:
        """Look at how the last run ended, mark this one, and work off what waits."""
        if any(cursor.name == RUNNING and cursor.position for cursor in self._store.cursors()):
            self.beware()
            self._suspect_what_stands_in(TRYING, UNTIL)
        self._store.write(Change(cursors=[Cursor(RUNNING, 0, 1, 0)]))
        self._journal.store_first = True
        self._start()

    def beware(self) -> None:
        """An engine was killed: for a while every message is stored, and marked, before it is mapped."""
        self._careful_until = self._reactor.seconds() + CAREFUL

    def _suspect_what_stands_in(self, trying: str, until: str) -> None:
        """What an engine that was killed had in hand, as it marked it."""
        marks = {cursor.name: cursor for cursor in self._store.cursors() if cursor.partition == 0}
        first, last = marks.get(trying), marks.get(until)
        if first is not None and last is not None and first.position:
            self._suspects = (first.position, last.position, first.epoch + 1)

    def end(self) -> None:
        """A clean stop: nothing is in hand."""
        self._stop()
        self._store.write(Change(cursors=[Cursor(RUNNING, 0, 0, 0), Cursor(TRYING, 0, 0, 0)]))

    def _stop(self) -> None:
        self._stopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None

    @property
    def careful(self) -> bool:
        """Whether every message is marked before it is mapped."""
        return self._suspects is not None or self._reactor.seconds() < self._careful_until

    def _start(self) -> None:
        if self._call is None and not self._stopped:
            self._call = self._reactor.callLater(0, self._turn)

    def _turn(self) -> None:
        self._call = None
        if self._stopped:
            return
        if not self._ready():
            self._call = self._reactor.callLater(WAIT, self._turn)
            return
        try:
            more = self._step()
        except StoreUnavailable:
            self._recovered()  # its commit may have been made: nothing newer may be fed before that is looked up
            self._call = self._reactor.callLater(1.0, self._turn)
            return
        except Exception as fault:  # noqa: BLE001 - as in the journal
            self._broken(fault)
            return
        if more:
            self._call = self._reactor.callLater(0, self._turn)
        else:
            self._rest()

    def _rest(self) -> None:
        """Nothing waits."""
        if self.careful:
            self._call = self._reactor.callLater(WAIT, self._turn)
        else:
            self._journal.store_first = False

    def _waiting(self) -> list[Message]:
        return self._store.waiting(0, GROUP)

    def _write(self, change: Change, messages: list[Message]) -> bool:
        """Write what is to become of these messages; whether it was written."""
        del messages
        self._store.write(change)
        return True

    def _step(self) -> bool:
        """Work off one group; whether there was any."""
        messages = self._waiting()
        if not messages:
            self._suspects = None
            return False
        if self._suspects is not None:
            first, last, deaths = self._suspects
            group = [message for message in messages if message.position <= last]
            if not group:
                self._suspects = None
            elif first == last and group[0].position == first:
                more = self._suspect(group[0], deaths)
                self._suspects = None  # only now: its deaths are counted, or it is put aside
                return more
            else:  # one of several killed the process: from now on one at a time
                return self._one(group[0], deaths)
        if self.careful:
            self._mark(messages[0].position, messages[-1].position, 0)
        self._commit(messages)
        return True

    def _one(self, message: Message, deaths: int) -> bool:
        self._mark(message.position, message.position, deaths)
        self._commit([message])
        return True

    def _suspect(self, message: Message, deaths: int) -> bool:
        if deaths < DEATHS:
            return self._one(message, deaths)
        self._quarantine(message)
        return True

    def _mark(self, first: int, last: int, deaths: int) -> None:
        self._marked = True
        self._store.write(Change(cursors=[Cursor(self._trying, 0, first, deaths), Cursor(self._until, 0, last, 0)]))

    def _commit(self, messages: list[Message]) -> None:
        change = Change()
        works: list[Work] = []
        # What is left over waits for the next turn, in the store: meanwhile senders are answered.
        results = self._pipeline.process(messages, change, self._reactor.seconds() + TURN, least=1)
        messages = messages[: len(results)]
        for message, result in zip(messages, results, strict=True):
            change.outcomes.append((result.outcome, result.notes, message.position))
            works += result.works
        if self._marked:
            change.cursors.append(Cursor(self._trying, 0, 0, 0))
        if not self._write(change, messages):
            return
        self._marked = False
        if works:
            self._planned(works)
        for message in messages:
            self._journal.processed(message.position)

    def _quarantine(self, message: Message) -> None:
        change = Change(
            outcomes=[("quarantined", message.notes, message.position)],
            holds=[
                Hold(
                    self._identifier(), message.organisation, message.facility, message.position, self._now(), "engine",
                    "", "", "", "kills-the-engine",
                    f"The engine died {DEATHS} times while it worked on this message; it was put aside unread.",
                    "", "", "new",
                )
            ],
            counts=[Count(message.facility, f"messages:{message.listener}", "quarantined", 1)],
            cursors=[Cursor(self._trying, 0, 0, 0)],
        )  # fmt: skip
        if self._write(change, [message]):
            self._journal.processed(message.position)
