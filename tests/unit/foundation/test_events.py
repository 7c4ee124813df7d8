"""The bus of one scope: in the transaction, and after the commit."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from prefiq.contracts import Bound, IClock, Scope
from prefiq.foundation.clock import FrozenClock
from prefiq.foundation.entity import Entity
from prefiq.foundation.events import (
    EntityChanged,
    Events,
    Subscriptions,
    compile_subscriber,
    subscribe,
    subscriptions_of,
)
from prefiq.lowcode import DeclarationError, ModelMeta


class Lookup(Entity):
    meta = ModelMeta(abstract=True)


class Country(Lookup):
    pass


class Unit(Entity):
    pass


@dataclass(frozen=True)
class Shipped:
    number: int


@dataclass(frozen=True)
class ShippedAbroad(Shipped):
    pass


@dataclass(frozen=True)
class Paid:
    number: int


class OneTransaction:
    """``ITransactions`` of one level, with the order of what happened."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []
        self.in_transaction = False

    @contextmanager
    def tx(self, *, read_only: bool = False) -> Iterator[None]:
        self.in_transaction = True
        try:
            yield
        except BaseException:
            self.waiting.clear()
            raise
        finally:
            self.in_transaction = False
        callbacks, self.waiting = self.waiting, []
        for callback in callbacks:
            callback()

    def after_commit(self, callback: Callable[[], None], /) -> None:
        if self.in_transaction:
            self.waiting.append(callback)
        else:
            callback()

    def on_rollback(self, callback: Callable[[], None], /) -> None: ...


CLOCK = FrozenClock()


class Bus:
    def __init__(self, *functions: Callable[..., None], **injected: Any) -> None:
        self.transactions = OneTransaction()
        self.scope = Scope(Bound("acme"), resolve=lambda scope, contract: {IClock: CLOCK}[contract])
        subscribers = [
            compile_subscriber(function, name=f"app.{function.__name__}", injected=injected)
            for function in functions
        ]
        self.events = Events(self.scope, self.transactions, Subscriptions(subscribers))

    def publish(self, *events: object) -> None:
        with self.transactions.tx():
            self.events.publish(*events)


def changed(model: type = Country, action: str = "created") -> EntityChanged:
    return EntityChanged(
        model, f"app.{model.__name__}", uuid.UUID(int=1), action, model(), {}, 1,
        datetime(2026, 1, 1, tzinfo=UTC), "eve", "acme",
    )  # fmt: skip


class TestWhen:
    def test_in_the_transaction_by_default(self):
        """What it raises undoes everything, so it comes out of publish."""
        seen: list[Any] = []

        @subscribe(Shipped)
        def listen(event: Shipped) -> None:
            seen.append((event, bus.transactions.in_transaction))

        bus = Bus(listen)
        bus.publish(Shipped(1))
        assert seen == [(Shipped(1), True)]

    def test_what_a_subscriber_raises_stops_the_business(self):
        """Later subscribers are not asked."""
        seen: list[Any] = []

        @subscribe(Shipped)
        def refuse(event: Shipped) -> None:
            raise ValueError("no")

        @subscribe(Shipped)
        def listen(event: Shipped) -> None:
            seen.append(event)

        with pytest.raises(ValueError, match="no"):
            Bus(refuse, listen).publish(Shipped(1))
        assert seen == []

    def test_after_the_commit_where_it_says_so(self):
        """Not before, and not after a rollback."""
        seen: list[Any] = []

        @subscribe(Shipped, after_commit=True)
        def listen(event: Shipped) -> None:
            seen.append((event, bus.transactions.in_transaction))

        bus = Bus(listen)
        with bus.transactions.tx():
            bus.events.publish(Shipped(1))
            assert seen == []
        assert seen == [(Shipped(1), False)]
        with pytest.raises(ZeroDivisionError), bus.transactions.tx():  # noqa: PT012  what is rolled back
            bus.events.publish(Shipped(2))
            1 / 0  # noqa: B018
        assert len(seen) == 1

    def test_a_failure_after_the_commit_is_logged_and_swallowed(self, caplog):
        """The business is done; the other events and subscribers still get theirs."""
        seen: list[Any] = []

        @subscribe(Shipped, after_commit=True)
        def fail(event: Shipped) -> None:
            if event.number == 1:
                raise ValueError("mail server is gone")
            seen.append(("fail", event.number))

        @subscribe(Shipped, after_commit=True)
        def listen(event: Shipped) -> None:
            seen.append(("listen", event.number))

        with caplog.at_level(logging.ERROR):
            Bus(fail, listen).publish(Shipped(1), Shipped(2))
        assert seen == [("fail", 2), ("listen", 1), ("listen", 2)]
        (record,) = caplog.records
        assert record.name == "prefiq.foundation.events"
        assert record.getMessage().startswith("a subscriber failed after the commit: ")
        assert record.getMessage().endswith("app.fail")
        assert "mail server is gone" in (record.exc_text or "")


