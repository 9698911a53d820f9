"""What has been stated about the cases in hand: rows of the ledger, and what is added while a group is processed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from casecart.canonical.consumption import Consumption
from casecart.rules import Case, Line, Movement, Said
from casecart.runtime.made import decode_postings
from casecart.runtime.stated import Statement, Verdict, decode_statements, decode_tellings
from casecart.runtime.states import OPEN
from casecart.store import Damaged, case_lookup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from casecart.rules import Effect
    from casecart.rules.telling import Telling
    from casecart.runtime.copy import Copy
    from casecart.runtime.destination import Posting
    from casecart.store import CaseRow, Entry, Store

__all__ = ["Record", "Statements", "case_of", "records_of"]

_consumption = msgspec.json.Decoder(Consumption).decode
_NOTHING = {"key": "", "revision": 0, "action": "use", "quantity": Decimal(0), "reverses": None}


_Stated: TypeAlias = "Posting | Statement | Verdict"

_Row: TypeAlias = "tuple[int, str, str, Sequence[_Stated]]"
"""Of a row of the ledger: position, channel, destination, and what it says."""


class Record(NamedTuple):
    """One thing of a row of the ledger, with what it needs of the row."""

    position: int
    channel: str
    destination: str
    what: _Stated


class Statements:
    """All that the ledger has about each case that the copies speak of.

    Args:
        store: asked once, for all of them; while an engine works on a case, no other one does.
        copies: of the messages in hand, mapped.
    """

    def __init__(self, store: Store, copies: Iterable[Copy]) -> None:
        self._store = store
        self._cases: dict[bytes, tuple[list[_Row], set[str]]] = {}
        self._added: list[tuple[bytes, set[str] | None]] = []
        self._told: dict[bytes, list[Telling]] = {}
        self._asked: set[bytes] = set()
        self._damaged: dict[bytes, Damaged] = {}
        cases: set[tuple[str, bytes]] = set()
        for copy in copies:
            asked = None
            for document in copy.documents:
                if document.case is not None and document.case != asked:
                    asked = document.case
                    cases.add((document.facility or "", copy.pseudonyms.case_key(asked)))
            for version in copy.every.versions:
                cases.add((copy.pseudonyms.facility, copy.pseudonyms.resource_key(copy.channel.name, version.name)))
        self._read(store, cases)

    @classmethod
    def of_case(cls, store: Store, facility: str, case_key: bytes) -> Statements:
        """About one case."""
        statements = cls(store, ())
        statements._read(store, {(facility, case_key)})
        return statements

    def _read(self, store: Store, cases: set[tuple[str, bytes]]) -> None:
        if not cases:
            return
        self._asked.update([case_key for _, case_key in cases])
        store.lock([case_lookup(case_key) for _, case_key in cases])
        for row in store.case_rows(cases):
            rows, lines = self._of(row.case_key)
            try:
                stated = _stated(row)
            except Damaged as damage:  # what was said of the case is not known any more: nothing is due on it
                self._damaged[row.case_key] = damage
                lines.add(_waiting)  # so that no line of it is taken for a new one
                continue
            if not row.destination:
                self._told.setdefault(row.case_key, []).extend(decode_tellings(row.statements))
            rows.append((row.position, row.channel, row.destination, stated))
            lines.update(map(_name, stated))

    def new(self, case_key: bytes, line: str) -> bool:
        """Whether nothing was stated about a line before, and no credit of its case waits for a charge."""
        known = self._cases.get(case_key)
        return known is None or (line not in known[1] and _waiting not in known[1])

    def named(self, case_key: bytes, told: str, shared: str) -> str:
        """The name of a line that is told by an id and by a serial number: by that, unless the id is known already."""
        known = self._cases.get(case_key)
        return told if known is not None and told in known[1] else shared

    def case(self, case_key: bytes) -> Case:
        """What the case comes to as of now. Raises `Damaged` where a row of it is."""
        if case_key in self._damaged:
            raise self._damaged[case_key]
        return case_of(
            [
                Record(position, channel, destination, what)
                for position, channel, destination, stated in self._of(case_key)[0]
                for what in stated
            ]
        )

    def add(self, case_key: bytes, position: int, channel: str, destination: str, stated: Sequence[_Stated]) -> None:
        """What is stated or posted now: so much of a row of the ledger. The sequence must stay as it is."""
        rows, lines = self._of(case_key)
        new = {_name(what) for what in stated}
        if lines:
            new -= lines
        rows.append((position, channel, destination, stated))
        lines |= new
        self._added.append((case_key, new))

    def also(self, facility: str, case_keys: Iterable[bytes]) -> None:
        """Cases that no copy speaks of: what is told of a resource may be about those, too."""
        self._read(self._store, {(facility, key) for key in case_keys if key not in self._asked})

    def tellings(self, resource_key: bytes) -> Sequence[Telling]:
        """What the versions of a resource that a copy speaks of have told. Raises `Damaged`, as `case`."""
        if resource_key in self._damaged:
            raise self._damaged[resource_key]
        return self._told.get(resource_key, ())

    def tell(self, resource_key: bytes, telling: Telling) -> None:
        """What a version tells now."""
        self._told.setdefault(resource_key, []).append(telling)
        self._added.append((resource_key, None))

    @property
    def mark(self) -> int:
        """How much has been added."""
        return len(self._added)

    def take_back(self, mark: int) -> None:
        """What was added since the mark is not made after all."""
        for case_key, new in reversed(self._added[mark:]):
            if new is None:
                self._told[case_key].pop()
                continue
            rows, lines = self._cases[case_key]
            rows.pop()
            lines -= new
        del self._added[mark:]

    def _of(self, case_key: bytes) -> tuple[list[_Row], set[str]]:
        known = self._cases.get(case_key)
        if known is None:
            known = self._cases[case_key] = ([], set())
        return known


_waiting = "\0waiting"
"""Stands among the lines of a case for a credit that waits; no line is called that."""


def _name(what: _Stated) -> str:
    """Of the line that it is about."""
    return _waiting if what.__class__ is Statement and what.waits else what.line


def records_of(row: CaseRow | Entry) -> list[Record]:
    """All of a row: what was stated, what was posted for it, and what people found out. Raises `Damaged`."""
    return [Record(row.position, row.channel, row.destination, what) for what in _stated(row)]


def _stated(row: CaseRow | Entry) -> list[_Stated]:
    statements, verdicts = decode_statements(row.statements)
    return [*statements, *decode_postings(row.postings), *verdicts]


def case_of(records: Iterable[Record]) -> Case:
    """The lines of a case, from its records in the order of their coming."""
    case = Case()
    told = {
        (each.what.position, each.what.place, each.what.channel or each.channel)
        for each in records
        if isinstance(each.what, Statement)
    }
    for position, channel, destination, what in records:
        if isinstance(what, Verdict):
            line = case.lines[what.line]
            effect: Effect = "done" if what.outcome == "posted" else "none"
            line.movements = [
                each._replace(effect=effect, state="told") if each.key == what.key else each for each in line.movements
            ]
            continue
        if isinstance(what, Statement):
            said = Said(
                position=what.position,
                place=what.place,
                channel=what.channel or channel,
                destination=destination,
                kind=what.kind,
                quantity=what.quantity,
                replaces=what.replaces,
                version=what.version,
                document=_consumption(what.document),
            )
            if what.waits:
                case.waiting.append((what.line, said))
            else:
                case.lines.setdefault(what.line, Line()).said.append(said)
                case.waiting = [each for each in case.waiting if each[1].source != said.source]
            continue
        _posted(case, Record(position, channel, destination, what), what, told)
    return case


def _posted(case: Case, record: Record, posting: Posting, told: set[tuple[int, str, str]]) -> None:
    document = _consumption(posting.payload)
    quantity = -document.quantity if document.action == "reverse" else document.quantity
    bare = msgspec.structs.replace(document, **_NOTHING)
    line = case.lines.setdefault(posting.line, Line())
    source = (record.position, posting.place, record.channel)
    if source not in told:  # its posting tells what it stated
        told.add(source)
        line.said.append(
            Said(
                position=record.position,
                place=posting.place,
                channel=record.channel,
                destination=record.destination,
                kind=posting.kind,
                quantity=quantity,
                replaces=False,
                version=0,
                document=bare,
            )
        )
    line.movements.append(
        Movement(
            key=posting.key,
            revision=posting.revision,
            destination=record.destination,
            effect=_effect(posting),
            state=posting.state,
            quantity=quantity,
            document=bare,
            position=record.position,
            channel=record.channel,
        )
    )


def _effect(posting: Posting) -> Effect:
    if posting.state in OPEN:
        return "open"
    if posting.state == "posted":
        return "done"
    return "unsure" if posting.unsure else "none"
