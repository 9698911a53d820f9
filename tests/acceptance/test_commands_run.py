"""`casecart run` from its start to its end: what it refuses, what it says, and which signals end it how."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from support.engine_process import EngineProcess
from support.forked import CASECART
from support.user import SAMPLE, User

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def running(user: User) -> Iterator[subprocess.Popen[str]]:
    """An engine whose output can be read; it has said what is open."""
    with subprocess.Popen(
        [CASECART, "run"], cwd=user.ws, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if " takes postings " in line:
                    break
            yield process
        finally:
            process.kill()


def test_a_taken_port_is_told_in_a_line(user: User) -> None:
    with socket.create_server(("127.0.0.1", user.port)):
        done = user.run("run")
    assert done.returncode == 5
    assert f"or-mllp can't listen on 127.0.0.1:{user.port}" in done.stderr
    assert user.json("status")["engine"] == "stopped"


def test_a_second_engine_on_the_same_store_is_refused(at_work: User) -> None:
    done = at_work.run("run")
    assert done.returncode == 4
    assert "in use by another casecart process" in done.stderr
    assert at_work.send(SAMPLE).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--role", "worker"], 3, "--role worker is for several engines on one store, and a SQLite file takes one"),
        (["--role", "console"], 2, "'console' is not one of"),
        (["--port", "nosuch=2576"], 2, "--port: there is no listener 'nosuch'"),
        (["--port", "or-mllp=65536"], 2, "'or-mllp=65536' is not LISTENER=PORT"),
    ],
)
def test_a_role_or_a_port_that_can_not_be_is_refused(user: User, arguments: list[str], code: int, words: str) -> None:
    done = user.run("run", *arguments)
    assert done.returncode == code
    assert words in " ".join(done.stderr.split())


def test_a_workspace_with_errors_is_not_run(user: User) -> None:
    channel = user.ws / "channels" / "or-usage.yaml"
    channel.write_text(channel.read_text("utf-8").replace("to: inventory", "to: inventry"), "utf-8")
    done = user.run("run", str(user.ws), cwd=user.ws.parent)
    assert done.returncode == 3
    finding, last = done.stderr.splitlines()
    assert f"{user.ws}/channels/or-usage.yaml:" in finding
    assert finding.endswith("Did you mean 'inventory'?")
    assert last.endswith("1 error")


@pytest.mark.parametrize("spoil", ["", "short"])
def test_a_secret_that_is_missing_or_short_is_a_finding(user: User, spoil: str) -> None:
    secret = user.ws / "var" / "secrets" / "keys"
    secret.unlink()
    if spoil:
        secret.write_text(spoil, "utf-8")
    done = user.run("run")
    assert done.returncode == 3
    assert "config/engine.yaml:" in done.stderr
    assert ("secret-short" if spoil else "secret-missing") in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_engine_in_order(user: User, number: signal.Signals) -> None:
    with running(user) as process:
        assert user.send(SAMPLE).returncode == 0
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0
    assert [line.split(" ", 2)[1] for line in said.splitlines()] == ["INFO", "INFO"]
    status = user.json("status")
    assert (status["engine"], status["balances"]["exact"]) == ("stopped", True)


def test_what_is_open_is_told(user: User) -> None:
    with subprocess.Popen([CASECART, "run"], cwd=user.ws, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(4)]
        process.terminate()
    assert told == [
        f"casecart runs for MERCY; store: SQLite, {user.ws}/var/casecart.db\n",
        f"or-mllp listens on 127.0.0.1:{user.port} (mllp)\n",
        f"ehr-http listens on 127.0.0.1:{user.http} (http)\n",
        "inventory takes postings (file)\n",
    ]


def test_what_a_stopped_engine_left_is_seen_to_its_end_by_the_next(user: User) -> None:
    assert user.run("pause", "inventory", "--reason", "stocktaking").returncode == 0
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        user.send(SAMPLE)
        engine.kill()
        assert user.handed_over == []
        assert user.run("resume", "inventory").returncode == 0
        engine.start()
        assert user.rest()["balances"]["exact"] is True
        assert engine.stop() == 0
    assert len(user.handed_over) == 1


def test_a_second_signal_ends_it_at_once(user: User) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never answers
        engine = user.ws / "config" / "engine.yaml"
        rest = f'{{kind: rest, url: "http://127.0.0.1:{silent.getsockname()[1]}/x", delivery: keyed}}'
        engine.write_text(engine.read_text("utf-8").replace("{kind: file, folder: var/inventory}", rest), "utf-8")
        with running(user) as process:
            assert user.send(SAMPLE).returncode == 0
            silent.settimeout(20)
            connection, _ = silent.accept()  # the posting is on its way
            process.send_signal(signal.SIGTERM)
            with connection, pytest.raises(subprocess.TimeoutExpired):
                process.wait(1.5)  # it waits for the answer
            asked = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 128 + signal.SIGTERM
            assert time.monotonic() - asked < 1
    status = user.json("status")
    assert (status["balances"]["exact"], status["destinations"][0]["postings_open"]) == (True, 1)


def test_a_listener_that_others_can_reach_is_warned_of(user: User) -> None:
    engine = user.ws / "config" / "engine.yaml"
    engine.write_text(engine.read_text("utf-8").replace("kind: mllp", "kind: mllp\n    interface: 0.0.0.0"), "utf-8")
    with running(user) as process:
        process.terminate()
        _, said = process.communicate(timeout=30)
    (warning,) = [line for line in said.splitlines() if " WARNING " in line]
    assert "0.0.0.0 without TLS" in warning


def test_a_store_that_broke_ends_the_engine_at_once() -> None:
    break_it = (
        "from casecart.cli.run import _broken; from casecart.store import StoreBroken; _broken(StoreBroken('EIO'))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", f"{break_it}; print('went on')"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (4, "")
    assert ended.stderr == "Error: EIO. The engine ends now; start it again, and it recovers\n"


def test_the_reactor_is_on_epoll_and_its_clock_cannot_be_set() -> None:
    ask = (
        "import sys, time; from casecart.cli.run import install_reactor; reactor = install_reactor();"
        "print(type(reactor).__mro__[1].__name__, reactor.seconds is time.monotonic, install_reactor() is reactor)"
    )
    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    assert told[1:] == ["True", "True"]
    assert told[0] == "EPollReactor" or sys.platform != "linux"


def test_a_drain_waits_until_nothing_is_on_its_way(at_work: User) -> None:
    at_work.send(SAMPLE)
    at_work.rest()
    done = at_work.run("pause", "inventory", "--drain", "--reason", "upgrade")
    assert (done.returncode, "inventory is drained" in done.stdout) == (0, True)
    assert at_work.json("status")["destinations"][0]["state"] == "drained"
    at_work.run("resume", "inventory")
    assert at_work.json("status")["destinations"][0]["state"] == "running"


def test_a_drain_without_an_engine_says_so_and_stays_wished_for(user: User) -> None:
    done = user.run("pause", "inventory", "--drain", "--reason", "upgrade")
    assert (done.returncode, "No engine is at work" in done.stdout) == (1, True)
    assert user.json("status")["destinations"][0]["state"] == "draining"
