"""An engine that is watched: Prometheus reads how it is, on this machine and at no other path."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from support.engine_process import EngineProcess, free_port
from support.user import SAMPLE

if TYPE_CHECKING:
    from support.user import User


def with_metrics(user: User, settings: str) -> None:
    path = user.ws / "config" / "engine.yaml"
    path.write_text(f"{path.read_text('utf-8')}\nmetrics: {{{settings}}}\n", "utf-8")


def test_a_running_engine_tells_its_metrics(user: User) -> None:
    port = free_port()
    with_metrics(user, f"port: {port}")
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        assert user.send(SAMPLE).returncode == 0
        user.rest()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            text = answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)
        assert f"metrics at http://127.0.0.1:{port}/metrics" in engine.log
        assert engine.stop() == 0
        assert "Traceback" not in engine.log
    lines = text.splitlines()
    assert 'casecart_messages_total{listener="or-mllp",outcome="received"} 1' in lines
    assert 'casecart_balance_difference{balance="lines"} 0' in lines
    assert "casecart_store_up 1" in lines
    records = user.json("audit", "list")["records"]
    assert records[0]["command"] == "engine.start"


def test_a_taken_port_of_the_metrics_is_told_in_a_line(user: User) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with_metrics(user, f"port: {taken.getsockname()[1]}")
        done = user.run("run")
    assert done.returncode == 5
    assert "metrics" in done.stderr


def test_check_warns_of_metrics_that_others_can_read(user: User) -> None:
    with_metrics(user, "interface: 0.0.0.0")
    done = user.run("check")
    assert done.returncode == 0
    assert "warning open-to-others" in done.stdout
    with_metrics(user, "interface: here")
    assert user.run("check").returncode == 1
