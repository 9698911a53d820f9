"""The restore drill: a backup under load, a crash after it, a restore to an empty place; none lost, none twice."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from casecart.cli.main import run
from casecart.store import open_store
from support.charge import frame
from support.crash_oracle import Evidence, connected, faults
from support.engine_process import EngineProcess, free_port
from support.forked import CASECART
from support.postgresql import client_programs, database
from support.sender import Senders
from support.sink import Sink
from support.workspace import Settings, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(180)

PATIENCE = 60.0


def casecart(workspace: Path, *typed: str) -> tuple[int, str, str]:
    """What a person types, here: exit code, what it prints, and its errors."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([*typed, "-w", str(workspace)])
    return code, out.getvalue(), err.getvalue()


def reconciled(workspace: Path) -> Any:  # noqa: ANN401 - a document
    """The same of `reconcile`, which runs a reactor: in a process of its own."""
    command = [CASECART, "reconcile", "inventory", "--after-restore", "--json", "-w", str(workspace)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout)


def send_again(port: int, bodies: Iterable[bytes]) -> None:
    """What was acknowledged is sent once more, and acknowledged."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for body in bodies:
            connection.sendall(frame(body))
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                answer += connection.recv(65_536)
            assert b"\rMSA|AA|" in answer


def at_rest(store: str) -> None:
    """Nothing waits, and nothing is on its way."""
    give_up = time.monotonic() + PATIENCE
    reader = open_store(store, role="reader")
    try:
        while any(reader.waiting_counts().values()) or reader.open_counts():
            assert time.monotonic() < give_up, reader.open_counts()
            time.sleep(0.05)
    finally:
        reader.close()


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, store_url: str, tmp_path: Path) -> Iterator[str]:
    """An empty place of the same kind as the store."""
    if store_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path}/elsewhere/casecart.db"
        return
    with database(request.getfixturevalue("postgresql_server")) as url:
        yield url


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_store_restored_elsewhere_posts_nothing_before_it_is_reconciled_and_nothing_twice_after(
    store_url: str, elsewhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{client_programs()}{os.pathsep}{os.environ['PATH']}")
    record, kept, port = tmp_path / "sink.jsonl", tmp_path / "kept", free_port()
    kept.mkdir()
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(record, delay=0.02))
        settings = Settings(store=store_url, port=port, destination=sink.url, batch=20)
        first = write(tmp_path / "first", settings)
        engine = stack.enter_context(EngineProcess(first, port))
        engine.start()
        senders = stack.enter_context(Senders(3, port))
        time.sleep(0.4)
        code, out, err = casecart(first, "backup", "create", str(kept), "--json")  # while they send
        assert code == 0, err
        backup = json.loads(out)
        time.sleep(0.4)
        senders.finish()
        engine.kill()

        # Another machine: an empty place, the same configuration and secrets.
        second = write(tmp_path / "second", replace(settings, store=elsewhere))
        code, out, err = casecart(second, "backup", "restore", backup["file"], "--json")
        assert code == 0, err
        assert json.loads(out)["destinations"] == ["inventory"]
        lost = sent_later(elsewhere, senders)
        assert lost, "nothing was acknowledged after the backup: the drill shows nothing"
        before = sink.counts()
        with EngineProcess(second, port) as restored:
            restored.start()
            send_again(port, [senders.sent[control_id].body for control_id in sorted(senders.acknowledged)])
            code, _, err = casecart(second, "resume", "inventory")
            assert (code, "reconcile inventory --after-restore" in err) == (1, True)
            time.sleep(1.5)  # the engine has looked at what is wished of the destination
            assert sink.counts() == before  # nothing was posted
            assert reconciled(second)["delivery"] == "keyed"
            time.sleep(1.5)
            assert sink.counts() == before  # nor now: a person has yet to release it
            assert casecart(second, "resume", "inventory")[0] == 0
            at_rest(elsewhere)
            assert json.loads(casecart(second, "status", "--json")[1])["balances"]["exact"] is True
            assert restored.stop() == 0, restored.log
            assert "Traceback" not in restored.log
    resends = senders.resends + len(senders.acknowledged)
    assert faults(Evidence(elsewhere, record, senders.sent, senders.acknowledged, resends)) == []
    sys.stdout.write(f"{len(senders.acknowledged)} acknowledged, {len(lost)} of them after the backup, 0 twice\n")


def sent_later(store: str, senders: Senders) -> set[str]:
    """What was acknowledged and is not in a restored store."""
    with connected(store) as connection:
        cursor = connection.cursor()
        cursor.execute("select control_id from message")
        return senders.acknowledged - {control_id for (control_id,) in cursor.fetchall()}
