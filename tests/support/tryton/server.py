"""A Tryton server over a copy of the seeded database, and what an administrator does to it."""

from __future__ import annotations

import base64
import ctypes
import datetime as dt
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from support.tryton.kit import ADMIN, DATABASE, Kit, write_configuration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

__all__ = ["Tryton"]

LIMIT = 120.0  # seconds until a server answers


class Tryton:
    """One server on loopback. Leaving the context stops it, and the end of this process does.

    Args:
        kit: prepared.
        folder: of its database; made from the seeded one where it is not there.
        port: it listens there.
    """

    def __init__(self, kit: Kit, folder: Path, port: int) -> None:
        self._kit, self._folder, self.port = kit, folder, port
        self._process: subprocess.Popen[bytes] | None = None
        self._session = ""
        self._ids: dict[str, tuple[int, int, int]] = {}
        self.key = kit.key
        self.url = f"http://127.0.0.1:{port}/{DATABASE}"

    # --- life
    def start(self) -> None:
        """Returns when it answers.

        Raises:
            OSError: the port is another's, or it did not answer; nothing is left behind.
        """
        _must_be_free(self.port)
        self._folder.mkdir(parents=True, exist_ok=True)
        if not (self._folder / f"{DATABASE}.sqlite").exists():
            shutil.copyfile(self._kit.seeded, self._folder / f"{DATABASE}.sqlite")
        configuration = write_configuration(self._folder, self.port)
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._kit.python.with_name("trytond"), "-c", configuration, "-d", DATABASE],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - no threads of ours hold locks that it would need
            )
        until = time.monotonic() + LIMIT
        while True:
            try:
                self._session = ""
                self._log_in()
            except (OSError, http.client.HTTPException):
                if time.monotonic() > until or self._process.poll() is not None:
                    self.stop(signal.SIGKILL)
                    raise
                time.sleep(0.1)
            else:
                return

    @property
    def pid(self) -> int:
        """Of the server that runs."""
        assert self._process is not None
        return self._process.pid

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ends it; with SIGKILL in the middle of whatever it does."""
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def reset(self) -> None:
        """Everything is as it was seeded."""
        self.stop()
        for path in self._folder.glob(f"{DATABASE}.sqlite*"):
            path.unlink()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    # --- what an administrator does
    def call(self, model: str, method: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever Tryton answers
        """A method of a model over JSON-RPC, as the administrator. Raises `RuntimeError` with Tryton's own words."""
        return self._rpc(f"model.{model}.{method}", [*arguments, {"company": 1, "companies": [1]}])

    def find(self, model: str, domain: Sequence[object], fields: Sequence[str]) -> list[dict[str, Any]]:
        """Records, with their fields."""
        return list(self.call(model, "search_read", domain, 0, None, None, fields))

    def on_hand(self, lot: str, location: str = "OR-CORE", *, forecast: bool = False) -> Decimal | int:
        """How many of a lot or serial number are at a location, as Tryton reports it."""
        (place,) = self.find("stock.location", [["code", "=", location]], ["id"])
        context = {"company": 1, "companies": [1], "locations": [place["id"]]}
        name = "forecast_quantity" if forecast else "quantity"
        found = self._rpc("model.stock.lot.search_read", [[["number", "=", lot]], 0, None, None, [name], context])
        return sum((Decimal(str(each[name])) for each in found), Decimal(0))

    def shipments(self, *domain: object) -> list[dict[str, Any]]:
        """Internal shipments but the opening one, with reference and state."""
        return self.find(
            "stock.shipment.internal", [["reference", "!=", "OPENING"], *domain], ["reference", "state", "number"]
        )

    def moves(self, lot: str) -> list[dict[str, Any]]:
        """Done moves of a lot, but the opening one."""
        domain = [["lot.number", "=", lot], ["state", "=", "done"], ["from_location.code", "!=", None]]
        return self.find("stock.move", domain, ["quantity", "from_location", "to_location"])

    def new_lot(self, item: str, number: str, quantity: str, *, expiry: dt.date | None = None) -> None:
        """A lot of a test's own, with stock in OR-CORE."""
        self.new_lots(item, [number], quantity, expiry=expiry)

    def new_lots(self, item: str, numbers: Sequence[str], quantity: str, *, expiry: dt.date | None = None) -> None:
        """Several: eight at once cost Tryton not much more than one."""
        product, place, source = self._places_of(item)
        about: dict[str, Any] = {"product": product}
        if expiry is not None:
            about["shelf_life_expiration_date"] = _date(expiry)
        lots = self.call("stock.lot", "create", [about | {"number": number} for number in numbers])
        day = _date(dt.date(2026, 2, 2))
        move = {
            "product": product, "unit": 1, "quantity": float(quantity), "from_location": source, "to_location": place,
            "planned_date": day, "effective_date": day,
        }  # fmt: skip
        # Without a shipment around them: that would be four times the work.
        made = self.call("stock.move", "create", [move | {"lot": lot} for lot in lots])
        self.call("stock.move", "do", made)

    def _places_of(self, item: str) -> tuple[int, int, int]:
        """Ids of an item, of OR-CORE and of where lots come from; they stay what they are for the server's life."""
        if item not in self._ids:
            (product,) = self.find("product.product", [["code", "=", item]], ["id"])
            (place,) = self.find("stock.location", [["code", "=", "OR-CORE"]], ["id"])
            (source,) = self.find("stock.location", [["type", "=", "lost_found"], ["code", "=", None]], ["id"])[:1]
            self._ids[item] = (product["id"], place["id"], source["id"])
        return self._ids[item]

    def close_period(self, until: dt.date) -> None:
        """No movement can be dated up to that day any more; refused where a lot that moved by then has not expired."""
        made = self.call("stock.period", "create", [{"date": _date(until), "company": 1}])
        self.call("stock.period", "close", made)

    def reopen_period(self, until: dt.date) -> None:
        """Movements can again."""
        found = [each["id"] for each in self.find("stock.period", [["date", "=", _date(until)]], ["id"])]
        self.call("stock.period", "draft", found)
        self.call("stock.period", "delete", found)

    def revoke_key(self) -> None:
        """The engine's key counts no more."""
        found = [each["id"] for each in self.find("res.user.application", [], ["id"])]
        self.call("res.user.application", "cancel", found)

    def _log_in(self) -> None:
        answer = self._rpc("common.db.login", ["admin", {"password": ADMIN}, "en"])
        self._session = base64.b64encode(f"admin:{answer[0]}:{answer[1]}".encode()).decode()

    def _rpc(self, method: str, parameters: Sequence[object]) -> Any:  # noqa: ANN401 - whatever Tryton answers
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        headers = {"Content-Type": "application/json"}
        if self._session:
            headers["Authorization"] = f"Session {self._session}"
        body = json.dumps({"id": 1, "method": method, "params": parameters})
        try:
            connection.request("POST", f"/{DATABASE}/rpc/", body, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(f"{method}: {answer.status}")
        said = json.loads(data)
        if isinstance(said, dict) and "error" in said:
            raise RuntimeError(f"{method}: {said['error'][:2]}")
        return said["result"] if isinstance(said, dict) else said


def _date(day: dt.date) -> dict[str, Any]:
    return {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}


def _must_be_free(port: int) -> None:
    """Who listens there already would answer in the new server's place, out of another database."""
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", port))


def _end_with_parent() -> None:
    """However this process ends, the server does not outlive it. Linux only; elsewhere the context must be left."""
    if sys.platform == "linux":
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(1)
