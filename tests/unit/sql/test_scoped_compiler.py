"""No statement reaches another tenant's rows, whatever its shape; what is not understood is refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.dialects import sqlite as lite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import quoted_name
from tests.servers import ENGINES
from tests.unit.sql.conftest import fill

from prefiq.contracts import Bound, Scope, TenantNotBound
from prefiq.contracts.scope import _CURRENT
from prefiq.sql import (
    ConnectionManager,
    DatabaseConfig,
    Executor,
    FieldType,
    SchemaMissing,
    SharedTableProtected,
    StatementRefused,
    Tables,
    scoped_compiler,
)
from prefiq.sql.observing import Watch

pytestmark = pytest.mark.parametrize("engine", ENGINES, scope="session")

ID = uuid.UUID(int=1)


class Shapes:
    """Every shape of statement that the suite knows, on the tables of one application."""

    def __init__(self, tables: Tables, models: Any, engine: str = "sqlite") -> None:
        self.engine = engine
        self.o, self.n, self.c = tables[models.Order], tables[models.Note], tables[models.Currency]
        self.lines = tables[models.Line]

    def reads(self) -> dict[str, Any]:
        """Of every engine, and this one's own."""
        own = {"sqlite": self._of_sqlite, "postgres": self._of_postgres, "mariadb": self._of_mariadb}
        return self.common_reads() | own[self.engine]()

    def writes(self) -> dict[str, Any]:
        """The same."""
        own = {
            "sqlite": lambda: self._conflicts(lite.insert),
            "postgres": lambda: self._conflicts(postgresql.insert) | self._writes_of_postgres(),
            "mariadb": self._writes_of_mariadb,
        }
        return self.common_writes() | own[self.engine]()

    def common_reads(self) -> dict[str, Any]:
        o, n, c = self.o, self.n, self.c
        a, b = o.alias("a"), n.alias("b")
        sub = sa.select(o.c.id, o.c.number).subquery()
        cte = sa.select(o.c.id, o.c.number).cte("c")
        tree = (
            sa.select(o.c.id, o.c.number, sa.literal(0).label("depth"))
            .where(o.c.id == ID)
            .cte("t", recursive=True)
        )
        tree = tree.union_all(
            sa.select(o.c.id, o.c.number, tree.c.depth + 1).join(tree, tree.c.depth < 1).select_from(o)
        )
        foreign = sa.Table("shop_order", sa.MetaData(), sa.Column("number", sa.String))
        bare = sa.table("shop_order", sa.column("number"))
        exists = sa.exists().where(n.c.order_id == o.c.id).where(n.c.body.contains("globex", autoescape=True))
        return {
            "no where": sa.select(o.c.number),
            "or true": sa.select(o.c.number).where(sa.or_(o.c.total > 0, sa.true())),
            "or": sa.select(o.c.number).where(sa.or_(o.c.total > 0, o.c.total <= 0)),
            "by id": sa.select(o.c.number).where(o.c.id == ID),
            "alias": sa.select(a.c.number),
            "alias of an alias": sa.select(a.alias("aa").c.number),
            "two aliases": sa.select(a.c.number, o.c.number).join(a, a.c.total != o.c.total),
            "inner join": sa.select(o.c.number, n.c.body).join(n, n.c.order_id == o.c.id),
            "join on true": sa.select(o.c.number, n.c.body).join(n, sa.true()),
            "outer join": sa.select(o.c.number, n.c.body).outerjoin(n, n.c.order_id == o.c.id),
            "outer join on true": sa.select(o.c.number, n.c.body).outerjoin(n, sa.true()),
            "outer join of aliases": sa.select(a.c.number, b.c.body).outerjoin(b, b.c.order_id == a.c.id),
            "outer join of a join": sa.select(a.c.number, o.c.number, n.c.body).select_from(
                a.outerjoin(o.join(n, n.c.order_id == o.c.id), a.c.id == o.c.id)
            ),
            "outer join in an outer join": sa.select(a.c.number, o.c.number, n.c.body).select_from(
                a.outerjoin(o.outerjoin(n, n.c.order_id == o.c.id), a.c.id == o.c.id)
            ),
            "outer join, then inner": sa.select(o.c.number, n.c.body, c.c.code).select_from(
                o.outerjoin(n, n.c.order_id == o.c.id).join(c, sa.true())
            ),
            "outer join to shared": sa.select(n.c.body, c.c.code).outerjoin(c, n.c.currency_id == c.c.id),
            "shared joins tenant": sa.select(c.c.code, n.c.body).outerjoin(n, n.c.currency_id == c.c.id),
            "product": sa.select(o.c.number, n.c.body).where(o.c.id == n.c.order_id),
            "subquery": sa.select(sub.c.number),
            "alias of a subquery": sa.select(sub.alias("x").c.number),
            "in a subquery": sa.select(c.c.code, sa.literal("x")).where(
                c.c.id.in_(sa.select(n.c.currency_id).where(n.c.body.startswith("globex", autoescape=True)))
            ),
            "scalar subquery": sa.select(
                sa.select(sa.func.aggregate_strings(n.c.body, ",")).scalar_subquery()
            ),
            "correlated": sa.select(
                o.c.number,
                sa.select(sa.func.aggregate_strings(n.c.body, ","))
                .where(n.c.order_id == o.c.id)
                .scalar_subquery(),
            ),
            "exists": sa.select(o.c.number, sa.literal("globex")).where(exists),
            "not exists": sa.select(o.c.number).where(~sa.exists().where(n.c.order_id == o.c.id)),
            "cte": sa.select(cte.c.number),
            "alias of a cte": sa.select(cte.alias("d").c.number).join(cte, sa.true()),
            "recursive cte": sa.select(tree.c.number),
            "union": sa.union_all(sa.select(o.c.number), sa.select(n.c.body)),
            "union in from": sa.select(sa.union(sa.select(o.c.number), sa.select(n.c.body)).subquery().c[0]),
            "except": sa.except_(sa.select(o.c.number), sa.select(o.c.number).where(o.c.total == 1)),
            "intersect": sa.intersect(sa.select(o.c.number), sa.select(o.c.number)),
            "aggregate": sa.select(sa.func.max(o.c.number), sa.func.aggregate_strings(o.c.number, ",")),
            "group and having": sa.select(o.c.number).group_by(o.c.number).having(sa.func.count() > 0),
            "window": sa.select(sa.func.max(o.c.number).over()),
            "distinct, order, limit": sa.select(o.c.number).distinct().order_by(o.c.number.desc()).limit(50),
            "for update": sa.select(o.c.number).with_for_update(),
            "other metadata": sa.select(foreign.c.number),
            "table()": sa.select(bare.c.number),
            "star": sa.select(sa.literal_column("*")).select_from(bare),
            "label and case": sa.select(
                sa.case((o.c.total > 0, o.c.number), else_=sa.literal("-")).label("x")
            ),
            "tenant's column": sa.select(o.c.number, o.c.tenant_id).where(o.c.tenant_id == "globex"),
            "tenant in or": sa.select(o.c.number).where(sa.or_(o.c.tenant_id == "globex", o.c.total > 0)),
            "children": sa.select(self.lines.c.text),
        }

    def _of_sqlite(self) -> dict[str, Any]:
        o = self.o
        items = sa.func.json_each(sa.func.json_array(o.c.number)).table_valued("value", joins_implicitly=True)
        upper = sa.table("SHOP_ORDER", sa.column("number"))
        return {
            "table() in capitals": sa.select(upper.c.number),
            "with schema": sa.select(sa.table("shop_order", sa.column("number"), schema="main").c.number),
            "json function": sa.select(items.c.value, o.c.number),
        }

    def _of_postgres(self) -> dict[str, Any]:
        o, n = self.o, self.n
        near = sa.select(n.c.body).where(n.c.order_id == o.c.id).lateral("near")
        far = sa.select(n.c.body).lateral("far")
        items = sa.func.json_array_elements_text(sa.func.json_build_array(o.c.number)).table_valued("value")
        given = sa.values(sa.column("x", sa.Integer), name="given").data([(1,), (2,)])
        changed = sa.update(o).values(total=o.c.total).returning(o.c.number).cte("changed")
        gone = sa.delete(n).where(n.c.id == uuid.UUID(int=99)).returning(n.c.body).cte("gone")
        ordered = postgresql.aggregate_order_by(o.c.number, o.c.total.desc())
        return {
            "lateral": sa.select(o.c.number, near.c.body).join(near, sa.true()),
            "outer lateral": sa.select(o.c.number, near.c.body).outerjoin(near, sa.true()),
            "lateral of all": sa.select(o.c.number, far.c.body).join(far, sa.true()),
            "distinct on": sa.select(o.c.number)
            .ext(postgresql.distinct_on(o.c.version))
            .order_by(o.c.version, o.c.total),
            "for update of": sa.select(o.c.number)
            .join(n, n.c.order_id == o.c.id)
            .with_for_update(of=o, skip_locked=True),
            "for share": sa.select(o.c.number).with_for_update(read=True, key_share=True),
            "array_agg": sa.select(sa.func.array_to_string(sa.func.array_agg(ordered), ",")),
            "array of a subquery": sa.select(
                sa.func.array_to_string(sa.func.array(sa.select(o.c.number).scalar_subquery()), ",")
            ),
            "any of a subquery": sa.select(o.c.number).where(
                o.c.number == sa.any_(sa.select(o.c.number).scalar_subquery())
            ),
            "literal array": sa.select(o.c.number).where(o.c.total == sa.any_(postgresql.array([1, 2, 3]))),
            "json elements": sa.select(items.c.value, o.c.number).select_from(o.join(items, sa.true())),
            "filter": sa.select(sa.func.max(o.c.number).filter(o.c.total > 0)),
            "within group": sa.select(
                sa.func.percentile_disc(0.5).within_group(o.c.total), sa.func.max(o.c.number)
            ),
            "values": sa.select(o.c.number, given.c.x).join(given, sa.true()),
            "with ties": sa.select(o.c.number).order_by(o.c.version).fetch(1, with_ties=True),
            "update in a cte": sa.select(changed.c.number),
            "delete in a cte": sa.select(o.c.number).add_cte(gone),
            "match": sa.select(o.c.number).where(n.c.body.match("acme")).where(n.c.order_id == o.c.id),
            "grouping sets": sa.select(o.c.number).group_by(sa.func.rollup(o.c.number)),
            "ilike": sa.select(o.c.number).where(o.c.number.ilike("%-%")),
            "regexp": sa.select(o.c.number).where(o.c.number.regexp_match("-")),
            "cast": sa.select(sa.cast(o.c.total, sa.Text), sa.cast(o.c.number, o.c.number.type)),
        }

    def _of_mariadb(self) -> dict[str, Any]:
        o, n = self.o, self.n
        given = sa.values(sa.column("x", sa.Integer)).data([(1,), (2,)]).cte("given")
        return {
            "for share": sa.select(o.c.number).with_for_update(read=True),
            "skip locked": sa.select(o.c.number)
            .join(n, n.c.order_id == o.c.id)
            .with_for_update(of=o, skip_locked=True),
            "rollup": sa.select(o.c.number).group_by(sa.func.rollup(o.c.number)),
            "values in a cte": sa.select(o.c.number, given.c.x).join(given, sa.true()),
            "null-safe": sa.select(o.c.number).where(o.c.number.is_not_distinct_from(o.c.number)),
            "regexp": sa.select(o.c.number).where(o.c.number.regexp_match("-")),
            "cast": sa.select(sa.cast(o.c.total, sa.Text), sa.cast(o.c.number, o.c.number.type)),
            "offset alone": sa.select(o.c.number).order_by(o.c.number).offset(0),
        }

    def _conflicts(self, insert: Any) -> dict[str, Any]:
        o = self.o
        upsert = insert(o).values(id=ID, version=1, number="acme-0", total=-1)
        return {
            "upsert": upsert.on_conflict_do_update(index_elements=["id"], set_={"total": -1}),
            "upsert by a unique value": insert(o)
            .values(id=uuid.UUID(int=60), version=1, number="globex-0", total=-1)
            .on_conflict_do_update(index_elements=[o.c.number], set_={"total": -2}),
            "upsert of the excluded": upsert.on_conflict_do_update(
                index_elements=["id"], set_={"total": upsert.excluded.total}
            ),
            "insert or nothing": insert(o)
            .values(id=ID, version=1, number="other", total=-1)
            .on_conflict_do_nothing(),
        }

    def _writes_of_postgres(self) -> dict[str, Any]:
        o, n = self.o, self.n
        upsert = postgresql.insert(o).values(id=ID, version=1, number="acme-0", total=-1)
        return {
            "delete using": sa.delete(n).where(n.c.order_id == o.c.id),
            "delete using an alias": sa.delete(n).where(n.c.order_id == o.alias("a").c.id),
            "update from an alias": sa.update(o).where(o.alias("a").c.total != o.c.total).values(total=-1),
            "upsert by a constraint": upsert.on_conflict_do_update(
                constraint="pk_shop_order", set_={"total": -1}
            ),
            "upsert with where": upsert.on_conflict_do_update(
                index_elements=["id"], set_={"total": -1}, where=o.c.total > 0
            ),
            "update returning": sa.update(o).values(total=-1).returning(o.c.id),
            "delete returning": sa.delete(n).returning(n.c.body),
            "insert returning": upsert.on_conflict_do_nothing().returning(o.c.id),
        }

    def _writes_of_mariadb(self) -> dict[str, Any]:
        o, n = self.o, self.n
        upsert = mysql.insert(o).values(id=ID, version=1, number="acme-0", total=-1)
        return {
            "upsert": upsert.on_duplicate_key_update(total=-1),
            "upsert of the inserted": upsert.on_duplicate_key_update(
                total=upsert.inserted.total + 1, number=upsert.inserted.number
            ),
            "upsert by a unique value": mysql.insert(o)
            .values(id=uuid.UUID(int=60), version=1, number="globex-0", total=-1)
            .on_duplicate_key_update(total=-2),
            "upsert of many": mysql.insert(o)
            .values([{"id": ID, "version": 1, "number": "acme-0", "total": -1}])
            .on_duplicate_key_update([("total", -2)]),
            "upsert from a select": mysql.insert(o)
            .from_select(
                ["id", "version", "number", "total"], sa.select(o.c.id, o.c.version, o.c.number, o.c.total)
            )
            .on_duplicate_key_update(total=-3),
            "delete using": sa.delete(n).where(n.c.order_id == o.c.id),
            "delete using an alias": sa.delete(n).where(n.c.order_id == o.alias("a").c.id),
            "update from an alias": sa.update(o).where(o.alias("a").c.total != o.c.total).values(total=-1),
            "update with a limit": sa.update(o).values(total=-1).ext(mysql.limit(2)),
            "insert returning": sa.insert(o)
            .values(id=uuid.UUID(int=51), version=1, number="r", total=-1)
            .returning(o.c.id),
            "delete returning": sa.delete(n).returning(n.c.body),
        }

    def upsert(self, **set_: Any) -> Any:
        """An upsert of the first order that sets this."""
        if self.engine == "mariadb":
            inserted = mysql.insert(self.o).values(id=ID, version=1, number="acme-0", total=-1)
            return inserted.on_duplicate_key_update(**set_)
        insert = lite.insert if self.engine == "sqlite" else postgresql.insert
        values = insert(self.o).values(id=ID, version=1, number="acme-0", total=-1)
        return values.on_conflict_do_update(index_elements=["id"], set_=set_)

    def common_writes(self) -> dict[str, Any]:
        o, n = self.o, self.n
        body = sa.select(sa.literal("x")).scalar_subquery()
        return {
            "update all": sa.update(o).values(total=-1),
            "update or true": sa.update(o).where(sa.or_(o.c.id == ID, sa.true())).values(total=-1),
            "update by tenant": sa.update(o).where(o.c.tenant_id == "globex").values(total=-1),
            "update from": sa.update(o).where(n.c.order_id == o.c.id).values(total=-1),
            "update by subquery": sa.update(o).where(o.c.id.in_(sa.select(n.c.order_id))).values(total=-1),
            "update with a cte": sa.update(o)
            .where(o.c.id.in_(sa.select(sa.select(n.c.order_id).cte("x", nesting=True))))
            .values(total=-1),
            "update to a subquery": sa.update(n).values(body=body),
            "update by table()": sa.update(sa.table("shop_order", sa.column("total"))).values(total=-1),
            "delete all": sa.delete(n),
            "delete by id": sa.delete(n).where(n.c.id == ID),
            "delete by subquery": sa.delete(n).where(n.c.order_id.in_(sa.select(o.c.id))),
            "delete by table()": sa.delete(sa.table("shop_note")),
            "insert": sa.insert(o).values(id=uuid.UUID(int=50), version=1, number="new", total=-1),
            "insert many": sa.insert(o).values(
                [
                    {"id": uuid.UUID(int=50 + i), "version": 1, "number": f"new {i}", "total": -1}
                    for i in range(2)
                ]
            ),
            "insert from select": sa.insert(o).from_select(
                ["id", "version", "number", "total"],
                sa.select(self.lines.c.id, sa.literal(1), self.lines.c.text, sa.literal(-1)).where(
                    self.lines.c.id == uuid.UUID(int=70)
                ),
            ),
        }


