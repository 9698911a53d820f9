"""Migrations bring a store to exactly the tables that the schema declares, whole or not at all, once."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateColumn

from casecart.store import StoreInUse, StoreMisconfigured, migrate, open_store
from casecart.store.migration import configuration, connected
from casecart.store.schema import REVISION, metadata
from support.postgresql import database

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Table
    from sqlalchemy.dialects.sqlite.base import SQLiteDDLCompiler


@compiles(CreateColumn, "sqlite")
def without_columns_of_other_stores(element: CreateColumn, compiler: SQLiteDDLCompiler, **options: bool) -> str | None:
    if element.element.info.get("only", "sqlite") != "sqlite":
        return None
    column: str | None = compiler.visit_create_column(element, **options)
    return column


def ours(connection: Connection) -> list[Table]:
    """The tables that this kind of store has."""
    name = connection.dialect.name
    return [table for table in metadata.sorted_tables if table.info.get("only", name) == name]


def catalogue(connection: Connection) -> set[tuple[Any, ...]]:
    """What the database itself says of tables, columns and indexes."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("select type, name, sql from sqlite_master where name not like '%alembic%'"))
        return {(kind, name, " ".join(sql.replace('"', "").split()) if sql else None) for kind, name, sql in rows}
    columns = text(
        "select table_name, column_name, rank() over (partition by table_name order by ordinal_position), "
        "data_type, is_nullable, column_default, collation_name "
        "from information_schema.columns where table_schema = 'public' and table_name not like 'alembic%'"
    )
    indexes = text(
        "select tablename, indexname, indexdef from pg_indexes "
        "where schemaname = 'public' and tablename not like 'alembic%'"
    )
    return {tuple(row) for query in (columns, indexes) for row in connection.execute(query)}


def test_a_migrated_store_is_what_the_schema_declares(store_url: str) -> None:
    migrate(store_url)
    with connected(store_url) as connection:
        name = connection.dialect.name

        def shared(item: object, *_: object) -> bool:
            return bool(getattr(item, "info", {}).get("only", name) == name)

        context = MigrationContext.configure(connection, opts={"include_object": shared, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_migrated_sqlite_file_has_the_very_statements_of_the_schema(tmp_path: Path) -> None:
    migrated, declared = f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"
    migrate(migrated)
    (tmp_path / "b.db").touch()
    with connected(migrated) as one, connected(declared) as other:
        metadata.create_all(other, tables=ours(other))
        assert catalogue(one) == catalogue(other)


def test_a_migrated_postgresql_database_has_the_very_columns_and_indexes_of_the_schema(postgresql_server: str) -> None:
    with database(postgresql_server) as migrated, database(postgresql_server) as declared:
        migrate(migrated)
        with connected(migrated) as one, connected(declared) as other:
            metadata.create_all(other, tables=ours(other))
            assert catalogue(one) == catalogue(other)


def test_down_takes_everything_away_and_up_brings_it_back(store_url: str) -> None:
    migrate(store_url)
    with connected(store_url) as connection:
        before = catalogue(connection)
    with connected(store_url) as connection:
        command.downgrade(configuration(connection), "base")
    with connected(store_url) as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
        if connection.dialect.name == "postgresql":
            assert inspect(connection).get_sequence_names() == []
    migrate(store_url)
    with connected(store_url) as connection:
        assert catalogue(connection) == before
    open_store(store_url, role="engine").close()


def test_the_revision_that_a_store_must_have_is_the_newest_migration(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    migrate(url)
    with connected(url) as connection:
        assert ScriptDirectory.from_config(configuration(connection)).get_heads() == [REVISION]


def test_a_migration_that_fails_leaves_nothing_behind(store_url: str) -> None:
    migrate(store_url)
    with connected(store_url) as connection:
        command.downgrade(configuration(connection), "base")
    with connected(store_url) as connection:
        connection.execute(text("create table timer (in_the_way integer)"))
        connection.commit()
    with pytest.raises(Exception, match="timer"):
        migrate(store_url)
    with connected(store_url) as connection:
        assert sorted(inspect(connection).get_table_names()) == ["alembic_version", "timer"]


def test_migrations_at_the_same_time_end_well(store_url: str) -> None:
    code = "import sys; from casecart.store import migrate; migrate(sys.argv[1])"
    started = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", code, store_url], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in started:
        _, told = process.communicate(timeout=50)
        assert process.returncode == 0, told.decode()
    open_store(store_url, role="engine").close()


def test_a_store_that_is_up_can_be_migrated_while_an_engine_is_at_work(store_url: str) -> None:
    migrate(store_url)
    engine = open_store(store_url, role="engine")
    migrate(store_url)
    engine.close()


def test_a_store_that_must_be_migrated_is_not_while_an_engine_is_at_work(store_url: str) -> None:
    migrate(store_url)
    engine = open_store(store_url, role="engine")
    with connected(store_url) as connection:
        connection.execute(text("delete from alembic_version"))
        connection.commit()
    with pytest.raises(StoreInUse):
        migrate(store_url, patience=0)
    engine.close()


@pytest.mark.parametrize(("revision", "words"), [("0000", "older casecart.*casecart migrate"), ("9999", "newer")])
def test_a_store_of_another_version_is_refused_in_words(store_url: str, revision: str, words: str) -> None:
    migrate(store_url)
    with connected(store_url) as connection:
        connection.execute(text("update alembic_version set version_num = :revision"), {"revision": revision})
        connection.commit()
    with pytest.raises(StoreMisconfigured, match=words):
        open_store(store_url, role="engine")
    if revision == "9999":
        with pytest.raises(StoreMisconfigured, match="newer"):
            migrate(store_url)
