"""What ``doctor database`` finds on PostgreSQL alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests import servers
from tests.own_server import own_server
from tests.servers import Database
from tests.unit.doctor.kit import found, looking

from prefiq.doctor.database import postgres


@pytest.fixture
def database() -> Iterator[Database]:
    with servers.database("postgres", reuse=False) as made:
        yield made


def run(database: Database, *statements: str) -> None:
    with database.connect() as connection:
        for statement in statements:
            connection.execute(statement)


def test_encoding_that_cannot_keep_every_text() -> None:
    """The database's own; the server's default is that of its operating system."""
    name = "prefiq_test_5f000000_2_2"
    administrator = servers.administrator("postgres")
    administrator.execute(f"DROP DATABASE IF EXISTS {name}")
    administrator.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        level, what = found(replace(servers.server("postgres"), name=name))["PFQ-D232"]
    finally:
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
    assert (level, what) == ("error", "The database's encoding is LATIN1: it cannot keep every text")


def test_collation_of_another_operating_system(database: Database) -> None:
    """The catalogue remembers the version that the database was made with."""
    run(database, f"UPDATE pg_database SET datcollversion = '0' WHERE datname = '{database.name}'")
    assert found(database)["PFQ-D233"][0] == "warning"


def test_database_that_only_reads(database: Database) -> None:
    """As an operator sets it before a move."""
    run(database, f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    assert found(database)["PFQ-D241"] == ("error", "The database is set to read only")


def test_no_schema_for_tables(database: Database) -> None:
    """As after a DROP SCHEMA."""
    run(database, "DROP SCHEMA public")
    assert found(database)["PFQ-D252"][0] == "error"


def test_everybody_may_make_tables(database: Database) -> None:
    """Usual before release 15; only production minds."""
    run(database, "GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert "PFQ-D251" not in found(database)
    assert found(database, ENV="production")["PFQ-D251"][0] == "warning"


def test_index_that_was_not_finished(database: Database) -> None:
    """As a CREATE INDEX CONCURRENTLY leaves it that fails."""
    run(
        database,
        "CREATE TABLE note (title text)",
        "CREATE INDEX note_title ON note (title)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'note_title'::regclass",
    )
    assert found(database)["PFQ-D254"] == (
        "warning",
        "Indexes that were not finished serve nothing: note_title",
    )


def test_connections_of_role_and_database_are_limited(database: Database) -> None:
    """Each limit counts by itself."""
    run(database, f"ALTER DATABASE {database.name} CONNECTION LIMIT 3")
    assert found(database, DB_POOL_SIZE="4")["PFQ-D240"][1] == (
        "the database's CONNECTION LIMIT leaves 3 connections, and 1 process opens up to 4"
    )


def test_slot_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is told before it holds a gigabyte."""
    with own_server("postgres") as server:
        run(server.database, "SELECT pg_create_physical_replication_slot('forgotten', true)")
        assert "PFQ-D256" not in found(server.database)
        monkeypatch.setattr(postgres, "_HELD_BACK", -1)
        assert found(server.database)["PFQ-D256"][1].endswith("until the disk is full: forgotten")


def test_server_that_is_fast_and_forgets() -> None:
    """In production an error, elsewhere a warning."""
    options = (
        "-c",
        "fsync=off",
        "-c",
        "synchronous_commit=off",
        "-c",
        "autovacuum=off",
        "-c",
        "max_connections=9",
    )
    with own_server("postgres", *options) as server:
        here = found(server.database)
        assert here["PFQ-D249"] == (
            "warning",
            "A crash loses what was committed: fsync = off, synchronous_commit = off",
        )
        assert here["PFQ-D253"] == ("warning", "Vacuum does not keep up: autovacuum is off")
        assert here["PFQ-D240"][1].startswith("max_connections leaves 6 connections, and 1 process")
        assert found(server.database, ENV="production")["PFQ-D249"][0] == "error"


def test_standby_that_commits_wait_for() -> None:
    """Reading works, so nobody else would say what is wrong."""
    with own_server("postgres") as server:
        server.restart("-c", "synchronous_standby_names=two")
        assert found(server.database)["PFQ-D255"][0] == "error"


def test_standby_only_reads() -> None:
    """A server in recovery."""
    with own_server("postgres", files={"data/standby.signal": ""}) as server:
        database = replace(server.database, name="postgres")
        assert found(database)["PFQ-D241"] == ("error", "The server is a standby and only reads")


def test_sound_server_with_all_rights(database: Database) -> None:
    """Somebody who may make databases and roles, and is no superuser, is told as such."""
    name = f"{database.name}_maker"
    administrator = servers.administrator("postgres")
    administrator.execute(f"CREATE ROLE {name} LOGIN CREATEDB CREATEROLE")
    try:
        as_maker = replace(database, user=name)
        what = found(as_maker, ENV="production")["PFQ-D236"][1]
    finally:
        administrator.execute(f"DROP ROLE {name}")
    assert what == "The serving user makes roles, makes databases: a mistake in a query could do anything"


def test_old_rows(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before the server stops writing."""
    monkeypatch.setattr(postgres, "_OLD", -1)
    with looking(database) as (ask, situation):
        (finding,) = [f for f in postgres.upkeep(ask, situation) if f.id == "PFQ-D253"]
    assert finding.what.startswith("Vacuum does not keep up: ")
