"""The worklist: exceptions by their cause, in plain words, and what can be done about each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from casecart.commands.desk import Query
from casecart.commands.master_data import load_catalogue
from casecart.commands.moment import moment
from casecart.commands.refusal import Refusal
from casecart.master.items import FIELD_OF_SYSTEM
from casecart.master.nearest import Candidate, nearest
from casecart.rules.item import ORDER
from casecart.runtime.identifier import shown
from casecart.runtime.made import decode_made
from casecart.store import LEFT_TO, OPEN_STATES, Damaged, HoldGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.commands.desk import View
    from casecart.store import Hold, Store

__all__ = [
    "DAMAGED",
    "OPEN",
    "STATES",
    "UNSURE",
    "CauseView",
    "CauseWork",
    "ListWorklist",
    "ShowCause",
    "WorkItem",
    "Worklist",
    "cause_id",
    "find_cause",
    "ways",
]

STATES = ("new", "assigned", "parked", "fixed", "rejected")
OPEN = OPEN_STATES

_ID = re.compile(r"[0-9a-f]{32}")
"""Of a single exception, without its dashes."""

_CAUSE = re.compile(r"[0-9a-f]{8}")

MOST_GROUPS = 10_000
MOST_ITEMS = 100_000

# The fields of numbers that name one item: with any of these, a fix is a new number of an item.
NAMING = frozenset(FIELD_OF_SYSTEM.values()) - {"charge_code"}


class CauseView(msgspec.Struct, frozen=True, kw_only=True):
    """A cause, and how many wait because of it."""

    id: str
    """Short, and the same as long as the cause is."""
    words: str
    code: str
    kind: str
    """held, or flagged: the line was posted all the same."""
    state: str
    assignee: str
    channel: str
    facility: str
    exceptions: int
    messages: int
    oldest: datetime
    newest: datetime


class Worklist(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for people."""

    causes: list[CauseView]
    """The largest first."""


class WorkItem(msgspec.Struct, frozen=True, kw_only=True):
    """One exception."""

    id: str
    position: int
    """Of the message; 0: none."""
    place: str
    line: str
    state: str
    assignee: str
    reason: str
    recorded_at: datetime


class CauseWork(msgspec.Struct, frozen=True, kw_only=True):
    """A cause with its exceptions, the items that may be meant, and what can be done."""

    cause: CauseView
    items: list[WorkItem]
    candidates: list[Candidate]
    ways: list[str]
    """What to type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListWorklist(Query[Worklist]):
    """What waits for people?"""

    states: Sequence[str] = OPEN

    def answer(self, view: View) -> Worklist:
        """By cause and state."""
        return Worklist(causes=[cause_view(group) for group in view.store.hold_groups(self.states, MOST_GROUPS)])


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowCause(Query[CauseWork]):
    """A cause, or a single exception, by its id."""

    reference: str

    def answer(self, view: View) -> CauseWork:
        """What is known about it."""
        group, holds = find_cause(view.store, self.reference, STATES)
        field, _, value = group.subject.partition(" ")[0].partition(":")
        candidates: list[Candidate] = []
        if group.code.startswith("item-") and value:
            told = [(field, value), *_also_told(view.store, holds[0], field)]
            candidates = nearest(load_catalogue(view.store), group.facility, told)
        return CauseWork(
            cause=cause_view(group),
            items=[
                WorkItem(
                    id=shown(hold.id),
                    position=hold.position,
                    place=hold.place,
                    line=hold.line,
                    state=hold.state,
                    assignee=hold.assignee,
                    reason=hold.reason,
                    recorded_at=moment(hold.recorded_at),
                )
                for hold in holds
            ],
            candidates=candidates,
            ways=ways(group, cause_id(group)),
        )


def _also_told(store: Store, hold: Hold, field: str) -> list[tuple[str, str]]:
    """The other numbers that a line was told by, in the usual order."""
    found: list[tuple[str, str]] = []
    for run in store.runs(hold.position):
        try:
            made = decode_made(run.documents).documents if run.channel == hold.channel else []
        except Damaged:  # the exception can be worked without
            continue
        for place, _, usage in made:
            if place == hold.place:
                numbers = ((name, getattr(usage, name)) for name in ORDER if name != field)
                found = [(name, number) for name, number in numbers if number is not None]
    return found


def cause_id(group: HoldGroup | Hold) -> str:
    """Eight digits that stand for a cause."""
    parts = (group.kind, group.code, group.channel, group.facility, group.cause, group.subject)
    return blake2b("\0".join(parts).encode(), digest_size=4).hexdigest()


def cause_view(group: HoldGroup) -> CauseView:
    """Of the store's row."""
    return CauseView(
        id=cause_id(group),
        words=group.cause,
        code=group.code,
        kind=group.kind,
        state=group.state,
        assignee=group.assignee,
        channel=group.channel,
        facility=group.facility,
        exceptions=group.exceptions,
        messages=group.messages,
        oldest=moment(group.oldest),
        newest=moment(group.newest),
    )