@pytest.fixture
def shapes(tables: Tables, models: Any, engine: str) -> Shapes:
    return Shapes(tables, models, engine)


def leaks_of_reads(executor: Executor, shapes: Shapes) -> list[str]:
    """Names of the statements that show acme something of globex."""
    leaking = []
    for name, statement in shapes.reads().items():
        try:
            rows = executor.query(statement)
        except StatementRefused:
            continue
        texts = [value for row in rows for value in row if isinstance(value, str)]
        if any("globex" in text for text in texts):
            leaking.append(name)
    return leaking


def leaks_of_writes(executor: Executor, shapes: Shapes, theirs: Callable[[], Any]) -> list[str]:
    """Names of the statements by which acme changes something of globex."""
    leaking = []
    before = theirs()
    for name, statement in shapes.writes().items():
        with pytest.raises(Undone), executor.tx():  # noqa: PT012
            try:
                executor.exec(statement)
            except StatementRefused:
                raise Undone from None
            if theirs() != before:
                leaking.append(name)
            raise Undone
    return leaking


class Undone(Exception):
    """Ends a transaction of a test."""


def rows_of(executor: Executor, tenant: str) -> list[Any]:
    """A tenant's rows as the open transaction of another scope sees them, past the door."""
    cursor = executor._connection.connection.cursor()
    mark = "?" if executor.kind.name == "sqlite" else "%s"
    rows = []
    for table in ("shop_order", "shop_note", "shop_line"):
        cursor.execute(f"SELECT * FROM {table} WHERE tenant_id = {mark} ORDER BY 2", (tenant,))
        rows.append([tuple(row) for row in cursor.fetchall()])
    return rows


