"""Every shape of statement of SQLAlchemy Core: beside a look-alike tenant it does what it does alone.

Two databases hold the same rows of the tenant ``acme``.  In one of them ``globex`` has rows with the same ids and
the same values, and some that come before and behind all of them.  A statement must find, change and return the
same in both, and leave the rows of ``globex`` as they are; or it is refused.

Where the tenant has a schema, ``globex`` has rows in it, too, and the common tables hold others under the name
``acme``: a table that is named without its schema is found there.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, cached_property, partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.dialects import sqlite as lite
from sqlalchemy.sql import ddl, quoted_name
from tests import servers
from tests.servers import ENGINES
from tests.unit.sql.conftest import IDS, Currency, Line, Note, Order, made_tables
from tests.unit.sql.test_scoped_compiler import REFUSED, REFUSED_BY_ENGINE, Shapes

from prefiq.contracts import Bound, Placement, Scope
from prefiq.sql import (
    ConnectionManager,
    Executor,
    StatementRefused,
    Tables,
    scoped_compiler,
    scoped_text,
)

MODELS = type("Models", (), {"Order": Order, "Note": Note, "Line": Line, "Currency": Currency})
WAYS = (*ENGINES, "postgres-schema")
NEW = [uuid.UUID(int=900 + number) for number in range(4)]
COLUMNS = ["id", "version", "number", "total"]


class AllShapes(Shapes):
    """The shapes of the compiler's own tests, and those that only a look-alike tells apart."""

    def common_reads(self) -> dict[str, Any]:
        o, n, c, lines = self.o, self.n, self.c, self.lines
        a, b, q = o.alias("a"), n.alias("b"), o.alias("q")
        one, two = sa.select(o.c.id, o.c.number).cte("one"), sa.select(n.c.order_id, n.c.body).cte("two")
        inner = sa.select(o.c.number).where(o.c.total > 1).cte("inner_", nesting=True)
        again = one.alias("again")
        of_cte = sa.select(one.c.number).where(one.c.number != "").cte("of_cte")
        least, most = (sa.select(f(o.c.total)).scalar_subquery() for f in (sa.func.min, sa.func.max))
        either = sa.union(sa.select(o.c.id, o.c.number), sa.select(n.c.id, n.c.body))
        mapped = mapped_order(o)
        walk = (
            sa.select(o.c.id, sa.literal(0).label("depth"))
            .where(o.c.id == IDS[0])
            .cte("walk", recursive=True)
        )
        walk = walk.union_all(
            sa.select(n.c.order_id, walk.c.depth + 1).join(walk, n.c.id == walk.c.id).where(walk.c.depth < 2)
        )
        return super().common_reads() | {
            "count": sa.select(sa.func.count()).select_from(o),
            "count of one column": sa.select(sa.func.count(sa.distinct(o.c.number))),
            "count of a join": sa.select(sa.func.count()).select_from(o.join(n, sa.true())),
            "smallest, largest, sum": sa.select(sa.func.min(o.c.number), sa.func.max(o.c.total), sa.func.sum(o.c.total)),
            "aggregate of a subquery": sa.select(sa.func.sum(sa.select(o.c.total).subquery().c.total)),
            "first": sa.select(o.c.number).order_by(o.c.number).limit(1),
            "last": sa.select(o.c.number).order_by(o.c.total.desc()).limit(1),
            "offset": sa.select(o.c.number).order_by(o.c.number).limit(9).offset(2),
            "whole table": sa.select(o),
            "two tables, product": sa.select(o.c.number, n.c.body).select_from(o.join(n, sa.true())),
            "self join of three": sa.select(o.c.id, a.c.id, q.c.id).select_from(
                o.join(a, a.c.number == o.c.number).join(q, q.c.number == a.c.number)
            ),
            "self outer join": sa.select(o.c.number, a.c.number).outerjoin(a, a.c.total > o.c.total),
            "anti join": sa.select(o.c.number).outerjoin(a, a.c.total > o.c.total).where(a.c.id.is_(None)),
            "outer join, both sides nested": sa.select(o.c.number, b.c.body, c.c.code).select_from(
                o.outerjoin(b.outerjoin(c, b.c.currency_id == c.c.id), b.c.order_id == o.c.id)
            ),
            "join of a join's subquery": sa.select(o.join(n, n.c.order_id == o.c.id).select().subquery("j").c.body),
            "parent and children": sa.select(o.c.number, lines.c.text).outerjoin(lines, lines.c.order_id == o.c.id),
            "children of children's parents": sa.select(lines.c.text).where(
                lines.c.order_id.in_(sa.select(n.c.order_id).where(n.c.id.in_(sa.select(o.c.id))))
            ),
            "cte twice": sa.select(one.c.number, again.c.number).select_from(one.outerjoin(again, sa.true())),
            "two ctes": sa.select(one.c.number, two.c.body).join(two, two.c.order_id == one.c.id),
            "cte of a cte": sa.select(of_cte.c.number),
            "nested cte": sa.select(sa.select(inner.c.number).cte("outer_").c.number),
            "cte in a union": sa.union_all(sa.select(one.c.number), sa.select(two.c.body)),
            "recursive cte over two tables": sa.select(walk.c.id, walk.c.depth),
            "union in a union": sa.union_all(sa.select(lines.c.text), sa.union_all(sa.select(o.c.number), sa.select(n.c.body)).subquery().select()),
            "union as a cte": sa.select(either.cte("either").c.number),
            "union, ordered and cut": sa.union(sa.select(o.c.number), sa.select(n.c.body)).order_by("number").limit(3),
            "union in IN": sa.select(lines.c.text).where(
                lines.c.order_id.in_(sa.union(sa.select(o.c.id), sa.select(n.c.order_id)))
            ),
            "not in a subquery": sa.select(o.c.number).where(o.c.number.not_in(sa.select(a.c.number).where(a.c.total > 2))),
            "pair in a subquery": sa.select(o.c.number).where(
                sa.tuple_(o.c.id, o.c.total).in_(sa.select(q.c.id, q.c.total))
            ),
            "between subqueries": sa.select(o.c.number).where(o.c.total.between(least, most)),
            "subquery compared": sa.select(o.c.number).where(o.c.total == most),
            "subquery in ORDER BY": sa.select(n.c.body).order_by(
                sa.select(a.c.total).where(a.c.id == n.c.order_id).scalar_subquery().desc()
            , n.c.body).limit(2),
            "subquery in HAVING": sa.select(o.c.version).group_by(o.c.version).having(sa.func.max(o.c.total) >= most),
            "subquery in CASE": sa.select(sa.case((o.c.total < most, "less"), else_="most")),
            "subquery in COALESCE": sa.select(
                sa.func.coalesce(sa.select(a.c.number).where(a.c.total > 500).scalar_subquery(), "none")
            ),
            "subquery in ON": sa.select(o.c.number, n.c.body).select_from(
                o.join(n, n.c.order_id.in_(sa.select(a.c.id).where(a.c.total > 1)))
            ),
            "exists alone": sa.select(sa.exists().where(o.c.total > 500)),
            "exists as a column": sa.select(n.c.body, sa.exists().where(a.c.total > 500).label("is")),
            "exists in exists": sa.select(n.c.body).where(
                sa.exists().where(o.c.id == n.c.order_id).where(sa.exists().where(a.c.total > o.c.total))
            ),
            "exists().select()": sa.exists(sa.select(o.c.id).where(o.c.total > 500)).select(),
            "correlated twice": sa.select(
                o.c.number,
                sa.select(sa.func.count()).where(a.c.total > o.c.total).correlate(o).scalar_subquery(),
            ),
            "window, ranked": sa.select(o.c.number, sa.func.row_number().over(partition_by=o.c.version, order_by=o.c.number)),
            "window, running": sa.select(o.c.number, sa.func.sum(o.c.total).over(order_by=o.c.number, rows=(None, 0))),
            "window, before": sa.select(o.c.number, sa.func.lag(o.c.number).over(order_by=o.c.number)),
            "window in a subquery": sa.select(
                sa.select(o.c.number, sa.func.rank().over(order_by=o.c.total).label("place")).subquery("r").c.number
            ),
            "id list": sa.select(o.c.number).where(o.c.id.in_(IDS)),
            "empty list": sa.select(o.c.number).where(o.c.id.in_([])),
            "without the model's columns": sa.select(sa.literal(1)).select_from(o),
            "values of the tenant's column": sa.select(o.c.tenant_id).distinct(),
            "without the tenant's columns": sa.select(
                sa.table("shop_note", sa.column("body")).join(sa.table("shop_order", sa.column("total")), sa.true()).select().subquery("x").c.body
            ),
            "reflected": sa.select(sa.Table("shop_order", sa.MetaData(), *(sa.Column(col.name, col.type) for col in o.c)).c.number),
            "mapped class": sa.select(mapped),
            "alias of a mapped class": sa.select(orm.aliased(mapped).number),
            "name not to be quoted": sa.select(sa.table(quoted_name("shop_order", quote=False), sa.column("number")).c.number),
            "alias not to be quoted": sa.select(o.alias(quoted_name("x, shop_order", quote=False)).c.number),
            "cte not to be quoted": sa.select(
                sa.select(o.c.number).cte(quoted_name("x AS (SELECT * FROM shop_order), y", quote=False)).c.number
            ),
            "label not to be quoted": sa.select(o.c.number.label(quoted_name("x FROM shop_order --", quote=False))),
            "for update of an alias": sa.select(a.c.number).with_for_update(),
            "shared alone": sa.select(c.c.code),
            "shared by way of a tenant's": sa.select(c.c.code).where(sa.exists().where(n.c.currency_id == c.c.id).where(n.c.body == "before")),
        }  # fmt: skip

    def _of_postgres(self) -> dict[str, Any]:
        o, n = self.o, self.n
        deep = sa.select(n.c.body).where(n.c.order_id == o.c.id).order_by(n.c.body).limit(1).lateral("deep")
        added = (
            sa.insert(o)
            .values(id=NEW[0], version=1, number="added", total=1)
            .returning(o.c.number, o.c.tenant_id)
            .cte("added")
        )
        return super()._of_postgres() | {
            "whole row": sa.select(o.table_valued()),
            "whole row as JSON": sa.select(sa.func.row_to_json(o.table_valued()).cast(sa.Text)),
            "lateral with a limit": sa.select(o.c.number, deep.c.body).join(deep, sa.true(), isouter=True),
            "insert in a cte": sa.select(added.c.number, added.c.tenant_id),
            "array of the whole": sa.select(
                sa.func.array_length(sa.func.array(sa.select(o.c.id).scalar_subquery()), 1)
            ),
            "all of a subquery": sa.select(o.c.number).where(
                o.c.total >= sa.all_(sa.select(o.alias("q").c.total).scalar_subquery())
            ),
            "grouped and filtered": sa.select(sa.func.count().filter(o.c.total > 500)),
        }

    def common_writes(self) -> dict[str, Any]:
        o, n, c, lines = self.o, self.n, self.c, self.lines
        a, q = o.alias("a"), o.alias("q")
        most = sa.select(sa.func.max(a.c.total)).scalar_subquery()
        new = {"id": NEW[0], "version": 1}
        mapped = mapped_order(o)
        rows = sa.select(
            sa.literal(NEW[0], o.c.id.type), sa.literal(1), sa.literal("new"), sa.func.count()
        ).select_from(o)
        return super().common_writes() | {
            "update to a correlated subquery": sa.update(n).values(
                body=sa.select(a.c.number).where(a.c.id == n.c.order_id).scalar_subquery()
            ),
            "update to the largest": sa.update(n).values(body=sa.select(sa.func.max(o.c.number)).scalar_subquery()),
            "update where exists": sa.update(n).where(sa.exists().where(o.c.total > 500)).values(body="x"),
            "update of what no alias has": sa.update(n).where(
                n.c.order_id.not_in(sa.select(o.c.id).where(o.c.total > 1))
            ).values(body="x"),
            "update of shared by a tenant's": sa.update(n).where(
                n.c.currency_id.in_(sa.select(c.c.id))
            ).values(body="x"),
            "update by case": sa.update(o).values(total=sa.case((o.c.number == "one", 5), else_=o.c.total)),
            "update of a mapped class": sa.update(mapped).values(total=7),
            "delete where exists": sa.delete(n).where(sa.exists().where(o.c.total > 500)),
            "delete of the largest": sa.delete(lines).where(
                lines.c.order_id.in_(sa.select(a.c.id).where(a.c.total == sa.select(sa.func.max(q.c.total)).scalar_subquery()))
            ),
            "delete of children": sa.delete(lines),
            "insert of a subquery": sa.insert(o).values(**new, number="new", total=most),
            "insert from an aggregate": sa.insert(o).from_select(COLUMNS, rows),
            "insert from a union": sa.insert(o).from_select(
                COLUMNS, sa.union_all(rows, sa.select(sa.literal(NEW[1], o.c.id.type), sa.literal(1), sa.literal("newer"), sa.func.max(a.c.total)))
            ),
            "insert from a cte": sa.insert(lines).from_select(
                ["id", "order_id", "position", "text"],
                sa.select(sa.literal(NEW[0], o.c.id.type), sa.select(o.c.id).where(o.c.total == 1).cte("k").c.id, sa.literal(9), sa.literal("x")),
            ),
            "insert with a default of a subquery": sa.insert(
                own_table(o, total={"default": sa.select(sa.func.max(a.c.total)).scalar_subquery()})
            ).values(**new, number="new"),
            "insert with a default for the tenant": sa.insert(
                own_table(o, tenant_id={"default": "globex"})
            ).values(**new, number="new", total=1),
            "insert of a mapped class": sa.insert(mapped).values(**new, number="new", total=1),
            "update with a default of a subquery": sa.update(
                own_table(n, body={"onupdate": sa.select(sa.func.max(o.c.number)).scalar_subquery()})
            ).values(version=2),
        }  # fmt: skip

    def _conflicts(self, insert: Any) -> dict[str, Any]:
        o, q = self.o, self.o.alias("q")
        upsert = insert(o).values(id=IDS[0], version=1, number="one", total=-1)
        most = sa.select(sa.func.max(q.c.total)).scalar_subquery()
        return super()._conflicts(insert) | {
            "upsert to a subquery": upsert.on_conflict_do_update(index_elements=["id"], set_={"total": most}),
            "upsert where": upsert.on_conflict_do_update(
                index_elements=["id"], set_={"total": 5}, where=o.c.total < most
            ),
            "upsert of many": insert(o)
            .values(
                [
                    {"id": id_, "version": 1, "number": f"n{i}", "total": -1}
                    for i, id_ in enumerate((*IDS, *NEW))
                ]
            )
            .on_conflict_do_update(index_elements=["id"], set_={"total": -9}),
            "upsert from a select": insert(o)
            .from_select(COLUMNS, sa.select(o.c.id, o.c.version, o.c.number, o.c.total))
            .on_conflict_do_update(index_elements=["id"], set_={"total": -3}),
        }


