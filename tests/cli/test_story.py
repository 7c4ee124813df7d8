"""The story of ``prefiq try`` on every engine and in both modes: what its users see is the same on all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.servers import Database

from prefiq.cli.installed import installed_modules
from prefiq.cli.listening import listen
from prefiq.cli.session import Session
from prefiq.cli.trial.application import fill, make, modules_to_try
from prefiq.cli.trial.telling import tell
from prefiq.foundation.seeds import NoProgress

pytestmark = pytest.mark.slow


def test_the_whole_story_is_true(database: Database, tmp_path: Path) -> None:
    """Migrations, seeds and thirty-two steps over HTTP; only the settings differ."""
    app = make(
        tmp_path / "try",
        modules_to_try(installed_modules()),
        {"LOG_LEVEL": "ERROR", **database.variables()},
    )
    assert (app.settings.database.engine, app.settings.database.mode) == (database.engine, database.mode)
    trial = fill(app, NoProgress(), lambda _: None)
    with listen("127.0.0.1", 0) as bound:
        told = list(tell(trial, bound, Session()))
    assert [(step.name, step.differs) for step in told if step.differs] == []
    assert len(told) == 32
