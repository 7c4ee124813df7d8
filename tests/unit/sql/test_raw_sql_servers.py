"""SQL given as text on servers: admitted only where every word is known, because nothing behind it looks again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.servers import SERVERS

from prefiq.contracts import Bound, Placement, Tenancy
from prefiq.sql import ConnectionManager, Executor, RawSqlRefused, SharedTableProtected, StatementRefused
from prefiq.sql.tenant_scope import TenantScope

pytestmark = pytest.mark.parametrize("engine", SERVERS, scope="session")

PREPARE = {
    "postgres": [
        "CREATE VIEW orders_view AS SELECT *, number AS code FROM shop_order",
        "CREATE FUNCTION leak() RETURNS text LANGUAGE sql AS 'SELECT string_agg(number, '','') FROM shop_order'",
        "CREATE FUNCTION leak(shop_currency) RETURNS text LANGUAGE sql AS 'SELECT max(number) FROM shop_order'",
        "CREATE FUNCTION ifnull(text, text) RETURNS text LANGUAGE sql AS 'SELECT max(number) FROM shop_order'",
    ],
    "mariadb": [
        "CREATE VIEW orders_view AS SELECT *, number AS code FROM shop_order",
        "CREATE VIEW SHOP_CURRENCY AS SELECT *, number AS code FROM shop_order",
        "CREATE VIEW `1view` AS SELECT * FROM shop_order",
        "CREATE FUNCTION leak() RETURNS TEXT READS SQL DATA RETURN (SELECT GROUP_CONCAT(number) FROM shop_order)",
        "CREATE FUNCTION initcap(x TEXT) RETURNS TEXT READS SQL DATA RETURN (SELECT MAX(number) FROM shop_order)",
    ],
}
UNDO = {
    "postgres": [
        "DROP FUNCTION ifnull",
        "DROP FUNCTION leak(shop_currency)",
        "DROP FUNCTION leak()",
        "DROP VIEW orders_view",
    ],
    "mariadb": [
        "DROP FUNCTION initcap",
        "DROP FUNCTION leak",
        "DROP VIEW `1view`",
        "DROP VIEW SHOP_CURRENCY",
        "DROP VIEW orders_view",
    ],
}

ATTACKS = [
    # Tables that are not shared, in every place where one can stand.
    "SELECT * FROM shop_order",
    "SELECT * FROM orders_view",
    'SELECT * FROM "orders_view"',
    "SELECT * FROM `orders_view`",
    "SELECT * FROM public.shop_currency",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM mysql.user",
    "SELECT code FROM shop_currency, orders_view",
    "SELECT code FROM shop_currency AS a, orders_view AS b",
    "SELECT code FROM shop_currency AS a JOIN shop_currency AS b ON a.id = b.id, orders_view",
    "SELECT code FROM shop_currency JOIN orders_view ON true",
    "SELECT code FROM shop_currency CROSS JOIN (orders_view)",
    "SELECT code FROM (shop_currency, orders_view)",
    "SELECT code FROM ((SELECT code FROM shop_currency) AS x, orders_view)",
    "SELECT code FROM shop_currency JOIN LATERAL (SELECT 1) AS x ON true",
    "SELECT code FROM ONLY shop_currency",
    "SELECT code FROM shop_currency WHERE id IN (SELECT id FROM orders_view)",
    "SELECT (SELECT max(code) FROM orders_view)",
    "SELECT code FROM shop_currency UNION SELECT code FROM orders_view",
    "SELECT code FROM shop_currency UNION (SELECT code FROM orders_view)",
    "(SELECT code FROM orders_view)",
    "SELECT code FROM shop_currency ORDER BY (SELECT code FROM orders_view)",
    "SELECT EXISTS (SELECT FROM orders_view)",
    # A name that the text gives does not make a table of it.
    "SELECT 1 AS orders_view FROM orders_view",
    "SELECT code FROM shop_currency AS orders_view JOIN orders_view ON true",
    "SELECT CAST(1 AS orders_view) FROM orders_view",
    "WITH orders_view AS (SELECT * FROM orders_view) SELECT * FROM orders_view",
    "SELECT code FROM (WITH x AS (SELECT * FROM shop_order) SELECT * FROM x) AS y",
    "TABLE orders_view",
    "VALUES (1)",
    "SELECT code FROM (VALUES (1)) AS orders_view",
    # Nor does a keyword of the engine's that the text gives as a name, or an alias without AS that is one.
    "SELECT '1' AS table, code AS orders_view FROM shop_currency WHERE EXISTS (TABLE orders_view)",
    "SELECT '1' AS table, code AS orders_view FROM shop_currency WHERE EXISTS (TABLE ONLY (orders_view))",
    ("SELECT '1' AS table, 1 AS u, 1 AS \"shop!005forder\", 1 AS uescape FROM shop_currency "
    "WHERE EXISTS (TABLE U&\"shop!005forder\" UESCAPE '!')"),
    ("SELECT a.code, 1 AS orders_view FROM (SELECT id set FROM shop_currency) AS d "
    "JOIN shop_currency AS c ON c.id = set, orders_view AS a"),
    "SELECT orders_view.code, 1 AS `straight_join`, 2 AS orders_view FROM shop_currency STRAIGHT_JOIN orders_view",
    "SELECT regclass 'shop_order', 1 AS regclass FROM shop_currency",
    "INSERT orders_view SELECT 1 AS orders_view",
    "REPLACE orders_view SELECT 1 AS orders_view",
    # Functions.
    "SELECT leak()",
    'SELECT "leak"()',
    "SELECT leak ()",
    "SELECT code AS leak, shop_currency.leak FROM shop_currency",
    "SELECT c.leak FROM shop_currency AS c",
    "SELECT (c).leak FROM shop_currency AS c",
    "SELECT ifnull('a', 'b'), initcap('x')" ,
    "SELECT query_to_xml('SELECT * FROM shop_order', true, true, '')",
    "SELECT table_to_xml('shop_order', true, true, '')",
    "SELECT * FROM dblink('', 'SELECT 1') AS x(a int)",
    "SELECT pg_read_file('/etc/hostname')",
    "SELECT lo_import('/etc/hostname')",
    "SELECT load_file('/etc/hostname')",
    "SELECT pg_sleep(1)",
    "SELECT sleep(1)",
    "SELECT benchmark(1000000, md5('x'))",
    "SELECT get_lock('x', 1)",
    "SELECT set_config('role', 'postgres', false)",
    "SELECT current_user",
    "SELECT current_setting('data_directory')",
    "SELECT nextval('x')",
    "SELECT * FROM json_table('[]', '$[*]' COLUMNS (a INT PATH '$')) AS x",
    "SELECT * FROM generate_series(1, 2)",
    "SELECT 'shop_order'::regclass",
    "SELECT @@datadir",
    "SELECT @x := 1",
    # Text that engines read in their own ways.
    "SELECT 1 /*! UNION SELECT number FROM shop_order */",
    "SELECT 1 /*!50000 UNION SELECT number FROM shop_order */",
    "SELECT 1 /*M! UNION SELECT number FROM shop_order */",
    "SELECT 1 /* /* */ ' */ UNION SELECT number FROM shop_order -- '",
    "SELECT 1 -- x",
    "SELECT 1--1",
    "SELECT 1 # x\n",
    "SELECT 'a\\' UNION SELECT number FROM shop_order -- '",
    "SELECT E'a\\' UNION SELECT number FROM shop_order -- '",
    "SELECT U&'\\0061'",
    'SELECT * FROM U&"orders!005fview" UESCAPE \'!\'',
    "SELECT $$a$$",
    "SELECT $x$ ' $x$ UNION SELECT number FROM shop_order",
    "SELECT _utf8mb4'a', N'a', x'61', b'1'",
    "SELECT {d '2026-01-01'}",
    "SELECT 'never closed FROM shop_order",
    'SELECT "never closed',
    "SELECT `never closed",
    "SELECT 1 UNION SELECT number FROM\u00a0shop_order",
    "SELECT \uff53 FROM shop_currency",
    "SELECT \x00",
    "SELECT * FROM 1view",
    "SELECT 1e5FROM orders_view",
    "SELECT code)FROM(orders_view",
    # Writing, steering, the schema.
    "INSERT INTO orders_view (code) VALUES ('x')",
    "UPDATE orders_view SET total = 0",
    "UPDATE shop_currency AS a, orders_view AS b SET a.code = b.code",
    "UPDATE shop_currency SET code = number FROM orders_view",
    "DELETE FROM orders_view",
    "DELETE FROM shop_currency USING orders_view",
    "SELECT 1 INTO shop_currency",
    "SELECT 1 %s FROM shop_currency",
    "SELECT code INTO OUTFILE '/tmp/x' FROM shop_currency",
    "SELECT code INTO stolen FROM shop_currency",
    "SELECT 1; SELECT number FROM shop_order",
    "SELECT 1; COMMIT",
    "; SELECT 1",
    "COMMIT",
    "BEGIN",
    "SET SESSION sql_mode = ''",
    "SET ROLE postgres",
    "CREATE TABLE x (a int)",
    "DROP TABLE shop_currency",
    "TRUNCATE shop_currency",
    "CALL x()",
    "DO 1",
    "DO $$ BEGIN END $$",
    "COPY shop_order TO STDOUT",
    "LOAD DATA LOCAL INFILE 'x' INTO TABLE shop_currency",
    "HANDLER shop_order OPEN",
    "PREPARE x AS SELECT 1",
    "EXECUTE IMMEDIATE 'SELECT * FROM shop_order'",
    "EXPLAIN ANALYZE SELECT * FROM shop_order",
    "SHOW TABLES",
    "KILL 1",
    "",
]  # fmt: skip


@pytest.fixture
def prepared(engine: str, connections: ConnectionManager) -> Iterator[None]:
    """Views and functions that show tenants' tables, some of them under names that look harmless."""
    with connections.schema_connection() as connection:
        for sql in PREPARE[engine]:
            connection.exec_driver_sql(sql)
    yield
    connections.close()
    with connections.schema_connection() as connection:
        for sql in UNDO[engine]:
            connection.exec_driver_sql(sql)


