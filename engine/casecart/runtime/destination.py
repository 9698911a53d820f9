"""What a destination is to the engine: it takes a batch of postings and says of each what became of it.

Some can be asked what they have as well; that is no part of a posting, and needs no engine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import msgspec

from casecart.canonical.movement import Movement

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime
    from pathlib import Path

    from twisted.internet.defer import Deferred

    from casecart.formats.hl7v2 import Delimiters
    from casecart.runtime.probe import Probe

__all__ = [
    "Answer",
    "Delivery",
    "Destination",
    "DestinationContext",
    "DestinationSpec",
    "ErpItem",
    "MasterRead",
    "Movement",
    "NotDelivered",
    "NotRead",
    "NotWritten",
    "NothingThere",
    "OnHand",
    "OutcomeUnknown",
    "Posting",
    "PostingState",
    "Preview",
    "Proof",
    "Readable",
    "Reconcilable",
    "Searchable",
    "TwoStep",
    "Writer",
    "Written",
]

PostingState = Literal["planned", "sent", "posted", "held", "rejected", "unknown"]
Proof = Literal["read back", "acknowledged", "handed over"]


class Delivery(Enum):
    """How a destination can be kept from doing a thing twice; it decides what may follow an unknown outcome."""

    KEYED = "keyed"
    """Refuses a second posting with the same key: an unknown outcome is sent again."""
    TWO_STEP = "two-step"
    """Makes a harmless draft first: an unknown outcome is asked of the draft (`TwoStep`)."""
    SEARCHABLE = "searchable"
    """Can be asked for a key after a settling time: looked up, sent again when it is not there (`Searchable`)."""
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
    group: str = ""
    """What it goes out with, in the destination's own words (`TwoStep.groups`); empty while it is planned."""
    unsure: bool = False
    """With ``held``: it was given up without knowing whether it had its effect."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What became of one posting.

    ``posted`` needs its proof. ``rejected``: it never will be taken as it is. ``held``: a person must act first
    (closed period, shortage). ``retry``: not taken now, surely without effect. ``unknown``: it may have had its effect.
    ``drafted``, of a two-step destination: a draft of it is there, with this reference, and has had no effect.
    """

    state: Literal["posted", "rejected", "held", "retry", "unknown", "drafted"]
    proof: Proof | Literal[""] = ""
    reference: str = ""
    code: str = ""
    words: str = ""
    tried: bool = True
    """False with ``retry`` or ``unknown``: its turn did not come, because the destination was in trouble before."""
    retry_after: float | None = None
    """Seconds that the destination asked for; with `tried` False."""
    unsure: bool = False
    """With ``held``: nobody knows whether it had its effect."""


class NotDelivered(Exception):
    """The whole batch surely had no effect (connection refused, 503, 429): try again.

    Args:
        code: stable code.
        words: for the person who must act.
        retry_after: seconds that the destination asked for, or None.
        permanent: it stays so until somebody mends the destination or the configuration (a wrong key, a wrong address).
    """

    def __init__(self, code: str, words: str, retry_after: float | None = None, *, permanent: bool = False) -> None:
        super().__init__(words)
        self.code, self.words, self.retry_after, self.permanent = code, words, retry_after, permanent


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


class Searchable(Destination, Protocol):
    """A destination that can be asked for a posting's key, some time after it was sent."""

    @property
    def settling(self) -> float:
        """Seconds after the sending for which a posting that is not found may still come to light.

        It is not looked up before. What comes to light later than that may be done twice: the stated window.
        """


