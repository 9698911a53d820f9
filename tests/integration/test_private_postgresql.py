"""The PostgreSQL that the tests bring along is a real one: durable, private, and clean for each test."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest
from sqlalchemy import create_engine, text

from support.postgresql import Server, database


def one(dsn: str, query: LiteralString) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_it_keeps_postgresqls_own_durability(postgresql_dsn: str, setting: str) -> None:
    query = "SELECT setting FROM pg_settings WHERE name = %s"
    with psycopg.connect(postgresql_dsn) as connection:
        assert connection.execute(query, [setting]).fetchone() == ("on",)


def test_each_database_is_empty_and_gone_afterwards(postgresql_server: str) -> None:
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    for _ in range(2):
        with database(postgresql_server) as dsn:
            assert one(dsn, tables) == 0
            with psycopg.connect(dsn) as connection:
                connection.execute("CREATE TABLE anything (id int)")
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(dsn)


def test_sqlalchemy_takes_the_same_url(postgresql_dsn: str) -> None:
    engine = create_engine(postgresql_dsn)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()


def test_what_was_committed_is_there_after_a_crash() -> None:
    with Server() as server:
        with psycopg.connect(server.dsn) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS it")
        server.stop("immediate")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.dsn)
        server.start()
        assert one(server.dsn, "SELECT it FROM kept") == 7
