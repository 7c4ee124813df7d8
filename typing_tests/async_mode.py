# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What a module author and an application team write for ``DB_MODE=async``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Self, assert_type

from prefiq import (
    Application,
    Binder,
    Entity,
    EntityChanged,
    IDomain,
    IDomainService,
    ProviderBase,
    Scope,
    Settings,
    await_,
    call,
    field,
    iterate,
    on,
    run,
    subscribe,
)


class Note(Entity):
    title: str = field(max_length=20)


class Pool:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None: ...

    async def ask(self, question: str) -> int:
        return len(question)


async def open_pool() -> AsyncIterator[Pool]:
    yield Pool()


@asynccontextmanager
async def hold_pool() -> AsyncGenerator[Pool]:
    yield Pool()


@contextmanager
def plain_pool() -> Generator[Pool]:
    yield Pool()


@on.before_create(Note)
async def checked(note: Note, pool: Pool) -> None:
    assert_type(await pool.ask(note.title), int)


@on.around_create(Note)
async def around(note: Note) -> AsyncIterator[None]:
    yield


@on.around_update(Note)
def plain_around(note: Note) -> Iterator[None]:
    yield


@on.around_create(Note)  # type: ignore[type-var]  # it does not yield
async def not_around(note: Note) -> None: ...


@subscribe(EntityChanged, model=Note)
async def told(event: EntityChanged) -> None: ...


class NotesProvider(ProviderBase):
    models = (Note,)
    hooks = (checked, around, plain_around)
    subscribers = (told,)

    def bind(self, to: Binder) -> None:
        to.resource(Pool, open_pool)
        to.resource(Pool, hold_pool)
        to.resource(Pool, plain_pool)
        to.resource(Pool, Pool)
        to.resource(Pool, Note)  # type: ignore[arg-type]  # it opens no pool

    async def boot(self, app: Application) -> None: ...


class PlainProvider(ProviderBase):
    def boot(self, app: Application) -> None: ...


def use_case(scope: Scope, title: str, *, times: int = 1) -> Note:
    assert_type(await_(Pool().ask("what?")), int)
    return scope[IDomainService[Note]].create(Note(title=title * times))


async def main(settings: Settings) -> None:
    async with Application.prepare(settings, modules=[NotesProvider]) as app:
        assert_type(app, Application)
        async with app.scope("acme") as scope:
            assert_type(scope, Scope)
            assert_type(await call(use_case, scope, "x", times=2), Note)
            await call(use_case, scope, 5)  # type: ignore[arg-type]  # a title is a text
            async for batch in iterate(scope[IDomain[Note]].stream()):
                for note in batch:
                    assert_type(note, Note)


def script(scope: Scope) -> None:
    assert_type(run(use_case, scope, "x"), Note)


def titled(scope: Scope, title: str) -> int:
    return len(scope[IDomainService[Note]].list().items) if title else 0


def carried(app: Application) -> None:
    assert_type(app.carry(titled)("a"), int)
    app.carry(titled)(1)  # type: ignore[arg-type]