class TwoStep(Destination, Protocol):
    """A destination that makes a harmless draft first, of one posting or of several that belong together.

    `post` makes drafts only, and answers ``drafted``; `look_up` finds them, and answers the same; neither has any
    effect. The dispatcher stores what they answered, by a write that only who holds the destination can make, and then
    calls `carry_out`. So an engine that was stopped anywhere, and goes on after another one has taken over, can at most
    leave a draft behind, or ask for an effect that was asked for already.
    """

    def carry_out(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Have drafts that `post` or `look_up` answered just now their effect: of those only, never of another.

        Called with the draft's reference in `Posting.reference`; the posting is `unknown` if `look_up` found it, else
        `sent`. ``retry`` means: it surely has no effect, now or later (its draft is cancelled). When the call fails as
        a whole, by whatever, the outcome is unknown.
        """

    def groups(self, postings: Sequence[Posting]) -> Sequence[str]:
        """The reference of the draft that each of these is to be part of.

        It is asked once for each sending of a posting, and stored with it before `post` is called; `look_up` finds the
        draft by it. A posting that is surely not there (`retry`) gets another reference the next time,
        so that a draft which comes to light late is nobody's, and harmless. `look_up` and then `carry_out` may
        be asked for a part of a draft's postings: one that is not done yet is cancelled then, for the others may be in
        another one by now.

        Args:
            postings: of one row of the ledger, all that are about to be sent; `attempts` counts this time.
        """


class NotRead(Exception):
    """A destination could not be asked, or did not answer as it should.

    Args:
        code: stable code, such as ``key-refused``.
        words: for the person who must act.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class NothingThere(Exception):
    """A destination answered, and does not have what it was asked for. The words say what."""


class MasterRead(msgspec.Struct, frozen=True, kw_only=True):
    """The master data of a destination, as the tables in which they are imported."""

    tables: Mapping[str, Sequence[Mapping[str, str]]]
    """Table → rows: column → cell, as a CSV has it. Each table is all that the destination says of it."""
    systems: frozenset[str]
    """Of the identifiers: the systems whose numbers it tells, each for one of the item's unit."""
    passed_over: Mapping[str, int]
    """What could not be taken, in words such as ``products without a code`` → how many."""


class ErpItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item as a destination has it."""

    item: str
    description: str
    status: str
    unit: str
    """In the words of the master data."""
    lot: bool | None
    """Whether it is tracked by lot; None: the destination doesn't say."""
    serial: bool | None
    identifiers: Sequence[tuple[str, str]]
    """(type, number) as the destination has them; the type may be empty."""


class OnHand(msgspec.Struct, frozen=True, kw_only=True):
    """How many of an item are at a location."""

    item: str
    location: str
    lot: str
    """Lot or serial number; empty: of no lot."""
    quantity: Decimal
    unit: str


class Readable(Protocol):
    """A destination that can be asked what it has. Nothing that is asked changes anything there.

    Each fails with `NotRead` where it is not answered.
    """

    def master(self) -> Deferred[MasterRead]:
        """Items, their identifiers, and whatever else of the master data it has."""

    def item(self, identifier: str) -> Deferred[Sequence[ErpItem]]:
        """The items with this number or identifier; more than one where the destination does not tell them apart."""

    def on_hand(self, item: str | None, location: str | None, lot: str | None) -> Deferred[Sequence[OnHand]]:
        """What is there now and is not nothing; None: of every item, at every location, of every lot.

        Fails with `NothingThere` where an item, location or lot that is named is not known.
        """

    def stop(self) -> Deferred[None]:
        """Let go of connections."""


class Reconcilable(Protocol):
    """A destination that can be asked what was moved there, to be compared with the ledger. It changes nothing."""

    def movements(self, day: date) -> Deferred[Sequence[Movement]]:
        """What the destination says of a day of use. Fails with `NotRead` where it is not answered.

        That is: every movement that was done between stock and a place where its postings go, whoever made it; and what
        was made under a reference of casecart's, in whatever state.
        """

    def made_since(self, moment: datetime) -> Deferred[Sequence[Movement]]:
        """Whatever was made or changed under a reference of casecart's since then, in whatever state, of any day.

        Each tells the `key` that its reference was made from. Fails with `NotRead` where it is not answered.
        """

    def expected(self, posting: Posting) -> Movement | None:
        """The movement that a posting comes to when it is done; None where that can't be told. Pure, no I/O."""

    def stop(self) -> Deferred[None]:
        """Let go of connections."""


class NotWritten(Exception):
    """A posting can't be written as its mapping says; a person must act first.

    Args:
        code: stable code.
        words: for that person; no content.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class Written(NamedTuple):
    """A posting as an HL7 v2 message.

    Attributes:
        message_type: MSH-9, by its parts: ``("DFT", "P03", "DFT_P03")``.
        version: MSH-12.
        segments: all that follow MSH, escaped, without their ends.
    """

    message_type: tuple[str, ...]
    version: str
    segments: Sequence[str]


class Writer(Protocol):
    """Writes postings as messages, as the mapping says that the destination's setting `mapping` names."""

    def write(self, posting: Posting, delimiters: Delimiters) -> Deferred[Written]:
        """Fires when all that the message discloses of a patient stands in the audit trail; fails with `NotWritten`."""


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
    writer: Writer | None = None
    """Where the settings have a `mapping`; None as well where a destination is only asked, and posted nothing."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Files that settings name by keys with `names="file"`, as they belong to what runs: those below `root` may be
    written meanwhile. Empty where a destination is only asked."""


class Preview(NamedTuple):
    """What would go out for some postings.

    Attributes:
        keys: of the postings in it.
        to: where it would go, in words, such as ``POST https://…``; no secret.
        body: as it would be sent.
        words: why it can't be written, with an empty body; a person must act first, and it would be held.
        code: the same; stable.
    """

    keys: Sequence[str]
    to: str
    body: bytes
    words: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class DestinationSpec:
    """One kind of destination, named by an entry point ``casecart.destinations``."""

    kind: str
    about: str
    settings: type
    """A declared class; it has `batch` (postings a call) and `concurrency` where the kind offers them."""
    make: Callable[[DestinationContext], Destination]
    read: Callable[[DestinationContext], Readable] | None = None
    """Makes what asks it; None: it can't be asked."""
    reconcile: Callable[[DestinationContext], Reconcilable] | None = None
    """Makes what is asked for movements; None: it can't be asked for them."""
    takes: Collection[str] = ("consumption", "charge")
    """What may be posted to it, by the words that routes have under `as`."""
    preview: Callable[[DestinationContext, Sequence[Posting]], Deferred[Sequence[Preview]]] | None = None
    """Writes postings as they would go out, in their order and by as many together, and neither connects to anything
    nor reads a secret; None: what goes out is no one body."""
    probe: Probe | None = None
    """Looks whether it is there and lets us in; None: nobody can tell before something is posted."""
