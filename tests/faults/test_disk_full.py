"""The disk is full: it says so, keeps what was acknowledged, reads on, and writes again when there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.faults.kit import Order, Shop, growing, open_shop, orders_in
from tests.own_server import own_server
from tests.servers import SERVERS, Database

from prefiq.contracts import IDomainService
from prefiq.sql import DiskFull

MOST = 3000
"""Orders that surely do not fit."""

sqlite = pytest.mark.parametrize("engine", ["sqlite"], scope="session", indirect=True)


@sqlite
def test_file_may_not_grow(database: Database, tmp_path: Path) -> None:
    """SQLite's own limit of pages, which fails as a full disk does."""
    with open_shop(database, tmp_path, db_pool_size=1) as shop:

        def limit(pages: int) -> None:
            connection, _ = shop.connections.checkout()
            driver: Any = connection.connection.driver_connection
            driver.execute(f"PRAGMA max_page_count = {pages}")
            connection.close()

        @contextmanager
        def full() -> Iterator[None]:
            shop.run(limit, 100)
            yield
            shop.run(limit, 1_000_000)

        fill(shop, database, full)


@sqlite
def test_file_system_is_full(database: Database, tmp_path: Path) -> None:
    """A small one, filled up by somebody else."""
    with small_disk(tmp_path / "disk", "2m") as disk:
        here = Database(engine="sqlite", mode=database.mode, path=disk / "test.db")
        with open_shop(here, tmp_path) as shop:
            fill(shop, here, lambda: full_disk(disk))


@pytest.mark.parametrize("engine", SERVERS)
@pytest.mark.slow
def test_servers_file_system_is_full(engine: str, mode: str, tmp_path: Path) -> None:
    """The same on the server's machine."""
    with own_server(engine, disk="300m") as server:
        here = replace(server.database, mode=mode)
        with open_shop(here, tmp_path) as shop:
            fill(shop, here, server.full_disk)


def fill(shop: Shop, database: Database, full: Callable[[], Any]) -> None:
    """Write until there is no room left."""
    kept = [shop.create(f"before-{n}") for n in range(3)]
    with full():
        with pytest.raises(DiskFull) as told:
            write_on(shop, kept)
        assert told.value.status == 507
        # Who reads gets an answer, and sees no part of what was refused.
        found = shop.do(lambda scope: scope[IDomainService[Order]].get(kept[-1].id))
        assert found == kept[-1]
        for _ in range(3):  # and it stays so: no connection is worn out by it
            with pytest.raises(DiskFull):
                write_on(shop, kept)
        assert shop.in_use() == 0
    assert orders_in(database) == {("acme", order.number): 1 for order in kept}
    assert shop.do(growing(kept[0])).version == 2
    shop.works("next")
    assert len(orders_in(database)) == len(kept) + 1


def write_on(shop: Shop, kept: list[Order]) -> None:
    for _ in range(MOST):
        kept.append(shop.create(f"n{len(kept)}"))


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Not a byte is left on it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for piece in (1 << 16, 1 << 10):
            try:
                while file.write(bytes(piece)) == piece:
                    continue
            except OSError:
                continue
    try:
        yield
    finally:
        filler.unlink()
