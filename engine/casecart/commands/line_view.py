"""What is shown of a line of usage: what was stated, what was posted for it, and what it comes to."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from casecart.canonical.consumption import Consumption
from casecart.commands.deletion import DeletionView
from casecart.commands.message_view import ExceptionView, StateView, exception_view
from casecart.commands.moment import moment
from casecart.commands.segment import SegmentBytes
from casecart.rules import Effect
from casecart.rules.ledger import THING, target, thing
from casecart.store import OPEN_STATES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from casecart.canonical import Usage
    from casecart.commands.line_source import Posted
    from casecart.rules import Line
    from casecart.store import Hold

__all__ = [
    "Became",
    "LineException",
    "LinePosting",
    "LineStatement",
    "LineStory",
    "LineSum",
    "LineVerdict",
    "Stands",
    "fields_of",
    "line_exception",
    "posting_view",
    "stands_of",
    "sums_of",
]

Became = Literal["counts", "replaced", "waits", "held", "rejected", "adds nothing"]
"""Of a statement: it counts; another one stands over it; it is a credit that waits for its charge; it was not taken and
waits for a person; a person rejected it; it was worked and adds nothing."""

Stands = Literal["even", "due", "on its way", "held", "rejected", "unsure", "waiting", "not taken"]
"""Of a line: confirmed as it was stated; the engine posts what is due when it looks again; a destination must answer
first; a posting was not taken and waits for a person; a person rejected one; nobody knows what became of one; there is
nothing but a credit that waits for its charge; or nothing but what was not taken."""

# What a posting says beside the document.
_OWN = frozenset({"key", "revision", "action", "quantity", "reverses"})
_NONE = Decimal(0)


class LineStatement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement about the line, from one place of one message."""

    position: int
    control_id: str
    recorded_at: datetime
    channel: str
    place: str
    segment: SegmentBytes | None
    """None where its bytes can't be told for certain."""
    body_deleted: DeletionView | None
    """Set where the message's body was deleted because its time was over."""
    told_as: str
    """The id that the sender gave the line there: of a credit it may be another one than the charge's."""
    action: str
    """use or reverse."""
    quantity: Decimal | None
    """What it adds, below zero for a credit; or what the line comes to."""
    replaces: bool | None
    """It stands over what was said before; None where the statement was not taken, and nobody asked."""
    became: Became
    linked_by: int | None
    """Of a credit that waited: position of the message with its charge."""
    destination: str
    document: dict[str, Any]
    postings: list[str]
    """Keys of those that it made due. What waited is posted with the statement that was looked at last."""
    exceptions: list[str]
    """Ids."""


class LineVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a person found out about a posting that its destination did not confirm."""

    outcome: Literal["posted", "not posted"]
    at: datetime | None
    reason: str


class LinePosting(msgspec.Struct, frozen=True, kw_only=True):
    """A posting of the line."""

    key: str
    revision: int
    position: int
    """The message with the statement that made it due."""
    channel: str
    place: str
    sequence: int
    """Of its row in the ledger."""
    destination: str
    kind: str
    action: str
    """use or reverse."""
    quantity: Decimal
    """Never below zero."""
    reverses: str | None
    """The key of the posting that it takes back, whole or in part."""
    state: str
    effect: Effect
    """open, done, none or unsure: what it counts as, with what a person found out."""
    attempts: int
    proof: str
    reference: str
    code: str
    """Of its last trouble."""
    words: str
    group: str
    history: list[StateView]
    document: dict[str, Any]
    verdict: LineVerdict | None
    exceptions: list[str]
    """Ids."""


class LineSum(msgspec.Struct, frozen=True, kw_only=True):
    """What the line comes to, of one thing at one destination."""

    destination: str
    thing: dict[str, Any]
    """What tells it from other things."""
    stated: Decimal
    confirmed: Decimal
    on_its_way: Decimal
    """Below zero where more is being taken back."""
    unsure: Decimal
    """In postings that nobody knows the outcome of; it is in no other column."""
    due: Decimal
    """Stated, less confirmed, less on its way. Not posted as long as the line is held, rejected or unsure."""


class LineException(ExceptionView, frozen=True, kw_only=True):
    """An exception about a statement or a posting of the line."""

    position: int
    """Of the message."""
    changed_at: datetime | None
    """When a person last changed it."""


class LineStory(msgspec.Struct, frozen=True, kw_only=True):
    """All about a line."""

    facility: str
    case: str
    """The token."""
    line: str
    stands: Stands
    position: int
    """Of the message that was asked for."""
    place: str
    statements: list[LineStatement]
    """In the order of messages."""
    waiting: list[LineStatement]
    """Credits of the case, whatever their line, that wait for their charge."""
    postings: list[LinePosting]
    """By revision."""
    sums: list[LineSum]
    exceptions: list[LineException]
    """Oldest first."""
    not_all_exceptions: bool
    """There are so many messages of the case that what waits was not looked for in all of them."""


def fields_of(document: Consumption | Usage) -> dict[str, Any]:
    """What is shown of a document: what may leave, and is not the posting's own."""
    given = msgspec.to_builtins(document)
    return {
        name: given[name]
        for name in Consumption.__struct_fields__
        if name not in _OWN and given.get(name) not in (None, "")
    }


