"""A small server that answers as a Tryton does, and, for a kind of request, as a test wants it to."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Pretended", "Reply"]

SHIPMENTS = "stock.shipment.internal"
STEPS = {"wait": ("draft", "waiting"), "assign_try": ("waiting", "assigned"), "do": ("assigned", "done")}


class Reply(NamedTuple):
    """What is answered."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = {"Content-Type": "application/json"}  # noqa: RUF012 - nobody changes it
    length: int | None = None
    """What the answer says of its length; None: the truth."""


class Pretended:
    """Products, locations and lots are there as soon as they are asked for; shipments are made and go their steps.

    `script` is asked before each request: by its kind (``GET product.product``, ``GET known``, ``POST create``,
    ``POST do``, ``GET read`` …) it gives a reply, or a function of the server that gives one or None. None: as Tryton.
    """

    def __init__(self) -> None:
        self.script: dict[str, Reply | Callable[[Pretended], Reply | None]] = {}
        self.shipments: list[dict[str, Any]] = []
        self.kinds: list[str] = []
        self.longest = 0
        self._names: list[str] = []
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hosp"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def states(self) -> list[str]:
        """Of all shipments."""
        return [str(each["state"]) for each in self.shipments]

    def answer(self, method: str, target: str, body: bytes) -> Reply:
        """To one request."""
        parts = urlsplit(target)
        path = parts.path.removeprefix("/hosp/rest/model/").split("/")
        kind = _kind(method, path)
        with self._lock:
            self.kinds.append(kind)
            self.longest = max(self.longest, len(target))
        scripted = self.script.get(kind)
        reply = scripted(self) if callable(scripted) else scripted
        return reply if reply is not None else self.as_tryton(method, path, parts.query, body)

    def as_tryton(self, method: str, path: list[str], query: str, body: bytes) -> Reply:
        """As if nothing were scripted."""
        with self._lock:
            if path[0] != SHIPMENTS:
                return _json(self._records(path[0], _domain(query)))
            if len(path) == 1:
                if method == "POST":
                    return _json(self._make(json.loads(body)))
                reference = _domain(query)[0][2]
                return _json([each for each in self.shipments if each["reference"] == reference])
            shipment = self.shipments[int(path[1]) - 1]
            if method == "POST":
                self._press(shipment, path[2])
            return _json(shipment)

    def press(self, number: int, action: str) -> None:
        """A button, without a request."""
        with self._lock:
            self._press(self.shipments[number - 1], action)

    def _records(self, model: str, domain: list[Any]) -> list[dict[str, Any]]:
        if model == "stock.lot":
            pairs = [(clauses[0][2], clauses[1][2]) for clauses in domain[1:]]
            return [{"id": self._number(lot), "number": lot, "product": {"id": product}} for product, lot in pairs]
        if model == "stock.period":
            return []
        unit = {"id": 1, "symbol": "u"}
        return [{"id": self._number(code), "code": code, "default_uom": unit} for code in domain[0][2]]

    def _number(self, name: str) -> int:
        if name not in self._names:
            self._names.append(name)
        return self._names.index(name) + 1

    def _make(self, values: dict[str, Any]) -> dict[str, Any]:
        number = len(self.shipments) + 1
        name = {place: self._names[place - 1] for place in range(1, len(self._names) + 1)}
        moves = [
            {
                "state": "draft",
                "quantity": move["quantity"],
                "product": {"code": name[move["product"]]},
                "lot": {"number": name[move["lot"]]} if "lot" in move else None,
                "from_location": {"code": name[move["from_location"]]},
                "to_location": {"code": name[move["to_location"]]},
            }
            for move in values["moves"][0][1]
        ]
        made = {"id": number, "number": str(number), "reference": values["reference"], "state": "draft", "moves": moves}
        self.shipments.append(made)
        return made

    def _press(self, shipment: dict[str, Any], action: str) -> None:
        if action == "cancel":
            before, after = ("done", "done") if shipment["state"] == "done" else (shipment["state"], "cancelled")
        else:
            before, after = STEPS[action]
        if shipment["state"] == before:
            shipment["state"] = after
            for move in shipment["moves"]:
                move["state"] = after if after in {"assigned", "done", "cancelled"} else "draft"


def _kind(method: str, path: list[str]) -> str:
    if path[0] != SHIPMENTS:
        return f"{method} {path[0]}"
    if len(path) == 1:
        return "POST create" if method == "POST" else "GET known"
    return f"POST {path[2]}" if method == "POST" else "GET read"


def _domain(query: str) -> list[Any]:
    found: list[Any] = json.loads(base64.urlsafe_b64decode(parse_qs(query)["d"][0]))
    return found


def _json(value: object) -> Reply:
    return Reply(json.dumps(value).encode())


def _handler(server: Pretended) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer is one piece
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = server.answer(self.command, self.path, body)
            if reply.status == 0:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
            self.end_headers()
            self.wfile.write(reply.body)
            if reply.length is not None:
                self.close_connection = True

        do_GET = do_POST = _answer  # noqa: N815 - the standard library's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
            """Nothing is told."""

    return Handler