def own_table(table: sa.Table, **options: Any) -> sa.Table:
    """The same table in a metadata of a module's own, with defaults of its own."""
    columns = (sa.Column(c.name, c.type, **options.get(c.name, {})) for c in table.c)
    return sa.Table(table.name, sa.MetaData(), *columns)


def mapped_order(table: sa.Table) -> Any:
    """A class of SQLAlchemy's ORM on the table, without the tenant's column where it can be."""
    base = orm.declarative_base()
    columns = (sa.Column(c.name, c.type, primary_key=c.name == "id") for c in table.c)
    return type("Mapped", (base,), {"__table__": sa.Table(table.name, base.metadata, *columns)})


class Literal(sa.types.TypeDecorator[str]):
    """Writes what it likes where a value is written into the text."""

    impl = sa.String
    cache_ok = True

    def literal_processor(self, dialect: Any) -> Any:
        return lambda value: "(SELECT max(number) FROM shop_order)"


def moving(s: Shapes) -> Any:
    return sa.select(sa.literal("globex"), sa.literal(1)).scalar_subquery()


MORE_REFUSED: dict[str, Callable[[Shapes], Any]] = {
    "tenant as the default of an update": lambda s: sa.update(own_table(s.o, tenant_id={"onupdate": "globex"})).values(total=1),
    "tenant computed for an update": lambda s: sa.update(own_table(s.o, tenant_id={"onupdate": lambda: "globex"})).values(total=1),
    "tenant set by a pair": lambda s: sa.update(s.o).values({sa.tuple_(s.o.c.tenant_id, s.o.c.total): moving(s)}),
    "tenant set by a pair, in order": lambda s: sa.update(s.o).ordered_values((sa.tuple_(s.o.c.tenant_id, s.o.c.total), moving(s))),
    "tenant set by a label": lambda s: sa.update(s.o).values({s.o.c.tenant_id.label("number"): "globex"}),
    "tenant set by a cast": lambda s: sa.update(s.o).values({sa.cast(s.o.c.tenant_id, sa.String): "globex"}),
    "tenant set by literal column": lambda s: sa.update(s.o).values({sa.literal_column("tenant_id"): "globex"}),
    "tenant inserted by literal column": lambda s: sa.insert(s.o).values({sa.literal_column("tenant_id"): "globex", "id": NEW[0]}),
    "tenant set in a cte": lambda s: sa.select(sa.update(s.o).values(tenant_id="globex").returning(s.o.c.id).cte("x").c.id),
    "tenant's bound value by another sign": lambda s: sa.select(s.o.c.number).where(s.o.c.number != sa.bindparam("prefiq.tenant", "globex")),
    "tenant's bound value by a space": lambda s: sa.select(sa.bindparam("prefiq tenant", "globex"), s.o.c.number),
    "literal of an own type": lambda s: sa.select(sa.bindparam("x", "y", Literal(), literal_execute=True)),
    "schemas exchanged": lambda s: sa.select(s.o.c.number).execution_options(schema_translate_map={None: "other"}),
    "text as a default": lambda s: sa.insert(own_table(s.o, number={"default": sa.text("(SELECT max(number) FROM shop_order)")})).values(id=NEW[0]),
    "text as the default of an update": lambda s: sa.update(own_table(s.o, number={"onupdate": sa.text("1")})).values(total=1),
    "table from a select": lambda s: ddl.CreateTableAs(sa.select(s.o.c.number), "stolen"),
    "view": lambda s: ddl.CreateView(sa.select(s.o.c.number), "stolen"),
    "values alone": lambda s: sa.values(sa.column("x", sa.Integer), name="v").data([(1,)]),
    "text in a limit": lambda s: sa.select(s.o.c.number).limit(sa.text("1")),
    "literal in a limit": lambda s: sa.select(s.o.c.number).limit(sa.literal_column("1")),
    "operator in a window": lambda s: sa.select(sa.func.max(s.o.c.number).over(order_by=sa.text("1"))),
    "update of an alias": lambda s: sa.update(s.o.alias("a")).values(total=1),
    "delete of a join": lambda s: sa.delete(s.o.join(s.n, sa.true())),
    "insert into a subquery": lambda s: sa.insert(sa.select(s.o).subquery()).values(id=NEW[0]),
}  # fmt: skip
MORE_REFUSED_BY_ENGINE: dict[str, dict[str, Callable[[Shapes], Any]]] = {
    "sqlite": {},
    "postgres": {
        "sequence as a default": lambda s: sa.insert(
            own_table(s.o, total={"default": sa.Sequence("x")})
        ).values(id=NEW[0]),
    },
    "mariadb": {
        "sequence as a default": lambda s: sa.insert(
            own_table(s.o, total={"default": sa.Sequence("x")})
        ).values(id=NEW[0]),
        "upsert sets tenant, as a list": lambda s: (
            mysql.insert(s.o)
            .values(id=IDS[0], version=1, number="x", total=1)
            .on_duplicate_key_update([("tenant_id", "globex")])
        ),
    },
}
for _engine, _insert in (("sqlite", lite.insert), ("postgres", postgresql.insert)):
    MORE_REFUSED_BY_ENGINE[_engine] |= {
        "upsert sets tenant by its column": lambda s, insert=_insert: (
            insert(s.o)
            .values(id=IDS[0], version=1, number="x", total=1)
            .on_conflict_do_update(index_elements=["id"], set_={s.o.c.tenant_id: "globex"})
        ),
        "text in a conflict's where": lambda s, insert=_insert: (
            insert(s.o)
            .values(id=IDS[0], version=1, number="x", total=1)
            .on_conflict_do_update(index_elements=["id"], set_={"total": 1}, where=sa.text("1 = 1"))
        ),
    }


