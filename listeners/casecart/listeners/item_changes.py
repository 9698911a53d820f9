"""Changes of items in the engine's own master data, as messages: one for each item, with the item as it is now.

Delivery: a change is a message like any other: stored, counted, kept and replayed. The cursor is moved after the
messages before it are stored, and not before. A crash between the two hands them in again, and what is stored already
is known by its identity and bytes. While nothing can be stored, nothing is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, cast
from zlib import crc32
from zoneinfo import ZoneInfo

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from casecart.canonical.item_change import ITEM_SCHEMA, encode_item_change
from casecart.listeners.partition import PARTITIONS
from casecart.runtime.fault import told
from casecart.runtime.item_changes import ACTOR, ItemChanges, Wanted
from casecart.runtime.listener import Arrival, ListenerSpec, Receipt
from casecart.store import StoreUnavailable
from casecart.workspace import Declared, Text, declared, key

if TYPE_CHECKING:
    from typing import Any

    from casecart.canonical.item_change import ItemChange
    from casecart.runtime.listener import Listener, ListenerContext

__all__ = ["MESSAGE_TYPE", "SPEC", "ItemChangesListener", "ItemChangesSettings"]

MESSAGE_TYPE: Final = "MFN^M16"

_SLICE: Final = 100
"""Versions that are read in one turn: some 20 ms."""
_PAUSE: Final = 0.1
"""Seconds between two slices: a whole item master leaves room for the messages of patients."""
_EVERY: Final = 1.0  # seconds between looks when there is nothing to read, or nothing can be stored


@declared(name="item-changes listener", about="Hands in a message for each item of the master data that has changed.")
class ItemChangesSettings(Declared):
    """What is written under `kind: item-changes` of a listener."""

    facility: Text = key(
        about="The facility whose view of the items is told: its own values stand over those that hold everywhere.",
        example="NORTH",
        names="facility",
    )
    not_from: tuple[Text, ...] = key(
        about=(
            "Systems, as master data name their sources: what one of these said is no reason to tell anything. The "
            "receiver's own stands here where its changes are brought in, or they would go back to it."
        ),
        example="[ehr]",
        default="[]",
        scalar=True,
    )
    receiver: Text = key(
        about="The receiver, as the issuer of identifiers with the system `ehr`: those are its numbers (`ehr_item`).",
        example="ORSYS",
        default="''",
    )
    start: Literal["now", "beginning"] = key(
        about=(
            "Where the first start begins. now: items that are there are taken to be known to the receiver, and what "
            "changes from then on is told. beginning: every item is told."
        ),
        example="beginning",
        default="now",
        written="from",
    )


def _make(context: ListenerContext) -> Listener:
    return ItemChangesListener(context)


SPEC: Final = ListenerSpec(
    kind="item-changes",
    about="Hands in a message for each item of the master data that has changed.",
    settings=ItemChangesSettings,
    make=_make,
    follows=True,
)


class ItemChangesListener:
    """Follows the master data."""

    log = Logger()

    def __init__(self, context: ListenerContext) -> None:
        assert context.followed is not None  # noqa: S101 - the engine gives it to a kind that follows
        settings = cast("ItemChangesSettings", context.settings)
        self._context, self._followed = context, context.followed
        self._facility = str(settings.facility)
        wanted = Wanted(
            name=context.name,
            facility=self._facility,
            zone=ZoneInfo(context.time_zones[self._facility]),
            not_from=frozenset(map(str, settings.not_from)),
            receiver=str(settings.receiver),
            beginning=settings.start == "beginning",
        )
        self._changes = ItemChanges(context.followed, wanted)
        self._begun = self._stopped = False
        self._call: Any = None
        self._position, self._more = 0, False
        self._waiting = 0  # handed in, and not answered
        self._again: list[Arrival] = []  # handed in, and not stored
        self._over: Deferred[None] | None = None

    @property
    def port(self) -> int:
        """It has none."""
        return 0

    @property
    def where(self) -> str:
        """To what it listens."""
        return f"to changes of items ({SPEC.kind})"

    def start(self) -> Deferred[None]:
        """Look for changes from now on."""
        self._soon(0)
        return succeed(None)

    def stop(self) -> Deferred[None]:
        """Read no more; fires when what was handed in is answered."""
        self._stopped = True
        if self._call is not None and self._call.active():
            self._call.cancel()
        if not self._waiting:
            return succeed(None)
        self._over = Deferred()
        return self._over

    def _soon(self, seconds: float) -> None:
        self._call = self._context.reactor.callLater(seconds, self._look)

    def _look(self) -> None:
        handed_in = False
        if not self._followed.mine():
            self._begun, self._again = False, []  # another engine goes on, from its own cursor
        elif self._context.intake.open:
            try:
                handed_in = self._step()
            except StoreUnavailable:
                self._begun = False
            except Exception as fault:  # noqa: BLE001 - its text may quote the store
                self._begun = False
                words = "{name} failed, and tries again: {fault}"
                self.log.error(words, name=self._context.name, fault=told(fault))  # noqa: TRY400 - as above
        if not handed_in:  # else the last answer says when to look again
            self._soon(_PAUSE if self._begun and self._more else _EVERY)

    def _step(self) -> bool:
        """Hand in the next slice, or what of the last could not be stored; whether there was anything."""
        if not self._begun:
            self._changes.begin()
            self._begun, self._again = True, []
        arrivals, self._again = self._again, []
        if not arrivals:
            if self._more and self._changes.behind:
                return False
            read = self._changes.read(_SLICE)
            self._position, self._more = read.position, read.more
            arrivals = [self._arrival(change) for change in read.changes]
            if not arrivals:
                if read.position != self._changes.position:
                    self._changes.done(read.position)
                return False
        self._waiting = len(arrivals)
        for arrival in arrivals:
            self._context.intake.take(arrival)
        return True

    def _arrival(self, change: ItemChange) -> Arrival:
        def reply(receipt: Receipt) -> None:
            self._answered(arrival, receipt)

        name = self._context.name
        arrival = Arrival(
            listener=name,
            facility=self._facility,
            organisation=self._context.organisation,
            peer=ACTOR,
            schema=ITEM_SCHEMA,
            message_type=MESSAGE_TYPE,
            sender=name,
            control_id=f"{change.item}.{change.version}",
            occurred_at=None,
            partition=crc32(change.item.encode()) % PARTITIONS,
            notes=None,
            source="master data",
            charset=None,
            body=encode_item_change(change),
            reply=reply,
        )
        return arrival

    def _answered(self, arrival: Arrival, receipt: Receipt) -> None:
        self._waiting -= 1
        if receipt == Receipt.NOT_STORED:
            self._again.append(arrival)
        if self._waiting:
            return
        if not self._again:
            self._changes.done(self._position)
        if self._over is not None:
            self._over.callback(None)
        elif not self._stopped:
            self._soon(_EVERY if self._again or not self._more else _PAUSE)
