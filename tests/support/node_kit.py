"""Libraries of Node for HL7, FHIR and OAuth, counterparts that nobody here wrote; `make node` brings them to var/node.

python -m support.node_kit
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Self

from support.checkout import ROOT
from support.require import require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["CLIENTS", "PATIENCE", "SERVERS", "NodeProcess", "NodeServer", "make", "needed", "send"]

# One message at a time. Medplum's loses all but the first of the answers that come in one packet, so that a sender
# built on it may not send on before it is answered; python-hl7's is the one that does.
CLIENTS = ("node-hl7-client", "simple-hl7", "medplum")
SERVERS = ("node-hl7-server", "simple-hl7", "medplum")

FOLDER = Path(__file__).parent / "node"
HOME = ROOT / "var" / "node"
PATIENCE = 60.0  # seconds


def _stamp() -> str:
    return hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()


def _ready() -> bool:
    stamp = HOME / ".installed"
    return stamp.exists() and stamp.read_text("utf-8") == _stamp()


def needed() -> None:
    """Leaves the test out where there are no such libraries."""
    if shutil.which("node") is None:
        require("node", "there is no program `node`; the clients and servers of Node are not tried")
    if not _ready():
        require("node", f"{HOME} is not there or not of today; `make node` makes it with npm")


def make() -> None:
    """Brings the libraries as the lock pins them, without running anything of theirs."""
    if _ready():
        return
    if shutil.which("npm") is None:
        sys.exit("There is no npm here: the libraries of Node are not tried.")
    HOME.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FOLDER / name, HOME / name)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HOME, check=True)
    (HOME / ".installed").write_text(_stamp(), "utf-8")


def _node(script: str, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["node", str(FOLDER / script), *arguments],
        env={**os.environ, "NODE_PATH": str(HOME / "node_modules"), **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def send(library: str, port: int, messages: Sequence[bytes]) -> list[str]:
    """What answered each message, by what the library made of it."""
    process = _node("mllp.cjs", "send", library, str(port))
    try:
        said, trouble = process.communicate(json.dumps([body.decode() for body in messages]).encode(), PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    assert process.returncode == 0, trouble.decode()
    answers: list[str] = json.loads(said)
    return answers


class NodeProcess:
    """A server in a process of its own, which prints its port first; a context manager.

    Args:
        script: of `tests/support/node`.
        arguments: of the script.
        stdin: what it reads before it serves.
        environment: what it has beyond this process's environment.

    Attributes:
        port: where it listens.
    """

    def __init__(
        self, script: str, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> None:
        self._process = _node(script, *arguments, environment=environment)
        self._said: Queue[str] = Queue()
        self._troubles: list[bytes] = []
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read, self._read_troubles)]
        for reader in self._readers:
            reader.start()
        try:
            assert self._process.stdin is not None
            with self._process.stdin as pipe:
                pipe.write(stdin)
            self.port = int(self._said.get(timeout=PATIENCE))
        except BaseException:
            self.__exit__()
            sys.stderr.write(self.troubles)
            raise

    @property
    def troubles(self) -> str:
        """What it wrote to its standard error so far."""
        return b"".join(self._troubles).decode(errors="replace")

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._said.put(line.decode())

    def _read_troubles(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self._troubles.extend(lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()


class NodeServer(NodeProcess):
    """A server of MLLP, by one of `SERVERS`."""

    def __init__(self, library: str) -> None:
        super().__init__("mllp.cjs", "serve", library)

    def came(self) -> list[str]:
        """The messages that it was given since it was asked last, as the library shows them."""
        found: list[str] = []
        while True:
            try:
                found.append(json.loads(self._said.get(timeout=0.2)))
            except Empty:
                return found


if __name__ == "__main__":
    make()