def test_no_read_shows_a_row_of_another_tenant(acme: Executor, shapes: Shapes) -> None:
    """Forty shapes of select, and each still finds the tenant's own rows."""
    assert leaks_of_reads(acme, shapes) == []
    for name, statement in shapes.reads().items():
        rows = acme.query(statement)
        if name not in {"in a subquery", "exists", "tenant's column"}:
            assert any("acme" in str(value) for row in rows for value in row), name
        else:
            assert rows == [], name


@pytest.fixture
def lite_acme(tables: Tables, models: Any) -> Iterator[Executor]:
    """The same rows in a database of SQLite."""
    manager = ConnectionManager([DatabaseConfig()], tables)
    with manager.schema_connection() as connection:
        tables.create_all(connection)
        fill(connection, tables)
    with Scope(Bound("acme"), resolve=lambda *_: None) as scope:
        yield Executor(manager, scope, tables)
    manager.close()


def test_every_engine_gives_the_rows_of_sqlite(acme: Executor, lite_acme: Executor, shapes: Shapes) -> None:
    """The shapes that all engines know, in any order."""
    for name, statement in shapes.common_reads().items():
        if name == "star":  # its columns have no types: each driver gives its own
            continue
        rows = [sorted(map(repr, executor.query(statement))) for executor in (acme, lite_acme)]
        if "aggregate" in name or name == "scalar subquery":  # texts put together in any order
            rows = [["".join(sorted(text)) for text in of_engine] for of_engine in rows]
        assert rows[0] == rows[1], name