def fill(connection: sa.Connection, tables: Tables, tenants: tuple[str, ...]) -> None:
    """The same rows for each tenant, and for globex some that would come first and last."""
    currencies, orders, notes, lines = (tables[model] for model in (Currency, Order, Note, Line))
    connection.execute(currencies.insert(), [{"id": IDS[0], "version": 1, "code": "EUR"}])
    for tenant in tenants:
        rows = [(IDS[0], "one", 1), (IDS[1], "two", 2), (IDS[2], "two-b", 2), (uuid.UUID(int=70), "last", 9)]
        if tenant == "globex":
            rows += [(uuid.UUID(int=0x7), "aaa", -1000), (uuid.UUID(int=0x700), "zzz", 1000)]
        for id_, number, total in rows:
            own = {"tenant_id": tenant, "id": id_, "version": 1}
            connection.execute(orders.insert(), [{**own, "number": number, "total": total}])
        for id_, number, _ in rows[:3] + rows[4:]:
            body = "before" if number == "aaa" else number
            own = {"tenant_id": tenant, "id": id_, "order_id": id_}
            connection.execute(lines.insert(), [{**own, "position": 0, "text": body}])
            connection.execute(notes.insert(), [{**own, "version": 1, "currency_id": IDS[0], "body": body}])
            if tenant == "globex" and number == "one":  # it hangs more on the row that looks the same
                more = {"tenant_id": tenant, "id": uuid.UUID(int=70), "order_id": id_}
                connection.execute(lines.insert(), [{**more, "position": 1, "text": "more"}])


