"""FHIR notifications and resources, JSON and XML over HTTP/1.1 and HTTPS.

Delivery: a request is answered with 200 after its body is stored, and not before. What can't be read is recorded with
its bytes and answered with 4xx, an OperationOutcome for FHIR, short JSON for others; while nothing can be stored, 503
with Retry-After says so, and the sender keeps what it has. The handshake of a subscription and its heartbeats are
noted and are no messages; so is the empty body by which a classic R4 subscription says: go and look. What a bundle asks
to be done (`request`) is never done. A connection that ends before the answer leaves its sender to send again: the same
identity and bytes are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from twisted.web.http import datetimeToString

from casecart.listeners.admission import NotAdmitted
from casecart.listeners.door import Door
from casecart.listeners.http_connection import HttpConnection
from casecart.listeners.http_peer import HttpPeers, expected
from casecart.listeners.http_received import posted
from casecart.listeners.http_reception import HttpReception
from casecart.listeners.http_settings import HttpSettings
from casecart.runtime.fault import told
from casecart.runtime.listener import ListenerSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from casecart.listeners.http_reception import Sign
    from casecart.runtime.certificate import Certificate
    from casecart.runtime.fhir_reading import Expected
    from casecart.runtime.listener import Listener, ListenerContext, Received

__all__ = ["SPEC", "HttpListener"]


def _make(context: ListenerContext) -> Listener:
    return HttpListener(context)


def _expects(settings: HttpSettings, name: str, root: Path) -> Expected | None:
    peer = next((peer for each, peer in settings.peers.items() if str(each) == name), None)
    return None if peer is None else expected(peer, name, root)


def _receive(context: ListenerContext, body: bytes, peer: str) -> Received:
    settings = cast("HttpSettings", context.settings)
    return posted(context, HttpReception(context, settings.partition_by, settings.maximum_body), body, peer)


SPEC: Final = ListenerSpec(
    kind="http",
    about="Takes FHIR notifications and resources, JSON and XML over HTTP.",
    settings=HttpSettings,
    make=_make,
    expects=_expects,
    receive=_receive,
)


class HttpListener(Door):
    """An open port whose connections speak HTTP."""

    kind = SPEC.kind

    def __init__(self, context: ListenerContext) -> None:
        settings = cast("HttpSettings", context.settings)
        self.maximum_body = settings.maximum_body
        self.request_timeout = settings.request_timeout
        self.idle_timeout = settings.idle_timeout
        self.unfinished = context.unfinished
        self.unfinished.make_room(settings.maximum_body)
        self.senders = HttpPeers(settings.peers, context.root)
        self.reception = HttpReception(context, settings.partition_by, settings.maximum_body)
        self._note, self._now = context.note, context.now
        super().__init__(context, settings.port, settings.request_timeout, self.reception)
        self.date = b""
        self._tell_time()

    def speaker(self, host: str, source: str, certificate: Certificate | None) -> HttpConnection:
        """A connection on which its peers may post. Raises `NotAdmitted`: no peer may."""
        allowed = self.senders.allowed(host, certificate)
        if not allowed:
            what = "address" if certificate is None else "certificate and address"
            raise NotAdmitted("no-peer", f"no peer has its {what}")
        return HttpConnection(self, host, source, allowed)

    def note(self, sign: Sign, done: Callable[[], None]) -> None:
        """Have a sign noted; `done` when that is durable."""
        self._note(sign.name, self._now(), sign.counted, done)

    def failed(self, fault: Exception) -> None:
        """Say that there is a fault of ours, without its text, which may quote a message."""
        self.log.error("{name} failed: {fault}", name=self.name, fault=told(fault))

    def _tell_time(self) -> None:
        self.date = datetimeToString(self._now() / 1_000_000)

    def _tick(self) -> None:
        self._tell_time()
        super()._tick()
