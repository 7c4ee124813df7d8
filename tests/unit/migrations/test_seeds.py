"""Seeds run once for each tenant and version, whole or not at all, and keep what a tenant has changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prefiq.application import Application
from prefiq.contracts import Actor, IDomain, IDomainService, Page, Scope
from prefiq.errors import Faults
from prefiq.foundation.entity import Entity
from prefiq.foundation.seeds import NoProgress, Progress, Seed, SeedRecord, upsert_missing
from prefiq.lowcode import ModelMeta, field
from prefiq.migrations import pending_seeds, run_seeds
from prefiq.plugins import ProviderBase
from prefiq.testing.applications import make_application


class Colour(Entity):
    """A colour."""

    code: str = field(max_length=9, unique=True)
    name: str

    meta = ModelMeta(order_by="code", soft_delete=True)


ROWS = {"r": "red", "g": "green", "b": "blue"}


class Runs:
    """What seeds did, and what they shall do; fresh for each test."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.rows = dict(ROWS)
        self.fail_for = ""


RUNS = Runs()


def seed_colours(scope: Scope, progress: Progress) -> None:
    RUNS.log.append(f"colours {scope.tenant}")
    progress.start("colours", len(RUNS.rows))
    rows = [Colour(code=code, name=name) for code, name in RUNS.rows.items()]
    upsert_missing(scope[IDomainService[Colour]], rows, progress=progress, batch=2)
    if RUNS.fail_for == scope.tenant:
        raise ValueError("secret")


def seed_more(scope: Scope, progress: Progress) -> None:
    RUNS.log.append(f"more {scope.tenant}")
    del progress


class ColoursProvider(ProviderBase):
    models = (Colour,)
    seeds: Any = (Seed("colours", 1, seed_colours), Seed("more", 1, seed_more))


class Later(ColoursProvider):
    """The same module in a later version."""

    name = "colours"
    seeds: Any = (Seed("colours", 2, seed_colours), Seed("more", 1, seed_more))


@pytest.fixture(autouse=True)
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setattr(f"{__name__}.RUNS", Runs())
    return RUNS


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    with make_application(tmp_path, modules=[ColoursProvider]) as app:
        yield app


def colours(app: Application, tenant: str = "acme") -> dict[str, str]:
    with app.scope(tenant, as_system="test") as scope:
        return {one.code: one.name for one in scope[IDomain[Colour]].list(Page(limit=99)).items}


def titles(done: Any) -> list[str]:
    return [f"{one.tenant} {one.module}.{one.seed.name} {one.seed.version}" for one in done]


def upgraded(app: Application) -> Application:
    """The same database under the module's later version."""
    return Application.boot(app.settings, modules=[Later])


def test_every_tenant_gets_its_rows_once(app: Application) -> None:
    """In the order of declaration, with a record of each; a second run does nothing."""
    assert titles(run_seeds(app, ["acme", "globex"])) == [
        "acme colours.colours 1",
        "acme colours.more 1",
        "globex colours.colours 1",
        "globex colours.more 1",
    ]
    assert colours(app) == colours(app, "globex") == ROWS
    assert run_seeds(app, ["acme", "globex"]) == []
    assert RUNS.log == ["colours acme", "more acme", "colours globex", "more globex"]
    with app.scope("acme", as_system="test") as scope:
        records = scope[IDomain[SeedRecord]].list(Page(limit=9)).items
    assert [(one.module, one.name, one.seed_version) for one in records] == [
        ("colours", "colours", 1),
        ("colours", "more", 1),
    ]


def test_new_tenant_is_told_as_pending(app: Application) -> None:
    """``pending_seeds`` looks without running."""
    run_seeds(app, ["acme"])
    assert titles(pending_seeds(app, ["acme", "globex"])) == [
        "globex colours.colours 1",
        "globex colours.more 1",
    ]
    assert RUNS.log == ["colours acme", "more acme"]


def test_upgrade_keeps_what_the_tenant_changed(app: Application) -> None:
    """A renamed row keeps its name, an own row stays, a deleted one stays deleted, a new one comes."""
    run_seeds(app, ["acme"])
    with app.scope("acme", Actor("a", ("*",))) as scope:
        service = scope[IDomainService[Colour]]
        by_code = {one.code: one for one in service.list(Page(limit=9)).items}
        by_code["r"].name = "ruby"
        service.update(by_code["r"])
        service.delete(by_code["g"].id)
        service.create(Colour(code="own", name="own"))
    RUNS.rows |= {"w": "white", "r": "rouge"}
    with upgraded(app) as later:
        assert titles(run_seeds(later, ["acme"])) == ["acme colours.colours 2"]
        assert colours(later) == {"r": "ruby", "b": "blue", "own": "own", "w": "white"}
        assert run_seeds(later, ["acme"]) == []


