"""Where a tenant goes along: callbacks of a transaction, threads and functions for later; and where it does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prefiq import (
    Across,
    Actor,
    Application,
    Entity,
    IDomainService,
    ITransactions,
    NoScope,
    ProviderBase,
    Scope,
    UnknownTenant,
    call,
    can,
    current_scope,
    current_scope_or_none,
    field,
)
from prefiq.testing import make_application


class Note(Entity):
    """What somebody wrote down."""

    text: str = field(max_length=40)


class Notes(ProviderBase):
    """Notes."""

    name = "notes"
    models = (Note,)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    with make_application(tmp_path, modules=[Notes]) as made:
        yield made


def write(scope: Scope, text: str) -> tuple[str, str]:
    """Write a note; the tenant and the actor that it was written for."""
    note = scope[IDomainService[Note]].create(Note(text=text))
    assert scope[IDomainService[Note]].history(note.id)[0].actor == scope.actor.id
    assert current_scope() is scope
    return scope.tenant, scope.actor.id


def notes(app: Application, tenant: str) -> list[str]:
    with app.scope(tenant, can("*")) as scope:
        return sorted(note.text for note in scope[IDomainService[Note]].list().items)


def test_thread_begins_without_a_scope(app: Application) -> None:
    """It inherits no tenant silently."""
    seen: list[object] = []
    with app.scope("acme", can("*")):
        thread = threading.Thread(target=lambda: seen.append(current_scope_or_none()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_function_is_carried_to_threads(app: Application) -> None:
    """Each runs in a scope of its own, of the tenant and the actor of the one where it was handed on."""
    with ThreadPoolExecutor(4) as pool:
        waiting = []
        for number in range(20):
            with app.scope(("acme", "globex")[number % 2], Actor(f"u{number}", ("*",))):
                waiting.append(pool.submit(app.carry(write), f"n{number:02}"))
        found = [one.result() for one in waiting]
    assert found == [(("acme", "globex")[number % 2], f"u{number}") for number in range(20)]
    assert notes(app, "acme") == [f"n{number:02}" for number in range(0, 20, 2)]


def test_carried_function_looks_its_tenant_up_again(app: Application) -> None:
    """What was suspended meanwhile is not served, whatever was planned for it."""
    with app.scope("acme", can("*")):
        later = app.carry(write)
    app.tenants.suspend("acme")
    with pytest.raises(UnknownTenant):
        later("late")


def test_what_is_carried_is_never_more_than_there_is(app: Application) -> None:
    """Without a scope there is nothing to carry; reading across tenants is not handed on; the system is."""
    with pytest.raises(NoScope):
        app.carry(write)
    with Scope(Across("test"), can("*"), app.container.resolve), pytest.raises(TypeError, match="across"):
        app.carry(write)
    with app.scope(as_system="a job"):
        later = app.carry(lambda scope: str(scope.tenancy))
    assert later() == "System(reason='a job')"


def test_function_is_carried_to_tasks(tmp_path: Path) -> None:
    """With DB_MODE=async it is called in the bridge."""

    async def main() -> list[tuple[str, str]]:
        async with make(tmp_path) as app:
            for key in ("acme", "globex"):
                await call(app.tenants.create, key)
            async with app.scope("acme", Actor("ann", ("*",))):
                first = app.carry(write)
            async with app.scope("globex", Actor("bob", ("*",))):
                return await asyncio.gather(call(first, "a"), call(app.carry(write), "b"))

    def make(folder: Path) -> Application:
        return make_application(folder, modules=[Notes], tenants=(), db_mode="async")

    assert asyncio.run(main()) == [("acme", "ann"), ("globex", "bob")]


@pytest.mark.parametrize("kept", [True, False], ids=["after_commit", "on_rollback"])
def test_callbacks_run_in_the_scope_that_they_were_given_in(app: Application, *, kept: bool) -> None:
    """Also where a scope of another tenant is the current one when the transaction ends."""
    seen: list[str] = []
    with app.scope("acme", can("*")) as scope:
        transactions = scope[ITransactions]
        transaction = transactions.tx()
        transaction.__enter__()
        add = transactions.after_commit if kept else transactions.on_rollback
        add(lambda: seen.append(current_scope().tenant))
        with app.scope("globex", can("*")) as other:
            transaction.__exit__(None if kept else ValueError, None if kept else ValueError(), None)
            assert current_scope() is other
    assert seen == ["acme"]
