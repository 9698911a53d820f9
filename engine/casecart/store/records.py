"""The rows of the store, as tuples in the order of their columns.

A row is a ``NamedTuple`` because the hot path hands it to the driver as it is. Times are microseconds since 1970 UTC.
What a row means is said here; how it is kept is the business of each store.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, Literal, NamedTuple

__all__ = [
    "LEFT_TO",
    "OPEN_STATES",
    "CaseRow",
    "Count",
    "Cursor",
    "Entry",
    "Event",
    "Expiry",
    "Fence",
    "Hold",
    "HoldChange",
    "HoldGroup",
    "KnownCase",
    "LegalHold",
    "MasterVersion",
    "Message",
    "Outcome",
    "Replay",
    "Run",
    "Settlement",
    "Switch",
    "Timer",
    "Token",
    "storable",
]

NUL = "\0"


def storable(text: str) -> str:
    """Text that every store keeps: PostgreSQL has no NUL, which a message may hold; U+FFFD stands for it."""
    return text.replace(NUL, "\ufffd") if NUL in text else text


EMPTY: Final = blake2b(b"", digest_size=16).digest()
"""The digest of a message that came without a byte."""

Outcome = Literal["waiting", "processed", "unrouted", "refused", "quarantined", "part", "joined"]
"""What became of a message. A duplicate has no row of its own: it is counted. A part waits for the others of its
message until it is joined with them to a whole, which is a message of its own."""


class Message(NamedTuple):
    """One row of the intake log: the bytes received and their envelope; only `outcome` and `notes` ever change."""

    position: int
    """Place in the log, from `Store.reserve`. Order within a partition is the order of positions."""
    id: bytes
    """UUID version 7, 16 bytes; the trace id where the sender gave no `traceparent`."""
    organisation: str
    facility: str
    """The site it speaks for; empty when no peer could be told."""
    correlation_id: bytes | None
    """None: its own id."""
    causation_id: bytes | None
    traceparent: str | None
    occurred_at: int | None
    """What the sender says (MSH-7), None where it says nothing readable."""
    recorded_at: int
    actor: str
    """The peer's name; empty when unknown."""
    schema: str
    """Format and version as it declares, such as ``hl7v2/2.8.2``."""
    listener: str
    message_type: str
    """Such as ``DFT^P03``."""
    sender: str
    """MSH-3 and MSH-4 joined by ``|``."""
    control_id: str
    reuse: int | None
    """0: the first with its (facility, sender, control id); n: the n-th other body; None: not de-duplicated."""
    digest: bytes
    """BLAKE2b of the body, 16 bytes."""
    partition: int
    """0 to 63, from the value at the listener's partition path."""
    outcome: Outcome
    notes: str | None
    """Stable codes separated by spaces, such as ``charset-fallback control-id-reused``."""
    source: str
    """Address it came from, ``host:port``."""
    charset: str | None
    """The peer's override of MSH-18, kept so that a replay reads the same."""
    body: bytes
    """Empty when it was deleted because its time was over."""

    @property
    def body_gone(self) -> bool:
        """Whether the message came with bytes that are deleted."""
        return not self.body and self.digest != EMPTY


class Run(NamedTuple):
    """What one channel made of one message. Never changed."""

    position: int
    channel: str
    revision: str
    """Hash of the channel's configuration that made it."""
    recorded_at: int
    documents: bytes
    """MessagePack of canonical documents and of what was filtered or held."""
    attempt: int = 0
    """0: when the message came; replays of single lines count up."""
    tokens: bytes | None = None
    """MessagePack of the tokens in its documents and what they stand for (`encode_tokens`)."""


class Entry(NamedTuple):
    """One row of the ledger: the postings of one message for one case and destination, with their states.

    Rows stand in the order of their coming and are found by the case: measured three times cheaper than a row a line
    clustered by case, because a random page of the tree is touched once, not twice (tests/bench/row_costs.py).
    """

    sequence: int
    """From `Store.reserve`."""
    position: int
    """The message that caused it."""
    channel: str
    facility: str
    case_key: bytes
    """Keyed digest of facility and case, 16 bytes: the ledger's key, not a patient identifier."""
    order_key: bytes
    """Postings that share it go out one after the other; 16 bytes, from the channel's `key`."""
    destination: str
    open: int
    """How many of its postings are planned, sent or unknown."""
    recorded_at: int
    postings: bytes
    """MessagePack of the postings and the history of their states."""
    statements: bytes | None = None
    """MessagePack of what was stated beyond what the postings tell of themselves; mostly None. Never changed."""


class Settlement(NamedTuple):
    """New states for one ledger row."""

    open: int
    postings: bytes
    sequence: int


class CaseRow(NamedTuple):
    """A ledger row as the fold needs it."""

    facility: str
    case_key: bytes
    sequence: int
    position: int
    channel: str
    destination: str
    postings: bytes
    statements: bytes | None


