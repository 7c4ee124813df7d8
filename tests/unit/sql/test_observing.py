"""Observers are told of every statement, with its text and without its values, and nobody pays who has none."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from prefiq.contracts import Bound, Scope, UniqueViolation
from prefiq.settings import Secret, Settings
from prefiq.settings.logs import JsonFormatter
from prefiq.settings.redaction import Redactor
from prefiq.sql import ConnectionManager, DatabaseConfig, Executor, Tables
from prefiq.sql.errors import ReadOnlyTransaction, SchemaMissing, StatementRefused
from prefiq.sql.observing import Observed, Watch, watch_for, without_literals
from prefiq.sql.plan import Plan

DELETE = Plan("DELETE FROM shop_order WHERE tenant_id = ? AND number = ?", tuple)
ORDER = {"version": 1, "number": "canary", "total": 424242}


@pytest.fixture
def seen() -> list[Observed]:
    return []


@pytest.fixture
def watched(
    connections: ConnectionManager, seen: list[Observed], open_scope: Callable[[Any], Any], tables: Tables
) -> Executor:
    connections.watch = Watch([(0.0, seen.append)])
    return Executor(connections, open_scope(Bound("acme")), tables)


@pytest.fixture
def orders(tables: Tables, models: Any) -> sa.Table:
    return tables[models.Order]


def new(row: int, **values: Any) -> dict[str, Any]:
    return {**ORDER, "id": UUID(int=1000 + row), **values}


def test_every_way_to_run_a_statement_is_seen(
    watched: Executor, orders: sa.Table, seen: list[Observed]
) -> None:
    """Plans, statements of Core, raw SQL, several rows at once, and what begins and ends a transaction."""
    watched.query(sa.select(orders.c.id).where(orders.c.number == "canary"))
    watched.scalar("SELECT 'canary' || ?", ("canary",))
    list(watched.stream(sa.select(orders.c.id), batch=2))
    watched.fetch(Plan("SELECT ?", tuple), ("canary",))
    watched.write(DELETE, ("acme", "canary"))
    watched.bulk(sa.insert(orders), [new(1), new(2, number="canary 2")])
    with watched.tx(), watched.tx():
        watched.write_many(DELETE, [("acme", "canary"), ("acme", "canary 2")])
    texts = [" ".join(observed.sql.split()) for observed in seen]
    assert [text.split(" FROM")[0].split(" (")[0] for text in texts] == [
        "SELECT shop_order.id",
        "SELECT ? || ?",
        "SELECT shop_order.id",
        "SELECT ?",
        "DELETE",
        "BEGIN IMMEDIATE",
        "INSERT INTO shop_order",
        "COMMIT",
        "BEGIN IMMEDIATE",
        "SAVEPOINT prefiq_1",
        "DELETE",
        "RELEASE SAVEPOINT prefiq_1",
        "COMMIT",
    ]
    assert [observed.rows for observed in seen if observed.rows > 1] == [2, 2]
    assert [observed.is_control for observed in seen].count(True) == 6
    assert all(observed.seconds > 0 and observed.database == "default" for observed in seen)
    assert "canary" not in str(seen)
    assert "424242" not in str(seen)


def test_statements_that_fail_are_seen_with_their_error(
    watched: Executor, orders: sa.Table, seen: list[Observed]
) -> None:
    """What was refused before it was sent is not."""
    watched.exec(sa.insert(orders).values(**new(1)))
    seen.clear()
    with pytest.raises(UniqueViolation):
        watched.exec(sa.insert(orders).values(**new(1)))
    with pytest.raises(SchemaMissing):
        watched.fetch(Plan("SELECT 1 FROM missing", tuple), ())
    assert [(type(o.error).__name__, o.sql.split()[0]) for o in seen] == [
        ("IntegrityError", "INSERT"),
        ("OperationalError", "SELECT"),
    ]
    seen.clear()
    with pytest.raises(StatementRefused):
        watched.query("SELECT * FROM shop_order")
    with watched.tx(read_only=True), pytest.raises(ReadOnlyTransaction):
        watched.exec(sa.delete(orders))
    assert [observed for observed in seen if not observed.is_control] == []


def test_an_observer_cannot_fail_a_statement(
    connections: ConnectionManager, open_scope: Any, tables: Tables, seen: list[Observed], caplog: Any
) -> None:
    """The others are told all the same."""

    def fail(observed: Observed) -> None:
        raise RuntimeError

    connections.watch = Watch([(0.0, fail), (0.0, seen.append), (1e9, fail)])
    assert Executor(connections, open_scope(Bound("acme")), tables).scalar("SELECT 1") == 1
    assert len(seen) == 1
    assert "an observer of statements failed" in caplog.text


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT 1", "SELECT ?"),
        ("SELECT 0x414243, 1e5, x'41', .5 FROM t2", "SELECT ?, ?, ?, .? FROM t2"),
        ('SELECT "name" FROM t', 'SELECT "name" FROM t'),
        ("UPDATE t SET a1 = 'it''s', b = 1.5 WHERE c_2 = 3", "UPDATE t SET a1 = ?, b = ? WHERE c_2 = ?"),
        ("SELECT 'a\\', 'secret'", "SELECT …"),
        ("SELECT $$secret$$", "SELECT …"),
        ("", ""),
        (" \\ ", "\\ …"),
    ],
)
def test_literals_of_raw_sql_are_left_out(sql: str, shown: str) -> None:
    """They may be anybody's; where their end is not clear, the whole text is."""
    assert without_literals(sql) == shown


