"""A store's URL says where it is, or why it can't."""

from __future__ import annotations

from pathlib import Path

import pytest

from casecart.store import StoreMisconfigured
from casecart.store.location import PostgresqlServer, SqliteFile, locate


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/casecart.db", "var/casecart.db"),
        ("sqlite:////srv/casecart.db", "/srv/casecart.db"),
        ("sqlite:///a folder/ä%20.db", "a folder/ä%20.db"),  # a path as it is, nothing is decoded
    ],
)
def test_a_sqlite_url_is_a_path(url: str, path: str) -> None:
    assert locate(url) == SqliteFile(Path(path))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_postgresql_url_is_libpqs(scheme: str) -> None:
    url = f"{scheme}://ann:secret@db.example:5433/hosp?sslmode=require"
    location = locate(url)
    assert location == PostgresqlServer(url)
    assert location.place == "PostgreSQL database hosp at db.example:5433"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://secret@host/x", "neither"),
        ("", "neither"),
        ("var/casecart.db", "neither"),
        ("sqlite:var/casecart.db", "neither"),
        ("sqlite://var/casecart.db", "three slashes"),
        ("sqlite://", "three slashes"),
        ("sqlite:///", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:///casecart.db?mode=ro", "no options"),
    ],
)
def test_a_wrong_url_is_refused_with_an_example_and_without_showing_it(url: str, words: str) -> None:
    with pytest.raises(StoreMisconfigured, match=words) as told:
        locate(url)
    assert "sqlite:///var/casecart.db" in str(told.value)
    assert "secret" not in str(told.value)