class KnownCase(NamedTuple):
    """What one channel was told of one field of a case. A newer word takes its place, an older one never does."""

    case_key: bytes
    """The ledger's, of the stock."""
    channel: str
    field: str
    """Of the document `Case`."""
    told_at: int
    """When the message was true that said it, by its sender's clock; of one moment, the higher position counts."""
    position: int
    """Of that message."""
    value: bytes
    """MessagePack of the text with its checksum; of an empty one: there is none (any more)."""


OPEN_STATES: Final = ("new", "assigned", "parked")
"""States of an exception that somebody still has to work."""


class Hold(NamedTuple):
    """One exception: a work item for a person."""

    id: bytes
    organisation: str
    facility: str
    position: int
    """The message it is about; 0: none, but master data."""
    recorded_at: int
    actor: str
    channel: str
    place: str
    """Where in the message, such as ``FT1[2]``."""
    line: str
    code: str
    """Stable, such as ``code-not-in-table``."""
    cause: str
    """Plain words; items of one cause are shown as one group. Never message content."""
    destination: str
    """Set when a posting is held, else empty."""
    key: str
    """The posting's key, else empty."""
    state: str
    """new, assigned, parked, fixed or rejected."""
    kind: str = "held"
    """held, or flagged: the line was posted all the same."""
    field: str = ""
    """Of the document."""
    subject: str = ""
    """What it is about, for programs, such as ``di:04012345000016``; empty where that is nothing in particular."""
    proposal: str = ""
    """JSON of a change that was not made, else empty."""
    assignee: str = ""
    reason: str = ""
    """Why it has the state that a person gave it."""
    changed_at: int = 0
    """When a person last changed it; 0: never."""


class HoldChange(NamedTuple):
    """What a person did to an exception."""

    state: str
    assignee: str
    reason: str
    changed_at: int
    id: bytes


class HoldGroup(NamedTuple):
    """Exceptions of one cause and state."""

    kind: str
    state: str
    channel: str
    facility: str
    code: str
    cause: str
    subject: str
    field: str
    exceptions: int
    """How many."""
    messages: int
    """How many different ones they are about."""
    oldest: int
    newest: int
    assignee: str
    """If all have the same, else empty."""


LEFT_TO: Final = "follow:"
"""What the channel of a wish begins with that is left to a listener, whose name is behind it."""


class Replay(NamedTuple):
    """A wish to work one line of a stored message again; it is there until that is done."""

    hold: bytes
    """The exception that was fixed."""
    position: int
    channel: str
    """Empty: the whole message, which was put aside. See also `LEFT_TO`."""
    place: str
    recorded_at: int
    actor: str
    revision: str
    """Not before the channel has another revision than this; empty: at once."""
    decision: str
    """JSON of what a person decided about the line."""


class MasterVersion(NamedTuple):
    """One version of a document of the master data. Versions are only ever added."""

    position: int
    """Given by the store; dense, in the order of coming."""
    kind: str
    facility: str
    key: str
    recorded_at: int
    actor: str
    source: str
    """The system that said it."""
    origin: str
    """The file that it came in, or the exception that was fixed by it."""
    data: bytes
    """The document encoded; empty: it is no more."""


class Token(NamedTuple):
    """A patient identifier: documents carry the token."""

    token: str
    kind: str
    value: str


class Count(NamedTuple):
    """What a counter of a balance grows by."""

    facility: str
    scope: str
    """``messages:LISTENER`` or ``lines:CHANNEL`` or ``lines:CHANNEL:DESTINATION``."""
    name: str
    amount: int


class Event(NamedTuple):
    """One state change for the event stream out (CloudEvents `type` and `subject`)."""

    type: str
    subject: str
    facility: str
    recorded_at: int
    data: dict[str, str]


class Timer(NamedTuple):
    """A row that is due once: retries, escalations and schedules use nothing else."""

    owner: str
    key: str
    due_at: int
    data: str


class Cursor(NamedTuple):
    """How far a named reader of a partition has come; `epoch` fences a reader that lost its partition."""

    name: str
    partition: int
    position: int
    epoch: int


class Fence(NamedTuple):
    """The epoch of a lease that a change was made under: the change is written while that is the lease's epoch."""

    name: str
    partition: int
    epoch: int


class Switch(NamedTuple):
    """What a person wants of a destination."""

    destination: str
    state: Literal["running", "paused", "draining"]
    """Draining: nothing new is sent, and what may have had its effect is seen to its end."""
    actor: str
    reason: str
    recorded_at: int


class LegalHold(NamedTuple):
    """What must be kept whatever its age, until a person releases it."""

    id: bytes
    kind: Literal["facility", "case", "message"]
    value: str
    """The facility, the case's token, or the message's position."""
    reason: str
    actor: str
    recorded_at: int


class Expiry(NamedTuple):
    """What was deleted on one day of one kind by one rule."""

    day: int
    """Since 1970, UTC."""
    kind: str
    """bodies, documents, events, exceptions or cases."""
    rule: str
    """The outcome (``processed``), ``channel NAME``, or the kind again where it has one rule."""
    first: int
    """Position of the first that went; 0 where they have none."""
    last: int
    amount: int
    """How many messages' bodies or documents, events' rows or exceptions."""
    bytes: int
    recorded_at: int
    """Of the last deletion."""
