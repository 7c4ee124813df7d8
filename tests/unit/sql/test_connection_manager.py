"""Databases that are missing, locked, damaged or not allowed to be written are errors of their own."""

from __future__ import annotations

import gc
import os
import sqlite3
import stat
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from prefiq.contracts import Bound, Scope
from prefiq.sql import (
    ConnectionManager,
    CorruptDatabase,
    DatabaseConfig,
    DatabaseLocked,
    DatabaseMissing,
    DiskFull,
    EngineNotServed,
    Executor,
    ReadOnlyDatabase,
    SchemaMissing,
    Tables,
    UnknownDatabase,
)


@pytest.fixture
def scope() -> Iterator[Scope]:
    with Scope(Bound("acme"), resolve=lambda *_: None) as opened:
        yield opened


def manager_of(tables: Tables, path: Path | None, **options: Any) -> ConnectionManager:
    return ConnectionManager([DatabaseConfig(path=path, busy_timeout=0.05, **options)], tables)


def test_nothing_is_opened_before_it_is_asked_for(tables: Tables, tmp_path: Path) -> None:
    """A manager alone makes no file, and serving makes none either."""
    path = tmp_path / "new.db"
    manager = manager_of(tables, path)
    manager.engine()
    assert not path.exists()
    with pytest.raises(DatabaseMissing):
        manager.checkout()[0]
    assert not path.exists()


def test_migrations_make_the_file(tables: Tables, tmp_path: Path) -> None:
    """In WAL, with references checked; what they do is kept, or undone by an exception."""
    manager = manager_of(tables, tmp_path / "new.db")
    with manager.schema_connection() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        connection.exec_driver_sql("CREATE TABLE kept (x)")
    with pytest.raises(ZeroDivisionError), manager.schema_connection() as connection:  # noqa: PT012
        connection.exec_driver_sql("CREATE TABLE undone (x)")
        raise ZeroDivisionError
    with manager.schema_connection() as connection:
        assert sa.inspect(connection).get_table_names() == ["kept"]


def test_new_file_is_its_owners_alone(tables: Tables, tmp_path: Path) -> None:
    """The file and SQLite's logs beside it, whatever the process's mask; a file that is there keeps its mode."""
    path, kept = tmp_path / "new.db", tmp_path / "kept.db"
    kept.touch(mode=0o640)
    before = os.umask(0o022)
    try:
        for file in (path, kept):
            with manager_of(tables, file).schema_connection() as connection:
                connection.exec_driver_sql("CREATE TABLE t (a)")
                found = {
                    made.name: stat.S_IMODE(made.stat().st_mode) for made in tmp_path.glob(f"{file.name}*")
                }
            mode = 0o600 if file is path else 0o640
            assert found == {file.name: mode, f"{file.name}-wal": mode, f"{file.name}-shm": mode}
    finally:
        os.umask(before)


def test_served_connections_are_set_up(connections: ConnectionManager) -> None:
    """Driver autocommit, WAL, every commit on the disk, references checked, our own lower case."""
    with connections.checkout()[0] as connection:
        raw: Any = connection.connection.driver_connection
        assert raw.isolation_level is None
        for pragma, value in (
            ("journal_mode", "wal"),
            ("foreign_keys", 1),
            ("synchronous", 2),
            ("busy_timeout", 0),  # who writes is waited for by asking again
        ):
            assert raw.execute(f"PRAGMA {pragma}").fetchone()[0] == value
        assert raw.execute("SELECT prefiq_lower('ÄÖ'), prefiq_lower(NULL)").fetchone() == ("äö", None)


def test_missing_folder(tables: Tables, tmp_path: Path) -> None:
    """Neither serving nor migrating makes folders."""
    manager = manager_of(tables, tmp_path / "no" / "such" / "x.db")
    for connect in (manager.checkout, manager.schema_connection().__enter__):
        with pytest.raises(DatabaseMissing) as caught:
            connect()
        assert str(tmp_path) not in str(caught.value)


def test_file_that_is_no_database(tables: Tables, tmp_path: Path, scope: Scope) -> None:
    """A file of something else is not written over."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 100)
    manager = manager_of(tables, path)
    with pytest.raises(CorruptDatabase):
        Executor(manager, scope, tables).scalar("SELECT 1")
    with pytest.raises(CorruptDatabase), manager.schema_connection():
        pass
    assert path.read_text().startswith("Dear Sir")


def test_damaged_file(
    connections: ConnectionManager, tables: Tables, path: Path, models: Any, scope: Scope
) -> None:
    """Pages of nonsense are noticed when they are read."""
    connections.close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(CorruptDatabase):
        Executor(connections, scope, tables).query(sa.select(tables[models.Order]))


def test_directory_in_place_of_a_file(tables: Tables, tmp_path: Path) -> None:
    """It cannot be opened."""
    with pytest.raises(DatabaseMissing):
        manager_of(tables, tmp_path).checkout()


def test_file_that_cannot_be_written(
    connections: ConnectionManager, tables: Tables, models: Any, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading goes on, writing says why not."""
    connect = sqlite3.connect

    def read_only(database: str, **options: Any) -> sqlite3.Connection:
        # As for a user without the right to write; the superuser, who may run this, has every right.
        return connect(database.replace("mode=rw", "mode=ro"), **options)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    executor = Executor(connections, scope, tables)
    order = tables[models.Order]
    assert executor.scalar(sa.select(sa.func.count()).select_from(order)) == 4
    with pytest.raises(ReadOnlyDatabase):
        executor.exec(sa.delete(order))


