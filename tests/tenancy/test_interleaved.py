"""Tenants, tasks, threads, errors and cancellations in any order: each tenant sees its own rows, and all of them.

Hypothesis makes up the order; a model says what each unit of work must see.  Ids are the same for all tenants, and
what a tenant writes holds its name, so that a row in the wrong place gives itself away.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests import servers
from tests.servers import ENGINES, MODES
from tests.tenancy.numbered import no_predicate, tenant_remembered

from prefiq import Application, Entity, IDomain, ProviderBase, call, can, field
from prefiq.bridge import await_
from prefiq.contracts import Scope
from prefiq.errors import PrefiqError
from prefiq.sql import ConnectionManager, Executor, Tables
from prefiq.testing import make_application
from prefiq.testing.on_loop import SessionLoop

TENANTS = ("acme", "globex", "initech")
IDS = [uuid.UUID(int=(7 << 76) + (2 << 62) + number) for number in range(5)]
Rows = dict[uuid.UUID, str]

tenants = st.sampled_from(TENANTS)
ids = st.sampled_from(IDS)


class Note(Entity):
    """What somebody wrote down."""

    text: str = field(max_length=60)


class NotesProvider(ProviderBase):
    name = "notes"
    models = (Note,)


class Unit:
    """One open unit of work: its scope, and what it must see.

    Args:
        scope: Entered.
        leave: Leaves it.
    """

    def __init__(self, scope: Scope, leave: ExitStack) -> None:
        self.scope, self.leave = scope, leave
        self.transactions: list[tuple[Any, Rows]] = []


class Interleaved(RuleBasedStateMachine):
    """See the module; ``app`` and a connection past it come with a subclass."""

    app: Application
    outside: Any
    alone: bool
    """Whether one writer keeps all others out, as on SQLite."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Rows] = {tenant: {} for tenant in TENANTS}
        self.open: dict[str, Unit] = {}
        self.number = 0

    @initialize()
    def empty(self) -> None:
        self.past_the_door("DELETE FROM notes_note")
        for tenant in TENANTS:
            self.begin_unit(tenant)

    def past_the_door(self, sql: str) -> list[Any]:
        """On a connection of the plain driver, in autocommit."""
        cursor = self.outside.cursor()
        cursor.execute(sql)
        rows = list(cursor.fetchall()) if cursor.description else []
        cursor.close()
        return rows

    def writer(self) -> str | None:
        """Whose transaction is open."""
        return next((tenant for tenant, unit in self.open.items() if unit.transactions), None)

    def may_write(self, tenant: str) -> bool:
        return not self.alone or self.writer() in {None, tenant}

    def sees(self, tenant: str) -> Rows:
        unit = self.open.get(tenant)
        return unit.transactions[-1][1] if unit and unit.transactions else self.kept[tenant]

    # ---- units of work

    @rule(tenant=tenants)
    def begin_unit(self, tenant: str) -> None:
        if tenant not in self.open:
            leave = ExitStack()
            scope = leave.enter_context(self.app.scope(tenant, can("*")))
            self.open[tenant] = Unit(scope, leave)

    @rule(tenant=tenants)
    def end_unit(self, tenant: str) -> None:
        """With a transaction that is still open, which is undone."""
        unit = self.open.pop(tenant, None)
        if unit is None:
            return
        while unit.transactions:
            transaction, _ = unit.transactions.pop()
            transaction.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
        unit.leave.close()

    @rule(tenant=tenants)
    def begin_transaction(self, tenant: str) -> None:
        unit = self.open.get(tenant)
        if unit is None or len(unit.transactions) > 1 or not self.may_write(tenant):
            return
        transaction = unit.scope[Executor].tx()
        transaction.__enter__()
        unit.transactions.append((transaction, dict(self.sees(tenant))))

    @rule(tenant=tenants, fails=st.booleans())
    def end_transaction(self, tenant: str, *, fails: bool) -> None:
        unit = self.open.get(tenant)
        if unit is None or not unit.transactions:
            return
        transaction, rows = unit.transactions.pop()
        error = ZeroDivisionError() if fails else None
        transaction.__exit__(type(error) if error else None, error, None)
        if not fails and unit.transactions:
            unit.transactions[-1] = (unit.transactions[-1][0], rows)
        elif not fails:
            self.kept[tenant] = rows

    # ---- statements

    @rule(tenant=tenants, id_=ids)
    def write(self, tenant: str, id_: uuid.UUID) -> None:
        """Insert or update by whoever has a unit of work open; the others' rows have the same id."""
        unit = self.open.get(tenant)
        if unit is None or not self.may_write(tenant):
            return
        self.number += 1
        text, rows = f"{tenant} {id_.hex} {self.number}", self.sees(tenant)
        store = unit.scope[IDomain[Note]]

        if id_ in rows:
            note = store.get_by_id(id_)
            note.text = text
            store.update(note)
        else:
            store.save(Note(id=id_, text=text))
        rows[id_] = text

    @rule(tenant=tenants)
    def touch_all(self, tenant: str) -> None:
        """An UPDATE without WHERE."""
        unit = self.open.get(tenant)
        if unit is None or not self.may_write(tenant):
            return
        table = self.app.container.resolve(None, Tables)[Note]
        statement = sa.update(table).values(text=table.c.text + "")
        assert unit.scope[Executor].exec(statement) == len(self.sees(tenant))

    @rule(tenant=tenants, id_=ids)
    def remove(self, tenant: str, id_: uuid.UUID) -> None:
        unit = self.open.get(tenant)
        if unit is None or not self.may_write(tenant):
            return
        table, rows = self.app.container.resolve(None, Tables)[Note], self.sees(tenant)
        gone = unit.scope[Executor].exec(sa.delete(table).where(table.c.id == id_))
        assert gone == (id_ in rows)
        rows.pop(id_, None)

    @rule(tenant=tenants)
    def read(self, tenant: str) -> None:
        unit = self.open.get(tenant)
        if unit is not None:
            assert read(unit.scope) == self.sees(tenant)

    @rule(tenant=tenants, id_=ids)
    def fail(self, tenant: str, id_: uuid.UUID) -> None:
        """A statement that the database refuses; where a transaction is open it fails, and is undone."""
        unit = self.open.get(tenant)
        if unit is None or id_ not in self.sees(tenant) or not self.may_write(tenant):
            return
        with pytest.raises(PrefiqError):
            unit.scope[IDomain[Note]].save(Note(id=id_, text=f"{tenant} {id_.hex} twice"))
        if unit.transactions:
            self.end_transaction(tenant, fails=True)

    # ---- others at the same time

    @rule(
        asked=st.lists(tenants, min_size=1, max_size=6),
        cut=st.lists(st.booleans(), min_size=6, max_size=6),
        seed=st.integers(0, 99),
    )
    def at_once(self, asked: list[str], cut: list[bool], seed: int) -> None:
        """Threads, or tasks of which some are cancelled on the way, each with a unit of work of its own."""
        for tenant, found in self.side_by_side(asked, cut, random.Random(seed)):
            if found is not None:
                assert found == self.kept[tenant]

    def side_by_side(
        self, asked: list[str], cut: list[bool], dice: random.Random
    ) -> list[tuple[str, Rows | None]]:
        raise NotImplementedError

    @precondition(lambda self: self.writer() is None)
    @rule(
        asked=st.lists(tenants, min_size=2, max_size=6),
        cut=st.lists(st.booleans(), min_size=6, max_size=6),
        seed=st.integers(0, 99),
    )
    def write_at_once(self, asked: list[str], cut: list[bool], seed: int) -> None:
        """Each adds a row of its own and reads; of one that was cancelled, nobody knows whether it is there."""
        dice, expected = random.Random(seed), {tenant: set(rows) for tenant, rows in self.kept.items()}
        made = [(tenant, uuid.uuid4()) for tenant in asked]
        for tenant, id_ in made:
            expected[tenant].add(id_)
        self.write_side_by_side(made, cut, dice)
        self.kept = self.stored()
        for tenant in TENANTS:
            assert self.kept[tenant].keys() <= expected[tenant]

    def write_side_by_side(
        self, made: list[tuple[str, uuid.UUID]], cut: list[bool], dice: random.Random
    ) -> None:
        raise NotImplementedError

    # ---- what must always hold

    def stored(self) -> dict[str, Rows]:
        """What is committed; the id stands in the text, too, because engines keep it in forms of their own."""
        found: dict[str, Rows] = {tenant: {} for tenant in TENANTS}
        for tenant, text in self.past_the_door("SELECT tenant_id, text FROM notes_note"):
            found[tenant][uuid.UUID(text.split()[1])] = text
        return found

    @invariant()
    def nothing_is_in_the_wrong_place(self) -> None:
        stored = self.stored()
        assert stored == self.kept
        for tenant, rows in stored.items():
            assert all(text.startswith(f"{tenant} ") for text in rows.values())

    def teardown(self) -> None:
        for tenant in list(self.open):
            self.end_unit(tenant)
        manager = self.app.container.resolve(None, ConnectionManager)
        assert manager.in_use() == {}


