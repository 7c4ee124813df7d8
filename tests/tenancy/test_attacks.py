"""The generated attacks: none gets through, on every engine and in each mode; and each notices a guard that is gone."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import servers
from tests.servers import ENGINES, MODES
from tests.unit.web.conftest import MastersProvider, Project, ProjectsProvider

from prefiq import Entity, Extension, ProviderBase, field
from prefiq.settings import Settings
from prefiq.sql import scoped_compiler, tenant_scope
from prefiq.testing import TenancyContract
from prefiq.testing.attacks import NoScratch, Outcome, attack_settings
from prefiq.testing.attacks.scratch import PREFIX
from prefiq.web import auth


class Billing(Extension[Project]):
    """What another module adds."""

    rate: int = field(default=0, index=True)
    note: str = field(default="", max_length=40, filter=True)


class BillingProvider(ProviderBase):
    name = "billing"
    extensions = (Billing,)


class Note(Entity):
    """One model alone."""

    text: str = field(max_length=40)


class NotesProvider(ProviderBase):
    name = "notes"
    models = (Note,)


OURS = re.compile(rf"{PREFIX}|.*_[ab]_[0-9a-f]{{6}}$")
"""Names of databases that attacks make; other tests may make some beside them."""
MODULES = (ProjectsProvider, MastersProvider, BillingProvider)


def settings_on(engine: str, mode: str, folder: Path, **more: object) -> Settings:
    """Settings that lead to a server where the tests may make databases."""
    if engine == "sqlite":
        return Settings.for_test(folder, DB_MODE=mode, **more)
    servers.require(engine)
    at = servers.server(engine)
    variables = {"ENGINE": engine, "MODE": mode, "HOST": at.host, "PORT": at.port, "USER": at.user}
    variables |= {"NAME": at.name or "mysql", "PASS": at.password or None}
    return Settings.for_test(folder, **{f"DB_{key}": value for key, value in variables.items()}, **more)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("db_mode", MODES)
class TestEveryEngine(TenancyContract):
    """Fields of every kind, children, references, actions, an extension, a policy, a shared model."""

    modules = MODULES

    @pytest.fixture
    def tenancy_settings(self, engine: str, db_mode: str, tmp_path: Path) -> Settings:
        return settings_on(engine, db_mode, tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
class TestDatabasesOfTheirOwn(TenancyContract):
    """The same where each tenant has a database or a file of its own."""

    modules = MODULES
    modes = ("database",)

    @pytest.fixture
    def tenancy_settings(self, engine: str, tmp_path: Path) -> Settings:
        return settings_on(engine, "sync", tmp_path)


@pytest.mark.parametrize("db_mode", MODES)
class TestSchemasOfTheirOwn(TenancyContract):
    """The same where each tenant has a schema, and all are served from one pool."""

    modules = MODULES
    modes = ("schema",)

    @pytest.fixture
    def tenancy_settings(self, db_mode: str, tmp_path: Path) -> Settings:
        return settings_on("postgres", db_mode, tmp_path)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return attack_settings(Settings.for_test(tmp_path_factory.mktemp("app")), ("row",), modules=MODULES)


def test_every_model_is_attacked_on_every_route(outcome: Outcome) -> None:
    """A model without an API by its service and by statements; shared rows belong to nobody."""
    routes: dict[str, set[str]] = {}
    for attack in outcome.attacks:
        routes.setdefault(attack.model, set()).add(attack.route)
    whole = {"service", "statement", "HTTP"}
    assert routes == {
        "projects.Project": whole,
        "projects.Task": whole,
        "projects.Ranked": whole,
        "projects.Ledger": {"service", "statement"},
        "": {"HTTP"},
    }


def test_every_kind_of_attack_is_there(outcome: Outcome) -> None:
    """What the page on threats lists."""
    kinds = {
        (attack.route, attack.kind) for attack in outcome.attacks if attack.model in {"projects.Task", ""}
    }
    assert kinds == {
        *(("service", kind) for kind in ("list", "count", "read", "history", "sort", "filter", "delete", "write",
                                         "update", "bulk")),
        *(("statement", kind) for kind in ("list", "join", "filter", "update", "delete", "raw SQL", "insert")),
        *(("HTTP", kind) for kind in ("list", "cursor", "read", "history", "filter", "include", "sort", "search",
                                      "ETag", "update", "delete", "relate", "create", "name")),
    }  # fmt: skip
    actions = {attack.detail for attack in outcome.attacks if attack.kind == "actions"}
    assert {"rename", "close", "activate", "POST /api/projects/projects/…/rename"} <= actions


def _true(self: Any, table: Any, named: Any) -> Any:
    import sqlalchemy as sa

    self._tenant_value(table.name)
    return sa.true()


def _any_tenant(self: Any, wanted: bytes | None) -> str:
    return wanted.decode() if wanted else str(self.default)


def scoped_confined_nothing(self: Any, statement: Any) -> Any:
    """As if WHERE had been confined."""
    state = statement._compile_state_factory(statement, self)
    self._confine([statement.table, *(state._extra_froms or ())])
    return statement


GUARDS: dict[str, tuple[Any, str, Any, set[str]]] = {
    "the predicate of reads and writes": (scoped_compiler._Scoping, "_predicate", _true, {"list", "read", "filter"}),
    "the confinement of UPDATE and DELETE": (
        scoped_compiler._Scoping, "_confined_dml", scoped_confined_nothing,
        {"delete"},
    ),
    "the refusal of the tenant's column": (scoped_compiler, "_refuse_tenant", lambda *_: None, {"update"}),
    "the refusal of raw SQL": (tenant_scope.TenantScope, "check_raw", lambda *_, **__: False, {"raw SQL"}),
    "what the credential allows": (auth.Identity, "tenant", _any_tenant, {"name"}),
}  # fmt: skip


@pytest.mark.parametrize("guard", GUARDS)
def test_the_attacks_notice_a_missing_guard(
    guard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it taken away, attacks of its kinds get through."""
    owner, attribute, instead, kinds = GUARDS[guard]
    monkeypatch.setattr(owner, attribute, instead)
    # Behind raw SQL on SQLite stands the engine's own authorizer, which still holds it off.
    engine = "mariadb" if guard == "the refusal of raw SQL" else "sqlite"
    try:
        outcome = attack_settings(settings_on(engine, "sync", tmp_path), ("row",), modules=MODULES)
    except Exception as error:  # noqa: BLE001  without a guard the look-alikes may not even be stored
        pytest.fail(f"the attacks did not come to an end: {error!r}")
    assert kinds <= {leak.kind for leak in outcome.leaks}


