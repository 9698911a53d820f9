"""Names under which the engine keeps notes of its own in the store: people's commands read them, too."""

from __future__ import annotations

import hashlib
from typing import Final

__all__ = [
    "CERTIFICATE",
    "DISK",
    "DISPATCH",
    "DISPATCHER",
    "DRAINED",
    "FHIR",
    "FHIR_EVENTS",
    "FHIR_LOOKED",
    "FHIR_SEARCHED",
    "FHIR_TROUBLE",
    "FHIR_WHOLE",
    "FINGERPRINT",
    "FOLLOW",
    "ITEMS",
    "LISTENER",
    "REPLAY",
    "RETAIN",
    "RUNNING",
    "SUBSCRIPTION",
    "TODAY",
    "WORK",
    "subscription_mark",
]

RUNNING: Final = "engine:running"
"""Cursor. Position: 1 while an engine is at work; 0 when it was stopped in order."""

FINGERPRINT: Final = "secret:keys"
"""Cursor. Position: tells the secret of keys from another."""

DISPATCHER: Final = "dispatcher"
"""Owner of the timers of destinations' next tries."""

DRAINED: Final = "drained:"
"""Cursor, with a destination's name behind it. Position: the wish to drain it that is told of (its µs); epoch: postings
that may have had their effect, and nobody knows yet; 0 when it is drained."""

LISTENER: Final = "listener"
"""An engine that has doors. What follows stands beside it in the list of what an engine does, and is a lease too."""

WORK: Final = "work"
"""Lease of a partition of the intake: who holds it maps what waits there."""

REPLAY: Final = "replay"
"""Lease of what people wish to have worked again."""

RETAIN: Final = "retention"
"""Lease of the deletion of what is past its time."""

DISPATCH: Final = "dispatch:"
"""With the name of a destination: lease of the sending to it."""

FOLLOW: Final = "follow:"
"""With the name of a listener: lease of following the master data for it, or of following up what it hears."""

FHIR: Final = "fhir:"
"""Cursor, with a listener's name behind it, a colon, and what is the listener's to say: how far it has come."""

FHIR_EVENTS: Final = "events:"
"""Behind `FHIR`, a listener and a colon, with a subscription behind it (`Subscription/1`). Position: up to this number
all its events are here; -1: there is no such subscription any more. Epoch: how often it has begun to count anew."""

FHIR_WHOLE: Final = "whole:"
"""Likewise. Position: when no event of the subscription was known to be missing, µs since 1970."""

FHIR_SEARCHED: Final = "searched:"
"""Behind `FHIR`, a listener and a colon, with a resource type, a colon and the hash of a search. Position: what
changed until then is here, µs since 1970 by the server's clock."""

FHIR_LOOKED: Final = "looked"
"""Behind `FHIR`, a listener and a colon. Position: the wish of the heard peer to be looked at that was seen to, as its
mark has it."""

FHIR_TROUBLE: Final = "trouble"
"""Behind `FHIR`, a listener and a colon. Position: since when its server gives no answer that helps (µs); 0: it
does. Epoch: the status of HTTP; 0 where none came."""

ITEMS: Final = "items:"
"""Cursor, with a listener's name behind it. Position: up to which version of the master data changes of items were
handed in. Epoch: the same at its first start: what there was by then, the receiver is taken to have."""

DISK: Final = "engine:disk"
"""Cursor. Position: since when (µs) nothing is taken, the disk being nearly full; 0: it is not. Epoch: free bytes."""

CERTIFICATE: Final = "certificate:"
"""Cursor, with `listener:` or `destination:` and a name behind it. Position: when the certificate in use ends, seconds
since 1970; 0: there is none any more."""

TODAY: Final = "retention:today"
"""Cursor. Position: what counts as today for what is deleted, µs since 1970. Epoch: what the clock said then."""

SUBSCRIPTION: Final = "subscription:"
"""Cursor, with a name behind it as `subscription_mark` gives it. Position: the last sign of life (µs), of the peer
itself its last wish to be looked at, and of a beginning the last handshake. Epoch: events that were counted by then."""


def subscription_mark(listener: str, peer: str, reference: str = "", *, handshake: bool = False) -> str:
    """The name of what is noted of a subscription.

    Args:
        listener: that takes its notifications.
        peer: there, that sends them.
        reference: to the subscription, as a notification says it: whether it is written as an address or from the
            server's own on makes no difference. Empty: the peer itself.
        handshake: of its last handshake, with which it began, perhaps anew; else of any other sign of life.
    """
    name = f"{SUBSCRIPTION}{listener}:{peer}"
    if reference:
        own = "/".join(reference.rsplit("/", 2)[-2:])
        name = f"{name}:{hashlib.blake2b(own.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"
    return f"{name}:handshake" if handshake else name
