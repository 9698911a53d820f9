"""Which listeners follow which senders' notifications up, as their settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.formats.fhir.notification import BadNotification, notification_of
from casecart.runtime.fault import NotWorkable
from casecart.runtime.fhir_body import FHIR, resource_of
from casecart.runtime.kinds import listener_specs
from casecart.workspace import Finding, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from casecart.store import Message
    from casecart.workspace import Workspace

__all__ = ["heard_in", "heard_of", "is_notification"]

_ENVELOPES: Final = frozenset({"Bundle", "Parameters", "SubscriptionStatus"})
"""Types of what may be a notification, and may be none. Any other comes of a classic subscription: the resource."""


def heard_of(workspace: Workspace, name: str) -> tuple[str, str] | None:
    """The listener and its peer there whose notifications a listener follows up; None: it follows up none."""
    component = workspace.engine.listeners[name]
    hears = listener_specs()[component.kind].hears
    return None if hears is None else hears(component.settings)


def heard_in(workspace: Workspace) -> Mapping[tuple[str, str], Sequence[str]]:
    """(listener, peer) → the listeners that follow up what it notifies.

    Raises:
        WorkspaceError: there is no such listener, or no such peer there.
    """
    heard: dict[tuple[str, str], list[str]] = {}
    findings = []
    for each, component in workspace.engine.listeners.items():
        name = str(each)
        of = heard_of(workspace, name)
        if of is None:
            continue
        listener = workspace.engine.listeners.get(of[0])
        peers = getattr(listener.settings, "peers", {}) if listener is not None else {}
        if of[1] not in peers:
            what = f"the listener '{of[0]}' has no peer '{of[1]}'" if listener else f"there is no listener '{of[0]}'"
            words = f"{what}: name the listener that takes the notifications, and their sender there"
            findings.append(Finding(component.settings.at("hears"), "error", "unknown-name", words))
        heard.setdefault(of, []).append(name)
    if findings:
        raise WorkspaceError(findings)
    return heard


def is_notification(message: Message) -> bool:
    """Whether it is one of FHIR: of a subscription, or what a classic one sends, any resource but a bundle."""
    if not message.schema.startswith(FHIR):
        return False
    if message.message_type not in _ENVELOPES:
        return True
    try:
        return notification_of(resource_of(message.body)) is not None
    except (NotWorkable, BadNotification):
        return False