@pytest.mark.parametrize("engine", servers.SERVERS)
def test_nothing_is_left_behind_on_a_server(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The databases of the attacks and of their tenants are gone, also where the attacks broke off."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    settings, before = settings_on(engine, "sync", tmp_path), databases_on(engine)
    attack_settings(settings, ("row",), modules=(NotesProvider,))
    monkeypatch.setattr("prefiq.testing.attacks.attacking._Attacker._compare", fail)
    with pytest.raises(ZeroDivisionError):
        attack_settings(settings, ("database",), modules=(NotesProvider,))
    assert {name for name in databases_on(engine) - before if OURS.match(name)} == set()


def databases_on(engine: str) -> set[str]:
    with servers.administrator(engine).cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database" if engine == "postgres" else "SHOW DATABASES")
        return {name for (name,) in cursor.fetchall()}


@pytest.fixture
def powerless() -> Iterator[str]:
    """A user of PostgreSQL who may make no database."""
    servers.require("postgres")
    name = f"t4_{uuid.uuid4().hex[:12]}"
    with servers.administrator("postgres").cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name} LOGIN")
        yield name
        cursor.execute(f"DROP ROLE {name}")


def test_without_a_place_of_their_own_they_are_not_run(tmp_path: Path, powerless: str) -> None:
    """Never beside the rows of customers."""
    settings = settings_on("postgres", "sync", tmp_path)
    at = settings.database
    settings = Settings.for_test(
        tmp_path,
        DB_ENGINE="postgres",
        DB_HOST=at.host,
        DB_PORT=at.port,
        DB_NAME=at.database,
        DB_USER=powerless,
    )
    with pytest.raises(NoScratch) as caught:
        attack_settings(settings, ("row",), modules=MODULES)
    assert powerless in caught.value.where
    assert "ADMIN_DB_USER" in caught.value.fix