def mislead(connection: sa.Connection, tables: Tables) -> None:
    """Common tables whose rows are acme's by their tenant, and some of which acme does not have."""
    tables.create_all(connection)
    fill(connection, tables, ("globex",))
    connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # no reference is looked at
    for model in (Order, Note, Line):
        connection.execute(sa.update(tables[model]).values(tenant_id="acme"))


class Undone(Exception):
    """Ends a transaction of a test."""


class Place:
    """One database, seen as acme.

    Args:
        manager: Its connections.
        stack: Closes them.
        placement: Where acme's rows are.
    """

    def __init__(self, manager: ConnectionManager, stack: ExitStack, placement: Placement) -> None:
        self.manager, self.tables, self.placement = manager, manager.tables, placement
        stack.callback(manager.close)
        scope = Scope(Bound("acme", placement), resolve=lambda *_: None)
        self.executor = Executor(manager, scope, manager.tables)
        stack.callback(self.executor.close)
        self.shapes = AllShapes(manager.tables, MODELS, self.executor.kind.name)

    @cached_property
    def reads(self) -> dict[str, Any]:
        """By name."""
        return self.shapes.reads()

    @cached_property
    def writes(self) -> dict[str, Any]:
        """By name."""
        return self.shapes.writes()

    def rows(self, statement: Any) -> list[str]:
        """What a statement finds, in any order, as text."""
        return sorted(repr(tuple(row)) for row in self.executor.query(statement))

    def kept(self, tenant: str) -> list[list[str]]:
        """A tenant's rows past the door, as the open transaction sees them."""
        cursor = self.executor._connection.connection.cursor()
        mark = "?" if self.executor.kind.name == "sqlite" else "%s"
        found = []
        for table in ("shop_order", "shop_note", "shop_line", "shop_currency"):
            where = "" if table == "shop_currency" else f" WHERE tenant_id = {mark}"
            named = f"{self.placement.hint}.{table}" if self.placement.hint else table
            cursor.execute(f"SELECT * FROM {named}{where}", (tenant,) if where else ())
            found.append(sorted(repr(tuple(row)) for row in cursor.fetchall()))
        return found

    def done(self, statement: Any) -> tuple[Any, list[list[str]], list[list[str]]]:
        """What a statement returns, acme's rows after it, globex's rows after it; then it is undone."""
        result: Any = None
        self.executor.scalar(sa.select(sa.func.count()).select_from(self.tables[Order]))
        with pytest.raises(Undone), self.executor.tx():  # noqa: PT012
            returning = bool(getattr(statement, "_returning", ()))
            result = self.rows(statement) if returning else self.executor.exec(statement)
            own, foreign = self.kept("acme"), self.kept("globex")
            raise Undone
        return result, own, foreign


