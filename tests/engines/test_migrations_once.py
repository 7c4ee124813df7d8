"""Once, in order, by one of several: history, locks, two deployers; the same on every engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.engines.migration_models import NAME, shop
from tests.unit.migrations.kit import Workshop, model

from prefiq.errors import Faults
from prefiq.lowcode import field
from prefiq.migrations import apply, check, plan, status
from prefiq.migrations.errors import EditedMigration, MigrationLocked


def test_second_run_has_nothing_to_do(workshop: Workshop) -> None:
    """Applying is idempotent; ``check`` is content afterwards and not before."""
    workshop.declare("shop", model("Thing", NAME))
    workshop.make("shop")
    with workshop.connect() as connection:
        with pytest.raises(Faults) as caught:
            check(workshop.parts, connection)
        assert [str(fault) for fault in caught.value.exceptions] == [
            "1 migration is not applied: 0001_initial (module shop) [PFQ618]\n  Try: run prefiq run migrate"
        ]
        first = apply(plan(workshop.parts, connection), connection)
        assert [done.loaded.title for done in first] == ["shop 0001_initial"]
        assert apply(plan(workshop.parts, connection), connection) == []
        check(workshop.parts, connection)
        (at,) = status(workshop.parts, connection)
        assert (at.applied, at.pending, at.begun) == (("0001_initial",), (), ())


def test_history_says_what_when_and_how_long(workshop: Workshop) -> None:
    """Each migration has a row with its checksum, time and duration, readable alike on every engine."""
    workshop.declare("shop", model("Thing", NAME))
    workshop.make("shop")
    workshop.migrate(clock=lambda: datetime(2026, 5, 1, tzinfo=UTC))
    query = "SELECT module, number, name, length(checksum), applied_at, phase FROM prefiq_migration"
    assert workshop.rows(query) == [("shop", 1, "0001_initial", 64, "2026-05-01T00:00:00+00:00", "expand")]
    assert 0 < workshop.rows("SELECT duration FROM prefiq_migration")[0][0] < 60


def test_file_that_was_edited_meanwhile_is_told(workshop: Workshop) -> None:
    """Another process applied a file of the same number that says something else."""
    workshop.declare("shop", model("Thing", NAME))
    workshop.make("shop")
    with workshop.connect() as connection:
        planned = plan(workshop.parts, connection)
    workshop.migrate()
    workshop.rows("UPDATE prefiq_migration SET checksum = 'other'")
    with workshop.connect() as connection, pytest.raises(EditedMigration):
        apply(planned, connection)


def test_two_deployers_apply_each_migration_once(workshop: Workshop) -> None:
    """Two that planned the same work at once: each migration is applied by one of them, and both succeed."""
    fields = dict(NAME)
    workshop.declare("shop", model("Thing", fields))
    workshop.make("shop")
    for number in range(6):
        fields[f"extra_{number}"] = (int, field(default=number, index=True))
        workshop.declare("shop", model("Thing", dict(fields)))
        workshop.make("shop")
    done: list[str] = []
    problems: list[BaseException] = []
    ready = threading.Barrier(2, timeout=30)

    def deploy() -> None:
        try:
            with workshop.connect() as connection:
                planned = plan(workshop.parts, connection)
                ready.wait()
                done.extend(one.loaded.label for one in apply(planned, connection))
        except BaseException as error:  # noqa: BLE001
            problems.append(error)

    threads = [threading.Thread(target=deploy) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(done) == len(set(done)) == 7
    assert workshop.drifted() == []


def test_waiting_for_another_deployer_is_bounded(workshop: Workshop) -> None:
    """A lock that is not given back in time is an error, and nothing was changed."""
    workshop.declare("shop", model("Thing", NAME))
    workshop.make("shop")
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        from prefiq.migrations.execution import Site

        with workshop.connect() as connection:
            Site(connection).exclusively(lambda: inside.set() or leave.wait(30))

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(30)
    waited: list[float] = []
    try:
        with workshop.connect() as connection:
            planned = plan(workshop.parts, connection)  # looking needs no lock
            with pytest.raises(MigrationLocked, match=r"locked by another process for 0\.3 seconds"):
                apply(
                    planned,
                    connection,
                    wait=0.3,
                    sleep=lambda seconds: waited.append(seconds) or time.sleep(seconds),
                )
    finally:
        leave.set()
        holder.join()
    assert waited
    assert [done.loaded.label for done in workshop.migrate()] == ["0001_initial"]


@contextmanager
def reader(workshop: Workshop, table: str) -> Iterator[Any]:
    """A transaction that has read a table and goes on."""
    connection = workshop.at.connect()
    try:
        cursor = connection.cursor()
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT * FROM {table}")
        cursor.fetchall()
        yield cursor
        cursor.execute("COMMIT")
    finally:
        connection.close()


@pytest.mark.parametrize("engine", ["postgres", "mariadb"], scope="session")
class TestLiveReaders:
    """A change of a table waits for those who read it; nobody else has to wait long for that."""

    def test_migration_waits_for_a_reader_and_goes_on(self, workshop: Workshop) -> None:
        """It tries again until the reader is done, and is applied once."""
        shop(workshop, NAME)
        workshop.declare("shop", model("Thing", NAME | {"size": (int | None, field(default=None))}))
        workshop.make("shop")
        with reader(workshop, "shop_thing") as cursor:
            attempts: list[float] = []

            def pause(seconds: float) -> None:
                attempts.append(seconds)
                if len(attempts) == 2:
                    cursor.execute("COMMIT")

            with workshop.connect() as connection:
                apply(plan(workshop.parts, connection), connection, sleep=pause)
        assert len(attempts) == 2
        assert workshop.drifted() == []
        assert workshop.rows("SELECT count(*) FROM prefiq_migration") == [(2,)]

    def test_waiting_ends_and_leaves_nothing_behind(self, workshop: Workshop) -> None:
        """The reader wins; the next attempt finds everything as if there had been none."""
        shop(workshop, NAME)
        workshop.declare("shop", model("Thing", NAME | {"size": (int | None, field(default=None))}))
        workshop.make("shop")
        with reader(workshop, "shop_thing"), pytest.raises(MigrationLocked):
            workshop.migrate(wait=0.5)
        workshop.migrate()
        assert workshop.drifted() == []

    def test_other_readers_wait_no_longer_than_one_attempt(self, workshop: Workshop) -> None:
        """They stand in line behind the change for a moment only, while the first reader stays for long."""
        shop(workshop, NAME)
        workshop.declare("shop", model("Thing", NAME | {"size": (int | None, field(default=None))}))
        workshop.make("shop")
        ends, longest = threading.Event(), 0.0
        with reader(workshop, "shop_thing"):
            deployer = threading.Thread(target=lambda: _fails(workshop, 3.0, ends))
            deployer.start()
            connection = workshop.at.connect()
            cursor = connection.cursor()
            while not ends.is_set():
                started = time.perf_counter()
                cursor.execute("SELECT * FROM shop_thing")
                longest = max(longest, time.perf_counter() - started)
            connection.close()
            deployer.join()
        assert longest < {"postgres": 0.6, "mariadb": 1.8}[workshop.engine]


def _fails(workshop: Workshop, wait: float, ends: threading.Event) -> None:
    try:
        with pytest.raises(MigrationLocked):
            workshop.migrate(wait=wait)
    finally:
        ends.set()
