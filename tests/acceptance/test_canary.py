"""A patient's name and number through every way to fail: nobody who may not read messages gets to see them.

They stand where they belong (PID), and where a sender's slip of the hand puts them: in the header, in quantities, codes
and dates. What is looked through: the log, the metrics, every acknowledgement, events, and what the commands print that
an operator watches an engine with.
"""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import threading
import urllib.request
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from casecart.store import MessageFilter, open_store
from support.at_rest import rest
from support.engine_process import EngineProcess, free_port
from support.forked import run
from support.workspace import Settings, write

if TYPE_CHECKING:
    from pathlib import Path

NAME, NUMBER = "CANARYOWSKI", "8008135577"
CANARIES = re.compile("(?i)canaryo|80081355|Q0FOQVJZT1dTS0|Q0FOQVJZ")  # also cut, and in base64
PATIENCE = 20.0  # seconds

PID = f"PID|1||{NUMBER}^^^NORTH^MR||{NAME}^QUINCE|||||{NAME} STREET 1"
HOOK = f"""\
def hook(lines):
    for line in lines:
        if line.get("item") == "HOOK-FAILS":
            raise ValueError("{NAME} " + str(line))
        if line.get("item") == "HOOK-PRINTS":
            print("{NAME}", line)
    return lines
"""
# An error of the engine's own making that quotes what it read, as Python's errors do.
POISON = f"""\
from casecart.runtime.copier import Copier
real = Copier.copies
def copies(self, message):
    if b"|POISON|" in message.body:
        raise ValueError("{NAME} " + message.body.decode())
    return real(self, message)
Copier.copies = copies
"""


def dft(
    control_id: str, *, header: dict[int, str] | None = None, ft1: dict[int, str] | None = None, case: str = ""
) -> bytes:
    """A charge of the canary; what is given stands in these fields of MSH and FT1."""
    msh = ["MSH", "^~\\&", "ORSYS", "NORTH", "CASECART", "MERCY", "20261103101500", NAME, "DFT^P03^DFT_P03", control_id]
    msh += ["P", "2.5.1", *[""] * 6]
    line = ["FT1", "1", f"L-{control_id}", "", "20261103", "", "CG", "CH-1^Hip^CDM^SCREW", "", "", "1", "", ""]
    line += ["OR-MAIN", "", "", "OR-CORE-2"]
    for number, value in (header or {}).items():
        msh[number - 1] = value
    for number, value in (ft1 or {}).items():
        line[number] = value
    case = case or f"V-{control_id}"
    return "\r".join(["|".join(msh), PID, "PV1|1|I" + "|" * 17 + case, "|".join(line), ""]).encode()


# What is sent, unless a test below does it in its own way: by a name, the frame's content.
MESSAGES = {
    "no header": f"{PID}\r".encode(),
    "delimiters that are none": dft("C1", header={2: NAME}),
    "no control id": dft(""),
    "an unknown peer": dft("C2", header={3: NAME, 4: NUMBER}),
    "another receiver": dft("C3", header={5: NAME, 6: NUMBER}),
    "a time that is none": dft("C4", header={7: NAME}),
    "a type that nobody takes": dft("C5", header={9: f"ZZZ^{NAME}"}),
    "an unknown version": dft("C6", header={12: NAME}),
    "unknown conditions": dft("C7", header={15: NAME, 16: NAME}),
    "an unknown character set": dft("C8", header={18: NAME}) + b"NTE|1||\xff\r",
    "bytes that are in no set": dft("C9", header={18: "UNICODE UTF-8"}) + b"NTE|1||\xff\xfe\x81\r",
    "several messages": dft("C10") + dft("C11"),
    "a part of a message": dft("C12") + f"DSC|{NAME}|F\r".encode(),
    "a batch": f"FHS|^~\\&|{NAME}\rBHS|^~\\&|{NAME}\r".encode() + dft("C13") + b"BTS|9\rFTS|9\r",
    "UTF-16": dft("C14").decode().encode("utf-16").replace(b"\x0b", b"").replace(b"\x1c", b""),
    "a header that is too long": dft("C15", header={8: NAME * 1000}),
    "a quantity that is none": dft("C16", ft1={10: NAME}),
    "a code that is in no table": dft("C17", ft1={6: NAME}),
    "a day that is none": dft("C18", ft1={4: NAME}),
    "no department": dft("C19", ft1={13: ""}),
    "a department that holds": dft("C20", ft1={13: NAME}),
    "no line id": dft("C21", ft1={2: ""}),
    "a number that is too large": dft("C22", ft1={10: "9" * 60}),
    "a credit without a charge": dft("C23", ft1={6: "CD"}),
    "a hook that fails": dft("C24", ft1={7: "CH-1^^^HOOK-FAILS"}),
    "a hook that prints": dft("C25", ft1={7: "CH-1^^^HOOK-PRINTS"}),
    "a fault of the engine": dft("C26") + b"NTE|1||POISON|\r",
    "a line that goes out": dft("C27"),
    "a line that is refused": dft("C28", ft1={2: "REFUSED"}),
    "a line at which the destination fails": dft("C29", ft1={2: "FAILS"}),
    "the name as the line's id": dft("C30", ft1={2: NAME}),
    "the name as the case": dft("C31", case=NAME),
    "other bytes under the same control id": dft("C27", ft1={10: "2"}),
    "the same again": dft("C27"),
}