Places = tuple[Place, Place, list[list[str]]]


@pytest.fixture(scope="session")
def opened() -> Iterator[Callable[[str], Places]]:
    """Both databases of an engine, made when they are first asked for: tests come in any order."""
    with ExitStack() as stack:
        yield cache(partial(open_places, stack))


def open_places(stack: ExitStack, way: str) -> Places:
    engine, _, mode = way.partition("-")
    beside = Placement("schema", "t_acme") if mode else Placement()
    made = []
    for tenants, placement in ((("acme", "globex"), beside), (("acme",), Placement())):
        database = stack.enter_context(servers.database(engine, reuse=False))
        manager = ConnectionManager([database.config()], made_tables())
        if placement.hint:
            with manager.schema_connection() as connection:
                mislead(connection, manager.tables)
                connection.exec_driver_sql("CREATE SCHEMA t_acme")
        with manager.schema_connection("default", placement) as connection:
            manager.tables.create_all(connection)
            fill(connection, manager.tables, tenants)
            connection.commit()
        made.append(Place(manager, stack, placement))
    made[0].executor.scalar(sa.select(sa.func.count()).select_from(made[0].tables[Order]))
    return made[0], made[1], made[0].kept("globex")


@pytest.fixture
def places(engine: str, opened: Callable[[str], Places]) -> Iterator[Places]:
    """The tenant beside its look-alike, the tenant alone, and the rows of the look-alike."""
    found = opened(engine)
    with Scope(Bound("acme"), resolve=lambda *_: None):
        yield found


