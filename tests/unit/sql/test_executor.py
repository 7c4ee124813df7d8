"""Transactions, connections and scopes: what is written is kept whole, or not at all."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from prefiq.contracts import (
    Across,
    Bound,
    Scope,
    ScopeClosed,
    System,
    Tenancy,
    UniqueViolation,
    current_scope,
    current_scope_or_none,
)
from prefiq.errors import PrefiqError
from prefiq.sql import (
    AcrossOnlyReads,
    ConnectionManager,
    ConnectionsExhausted,
    DatabaseLocked,
    Executor,
    ReadOnlyTransaction,
    StatementRefused,
    Tables,
    TenantChanged,
    TransactionFailed,
    TransactionLost,
)
from prefiq.sql.plan import Plan


class Undo(Exception):
    """Ends a transaction of a test."""


@pytest.fixture
def orders(tables: Tables, models: Any) -> sa.Table:
    return tables[models.Order]


def order(number: int) -> dict[str, Any]:
    return {"id": UUID(int=1000 + number), "version": 1, "number": f"new-{number}", "total": number}


def plan(sql: str) -> Plan:
    return Plan(sql, lambda: None)


def new(stored: Any) -> list[str]:
    return [row[0] for row in stored("SELECT number FROM shop_order WHERE number LIKE 'new-%' ORDER BY 1")]


def test_connection_is_taken_at_the_first_statement_and_given_back(
    connections: ConnectionManager, acme: Executor, orders: sa.Table
) -> None:
    """A scope that asks nothing takes none; one that has asked holds one."""
    pool: Any = connections.engine().pool
    assert pool.checkedout() == 0
    acme.query(sa.select(orders.c.id))
    with acme.tx():
        acme.exec(sa.insert(orders).values(**order(1)))
    assert pool.checkedout() == 1
    acme.close()
    acme.close()
    assert pool.checkedout() == 0
    with pytest.raises(ScopeClosed):
        acme.query(sa.select(orders.c.id))


def test_scope_gives_the_connection_back(
    connections: ConnectionManager, tables: Tables, orders: sa.Table
) -> None:
    """Leaving the scope is enough, also by an exception inside a transaction."""
    scope = Scope(Bound("acme"), resolve=lambda *_: None)
    with pytest.raises(Undo), scope:  # noqa: PT012
        executor = Executor(connections, scope, tables)
        with executor.tx():
            executor.exec(sa.insert(orders).values(**order(1)))
            raise Undo
    pool: Any = connections.engine().pool
    assert pool.checkedout() == 0


def test_statement_outside_a_transaction_is_kept_at_once(
    acme: Executor, orders: sa.Table, stored: Any
) -> None:
    """Others see it as soon as it has run."""
    acme.exec(sa.insert(orders).values(**order(1)))
    assert new(stored) == ["new-1"]


def test_transaction_is_kept_at_its_end_or_undone(acme: Executor, orders: sa.Table, stored: Any) -> None:
    """Nobody sees it before, and an exception leaves nothing."""
    with acme.tx():
        acme.exec(sa.insert(orders).values(**order(1)))
        assert new(stored) == []
    assert new(stored) == ["new-1"]
    with pytest.raises(Undo), acme.tx():  # noqa: PT012
        acme.exec(sa.insert(orders).values(**order(2)))
        raise Undo
    assert new(stored) == ["new-1"]


def test_savepoints_are_undone_alone(acme: Executor, orders: sa.Table, stored: Any) -> None:
    """Three levels; the middle one goes, and what it held with it."""
    said: list[str] = []
    with acme.tx():
        acme.exec(sa.insert(orders).values(**order(1)))
        acme.on_rollback(lambda: said.append("never"))
        with pytest.raises(Undo), acme.tx():  # noqa: PT012
            acme.exec(sa.insert(orders).values(**order(2)))
            acme.on_rollback(lambda: said.append("second"))
            with acme.tx():
                acme.exec(sa.insert(orders).values(**order(3)))
                acme.on_rollback(lambda: said.append("first"))
                acme.after_commit(lambda: said.append("lost"))
            raise Undo
        with acme.tx():
            acme.exec(sa.insert(orders).values(**order(4)))
            acme.after_commit(lambda: said.append("kept"))
        assert said == ["first", "second"]
    assert new(stored) == ["new-1", "new-4"]
    assert said == ["first", "second", "kept"]


def test_failed_statement_fails_its_transaction(acme: Executor, orders: sa.Table, stored: Any) -> None:
    """Whoever goes on after it is refused, at the end too: a server may have undone what came before."""
    taken = {**order(2), "number": "new-1"}
    with pytest.raises(TransactionFailed) as caught, acme.tx():  # noqa: PT012
        acme.exec(sa.insert(orders).values(**order(1)))
        with pytest.raises(UniqueViolation) as first:
            acme.exec(sa.insert(orders).values(**taken))
        assert acme.failure is first.value
        for statement in (
            lambda: acme.exec(sa.insert(orders).values(**order(3))),
            lambda: acme.scalar(sa.select(sa.func.count()).select_from(orders)),
            lambda: acme.fetch(plan("SELECT 1"), ()),
            lambda: acme.write(plan("DELETE FROM shop_order"), ()),
            lambda: acme.write_many(plan("DELETE FROM shop_order"), [()]),
            lambda: acme.tx().__enter__(),
        ):
            with pytest.raises(TransactionFailed) as caught:
                statement()
            assert caught.value.__cause__ is first.value
    assert caught.value.__cause__ is first.value
    assert acme.failure is None
    assert new(stored) == []
    assert acme.exec(sa.insert(orders).values(**order(1))) == 1


def test_failed_statement_in_a_nested_transaction_undoes_that_alone(
    acme: Executor, orders: sa.Table, stored: Any
) -> None:
    """A savepoint is what one puts around a statement that may fail."""
    taken = {**order(2), "number": "new-1"}
    with acme.tx():
        acme.exec(sa.insert(orders).values(**order(1)))
        with pytest.raises(UniqueViolation), acme.tx():  # noqa: PT012
            acme.exec(sa.insert(orders).values(**order(4)))
            acme.exec(sa.insert(orders).values(**taken))
        with pytest.raises(TransactionFailed), acme.tx(), pytest.raises(UniqueViolation):
            acme.exec(sa.insert(orders).values(**taken))
        acme.exec(sa.insert(orders).values(**order(3)))
    assert new(stored) == ["new-1", "new-3"]


def test_bulk_is_all_or_none(acme: Executor, orders: sa.Table, stored: Any) -> None:
    """Outside a transaction, too."""
    with pytest.raises(UniqueViolation):
        acme.bulk(sa.insert(orders), [order(1), order(2), order(1)])
    assert new(stored) == []
    assert acme.bulk(sa.insert(orders), [order(1), order(2)]) == 2
    assert acme.bulk(sa.insert(orders), []) == 0
    assert new(stored) == ["new-1", "new-2"]


def test_after_commit_calls_all_and_reports_what_failed(acme: Executor) -> None:
    """One callback that raises keeps no other from being called."""
    said: list[str] = []

    def fail() -> None:
        raise Undo

    with pytest.raises(Undo), acme.tx():  # noqa: PT012
        acme.after_commit(fail)
        acme.after_commit(lambda: said.append("called"))
    assert said == ["called"]
    with pytest.raises(ExceptionGroup), acme.tx():  # noqa: PT012
        acme.after_commit(fail)
        acme.after_commit(fail)
    assert not acme.in_transaction


def test_after_commit_may_begin_another_transaction(acme: Executor, orders: sa.Table, stored: Any) -> None:
    """It is called when the first one is over."""

    def write() -> None:
        assert not acme.in_transaction
        with acme.tx():
            acme.exec(sa.insert(orders).values(**order(2)))

    with acme.tx():
        acme.exec(sa.insert(orders).values(**order(1)))
        acme.after_commit(write)
    assert new(stored) == ["new-1", "new-2"]


def test_reading_transaction_sees_one_moment(acme: Executor, globex: Executor, orders: sa.Table) -> None:
    """What another connection writes meanwhile is not seen; writing is refused, nested too."""
    count = sa.select(sa.func.count()).select_from(orders)
    with acme.tx(read_only=True):
        assert acme.scalar(count) == 4
        acme_again = sqlite3.connect(str(acme._connections.database().path))
        acme_again.execute(
            "INSERT INTO shop_order VALUES ('acme', x'00000000000000000000000000009999', 1, 'late', 0)"
        )
        acme_again.commit()
        acme_again.close()
        assert acme.scalar(count) == 4
        for write in (
            lambda: acme.exec(sa.delete(orders)),
            lambda: acme.write(plan("DELETE FROM shop_order"), ()),
            lambda: acme.write_many(plan("DELETE FROM shop_order"), [()]),
        ):
            with pytest.raises(ReadOnlyTransaction):
                write()
        with acme.tx(), pytest.raises(ReadOnlyTransaction):
            acme.exec(sa.delete(orders))
    assert acme.scalar(count) == 5
    with acme.tx(), acme.tx(read_only=True), pytest.raises(ReadOnlyTransaction):
        acme.exec(sa.delete(orders))
    assert acme.exec(sa.delete(orders).where(orders.c.number == "late")) == 1


def test_raw_sql_does_not_write_while_reading(system: Executor) -> None:
    """Where the scope may write shared tables at all."""
    for sql in ("UPDATE shop_currency SET code = 'X'", "WITH x AS (SELECT 1) DELETE FROM shop_currency"):
        with system.tx(read_only=True), pytest.raises(ReadOnlyTransaction):
            system.exec(sql)
    assert system.scalar("SELECT code FROM shop_currency") == "EUR"


def test_scopes_that_interleave_keep_their_tenants(
    acme: Executor, globex: Executor, orders: sa.Table
) -> None:
    """Whichever scope is the current one, each executor serves its own."""
    numbers = sa.select(orders.c.number).order_by(orders.c.number)
    with acme._scope:
        assert globex.scalar(numbers) == "globex-0"
        assert current_scope() is acme._scope
        with pytest.raises(StatementRefused):
            globex.query("SELECT * FROM shop_order")
        assert current_scope() is acme._scope
        with globex._scope:
            mine, theirs = acme.stream(numbers, batch=1), globex.stream(numbers, batch=1)
            for number in range(3):
                assert next(mine)[0].number == f"acme-{number}"
                assert next(theirs)[0].number == f"globex-{number}"
                assert acme.scalar(numbers) == "acme-0"
                assert globex.scalar(numbers) == "globex-0"
            mine.close()
            theirs.close()
        assert acme.scalar(numbers) == "acme-0"
    assert current_scope_or_none() is None


def test_threads_keep_their_tenants(connections: ConnectionManager, tables: Tables, orders: sa.Table) -> None:
    """Eight threads on five connections; none sees another's rows, none waits for ever."""
    wrong: list[Any] = []
    statement = sa.select(orders.c.number)

    def work(tenant: str) -> None:
        for _ in range(20):
            try:
                with Scope(Bound(tenant), resolve=lambda *_: None) as scope:
                    rows = Executor(connections, scope, tables).query(statement)
                wrong.extend(row for row in rows if not row.number.startswith(tenant))
                if len(rows) != 4:
                    wrong.append(len(rows))
            except ConnectionsExhausted:
                continue
            except Exception as error:  # noqa: BLE001
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(("acme", "globex")[i % 2],)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_scope_may_not_change_its_tenant(acme: Executor, orders: sa.Table) -> None:
    """Neither inside a transaction nor between two statements."""
    acme.query(sa.select(orders.c.id))
    with pytest.raises(TenantChanged), acme.tx():  # noqa: PT012
        acme._scope.tenancy = Bound("globex")
        acme.exec(sa.delete(orders))
    for statement in (
        lambda: acme.query(sa.select(orders.c.id)),
        lambda: acme.fetch(plan("SELECT 1"), ()),
        lambda: acme.write(plan("SELECT 1"), ()),
        lambda: acme.tx().__enter__(),
    ):
        with pytest.raises(TenantChanged):
            statement()


