"""Data, sync: the public repository beside the raw driver and the libraries in use, on every engine at hand.

Every row of ours is tenant-scoped, versioned and mapped to entities; the raw driver gets the same predicate,
written by hand, and returns tuples.  All contestants of a row run interleaved.  SQLite, which has no network to
hide behind, is measured by CPU time; servers by the wall clock.

Each engine is measured in a process of its own, because Django can be set up for one database only.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

from benchmarks._data import COUNT, FEW, Contestant, Item, ItemsProvider, Spent, item, scratch, server, timed
from benchmarks._data_peers import PEERS
from benchmarks._data_raw import RAW
from benchmarks._measure import Row, row
from prefiq import IDomain, ITransactions, Page, can
from prefiq.testing import make_application

ENGINES = ("sqlite", "postgres", "mariadb")
TARGETS: dict[str, dict[str, float]] = {
    "get by id": {"sqlite": 1.45, "postgres": 1.10, "mariadb": 1.15},
    "list of 50 + count": {"sqlite": 1.60, "postgres": 1.00, "mariadb": 1.10},
    "insert in its own transaction": {"sqlite": 1.50, "postgres": 1.15, "mariadb": 1.20},
    "update in its own transaction": {"sqlite": 1.50, "postgres": 1.15, "mariadb": 1.20},
    "bulk of 10,000": {"sqlite": 1.10, "postgres": 0.45, "mariadb": 1.00},
    "read 10,000": {"sqlite": 1.65, "postgres": 1.15, "mariadb": 1.20},
}


class Ours:
    """The public repository in an open unit of work."""

    def __init__(self, scope: Any) -> None:
        self.store: IDomain[Item] = scope[IDomain[Item]]
        self.transactions: ITransactions = scope[ITransactions]
        self.first = Page(limit=50, sort=("code",), count=True)
        self.loaded: dict[UUID, Item] = {}

    def get(self, id: UUID) -> object:
        return self.store.get_by_id(id)

    def page(self) -> object:
        return self.store.list(self.first)

    def insert(self, made: Item) -> None:
        with self.transactions.tx():
            self.store.save(made)

    def update(self, id: UUID, name: str) -> None:
        found = self.loaded.get(id)
        if found is None:
            found = self.loaded[id] = self.store.get_by_id(id)
        found.name = name
        with self.transactions.tx():
            self.store.update(found)

    def bulk(self, many: list[Item]) -> None:
        with self.transactions.tx():
            self.store.save_many(many)

    def read(self) -> object:
        return [entity for batch in self.store.stream() for entity in batch]


def rows() -> list[Row]:
    """Every row of this benchmark."""
    found: list[Row] = []
    for engine in ENGINES:
        code = f"import json; from benchmarks.data import measured; print(json.dumps(measured({engine!r})))"
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True)
        found += json.loads(done.stdout.splitlines()[-1])
    return found


def measured(engine: str) -> list[Row]:
    """The rows of one engine; none where no server answers."""
    folder = scratch()
    with server(engine, folder) as at:
        if at is None:
            print(f"no {engine} answers: left out", file=sys.stderr)
            return []
        with make_application(
            folder, modules=[ItemsProvider], tenants=("acme", "globex"), **at.settings()
        ) as app:
            with app.scope("globex", can("*")) as small:
                small[IDomain[Item]].save_many([item(number) for number in range(FEW)])
            with app.scope("acme", can("*")) as scope:
                scope[IDomain[Item]].save_many([item(number) for number in range(COUNT)])
                raw = RAW[engine](at, "acme")
                if engine != "sqlite":  # statistics that the server would gather a minute later
                    raw.cursor.execute(
                        "ANALYZE items_item" if engine == "postgres" else "ANALYZE TABLE items_item"
                    )
                    raw.cursor.fetchall() if raw.cursor.description else None
                ids = [entity.id for entity in scope[IDomain[Item]].list(Page(limit=200)).items]
                contestants: dict[str, Any] = {"raw": raw, "prefiq": Ours(scope)}
                contestants |= {name: peer(at, "acme") for name, peer in PEERS.items()}
                found = _compared(engine, contestants, ids, raw.clean)
                raw.connection.close()
            with app.scope("globex", can("*")) as small:
                listed: dict[str, Any] = {"raw": RAW[engine](at, "globex"), "prefiq": Ours(small)}
                for name in PEERS:
                    contestants[name].tenant = "globex"
                    listed[name] = contestants[name]
                spent = timed({name: who.page for name, who in listed.items()}, rounds=30, number=20)
                found.insert(1, _row(engine, "list of 50 + count", spent))
                listed["raw"].connection.close()
    return found


def _compared(
    engine: str, contestants: dict[str, Contestant], ids: list[UUID], clean: Callable[[], None]
) -> list[Row]:
    numbers = itertools.count(COUNT)
    around = itertools.cycle(ids)
    # Each contestant changes a row of its own.
    owns = dict(zip(contestants, ids, strict=False))
    found: list[Row] = []

    def compare(
        what: str, make: Callable[[str, Any], Callable[[], object]], rounds: int, number: int
    ) -> None:
        spent = timed({n: make(n, who) for n, who in contestants.items()}, rounds=rounds, number=number)
        found.append(_row(engine, what, spent))
        clean()

    compare("get by id", lambda _, who: lambda: who.get(next(around)), 40, 50)
    # What is stored is made before the clock runs: that work is the same for all.
    singles = iter([item(next(numbers)) for _ in range(len(contestants) * (30 * 20 + 1))])
    compare("insert in its own transaction", lambda _, who: lambda: who.insert(next(singles)), 30, 20)
    compare(
        "update in its own transaction",
        lambda name, who: lambda: who.update(owns[name], f"name {next(numbers)}"),
        30,
        20,
    )
    batches = iter([[item(next(numbers)) for _ in range(COUNT)] for _ in range(len(contestants) * 6)])
    compare("bulk of 10,000", lambda _, who: lambda: who.bulk(next(batches)), 5, 1)
    compare("read 10,000", lambda _, who: who.read, 7, 1)
    return found


def _row(engine: str, what: str, spent: dict[str, Spent]) -> Row:
    by_cpu = engine == "sqlite"

    def ratio(name: str) -> float:
        if by_cpu:
            return spent[name].cpu / spent["raw"].cpu
        return spent[name].wall / spent["raw"].wall

    peers = ", ".join(f"{name} {ratio(name):.1f}" for name in PEERS)
    raw = spent["raw"].cpu if by_cpu else spent["raw"].wall
    told = f"{peers}; raw {raw * 1e6:,.0f} µs"
    if not by_cpu:
        told += f", CPU ×{spent['prefiq'].cpu / spent['raw'].cpu:.2f}"
    return row(f"{engine}: {what} ÷ raw driver", ratio("prefiq"), "×", TARGETS[what][engine], told)
