"""Replay: a stored message is worked again by today's channels and master data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from casecart.commands.deletion import body_deletion
from casecart.commands.desk import Command
from casecart.commands.message import find_message
from casecart.commands.refusal import Refusal
from casecart.runtime.copy import encode_decision
from casecart.store import LEFT_TO, Replay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.commands.actor import Actor
    from casecart.commands.desk import View
    from casecart.store import Change

__all__ = ["ReplayMessage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayMessage(Command):
    """A running engine does it within seconds, one that stands when it is started.

    Attributes:
        reference: position, id or control id.
        reason: for the audit trail.
    """

    name: ClassVar[str] = "message.replay"
    reference: str
    reason: str

    @property
    def subject(self) -> str:
        """The message."""
        return f"message:{self.reference}"

    @property
    def detail(self) -> Mapping[str, str]:
        """Why."""
        return {"reason": self.reason.strip()}

    def change(self, view: View, change: Change, actor: Actor) -> str:
        """A wish for each channel that worked it and listener that followed it up, or for them to look at it at all."""
        if not self.reason.strip():
            raise Refusal("bad-value", "say why with --reason: the audit trail keeps it")
        message = find_message(view.store, self.reference)
        if (gone := body_deletion(view.store, message)) is not None:
            when = "" if gone.at is None else f" on {gone.at:%Y-%m-%d}, by the rule for {gone.rule}"
            words = f"the body of message {message.position} was deleted{when}: it can't be worked again"
            raise Refusal("deleted", words)
        runs = {run.channel for run in view.store.runs(message.position)}
        left = {f"{LEFT_TO}{listener}" for listener in view.site.listeners}
        channels: list[str] = sorted(name for name in runs if not name.startswith(LEFT_TO) or name in left)
        if message.outcome in ("unrouted", "quarantined"):
            channels = [""]
        elif not channels:
            raise Refusal("bad-value", f"the message is {message.outcome}: there is nothing to work again")
        change.replays += [
            Replay(os.urandom(16), message.position, channel, "", view.now, actor.name, "", encode_decision({}))
            for channel in channels
        ]
        return f"message {message.position} will be worked again"
