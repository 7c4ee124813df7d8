"""What ``doctor database`` finds alike on both servers."""

from __future__ import annotations

import shutil
import time
from collections import namedtuple
from typing import Any

import pytest
from tests.servers import SERVERS, Database
from tests.unit.doctor.kit import CHECKS, found, looking

from prefiq.doctor.database import mariadb, postgres
from prefiq.sql import DatabaseError

pytestmark = [
    pytest.mark.parametrize("engine", SERVERS, scope="session"),
    pytest.mark.parametrize("mode", ["sync"], scope="session"),
]
ENGINES: dict[str, Any] = {"postgres": postgres, "mariadb": mariadb}
Usage = namedtuple("Usage", "total used free")  # noqa: PYI024  as shutil's own


def test_a_sound_server_is_sound(database: Database) -> None:
    """In development nothing is found; what the machine's own server was told for speed does not count."""
    assert set(found(database)) <= {"PFQ-D249", "PFQ-D253"}


def test_async_mode_is_looked_at_with_the_sync_driver(database: Database) -> None:
    """It needs no loop."""
    assert set(found(database, DB_MODE="async")) <= {"PFQ-D249", "PFQ-D253"}


def test_who_may_everything_serves_in_production(database: Database) -> None:
    """The tests' own user may."""
    level, what = found(database, ENV="production")["PFQ-D236"]
    assert level == "warning"
    assert what.startswith("The serving user ")
    assert what.endswith(": a mistake in a query could do anything")


def test_pools_that_exceed_the_server(database: Database) -> None:
    """Each process has a pool of its own."""
    assert "PFQ-D240" not in found(database, DB_POOL_SIZE="1")
    level, what = found(database, DB_POOL_SIZE="100", processes=50)["PFQ-D240"]
    assert level == "error"
    assert what.startswith("max_connections leaves ")
    assert what.endswith(" connections, and 50 processes open up to 5000")


def test_the_budget_of_tenants_databases_counts(database: Database) -> None:
    """With TENANCY=database each process may hold DB_MAX_CONNECTIONS besides its pool."""
    budget = {"DB_POOL_SIZE": "1", "DB_MAX_CONNECTIONS": "99"}
    assert "PFQ-D240" not in found(
        database, processes=50, DB_POOL_SIZE="1", DB_MAX_CONNECTIONS="1", TENANCY="row"
    )
    level, what = found(database, processes=50, TENANCY="database", **budget)["PFQ-D240"]
    assert level == "error"
    assert what.endswith(" connections, and 50 processes open up to 5000")


@pytest.mark.parametrize(("offset", "direction"), [(-60, "60 s ahead of"), (90, "90 s behind")])
def test_clocks_that_differ(
    database: Database, offset: int, direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two seconds, and what the way takes, are let pass."""
    now = time.time
    with looking(database) as (ask, situation):
        clock = ENGINES[database.engine].clock
        monkeypatch.setattr(time, "time", lambda: now() + offset)
        (finding,) = clock(ask, situation)
        assert (finding.id, finding.level) == ("PFQ-D242", "warning")
        assert finding.what == f"The server's clock is {direction} this machine's"
        monkeypatch.setattr(time, "time", lambda: now() + offset / 60)
        assert list(clock(ask, situation)) == []


@pytest.mark.parametrize(("env", "level"), [("production", "error"), ("development", "warning")])
def test_connections_over_a_network_in_the_clear(database: Database, env: str, level: str) -> None:
    """On loopback nobody listens; elsewhere it is a fault."""
    far = {"DB_HOST": "db.internal", "DB_SSL_MODE": "require", "ENV": env}
    with looking(database) as (ask, _), pytest.MonkeyPatch.context() as patch:
        from tests.unit.doctor import kit

        settings = kit.settings_of(database, **far)
        situation = kit.Situation.of(settings, settings.database, 1)
        (finding,) = ENGINES[database.engine].encryption(ask, situation)
        patch.setattr(kit.Situation, "here", True)
        assert list(ENGINES[database.engine].encryption(ask, situation)) == []
    assert (finding.id, finding.level) == ("PFQ-D244", level)


def test_a_disk_that_is_nearly_full(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known where the server's folder is on this machine, and its user may tell it."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 1024**2))
    assert found(database)["PFQ-D212"] == ("warning", "Only 1 MiB are free where the database lies")
    with looking(database) as (ask, situation), monkeypatch.context() as patch:
        patch.setattr(type(situation), "here", False)
        assert list(ENGINES[database.engine].disk(ask, situation)) == []


def test_a_disk_that_cannot_be_seen(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the folder is another one, or none."""

    def gone(_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(shutil, "disk_usage", gone)
    assert "PFQ-D212" not in found(database)


def test_statements_without_an_end(database: Database) -> None:
    """In production each has one."""
    assert "PFQ-D245" in found(database, ENV="production", DB_STATEMENT_TIMEOUT="0")
    assert "PFQ-D245" not in found(database, ENV="production")
    assert "PFQ-D245" not in found(database, DB_STATEMENT_TIMEOUT="0")


@pytest.mark.parametrize(
    "text", ["8.0.36", "PostgreSQL 13.14 on x86_64", "10.5.23-MariaDB", "CockroachDB CCL v24.1"]
)
def test_servers_that_are_old_or_others(database: Database, text: str) -> None:
    """By what they say of themselves."""
    postgres_says = [(130014, text)]
    with looking(database) as (_, situation):
        answer = postgres_says if database.engine == "postgres" else [(text,)]
        (finding,) = ENGINES[database.engine].version(lambda _: answer, situation)
    old = {"postgres": "PostgreSQL 13", "mariadb": "MariaDB 10.5"}[database.engine]
    if finding.id == "PFQ-D230":
        assert finding.what == f"{old} is older than what is supported"
    else:
        assert finding.id == "PFQ-D231"
        assert text in finding.what


def test_a_server_that_lacks_a_collation(database: Database) -> None:
    """Without ICU, or from before MariaDB had its own."""
    answers = iter(
        [[("shop", "UTF8")], [], [(False,)]] if database.engine == "postgres" else [[("utf8mb4",)], []]
    )
    with looking(database) as (_, situation):
        (finding,) = ENGINES[database.engine].texts(lambda _: next(answers), situation)
    assert (finding.id, finding.level) == ("PFQ-D234", "error")


def test_what_stands_between_changes_the_session(database: Database) -> None:
    """A pooler that drops what a connection asks for would shift every instant."""
    with looking(database) as (ask, situation):
        ask("SET TIME ZONE 'Asia/Kathmandu'" if database.engine == "postgres" else "SET time_zone = '+05:45'")
        (finding,) = ENGINES[database.engine].session(ask, situation)
    assert (finding.id, finding.level) == ("PFQ-D235", "error")
    assert finding.what in {
        "Connections have TimeZone = Asia/Kathmandu, and asked for UTC",
        "Connections have time_zone = +05:45, and asked for +00:00",
    }


def test_a_question_that_the_server_refuses_is_an_error_of_ours(database: Database) -> None:
    """And the connection goes on."""
    with looking(database) as (ask, _):
        with pytest.raises(DatabaseError):
            ask("SELECT nothing FROM nowhere")
        assert ask("SELECT 1") == [(1,)]


def test_every_check_says_what_it_looks_at(engine: str, mode: str) -> None:
    """In a docstring, for who reads the list."""
    assert all(check.__doc__ for check in CHECKS[engine])
