"""What the contestants of the data benchmarks share: the model, its rows, the databases, and how they are timed.

A server is measured where one answers: ``PREFIQ_BENCH_POSTGRES`` and ``PREFIQ_BENCH_MARIADB`` are URLs, with
the loopback address as default.  Each run makes a database of its own there and drops it.
"""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import sqlalchemy as sa

from prefiq import Entity, ModelMeta, ProviderBase, field

COUNT = 10_000
FEW = 1_000
"""Rows of the tenant whose lists are measured: few enough that counting them does not hide our own cost."""
DATABASE = f"prefiq_bench_{os.getpid()}"
_URLS = {
    "postgres": os.environ.get("PREFIQ_BENCH_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres"),
    "mariadb": os.environ.get("PREFIQ_BENCH_MARIADB", "mariadb://root@127.0.0.1:3306/mysql"),
}
_DRIVERS = {"postgres": "postgresql+psycopg", "mariadb": "mariadb+pymysql"}


class Item(Entity):
    """Thirteen columns with the tenant, the id and the version."""

    code: str = field(max_length=32, unique=True)
    name: str = field(max_length=100)
    price: Decimal = field(precision=12, scale=2)
    weight: float
    amount: int = field(index=True)
    active: bool
    made: datetime
    day: date
    note: str | None = field(default=None, text=True)
    owner: str = field(default="", max_length=40)

    meta = ModelMeta(order_by="code", audit=False)


class ItemsProvider(ProviderBase):
    models = (Item,)


COLUMNS = (
    "tenant_id", "id", "version", "code", "name", "price", "weight", "amount", "active", "made", "day", "note", "owner",
)  # fmt: skip


def item(number: int) -> Item:
    return Item(
        code=f"I-{number:06d}",
        name=f"Item number {number}",
        price=Decimal(number).scaleb(-2),
        weight=number / 3,
        amount=number % 100,
        active=number % 2 == 0,
        made=datetime(2026, 1, 1, tzinfo=UTC),
        day=date(2026, 1, 1),
        owner="somebody",
    )


def key(engine: str, id: UUID) -> Any:
    """The id as the engine's driver takes it."""
    return id if engine == "postgres" else id.bytes


def stored(engine: str, tenant: str, made: Item) -> tuple[Any, ...]:
    """The row as the engine stores it, in the order of ``COLUMNS``."""
    price: Any = made.price
    moment: Any = made.made
    day: Any = made.day
    if engine == "sqlite":
        price, moment, day = int(price.scaleb(2)), moment.isoformat(timespec="microseconds"), day.isoformat()
    elif engine == "mariadb":
        moment = moment.replace(tzinfo=None)
    return (
        tenant, key(engine, made.id), 1, made.code, made.name, price, made.weight, made.amount, made.active, moment, day,
        made.note, made.owner,
    )  # fmt: skip


class Contestant(Protocol):
    """One way to do the six operations; what it reads and writes is confined to its tenant and versioned."""

    def get(self, id: UUID) -> object:
        """One row by its key."""
        ...

    def page(self) -> object:
        """Fifty rows in the order of their code, and how many there are in all."""
        ...

    def insert(self, made: Item) -> object:
        """One row, in a transaction of its own."""
        ...

    def update(self, id: UUID, name: str) -> object:
        """The name of one row, in a transaction of its own, if nobody else changed it."""
        ...

    def bulk(self, many: list[Item]) -> object:
        """Many rows in one transaction."""
        ...

    def read(self) -> object:
        """All rows."""
        ...


@dataclass(frozen=True)
class Server:
    """A database of our own for one run."""

    engine: str
    url: sa.URL

    def settings(self, **more: Any) -> dict[str, Any]:
        """The variables that lead Prefiq to it."""
        if self.engine == "sqlite":
            return more
        return {
            "db_engine": self.engine,
            "db_host": self.url.host or "localhost",
            "db_port": self.url.port,
            "db_user": self.url.username,
            "db_pass": self.url.password,
            "db_name": self.url.database,
        } | more

    def peer(self) -> sa.Engine:
        """An engine of SQLAlchemy, as its users make one."""
        return sa.create_engine(self.url)


@contextmanager
def server(engine: str, folder: Path) -> Iterator[Server | None]:
    """A new database, or None where no server answers."""
    if engine == "sqlite":
        yield Server("sqlite", sa.URL.create("sqlite", database=str(folder / "prefiq.db")))
        return
    url = sa.make_url(_URLS[engine]).set(drivername=_DRIVERS[engine])
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    try:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {DATABASE}")
    except sa.exc.OperationalError:
        yield None
        return
    try:
        yield Server(engine, url.set(database=DATABASE))
    finally:
        with admin.connect() as connection:
            force = " WITH (FORCE)" if engine == "postgres" else ""
            connection.exec_driver_sql(f"DROP DATABASE {DATABASE}{force}")


def scratch() -> Path:
    return Path(tempfile.mkdtemp())


@dataclass(frozen=True)
class Spent:
    """Seconds per call of one contestant.

    Args:
        wall: The tenth percentile of the rounds.
        cpu: The least of the rounds, of this thread.
    """

    wall: float
    cpu: float


def timed(
    contestants: Mapping[str, Callable[[], object]], *, rounds: int, number: int = 1
) -> dict[str, Spent]:
    """Time the contestants in turn, ``number`` calls each, ``rounds`` times."""
    walls: dict[str, list[float]] = {name: [] for name in contestants}
    cpus: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run()
    names = list(contestants)
    for turn in range(rounds):
        for name in (*names[turn % len(names) :], *names[: turn % len(names)]):
            run = contestants[name]
            gc.collect()
            gc.disable()
            cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
            for _ in range(number):
                run()
            walls[name].append((time.perf_counter_ns() - wall) / number / 1e9)
            cpus[name].append((time.thread_time_ns() - cpu) / number / 1e9)
            gc.enable()
    return {name: Spent(sorted(walls[name])[len(walls[name]) // 10], min(cpus[name])) for name in contestants}