def test_every_engine_keeps_what_sqlite_keeps(acme: Executor, lite_acme: Executor, shapes: Shapes) -> None:
    """After the writes that all engines know: how many rows, and what is in the tables."""
    results: list[dict[str, Any]] = []
    for executor in (acme, lite_acme):
        kept: dict[str, Any] = {}
        for name, statement in shapes.common_writes().items():
            with pytest.raises(Undone), executor.tx():  # noqa: PT012
                count = executor.exec(statement)
                tables = (shapes.o, shapes.n, shapes.lines)
                kept[name] = (count, [sorted(map(repr, executor.query(sa.select(t)))) for t in tables])
                raise Undone
        results.append(kept)
    for name, kept in results[0].items():
        assert kept == results[1][name], name


def test_outer_join_keeps_its_unmatched_rows(acme: Executor, shapes: Shapes) -> None:
    """The predicate of the far side stands in ON, so that the near side's rows stay."""
    o, n = shapes.o, shapes.n
    rows = acme.query(
        sa.select(o.c.number, n.c.body).outerjoin(n, n.c.order_id == o.c.id).order_by(o.c.number)
    )
    assert [tuple(row) for row in rows] == [
        ("acme-0", "acme 0"), ("acme-1", "acme 1"), ("acme-2", "acme 2"), ("acme-9", None),
    ]  # fmt: skip


def test_no_write_changes_a_row_of_another_tenant(acme: Executor, shapes: Shapes) -> None:
    """Updates, deletes, inserts and upserts of every shape."""
    acme.scalar(sa.select(sa.func.count()).select_from(shapes.o))
    assert leaks_of_writes(acme, shapes, lambda: rows_of(acme, "globex")) == []


@pytest.mark.parametrize(
    "name", ["update all", "update from", "update by subquery", "delete all", "insert", "upsert"]
)
def test_writes_reach_the_tenants_own_rows(acme: Executor, shapes: Shapes, name: str) -> None:
    """The door lets through what it should."""
    assert acme.exec(shapes.writes()[name]) > 0


