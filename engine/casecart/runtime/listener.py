"""What a listener is to the engine: it frames, tells the peer, hands over what arrived and answers when told to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from casecart.runtime.unfinished import Unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from twisted.internet.defer import Deferred

    from casecart.runtime.fhir_reading import Expected, FhirReading
    from casecart.runtime.item_changes import Followed
    from casecart.runtime.notices import Notices
    from casecart.runtime.probe import Probe

__all__ = [
    "Arrival",
    "Completion",
    "HeldLine",
    "Intake",
    "Listener",
    "ListenerContext",
    "ListenerSpec",
    "Numbered",
    "Part",
    "Receipt",
    "Received",
    "Special",
]


class HeldLine(NamedTuple):
    """Why something of a message waits for a person."""

    place: str
    """Of a line in the message, such as ``FT1[2]``; empty: the whole message."""
    code: str
    """The exception's."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What came of the work on a message, as it is stored now."""

    outcome: Literal["processed", "unrouted", "quarantined"]
    """Worked, perhaps with lines that are held; accepted by no channel; put aside."""
    held: tuple[HeldLine, ...] = ()
    """In the message's order; of very many, not all. What a destination refused is not among them."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an arrival's sender may be told. Two with the same `value` are equal."""

    value: Literal["stored", "duplicate", "not stored", "late"]
    completion: Completion | None = field(default=None, compare=False)
    """For who asked for it by `Arrival.tell`, unless the store does not answer."""

    STORED: ClassVar[Receipt]
    """Durable, and the engine's to see through."""
    DUPLICATE: ClassVar[Receipt]
    """The same identity and bytes are durable already: acknowledge again, nothing else happens."""
    NOT_STORED: ClassVar[Receipt]
    """The store can't take it now: no acknowledgement, close the connection, so that the sender keeps it."""
    LATE: ClassVar[Receipt]
    """Stored, but it is not known within `Arrival.complete_within` that its work is committed."""


Receipt.STORED = Receipt("stored")
Receipt.DUPLICATE = Receipt("duplicate")
Receipt.NOT_STORED = Receipt("not stored")
Receipt.LATE = Receipt("late")


@dataclass(frozen=True, slots=True)
class Part:
    """What the engine must know of a message that is a part of a longer one."""

    chain: str
    """Only parts that have the same can belong together: listener, sender, and how it writes."""
    follows: str
    """The pointer of the part before it; empty: it is the first."""
    pointer: str
    """The pointer of the part behind it; empty: it is the last."""
    within: int
    """µs that it may wait for the others."""
    maximum: int
    """Bytes that the whole may have."""
    whole: Callable[[Sequence[bytes]], Arrival]
    """Makes the whole of the bodies of all parts, in their order. Its `reply` is not called."""


@dataclass(slots=True)
class Numbered:
    """The sequence number of a message, of a sender that is known to give them."""

    of: str
    """Whose numbers these are."""
    number: int
    """0: the sender asks which number is expected; -1: it begins anew."""
    expected: int = 0
    """The engine's answer: which one was expected; -1: any."""


@dataclass(frozen=True, slots=True)
class Special:
    """What makes an arrival another one than the usual."""

    reject: Callable[[Literal["sequence-number", "too-many-parts"]], None]
    """Called before the reply, where the engine does not take the arrival: it is recorded as `refused`."""
    part: Part | None = None
    numbered: Numbered | None = None


@dataclass(slots=True)
class Arrival:
    """One message as a listener hands it over. The engine adds position, id, time and digest."""

    listener: str
    facility: str
    organisation: str
    peer: str
    schema: str
    """Format and version as declared, such as ``hl7v2/2.8.2``."""
    message_type: str
    sender: str
    control_id: str
    occurred_at: int | None
    partition: int
    notes: str | None
    source: str
    charset: str | None
    body: bytes
    reply: Callable[[Receipt], None]
    """Called once, after the commit that holds the message (or when it failed), on the reactor's thread."""
    refused: bool = False
    """A record of something that can't be processed (a framing fault, no header): stored, counted, never mapped."""
    complete_within: float | None = None
    """Seconds to wait for documents and postings to be committed too; None: answer when the message is stored."""
    special: Special | None = None
    stored: Callable[[], None] | None = None
    """With `complete_within`: called once when the message is stored, before `reply`; not if it could not be."""
    tell: bool = False
    """With `complete_within`: whether the receipt is to say what came of the message."""


