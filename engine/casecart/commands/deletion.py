"""What was deleted of a message because its time was over: when, and by which rule."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from casecart.commands.moment import moment

if TYPE_CHECKING:
    from casecart.store import Expiry, Message, Store

__all__ = ["DeletedView", "DeletionView", "body_deletion", "deleted_view"]


class DeletedView(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted on one day by one rule."""

    kind: str
    """bodies, documents, events, exceptions or cases."""
    rule: str
    amount: int
    bytes: int
    last_at: datetime


class DeletionView(msgspec.Struct, frozen=True, kw_only=True):
    """That the body of a message was deleted."""

    at: datetime | None
    """The last time on that day that the rule deleted something; None: nobody knows, which is not as it should be."""
    rule: str
    """The message's outcome, or ``channel NAME``."""


def deleted_view(expiry: Expiry) -> DeletedView:
    """Of a row."""
    return DeletedView(
        kind=expiry.kind, rule=expiry.rule, amount=expiry.amount, bytes=expiry.bytes, last_at=moment(expiry.recorded_at)
    )


def body_deletion(store: Store, message: Message) -> DeletionView | None:
    """Of a message; None where its body is there."""
    if not message.body_gone:
        return None
    rules = {f"channel {run.channel}" for run in store.runs(message.position)} | {message.outcome}
    found = [expiry for expiry in store.expired(message.position) if expiry.kind == "bodies"]
    expiry = next((expiry for expiry in found if expiry.rule in rules), found[0] if found else None)
    if expiry is None:
        return DeletionView(at=None, rule="")
    return DeletionView(at=moment(expiry.recorded_at), rule=expiry.rule)