def posting_view(posted: Posted, line: Line, verdict: LineVerdict | None, exceptions: list[str]) -> LinePosting:
    """Of a posting.

    Args:
        posted: with what it needs of its row.
        line: that it belongs to.
        verdict: of a person.
        exceptions: ids of those about it.
    """
    posting, (position, place, channel) = posted.posting, posted.source
    document = msgspec.json.decode(posting.payload, type=Consumption)
    movement = next(each for each in line.movements if each.key == posting.key)
    return LinePosting(
        key=posting.key,
        revision=posting.revision,
        position=position,
        channel=channel,
        place=place,
        sequence=posted.sequence,
        destination=posted.destination,
        kind=posting.kind,
        action=document.action,
        quantity=document.quantity,
        reverses=document.reverses,
        state=posting.state,
        effect=movement.effect,
        attempts=posting.attempts,
        proof=posting.proof,
        reference=posting.reference,
        code=posting.code,
        words=posting.words,
        group=posting.group,
        history=[StateView(at=moment(at), state=state) for at, state in posting.history],
        document=fields_of(document),
        verdict=verdict,
        exceptions=exceptions,
    )


def sums_of(line: Line) -> list[LineSum]:
    """By destination and thing, in the order of their coming."""
    folded = target(line.said)
    documents = {(said.destination, thing(said.document)): said.document for said in line.said}
    amounts: dict[tuple[str, bytes], dict[str, Decimal]] = {}
    for movement in line.movements:
        key = (movement.destination, thing(movement.document))
        documents.setdefault(key, movement.document)
        of_it = amounts.setdefault(key, {})
        of_it[movement.effect] = of_it.get(movement.effect, _NONE) + movement.quantity
    sums = []
    for (destination, about), document in documents.items():
        stated = folded[destination, about][0] if (destination, about) in folded else _NONE
        of_it = amounts.get((destination, about), {})
        confirmed, on_its_way = of_it.get("done", _NONE), of_it.get("open", _NONE)
        sums.append(
            LineSum(
                destination=destination,
                thing=_thing(document),
                stated=stated,
                confirmed=confirmed,
                on_its_way=on_its_way,
                unsure=of_it.get("unsure", _NONE),
                due=max(stated, _NONE) - confirmed - on_its_way,
            )
        )
    return sums


def line_exception(hold: Hold) -> LineException:
    """Of an exception's row."""
    shown = msgspec.structs.asdict(exception_view(hold))
    return LineException(
        **shown, position=hold.position, changed_at=moment(hold.changed_at) if hold.changed_at else None
    )


def stands_of(line: Line, sums: Sequence[LineSum], exceptions: Mapping[str, str]) -> Stands:
    """How it is with a line that the ledger has.

    Args:
        line: as it is now.
        sums: of it.
        exceptions: posting's key → state of the exception about it.
    """
    if line.on_its_way:
        return "on its way"
    if line.unsure is not None:
        return "unsure"
    if not any(each.due for each in sums):
        return "even"
    states = {exceptions.get(movement.key) for movement in line.movements if movement.effect == "none"}
    if "rejected" in states:
        return "rejected"
    return "held" if states.intersection(OPEN_STATES) else "due"


def _thing(document: Consumption) -> dict[str, Any]:
    names = THING if document.item is not None or document.di is not None else (*THING, "charge_code")
    return {name: getattr(document, name) for name in names if getattr(document, name)}
