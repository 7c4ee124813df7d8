"""What row-level security costs on PostgreSQL: the same repository as a user whom it binds, and as one whom it does not.

Both are stamped with their tenant and say it in every statement; the difference is the server's own.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

import psycopg

from benchmarks._data import COUNT, Item, item, timed
from benchmarks._measure import Row, row
from prefiq.contracts import Bound, Scope
from prefiq.foundation.repository_query import RepositoryQuery
from prefiq.lowcode import Catalog
from prefiq.migrations import Walls, schema_of
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.walls import raise_walls
from prefiq.sql import ConnectionManager, DatabaseConfig, Executor, Tables

__all__ = ["wall_rows"]

URL = os.environ.get("PREFIQ_BENCH_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
ACME, OTHER = Bound("acme"), Bound("globex")
_BOUND, _FREE = (f"prefiq_bench_{os.getpid()}_{name}" for name in ("bound", "free"))
ROUNDS, CALLS = 15, 400


def wall_rows() -> list[Row]:
    """Ratios of wall time; empty where no server answers."""
    try:
        with _managers() as managers:
            return list(_measured(managers))
    except psycopg.OperationalError:
        return []


@contextmanager
def _managers() -> Iterator[dict[str, ConnectionManager]]:
    """One for each user of a database that is gone afterwards."""
    url = urlsplit(URL)
    name = f"prefiq_bench_walls_{os.getpid()}"
    config = DatabaseConfig(
        engine="postgres",
        database=name,
        host=url.hostname or "127.0.0.1",
        port=url.port or 5432,
        user=url.username or "postgres",
        pool_size=1,
    )
    tables = Tables(Catalog.build({"items": (Item,)}))
    made: dict[str, ConnectionManager] = {}
    with psycopg.connect(URL, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            owner = ConnectionManager([config], tables)
            admin.execute(f"CREATE ROLE {_BOUND} LOGIN; CREATE ROLE {_FREE} LOGIN BYPASSRLS")
            with owner.schema_connection() as connection:
                tables.create_all(connection)
                schema = schema_of(tables.catalog)
                raise_walls(renderer_for("postgres"), connection, schema, Walls())
                connection.exec_driver_sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {_BOUND}, {_FREE}")
            for role in (_BOUND, _FREE):
                made[role] = ConnectionManager([replace(config, user=role)], tables)
            yield made
        finally:
            for manager in made.values():
                manager.close()
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            admin.execute(f"DROP ROLE IF EXISTS {_BOUND}, {_FREE}")


def _measured(managers: dict[str, ConnectionManager]) -> Iterator[Row]:
    ids = {}
    for tenancy in (ACME, OTHER):
        items = [item(number) for number in range(COUNT)]
        with Scope(tenancy) as scope:
            _items(managers[_FREE], scope).save_many(items)
        ids[tenancy.tenant] = [one.id for one in items]
    chosen = random.Random(7).sample(ids["acme"], CALLS)
    scopes = {role: Scope(ACME) for role in managers}
    warm = {role: _items(managers[role], scope) for role, scope in scopes.items()}

    def gets(role: str) -> None:
        for id in chosen:
            warm[role].get_by_id(id)

    found = timed(_each(managers, gets), rounds=ROUNDS)
    yield row(
        "get by id behind the wall, warm connection of the same tenant",
        found[_BOUND].wall / found[_FREE].wall,
        "×",
        1.1,
    )
    for scope in scopes.values():
        scope.close()

    def in_turn(role: str, tenancies: tuple[Bound, ...]) -> None:
        for number, tenancy in zip(range(CALLS), itertools.cycle(tenancies), strict=False):
            with Scope(tenancy) as scope:
                _items(managers[role], scope).get_by_id(ids[tenancy.tenant][number])

    found = timed(
        {
            "same": lambda: in_turn(_BOUND, (ACME,)),
            "other": lambda: in_turn(_BOUND, (ACME, OTHER)),
        },
        rounds=ROUNDS,
    )
    yield row(
        "a scope with one get, each of another tenant than before, over the same one",
        found["other"].wall / found["same"].wall,
        "×",
        None,
    )
    numbers = itertools.count(COUNT)

    def many(role: str) -> None:
        with Scope(ACME) as scope:
            _items(managers[role], scope).save_many([item(next(numbers)) for _ in range(COUNT)])

    found = timed(_each(managers, many), rounds=5)
    yield row(
        "10,000 rows behind the wall, over COPY without", found[_BOUND].wall / found[_FREE].wall, "×", None
    )


def _each(roles: Iterable[str], run: Callable[[str], None]) -> dict[str, Callable[[], object]]:
    return {role: partial(run, role) for role in roles}


def _items(manager: ConnectionManager, scope: Scope) -> RepositoryQuery[Item]:
    return RepositoryQuery.of(Item)(Executor(manager, scope, manager.tables), manager.tables)