def find_cause(store: Store, reference: str, states: Sequence[str]) -> tuple[HoldGroup, list[Hold]]:
    """A cause with its exceptions in these states, oldest first; of a single exception, that one alone.

    Raises:
        Refusal: there is no such cause or exception.
    """
    wanted = reference.strip().lower()
    identifier = wanted.replace("-", "")
    hold = store.hold(bytes.fromhex(identifier)) if _ID.fullmatch(identifier) else None
    if hold is not None and hold.state in states:
        return _alone(hold), [hold]
    # Most have been worked off: they are grouped only where it is none of those that wait.
    waiting = [state for state in states if state in OPEN]
    for some in (waiting, [state for state in states if state not in OPEN]):
        for group in store.hold_groups(some, MOST_GROUPS) if some and _CAUSE.fullmatch(wanted) else ():
            if cause_id(group) == wanted:
                holds = store.holds(states=states, group=group, limit=MOST_ITEMS)
                return group, holds[::-1]
    raise Refusal(
        "not-found", f"nothing in the worklist has the id '{reference}'; `casecart worklist` lists what waits"
    )


def _alone(hold: Hold) -> HoldGroup:
    """An exception as a group of its own."""
    same = (hold.kind, hold.state, hold.channel, hold.facility, hold.code, hold.cause, hold.subject, hold.field)
    return HoldGroup(*same, 1, 1, hold.recorded_at, hold.recorded_at, hold.assignee)


def ways(group: HoldGroup, reference: str) -> list[str]:
    """What can be done about a cause, as commands to type."""
    fix = f"casecart worklist fix {reference}"
    because = '--reason "..."'
    reject = f"casecart worklist reject {reference} {because}"
    field = group.subject.partition(":")[0]
    if group.kind == "flagged":
        return [f"{fix} {because}  (somebody has looked at it; the line was posted)"]
    if field == "posting":
        return _ways_of_posting(group, reference)
    if group.channel.startswith(LEFT_TO):
        return [
            f"{fix} {because}  (the cause is mended: follow the notifications up again)",
            f"{reject}  (not to be followed up, now or later)",
        ]
    if group.code == DELETED:
        return [
            f"{fix} --accept {because}  (it was not used: take it back)",
            f"{reject}  (it was used: what was posted stays)",
        ]
    return [*_ways_of_lines(group, field, fix, because), f"{reject}  (not to be posted, now or later)"]


def _ways_of_lines(group: HoldGroup, field: str, fix: str, because: str) -> list[str]:
    found: list[str] = []
    if group.code in {"item-unknown", "item-not-valid"} and field in NAMING:
        found.append(f"{fix} --item NUMBER {because}  (the item has this number from now on)")
    elif group.code.startswith("item-"):
        found.append(f"{fix} --item NUMBER {because}  (these lines are that item)")
    elif group.code == "code-not-in-table":
        found.append(f"{fix} --value VALUE {because}  (the table gets a row for the code)")
    elif group.code == "not-owner":
        found.append(f"{fix} --accept {because}  (take over what the other system says)")
    elif group.field and group.code in ACCEPTABLE:
        found.append(f"{fix} --accept {because}  (post the lines all the same)")
    if group.code != "not-owner":
        found.append(f"{fix} {because}  (the cause is mended: work the lines again)")
    return found


def _ways_of_posting(group: HoldGroup, reference: str) -> list[str]:
    fix, reject, because = (
        f"casecart worklist fix {reference}",
        f"casecart worklist reject {reference}",
        '--reason "..."',
    )
    if group.subject == DAMAGED:
        return [f"{reject} {because}  (what was missing there is posted by hand)"]
    again = (
        f"{fix} --not-posted {because}  (it is not there: send it)"
        if group.subject == UNSURE
        else f"{fix} {because}  (the cause is mended: send it again)"
    )
    return [
        f"{fix} --posted {because}  (it is in the books; nothing is to be sent)",
        again,
        f"{reject} {because}  (not to be posted, now or later)",
    ]


DAMAGED = "posting:damaged"
"""Subject of an exception about a posting that nothing is known of any more."""

UNSURE = "posting:unknown"
"""Subject of an exception about a posting that was given up without knowing what became of it."""

DELETED = "resource-deleted"
"""Code of an exception about what was told of a resource that is deleted at its server."""

ACCEPTABLE = frozenset(
    {
        "lot-missing",
        "serial-missing",
        "expiry-missing",
        "lot-unknown",
        "lot-of-other-item",
        "expiry-conflict",
        "expired",
        "serial-used",
        "serial-quantity",
        "recalled",
    }
)
"""Findings of `verify` with which a line can be posted if a person says so."""
