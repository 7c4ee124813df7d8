"""Cancelling and timing out what runs in ``call``."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from prefiq.bridge import await_, call, suspended


class Steps:
    """A function that waits for ever, and writes down what happens to it."""

    def __init__(self, *, clean_up: bool = False, swallow: bool = False) -> None:
        self.seen: list[str] = []
        self.clean_up = clean_up
        self.swallow = swallow
        self.gate = asyncio.Event()

    def __call__(self) -> str:
        self.seen.append("begun")
        try:
            await_(self.gate.wait())
        except BaseException as error:
            self.seen.append(type(error).__name__)
            if self.swallow:
                return "swallowed"
            raise
        finally:
            if self.clean_up:
                await_(asyncio.sleep(0))
                self.seen.append("cleaned")
        return "done"


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_cancellation_is_raised_where_the_function_waits() -> None:
    """It may clean up, awaiting, and the task counts as cancelled."""

    async def main() -> None:
        steps = Steps(clean_up=True)
        task = asyncio.create_task(call(steps))
        await asyncio.sleep(0)
        await cancelled(task)
        assert task.cancelled()
        assert steps.seen == ["begun", "CancelledError", "cleaned"]
        assert suspended() == []

    asyncio.run(main())


def test_task_cancelled_before_it_began_runs_nothing() -> None:
    """No greenlet was taken."""

    async def main() -> None:
        steps = Steps()
        await cancelled(asyncio.create_task(call(steps)))
        assert steps.seen == []

    asyncio.run(main())


def test_second_cancellation_reaches_the_clean_up() -> None:
    """While the function awaits in its ``finally``."""

    async def main() -> None:
        seen: list[str] = []
        gate = asyncio.Event()

        def function() -> None:
            try:
                await_(gate.wait())
            finally:
                try:
                    await_(gate.wait())
                except asyncio.CancelledError:
                    seen.append("again")
                    await_(asyncio.sleep(0))
                    seen.append("still cleaning")
                    raise

        task = asyncio.create_task(call(function))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        await cancelled(task)
        assert seen == ["again", "still cleaning"]
        assert suspended() == []

    asyncio.run(main())


def test_swallowed_cancellation_is_the_functions_decision() -> None:
    """As in a coroutine: it returns, and the task is not cancelled."""

    async def main() -> None:
        task = asyncio.create_task(call(Steps(swallow=True)))
        await asyncio.sleep(0)
        task.cancel()
        assert await task == "swallowed"

    asyncio.run(main())


def test_cancelled_while_the_answer_comes() -> None:
    """The answer is there and the task is cancelled before it goes on: the function learns of the latter."""

    async def main() -> None:
        steps = Steps()
        task = asyncio.create_task(call(steps))
        await asyncio.sleep(0)
        steps.gate.set()
        await cancelled(task)
        assert steps.seen == ["begun", "CancelledError"]

    asyncio.run(main())


def test_timeout_around_the_call() -> None:
    """The function is ended and the time-out told."""

    async def main() -> None:
        steps = Steps(clean_up=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await call(steps)
        assert steps.seen == ["begun", "CancelledError", "cleaned"]
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    asyncio.run(main())


def test_timeout_inside_the_function() -> None:
    """Only what is awaited ends; the function goes on."""

    def function() -> str:
        with pytest.raises(TimeoutError):
            await_(asyncio.wait_for(asyncio.Event().wait(), 0.001))
        await_(asyncio.sleep(0))
        return "went on"

    async def main() -> None:
        assert await call(function) == "went on"

    asyncio.run(main())


def test_failing_sibling_cancels_the_others() -> None:
    """A task group of use cases: the first failure ends the rest, cleanly."""

    def fails() -> None:
        await_(asyncio.sleep(0))
        raise LookupError

    async def main() -> None:
        others = [Steps(clean_up=True) for _ in range(3)]

        async def group() -> None:
            async with asyncio.TaskGroup() as tasks:
                for one in others:
                    tasks.create_task(call(one))
                tasks.create_task(call(fails))

        with pytest.raises(ExceptionGroup) as found:
            await group()
        assert [type(error) for error in found.value.exceptions] == [LookupError]
        assert [one.seen for one in others] == [["begun", "CancelledError", "cleaned"]] * 3
        assert suspended() == []

    asyncio.run(main())


def test_shielded_work_goes_on() -> None:
    """``asyncio.shield`` inside a plain function."""

    async def main() -> None:
        done = asyncio.Event()

        async def work() -> None:
            await asyncio.sleep(0)
            done.set()

        task = asyncio.create_task(call(lambda: await_(asyncio.shield(work()))))
        await asyncio.sleep(0)
        await cancelled(task)
        await asyncio.wait_for(done.wait(), 1)

    asyncio.run(main())
