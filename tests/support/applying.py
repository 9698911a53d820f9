"""A small workspace at whose command line somebody plans and applies, and engines that take up what is wanted."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from casecart.cli.main import run
from casecart.commands.starting import begun, starting
from casecart.runtime.clock import wall_clock
from casecart.store import ONLY_ENGINE, Change, Running, open_store
from casecart.workspace import reference
from support.store import new_store

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from casecart.store import Store

__all__ = ["Analyst", "TestEngine"]

ENGINE = """organisation: MERCY
facilities:
  NORTH: {time_zone: America/Chicago}
secrets:
  keys: {file: var/keys}
  tokens: {file: var/tokens}
listeners:
  or-mllp:
    kind: mllp
    port: 2575
    peers:
      orsys: {match: {MSH-3: ORSYS, MSH-4: NORTH}, facility: NORTH}
destinations:
  inventory: {kind: file, folder: var/inventory}
"""

CHANNEL = """channel: or-usage
about: What was used in the operating room becomes stock movements.
owner: {business: Supply chain, technical: Integration}
from: [or-mllp]
accept: [DFT^P03]
key: case
steps:
  - map: dft-usage
  - route:
      - post: {to: inventory, as: consumption}
"""


class Analyst:
    """Somebody with a workspace of one channel, whose store is made."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for file in ("mappings/dft-usage.yaml", "mappings/tables/transaction-type.csv"):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(reference.root() / file, root / file)
        self.save("config/engine.yaml", ENGINE)
        self.save("channels/or-usage.yaml", CHANNEL)
        for secret in ("keys", "tokens"):
            self.save(f"var/{secret}", "s" * 40)
        self.url = f"sqlite:///{root}/var/casecart.db"
        new_store(self.url)
        self.out = self.err = ""

    def save(self, file: str, text: str) -> None:
        """A file of the workspace."""
        (self.root / file).parent.mkdir(parents=True, exist_ok=True)
        (self.root / file).write_text(text, "utf-8")

    def edit(self, file: str, old: str, new: str) -> None:
        """Replaces a text that is in a file."""
        text = (self.root / file).read_text("utf-8")
        assert old in text
        self.save(file, text.replace(old, new))

    def note(self, words: str) -> None:
        """A change of the channel that does no harm."""
        self.save("channels/or-usage.yaml", f"# {words}\n{CHANNEL}")

    def type(self, *typed: str) -> int:
        """A command; what it prints stands in `out` and `err`."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(self.root), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(typed)
        self.out, self.err = out.getvalue(), err.getvalue()
        assert "Traceback" not in self.err
        return code

    def json(self, *typed: str) -> Any:  # noqa: ANN401 - a document of whatever shape
        """The document that a command prints."""
        self.type(*typed, "--json")
        return json.loads(self.out)

    def apply(self, *typed: str) -> int:
        """Without asking, and without waiting long."""
        return self.type("apply", "--yes", "--wait", "5", *typed)

    def numbers(self) -> list[tuple[int, str, str]]:
        """Number, kind and state of each revision, newest first."""
        return [(each["revision"], each["kind"], each["state"]) for each in self.json("history")["revisions"]]


class TestEngine:
    """The one engine of a SQLite store, as far as revisions go: it takes up what is wanted, or refuses it.

    Args:
        analyst: whose workspace it runs.
        refuses: numbers, and why.
        deaf: it never looks.
    """

    __test__ = False

    def __init__(self, analyst: Analyst, *, refuses: dict[int, str] | None = None, deaf: bool = False) -> None:
        self._analyst, self._refuses, self._deaf = analyst, refuses or {}, deaf
        self._stopped, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(20)

    def _run(self) -> None:
        with contextlib.closing(open_store(self._analyst.url, role="engine")) as store:
            start = starting(self._analyst.root, store, wall_clock())
            now = wall_clock()
            running = Running(ONLY_ENGINE, "or-1:4711", begun(store, start, "ann", now), now)
            store.write(Change(running=[running]))
            seen = store.wanted_revision(now)
            self._ready.set()
            while not self._stopped.is_set():
                seen, running = self._look(store, seen, running)
                time.sleep(0.02)

    def _look(self, store: Store, seen: int | None, running: Running) -> tuple[int | None, Running]:
        wanted = store.wanted_revision(wall_clock())
        if self._deaf or wanted in (seen, None):
            return seen, running
        if wanted in self._refuses:
            running = running._replace(refused=wanted, reason=self._refuses[wanted])
        else:
            running = running._replace(number=wanted, since=wall_clock(), refused=0, reason="")
        store.write(Change(running=[running]))
        return wanted, running
