"""SQL given as text reaches shared tables and nothing that belongs to a tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from prefiq.contracts import Bound, Placement, Tenancy
from prefiq.sql import ConnectionManager, Executor, RawSqlRefused, SharedTableProtected, StatementRefused
from prefiq.sql.dialects.sqlite import SqliteEngine
from prefiq.sql.tenant_scope import TenantScope

ATTACKS = [
    "SELECT * FROM shop_order",
    "SELECT * FROM SHOP_ORDER",
    'SELECT * FROM "shop_order"',
    "SELECT * FROM [shop_order]",
    "SELECT * FROM `shop_order`",
    "SELECT * FROM 'shop_order'",
    "SELECT * FROM main.shop_order",
    "SELECT/**/*/**/FROM/**/shop_order",
    "SELECT 1 -- x\nUNION SELECT number FROM shop_order",
    "SELECT 1 /* ' */ UNION SELECT number FROM shop_order /* ' */",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM shop_order)",
    "WITH x AS (SELECT * FROM shop_order) SELECT * FROM x",
    "WITH shop_order AS (SELECT 1) SELECT * FROM shop_order",
    "UPDATE shop_order SET total = 0",
    "DELETE FROM shop_note",
    "INSERT INTO shop_line SELECT * FROM shop_line",
    "REPLACE INTO shop_order VALUES (1)",
    "SELECT * FROM shop_currency JOIN shop_order",
    "SELECT * FROM orders_view",
    "SELECT * FROM left_over",
    "SELECT sql FROM sqlite_master",
    "SELECT * FROM pragma_table_info('shop_currency')",
    "SELECT * FROM json_each('[1]')",
    "CREATE TEMP TABLE shop_currency (id)",
    "CREATE VIEW v AS SELECT 1",
    "DROP TABLE shop_currency",
    "ALTER TABLE shop_currency ADD COLUMN x",
    "ATTACH 'other.db' AS other",
    "PRAGMA table_list",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT x",
    "VACUUM INTO 'copy.db'",
    "",
    "-- nothing",
    "SELECT 'never closed FROM shop_order",
    'SELECT "never closed',
    "SELECT 1 /* never closed",
    "SELECT [never closed",
]


@pytest.fixture
def prepared(connections: ConnectionManager) -> None:
    """A view over a tenant's table, and a table that no listed module has."""
    with connections.schema_connection() as connection:
        connection.exec_driver_sql("CREATE VIEW orders_view AS SELECT * FROM shop_order")
        connection.exec_driver_sql("CREATE TABLE left_over (tenant_id TEXT)")
        connection.exec_driver_sql("INSERT INTO left_over VALUES ('globex')")
        connection.exec_driver_sql(
            "CREATE TRIGGER spill AFTER UPDATE ON shop_currency BEGIN DELETE FROM shop_order; END"
        )


@pytest.mark.parametrize("sql", ATTACKS)
def test_raw_sql_is_refused(prepared: None, acme: Executor, stored: Any, sql: str) -> None:
    """Whatever names a tenant's table, hides one, changes the schema or steers the transaction."""
    before = stored("SELECT * FROM shop_order ORDER BY tenant_id, id")
    for run in (acme.query, acme.exec, acme.scalar, lambda sql: list(acme.stream(sql))):
        with pytest.raises(StatementRefused):
            run(sql)
    assert stored("SELECT * FROM shop_order ORDER BY tenant_id, id") == before


def test_refusal_says_why(acme: Executor) -> None:
    """The table is named, the statement and its values are not."""
    with pytest.raises(RawSqlRefused) as caught:
        acme.query("SELECT * FROM shop_order WHERE number = 'secret'")
    assert str(caught.value) == (
        "Raw SQL cannot be confined to one tenant (table shop_order) [PFQ421]\n"
        "  Try: use RepositoryQuery.select(), or statements of SQLAlchemy Core"
    )


