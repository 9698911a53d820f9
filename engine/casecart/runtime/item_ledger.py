"""The ledger of one item towards one destination: what it was told, what it took, and what must be told next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from casecart.canonical.item_change import ItemAction, ItemChange, decode_item_change, encode_item_change
from casecart.runtime.destination import Posting
from casecart.runtime.item_channel import ITEM
from casecart.runtime.made import PLACE, decode_postings, encode_postings
from casecart.runtime.stated import Verdict, decode_statements, encode_statements
from casecart.runtime.states import OPEN
from casecart.runtime.window import Work
from casecart.store import OPEN_STATES, Change, Count, Entry, HoldChange, case_lookup

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from casecart.rules import Keys
    from casecart.runtime.item_channel import ItemChannel
    from casecart.store import Message, Store

__all__ = ["ItemLedger", "Told"]

ALL = 1_000_000
"""More exceptions than a message can have."""

SUPERSEDED = "A later state of the item stands for it"


class Told(NamedTuple):
    """A posting of the item."""

    position: int
    """The message that it was made for."""
    posting: Posting
    verdict: str = ""
    """What a person found out, or what became of it without: `posted`, `not posted`; else empty."""

    @property
    def on_its_way(self) -> bool:
        """Whether the destination has yet to answer."""
        return self.posting.state in OPEN

    @property
    def taken(self) -> bool:
        """Whether the destination has it, or may have it, or is about to."""
        if self.verdict:
            return self.verdict == "posted"
        return self.on_its_way or self.posting.state == "posted" or self.posting.unsure

    @property
    def waits(self) -> bool:
        """Whether it was not taken, and nothing was said of that since."""
        return not self.verdict and not self.on_its_way and self.posting.state != "posted"


@dataclass(slots=True)
class ItemLedger:
    """Read once, and added to; for one message.

    Args:
        store: has the rows; while an engine works on the item, no other one does. Decoding raises `Damaged`.
        keys: derives the keys of postings.
        reserve: gives the sequence of a new row.
        message: that is worked.
        channel: by which.
        item: its number.
        change: is added to.
    """

    store: Store
    keys: Keys
    reserve: Callable[[], int]
    message: Message
    channel: ItemChannel
    item: str
    change: Change
    told: list[Told] = field(init=False, default_factory=list)
    """In the order of their coming."""
    _key: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        facility = self.message.facility
        # A ledger of its own: no case has this key.
        self._key = self.keys.case(facility, self.item, ITEM)
        self.store.lock([case_lookup(self._key)])
        for row in self.store.case_rows({(facility, self._key)}):
            if (row.channel, row.destination) != (self.channel.name, self.channel.to):
                continue
            self.told += [Told(row.position, posting) for posting in decode_postings(row.postings)]
            for verdict in decode_statements(row.statements)[1]:
                self._judge(verdict)

    @property
    def own(self) -> Told | None:
        """The last posting that was made for the message."""
        return next((each for each in reversed(self.told) if each.position == self.message.position), None)

    @property
    def later(self) -> bool:
        """Whether a posting was made for a later message."""
        return any(each.position > self.message.position for each in self.told)

    @property
    def any_taken(self) -> bool:
        """Whether the destination was ever told of it, and took that or may have."""
        return any(each.taken for each in self.told)

    def action(self, item: ItemChange) -> ItemAction | None:
        """What must be done there so that it has the item as it is; None: nothing."""
        has = item.known if not self.told else _of(self.told[0]).action != "add"
        for each in self.told:
            if each.taken:
                has = _of(each).action != "delete"
        if item.gone:
            return "delete" if has else None
        return "update" if has else "add"

    def plan(self, item: ItemChange, action: ItemAction) -> Work:
        """One more posting; those of earlier messages that wait for a person need nobody any more."""
        message, channel = self.message, self.channel
        for each in self.told:
            if each.waits and not each.posting.unsure and each.position != message.position:
                self.supersede(each)
        revision = 1 + max((each.posting.revision for each in self.told), default=0)
        # By what it says as well: after a restore another state may have the same number.
        said = f"{channel.name}\0{channel.to}\0{message.digest.hex()}"
        key = f"{self.keys.line(self._key, said)}.{revision}"
        document = msgspec.structs.replace(item, key=key, revision=revision, action=action)
        posting = Posting(key, self.item, revision, PLACE, ITEM, encode_item_change(document))
        posting.history = [(message.recorded_at, "planned")]
        self.told.append(Told(message.position, posting))
        return Work(self._row([posting]), [posting])

    def supersede(self, old: Told) -> None:
        """It will not be posted any more, unless a person rejected it, which stays as it is."""
        holds = self.store.holds(position=old.position, key=old.posting.key, limit=ALL)
        if any(each.state == "rejected" for each in holds):
            return
        self.close(old)
        self.count(old.posting.state, -1)
        self.count("no_change", 1)
        self.judge(old, "not posted")

    def close(self, old: Told) -> None:
        """Nobody needs to look at it any more."""
        self.change.hold_changes += [
            HoldChange("fixed", each.assignee, SUPERSEDED, self.message.recorded_at, each.id)
            for each in self.store.holds(position=old.position, key=old.posting.key, states=OPEN_STATES, limit=ALL)
        ]

    def judge(self, old: Told, outcome: Literal["posted", "not posted"]) -> None:
        """Write down what became of a posting."""
        verdict = Verdict(old.posting.key, self.item, outcome)
        self._judge(verdict)
        self._row([], [verdict])

    def count(self, name: str, amount: int) -> None:
        """Of the channel's lines."""
        self.change.counts.append(Count(self.message.facility, f"lines:{self.channel.name}", name, amount))

    def _judge(self, verdict: Verdict) -> None:
        self.told = [
            each._replace(verdict=verdict.outcome) if each.posting.key == verdict.key else each for each in self.told
        ]

    def _row(self, postings: list[Posting], verdicts: list[Verdict] | None = None) -> Entry:
        message = self.message
        entry = Entry(
            sequence=self.reserve(),
            position=message.position,
            channel=self.channel.name,
            facility=message.facility,
            case_key=self._key,
            order_key=self._key,
            destination=self.channel.to,
            open=len(postings),
            recorded_at=message.recorded_at,
            postings=encode_postings(postings),
            statements=encode_statements([], verdicts or []),
        )
        self.change.entries.append(entry)
        return entry


def _of(told: Told) -> ItemChange:
    return decode_item_change(told.posting.payload)
