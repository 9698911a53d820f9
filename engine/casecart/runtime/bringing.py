"""Brings master data in that messages tell: by the plan, checks and ownership of an import, whole or not at all.

The pipeline leaves a wish for each such message (`wish_to_bring`), in the commit that says that it was processed. Here
the wish is worked off: versions are added unseen under the lock of master data, and one change publishes them, takes
the wish away, and says what became of the message. What ends before that change has had no effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from casecart.canonical.master import decode_document
from casecart.mapping import MappingContext
from casecart.master.import_plan import plan_import
from casecart.master.items import FIELD_OF_SYSTEM
from casecart.master.ownership import rule_of
from casecart.master.record import rows_of
from casecart.master.table_file import DocumentKey
from casecart.master.versions import versions
from casecart.rules import Trouble
from casecart.runtime.copier import date_at, text_of
from casecart.runtime.copy import encode_decision
from casecart.runtime.effect import event, hold
from casecart.runtime.fault import told
from casecart.runtime.made import PLACE, SCHEMA, Made, decode_made, encode_made
from casecart.runtime.not_owner import MOST_CONFLICTS, new_conflicts
from casecart.runtime.record_keys import number_keys, record_keys
from casecart.runtime.told_records import ToldRecord, contradictions, everywhere, first_of
from casecart.store import (
    OPEN_STATES,
    Change,
    Count,
    Damaged,
    HoldChange,
    Replay,
    Run,
    StoreBroken,
    StoreInUse,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from casecart.canonical.master import MasterDocument
    from casecart.master.catalogue import Catalogue
    from casecart.master.import_plan import ImportPlan
    from casecart.master.ownership import OwnershipRule
    from casecart.master.table_file import TableRows
    from casecart.runtime.master_channel import MasterChannel
    from casecart.store import Fence, Message, Store
    from casecart.workspace import Workspace

__all__ = ["Bringing", "bringing_of", "wish_to_bring"]

_AGAIN: Final = encode_decision({})
LATE: Final = "a later message said how this record is"

NEWEST: Final = 100
"""Messages about one record that are looked at, to tell whether a later one came before."""

MOST: Final = 10_000
"""Lines that one message may make: bringing them in takes some seconds, and nothing else is done meanwhile."""


def wish_to_bring(message: Message, channel: str, identifier: bytes) -> Replay:
    """The wish that a message be brought in."""
    return Replay(identifier, message.position, channel, "", message.recorded_at, message.actor, "", _AGAIN)


class _Told(NamedTuple):
    """What a message says: records, and what is wrong with others."""

    records: list[ToldRecord]
    gone: list[list[int]]
    """Look-ups of the numbers that are removed wherever they are."""
    troubles: list[Trouble]


class _Planned(NamedTuple):
    """What bringing a message in comes to."""

    plan: ImportPlan | None = None
    """None: there is nothing to do, or something is wrong."""
    about: Sequence[int] = ()
    """Look-ups of its records."""
    troubles: Sequence[Trouble] = ()
    late: bool = False
    """Whether later messages told all of it already."""


class Bringing:
    """Works off wishes to bring messages in.

    Args:
        store: of the engine.
        channels: by name.
        catalogue: asked which items have a number; what is brought in is put into it at once.
        owners: who may say what.
        time_zones: by facility; what is brought in may name these.
        organisation: whose master data they are.
        identifier: mints ids of exceptions.
        now: wall clock, µs since 1970.
    """

    def __init__(
        self,
        *,
        store: Store,
        channels: Mapping[str, MasterChannel],
        catalogue: Catalogue,
        owners: OwnershipRule,
        time_zones: Mapping[str, ZoneInfo],
        organisation: str,
        identifier: Callable[[], bytes],
        now: Callable[[], int],
    ) -> None:
        self._store, self._catalogue, self._owners = store, catalogue, owners
        self._time_zones, self._organisation = time_zones, organisation
        self._identifier, self._now = identifier, now
        self.channels = channels
        self._published = 0
        """Up to where the catalogue has what was published here, before it has read it."""

    def bring(
        self, message: Message, channel: MasterChannel, wishes: Collection[Replay], fences: Collection[Fence]
    ) -> None:
        """Bring one message in, in one transaction with the end of its wishes.

        Raises:
            StoreInUse: not now: somebody else is changing master data, or has changed them and they are not read yet.
        """
        self._store.let_go()
        with self._store.master_lock():
            if self._store.published_master() not in {self._catalogue.position, self._published}:
                raise StoreInUse("the catalogue is not as the master data are")
            change = Change(replays_done=[(wish.hold,) for wish in wishes], fences=list(fences))
            try:
                planned = self._planned(message, channel)
            except (StoreUnavailable, StoreBroken):
                raise  # it is no fault of the message
            except Damaged as damage:
                planned = _Planned(troubles=[Trouble("record-damaged", "", f"{damage}.", "")])
            except Exception as fault:  # noqa: BLE001 - a fault in one message must not take the others with it
                words = f"The engine failed on this message ({told(fault)}): nothing of it was brought in."
                planned = _Planned(troubles=[Trouble("engine-fault", "", words, "")])
            self._say(message, channel, change, planned)
            plan = None if planned.troubles else planned.plan
            if not planned.troubles:
                change.lookups += [(key, message.position) for key in planned.about]
            if plan is not None:
                self._add(message, channel, plan, change)
            self._store.write(change)
            if plan is not None and plan.changes:
                self._published = change.cursors[-1].position
                for each in plan.changes:
                    self._catalogue.put(*each.key, each.after)
                self._store.tidy_master(NEWEST)

    # --- what the message says
    def _planned(self, message: Message, channel: MasterChannel) -> _Planned:
        told_ = self._read(message, channel)
        if told_.troubles:
            return _Planned(troubles=first_of(told_.troubles))
        records = [(each, record_keys(channel.name, each.rows)) for each in told_.records]
        records = [
            each for each in records if not self._late(message, each[1]) and not self._gone(message, channel, each[0])
        ]
        if wrong := contradictions(records):
            return _Planned(troubles=first_of(wrong))
        about = [key for keys in (*(keys for _, keys in records), *told_.gone) for key in keys]
        if not records:
            return _Planned(about=about, late=bool(told_.records))
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
        return _Planned(plan, about, wrong)

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
        hits = self._catalogue.items.find(FIELD_OF_SYSTEM[document.system], document.value, "") or ()
        numbers = [
            hit if isinstance(hit, str) else hit.number for hit in (hits if isinstance(hits, tuple) else (hits,))
        ]
        names = document.__struct_fields__
        told_ = {name: getattr(document, name) for name in names}
        return [type(document)(**{**told_, "item": number}) for number in numbers]

    def _late(self, message: Message, keys: Sequence[int]) -> bool:
        """Whether a later message about the same record was brought in already."""
        positions = [set(self._store.looked_up([key], limit=NEWEST)) for key in keys]
        stamp = _stamp(message)
        for position in set.intersection(*positions) - {message.position}:
            other = self._store.message(position)
            if other is not None and _stamp(other) > stamp:
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
            hits = self._catalogue.items.find(field, value, facility) or ()
            numbers |= {
                hit if isinstance(hit, str) else hit.number for hit in (hits if isinstance(hits, tuple) else (hits,))
            }
        return numbers | ({value} if field == "item" else set())

    # --- what becomes of it
    def _add(
        self,
        message: Message,
        channel: MasterChannel,
        plan: ImportPlan,
        change: Change,
    ) -> None:
        now = self._now()
        change.holds += new_conflicts(
            self._store,
            plan.conflicts,
            organisation=self._organisation,
            actor=message.actor,
            identifier=self._identifier,
            now=now,
        )
        rows = versions(
            plan.changes, actor=message.actor, source=channel.source, origin=f"message {message.position}", now=now
        )
        if rows:
            change.publish(self._store.append_master(rows))

    def _say(self, message: Message, channel: MasterChannel, change: Change, planned: _Planned) -> None:
        """The run, the counts, and the exceptions of this time in place of those of the last."""
        before, attempt = self._before(message.position, channel.name)
        troubles = planned.troubles
        became = "held" if troubles else "filtered" if planned.late else "no_change"
        filtered = [(PLACE, LATE)] if became == "filtered" else []
        made = Made(SCHEMA, [], filtered, [(PLACE, trouble.code, trouble.field) for trouble in troubles])
        now, name = self._now(), channel.name
        change.runs.append(Run(message.position, name, channel.revision, now, encode_made(made), attempt))
        scope = f"lines:{name}"
        change.counts.append(Count(message.facility, scope, became, 1))
        change.counts.append(Count(message.facility, scope, before or "produced", -1 if before else 1))
        change.hold_changes += [
            HoldChange("fixed", other.assignee, "The message was brought in again", now, other.id)
            for other in self._store.holds(position=message.position, states=OPEN_STATES, limit=1_000_000)
            if other.channel == name
        ]
        change.holds += [hold(message, self._identifier(), trouble, channel=name, place=PLACE) for trouble in troubles]
        change.events.append(event("casecart.master.brought", message, {"channel": name, "became": became}))

    def _before(self, position: int, channel: str) -> tuple[str, int]:
        """How the message was counted when it was last brought in, and the number of the next run."""
        before, attempt = "", 1
        for run in self._store.runs(position):
            if run.channel == channel and run.attempt:
                made = decode_made(run.documents)
                before = "held" if made.held else "filtered" if made.filtered else "no_change"
                attempt = run.attempt + 1
        asked = [each for each in self._store.holds(position=position, limit=1_000_000) if each.channel == channel]
        # Of the last time: what was rejected before that and brought in again is not rejected any more.
        if before == "held" and asked and max(asked, key=lambda each: each.id).state == "rejected":
            before = "rejected"
        return before, attempt


def bringing_of(  # noqa: PLR0917 - what it is made of
    workspace: Workspace,
    store: Store,
    channels: Mapping[str, MasterChannel],
    catalogue: Catalogue,
    identifier: Callable[[], bytes],
    now: Callable[[], int],
) -> Bringing:
    """For the channels of a workspace."""
    facilities = workspace.engine.facilities
    return Bringing(
        store=store,
        channels=channels,
        catalogue=catalogue,
        owners=rule_of(workspace.ownership),
        time_zones={str(name): ZoneInfo(facility.time_zone) for name, facility in facilities.items()},
        organisation=str(workspace.engine.organisation),
        identifier=identifier,
        now=now,
    )


def _stamp(message: Message) -> tuple[int, int]:
    """When a message was true, by its sender's clock; of one moment, the one that came later.

    It was true when it came: one that says to be of a later day would stand over all that come until then.
    """
    said = message.recorded_at if message.occurred_at is None else min(message.occurred_at, message.recorded_at)
    return said, message.position


def _at(places: Sequence[str], line: int) -> str:
    """Where in the message a finding's line stands, if one is known."""
    return f"{places[line - 2]}: " if 0 <= line - 2 < len(places) else ""


def _no_token(kind: str, value: str) -> str:
    """Master data are about nobody."""
    raise ValueError(f"a mapping of master data has a token for {kind} ({len(value)} characters)")
