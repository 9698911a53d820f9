"""An HTTP listener on a real port, and what plain sockets see of its answers."""

from __future__ import annotations

import json
import socket
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from casecart.listeners.http import HttpListener
from casecart.listeners.http_settings import HttpSettings
from casecart.runtime.listener import ListenerContext
from support.reactor import in_reactor, reactor
from support.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.listening import Intake

__all__ = [
    "TOKEN",
    "Answered",
    "Notes",
    "connected",
    "door",
    "http_settings",
    "notification",
    "post",
    "received",
    "send_until_held_up",
    "sends",
]

TOKEN = "made-up-token-of-the-ehr"
EHR = "ehr: {facility: NORTH, token: {file: ehr.token}}"


def http_settings(more: str = "", *, peers: str = EHR) -> HttpSettings:
    """Settings with the peer `ehr`, which posts FHIR to /ehr with `TOKEN`, and whatever more is said in YAML."""
    return settings_of(HttpSettings, f"port: 0\npeers: {{{peers}}}\n{more}\n")


@dataclass
class Notes:
    """What was noted; with `later` it becomes durable only when the test says so."""

    marks: list[tuple[str, int]] = field(default_factory=list)
    later: bool = False

    def __call__(self, name: str, _position: int, epoch: int, done: Callable[[], None]) -> None:
        """As the engine keeps it."""
        self.marks.append((name, epoch))
        if not self.later:
            done()


@contextmanager
def door(
    intake: Intake, settings: HttpSettings | None = None, *, root: Path, notes: Notes | None = None
) -> Iterator[HttpListener]:
    """An open port; secrets lie in `root`."""
    (root / "ehr.token").write_text(f"{TOKEN}\n", "utf-8")
    listener = HttpListener(
        ListenerContext(
            name="ehr-http",
            settings=settings or http_settings(),
            reactor=reactor,
            intake=intake,
            now=lambda: time.time_ns() // 1000,
            organisation="MERCY",
            time_zones={"NORTH": "America/Chicago"},
            root=root,
            note=notes or Notes(),
        )
    )
    in_reactor(listener.start)
    try:
        yield listener
    finally:
        in_reactor(listener.stop)


def connected(listener: HttpListener) -> closing[socket.socket]:
    """A plain socket, for what no library would send."""
    return closing(socket.create_connection(("127.0.0.1", listener.port), timeout=10))


@dataclass(frozen=True)
class Answered:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Our own, of what is wrong."""
        told: Any = json.loads(self.body)
        if "resourceType" in told:
            return str(told["issue"][0]["details"]["text"])
        return str(told["error"])


def post(
    body: bytes = b"",
    target: str = "/ehr",
    *,
    method: str = "POST",
    token: str | None = TOKEN,
    content_type: str | None = "application/fhir+json",
    headers: tuple[str, ...] = (),
    length: bool = True,
) -> bytes:
    """A request as bytes."""
    lines = [f"{method} {target} HTTP/1.1", "Host: casecart.example", *headers]
    lines += [f"Authorization: Bearer {token}"] if token is not None else []
    lines += [f"Content-Type: {content_type}"] if content_type is not None else []
    lines += [f"Content-Length: {len(body)}"] if length else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def received(connection: socket.socket, count: int = 1) -> list[Answered]:
    """So many answers."""
    answers: list[Answered] = []
    data = b""
    while len(answers) < count:
        while b"\r\n\r\n" not in data:
            data += _more(connection, len(answers))
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(data) < length:
            data += _more(connection, len(answers))
        answers.append(Answered(int(first.split(" ")[1]), headers, data[:length]))
        data = data[length:]
    assert data == b""
    return answers


def _more(connection: socket.socket, have: int) -> bytes:
    data = connection.recv(65_536)
    assert data, f"closed after {have} answers"
    return data


def sends(connection: socket.socket, data: bytes) -> bool:
    """Whether somebody still takes what is sent."""
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def send_until_held_up(connection: socket.socket, data: bytes) -> None:
    """Sends the same again and again, until nobody has read for a second."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    connection.settimeout(1)
    while sends(connection, data):
        pass


def notification(number: int = 1, kind: str = "event-notification", **more: object) -> bytes:
    """An R5 notification of one event, with the made-up procedure that it is about."""
    status: dict[str, object] = {
        "resourceType": "SubscriptionStatus",
        "type": kind,
        "subscription": {"reference": "Subscription/s1"},
        "eventsSinceSubscriptionStart": str(number),
    }
    entries: list[dict[str, object]] = [{"resource": status}]
    if kind == "event-notification":
        status["notificationEvent"] = [{"eventNumber": str(number), "focus": {"reference": f"Procedure/p{number}"}}]
        procedure = {"resourceType": "Procedure", "id": f"p{number}", "subject": {"reference": "Patient/1"}}
        entries.append({"resource": procedure | more})
    bundle = {"resourceType": "Bundle", "id": f"b{number}", "type": "subscription-notification", "entry": entries}
    return json.dumps(bundle).encode()