class Echo(BaseHTTPRequestHandler):
    """A service that says what it was sent when it refuses or fails, as many do, and adds what it knows."""

    failed = 0

    def do_POST(self) -> None:
        """A batch."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = 200
        if b'"line":"REFUSED"' in body:
            status = 422
        elif b'"line":"FAILS"' in body and self.failed < 2:
            type(self).failed += 1
            status = 500
        said = b"" if status == 200 else f"{NAME} {NUMBER}: ".encode() + body
        self.send_response(status, None if status == 200 else NAME)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def workspace(root: Path, *, port: int, metrics: int, url: str) -> Path:
    made = write(root, Settings(store=f"sqlite:///{root}/casecart.db", port=port, destination=url, batch=1))
    engine = made / "config" / "engine.yaml"
    text = engine.read_text("utf-8").replace(f"port: {port}\n", f"port: {port}\n    maximum_frame: 64KB\n", 1)
    text = text.replace("    maximum_frame", "    frame_timeout: 2s\n    maximum_frame")
    engine.write_text(f"{text}metrics: {{port: {metrics}}}\n", "utf-8")
    channel = made / "channels" / "or-usage.yaml"
    steps = channel.read_text("utf-8").replace(
        "  - map: dft-usage\n", "  - map: dft-usage\n  - hook: {file: hooks/ours.py}\n"
    )
    channel.write_text(steps, "utf-8")
    (made / "hooks").mkdir()
    (made / "hooks" / "ours.py").write_text(HOOK, "utf-8")
    return made


def connected(port: int) -> closing[socket.socket]:
    return closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))


def said_to(port: int, data: bytes, *, half_close: bool = True) -> bytes:
    """All that comes back for these bytes, until the engine closes."""
    answer = b""
    with connected(port) as connection, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        while came := connection.recv(65_536):
            answer += came
    return answer


FAULTS = {
    "noise": f"{NAME} {NUMBER}\r\n".encode(),
    "no start": dft("F1") + b"\x1c\r",
    "cut": b"\x0b" + dft("F2"),
    "another start": b"\x0b" + dft("F3") + b"\x0b" + dft("F4") + b"\x1c\r",
    "a stray end": b"\x0b" + dft("F5") + f"NTE|1||{NAME}\x1c{NAME}\r\x1c\r".encode(),
    "too large": b"\x0b" + dft("F6") + NAME.encode() * 10_000,
}


class Seen:
    """What an engine told of these messages, by the place where it was told."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}
        self.notes: set[str] = set()
        self.outcomes: set[str] = set()
        self.holds: set[str] = set()

    def add(self, place: str, text: str | bytes) -> None:
        self.told[place] = text if isinstance(text, str) else text.decode("latin-1")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Everything is sent to one engine, which is then asked and stopped."""
    root = tmp_path_factory.mktemp("canary") / "ws"
    port, metrics = free_port(), free_port()
    found = Seen()
    with ExitStack() as stack:
        service = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Echo))
        threading.Thread(target=service.serve_forever, daemon=True).start()
        stack.callback(service.shutdown)
        url = f"http://127.0.0.1:{service.server_address[1]}/postings"
        made = workspace(root, port=port, metrics=metrics, url=url)
        engine = stack.enter_context(EngineProcess(made, port, plant=POISON))
        engine.start()
        for name, body in MESSAGES.items():
            found.add(f"ACK of {name}", said_to(port, b"\x0b" + body + b"\x1c\r"))
        for name, data in FAULTS.items():
            found.add(f"what comes back for {name}", said_to(port, data))
        found.add("what comes back for slow bytes", said_to(port, b"\x0b" + dft("F7"), half_close=False))
        rest(f"sqlite:///{root}/casecart.db")
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=PATIENCE) as answer:
            found.add("metrics", answer.read())
        _commands(found, made)
        assert engine.stop() == 0
        found.add("log", engine.log)
    with closing(open_store(f"sqlite:///{root}/casecart.db", role="reader")) as reader:
        found.add("events", "\n".join(map(str, reader.events(0, 10_000))))
        found.add("audit", "\n".join(map(str, reader.audit(10_000))))
        heads = reader.messages(MessageFilter(), None, 1000)
        found.notes = {note for head in heads for note in (head.notes or "").split()}
        found.outcomes = {head.outcome for head in heads}
        found.holds = {hold.code for hold in reader.holds()}
    return found


def _commands(found: Seen, made: Path) -> None:
    """What an operator types who watches an engine, and what a hand types that errs."""
    unknown = made / f"{NAME}.hl7"
    unknown.write_bytes(f"{NAME}|{NUMBER}\r".encode())
    message = made / "message.hl7"
    message.write_bytes(dft("T1", header={3: NAME}))
    for typed in (
        ("status",),
        ("status", "--json"),
        ("store", "verify"),
        ("retention", "show"),
        ("check",),
        ("send", "--to", f"127.0.0.1:{free_port()}", str(message)),
        ("send", "--to", f"127.0.0.1:{free_port()}", str(unknown)),
        ("audit", "list", "--json"),
        ("audit", "verify"),
    ):
        done = run(*typed, cwd=made)
        said = done.stdout + done.stderr
        found.add(f"casecart {' '.join(typed)}", said.replace(str(unknown), "").replace(unknown.name, ""))
    for typed in (("messages", "--case", NUMBER), ("line", "show", NUMBER), ("message", "show", NUMBER), ("udi", NAME)):
        # What is typed may be said to who types it; it may not go anywhere else.
        done = run(*typed, cwd=made)
        assert "Traceback" not in done.stderr, typed


def told_of_a_message(answer: str) -> str:
    """An acknowledgement without what a sender must get back: its own header fields, and its control id."""
    segments = [segment for segment in re.split("[\x0b\x1c\r]", answer) if segment]
    kept = [segment for segment in segments if segment[:3] != "MSH"]
    return "\r".join(re.sub("^MSA(.)([^|]*)\\1[^|]*", r"MSA\1\2\1", segment) for segment in kept)


def test_every_way_to_fail_was_gone(seen: Seen) -> None:
    assert {"refused", "unrouted", "processed", "quarantined"} <= seen.outcomes
    assert seen.notes >= {
        "noise", "no-start", "truncated", "stray-end", "too-large", "timeout", "no-header", "delimiters",
        "no-control-id", "unknown-peer", "long-header", "utf-16", "control-id-reused",
    }  # fmt: skip
    assert seen.holds >= {
        "not-a-number", "code-not-in-table", "not-a-date", "missing", "held-by-route", "hook-failed",
    }  # fmt: skip


def test_no_acknowledgement_tells_of_a_patient(seen: Seen) -> None:
    answers = {place: told for place, told in seen.told.items() if place.startswith(("ACK", "what comes back"))}
    assert len(answers) == len(MESSAGES) + len(FAULTS) + 1
    assert sum("MSA" in told for told in answers.values()) > 25
    assert {place: told for place, told in answers.items() if CANARIES.search(told_of_a_message(told))} == {}


@pytest.mark.parametrize("place", ["log", "metrics", "events", "audit"])
def test_nothing_that_is_watched_tells_of_a_patient(seen: Seen, place: str) -> None:
    told = seen.told[place]
    assert len(told) > 100, told
    assert [line for line in told.splitlines() if CANARIES.search(line)] == []
    assert "Traceback" not in told


def test_no_command_that_watches_tells_of_a_patient(seen: Seen) -> None:
    commands = {place: told for place, told in seen.told.items() if place.startswith("casecart ")}
    assert all(commands.values())
    assert {place: told for place, told in commands.items() if CANARIES.search(told)} == {}


def test_the_search_would_find_a_canary() -> None:
    for text in (NAME, NAME.lower(), NAME[:8], NUMBER, base64.b64encode(f"{NAME} {NUMBER}".encode()).decode()):
        assert CANARIES.search(f"something {text} else")
    assert CANARIES.search(told_of_a_message(f"\x0bMSH|1\rMSA|AE|1|not {NAME}\rERR|x\r\x1c\r"))
    assert not CANARIES.search(told_of_a_message(f"\x0bMSH|{NAME}\rMSA|AE|{NUMBER}|no\rERR|x\r\x1c\r"))