def test_what_is_not_surely_harmless_is_refused(prepared: None, acme: Executor, stored: Any) -> None:
    """Nothing of it is sent, so that nothing of it fails either."""
    before = stored("SELECT * FROM shop_order ORDER BY tenant_id, id")
    taken = []
    for sql in ATTACKS:
        try:
            acme.query(sql)
        except StatementRefused:
            continue
        taken.append(sql)
    assert taken == []
    assert stored("SELECT * FROM shop_order ORDER BY tenant_id, id") == before


# A keyword, the one view that is not to be read, and names that the text gives before.
KEYWORDS_USED = [
    "SELECT 1 AS {quoted}, code AS orders_view FROM shop_currency UNION ALL {word} orders_view",
    "SELECT 1 AS {quoted}, code AS orders_view FROM shop_currency WHERE EXISTS ({word} orders_view)",
    "SELECT 1 AS {quoted}, code AS orders_view FROM shop_currency WHERE EXISTS ({word} ONLY orders_view)",
    "SELECT 1 AS {quoted}, code AS orders_view FROM shop_currency WHERE EXISTS ({word} (orders_view))",
    "SELECT 1 AS {quoted}, 2 AS orders_view FROM shop_currency AS c {word} orders_view",
    "SELECT 1 AS {quoted}, 2 AS orders_view FROM shop_currency AS c {word} (orders_view)",
    "SELECT 1 AS {quoted}, 2 AS orders_view FROM shop_currency AS c JOIN shop_currency AS d {word} orders_view ON true",
    "SELECT 1 AS orders_view FROM (SELECT 1 {word} FROM shop_currency) AS d JOIN shop_currency AS c ON 1 = {word}, orders_view",
    ("SELECT 1 AS orders_view FROM (SELECT true {word} FROM shop_currency) AS d JOIN shop_currency AS c ON true AND {word}, "
    "orders_view"),
    "{word} orders_view SELECT 1 AS orders_view, 2 AS {quoted}",
]  # fmt: skip


