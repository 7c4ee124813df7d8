"""Migrations on SQLite files: what ALTER cannot say, crashes in the middle, two processes, drift."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.engines.migration_models import NAME, shop
from tests.unit.migrations.kit import Workshop, model

from prefiq.lowcode import field
from prefiq.migrations import apply, plan, sql, status
from prefiq.migrations.errors import (
    MigrationLocked,
)


@pytest.fixture(scope="session", params=["sqlite"])
def engine(request: pytest.FixtureRequest) -> str:
    """SQLite alone."""
    name: str = request.param
    return name


def file_of(workshop: Workshop) -> Path:
    assert workshop.at.path is not None
    return workshop.at.path


def values(workshop: Workshop, column: str) -> list[Any]:
    return [row[0] for row in workshop.rows(f"SELECT {column} FROM shop_thing ORDER BY id")]


def test_unlimited_text_becomes_a_bounded_string(workshop: Workshop) -> None:
    """SQLite stores both alike, so that nothing but the check happens."""
    shop(workshop, {"name": (str, field(text=True))})
    workshop.insert("shop_thing", name="a")
    shop(workshop, NAME)
    assert values(workshop, "name") == ["a"]
    assert workshop.drifted() == []


def test_references_are_watched_again_afterwards(workshop: Workshop) -> None:
    """The connection is left as it was found."""
    workshop.declare("shop", model("Thing", NAME))
    workshop.make("shop")
    with workshop.connect() as connection:
        raw: Any = connection.connection.driver_connection
        before = raw.execute("PRAGMA busy_timeout").fetchone()
        apply(plan(workshop.parts, connection), connection)
        assert raw.execute("PRAGMA foreign_keys").fetchone() == (1,)
        assert raw.execute("PRAGMA busy_timeout").fetchone() == before
        assert not raw.in_transaction


def test_waiting_for_another_writer_is_bounded(workshop: Workshop) -> None:
    """A lock that is not given back in time is an error, and nothing was changed."""
    workshop.declare("shop", model("Thing", NAME))
    workshop.make("shop")
    holder = sqlite3.connect(file_of(workshop), isolation_level=None)
    with workshop.connect() as connection:
        planned = plan(workshop.parts, connection)
        holder.execute("BEGIN IMMEDIATE")
        waited: list[float] = []
        try:
            with pytest.raises(MigrationLocked, match=r"locked by another process for 0\.3 seconds"):
                apply(planned, connection, wait=0.3, sleep=waited.append)
        finally:
            holder.close()
        assert waited
        assert apply(planned, connection) != []


def test_looking_does_not_need_the_lock(workshop: Workshop) -> None:
    """``plan`` and ``status`` answer while somebody else writes."""
    shop(workshop, NAME)
    holder = sqlite3.connect(file_of(workshop), isolation_level=None)
    with workshop.connect() as connection:
        holder.execute("BEGIN IMMEDIATE")
        try:
            assert plan(workshop.parts, connection).pending == ()
            assert status(workshop.parts, connection)[0].applied == ("0001_initial",)
        finally:
            holder.close()


def test_several_changes_of_a_table_copy_its_rows_once(workshop: Workshop) -> None:
    """Added, altered and dropped columns of one table are one new table."""
    shop(workshop, NAME | {"price": (Decimal, field(precision=8, scale=2)), "old": int})
    workshop.insert("shop_thing", name="a", price=100, old=1)
    changed = {"price": (Decimal, field(precision=9, scale=3)), "new": (int, field(default=4))}
    workshop.declare("shop", model("Thing", NAME | changed | {"note": (str | None, field(default=None))}))
    workshop.make("shop")
    with workshop.connect() as connection:
        text = sql(plan(workshop.parts, connection), "sqlite")
    assert text.count("INSERT INTO prefiq_new_shop_thing") == 1
    workshop.migrate()
    assert workshop.rows("SELECT name, price, new, note FROM shop_thing") == [("a", 1000, 4, None)]
    assert workshop.drifted() == []


KILLED = """
import os, signal, sys
from pathlib import Path

root, stem, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sys.path.insert(0, str(root))
from prefiq.lowcode import Catalog
from prefiq.migrations import ModulePart, apply, plan, raw
from prefiq.sql.connection_manager import ConnectionManager, DatabaseConfig
from prefiq.sql.tables import Tables

count = 0
run = raw.run

def counted(connection, text):
    global count
    if "prefiq_migration" not in text or text.startswith("INSERT"):
        count += 1
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(connection, text)

raw.run = counted
parts = [ModulePart("shop", stem + "_shop.migrations")]
manager = ConnectionManager([DatabaseConfig(path=root / "test.db")], Tables(Catalog([])))
with manager.schema_connection() as connection:
    print(len(apply(plan(parts, connection), connection)))
