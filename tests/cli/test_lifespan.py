"""``OpenedByServer``: what happens between a server's start and its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.servers import SERVERS, Database

from prefiq.application import Application
from prefiq.bridge import in_bridge
from prefiq.cli.lifespan import OpenedByServer
from prefiq.cli.session import Session
from prefiq.settings import Settings
from prefiq.web import create_asgi

MODES = pytest.mark.parametrize("mode", ["sync", "async"])


def lived(served: OpenedByServer, meanwhile: Callable[[], object] = lambda: None) -> list[str]:
    """Start and end a server; what the app answered to it.

    Args:
        served: The app.
        meanwhile: Called between the two.
    """
    told: list[str] = []

    async def main() -> None:
        asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        started = asyncio.Event()

        async def send(message: Any) -> None:
            told.append(message["type"])
            started.set()

        await asked.put({"type": "lifespan.startup"})
        life = asyncio.create_task(served({"type": "lifespan"}, asked.get, send))
        await started.wait()
        meanwhile()
        await asked.put({"type": "lifespan.shutdown"})
        await life

    asyncio.run(main())
    return told


@MODES
def test_the_server_opens_and_closes_the_application(tmp_path: Path, mode: str) -> None:
    """In this order, and in the bridge with DB_MODE=async; what prepares it may use the database."""
    seen: list[tuple[str, bool]] = []

    class Watched(Application):
        def open(self) -> Any:
            seen.append(("open", in_bridge()))
            return super().open()

        def close(self) -> None:
            seen.append(("close", in_bridge()))
            super().close()

    app = Watched.prepare(Settings.for_test(tmp_path, db_mode=mode, db_name=":memory:"))
    served = OpenedByServer(app, Session(), create_asgi, lambda _: seen.append(("prepare", in_bridge())))
    assert seen == []
    assert lived(served) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert seen == [(step, mode == "async") for step in ("open", "prepare", "close")]


@MODES
def test_a_start_that_fails_is_told_once_and_leaves_nothing_open(
    tmp_path: Path, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One block for people, a word for the server, and the application is closed."""
    from prefiq.sql.errors import ServerDatabaseMissing

    closed: list[int] = []

    class Watched(Application):
        def close(self) -> None:
            closed.append(1)
            super().close()

    def prepare(_: Application) -> None:
        raise ServerDatabaseMissing

    app = Watched.prepare(Settings.for_test(tmp_path, db_mode=mode, db_name=":memory:"))
    assert lived(OpenedByServer(app, Session(), create_asgi, prepare)) == ["lifespan.startup.failed"]
    assert closed == [1]
    told = capsys.readouterr().err
    assert told.startswith("Error: The server has no database of this name")
    assert "Traceback" not in told


@pytest.mark.parametrize("engine", SERVERS, scope="session")
def test_pools_are_warm_before_the_first_request(database: Database, tmp_path: Path) -> None:
    """DB_POOL_WARMUP opens as many connections as the pool holds, on the loop that serves."""
    variables = {**database.variables(), "DB_POOL_SIZE": "3", "DB_POOL_WARMUP": "true"}
    app = Application.prepare(Settings.for_test(tmp_path, **variables))
    connected: list[int] = []
    sql = {
        "postgres": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
        "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE db = database()",
    }[database.engine]

    with database.connect() as looking:

        def count() -> None:
            cursor = looking.cursor()
            cursor.execute(sql)
            connected.append(cursor.fetchone()[0] - 1)  # but for this one
            cursor.close()

        lived(OpenedByServer(app, Session(), create_asgi), count)
    assert connected == [3]


@MODES
def test_a_database_that_is_away_does_not_keep_the_server_from_starting(
    tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It may come a moment later; until then the server is not ready."""
    variables = {
        "DB_ENGINE": "postgres",
        "DB_NAME": "x",
        "DB_PORT": 9,
        "DB_POOL_WARMUP": True,
        "DB_MODE": mode,
    }
    app = Application.prepare(Settings.for_test(tmp_path, **variables))
    with caplog.at_level(logging.WARNING, "prefiq"):
        told = lived(OpenedByServer(app, Session(), create_asgi))
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert "connections cannot be opened yet" in caplog.text