def test_no_keyword_of_the_engine_leads_to_a_table(
    engine: str, prepared: None, acme: Executor, connections: ConnectionManager
) -> None:
    """What is taken with any of its keywords in any of these places reads shared tables alone, by the server's plan."""
    listed = {
        "postgres": "SELECT word FROM pg_get_keywords() ORDER BY word",
        "mariadb": "SELECT lower(word) FROM information_schema.keywords WHERE word REGEXP '^[A-Za-z_]+$' ORDER BY word",
    }
    quote = {"postgres": '"', "mariadb": "`"}[engine]
    taken: list[str] = []
    with connections.schema_connection() as connection:
        words = [word for (word,) in connection.exec_driver_sql(listed[engine])]
        assert len(words) > 400
        for word in words:
            for form in KEYWORDS_USED:
                sql = form.format(word=word, quoted=f"{quote}{word}{quote}")
                with contextlib.suppress(RawSqlRefused):
                    acme.rules.check_raw(sql, acme.dialect.name)
                    taken.append(sql)
        read = [sql for sql in taken if "shop_order" in explained(connection, sql)]
    assert read == []


def explained(connection: sa.Connection, sql: str) -> str:
    """How the server would run a statement; empty where it does not understand it."""
    transaction = connection.begin_nested()
    try:
        return str(connection.exec_driver_sql(f"EXPLAIN {sql}").all())
    except sa.exc.DBAPIError:
        return ""
    finally:
        transaction.rollback()