def test_shared_tables_are_read(acme: Executor) -> None:
    """By position and by name, with functions of the engine and a text that looks like SQL."""
    assert acme.scalar("SELECT code FROM shop_currency WHERE version = ?", (1,)) == "EUR"
    rows = acme.query("SELECT code, upper(code) AS big FROM shop_currency WHERE version = :v", {"v": 1})
    assert rows[0].big == "EUR"
    assert acme.scalar("SELECT count(*) FROM shop_currency WHERE code <> 'DELETE FROM -- it''s'") == 1
    assert acme.scalar("SELECT 1") == 1
    rows = acme.stream("WITH t(x) AS (VALUES (1), (2), (3)) SELECT x FROM t", batch=2)
    assert [len(batch) for batch in rows] == [2, 1]


def test_shared_tables_are_written_by_the_system_alone(acme: Executor, system: Executor) -> None:
    """Raw SQL makes no exception."""
    for sql in ("UPDATE shop_currency SET code = 'X'", "WITH x AS (SELECT 1) DELETE FROM shop_currency"):
        with pytest.raises(SharedTableProtected):
            acme.exec(sql)
    assert system.exec("UPDATE shop_currency SET code = ?", ("USD",)) == 1
    assert acme.scalar("SELECT code FROM shop_currency") == "USD"


def test_trigger_does_not_reach_a_tenants_table(prepared: None, system: Executor, stored: Any) -> None:
    """What raw SQL may not, a trigger behind it may not either."""
    with pytest.raises(RawSqlRefused):
        system.exec("UPDATE shop_currency SET code = 'USD'")
    assert stored("SELECT count(*) FROM shop_order") == [(8,)]


def test_guard_is_lifted_and_expires_what_was_prepared(
    prepared: None, acme: Executor, shapes_of: Any
) -> None:
    """Statements of Core run before and after raw ones, and a raw one prepared earlier is checked again."""
    assert acme.scalar(shapes_of()) == "acme-0"
    with pytest.raises(StatementRefused):
        acme.query("SELECT * FROM orders_view")
    assert acme.scalar(shapes_of()) == "acme-0"
    cursor = acme._session._connection.cursor()
    assert len(cursor.execute("SELECT * FROM orders_view").fetchall()) == 8  # prepared, past the door
    with pytest.raises(StatementRefused):
        acme.query("SELECT * FROM orders_view")


@pytest.fixture
def shapes_of(tables: Any, models: Any) -> Callable[[], Any]:
    import sqlalchemy as sa

    order = tables[models.Order]
    return lambda: sa.select(order.c.number).order_by(order.c.number).limit(1)


def test_one_tenant_alone_may_use_raw_sql(open_executor: Callable[[Tenancy], Executor]) -> None:
    """In TENANCY=single there is nobody to be kept apart; the schema stays closed."""
    executor = open_executor(Bound("acme", Placement("single")))
    assert executor.scalar("SELECT count(*) FROM shop_order WHERE tenant_id = 'acme'") == 4
    assert executor.exec("UPDATE shop_order SET total = 0 WHERE tenant_id = 'acme'") == 4
    for sql in ("DROP TABLE shop_order", "PRAGMA user_version = 3", "COMMIT"):
        with pytest.raises(RawSqlRefused):
            executor.exec(sql)


def test_text_wall_is_missed_when_it_is_gone(
    prepared: None, acme: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the reading of the text, the engine's own guard still refuses the tables."""
    monkeypatch.setattr(TenantScope, "check_raw", lambda *_, **__: False)
    for sql in (
        "SELECT * FROM shop_order",
        "DELETE FROM shop_note",
        "INSERT INTO shop_order VALUES ('globex', x'01', 1, 'x', 0)",
        "INSERT INTO shop_currency VALUES (x'01', 1, 'XXX')",
        "DROP TABLE shop_order",
        "COMMIT",
    ):
        with pytest.raises(RawSqlRefused):
            acme.exec(sql)


def test_engines_wall_is_missed_when_it_is_gone(
    prepared: None, acme: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view is what the text alone does not show."""
    monkeypatch.setattr(SqliteEngine, "guard", lambda self, connection, allows: None)
    assert len(acme.query("SELECT * FROM orders_view")) == 8
    with pytest.raises(RawSqlRefused):
        acme.query("SELECT * FROM shop_order")
