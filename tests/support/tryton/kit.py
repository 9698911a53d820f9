"""What servers are started from: Tryton in an environment of its own, and a database with a small hospital in it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["DATABASE", "Kit", "Unavailable"]

ROOT = Path(__file__).parents[3]
SEED = Path(__file__).with_name("seed.py")
REQUIREMENTS = ROOT / "requirements" / "tryton.txt"
SAMPLES = ROOT / "samples" / "master"

TABLES = ("items", "identifiers", "suppliers")
"""Of the samples, those that the database is filled from."""

DATABASE = "hosp"
MODULES = ("company", "product", "product_cost_fifo", "stock", "stock_lot", "stock_lot_sled", "stock_lot_unit")
ADMIN = "the administrator of a test"

LIMIT = 900.0  # seconds for a step of the preparation


class Unavailable(Exception):
    """It can't be made here; the words say why."""


class Kit:
    """The environment and the seeded database, in a folder that is kept between runs.

    Args:
        home: the folder.
    """

    def __init__(self, home: Path = ROOT / "var" / "tryton") -> None:
        self.home = home
        self.python = home / "venv" / "bin" / "python"
        self.seeded = home / "seeded.sqlite"

    @property
    def ready(self) -> bool:
        """Whether it is there, made from what the files say today."""
        stamp = self.home / "stamp"
        return stamp.is_file() and stamp.read_text() == self._fingerprint()

    @property
    def key(self) -> str:
        """The application key of the engine's user."""
        return str(json.loads((self.home / "answers.json").read_text())["key"])

    def prepare(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Make it, unless it is ready. Two who wish it at once get one; what was cut short is made anew.

        Args:
            say: told of each step.

        Raises:
            Unavailable: no package index, no room, or a fault of Tryton's.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with self._alone(say):
            if self.ready:
                return
            (self.home / "stamp").unlink(missing_ok=True)
            say("an environment of its own (about 20 s)")
            self._run([sys.executable, "-m", "venv", "--clear", str(self.home / "venv")])
            pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            self._run([*pip, "--require-hashes", "-r", str(REQUIREMENTS)])
            data = self.home / "data"
            shutil.rmtree(data, ignore_errors=True)
            data.mkdir()
            (data / f"{DATABASE}.sqlite").touch()  # SQLite: the file must be there
            (data / "password").write_text(ADMIN)
            configuration = write_configuration(data, 0)
            say("a database with the modules for stock (about 20 s)")
            command = ["trytond-admin", "-c", str(configuration), "-d", DATABASE, "-u", *MODULES]
            command += ["--activate-dependencies", "--email", "admin@example.org", "-l", "en"]
            self._run([str(self.python.with_name(command[0])), *command[1:]], TRYTONPASSFILE=str(data / "password"))
            say("the items, lots and locations of the samples (about 6 s)")
            answers = self.home / "answers.json"
            seed = [str(SEED), f"sqlite:///{DATABASE}", str(configuration), str(SAMPLES), str(answers)]
            self._run([str(self.python), *seed])
            shutil.copyfile(data / f"{DATABASE}.sqlite", self.seeded)
            (self.home / "stamp").write_text(self._fingerprint())
            say("ready")

    def _fingerprint(self) -> str:
        told = hashlib.sha256(repr((sys.version_info[:2], MODULES, str(self.home))).encode())
        for path in (SEED, REQUIREMENTS, *(SAMPLES / f"{name}.csv" for name in TABLES)):
            told.update(path.read_bytes())
        return told.hexdigest()

    @contextmanager
    def _alone(self, say: Callable[[str], None]) -> Iterator[None]:
        with (self.home / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another process makes it; waiting")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @staticmethod
    def _run(command: Sequence[str], **environment: str) -> None:
        try:
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=LIMIT, env=_environment(**environment)
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{Path(command[0]).name} did not run: {error}") from error
        except subprocess.CalledProcessError as failed:
            told = (failed.stderr or failed.stdout).strip().splitlines()
            raise Unavailable(f"{' '.join(command[:4])} … failed: {told[-1] if told else 'without a word'}") from failed


def write_configuration(data: Path, port: int) -> Path:
    """A server's configuration, in the folder of its database; on loopback only."""
    path = data / "trytond.conf"
    lines = ["[database]", "uri = sqlite://", f"path = {data}", "[web]", f"listen = 127.0.0.1:{port}"]
    path.write_text("\n".join([*lines, ""]))
    return path


def _environment(**more: str) -> dict[str, str]:

    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TRYTON"))}
    return {**kept, **more}