def test_database_of_another_application(tables: Tables, models: Any, tmp_path: Path, scope: Scope) -> None:
    """A table or column that is not there says what to run."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE shop_order (tenant_id, id)")
    raw.close()
    executor = Executor(manager_of(tables, path), scope, tables)
    for table in (tables[models.Note], tables[models.Order]):
        with pytest.raises(SchemaMissing) as caught:
            executor.query(sa.select(*table.c))
        assert str(caught.value) == (
            "The database does not know a table or column of this code (database default, SQLITE_ERROR) "
            '[PFQ404]\n  Try: run "prefiq run migrate"'
        )


def test_full_disk(connections: ConnectionManager, tables: Tables, models: Any, scope: Scope) -> None:
    """The statement is undone, and the transaction with it."""
    executor = Executor(connections, scope, tables)
    executor.scalar("SELECT 1")
    executor._session._connection.execute("PRAGMA max_page_count = 1")  # no page more than there are
    row = {"version": 1, "body": "x" * 5000}
    with pytest.raises(DiskFull), executor.tx():
        executor.bulk(sa.insert(tables[models.Note]), [{**row, "id": UUID(int=i)} for i in range(100, 200)])
    assert not executor.in_transaction
    assert executor.scalar(sa.select(sa.func.count()).select_from(tables[models.Note])) == 3


@pytest.mark.slow
def test_lock_of_another_process(
    connections: ConnectionManager, tables: Tables, models: Any, path: Path, scope: Scope
) -> None:
    """A writer in another process is waited for, and then given up."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        executor = Executor(connections, scope, tables)
        with pytest.raises(DatabaseLocked):
            executor.exec(sa.delete(tables[models.Note]))
        process.kill()
    assert executor.exec(sa.delete(tables[models.Note])) == 3


def test_databases_in_memory_are_apart_and_shared_by_connections(tables: Tables, models: Any) -> None:
    """Each manager has its own; its connections see the same rows; closing ends it."""
    first, second = manager_of(tables, None), manager_of(tables, None)
    with first.schema_connection() as connection:
        tables.create_all(connection)
    with first.checkout()[0] as one, first.checkout()[0] as other:
        for connection in (one, other):
            assert connection.connection.driver_connection.execute(
                "SELECT count(*) FROM shop_order"
            ).fetchone() == (0,)
    with second.schema_connection() as connection:
        assert sa.inspect(connection).get_table_names() == []
    first.close()
    with first.schema_connection() as connection:
        assert sa.inspect(connection).get_table_names() == []
    first.close()
    second.close()


def test_unknown_names_and_engines(tables: Tables) -> None:
    """Both are found before anything is opened."""
    with pytest.raises(EngineNotServed):
        ConnectionManager([DatabaseConfig(engine="oracle")], tables)
    with pytest.raises(UnknownDatabase) as caught:
        manager_of(tables, None).checkout("analytics")
    assert "ANALYTICS_DB_ENGINE" in str(caught.value)


def test_settings_serve_as_configuration(tables: Tables, tmp_path: Path) -> None:
    """The settings' own value is taken as it is."""
    from prefiq.settings import DatabaseSettings

    settings = DatabaseSettings(
        name="default", engine="sqlite", mode="sync", database="x.db", path=tmp_path / "x.db", host="", port=0,
        user="", password=None, tls="prefer", tls_ca=None, tls_cert=None, tls_key=None, connect_timeout=1.0,
        statement_timeout=30.0, pool_size=2, pool_timeout=1.0, pool_warmup=False, busy_timeout=1.0,
    )  # fmt: skip
    with ConnectionManager([settings], tables).schema_connection() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
    assert (tmp_path / "x.db").exists()


def test_manager_knows_what_is_in_use(connections: ConnectionManager) -> None:
    """By database; nothing where nothing is."""
    assert connections.in_use() == {}
    first, second = connections.checkout()[0], connections.checkout()[0]
    assert connections.in_use() == {"default": 2}
    first.close()
    second.close()
    assert connections.in_use() == {}


def test_nothing_holds_an_executor_whose_scope_has_ended(
    connections: ConnectionManager, tables: Tables
) -> None:
    """It goes with the last name for it, its connection with it, and no cycle is left to the garbage collector."""
    with Scope(Bound("acme"), resolve=lambda *_: None) as scope:
        executor = Executor(connections, scope, tables)
        executor.scalar(sa.select(sa.literal(1)))
    gone = weakref.ref(executor)
    gc.disable()
    try:
        del executor
        assert gone() is None
    finally:
        gc.enable()
