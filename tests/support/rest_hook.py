"""A FHIR server that sends notifications: glue of our own before Medplum's router, which calls nobody.

Resources, searches and tokens are Medplum's, passed on as they come. Ours are the calls to the endpoints of its
subscriptions, `$status` and `$events`, and what goes wrong with them: notifications are lost, held back, sent twice, in
another order, or counted anew.
"""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from support.fhir_peer import Answer, asked
from support.open_port import until
from support.subscription import Happened, Post, Subscription, subscription_resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.fhir_peer import Medplum
    from support.subscription import Content, Dialect

__all__ = ["RestHook", "delivered"]

PATIENCE = 20.0  # seconds
OPERATION = re.compile(r"/Subscription/([^/?]+)/\$(status|events)(?:\?(.*))?")
ONE = re.compile(r"/Subscription/([^/?]+)")
DROPPED = {"connection", "content-length", "date", "host", "keep-alive", "server", "transfer-encoding"}


class RestHook:
    """The server as clients see it; a context manager.

    Args:
        medplum: what it stands before.
        version: of FHIR that it speaks.
        operations: whether it has `$events`, and `$status`.
        keeps: of each subscription so many of the last events are given by `$events`; None: all.

    Attributes:
        base: its address, as a client has it.
        subscriptions: by their ids.
        asked: method and path of what clients asked, in order.
        sent: what was sent, and the status that answered it; 0: nothing did.
        held: what is held back, in order.
        spoil: makes something else of the answer to a request, such as `GET /Procedure/1`.
        pause: seconds before each byte of an answer's body.
    """

    def __init__(
        self,
        medplum: Medplum,
        version: Literal["R4", "R4B", "R5"] = "R4",
        *,
        operations: frozenset[str] = frozenset({"status", "events"}),
        keeps: int | None = None,
    ) -> None:
        self._medplum, self._version, self._operations, self._keeps = medplum, version, operations, keeps
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hook": self}))
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self.subscriptions: dict[str, Subscription] = {}
        self.asked: list[str] = []
        self.sent: list[tuple[Post, int]] = []
        self.held: list[Post] = []
        self.spoil: Callable[[str, Answer], Answer] = lambda _, answer: answer
        self.pause = 0.0
        self._way: Literal["send", "hold", "lose"] = "send"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    # --- what people and clients do there

    def subscribe(
        self, dialect: Dialect, content: Content, endpoint: str, header: str, heartbeat: int | None = None
    ) -> Subscription:
        """Create a subscription as a client does, and wait for its handshake; arguments as `subscription_resource`."""
        body = json.dumps(subscription_resource(dialect, content, endpoint, header, heartbeat=heartbeat)).encode()
        token = f"Bearer {self._medplum.clerk}"
        kind = "application/fhir+json"
        made = asked(self.port, "POST", "/Subscription", body, Authorization=token, Content_Type=kind)
        assert made.status == 201, made
        subscription = self.subscriptions[made.json["id"]]
        until(lambda: subscription.status != "requested")
        return subscription

    def document(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Somebody documents, and subscribers of procedures hear of it; the resource as it is now."""
        kept = self._medplum.put(resource)
        if kept["resourceType"] == "Procedure":
            for subscription in self.subscriptions.values():
                event = subscription.happened(kept, kept["meta"]["lastUpdated"])
                if subscription.status == "active":
                    self.send(*subscription.told([event], now()))
        return kept

    # --- what goes wrong

    @contextmanager
    def losing(self) -> Iterator[None]:
        """What is to be sent meanwhile is lost on its way."""
        self._way = "lose"
        yield
        self._way = "send"

    @contextmanager
    def holding(self) -> Iterator[None]:
        """What is to be sent meanwhile is held back, to be sent by a test in any order."""
        self._way = "hold"
        yield
        self._way = "send"

    def tell(self, subscription: Subscription, *events: Happened) -> None:
        """Send one notification of events, which may have been sent before."""
        self.send(*subscription.told(events, now()))

    def heartbeat(self, subscription: Subscription) -> None:
        """Send a sign of life."""
        self.send(subscription.sign("heartbeat", now()))

    def restart(self, subscription: Subscription) -> None:
        """Count its events from 1 on, as a server that was restored does, and shake hands again."""
        subscription.restart()
        self._shake_hands(subscription)

    # --- sending

    def send(self, *posts: Post) -> None:
        """To the endpoints, one after the other, unless they are lost or held back now."""
        if self._way == "hold":
            self.held += posts
        elif self._way == "send":
            for post in posts:
                self.sent.append((post, delivered(post)))

    def _shake_hands(self, subscription: Subscription) -> None:
        """Standards want any 2xx; the classic dialect has no handshake."""
        if subscription.dialect != "classic":
            post = subscription.sign("handshake", now())
            status = delivered(post)
            self.sent.append((post, status))
            if not 200 <= status < 300:
                subscription.status, subscription.errors = "error", ["no-response"]
                return
        subscription.status, subscription.errors = "active", []

    # --- answering

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """To a client's request."""
        self.asked.append(f"{method} {path}")
        return self.spoil(self.asked[-1], self._answer(method, path, headers, body))

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        operation = OPERATION.fullmatch(path)
        if operation is None:
            answer = self._passed_on(method, path, headers, body)
            return self._with_status(answer) if (method, path[:13]) == ("GET", "/Subscription") else answer
        admitted = self._passed_on("GET", f"/Subscription/{operation[1]}", headers, b"")
        subscription = self.subscriptions.get(operation[1])
        if admitted.status != 200 or subscription is None:
            return admitted
        if operation[2] not in self._operations:
            return self._passed_on(method, path, headers, body)  # Medplum has neither
        if operation[2] == "status":
            return _resource(subscription.bundle("query-status", (), now()))
        return _resource(self._events(subscription, operation[3]))

    def after(self, method: str, path: str, answer: Answer) -> None:
        """What the server does once a request is answered."""
        one = ONE.fullmatch(path)
        if method == "DELETE" and one is not None and answer.status < 300:
            self.subscriptions.pop(one[1], None)
        elif (method, path) == ("POST", "/Subscription") and answer.status == 201:
            self._shake_hands(self.subscriptions[answer.json["id"]])
        elif method == "PUT" and one is not None and answer.status == 200:
            subscription = self.subscriptions[one[1]]
            subscription.status = answer.json["status"]
            if subscription.status in {"requested", "active"}:
                self._shake_hands(subscription)

    def _events(self, subscription: Subscription, query: str | None) -> dict[str, Any]:
        said = {name: values[0] for name, values in parse_qs(query or "").items()}
        first, last = int(said.get("eventsSinceNumber", "0")), int(said.get("eventsUntilNumber", subscription.counter))
        known = subscription.events if self._keeps is None else subscription.events[-self._keeps :]
        given = [event for event in known if first <= event.number <= last]
        content: Any = said.get("content")
        return subscription.bundle("query-event", given, now(), content)

    def _passed_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        kept = {name.replace("-", "_"): value for name, value in headers.items() if name.lower() not in DROPPED}
        answer = asked(self._medplum.port, method, path, body or None, **kept)
        if (method, path, answer.status) == ("POST", "/Subscription", 201):
            made = Subscription(answer.json, self.base, self._version)
            self.subscriptions[made.id] = made
        return answer

    def _with_status(self, answer: Answer) -> Answer:
        """Medplum keeps what a client wrote of a subscription; its status is ours."""
        if answer.status != 200:
            return answer
        told = answer.json
        for each in [told, *(entry.get("resource", {}) for entry in told.get("entry", ()))]:
            known = self.subscriptions.get(str(each.get("id")))
            if each.get("resourceType") == "Subscription" and known is not None:
                each["status"] = known.status
        return answer._replace(body=json.dumps(told).encode())

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    hook: RestHook
    protocol_version = "HTTP/1.1"
    timeout = 5

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.hook.answer(self.command, self.path, dict(self.headers.items()), body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name not in DROPPED:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        try:
            if self.hook.pause:
                for byte in answer.body:
                    time.sleep(self.hook.pause)
                    self.wfile.write(bytes([byte]))
            else:
                self.wfile.write(answer.body)
        except OSError:  # who asked has had enough
            self.close_connection = True
        self.hook.after(self.command, self.path, answer)

    do_GET = do_POST = do_PUT = do_DELETE = _do  # noqa: N815 - as http.server calls them

    def log_message(self, *_: object) -> None:
        """Nothing is to be seen of it."""


def now() -> str:
    """As an instant."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def delivered(post: Post) -> int:
    """The status that answers it; 0: nothing did."""
    parts = urlsplit(post.url)
    try:
        with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)) as endpoint:
            endpoint.request(post.method, parts.path, post.body, post.headers)
            return endpoint.getresponse().status
    except OSError:
        return 0


def _resource(resource: dict[str, Any]) -> Answer:
    return Answer(200, {"content-type": "application/fhir+json"}, json.dumps(resource).encode())