def read(scope: Scope) -> Rows:
    """A tenant's rows as its own unit of work sees them."""
    return {note.id: note.text for batch in scope[IDomain[Note]].stream() for note in batch}


class InThreads(Interleaved):
    """``DB_MODE=sync``."""

    def side_by_side(
        self, asked: list[str], cut: list[bool], dice: random.Random
    ) -> list[tuple[str, Rows | None]]:
        def work(tenant: str) -> tuple[str, Rows]:
            with self.app.scope(tenant, can("*")) as scope:
                return tenant, read(scope)

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(work, asked))

    def write_side_by_side(
        self, made: list[tuple[str, uuid.UUID]], cut: list[bool], dice: random.Random
    ) -> None:
        def work(number: int) -> None:
            tenant, id_ = made[number]
            with self.app.scope(tenant, can("*")) as scope:
                try:
                    with scope[Executor].tx():
                        scope[IDomain[Note]].save(Note(id=id_, text=f"{tenant} {id_.hex} aside"))
                        assert all(text.startswith(tenant) for text in read(scope).values())
                        if cut[number]:
                            raise ZeroDivisionError  # noqa: TRY301
                except ZeroDivisionError:
                    assert id_ not in read(scope)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(len(made))))


class InTasks(Interleaved):
    """``DB_MODE=async``; the machine itself is one task, which its transactions belong to."""

    async def together(self, works: list[Any], cut: list[bool], dice: random.Random) -> list[Any]:
        running = [asyncio.ensure_future(work) for work in works]
        for task, cancelled in zip(running, cut, strict=False):
            if cancelled:
                for _ in range(dice.randrange(6)):
                    await asyncio.sleep(0)
                task.cancel()
        return await asyncio.gather(*running, return_exceptions=True)

    def side_by_side(
        self, asked: list[str], cut: list[bool], dice: random.Random
    ) -> list[tuple[str, Rows | None]]:
        async def work(tenant: str) -> Rows:
            async with self.app.scope(tenant, can("*")) as scope:
                return await call(read, scope)

        async def main() -> list[Any]:
            return await self.together([work(tenant) for tenant in asked], cut, dice)

        found = await_(main())
        assert all(isinstance(one, dict | asyncio.CancelledError) for one in found), found
        return [(t, one if isinstance(one, dict) else None) for t, one in zip(asked, found, strict=True)]

    def write_side_by_side(
        self, made: list[tuple[str, uuid.UUID]], cut: list[bool], dice: random.Random
    ) -> None:
        def write(scope: Scope, tenant: str, id_: uuid.UUID) -> None:
            with scope[Executor].tx():
                scope[IDomain[Note]].save(Note(id=id_, text=f"{tenant} {id_.hex} aside"))
                assert all(text.startswith(tenant) for text in read(scope).values())

        async def work(tenant: str, id_: uuid.UUID) -> None:
            async with self.app.scope(tenant, can("*")) as scope:
                await call(write, scope, tenant, id_)

        async def main() -> list[Any]:
            return await self.together([work(*each) for each in made], cut, dice)

        found = await_(main())
        assert all(one is None or isinstance(one, asyncio.CancelledError) for one in found), found