def test_inserted_rows_belong_to_the_tenant(acme: Executor, shapes: Shapes, stored: Any) -> None:
    """Whether values stand in the statement, are given beside it, come from a select or in bulk."""
    o = shapes.o
    acme.exec(sa.insert(o).values(id=uuid.UUID(int=80), version=1, number="a", total=0))
    acme.exec(sa.insert(o), {"id": uuid.UUID(int=81), "version": 1, "number": "b", "total": 0})
    acme.bulk(
        sa.insert(o),
        [{"id": uuid.UUID(int=82 + i), "version": 1, "number": f"c{i}", "total": 0} for i in (0, 1)],
    )
    acme.exec(sa.insert(o).values([{"id": uuid.UUID(int=84), "version": 1, "number": "d", "total": 0}]))
    rows = sa.select(
        sa.literal(uuid.UUID(int=85), o.c.id.type), sa.literal(1), sa.literal("e"), sa.literal(0)
    )
    acme.exec(sa.insert(o).from_select(["id", "version", "number", "total"], rows))
    found = stored(
        "SELECT DISTINCT tenant_id FROM shop_order WHERE number IN ('a', 'b', 'c0', 'c1', 'd', 'e')"
    )
    assert found == [("acme",)]
    assert stored("SELECT count(*) FROM shop_order WHERE number IN ('a', 'b', 'c0', 'c1', 'd', 'e')") == [
        (6,)
    ]


def test_rows_beside_an_insert_that_returns_them(acme: Executor, shapes: Shapes, engine: str) -> None:
    """SQLAlchemy puts them together in statements of its own: each row is the tenant's."""
    o = shapes.o
    rows = [
        {"id": uuid.UUID(int=100 + i), "version": 1, "number": f"'%s{i}", "total": i} for i in range(2500)
    ]
    found = acme.query(sa.insert(o).returning(o.c.id, o.c.tenant_id, o.c.number), rows)
    assert sorted(tuple(row) for row in found) == [(row["id"], "acme", row["number"]) for row in rows]
    assert acme.scalar(sa.select(sa.func.count()).where(o.c.total == 7)) == 1


def renamed(s: Shapes) -> sa.Table:
    """The orders with the tenant's column behind another key, and another column behind its name."""
    keys = {"tenant_id": "t", "number": "tenant_id"}
    columns = (sa.Column(c.name, c.type, key=keys.get(c.name, c.name)) for c in s.o.c)
    return sa.Table(s.o.name, sa.MetaData(), *columns)


class OwnText(sa.sql.expression.ColumnElement[str]):
    inherit_cache = True


