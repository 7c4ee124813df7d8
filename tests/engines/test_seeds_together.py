"""Processes that start together run each seed once, however long it takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests import servers
from tests.servers import Database

from prefiq import Application, Entity, IDomain, ProviderBase, field
from prefiq.foundation.seeds import Seed
from prefiq.migrations import run_seeds
from prefiq.testing import make_application


class Word(Entity):
    """Something to know."""

    text: str = field(max_length=40, unique=True)


running, release = threading.Event(), threading.Event()


def slow(scope: Any, _: Any) -> None:
    """Write a row, and take longer than anybody waits for a lock."""
    scope[IDomain[Word]].save(Word(text="one"))
    running.set()
    assert release.wait(60)


class WordsProvider(ProviderBase):
    """Words, with one to begin with."""

    name = "words"
    models = (Word,)
    seeds = (Seed("words", 1, slow),)


@pytest.fixture
def database(engine: str, tmp_path: Path) -> Iterator[Database]:
    with servers.database(engine, folder=tmp_path) as made:
        yield made


@pytest.fixture
def app(database: Database, tmp_path: Path) -> Iterator[Application]:
    running.clear()
    release.clear()
    variables = {**database.variables(), "DB_BUSY_TIMEOUT": "0.2"}
    with make_application(tmp_path, modules=[WordsProvider], **variables) as app:
        yield app


def test_a_seed_that_another_runs_is_waited_for(app: Application) -> None:
    """The later one is not refused by the lock, does not run it again, and goes on when it is there."""
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(run_seeds, app, ["acme"])
        assert running.wait(20), first.result(1)
        second = pool.submit(run_seeds, app, ["acme"])
        done = threading.Event()
        second.add_done_callback(lambda _: done.set())
        assert not done.wait(1)  # five times as long as a lock is waited for
        release.set()
        assert [one.seed.name for one in first.result()] == ["words"]
        assert second.result() == []
    with app.scope("acme") as scope:
        assert len(scope[IDomain[Word]].list().items) == 1
