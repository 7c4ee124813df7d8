"""A server that is killed in the middle of a migration's statement: started again, it is migrated to the same end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.own_server import OwnServer, own_server
from tests.servers import SERVERS
from tests.unit.migrations.kit import Workshop, model

from prefiq.errors import PrefiqError
from prefiq.lowcode import field
from prefiq.migrations import raw

ROWS = 40_000
HEAVY = ("ALTER TABLE shop_thing", "UPDATE shop_thing", "CREATE INDEX", "LOCK TABLE")


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    """One to be killed."""
    with own_server(request.param) as started:
        yield started


def prepared(server: OwnServer, folder: Path, number: int) -> Workshop:
    """A database of its own, with a table of many rows and a migration that takes its time."""
    folder.mkdir()
    root = server.database.connect()
    root.cursor().execute(f"CREATE DATABASE crash_{number}")
    root.close()
    workshop = Workshop(folder, replace(server.database, name=f"crash_{number}"))
    before: dict[str, Any] = {
        "name": (str, field(max_length=40)),
        "price": (Decimal, field(precision=8, scale=2)),
        "note": (str | None, field(default=None, max_length=40)),
    }
    workshop.declare("shop", model("Thing", before))
    workshop.make("shop")
    workshop.migrate()
    key, series = {
        "postgres": ("gen_random_uuid()", f"generate_series(1, {ROWS}) AS n"),
        "mariadb": ("unhex(md5(seq))", f"(SELECT seq, seq AS n FROM seq_1_to_{ROWS}) AS numbers"),
    }[workshop.engine]
    workshop.rows(
        "INSERT INTO shop_thing (tenant_id, id, version, name, price, note) "
        f"SELECT 'acme', {key}, 1, concat('row ', n), 1.25, NULL FROM {series}"
    )
    after: dict[str, Any] = {
        "name": (str, field(max_length=40, index=True)),
        "price": (Decimal, field(precision=12, scale=4)),
        "note": (str, field(default="?", max_length=40)),
        "size": (int, field(default=7)),
    }
    workshop.declare("shop", model("Thing", after))
    workshop.make("shop")
    return workshop


def without_steps(workshop: Workshop) -> dict[str, dict[str, str]]:
    return {name: parts for name, parts in workshop.state().items() if name != "prefiq_migration_step"}


def running(server: OwnServer, text: str) -> bool:
    """Whether the server is at the statement."""
    connection = server.database.connect()
    try:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT query FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
            if server.engine == "postgres"
            else "SELECT info FROM information_schema.processlist WHERE id <> connection_id()"
        )
        return any(text in str(found) for (found,) in cursor.fetchall())
    finally:
        connection.close()


@pytest.mark.full
def test_killed_in_a_statement_it_is_brought_to_the_same_end(
    server: OwnServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever statement it is: all rows are there, changed once, and the tables are the declared ones."""
    run = raw.run
    texts: list[str] = []
    ready = threading.Event()
    wanted_text = ""

    def watched(connection: Any, text: str) -> Any:
        if text.startswith(HEAVY):
            texts.append(text)
            if text == wanted_text:
                ready.set()
        return run(connection, text)

    monkeypatch.syspath_prepend(tmp_path / "0")
    undisturbed = prepared(server, tmp_path / "0", 0)
    monkeypatch.setattr(raw, "run", watched)
    undisturbed.migrate(allow_blocking=True)
    wanted, heavy = without_steps(undisturbed), list(dict.fromkeys(texts))
    assert len(heavy) >= 5
    for number, wanted_text in enumerate(heavy, start=1):
        folder = tmp_path / str(number)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setattr(raw, "run", run)
        workshop = prepared(server, folder, number)
        monkeypatch.setattr(raw, "run", watched)
        ready.clear()
        ended = threading.Event()

        def deploy(workshop: Workshop = workshop, ended: threading.Event = ended) -> None:
            try:
                workshop.migrate(allow_blocking=True)
            except PrefiqError:
                pass
            finally:
                ended.set()

        deployer = threading.Thread(target=deploy)
        deployer.start()
        assert ready.wait(60)
        while not ended.is_set() and not running(server, wanted_text[:60]):
            pass  # it is on its way
        server.kill()
        deployer.join()
        server.start()
        monkeypatch.setattr(raw, "run", run)
        workshop.migrate(allow_blocking=True)
        assert without_steps(workshop) == wanted, wanted_text
        assert workshop.drifted() == []
        query = "SELECT count(*), min(price), max(price), min(note), max(note), sum(size) FROM shop_thing"
        count, *rest, total = workshop.rows(query)[0]
        assert (count, *rest, int(total)) == (ROWS, Decimal("1.25"), Decimal("1.25"), "?", "?", 7 * ROWS)
        assert workshop.rows("SELECT number FROM prefiq_migration ORDER BY number") == [(1,), (2,)]