class OwnType(sa.types.UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TEXT), (SELECT group_concat(number) FROM shop_order"


class Extra(sa.sql.base.SyntaxExtension, sa.sql.elements.ClauseElement):
    """Writes what it likes behind the columns."""

    _traverse_internals: Any = ()
    __visit_name__ = "extra"

    def apply_to_select(self, select_stmt: Any) -> None:
        select_stmt.apply_syntax_extension_point(lambda existing: [self], "post_select")


@compiles(OwnText)
def render_own_text(*_: Any, **__: Any) -> str:
    return "(SELECT group_concat(number) FROM shop_order)"


REFUSED: dict[str, Callable[[Shapes], Any]] = {
    "text": lambda s: sa.text("SELECT number FROM shop_order"),
    "text with columns": lambda s: sa.text("SELECT number FROM shop_order").columns(sa.column("number")),
    "text in where": lambda s: sa.select(s.o.c.number).where(sa.text("1 = 1 OR 1 = 1")),
    "text in order": lambda s: sa.select(s.o.c.number).order_by(sa.text("1")),
    "text in from": lambda s: sa.select(sa.column("number")).select_from(sa.text("shop_order")),
    "text in on": lambda s: sa.select(s.o.c.number).join(s.n, sa.text("1 = 1")),
    "text in having": lambda s: sa.select(s.o.c.number).group_by(s.o.c.number).having(sa.text("1")),
    "text in a set": lambda s: sa.update(s.o).values(total=sa.text("1")),
    "text in an upsert": lambda s: s.upsert(total=sa.text("1")),
    "literal column": lambda s: sa.select(sa.literal_column("(SELECT group_concat(number) FROM shop_order)")),
    "literal column in where": lambda s: sa.select(s.o.c.number).where(sa.literal_column("1 = 1 OR 1")),
    "prefix": lambda s: sa.select(s.o.c.number).prefix_with("ALL"),
    "prefix of insert": lambda s: sa.insert(s.o).prefix_with("OR REPLACE").values(id=ID),
    "suffix": lambda s: sa.select(s.o.c.number).suffix_with("UNION SELECT number FROM shop_order"),
    "hint": lambda s: sa.select(s.o.c.number).with_hint(s.o, "NOT INDEXED"),
    "statement hint": lambda s: sa.select(s.o.c.number).with_statement_hint("x"),
    "operator of text": lambda s: sa.select(s.o.c.number).where(s.o.c.total.op("= 1 OR 1 =")(1)),
    "full join": lambda s: sa.select(s.o.c.number).select_from(s.o.outerjoin(s.n, sa.true(), full=True)),
    "unknown table": lambda s: sa.select(sa.table("left_over", sa.column("x")).c.x),
    "catalog": lambda s: sa.select(sa.table("sqlite_master", sa.column("sql")).c.sql),
    "function in from": lambda s: sa.select(sa.func.pragma_table_info("shop_order").table_valued("name").c.name),
    "create table": lambda s: sa.schema.CreateTable(sa.Table("x", sa.MetaData(), sa.Column("a", sa.Integer))),
    "drop table": lambda s: sa.schema.DropTable(s.o),
    "sequence": lambda s: sa.Sequence("x"),
    "function alone": lambda s: sa.func.group_concat("x"),
    "set tenant": lambda s: sa.update(s.o).values(tenant_id="globex"),
    "set tenant by name": lambda s: sa.update(s.o).values({"tenant_id": "globex"}),
    "set tenant in order": lambda s: sa.update(s.o).ordered_values((s.o.c.tenant_id, "globex")),
    "insert of another tenant": lambda s: sa.insert(s.o).values(id=ID, version=1, number="x", tenant_id="globex"),
    "insert many of another": lambda s: sa.insert(s.o).values([{"id": ID, "number": "x", "tenant_id": "globex"}]),
    "insert by position": lambda s: sa.insert(s.o).values([("globex", ID, 1, "x", 1)]),
    "insert from select of another": lambda s: sa.insert(s.o).from_select(
        ["tenant_id", "id", "version", "number", "total"],
        sa.select(sa.literal("globex"), s.lines.c.id, sa.literal(1), s.lines.c.text, sa.literal(1)),
    ),
    "upsert sets tenant": lambda s: s.upsert(tenant_id="globex"),
    "update of another table": lambda s: sa.update(s.o).where(s.n.c.order_id == s.o.c.id).values({s.n.c.body: "x"}),
    "update of a shared table": lambda s: sa.update(s.o).where(s.c.c.version == s.o.c.version).values({s.c.c.code: "X"}),
    "table of another schema": lambda s: sa.select(sa.table("shop_currency", sa.column("code"), schema="other").c.code),
    "sample": lambda s: sa.select(sa.tablesample(s.o, sa.func.bernoulli(1)).c.number),
    "next value": lambda s: sa.select(sa.Sequence("x").next_value()),
    "part of an instant as text": lambda s: sa.select(sa.extract("year FROM now()), (SELECT 1", s.o.c.total)),
    "length as text": lambda s: sa.select(sa.cast("a", sa.String("9)), (SELECT number FROM shop_order"))),
    "extension of a statement": lambda s: sa.select(s.o.c.number).ext(Extra()),
    "set tenant by another key": lambda s: sa.update(renamed(s)).values(t="globex"),
    "insert by another key": lambda s: sa.insert(renamed(s)).values(id=ID, version=1, t="globex", total=1),
    "own renderer": lambda s: sa.select(OwnText()),
    "own renderer inside": lambda s: sa.select(s.o.c.number).where(sa.func.lower(OwnText()) == "x"),
    "own type": lambda s: sa.select(sa.cast("a", OwnType())),
    "cast with collation": lambda s: sa.select(sa.cast("a", sa.String(collation='x" FROM shop_order --'))),
    "insert by table()": lambda s: sa.insert(sa.table("shop_order", sa.column("id"))).values(id=ID),
    "caller's tenant": lambda s: sa.select(s.o.c.number).where(s.o.c.number == sa.bindparam("prefiq_tenant", "globex")),
}  # fmt: skip


REFUSED_ON_SERVERS: dict[str, Callable[[Shapes], Any]] = {
    "function that runs SQL": lambda s: sa.select(sa.func.query_to_xml("SELECT * FROM shop_order", True, True, "")),
    "function that reads files": lambda s: sa.select(sa.func.load_file("/etc/hostname")),
    "function that reads the server's files": lambda s: sa.select(sa.func.pg_read_file("/etc/hostname")),
    "function that waits": lambda s: sa.select(sa.func.sleep(1)),
    "function that steers": lambda s: sa.select(sa.func.set_config("role", "postgres", False)),
    "function of somebody's": lambda s: sa.select(s.o.c.number).where(sa.func.allowed(s.o.c.number)),
    "function of a schema": lambda s: sa.select(sa.func.other.lower("X")),
    "function elsewhere in FROM": lambda s: sa.select(sa.func.dblink("x", "SELECT 1").table_valued("a").c.a),
    "function of a schema in FROM": lambda s: sa.select(sa.func.other.unnest(1).table_valued("a").c.a),
    "main": lambda s: sa.select(sa.table("shop_order", sa.column("number"), schema="main").c.number),
}  # fmt: skip

REFUSED_BY_ENGINE: dict[str, dict[str, Callable[[Shapes], Any]]] = {
    "sqlite": {
        "type of an empty list": lambda s: sa.select(s.o.c.number).where(sa.column("x", OwnType()).in_([])),
    },
    "postgres": REFUSED_ON_SERVERS | {
        "bound value cast to text": lambda s: sa.select(
            sa.bindparam("x", None, type_=postgresql.INTERVAL(fields="DAY), (SELECT number FROM shop_order"))
        ),
        "empty array of text": lambda s: sa.select(postgresql.array([], type_=OwnType())),
        "whole table as text": lambda s: sa.select(sa.cast("shop_order", postgresql.REGCLASS)),
        "derived columns with types": lambda s: sa.select(
            sa.func.unnest(1).table_valued(sa.column("a", OwnType())).render_derived(with_types=True).c.a
        ),
        "lateral of text": lambda s: sa.select(
            sa.text("SELECT number FROM shop_order").columns(sa.column("number")).lateral().c.number
        ),
    },
    "mariadb": REFUSED_ON_SERVERS | {
        "lateral": lambda s: sa.select(sa.select(s.o.c.number).lateral().c.number),
        "values in FROM": lambda s: sa.select(sa.values(sa.column("x"), name="v").data([(1,)]).c.x),
        "WITH before UPDATE": lambda s: sa.update(s.o)
        .where(s.o.c.id.in_(sa.select(sa.select(s.n.c.order_id).cte("x"))))
        .values(total=1),
        "literal in an upsert": lambda s: s.upsert(total=sa.literal_column("VALUES(total), number = 'x'")),
    },
}  # fmt: skip


def test_statements_are_refused_before_they_are_sent(acme: Executor, shapes: Shapes, stored: Any) -> None:
    """Text, unknown tables and kinds, the schema, another tenant's key, and what only one engine offers."""
    before = stored("SELECT * FROM shop_order ORDER BY tenant_id, id")
    taken = []
    for name, make in (REFUSED | REFUSED_BY_ENGINE[shapes.engine]).items():
        try:
            acme.query(make(shapes))
        except StatementRefused:
            continue
        taken.append(name)
    assert taken == []
    assert stored("SELECT * FROM shop_order ORDER BY tenant_id, id") == before


MONEY, OTHER = FieldType("decimal", precision=18, scale=2), FieldType("decimal", precision=18, scale=3)


@pytest.mark.parametrize(
    "make",
    [
        lambda a, n: a * a,
        lambda a, n: a / n,
        lambda a, n: n / a,
        lambda a, n: a * n * a,
        lambda a, n: a + n,
        lambda a, n: n - a,
        lambda a, n: a + a + n,
        lambda a, n: a > n,
        lambda a, n: sa.func.length("x", type_=sa.Integer) < a,
        lambda a, n: a.between(a, n),
        lambda a, n: sa.literal(Decimal("1.5")) == a,
        lambda a, n: a == sa.column("b", OTHER),
    ],
)
def test_what_engines_would_compute_differently_is_refused(
    connections: ConnectionManager, make: Callable[[Any, Any], Any]
) -> None:
    """SQLite keeps decimals as whole numbers; on every engine, so that what is tested on one works on the others."""
    expression = make(sa.column("a", MONEY), sa.column("n", FieldType("int")))
    with pytest.raises(StatementRefused, match="whole numbers of their last digit"):
        sa.select(expression).compile(dialect=connections.dialect())


@pytest.mark.parametrize(
    "make",
    [
        lambda a, n: a * n,
        lambda a, n: 3 * a * 2,
        lambda a, n: a + Decimal("1.5") - a,
        lambda a, n: a > sa.literal(Decimal("1.5"), MONEY),
        lambda a, n: a.between(1, Decimal("2.5")),
        lambda a, n: a.in_([1, 2]),
        lambda a, n: sa.func.sum(a) > sa.func.max(a),
        lambda a, n: sa.func.coalesce(a, 0) == a,
        lambda a, n: sa.func.abs(a, type_=MONEY),
        lambda a, n: sa.cast(sa.null(), MONEY),
        lambda a, n: sa.case((a > 0, a), else_=sa.literal(0, MONEY)),
        lambda a, n: sa.func.count(a),
        lambda a, n: a.is_(None),
        lambda a, n: n / 2 + n,
    ],
)
def test_what_engines_compute_alike_is_taken(
    connections: ConnectionManager, make: Callable[[Any, Any], Any]
) -> None:
    """Sums, products with whole numbers, comparisons of like with like."""
    expression = make(sa.column("a", MONEY), sa.column("n", FieldType("int")))
    assert sa.select(expression).compile(dialect=connections.dialect()).string.startswith("SELECT")


def test_functions_that_do_not_know_the_scale_are_refused_on_sqlite(
    connections: ConnectionManager, engine: str
) -> None:
    """There the column holds another number."""
    money, whole = sa.column("a", MONEY), sa.column("n", FieldType("int"))
    for expression in (
        sa.func.avg(money),
        sa.func.round(money),
        sa.func.abs(money),
        sa.cast(money, sa.Text),
        sa.cast(whole, MONEY),
    ):
        statement = sa.select(expression)
        if engine != "sqlite":
            assert statement.compile(dialect=connections.dialect())
            continue
        with pytest.raises(StatementRefused, match="whole numbers of their last digit"):
            statement.compile(dialect=connections.dialect())


def test_name_marked_as_not_to_be_quoted_is_quoted(acme: Executor, shapes: Shapes) -> None:
    """A name is never a fragment of text (and SQLite takes one that it does not know for a literal)."""
    name = "number FROM shop_order --"
    statement = sa.select(sa.column(quoted_name(name, quote=False))).select_from(shapes.o)
    if shapes.engine == "sqlite":
        assert {row[0] for row in acme.query(statement)} == {name}
    else:
        with pytest.raises(SchemaMissing):
            acme.query(statement)


def test_tenant_given_beside_the_statement_is_refused(acme: Executor, shapes: Shapes) -> None:
    """As a value of an insert or update; as the compiler's own bound value it changes nothing."""
    o = shapes.o
    with pytest.raises(StatementRefused):
        acme.exec(sa.insert(o), {"id": ID, "version": 1, "number": "x", "total": 1, "tenant_id": "globex"})
    with pytest.raises(StatementRefused):
        acme.bulk(sa.insert(o), [{"id": ID, "version": 1, "number": "x", "total": 1, "tenant_id": "globex"}])
    with pytest.raises(StatementRefused):
        acme.exec(sa.update(o), {"tenant_id": "globex"})
    rows = acme.query(
        sa.select(o.c.number).where(o.c.total > sa.bindparam("n")), {"n": 0, "prefiq_tenant": "globex"}
    )
    assert {row.number[:4] for row in rows} == {"acme"}


def test_same_compiled_statement_serves_every_tenant(
    acme: Executor, globex: Executor, shapes: Shapes
) -> None:
    """The tenant is a bound value of each execution, never part of what is cached."""
    statement = sa.select(shapes.o.c.number).order_by(shapes.o.c.number).limit(1)
    for _ in range(3):
        assert acme.scalar(statement) == "acme-0"
        assert globex.scalar(statement) == "globex-0"


def test_without_a_tenant_nothing_is_sent(system: Executor, shapes: Shapes) -> None:
    """A scope of the system reaches shared tables only."""
    sent: list[str] = []
    system._watch = Watch([(0.0, lambda seen: sent.append(seen.sql))])
    for statement in (sa.select(shapes.o.c.id), sa.delete(shapes.o), sa.insert(shapes.o).values(id=ID)):
        with pytest.raises(TenantNotBound):
            system.query(statement)
    with pytest.raises(TenantNotBound):
        _ = system.tenant
    assert system.scalar(sa.select(shapes.c.c.code)) == "EUR"


def test_statement_outside_any_scope_is_not_bound(connections: ConnectionManager, shapes: Shapes) -> None:
    """A connection taken past the executor gets no rows of anybody."""
    token = _CURRENT.set(None)
    try:
        with connections.checkout()[0] as connection, pytest.raises(Exception, match="No tenant is bound"):
            connection.execute(sa.select(shapes.o.c.id))
        with connections.checkout()[0] as connection, pytest.raises(Exception, match="No tenant is bound"):
            connection.execute(sa.insert(shapes.c).values(id=ID, version=1, code="x"))
    finally:
        _CURRENT.reset(token)


def test_shared_rows_are_written_by_the_system_alone(
    acme: Executor, system: Executor, globex: Executor, shapes: Shapes
) -> None:
    """All read them."""
    c = shapes.c
    for statement in (
        sa.insert(c).values(id=uuid.UUID(int=5), version=1, code="USD"),
        sa.update(c).values(code="XXX"),
        sa.delete(c),
    ):
        with pytest.raises(SharedTableProtected):
            acme.exec(statement)
    assert system.exec(sa.insert(c).values(id=uuid.UUID(int=5), version=1, code="USD")) == 1
    assert system.exec(sa.update(c).where(c.c.code == "USD").values(code="GBP")) == 1
    assert {row.code for row in globex.query(sa.select(c.c.code))} == {"EUR", "GBP"}


def test_added_table_is_confined_like_a_model(
    tables: Tables, connections: ConnectionManager, acme: Executor, stored: Any
) -> None:
    """``Tables.add`` makes a table without a model known."""
    extra = sa.Table(
        "extra",
        sa.MetaData(),
        sa.Column("tenant_id", sa.String(63), primary_key=True),
        sa.Column("x", sa.Integer),
    )
    with connections.schema_connection() as connection:
        connection.execute(sa.schema.CreateTable(extra))
        connection.execute(extra.insert(), [{"tenant_id": "globex", "x": 1}])
    try:
        tables.add(extra, "tenant")
        acme.exec(extra.insert().values(x=2))
        assert [row.x for row in acme.query(sa.select(extra.c.x))] == [2]
        assert acme.exec(sa.delete(extra)) == 1
        assert stored("SELECT x FROM extra") == [(1,)]
    finally:
        acme.close()
        with connections.schema_connection() as connection:
            connection.execute(sa.schema.DropTable(extra))


def _no_predicate(self: Any, table: Any, named: Any) -> Any:
    self._tenant_value(table.name)
    return sa.true()


def _no_outer(original: Any) -> Any:
    def walk(self: Any, from_: Any, into: list[Any]) -> None:
        original(self, from_, into)
        self._on.clear()

    return walk


def _wrong_outer(self: Any, join: Any, *args: Any, **kwargs: Any) -> Any:
    return super(scoped_compiler._Scoping, self).visit_join(join, *args, **kwargs)


def _no_dml(self: Any, statement: Any) -> Any:
    self._confine([statement.table, *(statement._compile_state_factory(statement, self)._extra_froms or ())])
    return statement


def _only_first(original: Any) -> Any:
    def confine(self: Any, froms: Any) -> list[Any]:
        return original(self, froms)[:1]

    return confine


MUTANTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "predicate is not written": ("_predicate", lambda _: _no_predicate),
    "ON of outer joins is forgotten": ("_walk", _no_outer),
    "joins are rendered as they came": ("visit_join", lambda _: _wrong_outer),
    "writes are not confined": ("_confined_dml", lambda _: _no_dml),
    "only the first table is confined": ("_confine", _only_first),
}


