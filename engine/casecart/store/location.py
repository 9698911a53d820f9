"""Where a store is: what its URL says."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from casecart.store.failure import StoreMisconfigured

__all__ = ["PostgresqlServer", "SqliteFile", "locate"]

EXAMPLES = (
    "Write sqlite:///var/casecart.db (a relative path), sqlite:////srv/casecart.db or postgresql://user@host/name"
)
POSTGRESQL = ("postgresql://", "postgres://")


class SqliteFile(NamedTuple):
    """A database file."""

    path: Path

    @property
    def place(self) -> str:
        """Where it is, in words that may be shown."""
        return str(self.path)


class PostgresqlServer(NamedTuple):
    """A database of a server, as libpq's URL."""

    url: str

    @property
    def place(self) -> str:
        """Where it is, in words that may be shown: without the password. Raises `StoreMisconfigured`."""
        from casecart.store.postgresql_session import place  # noqa: PLC0415 - a file needs no driver of a server

        return place(self.url)


def locate(url: str) -> SqliteFile | PostgresqlServer:
    """Reads a store's URL. Raises `StoreMisconfigured`, whose words never show the URL: there may be a password in it.

    Args:
        url: ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or a libpq URL ``postgresql://…``.
    """
    if url.startswith(POSTGRESQL):
        return PostgresqlServer(url)
    scheme, _, rest = url.partition("://")
    if scheme != "sqlite" or not _:
        raise StoreMisconfigured(f"A store is on SQLite or on PostgreSQL, and this URL is for neither. {EXAMPLES}.")
    if not rest.startswith("/"):
        raise StoreMisconfigured(f"A SQLite URL has three slashes and then the path. {EXAMPLES}.")
    path = rest.removeprefix("/")
    if not path or path == ":memory:":
        raise StoreMisconfigured(f"A store must outlive the program: the SQLite URL needs a file. {EXAMPLES}.")
    if "?" in path or "#" in path:
        raise StoreMisconfigured(f"A SQLite URL is a path and takes no options. {EXAMPLES}.")
    return SqliteFile(Path(path))
