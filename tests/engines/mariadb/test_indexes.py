"""Plans of MariaDB go by an index where there is one: by key, in order, behind a page, and by a beginning."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from tests.engines.postgres.shop import Shop, Thing, Unit

from prefiq.contracts import Compare, Page
from prefiq.foundation.mapper import Mapper
from prefiq.sql.criteria import shape_of
from prefiq.sql.criteria_values import sort_keys
from prefiq.sql.plan import Plan
from prefiq.sql.plans import ModelPlans


@pytest.fixture(scope="session")
def mode() -> str:
    return "sync"


def explained(unit: Unit, plan: Plan, *values: Any) -> tuple[str, str, str]:
    """How the server reads the table, by which key, and what it does besides."""
    assert unit.executor._session is not None
    ((*_, access, _, key, _, _, _, extra),) = unit.executor._session.fetch(
        "EXPLAIN " + plan.sql, plan.bind("acme", *values)
    )
    return access, key, extra


def test_indexes_serve(shop: Shop) -> None:
    """Nothing is sorted, and no more is read than is asked for."""

    def use(unit: Unit) -> None:
        with unit.executor.tx():
            unit.things.save_many([Thing(code=f"{n:04}", word=f"w{n % 7}", whole=n % 5) for n in range(2000)])
        with shop.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE INDEX ix_whole ON shop_thing (tenant_id, whole)")
            cursor.execute("CREATE INDEX ix_word ON shop_thing (tenant_id, word)")
            cursor.execute("ANALYZE TABLE shop_thing")
        spec = unit.things.spec
        plans = ModelPlans(
            shop.tables, spec, unit.executor.kind, unit.executor.dialect, Mapper(spec, unit.executor.kind)
        )
        found = unit.things.list(Page(limit=1)).items[0]
        assert explained(unit, plans.get(), found.id)[:2] == ("const", "PRIMARY")
        everything, none = shape_of(spec, None)
        for sort, index in (
            ("code", "uq_shop_thing_code"),
            ("whole", "ix_whole"),
            ("word", "ix_word"),
        ):
            value: Any = {"code": "1000", "whole": 2, "word": "w3"}[sort]
            for sign in ("", "-"):
                keys = sort_keys(spec, Page(sort=(sign + sort,)))
                for nulls, after in ((None, ()), ((False, False), (value, UUID(int=1)))):
                    plan = plans.select(everything, keys, nulls, count=False)
                    access, key, extra = explained(unit, plan, none, after, 50, 0)
                    assert (access in {"ref", "range"}, key) == (True, index), (sign, sort, after)
                    assert "filesort" not in extra, (sign, sort, after)
        by_code = sort_keys(spec, Page(sort=("code",)))
        for criteria in (Compare("code", "startswith", "19"), Compare("code", "in", ("0001", "0002"))):
            shape, values = shape_of(spec, criteria)
            plan = plans.select(shape, by_code, None, count=False)
            access, key, extra = explained(unit, plan, values, (), 50, 0)
            assert (access, key) == ("range", "uq_shop_thing_code")
            assert "filesort" not in extra

    shop.in_scope(use)