@pytest.fixture(scope="module")
def loop() -> Iterator[SessionLoop]:
    made = SessionLoop()
    yield made
    made.close()


def play(
    engine: str,
    mode: str,
    folder: Path,
    loop: SessionLoop,
    examples: int,
    steps: int,
    phases: tuple[Phase, ...] = tuple(Phase),
) -> None:
    """Let Hypothesis look for an order of things in which a tenant sees what it must not."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=phases,
    )

    def work() -> None:
        with (
            servers.database(engine, mode, folder=folder) as database,
            make_application(
                folder, modules=[NotesProvider], tenants=TENANTS, **database.variables(), db_busy_timeout="2"
            ) as app,
            ExitStack() as stack,
        ):
            outside = stack.enter_context(closing(database.connect()))
            members = {"app": app, "outside": outside, "alone": engine == "sqlite"}
            machine = type("Machine", (InTasks if mode == "async" else InThreads,), members)
            run_state_machine_as_test(machine, settings=chosen)

    loop.run(work) if mode == "async" else work()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_order_keeps_tenants_apart(engine: str, mode: str, tmp_path: Path, loop: SessionLoop) -> None:
    """A few orders of thirty steps each; the same ones every time."""
    play(engine, mode, tmp_path, loop, examples=20 if engine == "sqlite" else 8, steps=30)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", ENGINES)
def test_very_many_orders_keep_tenants_apart(
    engine: str, mode: str, tmp_path: Path, loop: SessionLoop
) -> None:
    """Some hundreds, of sixty steps."""
    play(engine, mode, tmp_path, loop, examples=300, steps=60)


@pytest.mark.parametrize("fault", [no_predicate, tenant_remembered])
def test_a_fault_is_found(
    fault: Callable[[Any], None], tmp_path: Path, loop: SessionLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a tenant is remembered from the statement before, or reads are not confined."""
    fault(monkeypatch)
    with pytest.raises(BaseException) as caught:
        play("sqlite", "sync", tmp_path, loop, examples=40, steps=30, phases=(Phase.generate,))
    assert not isinstance(caught.value, KeyboardInterrupt)