def test_double_quotes_are_a_texts_to_mariadb() -> None:
    """To others they are a name's."""
    sql = """SELECT "it's a secret" FROM t WHERE a = 'x "' AND b = "y" """
    assert without_literals(sql, "mariadb") == "SELECT ? FROM t WHERE a = ? AND b = ? "


def test_slow_statements_are_logged_with_the_tenant(
    connections: ConnectionManager, tables: Tables, caplog: Any
) -> None:
    """Above the limit, not below; values are in no part of the record."""
    for limit, expected in ((1e-9, 1), (1e9, 0)):
        connections.watch = watch_for([connections.database()], limit)
        caplog.clear()
        with Scope(Bound("acme"), request_id="r-1", resolve=lambda *_: None) as scope:
            Executor(connections, scope, tables).scalar("SELECT ?\n  || 'x'", ("canary",))
            lines = [JsonFormatter(Redactor(())).format(record) for record in caplog.records]
        assert len(lines) == expected
        for line in lines:
            assert '"level": "WARNING"' in line
            assert '"logger": "prefiq.sql"' in line
            assert "slow statement, " in line
            assert "SELECT ? || ?" in line
            assert '"tenant": "acme"' in line
            assert '"request_id": "r-1"' in line
            assert "canary" not in line


def test_the_log_of_all_statements_is_on_at_debug(
    tables: Tables, path: Path, caplog: Any, orders: sa.Table, open_scope: Any, connections: Any
) -> None:
    databases = [DatabaseConfig(path=path)]
    assert watch_for(databases, 0) is None
    with caplog.at_level(logging.DEBUG, "prefiq.sql"):
        connections.watch = watch_for(databases, 0)
        executor = Executor(connections, open_scope(Bound("acme")), tables)
        executor.bulk(sa.insert(orders), [new(1), new(2, number="canary 2")])
        with pytest.raises(UniqueViolation):
            executor.exec(sa.insert(orders).values(**new(1)))
    records = [record for record in caplog.records if record.name == "prefiq.sql"]  # the pool has its own
    messages = [(r.levelname, r.getMessage().split("(")[0].strip()) for r in records]
    assert messages == [
        ("DEBUG", "BEGIN IMMEDIATE"),
        ("DEBUG", "INSERT INTO shop_order"),
        ("DEBUG", "COMMIT"),
        ("DEBUG", "INSERT INTO shop_order"),
    ]
    assert (records[1].rows, records[3].error) == (2, "IntegrityError")
    assert "canary" not in caplog.text


