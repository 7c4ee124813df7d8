"""What ``tests/own_server.py`` promises to the tests that break servers."""

from __future__ import annotations

import contextlib

import pytest
from tests.own_server import own_server
from tests.servers import SERVERS, Database

pytestmark = pytest.mark.slow


def ask(database: Database, statement: str) -> object:
    with contextlib.closing(database.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


@pytest.mark.parametrize("engine", SERVERS)
def test_it_is_there_again_after_it_was_killed_and_gone_at_the_end(engine: str) -> None:
    with own_server(engine) as server:
        ask(server.database, "CREATE TABLE thing (number INT)")
        ask(server.database, "INSERT INTO thing VALUES (7)")
        server.kill()
        with pytest.raises(Exception, match=r"(?i)refused"):
            server.database.connect()
        server.start()
        assert ask(server.database, "SELECT number FROM thing") == 7
        server.restart()
        assert ask(server.database, "SELECT number FROM thing") == 7

    assert not server.folder.exists()
    with pytest.raises(Exception, match=r"(?i)refused"):
        server.database.connect()


@pytest.mark.parametrize("engine", SERVERS)
def test_its_disk_can_be_full(engine: str) -> None:
    def fill() -> None:
        for _ in range(20):
            cursor.execute(f"INSERT INTO thing VALUES {rows}")

    rows = ", ".join(["(repeat('x', 4000))"] * 2000)
    with (
        own_server(engine, disk="160m") as server,
        contextlib.closing(server.database.connect()) as connection,
    ):
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE thing (content VARCHAR(4000))")
        with (
            server.full_disk(),
            pytest.raises(Exception, match=r"(?i)space|full|server closed|lost connection"),
        ):
            fill()

    assert not server.folder.exists()


def test_options_and_files_reach_it() -> None:
    settings = "-c", "timezone=Asia/Kathmandu", "-c", "max_connections=7"
    with own_server("postgres", *settings, files={"data/postgresql.auto.conf": "work_mem = '5MB'"}) as server:
        assert ask(server.database, "SHOW timezone") == "Asia/Kathmandu"
        assert ask(server.database, "SHOW max_connections") == "7"
        assert ask(server.database, "SHOW work_mem") == "5MB"
    with own_server("mariadb", "--max-connections=12") as server:
        assert ask(server.database, "SELECT @@max_connections") == 12
