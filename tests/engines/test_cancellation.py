"""Every operation of repositories and services, cancelled at every await that it makes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.engines.cancellation import Obstacles, Steps, Trial, When
from tests.servers import SERVERS, Database

from prefiq.bridge import await_, call
from prefiq.contracts import IDomain, IDomainService, Page, Scope, where
from prefiq.foundation import EntityChanged, on, subscribe
from prefiq.foundation.entity import Child, Entity
from prefiq.lowcode import ModelMeta, Status, action, children, field, ref, transition
from prefiq.plugins import ProviderBase
from prefiq.sql import Executor, Tables


class Stage(Status):
    DRAFT = "draft"
    SENT = "sent"


class Customer(Entity):
    name: str = field(max_length=40, filter=True, sort=True)

    meta = ModelMeta(soft_delete=True)


class Line(Child):
    text: str = field(max_length=40)


class Order(Entity):
    number: str = field(max_length=40, unique=True)
    note: str = field(default="", max_length=40)
    stage: Stage = field(default=Stage.DRAFT)
    customer_id: UUID | None = ref(Customer, default=None)
    lines: list[Line] = children(Line)

    send = transition(Stage.DRAFT, to=Stage.SENT)

    @action
    def remark(self, note: str) -> None:
        self.note = note

    meta = ModelMeta(order_by="number")


@on.before_create(Order)
async def ask(order: Order) -> None:
    """Waits in the transaction, before anything is written."""
    await asyncio.sleep(0)


@on.after_create(Order)
def count(order: Order, scope: Scope) -> None:
    """Waits after the rows are written, and writes others."""
    await_(asyncio.sleep(0))
    scope[IDomain[Customer]].save(Customer(name=f"of {order.number}"))
    await_(asyncio.sleep(0))


@on.around_update(Order)
async def wrapped(order: Order) -> AsyncIterator[None]:
    await asyncio.sleep(0)
    yield
    await asyncio.sleep(0)


@subscribe(EntityChanged, model=Order, after_commit=True)
async def told(event: EntityChanged) -> None:
    """Waits when all is committed: what is kept is kept."""
    await asyncio.sleep(0)


class ShopProvider(ProviderBase):
    name = "shop"
    models = (Customer, Order)
    hooks = (ask, count, wrapped)
    subscribers = (told,)


def prepare(scope: Scope) -> None:
    customers = [Customer(name=f"customer {number}") for number in range(3)]
    scope[IDomain[Customer]].save_many(customers)
    orders = scope[IDomain[Order]]
    for number in range(3):
        lines = [Line(text=f"line {number}.{part}") for part in range(2)]
        orders.save(Order(number=f"{number}", customer_id=customers[number].id, lines=lines))


def services(scope: Scope) -> IDomainService[Order]:
    return scope[IDomainService[Order]]


def orders(scope: Scope) -> Any:
    return scope[IDomain[Order]]


def customers(scope: Scope) -> Any:
    return scope[IDomain[Customer]]


def first(scope: Scope) -> Order:
    found: Order | None = orders(scope).get_by("number", "0")
    assert found is not None
    return found


def new_order(number: str = "new") -> Order:
    return Order(number=number, lines=[Line(text="a"), Line(text="b")])


def grown(order: Order) -> Order:
    order.note = "grown"
    order.lines = [*order.lines[1:], Line(text="more"), Line(text="and more")]
    return order


def update_customer(scope: Scope) -> None:
    customer = customers(scope).list(Page(limit=1)).items[0]
    customer.name = "changed"
    customers(scope).update(customer)


def stream(scope: Scope) -> None:
    assert sum(len(batch) for batch in orders(scope).stream(batch=2)) == 3


def stream_and_write(scope: Scope) -> None:
    with scope[Executor].tx():
        for batch in customers(scope).stream(batch=1):
            for customer in batch:
                customer.name += "!"
                customers(scope).update(customer)


def stream_and_leave(scope: Scope) -> None:
    assert len(next(iter(orders(scope).stream(batch=1)))) == 1
    orders(scope).save(new_order())


def nested(scope: Scope) -> None:
    executor = scope[Executor]
    with executor.tx():
        customers(scope).save(Customer(name="outer"))
        try:
            with executor.tx():
                customers(scope).save(Customer(name="inner"))
                raise LookupError  # noqa: TRY301
        except LookupError:
            customers(scope).save(Customer(name="instead"))


def read_only(scope: Scope) -> None:
    with scope[Executor].tx(read_only=True):
        assert orders(scope).count() == 3
        assert len(orders(scope).list().items) == 3


def core(scope: Scope) -> None:
    table = scope[Tables][Customer]
    scope[Executor].exec(sa.update(table).values(name="by core"))


def core_in_bulk(scope: Scope) -> None:
    table = scope[Tables][Customer]
    statement = sa.update(table).where(table.c.name == sa.bindparam("was")).values(name=sa.bindparam("now"))
    rows = [{"was": f"customer {number}", "now": f"bulk {number}"} for number in range(3)]
    scope[Executor].bulk(statement, rows)


def several_services(scope: Scope) -> None:
    with scope[Executor].tx():
        services(scope).create(new_order())
        services(scope).update(grown(first(scope)))
        services(scope).delete(orders(scope).get_by("number", "2").id)


OPERATIONS: dict[str, Callable[[Scope], Any]] = {
    "repository get_by_id": lambda scope: orders(scope).get_by_id(first(scope).id),
    "repository get_many": lambda scope: orders(scope).get_many([first(scope).id]),
    "repository list": lambda scope: orders(scope).list(Page(limit=2, count=True), where(note="")),
    "repository count": lambda scope: customers(scope).count(where(name="customer 1")),
    "repository stream": stream,
    "repository save": lambda scope: orders(scope).save(new_order()),
    "repository save_many": lambda scope: orders(scope).save_many([new_order(f"n{n}") for n in range(3)]),
    "repository save_many of plain rows": lambda scope: customers(scope).save_many(
        [Customer(name=f"many {n}") for n in range(300)]
    ),
    "repository save_many of many documents": lambda scope: orders(scope).save_many(
        [new_order(f"n{n}") for n in range(250)]
    ),
    "repository update": lambda scope: orders(scope).update(grown(first(scope))),
    "repository update of a plain row": update_customer,
    "repository delete": lambda scope: orders(scope).delete(first(scope)),
    "repository soft delete": lambda scope: customers(scope).delete(customers(scope).list().items[0]),
    "service get": lambda scope: services(scope).get(first(scope).id),
    "service list": lambda scope: services(scope).list(Page(limit=2, count=True)),
    "service create": lambda scope: services(scope).create(new_order()),
    "service create_many": lambda scope: services(scope).create_many([new_order(f"n{n}") for n in range(3)]),
    "service update": lambda scope: services(scope).update(grown(first(scope))),
    "service delete": lambda scope: services(scope).delete(first(scope).id),
    "service transition": lambda scope: services(scope).run(Order.send, first(scope).id),
    "service action": lambda scope: services(scope).run(Order.remark, first(scope).id, note="remarked"),
    "service history": lambda scope: services(scope).history(first(scope).id),
    "several services": several_services,
    "nested transaction": nested,
    "read-only transaction": read_only,
    "stream and write": stream_and_write,
    "stream and leave": stream_and_leave,
    "core": core,
    "core in bulk": core_in_bulk,
}


@pytest.fixture(scope="session")
def mode() -> str:
    return "async"


@pytest.fixture
def trial(database: Database, tmp_path: Path) -> Iterator[Trial]:
    made = Trial(database, tmp_path, [ShopProvider], prepare)
    yield made
    made.close()


WAYS = pytest.mark.parametrize(
    ("when", "times"),
    [
        pytest.param("waiting", 1, id="once"),
        pytest.param("answered", 1, id="answered"),
        pytest.param("waiting", 5, id="again"),
        pytest.param("waiting", 1000, id="for ever", marks=pytest.mark.full),
    ],
)
FEW = ("service create", "service action", "repository update", "core in bulk")
"""Operations that together go through all there is to be cancelled."""


def every_await(trial: Trial, names: Iterable[str], when: When, times: int = 1) -> dict[str, int]:
    """How often each operation waits, cancelled at each of these places in turn."""
    awaits: dict[str, int] = {}
    for name in names:
        try:
            awaits[name] = trial.every_await(OPERATIONS[name], when, times)
        except BaseException as error:
            error.add_note(name)
            raise
    return awaits


@pytest.mark.parametrize("engine", ["sqlite"], scope="session")
@WAYS
def test_cancelled_at_every_await(trial: Trial, when: When, times: int) -> None:
    """Nothing is half done and nothing left, wherever it is; also where the awaits of the clean-up are cancelled."""
    for name, awaits in every_await(trial, OPERATIONS, when, times).items():
        writes = name.split()[-1] in {"save", "update", "create", "delete", "core", "transition", "action"}
        assert awaits >= (4 if writes else 1), name


@pytest.mark.parametrize("engine", SERVERS, scope="session")
def test_cancelled_at_every_await_of_a_server(trial: Trial) -> None:
    """Likewise on servers."""
    assert min(every_await(trial, FEW, "waiting").values()) >= 4


@pytest.mark.parametrize("engine", SERVERS, scope="session")
def test_cancelled_while_it_connects(trial: Trial) -> None:
    """The pool is empty, and its only place must not be lost."""
    operation = OPERATIONS["service get"]
    assert trial.every_await(operation, connected=False) > trial.every_await(operation)


@pytest.mark.full
@pytest.mark.parametrize("engine", SERVERS, scope="session")
@WAYS
def test_everything_cancelled_on_servers(trial: Trial, when: When, times: int) -> None:
    """Every operation, in each way."""
    every_await(trial, OPERATIONS, when, times)


# -- the harness itself


async def waits(times: int, seen: list[str]) -> str:
    try:
        for _ in range(times):
            await asyncio.sleep(0)
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(future.set_result, None)
            await future
    except asyncio.CancelledError:
        seen.append("cancelled")
        await asyncio.sleep(0)
        seen.append("cleaned")
        raise
    return "done"


def attempt(at: int, when: When, times: int = 1) -> tuple[Steps, asyncio.Task[Any], list[str]]:
    seen: list[str] = []

    async def main() -> tuple[Steps, asyncio.Task[Any], list[str]]:
        steps = Steps(waits(2, seen), at, when, times)

        async def run() -> Any:
            return await steps

        task = asyncio.create_task(run())
        await asyncio.wait([task])
        return steps, task, seen

    return asyncio.run(main())


@pytest.mark.parametrize("when", ["waiting", "answered"])
def test_steps_cancel_where_they_are_told(when: When) -> None:
    """Each place once; none, where none is wanted or there is no such place."""
    steps, task, seen = attempt(0, when)
    assert (steps.count, task.result(), seen) == (4, "done", [])
    for at in range(1, 5):
        steps, task, seen = attempt(at, when)
        assert steps.reached
        assert steps.count == at + 1  # the clean-up waits once more
        assert task.cancelled()
        assert seen == ["cancelled", "cleaned"]
    steps, task, seen = attempt(5, when)
    assert not steps.reached
    assert task.result() == "done"
    assert attempt(2, when, times=1000)[2] == ["cancelled"]  # the clean-up is cancelled, too


@pytest.mark.parametrize("engine", ["sqlite"], scope="session")
def test_trial_notices(trial: Trial) -> None:
    """Half of what was to be written; a connection that stays in use; a function that waits for ever."""
    held: list[Any] = []

    def halves(scope: Scope) -> None:
        customers(scope).save(Customer(name="one"))
        await_(asyncio.sleep(0))
        customers(scope).save(Customer(name="two"))

    def waits_for_ever(scope: Scope) -> None:
        await_(asyncio.sleep(0))
        held.append(call(lambda: await_(asyncio.sleep(0))))
        held[-1].send(None)

    def keeps(scope: Scope) -> None:
        customers(scope).count()
        held.append(scope[Executor])
        scope._closers = None

    with pytest.raises(AssertionError, match="half of it was kept"):
        trial.every_await(halves)
    with pytest.raises(AssertionError, match="a function waits"):
        trial.every_await(waits_for_ever)
    held.pop().close()
    with pytest.raises(AssertionError, match="a connection is in use"):
        trial.every_await(keeps)


@pytest.mark.parametrize("engine", ["sqlite"], scope="session")
def test_obstacles_are_waited_for_in_turn(trial: Trial) -> None:
    """A connection, the turn to write, and another process."""
    assert isinstance(trial._obstacles, Obstacles)
    assert trial.every_await(lambda scope: customers(scope).count()) == 1
    assert trial.every_await(update_customer) == 4
