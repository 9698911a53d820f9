"""What it comes to that a message about master data is brought in; nothing is changed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from casecart.canonical.master import decode_document
from casecart.mapping import MappingContext
from casecart.master.import_plan import plan_import
from casecart.master.items import FIELD_OF_SYSTEM
from casecart.master.record import rows_of
from casecart.master.table_file import DocumentKey
from casecart.rules import Trouble
from casecart.runtime.copier import date_at, text_of
from casecart.runtime.not_owner import MOST_CONFLICTS
from casecart.runtime.record_keys import number_keys, record_keys
from casecart.runtime.stamp import stamp_of
from casecart.runtime.told_records import ToldRecord, contradictions, everywhere, first_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from casecart.canonical.master import MasterDocument
    from casecart.master.catalogue import Catalogue
    from casecart.master.import_plan import ImportPlan
    from casecart.master.ownership import OwnershipRule
    from casecart.master.table_file import TableRows
    from casecart.runtime.master_channel import MasterChannel
    from casecart.store import Message, Store

__all__ = ["NEWEST", "MasterPlanner", "Planned"]

NEWEST: Final = 100
"""Messages about one record that are looked at, to tell whether a later one came before."""

MOST: Final = 10_000
"""Lines that one message may make: bringing them in takes some seconds, and nothing else is done meanwhile."""


class _Told(NamedTuple):
    """What a message says: records, and what is wrong with others."""

    records: list[ToldRecord]
    gone: list[list[int]]
    """Look-ups of the numbers that are removed wherever they are."""
    troubles: list[Trouble]


class Planned(NamedTuple):
    """What bringing a message in comes to."""

    plan: ImportPlan | None = None
    """None: there is nothing to do, or something is wrong."""
    about: Sequence[int] = ()
    """Look-ups of its records."""
    troubles: Sequence[Trouble] = ()
    late: bool = False
    """Whether later messages told all of it already."""


class MasterPlanner:
    """Plans what messages tell.

    Args:
        store: asked for earlier messages about the same records, and for documents.
        catalogue: asked which items have a number.
        owners: who may say what.
        time_zones: by facility; what is brought in may name these.
    """

    def __init__(
        self, store: Store, catalogue: Catalogue, owners: OwnershipRule, time_zones: Mapping[str, ZoneInfo]
    ) -> None:
        self._store, self._catalogue, self._owners, self._time_zones = store, catalogue, owners, time_zones

    def plan(self, message: Message, channel: MasterChannel) -> Planned:
        """What has to be changed, or why it can't be. Raises what the store does."""
        said = self._read(message, channel)
        if said.troubles:
            return Planned(troubles=first_of(said.troubles))
        records = [(each, record_keys(channel.name, each.rows)) for each in said.records]
        records = [
            each for each in records if not self._late(message, each[1]) and not self._gone(message, channel, each[0])
        ]
        if wrong := contradictions(records):
            return Planned(troubles=first_of(wrong))
        about = [key for keys in (*(keys for _, keys in records), *said.gone) for key in keys]
        if not records:
            return Planned(about=about, late=bool(said.records))
        for line, (record, _) in enumerate(records, 2):
            record.rows.rows[:] = [row._replace(line=line) for row in record.rows.rows]
        tables = [record.rows for record, _ in records]
        plan = plan_import(
            self._documents(tables),
            tables,
            source=channel.source,
            owners=self._owners,
            part=True,
            facilities=self._time_zones,
        )
        places = [record.place for record, _ in records]
        wrong = [
            Trouble(each.code, "", f"{_at(places, each.place.line)}{each.message}", "")
            for each in plan.findings
            if each.severity == "error"
        ]
        if len(plan.conflicts) > MOST_CONFLICTS:
            words = (
                f"{len(plan.conflicts):,} groups of fields belong to other systems than '{channel.source}': change the "
                "channel's source or config/ownership.yaml."
            )
            wrong.append(Trouble("not-owner", "", words, ""))
        return Planned(plan, about, wrong)

    def _read(self, message: Message, channel: MasterChannel) -> _Told:
        text, charset, _ = text_of(message)
        zone = self._time_zones[message.facility]
        context = MappingContext(
            facility=message.facility,
            time_zone=zone,
            today=date_at(message.recorded_at, zone),
            token=_no_token,
            source=message.control_id,
            charset=charset,
        )
        found = _Told([], [], [])
        lines, empty = 0, True
        for table, mapping in channel.tables:
            mapped = mapping.run(text, context)
            empty = empty and not (mapped.documents or mapped.filtered or mapped.exceptions)
            lines += len(mapped.documents) + len(mapped.exceptions)
            if lines > MOST:
                words = (
                    f"The message has more than {MOST:,} lines: bring them in as files, or have them sent in pieces."
                )
                return _Told([], [], [Trouble("too-large", "", words, "")])
            for problem in mapped.exceptions:
                words = f"{problem.place} ({table.name}): {problem.words}"
                found.troubles.append(Trouble(problem.code, problem.field, words, problem.subject))
            for document, place in zip(mapped.documents, mapped.places, strict=True):
                anywhere = everywhere(table.name, document)
                if anywhere:
                    found.gone.append(number_keys(channel.name, document.system, document.value))
                for record in self._named(document) if anywhere else (document,):
                    rows, findings = rows_of(table, record, table.name)
                    found.troubles.extend(
                        Trouble(each.code, "", f"{place} ({table.name}): {each.message}", "")
                        for each in findings
                        if each.severity == "error"
                    )
                    if rows is not None:
                        found.records.append(ToldRecord(place, rows))
        if empty:
            words = "The message has no record that a mapping of its channel could read: have it sent again, whole."
            found.troubles.append(Trouble("no-records", "", words, ""))
        return found

    def _named(self, document: Any) -> Iterable[Any]:  # noqa: ANN401 - of a table
        """The removal of a number, for each item that has it."""
        told = {name: getattr(document, name) for name in document.__struct_fields__}
        numbers = self._items(FIELD_OF_SYSTEM[document.system], document.value, "")
        return [type(document)(**{**told, "item": number}) for number in numbers]

    def _late(self, message: Message, keys: Sequence[int]) -> bool:
        """Whether a later message about the same record was brought in already."""
        positions = [set(self._store.looked_up([key], limit=NEWEST)) for key in keys]
        stamp = stamp_of(message)
        for position in set.intersection(*positions) - {message.position}:
            other = self._store.message(position)
            if other is not None and stamp_of(other) > stamp:
                return True
        return False

    def _gone(self, message: Message, channel: MasterChannel, record: ToldRecord) -> bool:
        """Whether a later message removed the number of this record, wherever it was."""
        rows = record.rows
        if rows.table.name != "identifiers" or rows.removed:
            return False
        return any(
            self._late(message, number_keys(channel.name, row.cells.system, row.cells.value)) for row in rows.rows
        )

    # --- what there is
    def _documents(self, tables: Sequence[TableRows]) -> dict[DocumentKey, MasterDocument]:
        """Every document that the records are about, refer to, or share a number with."""
        wanted = {each for rows in tables for each in self._wanted(rows)}
        documents: dict[DocumentKey, MasterDocument] = {}
        for kind, key in wanted:
            seen: set[str] = set()
            for version in self._store.master_history(kind, key):
                if version.facility not in seen:
                    seen.add(version.facility)
                    if version.data:
                        documents[DocumentKey(kind, version.facility, key)] = decode_document(kind, version.data)
        return documents

    def _wanted(self, rows: TableRows) -> Iterator[tuple[str, str]]:
        """Kind and key of what these lines are about, refer to, or share a number with."""
        table = rows.table
        referring = [column for column in table.columns[table.keys :] if column.refers]
        for row in rows.rows:
            yield row.key.kind, row.key.key
            for column in referring:
                value = row.cells.get(column.name) if table.row is None else getattr(row.cells, column.name)
                if value:
                    yield column.refers, value
            if table.name == "identifiers":
                yield from (("item", number) for number in self._sharing(row.cells.system, row.cells.value))

    def _sharing(self, system: str, value: str) -> set[str]:
        field, numbers = FIELD_OF_SYSTEM[system], set()
        if field == "charge_code":  # many items may have it
            return set()
        for facility in ("", *self._time_zones):
            numbers.update(self._items(field, value, facility))
        return numbers | ({value} if field == "item" else set())

    def _items(self, field: str, value: str, facility: str) -> list[str]:
        """The items that have a number."""
        hits = self._catalogue.items.find(field, value, facility) or ()
        return [hit if isinstance(hit, str) else hit.number for hit in (hits if isinstance(hits, tuple) else (hits,))]


def _at(places: Sequence[str], line: int) -> str:
    """Where in the message a finding's line stands, if one is known."""
    return f"{places[line - 2]}: " if 0 <= line - 2 < len(places) else ""


def _no_token(kind: str, value: str) -> str:
    """Master data are about nobody."""
    raise ValueError(f"a mapping of master data has a token for {kind} ({len(value)} characters)")