def test_failing_seed_leaves_nothing_and_others_go_on(app: Application) -> None:
    """Its rows are gone with its record; the tenant's later seeds wait, other tenants are served."""
    RUNS.fail_for = "acme"
    with pytest.raises(Faults) as caught:
        run_seeds(app, ["acme", "globex"])
    assert [str(fault) for fault in caught.value.exceptions] == [
        (
            "The seed colours failed (ValueError); nothing of it was kept (module colours, tenant acme) [PFQ630]\n"
            "  Try: look at the cause, then run the seeds again: what is done is not done twice"
        )
    ]
    assert isinstance(caught.value.exceptions[0].__cause__, ValueError)
    assert colours(app) == {}
    assert colours(app, "globex") == ROWS
    RUNS.fail_for = ""
    assert titles(run_seeds(app, ["acme", "globex"])) == ["acme colours.colours 1", "acme colours.more 1"]


def test_seed_that_ran_meanwhile_is_not_run_again(app: Application) -> None:
    """Between looking and running another process may have done it: the record inside the transaction decides."""
    from prefiq.migrations import seeds

    (first, *_) = pending_seeds(app, ["acme"])
    run_seeds(app, ["acme"])
    assert seeds._run(app, first, NoProgress()) is False
    assert RUNS.log == ["colours acme", "more acme"]


def test_rows_pass_the_service(app: Application, tmp_path: Path) -> None:
    """Seeds write like everybody: with history, as the system."""
    run_seeds(app, ["acme"])
    (database,) = (
        tmp_path.glob("**/*.sqlite*") if not app.settings.database.path else [app.settings.database.path]
    )
    connection = sqlite3.connect(database)
    rows = connection.execute(
        "SELECT actor, action, count(*) FROM prefiq_history_entry WHERE model = 'colours.Colour' GROUP BY 1, 2"
    ).fetchall()
    connection.close()
    assert rows == [("system", "created", 3)]


def test_progress_is_told(app: Application) -> None:
    """How many rows there are and how many are done."""

    class Told:
        def __init__(self) -> None:
            self.started: list[tuple[str, int | None]] = []
            self.done = 0

        def start(self, title: str, total: int | None = None) -> None:
            self.started.append((title, total))

        def advance(self, count: int = 1) -> None:
            self.done += count

    told = Told()
    run_seeds(app, ["acme"], told)
    assert (told.started, told.done) == ([("colours", 3)], 3)


@pytest.mark.parametrize(
    ("seeds", "what"),
    [
        (
            (Seed("a", 1, seed_more), Seed("a", 2, seed_more)),
            "The seed a cannot be used: another one has its name",
        ),
        ((Seed("a", 0, seed_more),), "The seed a cannot be used: its version is below 1"),
        ((seed_more,), "The seed seed_more cannot be used: it is not a Seed"),
    ],
)
def test_seed_that_cannot_work_is_told_before_anything_runs(tmp_path: Path, seeds: Any, what: str) -> None:
    """Doubled names, versions below 1 and things that are no seeds."""
    provider = type("OddProvider", (ProviderBase,), {"seeds": seeds})
    with make_application(tmp_path, modules=[ColoursProvider, provider]) as app:
        with pytest.raises(Faults) as caught:
            run_seeds(app, ["acme"])
        assert [fault.what for fault in caught.value.exceptions if hasattr(fault, "what")] == [what]
        assert RUNS.log == []


def test_repository_serves_as_well(app: Application) -> None:
    """``upsert_missing`` takes a store without rules, too, and tells how many rows it added."""
    with app.scope("acme", as_system="test") as scope:
        store = scope[IDomain[Colour]]
        rows = [Colour(code=code, name=name) for code, name in ROWS.items()]
        assert upsert_missing(store, rows[:1]) == 1
        assert upsert_missing(store, [Colour(code=code, name="x") for code in ROWS]) == 2
    assert colours(app) == {"r": "red", "g": "x", "b": "x"}
