"""A user at a terminal, with a workspace."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import time
from typing import TYPE_CHECKING, Any

from casecart.cli.main import run
from support import forked
from support.engine_process import free_port

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["SAMPLE", "User", "of_mllp"]

SAMPLE = "samples/hl7v2/dft-hip-stem.hl7"
PATIENCE = 60.0  # seconds


class User:
    """Somebody at a terminal, in a new workspace whose listeners have ports of their own.

    Args:
        new: what `casecart init` made.
        ws: where this user has it.
        store: the store's URL; None: the one that a new workspace has.
    """

    def __init__(self, new: Path, ws: Path, store: str | None = None) -> None:
        self.port, self.http = free_port(), free_port()
        self.ws = ws
        shutil.copytree(new, ws)
        engine = self.ws / "config" / "engine.yaml"
        text = engine.read_text("utf-8").replace("port: 2575", f"port: {self.port}")
        text = text.replace("port: 8443", f"port: {self.http}")
        if store is not None:
            text = text.replace("store: sqlite:///var/casecart.db", f'store: "{store}"')
        engine.write_text(text, "utf-8")
        self.to = f"127.0.0.1:{self.port}"

    def run(self, *typed: str, cwd: Path | None = None, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        """What a command prints, and its exit code."""
        done = forked.run(*typed, cwd=cwd or self.ws, stdin=stdin)
        assert "Traceback" not in done.stderr
        return done

    def send(self, *typed: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        """`casecart send` to the workspace's listener."""
        return self.run("send", "--to", self.to, *typed, stdin=stdin)

    def json(self, *typed: str) -> Any:  # noqa: ANN401 - a document of whatever shape
        """The document that a command prints. The command runs in this process: it is asked again and again."""
        printed = io.StringIO()
        with contextlib.chdir(self.ws), contextlib.redirect_stdout(printed):
            run([*typed, "--json"])
        return json.loads(printed.getvalue())

    def wait(self, what: str, *typed: str, until: Callable[[Any], bool]) -> Any:  # noqa: ANN401 - the same
        """Asks again and again until the answer is as wanted."""
        give_up = time.monotonic() + PATIENCE
        while True:
            answer = self.json(*typed)
            if until(answer):
                return answer
            time.sleep(0.05)  # each answer costs some milliseconds that what is waited for could use
            assert time.monotonic() < give_up, f"no {what}: {json.dumps(answer)}"

    def rest(self) -> Any:  # noqa: ANN401 - the same
        """The status, once no message waits to be worked, and nothing is on its way."""
        return self.wait("rest", "status", until=_at_rest)

    @property
    def handed_over(self) -> list[dict[str, Any]]:
        """The postings that the file destination wrote."""
        return [json.loads(path.read_bytes()) for path in sorted((self.ws / "var" / "inventory").glob("*.json"))]


def of_mllp(status: Any) -> Any:  # noqa: ANN401 - the same
    """What a status says of the listener for HL7 v2."""
    return next(listener for listener in status["listeners"] if listener["name"] == "or-mllp")


def _at_rest(status: Any) -> bool:  # noqa: ANN401 - the same
    waiting = any(listener["counts"]["waiting"] for listener in status["listeners"])
    return not waiting and not any(destination["postings_open"] for destination in status["destinations"])