def test_the_attacks_are_worth_something(
    prepared: None, acme: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the reading of the text, the view and the functions show every tenant's rows."""
    monkeypatch.setattr(TenantScope, "check_raw", lambda *_, **__: False)
    assert {row[0][:4] for row in acme.query("SELECT number FROM orders_view")} == {"acme", "glob"}
    assert "globex" in acme.scalar("SELECT leak()")


def test_shared_tables_are_read(acme: Executor) -> None:
    """With bound values by position and by name, names given by AS, functions, casts, joins and subqueries."""
    assert acme.scalar("SELECT code FROM shop_currency WHERE version = %s", (1,)) == "EUR"
    rows = acme.query("SELECT code, upper(code) AS big FROM shop_currency WHERE version = %(v)s", {"v": 1})
    assert rows[0].big == "EUR"
    for sql in (
        "SELECT count(*) FROM shop_currency WHERE code <> 'DELETE FROM -- it''s'",
        "SELECT 1;",
        "SELECT c.version FROM shop_currency AS c WHERE c.code LIKE 'E%'",
        "SELECT CAST(c.version AS decimal(10, 2)) AS amount FROM shop_currency AS c ORDER BY amount DESC LIMIT 1",
        "SELECT n FROM (SELECT version AS n FROM shop_currency) AS x",
        "SELECT a.version FROM shop_currency AS a JOIN (shop_currency AS b JOIN shop_currency AS c ON b.id = c.id) ON true",
        "SELECT version FROM shop_currency WHERE id IN (SELECT id FROM shop_currency) GROUP BY version HAVING count(*) > 0",
        "SELECT CASE WHEN version > 0 THEN coalesce(version, 0) ELSE -1 END AS n FROM shop_currency",
        "SELECT max(version) OVER (PARTITION BY code ORDER BY version) AS top FROM shop_currency",
        "SELECT version FROM shop_currency UNION ALL (SELECT 1 WHERE 1 = 2)",
        "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shop_currency WHERE code IN ('a', 'b') AND version BETWEEN 5 AND 6)",
    ):
        assert acme.scalar(sql) == 1, sql
    assert [len(batch) for batch in acme.stream("SELECT code FROM shop_currency", batch=2)] == [1]


def test_bound_values_stay_values(acme: Executor) -> None:
    """A place for a value inside of quotes would let the value out of them."""
    value = " FROM shop_order -- "
    assert acme.scalar("SELECT %s AS given", (value,)) == value
    for sql in ("SELECT '%s' AS given", "SELECT '%(x)s' AS given", 'SELECT "%s" AS given', "SELECT `%s`"):
        with pytest.raises(RawSqlRefused):
            acme.scalar(sql, {"x": value} if "(x)" in sql else (value,))
    assert acme.scalar("SELECT '100%%' AS given WHERE 1 = %s", (1,)) == "100%"
    assert acme.scalar("SELECT '100%' AS given") == "100%"


def test_shared_tables_are_written_by_the_system_alone(acme: Executor, system: Executor) -> None:
    """Raw SQL makes no exception."""
    with pytest.raises(SharedTableProtected):
        acme.exec("UPDATE shop_currency SET code = 'X'")
    assert system.exec("UPDATE shop_currency SET code = %s WHERE code = %s", ("USD", "EUR")) == 1
    assert acme.scalar("SELECT code FROM shop_currency") == "USD"
    with pytest.raises(RawSqlRefused):
        system.exec("UPDATE shop_order SET total = 0")


def test_one_tenant_alone_may_use_raw_sql(
    prepared: None, open_executor: Callable[[Tenancy], Executor]
) -> None:
    """In TENANCY=single there is nobody to be kept apart; the schema and the transaction stay closed."""
    executor = open_executor(Bound("acme", Placement("single")))
    assert executor.scalar("SELECT count(*) FROM orders_view WHERE tenant_id = 'acme'") == 4
    assert executor.exec("UPDATE shop_order SET total = 0 WHERE tenant_id = %s", ("acme",)) == 4
    assert executor.scalar("WITH x AS (SELECT 1 AS n) SELECT n FROM x") == 1
    with executor.tx(read_only=True):
        assert executor.scalar("SELECT replace('abc', 'b', 'x')") == "axc"
    assert executor.exec("INSERT INTO shop_currency SELECT * FROM shop_currency WHERE 1 = 2") == 0
    for sql in (
        "DROP TABLE shop_order",
        "COMMIT",
        "SELECT 1; COMMIT",
        "SELECT 1; DROP TABLE shop_order",
        "SELECT E'\\''; DROP TABLE shop_order; --'",
        "SELECT 1 /*! INTO OUTFILE '/tmp/x' */",
        "/*! DROP TABLE shop_order */",
        "SELECT total INTO stolen FROM shop_order",
        "SELECT 1 insert INTO stolen",
        "WITH x AS (SELECT 1) SELECT 1 replace INTO stolen",
        "SELECT 1 AS `insert` INTO OUTFILE '/tmp/x'",
        "SELECT \"set_config\" ('role', 'postgres', false)",
        "SELECT `get_lock` ('x', 1)",
        "SELECT set_config('role', 'postgres', false)",
        "SET ROLE postgres",
    ):
        with pytest.raises(RawSqlRefused):
            executor.exec(sql)
