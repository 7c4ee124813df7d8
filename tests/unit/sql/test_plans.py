"""Compiled plans hold the tenant's predicate, and name their columns."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.dialects import sqlite as lite
from tests.servers import ENGINES

from prefiq.contracts import Page, where
from prefiq.foundation.mapper import Mapper
from prefiq.sql import Executor, StatementRefused, Tables, plans
from prefiq.sql.criteria import shape_of
from prefiq.sql.criteria_values import sort_keys
from prefiq.sql.plan import Plan
from prefiq.sql.plans import ModelPlans

pytestmark = pytest.mark.parametrize("engine", ENGINES, scope="session")

ID = UUID(int=1)
BARE: dict[str, Any] = {"sqlite": lite.dialect, "postgres": postgresql.dialect, "mariadb": mysql.dialect}
STYLES = {"sqlite": "qmark", "postgres": "format", "mariadb": "format"}
MARKS = {"sqlite": r"\?", "postgres": r"%s(::\w+)?", "mariadb": "%s"}


def plans_of(tables: Tables, model: type, parent: Any, executor: Executor) -> ModelPlans:
    spec = tables.catalog[model] if parent is None else tables.catalog[parent].children[0].model
    return ModelPlans(tables, spec, executor.kind, executor.dialect, Mapper(spec, executor.kind))


def every(made: ModelPlans, tables: Tables) -> Iterator[Plan]:
    yield made.insert()
    yield made.delete()
    if made.spec.parent:
        yield made.of_parents(3)
        yield made.update(("text",))
        return
    shape, _ = shape_of(made.spec, where(id=ID) | ~where(id__in=(ID,)))

    keys = sort_keys(made.spec, Page(sort=("-version",)))
    yield made.get()
    yield made.get_many(3)
    yield made.count(shape)
    yield made.update((made.spec.fields[0].name,))
    yield made.update(())
    for nulls in (None, (False, False)):
        for count in (False, True):
            yield made.select(shape, keys, nulls, count=count)


def test_every_plan_is_confined(tables: Tables, models: Any, acme: Executor) -> None:
    """Each text compares the tenant's column (an insert writes it), for each table that it names."""
    for model, parent in ((models.Order, None), (models.Line, models.Order), (models.Note, None)):
        made = plans_of(tables, model, parent, acme)
        for plan in every(made, tables):
            selects = plan.sql.count("FROM ") or 1
            if plan.sql.startswith("INSERT"):
                assert "(tenant_id, " in plan.sql
            else:
                confined = rf"{made.table.name}\.tenant_id = {MARKS[acme.kind.name]}"
                assert len(re.findall(confined, plan.sql)) == selects, plan.sql
            assert "*" not in plan.sql.replace("count(*)", "")


def test_plan_is_compiled_once(tables: Tables, models: Any, acme: Executor) -> None:
    """The same shape gives the same plan, whatever the values."""
    made = plans_of(tables, models.Order, None, acme)
    keys = sort_keys(made.spec, Page())
    first, values = shape_of(made.spec, where(number="a", total__gt=1))
    second, others = shape_of(made.spec, where(number="b", total__gt=2))
    assert made.select(first, keys, None, count=False) is made.select(second, keys, None, count=False)
    assert (values, others) == (["a", 1], ["b", 2])
    assert made.get() is made.get()


def test_old_plans_make_room(
    tables: Tables, models: Any, acme: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many shapes are asked for, memory is bounded."""
    monkeypatch.setattr(plans, "MOST_PLANS", 3)
    made = plans_of(tables, models.Order, None, acme)
    first = made.get_many(1)
    for size in range(2, 6):
        made.get_many(size)
    assert len(made._plans) == 3
    assert made.get_many(1) is not first


def test_threads_make_room_together(tables: Tables, models: Any, acme: Executor) -> None:
    """One that looks for the oldest plan meets others that add theirs."""
    made = plans_of(tables, models.Order, None, acme)
    failed: list[BaseException] = []

    def ask(number: int) -> None:
        try:
            for size in range(30_000):
                made._add((number, size), made.get)
        except RuntimeError as error:
            failed.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failed == []
    assert len(made._plans) <= plans.MOST_PLANS + len(threads)


def test_what_callers_choose_leaves_nothing_behind(tables: Tables, models: Any, acme: Executor) -> None:
    """Constants of a shape are named once: names that grew with the shapes asked for would fill the memory."""
    made = plans_of(tables, models.Order, None, acme)
    for size in range(1, 30):
        shape, _ = shape_of(made.spec, where(number__contains="a", number__in=("a",) * size))
        made.count(shape)
    assert len([name for name in made._names if name.startswith("constant_")]) == 1


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # the tenant's column is in the key
def test_plan_without_its_tenant_is_not_made(tables: Tables, models: Any, acme: Executor) -> None:
    """A dialect that writes no predicate makes no plans of tenants' tables."""
    spec = tables.catalog[models.Order]
    engine = acme.kind.name
    bare = BARE[engine](paramstyle=STYLES[engine])
    made = ModelPlans(tables, spec, acme.kind, bare, Mapper(spec, acme.kind))
    for make in (made.get, made.insert, made.delete, lambda: made.update(("total",))):
        with pytest.raises(StatementRefused, match="compiled without its tenant"):
            make()


def test_page_and_total_are_one_statement(tables: Tables, models: Any, acme: Executor) -> None:
    """The total is counted beside the page, whatever part of it is wanted."""
    made = plans_of(tables, models.Order, None, acme)

    keys = sort_keys(made.spec, Page())
    plan = made.select(("all",), keys, (False,), count=True)
    rows = acme.fetch(plan, plan.bind("acme", [], (ID,), 1, 0))
    assert [(row[2], row[-1]) for row in rows] == [("acme-1", 4)]
