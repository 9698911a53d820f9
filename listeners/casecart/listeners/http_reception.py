"""What an HTTP listener does with a body: reads as much of it as its envelope needs, or says what is wrong with it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from zlib import crc32

import msgspec

from casecart.formats.fhir import Limits, Refused, read_resource
from casecart.formats.fhir.envelope import Envelope, envelope_of
from casecart.formats.fhir.notification import BadNotification, classic, notification_of
from casecart.formats.xml_root import NotTaken, root_of
from casecart.listeners.http_answer import rejected, rejected_for
from casecart.listeners.partition import PARTITIONS
from casecart.runtime.listener import Arrival
from casecart.runtime.marks import subscription_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from casecart.formats.fhir.notification import Notification
    from casecart.listeners.http_peer import HttpSender
    from casecart.runtime.listener import ListenerContext, Receipt

__all__ = ["HttpReception", "Posted", "Sign"]

_R4: Final = "4.0.1"
_VERSIONS: Final = {"4.0": "4.0.1", "4.3": "4.3.0", "5.0": "5.0.0"}
_BOM: Final = b"\xef\xbb\xbf"
_NOTIFIES: Final = frozenset({"Bundle", "Parameters", "SubscriptionStatus"})
_SIGNS: Final = frozenset({"handshake", "heartbeat", "query-status"})
_OF_SUBSCRIPTIONS: Final = ("SubscriptionStatus", "Parameters", "Subscription", "OperationOutcome")
"""What a sign of life may bring; it is lost with it."""
_MOST_SUBSCRIPTIONS: Final = 1000  # of a peer, that are told apart


class Posted(Protocol):
    """A request whose body is there."""

    sender: HttpSender
    source: str
    rest: bytes
    """What stands behind the sender's address: empty, or as `/Procedure/1`."""
    content_type: str

    def settled(self, receipt: Receipt) -> None:
        """Answer, now that it is known whether it is stored."""


class Sign(NamedTuple):
    """A sign of life of a subscription, or its wish to be looked at: noted, and no message."""

    name: str
    """Of the mark."""
    counted: int
    """Events since the subscription began, as far as the server says; 0: it doesn't."""


class HttpReception:
    """Makes arrivals of bodies.

    Args:
        context: the listener's.
        partition_by: elements whose value keeps messages in order.
        maximum: bytes of a body.
    """

    def __init__(self, context: ListenerContext, partition_by: Iterable[str], maximum: int) -> None:
        self._listener, self._organisation, self._now = context.name, context.organisation, context.now
        self._paths = [path.split(".") for path in partition_by]
        self._decode = msgspec.json.Decoder(float_hook=str).decode
        self._limits = Limits(size=maximum)
        self._subscriptions: dict[str, set[str]] = {}

    def taken(self, posted: Posted, body: bytes) -> Arrival | Sign:
        """The message as the engine takes it, or what is to be noted of it.

        Raises:
            Rejected: it is none.
        """
        sender = posted.sender
        if sender.format == "fhir":
            return self._fhir(posted, body)
        if not body:
            raise rejected("empty")
        if sender.format == "xml":
            try:
                told = Envelope(root_of(body), "", None, "")
            except NotTaken as trouble:
                raise rejected(trouble.code, trouble.words) from None
        else:
            told = envelope_of(self._json(body), None, self._paths)._replace(message_type="")
        return self._arrival(posted, body, sender.format, told._replace(control_id=_hash(body)))

    def _fhir(self, posted: Posted, body: bytes) -> Arrival | Sign:
        sender = posted.sender
        if not body:
            if posted.rest:
                raise rejected("empty")
            return self._sign(sender, classic(None))
        try:
            resource = read_resource(body, self._limits)
        except Refused as refused:
            raise rejected_for(refused.problem) from None
        kind: str = resource["resourceType"]
        if posted.rest:
            _must_be(posted.rest, kind, resource)
        notification: Notification | None = None
        if kind in _NOTIFIES:
            try:
                notification = notification_of(resource)
            except BadNotification as bad:
                raise rejected("bad-notification", bad.words, bad.place) from None
            if notification is not None and notification.kind in _SIGNS and not _brings(notification):
                return self._sign(sender, notification)
        told = envelope_of(resource, notification, self._paths)
        if not told.control_id:
            # The same state again, after another one, is no resend: of a resource without a version none is known.
            again = "" if kind == "Bundle" else f"-{self._now()}"
            told = told._replace(control_id=_hash(body) + again)
        return self._arrival(posted, body, f"fhir/{_version(posted, notification)}", told)

    def _json(self, body: bytes) -> dict[str, Any]:
        """Any JSON; of what is no object nothing is told."""
        try:
            read = self._decode(body.removeprefix(_BOM))
        except RecursionError:
            raise rejected("json-too-deep") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise rejected("json-broken") from None
        return read if isinstance(read, dict) else {}

    def _arrival(self, posted: Posted, body: bytes, schema: str, told: Envelope) -> Arrival:
        sender, order = posted.sender, told.keeps_order
        return Arrival(
            self._listener,
            sender.facility,
            self._organisation,
            sender.name,
            schema,
            told.message_type[:_LONGEST].replace("\0", "\ufffd"),
            sender.name,
            told.control_id,
            told.occurred_at,
            crc32(order.encode("utf-8", "replace")) % PARTITIONS if order else sender.partition,
            None,
            posted.source,
            None,
            body,
            posted.settled,
        )

    def _sign(self, sender: HttpSender, notification: Notification) -> Sign:
        """Of a peer that makes up subscriptions without end, the first thousand are told apart."""
        known = self._subscriptions.setdefault(sender.name, set())
        handshake = notification.kind == "handshake"
        name = subscription_mark(self._listener, sender.name, handshake=handshake)
        if notification.subscription:
            own = subscription_mark(self._listener, sender.name, notification.subscription, handshake=handshake)
            if own in known or len(known) < _MOST_SUBSCRIPTIONS:
                known.add(own)
                name = own
        return Sign(name, notification.counted or 0)

    def refused(self, body: bytes, source: str, schema: str, notes: str, reply: Callable[[Receipt], None]) -> Arrival:
        """The record of what can't be processed."""
        return Arrival(
            self._listener, "", self._organisation, "", schema, "", "", "", None, 0, notes, source, None, body,
            reply, refused=True,
        )  # fmt: skip


_LONGEST: Final = 199


def _hash(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _version(posted: Posted, notification: Notification | None) -> str:
    """Of FHIR: as configured, as the request says, as the form of a notification tells, else R4."""
    if posted.sender.version is not None:
        return posted.sender.version
    _, _, said = posted.content_type.partition("fhirVersion=")
    known = _VERSIONS.get(said.strip().strip('"')[:3])
    return known or (notification.version if notification is not None else "") or _R4


def _brings(notification: Notification) -> bool:
    """Whether it has resources that something happened to, whatever it calls itself: those are stored."""
    return any(each.get("resourceType") not in _OF_SUBSCRIPTIONS for each in notification.resources)


def _must_be(rest: bytes, kind: str, resource: dict[str, Any]) -> None:
    """An update goes to the resource's own address below the sender's."""
    named = rest.decode("ascii", "replace").split("/")[1:]
    if named[0] != kind or (len(named) > 1 and named[1] != resource.get("id")):
        raise rejected("other-resource")
