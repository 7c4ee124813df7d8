"""Use cases that change one row at the same time: who named it by its id has not said which state is meant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests import servers
from tests.servers import ENGINES, MODES, SERVERS, Database

from prefiq import (
    ConcurrencyError,
    Entity,
    IDomain,
    IDomainService,
    NotFound,
    ProviderBase,
    action,
    can,
    field,
    on,
)
from prefiq.bridge import await_, call, in_bridge
from prefiq.testing import make_application

WRITERS, TIMES = 3, 8

Change = Callable[[Any, UUID], Any]


class Counter(Entity):
    """What many count on."""

    total: int = field(default=0)
    note: str = field(default="", max_length=20)

    @action
    def up(self) -> None:
        self.total += 1


others: list[Callable[[UUID], None]] = []
"""What others do, on connections of their own, after a counter was read and before it is written."""


@on.before_update(Counter)
@on.before_delete(Counter)
def let_others_do(counter: Counter) -> None:
    if others:
        others.pop()(counter.id)


class CountersProvider(ProviderBase):
    name = "counters"
    models = (Counter,)
    hooks = (let_others_do,)


@pytest.fixture(params=[f"{engine}-{mode}" for engine in ENGINES for mode in MODES])
def place(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def database(place: str, tmp_path: Path) -> Iterator[Database]:
    engine, mode = place.split("-")
    with servers.database(engine, mode, folder=tmp_path) as made:
        yield made


@pytest.fixture
def app(database: Database, tmp_path: Path) -> Iterator[Any]:
    others.clear()
    app = make_application(tmp_path, modules=[CountersProvider], **database.variables())
    yield app
    app.close()


@pytest.fixture
def counter(app: Any) -> Counter:
    with app.scope("acme", can("*")) as scope:
        made: Counter = scope[IDomainService[Counter]].create(Counter())
    return made


on_servers = pytest.mark.parametrize("place", [f"{e}-{m}" for e in SERVERS for m in MODES])
"""SQLite has one writer at a time, who begins before reading."""


def noted(app: Any) -> Callable[[UUID], None]:
    """Another one writes a note at the row."""

    def note(key: UUID) -> None:
        with app.scope("acme", can("*")) as scope:
            rows = scope[IDomain[Counter]]
            row = rows.get_by_id(key)
            row.note += "x"
            rows.update(row)

    return note


def removed(app: Any) -> Callable[[UUID], None]:
    """Another one deletes the row."""

    def remove(key: UUID) -> None:
        with app.scope("acme", can("*")) as scope:
            rows = scope[IDomain[Counter]]
            rows.delete(rows.get_by_id(key))

    return remove


@on_servers
def test_an_action_on_an_id_keeps_both_changes(app: Any, counter: Counter) -> None:
    others.extend([noted(app), noted(app)])
    with app.scope("acme", can("*")) as scope:
        done = scope[IDomainService[Counter]].run(Counter.up, counter.id)
        history = [entry.action for entry in scope[IDomainService[Counter]].history(counter.id)]
    assert (done.total, done.note, done.version) == (1, "xx", 4)
    assert history == ["created", "up"]


@on_servers
def test_a_row_named_by_its_id_is_deleted_as_it_is(app: Any, counter: Counter) -> None:
    others.append(noted(app))
    with app.scope("acme", can("*")) as scope:
        service = scope[IDomainService[Counter]]
        service.delete(counter.id)
        assert [entry.entity_version for entry in service.history(counter.id)] == [1, 2]
        with pytest.raises(NotFound):
            service.get(counter.id)


@on_servers
@pytest.mark.parametrize("change", [lambda s, k: s.run(Counter.up, k), lambda s, k: s.delete(k)])
def test_a_row_that_is_gone_is_not_found(app: Any, counter: Counter, change: Change) -> None:
    others.append(removed(app))
    with app.scope("acme", can("*")) as scope, pytest.raises(NotFound):
        change(scope[IDomainService[Counter]], counter.id)


@on_servers
@pytest.mark.parametrize(
    "change",
    [
        lambda s, c: s.update(c),
        lambda s, c: s.run(Counter.up, c),
        lambda s, c: s.delete(c.id, version=c.version),
    ],
    ids=["update", "run", "delete"],
)
def test_who_gave_a_state_of_the_row_is_told(app: Any, counter: Counter, change: Change) -> None:
    """Nothing of the other one's change is overwritten."""
    others.append(noted(app))
    with app.scope("acme", can("*")) as scope:
        service = scope[IDomainService[Counter]]
        mine = service.get(counter.id)
        mine.total = 7
        with pytest.raises(ConcurrencyError):
            change(service, mine)
        row = service.get(counter.id)
    assert (row.total, row.note, row.version) == (0, "x", 2)


def test_many_count_on_one_row(app: Any, counter: Counter) -> None:
    """Each that was told of success is counted, once; hardly any gives up."""

    def count() -> int:
        with app.scope("acme", can("*")) as scope:
            service = scope[IDomainService[Counter]]
            done = 0
            for _ in range(TIMES):
                try:
                    service.run(Counter.up, counter.id)
                except ConcurrencyError:
                    continue
                done += 1
        return done

    done = sum(together([count] * WRITERS))
    with app.scope("acme", can("*")) as scope:
        assert scope[IDomainService[Counter]].get(counter.id).total == done
    assert done > WRITERS * TIMES / 2


def together(works: list[Callable[[], int]]) -> list[int]:
    """What they return, done side by side in threads or tasks."""
    if in_bridge():

        async def gathered() -> list[int]:
            return await asyncio.gather(*map(call, works))

        return await_(gathered())
    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(lambda work: work(), works))