def test_across_only_reads(open_executor: Callable[[Tenancy], Executor], orders: sa.Table) -> None:
    """The rows of all tenants, by another compiler; ``tests/tenancy/test_wall_across.py`` has the rest."""
    db = open_executor(Across("report"))
    for statement in (sa.insert(orders).values(number=1), sa.update(orders), sa.delete(orders)):
        with pytest.raises(AcrossOnlyReads):
            db.exec(statement)


def test_second_writer_waits_and_then_gives_up(acme: Executor, orders: sa.Table, path: Path) -> None:
    """A lock that another connection does not let go of is an error of its own."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for write in (
        lambda: acme.exec(sa.insert(orders).values(**order(1))),
        lambda: acme.tx().__enter__(),
        lambda: acme.bulk(sa.insert(orders), [order(1)]),
    ):
        with pytest.raises(DatabaseLocked) as caught:
            write()
        assert caught.value.status == 503
        assert isinstance(caught.value.__cause__, (sqlite3.OperationalError, sa.exc.OperationalError))
    assert not acme.in_transaction
    assert acme.scalar(sa.select(sa.func.count()).select_from(orders)) == 4
    other.execute("COMMIT")
    other.close()
    assert acme.exec(sa.insert(orders).values(**order(1))) == 1


def test_transaction_that_the_database_ends_is_lost_whole(
    acme: Executor, orders: sa.Table, stored: Any
) -> None:
    """Nothing after it is kept by itself, and the end says so."""
    said: list[str] = []
    with pytest.raises(TransactionLost), acme.tx():  # noqa: PT012
        acme.exec(sa.insert(orders).values(**order(1)))
        acme.on_rollback(lambda: said.append("undone"))
        acme._session._connection.execute("ROLLBACK")  # as SQLite does by itself when the disk is full
        with pytest.raises(UniqueViolation):
            acme.exec(sa.insert(orders).values(**{**order(2), "number": "acme-0"}))
        with pytest.raises(TransactionLost):
            acme.exec(sa.insert(orders).values(**order(3)))
        with pytest.raises(TransactionLost), acme.tx():
            pass
    assert said == ["undone"]
    assert new(stored) == []
    with acme.tx():
        acme.exec(sa.insert(orders).values(**order(4)))
    assert new(stored) == ["new-4"]


def test_closing_inside_a_transaction_undoes_it(
    acme: Executor, globex: Executor, orders: sa.Table, stored: Any
) -> None:
    """The body cannot then end as if it had been kept, and the connection holds no lock."""
    said: list[str] = []
    with pytest.raises(ScopeClosed), acme.tx():  # noqa: PT012
        acme.exec(sa.insert(orders).values(**order(1)))
        acme.on_rollback(lambda: said.append("undone"))
        acme.close()
    assert said == ["undone"]
    assert globex.exec(sa.insert(orders).values(**order(2))) == 1
    assert new(stored) == ["new-2"]


def test_closing_gives_the_connection_back_whatever_is_raised(
    acme: Executor, connections: ConnectionManager, orders: sa.Table
) -> None:
    """A callback that fails keeps neither the transactions around it open, nor the connection."""

    def fail() -> None:
        raise Undo

    outer, inner = acme.tx(), acme.tx()
    outer.__enter__()
    inner.__enter__()
    acme.exec(sa.insert(orders), order(1))
    acme.on_rollback(fail)
    with pytest.raises(Undo):
        acme.close()
    assert connections.in_use() == {}
    with pytest.raises(ScopeClosed):
        acme.query(sa.select(orders))


def test_statement_without_rows_gives_none(
    acme: Executor, orders: sa.Table, stored: Callable[..., list[Any]]
) -> None:
    """It was run, and that it returns nothing is no error behind it."""
    change = sa.update(orders).values(total=7)
    assert acme.query(change) == []
    assert acme.scalar(change.values(total=8)) is None
    assert {total for (total,) in stored("SELECT total FROM shop_order WHERE tenant_id = 'acme'")} == {8}


def test_stream_ends_with_its_scope(acme: Executor, orders: sa.Table) -> None:
    """A response that outlives its request gets no more rows."""
    batches = acme.stream(sa.select(orders.c.number), batch=1)
    next(batches)
    acme.close()
    with pytest.raises(ScopeClosed):
        next(batches)


def test_pool_is_bounded(
    connections: ConnectionManager, open_executor: Callable[[Tenancy], Executor]
) -> None:
    """One unit of work more than there are connections waits, and then gives up."""
    held = [open_executor(System("test")) for _ in range(6)]
    for executor in held[:5]:
        executor.scalar("SELECT 1")
    with pytest.raises(ConnectionsExhausted):
        held[5].scalar("SELECT 1")
    held[0].close()
    assert held[5].scalar("SELECT 1") == 1


def test_no_error_tells_values_not_even_in_its_chain(acme: Executor, orders: sa.Table) -> None:
    """What goes into the log of a failed request holds the statement, and none of its values."""
    failing: list[tuple[Any, Any]] = [
        (sa.insert(orders), {**order(1), "number": "canary", "total": object()}),
        (sa.select(orders.c.id).where(sa.func.missing(orders.c.number) == "canary"), None),
        ("SELECT :given FROM missing", {"given": "canary"}),
    ]
    for statement, values in failing:
        with pytest.raises(PrefiqError) as caught:
            acme.query(statement, values)
        assert caught.value.__cause__ is not None or caught.value.__context__ is not None
        error: BaseException | None = caught.value
        while error is not None:
            assert "canary" not in str(error)
            error = error.__cause__ or error.__context__
