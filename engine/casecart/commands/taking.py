"""As what a message would come in to a channel, and what the channel makes of it in a dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from casecart.commands.refusal import Refusal
from casecart.formats.fhir import VERSIONS
from casecart.runtime.claim import Claim
from casecart.runtime.fault import NotWorkable
from casecart.runtime.fhir_body import FHIR, resource_of, types_in
from casecart.runtime.kinds import listener_specs
from casecart.runtime.listener import ListenerContext, Received
from casecart.workspace.findings import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.runtime.dry_run import DryRun, Worked
    from casecart.runtime.listener import Arrival, Intake
    from casecart.workspace import Channel, Workspace

__all__ = ["Way", "not_taken", "taken"]


class Way:
    """How messages come to a channel.

    Args:
        workspace: whose channel it is.
        declared: the channel.
        now: wall clock, µs since 1970.
        listener: through which they come; None: the first of the channel that takes them.
        peer: from whom, where that is not told by themselves; None: the first that fits.
        version: of FHIR, as ``R5``; None: as the sender's is configured.
    """

    def __init__(
        self,
        workspace: Workspace,
        declared: Channel,
        *,
        now: Callable[[], int],
        listener: str | None = None,
        peer: str | None = None,
        version: str | None = None,
    ) -> None:
        self._workspace, self._declared, self._now = workspace, declared, now
        self._listener, self._peer, self._version = listener, peer, version

    def received(self, body: bytes) -> Received:
        """Through the first listener and of the first peer of which the channel takes it.

        Raises:
            Refusal: none of the channel's listeners takes bytes.
        """
        declared = self._declared
        first: Received | None = None
        for name in [self._listener] if self._listener is not None else list(map(str, declared.sources)):
            for peer in [self._peer] if self._peer is not None else list(map(str, declared.peers)) or [""]:
                found = self._through(name, peer, body)
                if found is None:
                    continue
                if not_taken(self._workspace, declared, found) is None:
                    return found
                # Better than one that could not be read is one that was.
                if first is None or (first.arrival.refused and not found.arrival.refused):
                    first = found
        if first is None:
            words = f"the listeners of channel '{declared.channel}' take no files: name a stored message"
            raise Refusal("bad-value", words)
        return first

    def _through(self, name: str, peer: str, body: bytes) -> Received | None:
        workspace = self._workspace
        component = workspace.engine.listeners[name]
        receive = listener_specs()[component.kind].receive
        if receive is None:
            return None
        facilities = workspace.engine.facilities
        context = ListenerContext(
            name=name,
            settings=component.settings,
            reactor=None,
            intake=cast("Intake", None),  # nothing is handed in
            now=self._now,
            organisation=str(workspace.engine.organisation),
            time_zones={str(facility): str(about.time_zone) for facility, about in facilities.items()},
            root=workspace.root,
        )
        received = receive(context, body, peer)
        if self._version is not None and received.arrival.schema.startswith(FHIR):
            received.arrival.schema = f"{FHIR}{VERSIONS[self._version]}"
        return received


def taken(
    workspace: Workspace, declared: Channel, dry: DryRun, received: Received
) -> tuple[tuple[str, str] | None, Worked | None]:
    """What the channel makes of it: why it is not taken (code and words), and what became of it, if it is worked.

    What notes cases for the channel is worked too: it counts for the messages behind it.
    """
    arrival = received.arrival
    why = not_taken(workspace, declared, received)
    helps = not arrival.refused and any(
        each.note is not None and _accepts(each, arrival) for each in workspace.channels.values()
    )
    return why, dry.take(arrival) if why is None or helps else None


def not_taken(workspace: Workspace, declared: Channel, received: Received) -> tuple[str, str] | None:
    """Code and words, where a channel does not take an arrival."""
    arrival = received.arrival
    if arrival.refused:
        code = f" ({arrival.notes})" if arrival.notes else ""
        return "refused", f"listener {arrival.listener} would not take it{code}: {received.words}"
    name, kind = declared.channel, arrival.message_type
    if arrival.listener not in declared.sources:
        return (
            "not-from-here",
            f"it came through {arrival.listener}, and the channel is from {listed(declared.sources)}",
        )
    if declared.peers and arrival.peer not in declared.peers:
        words = f"it is of peer {arrival.peer}, and channel {name} takes those of {listed(declared.peers)}"
        return "other-peer", f"{words}{_others(workspace, declared, arrival)}"
    if not _accepts(declared, arrival):
        words = f"it is a {kind or 'message without a type'}, and channel {name} accepts {listed(declared.accept)}"
        return "other-type", f"{words}{_others(workspace, declared, arrival)}"
    if arrival.schema.startswith(FHIR) and not _wants(declared, arrival):
        return "nothing-in-it", f"the bundle has no {' or '.join(declared.accept)} in it"
    return None


def _others(workspace: Workspace, declared: Channel, arrival: Arrival) -> str:
    """Which channels take it."""
    taking = [name for name, each in workspace.channels.items() if each is not declared and _accepts(each, arrival)]
    return f"; it is taken by {listed(sorted(map(str, taking)))}" if taking else "; no channel takes it"


def _accepts(declared: Channel, arrival: Arrival) -> bool:
    return Claim(declared).accepts(arrival.listener, arrival.peer, arrival.message_type)


def _wants(declared: Channel, arrival: Arrival) -> bool:
    try:
        return Claim(declared).wants(types_in(resource_of(arrival.body)))
    except NotWorkable:
        return True  # the engine puts it aside, and says why