@pytest.fixture
def mutated(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tables: Tables,
    connections: ConnectionManager,
) -> Iterator[Executor]:
    """An executor whose compiler has one fault."""
    attribute, mutate = MUTANTS[request.param]
    monkeypatch.setattr(
        scoped_compiler._Scoping, attribute, mutate(getattr(scoped_compiler._Scoping, attribute))
    )
    manager = ConnectionManager([connections.database()], tables)
    with Scope(Bound("acme"), resolve=lambda *_: None) as scope:
        yield Executor(manager, scope, tables)
    manager.close()


@pytest.mark.parametrize("mutated", MUTANTS, indirect=True)
def test_suite_notices_a_compiler_with_a_fault(mutated: Executor, shapes: Shapes) -> None:
    """Each fault makes statements of the suite leak: the tests above are worth something."""
    leaking = leaks_of_reads(mutated, shapes)
    leaking += leaks_of_writes(mutated, shapes, lambda: rows_of(mutated, "globex"))
    assert leaking != []


def test_second_wall_refuses_what_was_not_confined(
    monkeypatch: pytest.MonkeyPatch, acme: Executor, shapes: Shapes
) -> None:
    """A table in FROM that no predicate was written for is not rendered."""
    monkeypatch.setattr(scoped_compiler._Scoping, "_confine", lambda self, froms: [])
    with pytest.raises(StatementRefused, match="predicate cannot be written"):
        acme.query(sa.select(shapes.o.c.number))


def test_schema_connection_is_not_confined(connections: ConnectionManager, shapes: Shapes) -> None:
    """Migrations see every row, through a door of their own."""
    with connections.schema_connection() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(shapes.o)) == 8
