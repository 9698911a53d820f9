"""A disk that is nearly full: nothing is taken or acknowledged, it is said, and with room again it goes on."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from support import forked
from support.charge import charge
from support.engine_process import EngineProcess, free_port
from support.workspace import Settings, write

if TYPE_CHECKING:
    from pathlib import Path


def status(workspace: Path) -> dict[str, Any]:
    """What `casecart status --json` says."""
    told = forked.run("status", "-w", str(workspace), "--json", check=True)
    said: dict[str, Any] = json.loads(told.stdout)
    return said


def answer_of(port: int) -> bytes:
    """What a sender hears; nothing where the connection was closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(b"\x0b" + charge("C1", "CASE-1") + b"\x1c\r")
            return connection.recv(4096)
        except ConnectionError:
            return b""


@pytest.mark.timeout(180)
def test_with_too_little_room_senders_keep_their_messages_and_with_room_they_are_taken(tmp_path: Path) -> None:
    port = free_port()
    settings = Settings(store=f"sqlite:///{tmp_path}/casecart.db", port=port, destination="http://127.0.0.1:1/postings")
    workspace = write(tmp_path / "workspace", settings)
    configuration = workspace / "config" / "engine.yaml"
    usual = configuration.read_text("utf-8")
    with EngineProcess(workspace, port) as engine:
        configuration.write_text(usual + "intake: {disk_reserve: 900000GiB}\n", "utf-8")
        engine.start()
        assert answer_of(port) == b""
        said = status(workspace)
        assert said["disk"]["free_bytes"] > 0
        assert said["listeners"][0]["counts"]["received"] == 0
        assert engine.log.count("nothing is taken or acknowledged") == 1
        engine.kill()  # it has no time to take its mark away
        configuration.write_text(usual + "intake: {disk_reserve: 1B}\n", "utf-8")
        engine.start()
        assert b"|AA|" in answer_of(port)
        assert status(workspace)["disk"] is None
