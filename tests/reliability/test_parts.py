"""Parts of messages over a real socket, from an engine that is killed behind each of them."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

from casecart.formats.mllp import Framer, frame
from casecart.store import MessageFilter, open_store
from support.at_rest import rest
from support.charge import charge
from support.engine_process import EngineProcess, free_port, must_balance
from support.sink import Sink
from support.workspace import Settings, write

if TYPE_CHECKING:
    from pathlib import Path


def ask(port: int, body: bytes) -> bytes:
    """The answer to a frame on a connection of its own."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as connection:
        connection.sendall(frame(body))
        framer = Framer(100_000)
        while not (answers := [event for event in framer.feed(connection.recv(65_536)) if isinstance(event, bytes)]):
            pass
    return answers[0]


def parts(name: str, case: str) -> list[bytes]:
    """A charge with three lines, a line a part."""
    header, *segments = charge("@", case).rstrip(b"\r").split(b"\r")
    groups = [segments[:5], segments[5:7], segments[7:]]
    made = []
    for number, group in enumerate(groups, 1):
        fields = header.replace(b"@", f"{name}-{number}".encode()).split(b"|")
        fields[13] = f"{name}:{number - 1}".encode() if number > 1 else b""
        last = [f"DSC|{name}:{number}|F".encode()] if number < len(groups) else []
        made.append(b"\r".join([b"|".join(fields), *group, *last]) + b"\r")
    return made


def test_an_engine_that_is_killed_behind_each_part_processes_the_message_once(store_url: str, tmp_path: Path) -> None:
    port = free_port()
    with Sink() as sink:
        workspace = write(tmp_path / "workspace", Settings(store=store_url, port=port, destination=sink.url))
        with EngineProcess(workspace, port) as engine:
            for part in parts("A", "V1"):
                engine.start()
                assert b"MSA|AA|A-" in ask(port, part)
                engine.kill()
            engine.start()
            for part in parts("A", "V1"):  # its sender has not seen the answers
                assert b"MSA|AA|A-" in ask(port, part)
            rest(store_url)
            engine.stop()
        assert sink.counts().keys == 3
        must_balance(workspace)
    with closing(open_store(store_url, role="reader")) as reader:
        outcomes = [head.outcome for head in reversed(reader.messages(MessageFilter(), None, 10))]
    assert outcomes == ["joined", "joined", "joined", "processed"]
