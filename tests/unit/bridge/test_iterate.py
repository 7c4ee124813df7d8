"""``iterate``: what a plain generator yields, for ``async for``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from prefiq.bridge import await_, in_bridge, iterate, suspended


class Rows:
    """A generator that waits for each row and once more at its end."""

    def __init__(self, count: int = 3, fails_at: int = -1) -> None:
        self.count = count
        self.fails_at = fails_at
        self.seen: list[str] = []

    def __iter__(self) -> Iterator[int]:
        assert in_bridge()
        return self.stream()

    def stream(self) -> Iterator[int]:
        try:
            for number in range(self.count):
                await_(asyncio.sleep(0))
                if number == self.fails_at:
                    raise LookupError(number)  # noqa: TRY301
                yield number
        except BaseException as error:
            self.seen.append(type(error).__name__)
            raise
        finally:
            await_(asyncio.sleep(0))
            self.seen.append("closed")


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def test_every_value_comes() -> None:
    """Also from an iterable whose iterator waits when it is made."""

    async def main() -> None:
        rows = Rows()
        assert [row async for row in iterate(rows)] == [0, 1, 2]
        assert [row async for row in iterate(rows.stream())] == [0, 1, 2]
        assert [row async for row in iterate(["a", "b"])] == ["a", "b"]
        assert rows.seen == ["closed", "closed"]

    run(main())


def test_early_exit_closes_the_generator() -> None:
    """With ``aclosing``, at once; without it when the loop sweeps up."""

    async def main() -> None:
        rows = Rows()
        async with aclosing(iterate(rows)) as values:
            async for row in values:
                assert row == 0
                break
        assert rows.seen == ["GeneratorExit", "closed"]

    run(main())
    rows = Rows()

    async def leaves() -> None:
        async for _ in iterate(rows):
            break
        for _ in range(10):  # the loop closes it in a task of its own
            await asyncio.sleep(0)

    run(leaves())
    assert rows.seen == ["GeneratorExit", "closed"]


def test_error_of_the_generator_ends_the_loop() -> None:
    """It arrives as it is, after the generator's own clean-up."""

    async def main() -> None:
        rows = Rows(fails_at=1)
        found: list[int] = []

        async def read() -> None:
            async for row in iterate(rows):
                found.append(row)  # noqa: PERF401

        with pytest.raises(LookupError):
            await read()
        assert found == [0]
        assert rows.seen == ["LookupError", "closed"]

    run(main())


def test_error_in_the_loop_closes_the_generator() -> None:
    """What the body raises is not thrown into the generator, which only learns that it is over."""

    async def main() -> None:
        rows = Rows()

        async def read() -> None:
            async with aclosing(iterate(rows)) as values:
                async for row in values:
                    _ = row / 0

        with pytest.raises(ZeroDivisionError):
            await read()
        assert rows.seen == ["GeneratorExit", "closed"]

    run(main())


def test_cancelled_while_it_waits_for_a_row() -> None:
    """The generator sees the cancellation and cleans up, awaiting."""

    async def main() -> None:
        rows = Rows(count=1_000_000)

        async def read() -> None:
            async for _ in iterate(rows):
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert rows.seen == ["CancelledError", "closed"]
        assert suspended() == []

    run(main())
