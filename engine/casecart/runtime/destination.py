"""What a destination is to the engine: it takes a batch of postings and says of each what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from twisted.internet.defer import Deferred

__all__ = [
    "Answer",
    "Delivery",
    "Destination",
    "DestinationContext",
    "DestinationSpec",
    "NotDelivered",
    "OutcomeUnknown",
    "Posting",
    "PostingState",
    "Proof",
]

PostingState = Literal["planned", "sent", "posted", "held", "rejected", "unknown"]
Proof = Literal["read back", "acknowledged", "handed over"]


class Delivery(Enum):
    """How a destination can be kept from doing a thing twice; it decides what may follow an unknown outcome."""

    KEYED = "keyed"
    """Refuses a second posting with the same key: an unknown outcome is sent again."""
    TWO_STEP = "two-step"
    """Makes a harmless draft first: an unknown outcome is asked of the draft."""
    SEARCHABLE = "searchable"
    """Can be asked for a key after a settling time: looked up, then sent again when it is not there."""
    BLIND = "blind"
    """Can't be asked: an unknown outcome is sent again, so that a posting may arrive twice, with the same key."""


class Posting(msgspec.Struct, array_like=True, gc=False):
    """One change that a destination must make, and the history of its states. Its key outlives every retry."""

    key: str
    """Digest of facility, case and line, a dot, the revision. Never a patient identifier."""
    line: str
    revision: int
    place: str
    """Where in the message the statement stands, such as ``FT1[2]``."""
    kind: str
    """What is posted, such as ``consumption``."""
    payload: bytes
    """JSON object of the canonical fields that may leave, with ``key`` among them."""
    state: PostingState = "planned"
    attempts: int = 0
    code: str = ""
    """Stable code of the last trouble, such as ``connection-refused``."""
    words: str = ""
    """The last trouble in plain words, without message content."""
    proof: str = ""
    reference: str = ""
    """The destination's own id of what it made, where it gives one."""
    history: list[tuple[int, str]] = []
    """(µs since 1970, state), oldest first."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What became of one posting.

    ``posted`` needs its proof. ``rejected``: it never will be taken as it is. ``held``: a person must act first
    (closed period, shortage). ``retry``: not taken now, surely without effect. ``unknown``: it may have had its effect.
    """

    state: Literal["posted", "rejected", "held", "retry", "unknown"]
    proof: Proof | Literal[""] = ""
    reference: str = ""
    code: str = ""
    words: str = ""
    tried: bool = True
    """False with ``retry``: it was not sent, because the destination was in trouble before its turn came."""
    retry_after: float | None = None
    """Seconds that the destination asked for; with `tried` False."""


class NotDelivered(Exception):
    """The whole batch surely had no effect (connection refused, 503, 429): try again.

    Args:
        code: stable code.
        words: for the person who must act.
        retry_after: seconds that the destination asked for, or None.
    """

    def __init__(self, code: str, words: str, retry_after: float | None = None) -> None:
        super().__init__(words)
        self.code, self.words, self.retry_after = code, words, retry_after


class OutcomeUnknown(Exception):
    """The batch may have had its effect (time-out after sending, connection lost, 500)."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class Destination(Protocol):
    """A way out. One object per configured destination; calls come from the reactor's thread."""

    @property
    def delivery(self) -> Delivery:
        """What it can promise. An attribute will do; where only the analyst knows, the settings ask."""

    def post(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Send a batch; fires with one answer per posting, in order, or fails with `NotDelivered` or `OutcomeUnknown`.

        Any other failure is taken as an unknown outcome and is shown as a fault of the connector.
        """

    def look_up(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Ask what became of postings whose outcome is unknown; ``retry`` means: surely not there, send again.

        Only called where the delivery class is two-step or searchable.
        """

    def stop(self) -> Deferred[None]:
        """Let go of connections and files."""


@dataclass(frozen=True, slots=True)
class DestinationContext:
    """What a destination is made with."""

    name: str
    settings: Any
    """An instance of the spec's settings class."""
    reactor: Any
    """Twisted's; its zope interfaces say nothing to mypy."""
    root: Path
    """The workspace; relative paths and `{file: …}` secrets are below it."""


@dataclass(frozen=True, slots=True)
class DestinationSpec:
    """One kind of destination, named by an entry point ``casecart.destinations``."""

    kind: str
    about: str
    settings: type
    """A declared class; it has `batch` (postings a call) and `concurrency` where the kind offers them."""
    make: Callable[[DestinationContext], Destination]
