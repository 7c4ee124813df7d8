"""Who reads across tenants is stored first; where that cannot be done, nothing is read."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from prefiq import Actor, Application, Forbidden, IDomain, Tenant, ValidationFailed, call, run
from prefiq.application import application
from prefiq.application.across_audit import reads_across
from prefiq.testing import make_application

ADMIN = Actor("ada", ("prefiq.across",))


class NotStored(Exception):
    """What the database raises here."""


def read(app: Any, reason: str = "monthly report") -> int:
    with app.scope(across=reason, actor=ADMIN, request_id="r1") as scope:
        return int(scope[IDomain[Tenant]].count())


def test_it_is_stored_before_anything_is_read(tmp_path: Path) -> None:
    """Committed when the scope is given: another connection sees who, when and why."""
    with make_application(tmp_path) as app:
        scope = app.scope(across="monthly report", actor=ADMIN, request_id="r1")
        (entry,) = reads_across(app)
        scope.close()
        assert (entry.operator, entry.reason, entry.details) == (
            "ada",
            "monthly report",
            {"request_id": "r1"},
        )
        assert read(app) == 2
        assert len(reads_across(app)) == 2
        with pytest.raises(Forbidden):
            app.scope(across="curiosity", actor=Actor("eve", ("projects.*",)))
        assert len(reads_across(app)) == 2
        assert app.tenants.life("*") == []


@pytest.mark.parametrize("reason", [" ", "x" * 501])
def test_without_a_reason_that_can_be_stored(tmp_path: Path, reason: str) -> None:
    """Empty or too long: the field is named, and no scope is given."""
    with make_application(tmp_path) as app:
        with pytest.raises(ValidationFailed) as raised:
            read(app, reason)
        assert [error.field for error in raised.value.errors] == ["reason"]
        assert reads_across(app) == []


def test_what_cannot_be_stored_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error arrives in place of a scope."""

    def refuse(*_: object) -> None:
        raise NotStored

    with make_application(tmp_path) as app:
        monkeypatch.setattr(application, "record_reading", refuse)
        with pytest.raises(NotStored):
            app.scope(across="monthly report", actor=ADMIN)


def test_with_one_tenant(tmp_path: Path) -> None:
    """The same record."""
    with make_application(tmp_path, tenancy="single") as app:
        app.scope(across="monthly report", actor=ADMIN).close()
        assert [entry.operator for entry in reads_across(app)] == ["ada"]


def test_in_a_coroutine_it_is_stored_when_the_scope_is_entered(tmp_path: Path) -> None:
    """Only entering can wait for the database there; before, the scope gives nothing."""

    def settings() -> Any:
        with make_application(tmp_path, db_mode="async", db_path="one.db") as app:
            return app.settings

    made = run(settings)

    async def main() -> None:
        async with Application.prepare(made) as app:
            scope = app.scope(across="monthly report", actor=ADMIN)
            with pytest.raises(RuntimeError):
                scope[IDomain[Tenant]]
            assert await call(reads_across, app) == []
            async with scope:
                assert len(await call(reads_across, app)) == 1
                assert await call(scope[IDomain[Tenant]].count) == 2

    asyncio.run(main())
