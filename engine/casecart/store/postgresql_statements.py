"""The hot path's SQL for PostgreSQL: binary COPY for what is new, arrays for what changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import BigInteger, Integer, LargeBinary

from casecart.store import schema
from casecart.store.records import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table

__all__ = ["BLOCK", "Copy"]

BLOCK = 64
"""How many numbers for ledger rows an engine takes at once, for what it has locked."""


class Copy(NamedTuple):
    """A COPY of one table's records."""

    statement: str
    types: list[str]


def copy(table: Table, columns: Sequence[str] = ()) -> Copy:
    """The COPY that takes a record of this table as it is."""
    names = columns or table.c.keys()
    return Copy(f"copy {table.name} ({', '.join(names)}) from stdin binary", [kind(table, name) for name in names])


def kind(table: Table, column: str) -> str:
    """PostgreSQL's name for a column's type."""
    declared = table.c[column].type
    for ours, theirs in ((BigInteger, "int8"), (Integer, "int4"), (LargeBinary, "bytea")):
        if isinstance(declared, ours):
            return theirs
    return "text"


# A message's row and its body: the one stays when the other is dropped with its partition.
ENVELOPE = Message._fields[:-1]
COPY_MESSAGE = copy(schema.message, ENVELOPE)
COPY_BODY = copy(schema.body)
COPY_RUN = copy(schema.run)
COPY_ENTRY = copy(schema.ledger)
COPY_HOLD = copy(schema.exception)

SET_OUTCOMES = """
update message set outcome = new.outcome, notes = new.notes
from unnest(%b::text[], %b::text[], %b::int8[]) as new (outcome, notes, position)
where message.position = new.position
"""
SETTLE = """
update ledger set open = new.open, postings = new.postings
from unnest(%b::int4[], %b::bytea[], %b::int8[]) as new (open, postings, sequence)
where ledger.sequence = new.sequence
"""
CHANGE_HOLDS = """
update exception
set state = new.state, assignee = new.assignee, reason = new.reason, changed_at = new.changed_at
from unnest(%b::text[], %b::text[], %b::text[], %b::int8[], %b::bytea[])
  as new (state, assignee, reason, changed_at, id)
where exception.id = new.id
"""
INSERT_LOOKUPS = """
insert into lookup (key, position)
select * from unnest(%b::int8[], %b::int8[]) as new (key, position)
on conflict do nothing
"""
INSERT_REPLAY = """
insert into replay (hold, position, channel, place, recorded_at, actor, revision, decision)
values (%b, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing
"""
DELETE_REPLAY = "delete from replay where hold = %b"
INSERT_LEGAL_HOLD = """
insert into legal_hold (id, kind, value, reason, actor, recorded_at) values (%b, %s, %s, %s, %s, %s)
"""
NOTE_CASE = """
insert into known_case (case_key, channel, field, told_at, position, value) values (%b, %s, %s, %s, %s, %b)
on conflict (case_key, channel, field) do update
set told_at = excluded.told_at, position = excluded.position, value = excluded.value
where (excluded.told_at, excluded.position) >= (known_case.told_at, known_case.position)
"""
DELETE_LEGAL_HOLD = "delete from legal_hold where id = %b"
ADD_COUNTS = """
insert into balance (facility, scope, name, shard, amount)
select facility, scope, name, %s, amount
from unnest(%b::text[], %b::text[], %b::text[], %b::int8[]) as new (facility, scope, name, amount)
on conflict (facility, scope, name, shard) do update set amount = balance.amount + excluded.amount
"""
INSERT_EVENTS = "insert into event (partition, position, count, recorded_at, data) values (%s, %s, %s, %s, %b)"
# Each record's digest is over the one before it: who adds one waits for whoever is adding one.
LOCK_AUDIT = "select pg_advisory_xact_lock(hashtextextended('casecart audit ' || current_schema(), 0))"
INSERT_AUDIT = """
insert into audit (position, recorded_at, actor, command, subject, detail, digest) values (%s, %s, %s, %s, %s, %s, %b)
"""
SET_TIMER = """
insert into timer (owner, key, due_at, data) values (%s, %s, %s, %s)
on conflict (owner, key) do update set due_at = excluded.due_at, data = excluded.data
"""
DELETE_TIMER = "delete from timer where owner = %s and key = %s"
SET_CURSOR = """
insert into cursor (name, partition, position, epoch) values (%s, %s, %s, %s)
on conflict (name, partition) do update set position = excluded.position, epoch = excluded.epoch
"""
SET_SWITCH = """
insert into switch (destination, state, actor, reason, recorded_at) values (%s, %s, %s, %s, %s)
on conflict (destination) do update
set state = excluded.state, actor = excluded.actor, reason = excluded.reason, recorded_at = excluded.recorded_at
"""

