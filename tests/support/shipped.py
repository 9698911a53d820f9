"""The shipped channels at work, without sockets: the reference workspace with its master data, and a line."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from casecart.formats.hl7v2 import read_header
from casecart.master.import_plan import plan_import
from casecart.master.ownership import OwnershipRule
from casecart.master.table_file import read_table_file
from casecart.master.tables import table_for
from casecart.runtime.listener import Arrival
from casecart.runtime.made import decode_made
from casecart.store import MessageFilter, open_store
from casecart.workspace import reference
from support.line import Line
from support.master import publish
from support.store import new_store

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.canonical import Usage
    from casecart.canonical.master import MasterDocument
    from casecart.runtime.listener import Receipt
    from casecart.store import Hold

__all__ = ["Shipped", "master_documents", "prepare", "sample", "shipped", "started"]

PEERS = {
    "ORSYS": "orsys",
    "SUPPLIES": "supplies",
    "CABINET": "cabinet",
    "ORLOG": "orlog",
    "MATERIALS": "materials",
    "SCHEDULING": "scheduling",
    "REGISTRATION": "registration",
}


def sample(name: str, *changes: tuple[str, str]) -> bytes:
    """A message of `samples/hl7v2`, with texts replaced that are in it."""
    text = (reference.root() / "samples" / "hl7v2" / f"{name}.hl7").read_bytes().decode()
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    return text.encode()


def master_documents() -> list[MasterDocument]:
    """What `samples/master` brings in."""
    tables = []
    for path in sorted((reference.root() / "samples" / "master").glob("*.csv")):
        table = table_for(path.name)
        assert table is not None
        rows, _ = read_table_file(path.read_bytes(), str(path), table)
        assert rows is not None
        tables.append(rows)
    plan = plan_import({}, tables, source="erp", owners=OwnershipRule(), part=False, facilities={"NORTH"})
    assert not plan.refused
    return [change.after for change in plan.changes if change.after is not None]


@dataclass
class Shipped(Line):
    """A line of the shipped channels: each message comes from the peer that its MSH-3 names."""

    def take(self, body: bytes, *, refused: bool = False, complete_within: float | None = None) -> None:
        """A message arrives, as its header says."""
        header = read_header(body)
        fields = [field.decode() for field in header.fields]
        control_id = fields[9]
        kind = "^".join(fields[8].split("^")[:2])
        self.journal.take(
            Arrival(
                listener="or-mllp", facility="NORTH", organisation="MERCY", peer=PEERS[fields[2]],
                schema=f"hl7v2/{fields[11]}", message_type=kind, sender=f"{fields[2]}|{fields[3]}",
                control_id=control_id, occurred_at=_occurred(fields[6]), partition=0, notes=None,
                source="127.0.0.1:1", charset=None, body=body,
                reply=lambda receipt: self._answered(control_id, receipt),
                refused=refused, complete_within=complete_within,
            )
        )  # fmt: skip

    def _answered(self, control_id: str, receipt: Receipt) -> None:
        self.replies.append((control_id, receipt))

    def documents(self, control_id: str) -> list[tuple[str, Usage]]:
        """(channel, document) of every line that was made of a message."""
        return [
            (run.channel, document)
            for run in self.store.runs(self.position(control_id))
            for _, _, document in decode_made(run.documents).documents
        ]

    def filtered(self, control_id: str) -> list[tuple[str, str]]:
        """Place and reason of the lines of a message that were left out."""
        return [
            left for run in self.store.runs(self.position(control_id)) for left in decode_made(run.documents).filtered
        ]

    def held(self, control_id: str) -> list[tuple[str, str, str]]:
        """(place, code, field) of what waits for a person because of a message."""
        holds: list[Hold] = self.store.holds(position=self.position(control_id))
        return [(each.place, each.code, each.field) for each in sorted(holds, key=lambda each: each.place)]

    def position(self, control_id: str) -> int:
        """Of a message."""
        heads = self.store.messages(MessageFilter(), None, 1000)
        return next(head.position for head in heads if head.control_id == control_id)

    def posted(self) -> list[tuple[str, Decimal, str, str | None]]:
        """(action, quantity, item, lot or serial number) of each posting, in their order."""
        payloads = [msgspec.json.decode(posting.payload) for posting in self.postings()]
        return [
            (each["action"], Decimal(each["quantity"]), each["item"], each.get("lot") or each.get("serial"))
            for each in payloads
        ]


def prepare(root: Path) -> None:
    """The reference workspace, with its destination called as that of a line, and its master data in an empty store."""
    for folder in reference.FOLDERS:
        shutil.copytree(reference.root() / folder, root / folder)
    engine = root / "config" / "engine.yaml"
    engine.write_text(engine.read_text("utf-8").replace("  inventory: ", "  erp: "), "utf-8")
    for path in (root / "channels").glob("*.yaml"):
        path.write_text(path.read_text("utf-8").replace("to: inventory", "to: erp"), "utf-8")
    new_store(_url(root))
    with closing(open_store(_url(root), role="person")) as store:
        publish(store, *master_documents())


def shipped(prepared: Path, root: Path, url: str = "") -> Shipped:
    """A line of the shipped channels, in a copy of what was prepared; another store gets the same master data."""
    shutil.copytree(prepared, root)
    if url:
        new_store(url)
        with closing(open_store(url, role="person")) as store:
            publish(store, *master_documents())
    return started(root, url)


def started(root: Path, url: str = "") -> Shipped:
    """A line on what is there."""
    line = Shipped(root, url or _url(root))
    line.start()
    return line


def _url(root: Path) -> str:
    return f"sqlite:///{root}/casecart.db"


def _occurred(text: str) -> int:
    return int(datetime.strptime(text, "%Y%m%d%H%M%S%z").astimezone(UTC).timestamp()) * 1_000_000
