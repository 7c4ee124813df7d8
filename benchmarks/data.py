"""Data on SQLite: the public repository beside the raw driver and the SQLAlchemy ORM, in one interleaved run.

Every row of ours is tenant-scoped, versioned and mapped to entities; the raw driver gets the same predicate,
written by hand, and returns tuples.
"""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import orm

from benchmarks._measure import Row, interleaved, row
from prefiq import Entity, IDomain, ITransactions, ModelMeta, Page, ProviderBase, can, field
from prefiq.testing import make_application

COUNT = 10_000
FEW = 1_000
"""Rows of the tenant whose lists are measured: few enough that counting them does not hide our own cost."""


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


class Base(orm.DeclarativeBase):
    pass


class OrmItem(Base):
    """The same row for the ORM, over the table that Prefiq made."""

    __tablename__ = "items_item"
    tenant_id: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    id: orm.Mapped[bytes] = orm.mapped_column(primary_key=True)
    version: orm.Mapped[int] = orm.mapped_column()
    code: orm.Mapped[str] = orm.mapped_column()
    name: orm.Mapped[str] = orm.mapped_column()
    price: orm.Mapped[int] = orm.mapped_column()
    weight: orm.Mapped[float] = orm.mapped_column()
    amount: orm.Mapped[int] = orm.mapped_column()
    active: orm.Mapped[bool] = orm.mapped_column()
    made: orm.Mapped[str] = orm.mapped_column()
    day: orm.Mapped[str] = orm.mapped_column()
    note: orm.Mapped[str | None] = orm.mapped_column()
    owner: orm.Mapped[str] = orm.mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


COLUMNS = "tenant_id,id,version,code,name,price,weight,amount,active,made,day,note,owner"
SELECT = f"SELECT {COLUMNS} FROM items_item WHERE tenant_id=?"
INSERT = f"INSERT INTO items_item ({COLUMNS}) VALUES ({','.join('?' * 13)})"