INSERT_REVISION = """
insert into revision (number, kind, recorded_at, actor, note, due_at, origin, cancelled_at, digest, channels, files)
values (%s, %s, %s, %s, %s, %s, %s, %s, %b, %b, %b)
"""
CANCEL_REVISION = "update revision set cancelled_at = %s where number = %s and cancelled_at is null"
SET_RUNNING = """
insert into running (member, place, number, since, refused, reason) values (%b, %s, %s, %s, %s, %s)
on conflict (member) do update
set place = excluded.place, number = excluded.number, since = excluded.since, refused = excluded.refused,
  reason = excluded.reason
"""

# By the name of the change's field, in the order they are run.
COPIES = (("runs", COPY_RUN), ("entries", COPY_ENTRY), ("holds", COPY_HOLD))
UPDATES = (("outcomes", SET_OUTCOMES), ("settlements", SETTLE), ("hold_changes", CHANGE_HOLDS))
FEW = (
    ("timers_done", DELETE_TIMER),
    ("timers", SET_TIMER),
    ("cursors", SET_CURSOR),
    ("switches", SET_SWITCH),
    ("replays", INSERT_REPLAY),
    ("replays_done", DELETE_REPLAY),
    ("legal_holds", INSERT_LEGAL_HOLD),
    ("releases", DELETE_LEGAL_HOLD),
    ("revisions", INSERT_REVISION),
    ("cancellations", CANCEL_REVISION),
    ("running", SET_RUNNING),
)
COPY_VERSION = copy(schema.master)

KNOWN = """
select wanted.facility, wanted.sender, wanted.control_id, message.reuse, message.digest, message.position
from unnest(%b::text[], %b::text[], %b::text[]) with ordinality as wanted (facility, sender, control_id, place)
join message using (facility, sender, control_id)
where message.reuse is not null
order by wanted.place, message.reuse
"""
KNOWN_CASES = """
select case_key, channel, field, told_at, position, value from known_case where case_key = any(%b::bytea[])
order by case_key, channel, field
"""
CASES = """
select ledger.facility, ledger.case_key, ledger.sequence, ledger.position, ledger.channel, ledger.destination,
  ledger.postings, ledger.statements
from unnest(%b::int8[], %b::text[], %b::bytea[]) as wanted (key, facility, case_key)
join lookup using (key)
join ledger using (position, facility, case_key)
order by ledger.sequence
"""
LOOK_UP = """
select distinct newest.position
from unnest(%b::int8[]) as wanted (key)
cross join lateral (
  select position from lookup where key = wanted.key order by position desc limit %s
) as newest
order by newest.position
"""
# One writer of master data at a time, for as long as its session lasts.
LOCK_MASTER = "select pg_try_advisory_lock(hashtextextended('casecart master ' || current_schema(), 0))"
UNLOCK_MASTER = "select pg_advisory_unlock(hashtextextended('casecart master ' || current_schema(), 0))"
NEWEST_VERSION = "select coalesce(max(position), 0) from master"
DELETE_UNPUBLISHED = "delete from master where position > %s"
SUPERSEDE = """
update master set superseded = 1 where superseded = 0 and position in (
  select old.position from master new
  join master old on old.kind = new.kind and old.key = new.key and old.facility = new.facility
    and old.position < new.position
  where new.position > %s and new.position <= %s)
"""

TAKE = "select nextval(%s) from generate_series(1, %s)"
SEQUENCES = {"message": "message_position", "entry": "entry_sequence"}
# After a restore, or a crash that took back numbers nobody had used yet: what was given stays given.
NOT_BELOW = """
select
  setval('message_position', 1 + greatest((select last_value - 1 + is_called::int from message_position),
    (select max(position) from message)), false),
  setval('entry_sequence', 1 + greatest((select last_value - 1 + is_called::int from entry_sequence),
    (select max(sequence) from ledger)), false)
"""

# In the order of the keys, so that two engines never wait for each other.
LOCK = "select pg_advisory_xact_lock(key) from unnest(%b::int8[]) as wanted (key)"
# A lease that changes hands waits for the changes that are being written under it.
FENCED = """
select lease.name, lease.partition, lease.epoch
from unnest(%b::text[], %b::int4[], %b::int8[]) as wanted (name, partition, epoch)
join lease using (name, partition, epoch)
order by lease.name, lease.partition
for share of lease
"""