"""


@pytest.mark.full
def test_killed_process_leaves_all_or_nothing(workshop: Workshop) -> None:
    """Killed before each of its statements in turn, a migration is there whole with its row, or not at all."""
    shop(workshop, {"code": (str, field(unique=True)), "name": str})
    for number in range(20):
        workshop.insert("shop_thing", code=f"c{number}", name="x")
    workshop.declare(
        "shop",
        model("Thing", {"code": (str, field(max_length=9, unique=True)), "size": (int, field(default=1))}),
    )
    workshop.make("shop")
    script = workshop.root / "killed.py"
    script.write_text(KILLED, encoding="utf-8")
    original = file_of(workshop).read_bytes()
    schema = workshop.rows("SELECT sql FROM sqlite_master WHERE tbl_name = 'shop_thing' ORDER BY name")
    kills = 0
    for at in range(1, 100):
        for suffix in ("-wal", "-shm"):
            Path(f"{file_of(workshop)}{suffix}").unlink(missing_ok=True)
        file_of(workshop).write_bytes(original)
        ended = subprocess.run(
            [sys.executable, str(script), str(workshop.root), workshop.stem, str(at)],
            check=False,
            capture_output=True,
            text=True,
        )
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        kills += 1
        assert workshop.rows("SELECT count(*) FROM prefiq_migration") == [(1,)]
        now_there = workshop.rows("SELECT sql FROM sqlite_master WHERE tbl_name = 'shop_thing' ORDER BY name")
        assert now_there == schema
        assert workshop.rows("SELECT count(*) FROM shop_thing WHERE name = 'x'") == [(20,)]
    assert kills > 7
    assert workshop.rows("SELECT count(*) FROM prefiq_migration") == [(2,)]
    assert workshop.rows("SELECT count(*) FROM shop_thing WHERE size = 1") == [(20,)]
    assert workshop.drifted() == []


@pytest.mark.full
def test_two_processes_at_once_apply_everything_once(workshop: Workshop) -> None:
    """Two deployers in processes of their own both end well, and each statement ran in one of them."""
    fields = dict(NAME)
    for number in range(6):
        fields[f"extra_{number}"] = (int, field(default=number))
        workshop.declare("shop", model("Thing", dict(fields)))
        workshop.make("shop")
    script = workshop.root / "deploy.py"
    script.write_text(KILLED, encoding="utf-8")
    command = [sys.executable, str(script), str(workshop.root), workshop.stem, "-1"]
    deployers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    ended = [deployer.communicate(timeout=120) for deployer in deployers]
    assert [deployer.returncode for deployer in deployers] == [0, 0], ended
    assert workshop.rows("SELECT number FROM prefiq_migration ORDER BY number") == [(n,) for n in range(1, 7)]
    assert sum(int(applied) for applied, _ in ended) == 6
    assert workshop.drifted() == []


class TestDrift:
    @pytest.mark.parametrize(
        ("by_hand", "difference"),
        [
            ("ALTER TABLE shop_thing ADD COLUMN more TEXT", "column more was added"),
            ("DROP INDEX ix_shop_thing_name", "index ix_shop_thing_name is missing"),
            (
                "CREATE TRIGGER watch AFTER INSERT ON shop_thing BEGIN SELECT 1; END",
                "trigger watch was added",
            ),
            ("ALTER TABLE shop_thing RENAME COLUMN name TO title", "column name is missing"),
            ("DROP TABLE shop_thing", "it is missing"),
        ],
    )
    def test_change_by_hand_is_found(self, workshop: Workshop, by_hand: str, difference: str) -> None:
        """What somebody changed past the migrations is told table by table."""
        shop(workshop, {"name": (str, field(index=True))})
        assert workshop.drifted() == []
        workshop.rows(by_hand)
        found = workshop.drifted()
        assert len(found) == 1
        assert difference in found[0]

    @pytest.mark.parametrize(
        ("replacement", "difference"),
        [
            (("name TEXT NOT NULL", "name TEXT"), "column name is TEXT in place of TEXT NOT NULL"),
            (("name TEXT NOT NULL", "name TEXT NOT NULL CHECK (name <> '')"), "clause CHECK ( was added"),
            (("name TEXT NOT NULL", "name TEXT COLLATE NOCASE NOT NULL"), "clause COLLATE NOCASE was added"),
            (
                ("name TEXT NOT NULL", "name TEXT DEFAULT 'x' NOT NULL"),
                "TEXT NOT NULL DEFAULT 'x' in place of",
            ),
        ],
    )
    def test_other_table_under_the_name_is_found(
        self, workshop: Workshop, replacement: tuple[str, str], difference: str
    ) -> None:
        """Nullability, defaults, checks and collations count."""
        shop(workshop, NAME)
        (text,) = workshop.rows("SELECT sql FROM sqlite_master WHERE name = 'shop_thing'")[0]
        workshop.rows("DROP TABLE shop_thing")
        workshop.rows(text.replace(*replacement))
        assert difference in workshop.drifted()[0]


def test_printed_statements_make_a_new_database(workshop: Workshop) -> None:
    """They begin with the tables of the history, and references are not watched on the way."""
    shop(workshop, NAME | {"code": (str, field(unique=True))})
    workshop.declare("shop", model("Thing", {"name": (str, field(max_length=30))}))
    workshop.make("shop")
    file_of(workshop).unlink()
    script = sqlite3.connect(file_of(workshop), isolation_level=None)
    script.execute("PRAGMA foreign_keys = ON")
    script.executescript(sql(plan(workshop.parts), "sqlite"))
    script.close()
    assert workshop.rows("SELECT name FROM prefiq_migration ORDER BY number") == [
        ("0001_initial",),
        ("0002_drop_uq_shop_thing_code_and_more",),
    ]
    assert workshop.migrate() == []
    assert workshop.drifted() == []