class Raw:
    """The driver with SQL written by hand."""

    def __init__(self, path: Path, tenant: str) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA synchronous=FULL")
        self.connection.execute("PRAGMA foreign_keys=ON")
        self.tenant = tenant

    def get(self, id: UUID) -> tuple[Any, ...]:
        found: tuple[Any, ...] = self.connection.execute(
            f"{SELECT} AND id=?", (self.tenant, id.bytes)
        ).fetchone()
        return found

    def page(self) -> tuple[list[Any], int]:
        rows = self.connection.execute(f"{SELECT} ORDER BY code,id LIMIT 50", (self.tenant,)).fetchall()
        total = self.connection.execute(
            "SELECT count(*) FROM items_item WHERE tenant_id=?", (self.tenant,)
        ).fetchone()[0]
        return rows, total

    def values(self, made: Item) -> tuple[Any, ...]:
        return (
            self.tenant, made.id.bytes, 1, made.code, made.name, int(made.price.scaleb(2)), made.weight, made.amount,
            made.active, made.made.isoformat(timespec="microseconds"), made.day.isoformat(), made.note, made.owner,
        )  # fmt: skip

    def insert(self, made: Item) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute(INSERT, self.values(made))
        self.connection.execute("COMMIT")

    def update(self, id: UUID, version: int, name: str) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute(
            "UPDATE items_item SET name=?, version=version+1 WHERE tenant_id=? AND id=? AND version=?",
            (name, self.tenant, id.bytes, version),
        )
        self.connection.execute("COMMIT")

    def bulk(self, many: list[Item]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(INSERT, [self.values(made) for made in many])
        self.connection.execute("COMMIT")

    def read(self) -> list[Any]:
        return self.connection.execute(f"{SELECT}", (self.tenant,)).fetchall()


def rows() -> list[Row]:
    """Every row of this benchmark."""
    folder = Path(tempfile.mkdtemp())
    with make_application(folder, modules=[ItemsProvider], tenants=("acme", "globex", "bulk")) as app:
        path = app.settings.database.path
        assert path is not None
        with app.scope("acme", can("*")) as scope:
            scope[IDomain[Item]].save_many([item(number) for number in range(COUNT)])
            with app.scope("globex", can("*")) as small:
                small[IDomain[Item]].save_many([item(number) for number in range(FEW)])
            raw = Raw(path, "acme")
            engine = sa.create_engine(f"sqlite:///{path}")
            with app.scope("globex", can("*")) as small:
                listed = _listed(small[IDomain[Item]], Raw(path, "globex"), engine)
            return [*_measured(scope, raw, engine), listed]


def _measured(scope: Any, raw: Raw, engine: sa.Engine) -> list[Row]:
    store, transactions = scope[IDomain[Item]], scope[ITransactions]
    some = store.list(Page(limit=200)).items
    ids = itertools.cycle([entity.id for entity in some])
    numbers = itertools.count(COUNT)

    def orm_get() -> object:
        with orm.Session(engine) as session:
            return session.get(OrmItem, ("acme", next(ids).bytes))

    # Made before the clock runs: what the three store is the same work for none of them.
    singles = iter([item(next(numbers)) for _ in range(3 * (9 * 60 + 1))])
    batches = iter([[item(next(numbers)) for _ in range(COUNT)] for _ in range(3 * (5 + 1))])

    def ours_insert() -> None:
        with transactions.tx():
            store.save(next(singles))

    def orm_insert() -> None:
        with orm.Session(engine) as session:
            session.add(_orm(raw.values(next(singles))))
            session.commit()

    ours_entity, raw_entity, orm_entity = some[1], some[2], some[3]
    versions = itertools.count(raw_entity.version)

    def ours_update() -> None:
        ours_entity.name = f"name {next(numbers)}"
        with transactions.tx():
            store.update(ours_entity)

    def orm_update() -> None:
        with orm.Session(engine) as session:
            found = session.get(OrmItem, ("acme", orm_entity.id.bytes))
            assert found is not None
            found.name = f"name {next(numbers)}"
            session.commit()

    def ours_bulk() -> None:
        with transactions.tx():
            store.save_many(next(batches))

    def orm_bulk() -> None:
        with orm.Session(engine) as session:
            session.add_all([_orm(raw.values(made)) for made in next(batches)])
            session.commit()

    def orm_read() -> object:
        with orm.Session(engine) as session:
            return session.scalars(sa.select(OrmItem).where(OrmItem.tenant_id == "acme")).all()

    def clean() -> None:
        raw.connection.execute("DELETE FROM items_item WHERE tenant_id='acme' AND code >= 'I-010000'")

    results: list[Row] = []

    def compare(
        what: str, target: float | None, ours: Callable[[], object], theirs: Callable[[], object],
        peer: Callable[[], object], rounds: int, number: int,
    ) -> None:  # fmt: skip
        spent = interleaved({"raw": theirs, "prefiq": ours, "orm": peer}, rounds=rounds, number=number)
        orm_ratio = spent["orm"] / spent["raw"]
        results.append(
            row(
                f"{what} ÷ raw driver",
                spent["prefiq"] / spent["raw"],
                "×",
                target,
                f"SQLAlchemy ORM {orm_ratio:.1f}×",
            )
        )
        clean()

    compare(
        "get by id", 1.45, lambda: store.get_by_id(next(ids)), lambda: raw.get(next(ids)), orm_get, 15, 300
    )
    compare(
        "insert in its own transaction",
        1.50,
        ours_insert,
        lambda: raw.insert(next(singles)),
        orm_insert,
        9,
        60,
    )
    compare(
        "update in its own transaction", 1.50, ours_update,
        lambda: raw.update(raw_entity.id, next(versions), f"name {next(numbers)}"), orm_update, 9, 60,
    )  # fmt: skip
    compare("bulk of 10,000", 1.10, ours_bulk, lambda: raw.bulk(next(batches)), orm_bulk, 5, 1)
    compare("read 10,000", 1.65, lambda: [e for b in store.stream() for e in b], raw.read, orm_read, 5, 1)
    return results


def _listed(store: IDomain[Item], raw: Raw, engine: sa.Engine) -> Row:
    first = Page(limit=50, sort=("code",), count=True)

    def orm_page() -> object:
        with orm.Session(engine) as session:
            base = sa.select(OrmItem).where(OrmItem.tenant_id == "globex")
            found = session.scalars(base.order_by(OrmItem.code, OrmItem.id).limit(50)).all()
            return found, session.scalar(sa.select(sa.func.count()).select_from(base.subquery()))

    spent = interleaved(
        {"raw": raw.page, "prefiq": lambda: store.list(first), "orm": orm_page}, rounds=15, number=50
    )
    peer = f"SQLAlchemy ORM {spent['orm'] / spent['raw']:.1f}×"
    return row("list of 50 + count ÷ raw driver", spent["prefiq"] / spent["raw"], "×", 1.60, peer)


def _orm(values: tuple[Any, ...]) -> OrmItem:
    return OrmItem(**dict(zip(COLUMNS.split(","), values, strict=True)))