def refused_on(way: str) -> dict[str, Callable[[Shapes], Any]]:
    """What is refused there, by name."""
    engine = way.partition("-")[0]
    return REFUSED | REFUSED_BY_ENGINE[engine] | MORE_REFUSED | MORE_REFUSED_BY_ENGINE[engine]


def names(kind: str) -> list[Any]:
    """Every engine with every name of its shapes."""
    return [
        pytest.param(way, name, id=f"{way}-{name}")
        for way in WAYS
        for name in getattr(AllShapes(made_tables(), MODELS, way.partition("-")[0]), kind)()
    ]


@pytest.mark.parametrize(("engine", "name"), names("reads"))
def test_a_read_finds_what_it_finds_alone(places: Any, name: str) -> None:
    """Rows, counts, extremes, orders and what a join multiplies."""
    beside, alone, _ = places
    found = []
    for place in (beside, alone):
        statement = place.reads[name]
        # Some reads of PostgreSQL write.
        with pytest.raises(Undone), place.executor.tx():  # noqa: PT012
            found.append(place.rows(statement))
            raise Undone
    assert found[0] == found[1]


@pytest.mark.parametrize(("engine", "name"), names("writes"))
def test_a_write_does_what_it_does_alone(places: Any, name: str) -> None:
    """The same rows of the tenant are changed, made and returned; the look-alike's stay."""
    beside, alone, theirs = places
    outcomes = []
    for place in (beside, alone):
        try:
            outcomes.append(place.done(place.writes[name]))
        except StatementRefused:
            raise
        except Exception as error:  # noqa: BLE001  what fails must fail alone, too
            outcomes.append((type(error).__name__, [], theirs if place is beside else []))
    assert outcomes[0][:2] == outcomes[1][:2]
    assert outcomes[0][2] == theirs