class TestSpans:
    @pytest.fixture
    def exported(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
        """A provider as an application sets one up; the library takes only one in a process."""
        provider, exporter = TracerProvider(), InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
        monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
        yield exporter
        provider.shutdown()

    def test_each_statement_is_a_span_by_the_conventions_for_databases(
        self,
        exported: InMemorySpanExporter,
        connections: ConnectionManager,
        orders: sa.Table,
        open_scope: Any,
        tables: Tables,
        path: Path,
    ) -> None:
        connections.watch = watch_for([DatabaseConfig(path=path)], 0)
        executor = Executor(connections, open_scope(Bound("acme")), tables)
        tracer = trace.get_tracer("test")
        with tracer.start_as_current_span("request") as outer:
            executor.query(sa.select(orders.c.id).where(orders.c.number == "canary"))
            executor.bulk(sa.insert(orders), [new(1), new(2, number="canary 2")])
            with pytest.raises(UniqueViolation):
                executor.exec(sa.insert(orders).values(**new(1)))
        spans: Any = [span for span in exported.get_finished_spans() if span.name != "request"]
        assert [span.name for span in spans] == [
            "SELECT shop_order",
            "INSERT shop_order",
            "INSERT shop_order",
        ]
        for span in spans:
            assert span.kind is trace.SpanKind.CLIENT
            assert span.parent.span_id == outer.get_span_context().span_id
            assert span.end_time > span.start_time
            attributes = dict(span.attributes)
            assert attributes["db.system.name"] == "sqlite"
            assert attributes["db.namespace"] == "shop.db"
            assert attributes["db.query.summary"] == span.name
            assert attributes["db.operation.name"] == span.name.split()[0]
            assert attributes["db.query.text"].startswith(span.name.split()[0])
            assert "canary" not in str(attributes)
        assert spans[1].attributes["db.operation.batch.size"] == 2
        assert "db.operation.batch.size" not in spans[0].attributes
        assert (spans[0].status.status_code, spans[2].status.status_code) == (
            trace.StatusCode.UNSET,
            trace.StatusCode.ERROR,
        )
        assert spans[2].attributes["error.type"].startswith("SQLITE_CONSTRAINT")
        assert spans[2].attributes["db.response.status_code"].startswith("SQLITE_CONSTRAINT")
        assert spans[2].status.description is None

    def test_a_server_is_named(self, exported: InMemorySpanExporter) -> None:
        """Address, port and database; user and password are in no span."""
        watch = watch_for(
            [
                DatabaseConfig(
                    engine="postgres",
                    database="shop",
                    host="db.example",
                    port=5433,
                    user="canary",
                    password=Secret("canary"),
                )
            ],
            0,
        )
        assert watch is not None
        watch.tell(Observed("SELECT 1 FROM a JOIN b USING (id)", 0.1, "default"))
        watch.tell(Observed("VACUUM", 0.1, "default"))
        first, second = exported.get_finished_spans()
        assert (first.name, second.name) == ("SELECT a b", "postgresql")
        assert dict(first.attributes or {}) == {
            "db.system.name": "postgresql",
            "db.namespace": "shop",
            "server.address": "db.example",
            "server.port": 5433,
            "db.query.text": "SELECT 1 FROM a JOIN b USING (id)",
            "db.operation.name": "SELECT",
            "db.query.summary": "SELECT a b",
        }

    def test_without_a_provider_there_is_no_observer(self) -> None:
        """That the library is installed, or loaded by somebody, is not enough."""
        assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        assert watch_for([DatabaseConfig()], 0) is None


def test_an_application_watches_as_its_settings_say(tmp_path: Path) -> None:
    """SLOW_QUERY is on unless it is 0, and nothing loads OpenTelemetry that did not ask for it."""
    from prefiq.testing import make_application

    for given, expected in ((0.5, True), (0, False)):
        (tmp_path / str(expected)).mkdir()
        app = make_application(tmp_path / str(expected), SLOW_QUERY=given)
        assert (app.container.resolve(None, ConnectionManager).watch is not None) is expected
        app.close()
    code = (
        "import sys; from prefiq.sql.observing import watch_for; assert watch_for([], 0) is None;"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert Settings.for_test(tmp_path).slow_query == 0.5
