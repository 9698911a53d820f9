"""The ledger at work: a statement about a line becomes the postings that are due, as additions to a change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from casecart.rules import WAITS_FOR_CHARGE, Said, Trouble, consumption, due
from casecart.runtime.copy import encode_decision
from casecart.runtime.destination import Posting
from casecart.runtime.made import encode_postings
from casecart.runtime.stated import Statement, Verdict, encode_statements, encode_telling
from casecart.runtime.window import Work
from casecart.store import OPEN_STATES, Change, Count, Entry, HoldChange, Message, Replay, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from casecart.canonical import Usage
    from casecart.canonical.consumption import Consumption
    from casecart.rules import Due, Keys, Line, Movement, Repeat
    from casecart.rules.telling import Telling
    from casecart.runtime.channel import Decision
    from casecart.runtime.statements import Statements
    from casecart.store import Hold

__all__ = ["AGAIN", "Ledger", "first_posting", "in_rows"]

AGAIN: Final = encode_decision({"outcome": "again"})
"""The decision of a wish to look again what is due on a line."""

MOST: Final = 500
"""Postings of a row: when one of them has been answered, all of the row is written anew."""

ALL = 1_000_000
"""More exceptions than a message can have."""

_TROUBLE: Final = {
    "earlier-outcome-unknown": (
        "Nobody knows what became of an earlier posting of this line; say first whether it was posted."
    ),
    "earlier-posting-rejected": (
        "A person rejected an earlier posting of this line, so that nothing more is posted for it."
    ),
}

_payload = msgspec.json.Encoder().encode


def first_posting(
    keys: Keys, case_key: bytes, usage: Usage, decision: Decision, *, line: str, place: str
) -> tuple[Posting, Consumption]:
    """The posting that the first charge of a line calls for, without history, and its document.

    Raises:
        NotDerivable: the usage lacks what its posting can't do without.
    """
    key = f"{keys.line(case_key, line)}.1"
    document = consumption(usage, key=key, revision=1, line=line)
    return Posting(key, line, 1, place, decision.kind, _payload(document)), document


def in_rows(postings: list[Posting]) -> Sequence[list[Posting]]:
    """Postings as rows of the ledger hold them, in their order; one row at least."""
    if len(postings) <= MOST:
        return (postings,)
    return [postings[start : start + MOST] for start in range(0, len(postings), MOST)]


class Ledger:
    """What one channel's copy of a message adds to the ledger.

    Args:
        message: that the statements stand in.
        channel: its name.
        order_key: of a line: case key and document → what goes out one after the other.
        store: asked about exceptions of earlier postings, where there are any.
        statements: about the cases in hand.
        keys: derives the keys of postings.
        reserve: gives the sequence of a new ledger row.
        identifier: mints ids.
        change: is added to.
    """

    def __init__(
        self,
        *,
        message: Message,
        channel: str,
        order_key: Callable[[bytes, Consumption], bytes],
        store: Store,
        statements: Statements,
        keys: Keys,
        reserve: Callable[[], int],
        identifier: Callable[[], bytes],
        change: Change,
    ) -> None:
        self._message, self._channel, self._order_key, self._store = message, channel, order_key, store
        self._statements, self._keys, self._reserve = statements, keys, reserve
        self._identifier, self._change = identifier, change
        self._rows: dict[tuple[str, bytes, bytes], tuple[list[Posting], list[Statement], list[Verdict]]] = {}

    def first(self, case_key: bytes, line: str, place: str, decision: Decision, usage: Usage) -> None:
        """The first statement about a line, a charge: it is posted as it is, and its posting tells all of it.

        Raises:
            NotDerivable: the usage lacks what its posting can't do without.
        """
        posting, document = first_posting(self._keys, case_key, usage, decision, line=line, place=place)
        self._plan(case_key, decision.to, posting, document)

    def state(self, case_key: bytes, line: str, said: Said, repeat: Repeat) -> Trouble | None:
        """Any other statement: what is due after it is posted, now or when what is on its way has been answered.

        Returns:
            Why a person must look at it; then nothing is posted.
        """
        taken = self._statements.case(case_key).take(line, said, repeat)
        if isinstance(taken, Trouble):
            if taken.code == WAITS_FOR_CHARGE:
                self._write(case_key, line, said, waits=True)
            return taken
        for each in taken.said:
            self._write(case_key, taken.line, each)
        for credit in taken.linked:
            raised = self._store.holds(
                states=OPEN_STATES,
                limit=ALL,
                position=credit.position,
                channel=credit.channel,
                place=credit.place,
                code=WAITS_FOR_CHARGE,
            )
            self._close(raised, "held", "Its charge came")
        return self.settle(case_key, taken.line, said.place)

    def compare(self, case_key: bytes, line: str, said: Said, repeat: Repeat) -> Trouble | None:
        """A statement that was taken before, as the same place of the message tells it today.

        What is posted stays. What was not posted yet is as it is told now. Nothing is counted: it has been.

        Returns:
            Why it is another one than was posted.
        """
        taken = self._statements.case(case_key).take(line, said, repeat)
        if isinstance(taken, Trouble):
            return taken
        for each in taken.said:
            self._write(case_key, taken.line, each)
        known = self._statements.case(case_key).lines.get(taken.line)
        if known is None or known.on_its_way or known.unsure is not None:
            return None
        return self.settle(case_key, taken.line, said.place, 0) if taken.said else None

    def settle(self, case_key: bytes, name: str, place: str, own: int = 1) -> Trouble | None:
        """Post what is due on a line, if anything is.

        Args:
            case_key: of its case.
            name: the line.
            place: the statement that made it due.
            own: how many lines of the balance that is about: none, where the statement has been counted already.

        Returns:
            Why nothing can be posted until a person has looked at it.
        """
        line = self._statements.case(case_key).lines[name]
        if line.on_its_way:
            self._later(place)
            return None
        if line.unsure is not None:
            return Trouble("earlier-outcome-unknown", "", _TROUBLE["earlier-outcome-unknown"], "")
        void = [movement for movement in line.movements if movement.effect == "none"]
        if any(self._rejected(movement) for movement in void):
            return Trouble("earlier-posting-rejected", "", _TROUBLE["earlier-posting-rejected"], "")
        for movement in void:
            raised = self._store.holds(states=OPEN_STATES, limit=ALL, position=movement.position, key=movement.key)
            self._close(raised, movement.state, "A later posting stands for it")
        wanted = due(line)
        self.count("produced" if wanted else "no_change", len(wanted) - own if wanted else own)
        for each in wanted:
            self._post(case_key, name, place, each, self._revision(case_key, name, line))
        return None

    def verdict(self, case_key: bytes, destination: str, verdict: Verdict, order_key: bytes) -> None:
        """What a person found out about a posting that was given up."""
        self._row(destination, case_key, order_key)[2].append(verdict)
        self._add(case_key, destination, verdict)

    def tell(self, resource_key: bytes, telling: Telling) -> None:
        """Keep what a version of a resource names."""
        self._statements.tell(resource_key, telling)
        message = self._message
        entry = Entry(
            sequence=self._reserve(),
            position=message.position,
            channel=self._channel,
            facility=message.facility,
            case_key=resource_key,
            order_key=resource_key,
            destination="",
            open=0,
            recorded_at=message.recorded_at,
            postings=encode_postings([]),
            statements=encode_telling(telling),
        )
        self._change.entries.append(entry)

    def count(self, name: str, amount: int) -> None:
        """Of the channel's lines."""
        if amount:
            self._change.counts.append(Count(self._message.facility, f"lines:{self._channel}", name, amount))

    def works(self) -> list[Work]:
        """Writes the rows; gives the work for destinations."""
        message, works = self._message, []
        for (destination, case_key, order_key), (all_postings, statements, verdicts) in self._rows.items():
            rows = in_rows(all_postings)
            for number, postings in enumerate(rows, 1):
                # A statement is read before the postings that it made due, a verdict after those that it is about.
                first, last = number == 1, number == len(rows)
                entry = Entry(
                    sequence=self._reserve(),
                    position=message.position,
                    channel=self._channel,
                    facility=message.facility,
                    case_key=case_key,
                    order_key=order_key,
                    destination=destination,
                    open=len(postings),
                    recorded_at=message.recorded_at,
                    postings=encode_postings(postings),
                    statements=encode_statements(statements if first else [], verdicts if last else []),
                )
                self._change.entries.append(entry)
                if postings:
                    works.append(Work(entry, postings))
        return works

    def _post(self, case_key: bytes, line: str, place: str, wanted: Due, revision: int) -> None:
        key = f"{self._keys.line(case_key, line)}.{revision}"
        document = msgspec.structs.replace(
            wanted.document,
            key=key,
            revision=revision,
            action="reverse" if wanted.quantity < 0 else "use",
            quantity=abs(wanted.quantity),
            reverses=wanted.reverses,
        )
        posting = Posting(key, line, revision, place, wanted.kind, _payload(document))
        self._plan(case_key, wanted.destination, posting, document)

    def _plan(self, case_key: bytes, destination: str, posting: Posting, document: Consumption) -> None:
        posting.history = [(self._message.recorded_at, "planned")]
        self._row(destination, case_key, self._order_key(case_key, document))[0].append(posting)
        self._add(case_key, destination, posting)

    def _write(self, case_key: bytes, line: str, said: Said, *, waits: bool = False) -> None:
        statement = Statement(
            position=said.position,
            place=said.place,
            line=line,
            kind=said.kind,
            quantity=said.quantity,
            replaces=said.replaces,
            version=said.version,
            document=_payload(said.document),
            waits=waits,
            channel="" if said.channel == self._channel else said.channel,
        )
        order_key = self._order_key(case_key, said.document)
        self._row(said.destination, case_key, order_key)[1].append(statement)
        self._add(case_key, said.destination, statement)

    def _row(
        self, destination: str, case_key: bytes, order_key: bytes
    ) -> tuple[list[Posting], list[Statement], list[Verdict]]:
        return self._rows.setdefault((destination, case_key, order_key), ([], [], []))

    def _add(self, case_key: bytes, destination: str, what: Posting | Statement | Verdict) -> None:
        self._statements.add(case_key, self._message.position, self._channel, destination, [what])

    def _revision(self, case_key: bytes, name: str, line: Line) -> int:
        now = self._statements.case(case_key).lines.get(name, line)
        return now.revision + 1

    def _later(self, place: str) -> None:
        """A line has one posting on its way at a time: what became of it decides what is due then."""
        message = self._message
        wish = Replay(
            self._identifier(), message.position, self._channel, place, message.recorded_at, message.actor, "", AGAIN
        )
        self._change.replays.append(wish)
        self.count("waiting", 1)

    def _rejected(self, movement: Movement) -> bool:
        holds = self._store.holds(position=movement.position, key=movement.key, state="rejected", limit=1)
        return bool(holds)

    def _close(self, raised: Iterable[Hold], term: str, reason: str) -> None:
        """Exceptions about a line that need nobody any more. It stood in the balance under `term`."""
        done = {change.id for change in self._change.hold_changes}
        for hold in raised:
            if hold.id in done:
                continue
            self._change.hold_changes.append(
                HoldChange("fixed", hold.assignee, reason, self._message.recorded_at, hold.id)
            )
            scope = f"lines:{hold.channel}"
            self._change.counts += [Count(hold.facility, scope, term, -1), Count(hold.facility, scope, "no_change", 1)]