@pytest.mark.parametrize(
    ("engine", "name"),
    [pytest.param(way, name, id=f"{way}-{name}") for way in WAYS for name in refused_on(way)],
)
def test_what_is_not_known_to_be_safe_is_refused(places: Any, engine: str, name: str) -> None:
    """Before anything is sent."""
    beside, _, theirs = places
    known = refused_on(engine)
    sent: list[str] = []
    sa.event.listen(beside.manager.engine(), "before_cursor_execute", lambda *given: sent.append(given[2]))
    with pytest.raises((StatementRefused, sa.exc.SQLAlchemyError, NotImplementedError)):
        beside.executor.query(known[name](beside.shapes))
    assert sent == []
    beside.executor.scalar(sa.select(sa.func.count()).select_from(beside.tables[Order]))
    assert beside.kept("globex") == theirs


def _deaf(*_: Any, **__: Any) -> None:
    """Refuses nothing."""


GUARDS: dict[str, tuple[Any, str, Any, str]] = {
    "columns that a key hides": (scoped_compiler, "_names_of", lambda key: iter([scoped_compiler._name_of(key)]), "tenant set by a pair"),
    "names that become one": (scoped_compiler, "re", type("Re", (), {"sub": staticmethod(lambda *given: given[2])}), "tenant's bound value by another sign"),
    "literals": (scoped_text.NoText, "render_literal_value", lambda self, value, type_, **more: super(scoped_text.NoText, self).render_literal_value(value, type_, **more), "literal of an own type"),
    "defaults of an update": (scoped_compiler, "_refuse_tenant", _deaf, "tenant as the default of an update"),
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("guard", GUARDS)
def test_the_list_notices_a_missing_guard(
    places: Any, monkeypatch: pytest.MonkeyPatch, engine: str, guard: str
) -> None:
    """Without it a statement that must be refused is compiled."""
    owner, attribute, instead, name = GUARDS[guard]
    shapes = places[0].shapes
    known = REFUSED | REFUSED_BY_ENGINE[engine] | MORE_REFUSED
    manager = ConnectionManager([places[0].manager.database()], places[0].tables)
    try:
        with pytest.raises(StatementRefused):
            compiled(manager, known[name](shapes))
        monkeypatch.setattr(owner, attribute, instead)
        compiled(manager, known[name](shapes))
    finally:
        manager.close()


def compiled(manager: ConnectionManager, statement: Any) -> str:
    """The text as it would be sent."""
    made = statement.compile(dialect=manager.dialect(), compile_kwargs={"literal_binds": False})
    made._process_parameters_for_postcompile(made.construct_params())
    return str(made)
