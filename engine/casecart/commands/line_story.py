"""The story of a line: put together from its case in the ledger, the messages that it came with, and the worklist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.commands.line_view import (
    LineStatement,
    LineStory,
    LineVerdict,
    fields_of,
    line_exception,
    posting_view,
    stands_of,
    sums_of,
)
from casecart.commands.moment import moment
from casecart.commands.worklist import OPEN
from casecart.rules.ledger import standing
from casecart.runtime.identifier import shown
from casecart.store import lookup_key, storable

if TYPE_CHECKING:
    from casecart.canonical import Usage
    from casecart.commands.line_source import CaseFile, Messages, Source, Told
    from casecart.commands.line_view import Became, LinePosting, LineSum, Stands
    from casecart.rules import Said
    from casecart.store import Hold, Store

__all__ = ["MOST_LOOKED_AT", "LineTeller"]

ALL = 1_000_000
"""More exceptions than a message can have."""

MOST_LOOKED_AT = 1_000
"""Messages of the case, or where these can't be looked up open exceptions under the line's id, that are looked at."""


class LineTeller:
    """Tells of one line.

    Args:
        store: has the worklist.
        messages: of the same store.
        file: the line's case.
        name: the line.
        asked: the statement that was asked for.
    """

    def __init__(self, *, store: Store, messages: Messages, file: CaseFile, name: str, asked: Source) -> None:
        self._store, self._messages, self._file, self._name, self._asked = store, messages, file, name, asked
        self._line = file.case.lines.get(name)
        self._said = self._line.said if self._line is not None else []
        self._posted = file.postings(name)
        told = messages.told_at(asked)
        own = {told.usage.case} if told is not None and told.usage is not None and told.usage.case else set()
        self._tokens = file.tokens or own
        self._looked_up_by = file.tokens | own
        self._same_case = dict.fromkeys(self._tokens, True)
        self._not_taken, self._not_all = self._left_out()
        self._holds = self._raised()

    def story(self) -> LineStory:
        """All about it."""
        statements = [*self._stated(), *(self._other(source, told) for source, told in self._not_taken.items())]
        sums = sums_of(self._line) if self._line is not None else []
        return LineStory(
            facility=self._file.facility,
            case=", ".join(sorted(self._tokens)),
            line=self._name,
            stands=self._stands(sums),
            position=self._asked[0],
            place=self._asked[1],
            statements=sorted(statements, key=lambda each: each.position),
            waiting=[self._statement(said, "waits", told_as) for told_as, said in self._file.case.waiting],
            postings=self._postings(),
            sums=sums,
            exceptions=[line_exception(hold) for hold in self._holds],
            not_all_exceptions=self._not_all,
        )

    def _stated(self) -> list[LineStatement]:
        counting = {id(each) for each in standing(self._said)}
        found = []
        for said in self._said:
            told = self._messages.told_at(said.source)
            told_as = told.line if told is not None and told.line else self._name
            found.append(self._statement(said, "counts" if id(said) in counting else "replaced", told_as))
        return found

    def _statement(self, said: Said, became: Became, told_as: str) -> LineStatement:
        message = self._messages.message(said.position)
        return LineStatement(
            position=said.position,
            control_id=message.control_id if message is not None else "",
            recorded_at=moment(message.recorded_at if message is not None else 0),
            channel=said.channel,
            place=said.place,
            segment=self._messages.segments(said.position).at(said.place),
            body_deleted=self._messages.body_deleted(said.position),
            told_as=told_as,
            action="reverse" if said.quantity < 0 else "use",
            quantity=said.quantity,
            replaces=said.replaces,
            became=became,
            linked_by=None if became == "waits" else self._file.linked_by(said.source),
            destination=said.destination,
            document=fields_of(said.document),
            postings=[each.posting.key for each in self._posted if each.source == said.source],
            exceptions=self._about(said.source),
        )

    def _other(self, source: Source, told: Told) -> LineStatement:
        """A statement that the ledger does not have."""
        position, place, channel = source
        message, usage = self._messages.message(position), told.usage
        became: Became = "adds nothing"
        if told.held:
            states = {hold.state for hold in self._holds if _source(hold) == source and hold.kind == "held"}
            became = "rejected" if "rejected" in states else "held"
        quantity = usage.quantity if usage is not None else None
        action = (usage.action if usage is not None else None) or ""
        return LineStatement(
            position=position,
            control_id=message.control_id if message is not None else "",
            recorded_at=moment(message.recorded_at if message is not None else 0),
            channel=channel,
            place=place,
            segment=self._messages.segments(position).at(place),
            body_deleted=self._messages.body_deleted(position),
            told_as=told.line,
            action=action,
            quantity=-quantity if quantity is not None and action == "reverse" else quantity,
            replaces=None,
            became=became,
            linked_by=None,
            destination="",
            document=fields_of(usage) if usage is not None else {},
            postings=[],
            exceptions=self._about(source),
        )

    def _postings(self) -> list[LinePosting]:
        line, verdicts = self._line, self._file.verdicts
        found: list[LinePosting] = []
        if line is None:
            return found
        for posted in self._posted:
            key = posted.posting.key
            about = [hold for hold in self._holds if hold.key == key]
            verdict = None
            if key in verdicts:
                fixed = next((hold for hold in about if hold.state == "fixed"), None)
                verdict = LineVerdict(
                    outcome=verdicts[key].outcome,
                    at=moment(fixed.changed_at) if fixed is not None else None,
                    reason=fixed.reason if fixed is not None else "",
                )
            found.append(posting_view(posted, line, verdict, [shown(hold.id) for hold in about]))
        return sorted(found, key=lambda each: each.revision)

    def _stands(self, sums: list[LineSum]) -> Stands:
        if self._line is not None:
            return stands_of(self._line, sums, {hold.key: hold.state for hold in self._holds if hold.key})
        waits = any(said.source == self._asked for _, said in self._file.case.waiting)
        return "waiting" if waits else "not taken"

    def _left_out(self) -> tuple[dict[Source, Told], bool]:
        """What was stated under the line's id in its case, and not taken; and whether there may be more of it."""
        taken = self._file.sources
        positions = {self._asked[0], *(said.position for said in self._said)}
        under, all_of_them = self._waiting_under()
        positions |= {hold.position for hold in under if not hold.key}
        found = {}
        for position in sorted(positions):
            for (channel, place), told in self._messages.told(position).items():
                source = (position, place, channel)
                if told.line == self._name and source not in taken and self._of_case(told.usage):
                    found[source] = told
        return found, not all_of_them

    def _waiting_under(self) -> tuple[list[Hold], bool]:
        """Open exceptions under the line's id, at least all of its case; and whether they are all."""
        store, line, facility = self._store, storable(self._name), self._file.facility
        if any(store.token(token) is None for token in self._looked_up_by):  # older than the look-ups
            under = store.holds(states=OPEN, line=line, facility=facility, limit=MOST_LOOKED_AT + 1)
            return under[:MOST_LOOKED_AT], len(under) <= MOST_LOOKED_AT
        # Not by the line's id alone: many senders number the lines of each case from 1.
        keys = [lookup_key("token", token) for token in self._looked_up_by]
        positions = store.looked_up(keys, limit=MOST_LOOKED_AT + 1)
        found = [
            hold
            for position in positions[-MOST_LOOKED_AT:]
            for hold in store.holds(states=OPEN, position=position, line=line, facility=facility, limit=ALL)
        ]
        return found, len(positions) <= MOST_LOOKED_AT

    def _of_case(self, usage: Usage | None) -> bool:
        """Whether a document is of the line's case, also where tokens were renewed in between."""
        if usage is None or usage.case is None or (usage.facility or "") != self._file.facility:
            return False
        if usage.case not in self._same_case:
            value = self._value(usage.case)
            same = value is not None and value in {self._value(token) for token in self._tokens}
            self._same_case[usage.case] = same
        return self._same_case[usage.case]

    def _value(self, token: str) -> str | None:
        known = self._store.token(token)
        return None if known is None else known.value

    def _raised(self) -> list[Hold]:
        """Exceptions about its statements, about credits that wait, and about its postings; oldest first."""
        waiting = {said.source for _, said in self._file.case.waiting}
        sources = {*self._not_taken, *(said.source for said in self._said), *waiting}
        keys = {each.posting.key for each in self._posted}
        positions = {position for position, _, _ in sources} | {each.source[0] for each in self._posted}
        return [
            hold
            for position in sorted(positions)
            for hold in reversed(self._store.holds(position=position, limit=ALL))
            if (hold.key in keys if hold.key else _source(hold) in sources)
        ]

    def _about(self, source: Source) -> list[str]:
        return [shown(hold.id) for hold in self._holds if not hold.key and _source(hold) == source]


def _source(hold: Hold) -> Source:
    return (hold.position, hold.place, hold.channel)
