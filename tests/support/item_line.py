"""A line that tells a destination of items: the listener that follows the master data, and the channel behind it."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import msgspec

from casecart.canonical.item_change import ItemChange
from casecart.canonical.master import encode_document, key_of
from casecart.listeners.item_changes import SPEC, ItemChangesListener, ItemChangesSettings
from casecart.runtime.copy import encode_decision
from casecart.runtime.destination import Answer
from casecart.runtime.item_changes import Followed
from casecart.runtime.listener import ListenerContext
from casecart.store import Change, HoldChange, MasterVersion, Replay, open_store
from support.line import ENGINE, Line, write_workspace
from support.master import kind_of
from support.settings import settings_of
from support.store import new_store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from casecart.canonical.master import MasterDocument
    from casecart.runtime.destination import Posting
    from casecart.runtime.journal import Done, Fill
    from casecart.store import Hold

__all__ = ["CHANNEL", "ItemLine", "item_line", "publish", "refuse"]

CHANNEL = """\
channel: items-to-ehr
about: What changes in the item master is told to the EHR.
from: [item-changes]
accept: [MFN^M16]
steps:
  - send: {to: erp}
"""


@dataclass
class ItemLine(Line):
    """A line with a listener of kind `item-changes`."""

    settings: str = "facility: NORTH"
    mine: bool | None = None
    """Whether it follows the master data; None: as the lease says, where engines share the store."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.write = self.journal.write
        self.listener = self._listener()

    def _listener(self) -> ItemChangesListener:
        context = ListenerContext(
            name="item-changes",
            settings=settings_of(ItemChangesSettings, self.settings),
            reactor=self.clock,
            intake=self.journal,
            now=self.now,
            organisation="MERCY",
            time_zones={"NORTH": "America/Chicago"},
            root=self.root,
            followed=Followed(self.store, self._noted, self._mine),
        )
        return cast("ItemChangesListener", SPEC.make(context))

    def _mine(self) -> bool:
        return self.mine if self.mine is not None else self.sharing is None or "item-changes" in self.sharing.follows

    def _noted(self, fill: Fill, done: Done) -> None:
        self.write(fill, done)

    def start(self) -> ItemLine:
        """As the engine starts."""
        super().start()
        self.listener.start()
        self.settle()
        return self

    def look(self) -> None:
        """A second goes by: the listener looks, and the engine does."""
        self.wait(1.1)
        self.settle()
        super().look()
        self.settle()

    def told(self) -> list[tuple[str, str, str | None]]:
        """(action, item, description) of each posting that was sent, as often as it was."""
        documents = {posting.key: msgspec.json.decode(posting.payload, type=ItemChange) for posting in self.postings()}
        sent = [documents[key] for call, keys in self.script.calls if call == "post" for key in keys]
        return [(each.action, each.item, each.description) for each in sent]

    def held(self) -> list[Hold]:
        """What waits for a person."""
        return self.store.holds(states=("new",))

    def decide(self, outcome: str) -> None:
        """A person fixes what is held, as `casecart worklist fix` writes it, and the engine looks."""
        holds = self.held()
        decision = encode_decision({"outcome": outcome})
        change = Change(
            hold_changes=[HoldChange("fixed", "", "because", self.now(), hold.id) for hold in holds],
            replays=[
                Replay(hold.id, hold.position, hold.channel, hold.place, self.now(), "kim", "", decision)
                for hold in holds
            ],
        )
        self._write(change)

    def replay(self, *positions: int) -> None:
        """Messages are worked again, as `casecart message replay` writes it."""
        decision = encode_decision({})
        wishes = [
            Replay(os.urandom(16), position, "items-to-ehr", "", self.now(), "kim", "", decision)
            for position in positions
        ]
        self._write(Change(replays=wishes))

    def _write(self, change: Change) -> None:
        with closing(open_store(self.url, role="person")) as person:
            person.write(change)
        self.look()


def item_line(
    root: Path, url: str, settings: str = "facility: NORTH", *before: MasterDocument, channel: str = CHANNEL
) -> ItemLine:
    """A line on an empty store, or one with these documents in it from the beginning."""
    write_workspace(root)
    listener = f"  item-changes: {{kind: item-changes, {settings}}}\n"
    (root / "config/engine.yaml").write_text(ENGINE.replace("destinations:\n", f"{listener}destinations:\n"), "utf-8")
    (root / "channels/items-to-ehr.yaml").write_text(channel, "utf-8")
    new_store(url)
    publish(url, *before)
    return started(root, url, settings)


def started(root: Path, url: str, settings: str) -> ItemLine:
    """A line on what is there."""
    return ItemLine(root, url, settings=settings.replace(", ", "\n")).start()


def publish(url: str, *documents: MasterDocument | str, source: str = "erp", facility: str = "") -> None:
    """New versions, as an import writes them; a text is the number of an item that is no more."""
    if not documents:
        return
    versions = [
        MasterVersion(0, "item", facility, each, 1_790_000_000_000_000, "tester", source, "items.csv", b"")
        if isinstance(each, str)
        else MasterVersion(
            0, kind_of(each), facility, key_of(each), 1_790_000_000_000_000, "tester", source, "items.csv",
            encode_document(each),
        )
        for each in documents
    ]  # fmt: skip
    with closing(open_store(url, role="person")) as store, store.master_lock():
        change = Change()
        change.publish(store.append_master(versions))
        store.write(change)


def refuse(line: ItemLine, state: str = "held", *, unsure: bool = False) -> None:
    """The next posting is refused."""

    def answer(postings: Sequence[Posting]) -> list[Answer]:
        return [Answer("rejected" if state == "rejected" else "held", code="no", words="No.", unsure=unsure)] * len(
            postings
        )

    answers: list[Callable[[Sequence[Posting]], Sequence[Answer] | Exception]] = line.script.answers
    answers.append(answer)