class Intake(Protocol):
    """The engine's side of a listener."""

    def take(self, arrival: Arrival) -> None:
        """Store it with the next group commit, then call its `reply`."""

    @property
    def open(self) -> bool:
        """False while the store can't take anything: listeners stop reading instead of piling up."""


class Listener(Protocol):
    """A way in. One object per configured listener."""

    def start(self) -> Deferred[None]:
        """Open the door; fails with a clear `OSError` when the address is taken."""

    def stop(self) -> Deferred[None]:
        """Take nothing new, answer what was taken, close; fires when all of it is done."""

    @property
    def port(self) -> int:
        """The TCP port that is open (useful when the configured one is 0); 0 where there is none."""

    @property
    def where(self) -> str:
        """For a person, behind its name and "listens": such as `on 127.0.0.1:2575 (mllp)`."""


@dataclass(frozen=True, slots=True)
class ListenerContext:
    """What a listener is made with."""

    name: str
    settings: Any
    """An instance of the spec's settings class."""
    reactor: Any
    """Twisted's; its zope interfaces say nothing to mypy."""
    intake: Intake
    now: Callable[[], int]
    """Wall clock, µs since 1970 UTC."""
    organisation: str
    time_zones: Mapping[str, str]
    """Facility → IANA time zone."""
    root: Path
    port: int | None = None
    """In place of the configured one, where a person said so when the engine was started."""
    unfinished: Unfinished = field(default_factory=Unfinished)
    """What all listeners of the engine hold of messages that are not whole yet."""
    followed: Followed | None = None
    """For a kind that `follows`: the engine's own master data."""
    notices: Notices | None = None
    """For a kind that `hears`: what it is to follow up."""
    note: Callable[[str, int, int, Callable[[], None]], None] = lambda _name, _position, _epoch, done: done()
    """Keeps two numbers under a name that begins as one of `casecart.runtime.marks`; the last is called when they are
    durable. Without an engine nothing is kept."""


def _unanswered(_: Receipt) -> str:
    return ""


class Received(NamedTuple):
    """As what bytes would come in."""

    arrival: Arrival
    words: str
    """Why it is not taken, where it is `refused`; without content."""
    acknowledged: Callable[[Receipt], str] = _unanswered
    """What its sender would be told by a receipt: the code of an acknowledgement, such as AA, or a status of HTTP;
    empty: nothing."""


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """One kind of listener, named by an entry point ``casecart.listeners``."""

    kind: str
    about: str
    settings: type
    make: Callable[[ListenerContext], Listener]
    follows: bool = False
    """Whether its messages are changes of the engine's own master data, and no other system's."""
    hears: Callable[[Any], tuple[str, str] | None] | None = None
    """For a kind that follows up what another listener is notified of: gives, of its settings, that listener and its
    peer there; None: nobody, by these."""
    reads: Callable[[Any], FhirReading] | None = None
    """For a kind that reads at a FHIR server: gives, of its settings, what and where, for people's commands."""
    expects: Callable[[Any, str, Path], Expected | None] | None = None
    """For a kind whose peers may be FHIR servers: gives, of its settings, a peer's name and the workspace, how that
    peer is expected to post; None: there is no such peer."""
    receive: Callable[[ListenerContext, bytes, str], Received] | None = None
    """Tells as what the bytes of one message would come in, and opens nothing for it. The peer is named for kinds
    where bytes don't tell whose they are; empty: the first one. None: of this kind it can't be told."""
    probe: Probe | None = None
    """Looks whether what it reads is there and lets us in; None: there is nothing but its port."""

    @property
    def one_at_a_time(self) -> bool:
        """Whether only one of several engines does at a time what its listeners do."""
        return self.follows or self.hears is not None
