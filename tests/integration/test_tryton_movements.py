"""What is taken for Tryton's movements, and what is not: strange answers, silence, and Ctrl-C meanwhile."""

from __future__ import annotations

import datetime as dt
import json
import re
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from casecart.destinations.tryton import SPEC, TrytonSettings
from casecart.destinations.tryton.movements import pattern_of
from casecart.runtime.destination import DestinationContext, NotRead
from support.forked import CASECART
from support.new_workspace import new_workspace
from support.reactor import in_reactor, reactor
from support.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from casecart.runtime.destination import Movement, Reconcilable

DAY = dt.date(2026, 11, 3)
PLACES = [{"id": 10, "code": "7100-USED"}]
REFERENCE = "CC-0123456789abcdef0123456789abcdef.1-1"
SHIPMENT = {"id": 7, "reference": REFERENCE, "number": None, "state": "draft", "effective_date": None}
MOVE = {
    "id": 3,
    "shipment": None,
    "state": "done",
    "effective_date": {"__class__": "date", "year": 2026, "month": 11, "day": 3},
    "internal_quantity": 2.0,
    "product": {"code": "SCREW"},
    "lot": None,
    "from_location": {"code": "OR-CORE", "type": "storage"},
    "to_location": {"code": "7100-USED", "type": "lost_found"},
}


@contextmanager
def answering(answers: Mapping[str, object]) -> Iterator[str]:
    """A server that answers by model; gives the address of its database."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            model = urlsplit(self.path).path.rpartition("/")[2]
            body = json.dumps(answers.get(model, [])).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hosp"
        server.shutdown()
        thread.join()


def movements(url: str, tmp_path: Path) -> list[Movement]:
    (tmp_path / "key").write_text("key")
    settings = settings_of(TrytonSettings, f"url: {url}\nkey: {{file: key}}\ntimeout: 1s\n")
    assert SPEC.reconcile is not None
    asked: Reconcilable = SPEC.reconcile(
        DestinationContext(name="erp", settings=settings, reactor=reactor, root=tmp_path)
    )
    try:
        return list(in_reactor(asked.movements, DAY))
    finally:
        in_reactor(asked.stop)


def test_a_move_without_a_shipment_and_a_shipment_without_moves_are_told(tmp_path: Path) -> None:
    told = {"stock.location": PLACES, "stock.shipment.internal": [SHIPMENT], "stock.move": [MOVE]}
    with answering(told) as url:
        move, shipment = movements(url, tmp_path)
    assert (move.item, move.lot, str(move.quantity), move.reference, move.ours, move.state) == (
        "SCREW", "", "2.0", "", False, "done",
    )  # fmt: skip
    assert (shipment.reference, shipment.ours, str(shipment.quantity), shipment.state) == (
        REFERENCE,
        True,
        "0",
        "draft",
    )


@pytest.mark.parametrize(
    "told",
    [
        {"stock.location": [{"code": "7100-USED"}] * 500},
        {"stock.location": [{"id": 1, "code": "7100-USED"}] * 500},
        {"stock.location": PLACES, "stock.shipment.internal": [{"reference": REFERENCE}]},
        {"stock.location": PLACES, "stock.move": [{}]},
        {"stock.location": PLACES, "stock.move": [MOVE | {"internal_quantity": "many"}]},
        {"stock.location": PLACES, "stock.move": [MOVE | {"internal_quantity": "NaN"}]},
        {"stock.location": PLACES, "stock.move": [MOVE | {"effective_date": {"year": 2026, "month": 13, "day": 1}}]},
        {"stock.location": PLACES, "stock.move": [MOVE | {"shipment": "stock.shipment.internal,x"}]},
        {"stock.location": PLACES, "stock.move": {"message": "hello"}},
    ],
)
def test_a_strange_answer_is_not_taken_for_movements(tmp_path: Path, told: dict[str, Any]) -> None:
    with answering(told) as url, pytest.raises(NotRead) as caught:
        movements(url, tmp_path)
    assert caught.value.code == "answer-not-understood"


def test_a_tryton_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(NotRead) as caught:
        movements(f"http://127.0.0.1:{silent.getsockname()[1]}/hosp", tmp_path)
    assert caught.value.code == "timeout"


def test_ctrl_c_ends_it_while_it_waits(tmp_path: Path) -> None:
    new_workspace(tmp_path / "ws")
    (tmp_path / "ws" / "var" / "secrets" / "tryton").write_text("key")
    path = tmp_path / "ws" / "config" / "engine.yaml"
    before, _, _ = path.read_text("utf-8").rpartition("inventory:")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/hosp"
        path.write_text(
            f'{before}inventory: {{kind: tryton, url: "{url}", key: {{file: var/secrets/tryton}}}}\n', "utf-8"
        )
        command = [CASECART, "reconcile", "inventory", "--day", "2026-11-03"]
        with subprocess.Popen(
            command,
            cwd=tmp_path / "ws",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Of a test run in the background the shell has it ignored, and so has whoever is started there.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - it takes no lock
        ) as process:
            silent.settimeout(20)
            connection, _ = silent.accept()
            with connection:
                time.sleep(0.1)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=20)
    assert (process.returncode, out, b"Traceback" in err) == (130, b"", False)


@pytest.mark.parametrize(
    ("text", "fitting", "others"),
    [
        ("{cost_center}-USED", ["7100-USED", "A-B-USED"], ["-USED", "7100-USED-2", "7100-WASTED"]),
        ("WASTE", ["WASTE"], ["WASTE-2", ""]),
        ("A.B", ["A.B"], ["AXB"]),
        ("U/{facility}/{department}", ["U/NORTH/OR"], ["U/NORTH", "U//"]),
    ],
)
def test_the_codes_that_a_setting_can_come_to_are_known(text: str, fitting: list[str], others: list[str]) -> None:
    assert [code for code in (*fitting, *others) if re.fullmatch(pattern_of(text), code)] == fitting
