"""Master data in messages (MFN), through the line of the shipped channels."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from casecart.canonical.master import Item, decode_document
from casecart.runtime.copy import encode_decision
from casecart.store import Change, Replay, open_store

if TYPE_CHECKING:
    from casecart.canonical.master import MasterDocument
    from support.shipped import Shipped

__all__ = ["again", "bring", "codes", "document", "item", "record", "versions"]


def document(line: Shipped, kind: str, key: str) -> MasterDocument | None:
    versions = line.store.master_history(kind, key)
    return decode_document(kind, versions[0].data) if versions and versions[0].data else None


def item(line: Shipped, key: str) -> Item:
    found = document(line, "item", key)
    assert isinstance(found, Item)
    return found


def versions(line: Shipped) -> int:
    return line.store.published_master()


def bring(line: Shipped, *bodies: bytes) -> None:
    line.send(*bodies)
    line.look()


def record(number: str, event: str, *segments: str, at: str = "20260803070000-0600") -> bytes:
    """A made-up MFN^M16 of one record."""
    head = f"MSH|^~\\&|MATERIALS|NORTH|CASECART|MERCY|{at}||MFN^M16^MFN_M16|{number}|P|2.8.2"
    return "".join(f"{each}\r" for each in (head, "MFI|INV||UPD", f"MFE|{event}|1||X|CWE", *segments)).encode()


def codes(line: Shipped, control_id: str) -> list[tuple[str, str]]:
    holds = line.store.holds(position=line.position(control_id), states=("new",), limit=1_000)
    return [(each.code, each.cause) for each in holds]


def again(line: Shipped, control_id: str) -> None:
    """A person says that the cause is removed, and the engine looks."""
    holds = line.store.holds(position=line.position(control_id), states=("new",))
    wishes = [
        Replay(each.id, each.position, each.channel, each.place, 1, "kim", "", encode_decision({})) for each in holds
    ]
    with closing(open_store(line.url, role="person")) as person:
        person.write(Change(replays=wishes))
    line.look()
