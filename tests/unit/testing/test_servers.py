"""What ``tests/servers.py`` promises to every other test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests import servers
from tests.servers import ENGINES, SERVERS, Database

ROOT = Path(__file__).resolve().parents[3]


def run(database: Database, statement: str) -> list[tuple[object, ...]]:
    connection = database.connect()
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def test_a_database_is_empty_and_can_be_written(database: Database) -> None:
    run(database, "CREATE TABLE thing (name VARCHAR(20))")
    run(database, "INSERT INTO thing VALUES ('é')")

    assert run(database, "SELECT name FROM thing") == [("é",)]


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_of_one_test_is_left_for_the_next(engine: str) -> None:
    for _ in range(3):
        with servers.database(engine) as made:
            run(made, "CREATE TABLE thing (name VARCHAR(20))")


@pytest.mark.parametrize("engine", SERVERS)
def test_what_a_test_left_connected_is_cut_off(engine: str) -> None:
    with servers.database(engine) as made:
        left = made.connect()
        cursor = left.cursor()
        cursor.execute("CREATE TABLE thing (name VARCHAR(20))")
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM thing")

    with pytest.raises(Exception, match=r"(?i)lost connection|terminat|gone away|Broken pipe"):
        cursor.execute("SELECT 1")


@pytest.mark.parametrize("engine", SERVERS)
def test_two_databases_at_once_are_two(engine: str) -> None:
    with servers.database(engine) as one, servers.database(engine) as other:
        run(one, "CREATE TABLE thing (name VARCHAR(20))")
        run(other, "CREATE TABLE thing (name VARCHAR(20))")
        assert one.name != other.name


@pytest.mark.parametrize("engine", SERVERS)
def test_what_a_killed_run_left_is_dropped_when_it_is_old(engine: str) -> None:
    administrator = servers.administrator(engine)
    with administrator.cursor() as cursor:
        cursor.execute("CREATE DATABASE prefiq_test_5f000000_1_1")

    servers._drop_left_over(engine)

    names = "SELECT datname FROM pg_database" if engine == "postgres" else "SHOW DATABASES"
    with administrator.cursor() as cursor:
        cursor.execute(names)
        assert ("prefiq_test_5f000000_1_1",) not in cursor.fetchall()


@pytest.mark.parametrize(
    ("required", "outcome", "code"),
    [("", "1 skipped", 0), ("all", "1 failed", 1), ("mariadb", "1 skipped", 0)],
)
def test_a_server_that_is_down_skips_its_tests_or_fails_them(required: str, outcome: str, code: int) -> None:
    name = f"{Path(__file__).relative_to(ROOT)}::test_two_databases_at_once_are_two[postgres]"
    nowhere = {"PREFIQ_TEST_POSTGRES": "postgresql://127.0.0.1:1/x", "PREFIQ_REQUIRE_ENGINES": required}
    with pytest.MonkeyPatch.context() as patch:
        for key, value in nowhere.items():
            patch.setenv(key, value)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:randomly", name],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    assert (done.returncode, outcome in done.stdout) == (code, True), done.stdout
    assert "PostgreSQL at 127.0.0.1:1 cannot be reached" in done.stdout
