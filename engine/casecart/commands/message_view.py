"""What is shown of a message, of what channels made of it, and of where its postings are."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from casecart.commands.moment import moment
from casecart.commands.running import first_with
from casecart.runtime.identifier import shown
from casecart.runtime.made import Made, decode_made, decode_postings
from casecart.store import Damaged, DamagedBody

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.runtime.destination import Posting
    from casecart.store import Entry, Hold, Message, RevisionHead, Run

__all__ = [
    "CaseView",
    "DocumentView",
    "Envelope",
    "ExceptionView",
    "LedgerView",
    "PlaceView",
    "PostingView",
    "RunView",
    "StateView",
    "envelope_view",
    "exception_view",
    "ledger_view",
    "run_view",
]


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every message carries, and its header."""

    position: int
    id: str
    correlation_id: str
    causation_id: str | None
    traceparent: str | None
    organisation: str
    facility: str
    listener: str
    peer: str
    source: str
    """The address it came from."""
    occurred_at: datetime | None
    """What the sender says."""
    recorded_at: datetime
    schema: str
    message_type: str
    sender: str
    control_id: str
    reuse: int | None
    """How many other messages came before it under its control id; None where that is not looked at."""
    partition: int
    charset: str | None
    """The peer's own setting."""
    outcome: str
    notes: list[str]
    size: int
    digest: str
    damaged: bool
    """The body is not the one that was received, of which this is the digest."""


class DocumentView(msgspec.Struct, frozen=True, kw_only=True):
    """A canonical document."""

    place: str
    line: str
    fields: dict[str, Any]


class CaseView(msgspec.Struct, frozen=True, kw_only=True):
    """What was noted of a case."""

    place: str
    fields: dict[str, Any]
    """An empty one was deleted."""


class PlaceView(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the message that gave no document, or one that is held."""

    place: str
    reason: str
    """Of a held one: the exception's code."""
    field: str


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel made of the message."""

    channel: str
    revision: str
    """Digest over the channel's files."""
    number: int | None
    """The first revision of the workspace in which the channel had these files; null: it is not known."""
    recorded_at: datetime
    schema: str
    documents: list[DocumentView]
    filtered: list[PlaceView]
    held: list[PlaceView]
    cases: list[CaseView]
    damaged: bool
    """What it made came out of the store damaged, and is not shown."""


class StateView(msgspec.Struct, frozen=True, kw_only=True):
    """A state that a posting came into."""

    at: datetime
    state: str


class PostingView(msgspec.Struct, frozen=True, kw_only=True):
    """A posting."""

    key: str
    line: str
    revision: int
    place: str
    kind: str
    state: str
    attempts: int
    code: str
    """Of its last trouble."""
    words: str
    proof: str
    reference: str
    """The destination's own id."""
    history: list[StateView]
    payload: dict[str, Any]


class LedgerView(msgspec.Struct, frozen=True, kw_only=True):
    """The postings of the message for one case and destination."""

    sequence: int
    channel: str
    destination: str
    facility: str
    recorded_at: datetime
    open: int
    postings: list[PostingView]
    damaged: bool
    """They came out of the store damaged, and are not shown."""


class ExceptionView(msgspec.Struct, frozen=True, kw_only=True):
    """What waits, or waited, for a person."""

    id: str
    recorded_at: datetime
    channel: str
    place: str
    line: str
    code: str
    cause: str
    destination: str
    key: str
    state: str
    kind: str
    """held, or flagged: the line was posted all the same."""
    field: str
    """Of the document."""
    subject: str
    """What it is about, for programs."""
    assignee: str
    reason: str
    """Why it has its state."""


def envelope_view(message: Message) -> Envelope:
    """Of a row of the log."""
    return Envelope(
        position=message.position,
        id=shown(message.id),
        correlation_id=shown(message.correlation_id or message.id),
        causation_id=None if message.causation_id is None else shown(message.causation_id),
        traceparent=message.traceparent,
        organisation=message.organisation,
        facility=message.facility,
        listener=message.listener,
        peer=message.actor,
        source=message.source,
        occurred_at=None if message.occurred_at is None else moment(message.occurred_at),
        recorded_at=moment(message.recorded_at),
        schema=message.schema,
        message_type=message.message_type,
        sender=message.sender,
        control_id=message.control_id,
        reuse=message.reuse,
        partition=message.partition,
        charset=message.charset,
        outcome=message.outcome,
        notes=message.notes.split() if message.notes else [],
        size=len(message.body),
        digest=message.digest.hex(),
        damaged=isinstance(message.body, DamagedBody),
    )


def run_view(run: Run, heads: Sequence[RevisionHead] = ()) -> RunView:
    """Of a run row; `heads` are those of all revisions, newest first, where its number is wanted."""
    damaged = False
    try:
        made = decode_made(run.documents)
    except Damaged:
        made, damaged = Made("", [], [], []), True
    return RunView(
        channel=run.channel,
        revision=run.revision,
        number=first_with(heads, run.channel, run.revision),
        recorded_at=moment(run.recorded_at),
        schema=made.schema,
        documents=[
            DocumentView(place=place, line=line, fields=_given(msgspec.to_builtins(document)))
            for place, line, document in made.documents
        ],
        filtered=[PlaceView(place=place, reason=reason, field="") for place, reason in made.filtered],
        held=[PlaceView(place=place, reason=code, field=field) for place, code, field in made.held],
        cases=[CaseView(place=place, fields=_given(msgspec.to_builtins(case))) for place, case in made.cases],
        damaged=damaged,
    )


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def ledger_view(entry: Entry) -> LedgerView:
    """Of a ledger row."""
    damaged = False
    try:
        postings = decode_postings(entry.postings)
    except Damaged:
        postings, damaged = [], True
    return LedgerView(
        sequence=entry.sequence,
        channel=entry.channel,
        destination=entry.destination,
        facility=entry.facility,
        recorded_at=moment(entry.recorded_at),
        open=entry.open,
        postings=[_posting(posting) for posting in postings],
        damaged=damaged,
    )


def _posting(posting: Posting) -> PostingView:
    return PostingView(
        key=posting.key,
        line=posting.line,
        revision=posting.revision,
        place=posting.place,
        kind=posting.kind,
        state=posting.state,
        attempts=posting.attempts,
        code=posting.code,
        words=posting.words,
        proof=posting.proof,
        reference=posting.reference,
        history=[StateView(at=moment(at), state=state) for at, state in posting.history],
        payload=msgspec.json.decode(posting.payload, type=dict[str, Any]),
    )


def exception_view(hold: Hold) -> ExceptionView:
    """Of an exception's row."""
    return ExceptionView(
        id=shown(hold.id),
        recorded_at=moment(hold.recorded_at),
        channel=hold.channel,
        place=hold.place,
        line=hold.line,
        code=hold.code,
        cause=hold.cause,
        destination=hold.destination,
        key=hold.key,
        state=hold.state,
        kind=hold.kind,
        field=hold.field,
        subject=hold.subject,
        assignee=hold.assignee,
        reason=hold.reason,
    )
