"""HL7 libraries of Node, as counterparts that nobody here wrote. `make node` brings them to var/node.

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
    from collections.abc import Sequence

__all__ = ["CLIENTS", "SERVERS", "NodeServer", "make", "needed", "send"]

# One message at a time. Medplum's loses all but the first of the answers that come in one packet, so that a sender
# built on it may not send on before it is answered; python-hl7's is the one that does.
CLIENTS = ("node-hl7-client", "simple-hl7", "medplum")
SERVERS = ("node-hl7-server", "simple-hl7", "medplum")

FOLDER = Path(__file__).parent / "node"
HOME = ROOT / "var" / "node"
PATIENCE = 30.0  # seconds


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
        sys.exit("There is no npm here: the HL7 libraries of Node are not tried.")
    HOME.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FOLDER / name, HOME / name)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HOME, check=True)
    (HOME / ".installed").write_text(_stamp(), "utf-8")


def _node(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["node", str(FOLDER / "mllp.cjs"), *arguments],
        env={**os.environ, "NODE_PATH": str(HOME / "node_modules")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def send(library: str, port: int, messages: Sequence[bytes]) -> list[str]:
    """What answered each message, by what the library made of it."""
    process = _node("send", library, str(port))
    try:
        said, trouble = process.communicate(json.dumps([body.decode() for body in messages]).encode(), PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    assert process.returncode == 0, trouble.decode()
    answers: list[str] = json.loads(said)
    return answers


class NodeServer:
    """A server in a process of its own; a context manager.

    Attributes:
        port: where it listens.
    """

    def __init__(self, library: str) -> None:
        self._process = _node("serve", library)
        self._came: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.port = int(self._came.get(timeout=PATIENCE))
        except BaseException:
            self.__exit__()
            raise

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._came.put(line.decode())

    def came(self) -> list[str]:
        """The messages that it was given since it was asked last, as the library shows them."""
        found: list[str] = []
        while True:
            try:
                found.append(json.loads(self._came.get(timeout=0.2)))
            except Empty:
                return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


if __name__ == "__main__":
    make()
