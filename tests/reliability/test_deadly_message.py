"""A message that kills the process is found and put aside after three deaths, and all others get through."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from casecart.store import MessageFilter, open_store
from support.at_rest import rest, status
from support.charge import charge
from support.engine_process import free_port
from support.flood import flood
from support.sink import Sink
from support.workspace import Settings, write

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.store import MessageHead

OTHERS = 40
LIMIT = 60.0  # seconds

# What a fault in a library's C code does: a signal out of the blue, in the midst of mapping.
PLUGIN = f"""\
import os
import sys

from casecart.cli.main import main
from casecart.runtime.copier import Copier

copies = Copier.copies


def deadly(self, message):
    if message.control_id == "DEADLY":
        os.kill(os.getpid(), {signal.SIGSEGV.value})
    return copies(self, message)


Copier.copies = deadly
sys.argv[0] = "casecart"
main()
"""


class Supervised:
    """An engine that is started again whenever it dies, as a service manager does."""

    def __init__(self, workspace: Path, port: int) -> None:
        plugin = workspace / "plugin.py"
        plugin.write_text(PLUGIN, encoding="utf-8")
        self._command = [sys.executable, str(plugin), "run", str(workspace)]
        self._log = workspace / "engine.log"
        self._port = port
        self.deaths = 0
        self._start()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)

    def look(self) -> None:
        """Start it again, if it has died of the message."""
        code = self._process.poll()
        if code is not None:
            assert code == -signal.SIGSEGV, self._log.read_text("utf-8")
            self.deaths += 1
            self._start()

    def send(self, body: bytes) -> None:
        """As a sender does: again and again, until it is acknowledged."""
        until = time.monotonic() + LIMIT
        while True:
            assert time.monotonic() < until, "never acknowledged"
            self.look()
            try:
                if flood(self._port, [body]):
                    return
            except OSError:
                time.sleep(0.05)

    def stop(self) -> None:
        """In order."""
        self._process.terminate()
        assert self._process.wait(LIMIT) == 0, self._log.read_text("utf-8")

    def kill(self) -> None:
        """Leave nothing behind."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def outcomes(store: str) -> dict[str, MessageHead]:
    """By control id."""
    with closing(open_store(store, role="reader")) as reader:
        return {head.control_id: head for head in reader.messages(MessageFilter(), None, 1000)}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_message_that_kills_the_process_is_put_aside_after_three_deaths(store_url: str, tmp_path: Path) -> None:
    port = free_port()
    with Sink() as sink:
        workspace = write(tmp_path / "workspace", Settings(store=store_url, port=port, destination=sink.url))
        engine = Supervised(workspace, port)
        try:
            for number in range(OTHERS):
                engine.send(charge(f"M{number}", f"V{number}"))
                if number == OTHERS // 2:
                    engine.send(charge("DEADLY", "V-DEADLY"))
            until = time.monotonic() + LIMIT
            while outcomes(store_url)["DEADLY"].outcome == "waiting":
                assert time.monotonic() < until, f"not put aside after {engine.deaths} deaths"
                engine.look()
                time.sleep(0.05)
            rest(store_url)
            found = outcomes(store_url)
            assert {name for name, head in found.items() if head.outcome == "quarantined"} == {"DEADLY"}
            assert {head.outcome for name, head in found.items() if name != "DEADLY"} == {"processed"}
            assert engine.deaths == 4  # the first before it was stored: nobody knew of it yet
            assert sink.counts().keys == 3 * OTHERS
            with closing(open_store(store_url, role="reader")) as reader:
                assert [held.code for held in reader.holds()] == ["kills-the-engine"]
            assert status(workspace)["balances"]["exact"] is True
            engine.stop()
        finally:
            engine.kill()
