"""Migrations as a user who owns nothing but what he makes, and is no administrator of anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests import servers
from tests.engines.test_migrations_killed import COLUMNS, ROWS, rich
from tests.servers import SERVERS
from tests.unit.migrations.kit import Workshop

from prefiq.migrations.removal import belongings, remove
from prefiq.sql.errors import AccessDenied

RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, LOCK TABLES, CREATE TEMPORARY TABLES"
"""What ``prefiq doctor database --setup`` gives the migrating user on MariaDB, as far as it is needed here."""


@pytest.fixture
def plain(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A workshop whose user has the rights to migrate one database."""
    monkeypatch.syspath_prepend(tmp_path)
    user = f"prefiq_test_{os.getpid()}"
    with servers.database(engine, reuse=False) as at:
        root = servers.administrator(engine).cursor()
        if engine == "postgres":
            root.execute(f"CREATE ROLE {user} LOGIN")
            inside = at.connect()
            inside.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {user}")
            inside.close()
            root.execute(f"REVOKE TEMPORARY ON DATABASE {at.name} FROM PUBLIC")
            root.execute(f"GRANT TEMPORARY ON DATABASE {at.name} TO {user}")
        else:
            root.execute(f"CREATE USER {user}@'%'")
            root.execute(f"GRANT {RIGHTS} ON `{at.name}`.* TO {user}@'%'")
        try:
            yield Workshop(tmp_path, replace(at, user=user, password=""))
        finally:
            servers_own = at.connect()
            if engine == "postgres":
                servers_own.execute(f"DROP OWNED BY {user} CASCADE")
                root.execute(f"DROP ROLE {user}")
            else:
                root.execute(f"DROP USER {user}@'%'")
            servers_own.close()


@pytest.mark.parametrize("engine", SERVERS, scope="session")
def test_no_more_rights_are_needed_than_those_of_the_migrating_user(plain: Workshop) -> None:
    """From the first table to the last change, looking for drift and removing included."""
    rich(plain)
    plain.migrate()
    assert plain.get("shop_thing", *COLUMNS) == ROWS
    assert plain.drifted() == []
    listed = plain.catalog
    plain.unlist("shop")
    with plain.connect() as connection:
        remove(connection, belongings(listed, plain.catalog, "shop"), "drop")
    assert set(plain.state()) <= {"prefiq_migration", "prefiq_development", "prefiq_migration_step"}


@pytest.mark.parametrize("engine", SERVERS, scope="session")
def test_too_few_rights_are_told(plain: Workshop) -> None:
    """As what they are, not as a fault of the migration."""
    rich(plain)
    root = servers.administrator(plain.engine).cursor()
    if plain.engine == "postgres":
        owner = replace(plain.at, user="postgres").connect()
        owner.execute("ALTER TABLE shop_thing OWNER TO CURRENT_USER")
        owner.close()
    else:
        root.execute(f"REVOKE ALTER ON `{plain.at.name}`.* FROM {plain.at.user}@'%'")
    with pytest.raises(AccessDenied):
        plain.migrate()
