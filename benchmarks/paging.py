"""Paging: a page by keyset is as fast at the end of a large table as at its beginning, on every engine at hand.

Through the public repository, tenant-scoped and mapped to entities.  SQLite is measured by CPU time, servers by
the wall clock.  What the same page costs by its offset is printed beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import sqlalchemy as sa

from benchmarks._data import Item, ItemsProvider, Server, item, scratch, server, timed
from benchmarks._measure import Row, row
from prefiq import IDomain, Page, can
from prefiq.testing import make_application

ENGINES = ("sqlite", "postgres", "mariadb")
TARGET = 1.10
FAR = 10_000
"""The page that is compared with the first one."""
LIMIT = 20
SORT = ("code",)
BATCH = 10_000


def rows() -> list[Row]:
    """Every row of this benchmark."""
    found: list[Row] = []
    for engine in ENGINES:
        found += measured(engine)
    return found


def measured(engine: str) -> list[Row]:
    """The row of one engine; none where no server answers."""
    folder = scratch()
    with server(engine, folder) as at:
        if at is None:
            print(f"no {engine} answers: left out", file=sys.stderr)
            return []
        with (
            make_application(
                folder, modules=[ItemsProvider], tenants=("acme", "globex"), **at.settings()
            ) as app,
            app.scope("globex", can("*")) as other,
            app.scope("acme", can("*")) as scope,
        ):
            store: IDomain[Item] = scope[IDomain[Item]]
            for start in range(0, FAR * LIMIT + LIMIT, BATCH):
                store.save_many([item(number) for number in range(start, start + BATCH)])
            other[IDomain[Item]].save_many([item(number) for number in range(BATCH)])
            _gather_statistics(at)
            return [_compared(engine, store)]


def _gather_statistics(at: Server) -> None:
    """What a server would do by itself a minute later."""
    if at.engine == "sqlite":
        return
    engine = at.peer()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        table = "items_item" if at.engine == "postgres" else "TABLE items_item"
        connection.execute(sa.text(f"ANALYZE {table}"))
    engine.dispose()


def _compared(engine: str, store: IDomain[Item]) -> Row:
    before = store.list(Page(limit=LIMIT, offset=(FAR - 2) * LIMIT, sort=SORT)).next
    pages = {
        "first": Page(limit=LIMIT, sort=SORT),
        "far": Page(limit=LIMIT, sort=SORT, after=before),
        "offset": Page(limit=LIMIT, sort=SORT, offset=(FAR - 1) * LIMIT),
    }
    assert store.list(pages["far"]).items == store.list(pages["offset"]).items

    def reading(page: Page) -> Callable[[], object]:
        return lambda: store.list(page)

    spent = timed({name: reading(pages[name]) for name in ("first", "far")}, rounds=120, number=5)
    skipped = timed({"offset": reading(pages["offset"])}, rounds=5)["offset"]
    first, far, by_offset = (
        each.cpu if engine == "sqlite" else each.wall for each in (spent["first"], spent["far"], skipped)
    )
    told = f"first {first * 1e6:,.0f} µs; by offset ×{by_offset / first:,.0f}"
    return row(f"{engine}: keyset page {FAR:,} ÷ page 1, {LIMIT} rows each", far / first, "×", TARGET, told)
