"""Try a message: what a channel would make of it and send, step by step. Nothing is sent or stored.

It is worked by the engine's own rooms (`casecart.runtime.dry_run`), so that what is shown is what would be done.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from casecart.commands.desk import Query
from casecart.commands.message import find_message
from casecart.commands.refusal import Refusal
from casecart.commands.site import opened, read_site
from casecart.commands.taking import Way, taken
from casecart.commands.try_lines import shown_message
from casecart.commands.try_view import Tried, TriedMessage
from casecart.commands.workspace import read_workspace
from casecart.formats.hl7v2.file import messages_of, read_file
from casecart.runtime.clock import wall_clock
from casecart.runtime.dry_run import Compiled, DryRun
from casecart.runtime.listener import Arrival, Received
from casecart.store import StoreMisconfigured, StoreUnavailable
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from casecart.commands.actor import Permission
    from casecart.commands.desk import View
    from casecart.runtime.listener import Receipt
    from casecart.store import Message, Store
    from casecart.workspace import Channel, Workspace

__all__ = ["LARGEST", "StoredMessage", "Try", "again", "cut"]

LARGEST = 50_000_000
"""Bytes of what is tried: as much as a listener takes of a file where nobody says more."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BINARY = 0.3
"""Of the first bytes, how many may be no text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage(Query["Message"]):
    """A message with its body, by its position, id or control id: it shows what it says of a patient."""

    reference: str

    @property
    def permission(self) -> Permission:
        """As for a look at its body."""
        return "see bodies"

    def audited(self, answer: Message) -> tuple[str, str] | None:
        """It is one."""
        return ("message.read", f"message:{answer.position}")

    def answer(self, view: View) -> Message:
        """Raises `Refusal`: there is none, or its body is deleted."""
        message = find_message(view.store, self.reference)
        if message.body_gone:
            words = f"the body of message {message.position} is deleted: its time was over, and it can't be tried"
            raise Refusal("deleted", words)
        return message


def cut(data: bytes) -> list[bytes]:
    """The messages that a file holds: those of HL7 v2 that are in it, or one FHIR resource or bundle.

    Raises:
        Refusal: it holds none, and why.
    """
    if len(data) > LARGEST:
        raise Refusal("bad-value", f"this is larger than {LARGEST // 1_000_000} MB: cut it, and try a part of it")
    if not data.strip():
        raise Refusal("bad-value", "there is nothing in it: no message")
    if data.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] in (b"{", b"["):
        return [data]
    found = messages_of(data)
    if found:
        return found
    start = data[:1000]
    if sum(sign < ord(" ") and sign not in b"\t\n\r\x0b\x1c" for sign in start) > _BINARY * len(start):
        raise Refusal("bad-value", "this is no text: neither HL7 v2 nor FHIR as JSON")
    words = read_file(data).words.removesuffix(".")
    raise Refusal("bad-value", f"{words[:1].lower()}{words[1:]}; nor is it FHIR, which begins with {{")


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A wish to try messages on a channel.

    Attributes:
        root: the workspace.
        channel: its name.
        source: what to call the messages, such as their file.
        bodies: the messages, each as it would come in; or
        stored: one that came in, with the envelope that it has.
        listener: through which they come; None: the first of the channel that takes them.
        peer: from whom, where that is not told by themselves; None: the first that fits.
        version: of FHIR, as ``R5``; None: as the sender's is configured.
        environment: where secrets that name a variable are found.
        now: wall clock, µs since 1970.
        clock: monotonic seconds.
    """

    root: Path
    channel: str
    source: str
    bodies: Sequence[bytes] = ()
    stored: Message | None = None
    listener: str | None = None
    peer: str | None = None
    version: str | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType(os.environ))
    now: Callable[[], int] = wall_clock
    clock: Callable[[], float] = time.perf_counter

    def run(self) -> Tried:
        """All of it.

        Raises:
            NotAWorkspace: there is none.
            WorkspaceError: with what `casecart check` finds, but for what only other channels' mappings have wrong.
            Refusal: there is no such channel, listener or peer.
        """
        began = self.clock()
        workspace = read_workspace(self.root)
        declared = workspace.channels.get(self.channel)
        if declared is None:
            words = f"there is no channel '{self.channel}'; there are {listed(sorted(workspace.channels))}"
            raise Refusal("not-found", words, did_you_mean(self.channel, workspace.channels))
        if self.listener is not None and self.listener not in declared.sources:
            words = (
                f"channel '{self.channel}' takes nothing from '{self.listener}'; it is from {listed(declared.sources)}"
            )
            raise Refusal("not-found", words, did_you_mean(self.listener, declared.sources))
        loaded = self.clock()
        notes: list[str] = []
        with (
            _store(self.root, notes) as known,
            closing(Compiled(workspace, self.channel, clock=self.clock)) as channel,
        ):
            dry = DryRun(
                channel, known=known, environment=self.environment, now=self.now, clock=self.clock, chance=os.urandom
            )
            compiled = self.clock()
            if dry.made_up:
                notes.append(f"keys and tokens are made up, and are others in an engine: {dry.made_up}")
            if known is not None and not dry.catalogue.position:
                notes.append("there are no master data in the store: nothing can be resolved (casecart master import)")
            messages = list(self._messages(workspace, declared, dry))
        spent = {"load": loaded - began, "compile": compiled - loaded, "messages": self.clock() - compiled}
        return Tried(
            channel=self.channel,
            source=self.source,
            notes=notes,
            messages=messages,
            milliseconds={name: round(seconds * 1000, 3) for name, seconds in spent.items()},
        )

    def _messages(self, workspace: Workspace, declared: Channel, dry: DryRun) -> Iterator[TriedMessage]:
        if self.stored is not None:
            yield self._message(workspace, declared, dry, 1, Received(again(self.stored), ""))
        way = Way(workspace, declared, now=self.now, listener=self.listener, peer=self.peer, version=self.version)
        for number, body in enumerate(self.bodies, 1):
            began = self.clock()
            received = way.received(body)
            yield self._message(workspace, declared, dry, number, received, self.clock() - began)

    def _message(  # noqa: PLR0917 - what it is shown with
        self,
        workspace: Workspace,
        declared: Channel,
        dry: DryRun,
        number: int,
        received: Received,
        spent: float = 0.0,
    ) -> TriedMessage:
        not_taken, worked = taken(workspace, declared, dry, received)
        dry.trace.spent = {"receive": spent, **dry.trace.spent} if worked is not None else {"receive": spent}
        return shown_message(workspace, declared, dry, number, received.arrival, worked, not_taken)


def again(message: Message) -> Arrival:
    """A stored message as it came."""
    return Arrival(
        listener=message.listener,
        facility=message.facility,
        organisation=message.organisation,
        peer=message.actor,
        schema=message.schema,
        message_type=message.message_type,
        sender=message.sender,
        control_id=message.control_id,
        occurred_at=message.occurred_at,
        partition=message.partition,
        notes=message.notes,
        source=message.source,
        charset=message.charset,
        body=message.body,
        reply=_nobody,
        refused=message.outcome == "refused",
    )


def _nobody(_: Receipt) -> None:
    """Nobody waits."""


@contextmanager
def _store(root: Path, notes: list[str]) -> Iterator[Store | None]:
    """The workspace's store to read from; None where there is none now, and a note that says so."""
    with ExitStack() as stack:
        store: Store | None = None
        try:
            store = stack.enter_context(opened(read_site(root), "reader"))
        except (StoreMisconfigured, StoreUnavailable) as why:
            notes.append(f"without master data, since the store can't be read: {why}")
        yield store