class TestWhat:
    def test_one_call_for_each_event_or_one_for_all(self):
        """batch=True takes the sequence."""
        seen: list[Any] = []

        @subscribe(Shipped)
        def each(event: Shipped) -> None:
            seen.append(event.number)

        @subscribe(Shipped, batch=True)
        def together(events: Sequence[Shipped]) -> None:
            seen.append([event.number for event in events])

        Bus(each, together).publish(Shipped(1), Shipped(2))
        assert seen == [1, 2, [1, 2]]

    def test_nothing_is_told_of_nothing(self):
        """An empty publish calls nobody."""

        @subscribe(Shipped, batch=True)
        def together(events: Sequence[Shipped]) -> None:
            raise AssertionError

        Bus(together).publish()

    def test_events_of_several_classes_reach_their_own_subscribers(self):
        """In one publish, whichever comes first."""
        seen: list[Any] = []

        @subscribe(Shipped)
        def shipped(event: Shipped) -> None:
            seen.append(event)

        @subscribe(Paid)
        def paid(event: Paid) -> None:
            seen.append(event)

        Bus(shipped, paid).publish(Paid(1), Shipped(2), Paid(3))
        assert seen == [Shipped(2), Paid(1), Paid(3)]

    def test_a_subscriber_to_a_base_hears_of_subclasses(self):
        """But not the other way round."""
        seen: list[Any] = []

        @subscribe(Shipped)
        def shipped(event: Shipped) -> None:
            seen.append(event)

        @subscribe(ShippedAbroad)
        def abroad(event: ShippedAbroad) -> None:
            seen.append("abroad")

        bus = Bus(shipped, abroad)
        bus.publish(Shipped(1))
        assert seen == [Shipped(1)]
        bus.publish(ShippedAbroad(2))
        assert seen == [Shipped(1), ShippedAbroad(2), "abroad"]

    @pytest.mark.parametrize(
        ("wanted", "heard"),
        [
            ({}, ["created", "close", "created"]),
            ({"model": Country}, ["created", "close"]),
            ({"model": Lookup}, ["created", "close"]),
            ({"model": Unit}, ["created"]),
            ({"action": "close"}, ["close"]),
            ({"model": Unit, "action": "close"}, []),
        ],
    )
    def test_model_and_action_select(self, wanted, heard):
        """A base or mixin stands for every model that derives from it."""
        seen: list[str] = []

        @subscribe(EntityChanged, **wanted)
        def listen(event: EntityChanged) -> None:
            seen.append(event.action)

        Bus(listen).publish(changed(), changed(action="close"), changed(Unit))
        assert seen == heard

    def test_a_function_may_listen_to_several_things(self):
        """Every mark counts."""
        seen: list[Any] = []

        @subscribe(Shipped)
        @subscribe(Paid)
        def listen(event: object) -> None:
            seen.append(event)

        assert [wanted.event for wanted in subscriptions_of(listen)] == [Shipped, Paid]
        bus = Bus(listen)
        bus.publish(Shipped(1))
        bus.publish(Paid(2))
        assert seen == [Shipped(1), Paid(2)]

    def test_subscribers_run_in_the_order_of_their_modules(self):
        """Whatever class of event each listens to."""
        seen: list[str] = []

        @subscribe(object)
        def first(event: object) -> None:
            seen.append("first")

        @subscribe(Shipped)
        def second(event: Shipped) -> None:
            seen.append("second")

        Bus(first, second).publish(Shipped(1))
        Bus(second, first).publish(Shipped(1))
        assert seen == ["first", "second", "second", "first"]


class TestInjection:
    def test_further_parameters_come_from_the_scope(self):
        """Contracts are kept, never what answers them: each scope gives its own."""
        seen: list[Any] = []

        @subscribe(Shipped)
        def listen(event: Shipped, clock: IClock, nothing: None) -> None:
            seen.append((event.number, clock, nothing))

        Bus(listen, clock=IClock, nothing=None).publish(Shipped(1))
        assert seen == [(1, CLOCK, None)]

    def test_a_coroutine_is_waited_for(self):
        """By whatever runs coroutines where the application runs."""
        seen: list[Any] = []

        @subscribe(Shipped)
        async def listen(event: Shipped) -> None:
            seen.append(event)

        bus = Bus()
        waited = compile_subscriber(listen, name="app.listen", wait=asyncio.run)
        Events(bus.scope, bus.transactions, Subscriptions([waited])).publish(Shipped(1))
        assert seen == [Shipped(1)]

    @pytest.mark.parametrize("wanted", [{"model": Unit}, {"action": "created"}])
    def test_only_changes_of_entities_have_a_model(self, wanted):
        """It would never be called."""
        with pytest.raises(DeclarationError, match="Shipped has neither model nor action"):
            subscribe(Shipped, **wanted)


@pytest.mark.parametrize(("events", "seconds", "told"), [(1, 0.2, True), (10, 0.2, False), (10, 2.0, True)])
def test_slow_subscriber_is_judged_by_each_event(
    events: int, seconds: float, told: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A batch may take as much longer as it holds more."""

    @subscribe(Shipped, batch=True)
    def listen(_: Sequence[Shipped]) -> None:
        """Takes its time."""

    ticks = iter([0.0, seconds])
    monkeypatch.setattr("prefiq.foundation.events.perf_counter", lambda: next(ticks))
    one = compile_subscriber(listen, name="app.listen", slow=0.1)
    with Scope(Bound("acme"), resolve=lambda *_: None) as scope:
        one.call(scope, [Shipped(n) for n in range(events)])
    assert ("slow subscriber app.listen" in caplog.text) is told
