"""``FairSemaphore``: first come, first served, in greenlets and threads alike, and nobody leaves a hole."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from prefiq.bridge import FairSemaphore, await_, call, pause


class Watched(FairSemaphore):
    """Tells how long its line is."""

    def __len__(self) -> int:
        return len(self._line)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


def spin(condition: Callable[[], bool]) -> None:
    """Let other threads run until something holds."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.0001)


def test_free_one_is_had_at_once() -> None:
    """So many as it counts, and not one more."""
    semaphore = FairSemaphore(2)
    assert semaphore.acquire()
    assert semaphore.acquire(0)
    assert not semaphore.acquire(0)
    assert not semaphore.acquire(0.001)
    semaphore.release()
    assert semaphore.acquire(0.001)


def test_tasks_come_in_the_order_of_their_asking() -> None:
    """Also where the holder asks again at once: it stands behind those that wait."""
    semaphore = Watched()
    order: list[str] = []

    def function(name: str, times: int) -> None:
        for _ in range(times):
            with semaphore:
                order.append(name)
                pause(0)

    async def main() -> None:
        await asyncio.gather(*(call(function, name, 3) for name in "abc"))

    asyncio.run(main())
    assert order == list("abc") * 3
    assert len(semaphore) == 0


def test_threads_come_in_the_order_of_their_asking() -> None:
    """As tasks do."""
    semaphore = Watched()
    order: list[int] = []
    threads: list[threading.Thread] = []
    semaphore.acquire()
    for number in range(5):

        def function(number: int = number) -> None:
            with semaphore:
                order.append(number)

        threads.append(threading.Thread(target=function))
        threads[-1].start()
        spin(lambda number=number: len(semaphore) == number + 1)  # type: ignore[misc]
    semaphore.release()
    for thread in threads:
        thread.join()
    assert order == list(range(5))


def test_loop_goes_on_while_a_task_waits() -> None:
    """And a thread may release what a task waits for, and the other way round."""
    semaphore = Watched()
    semaphore.acquire()

    def function() -> str:
        semaphore.acquire()
        return "had it"

    async def main() -> None:
        task = asyncio.create_task(call(function))
        await until(lambda: len(semaphore) == 1)
        await asyncio.to_thread(semaphore.release)
        assert await task == "had it"
        waiting = asyncio.create_task(asyncio.to_thread(semaphore.acquire, 5))
        await until(lambda: len(semaphore) == 1)
        semaphore.release()
        assert await waiting

    asyncio.run(main())


def test_time_out_leaves_the_line() -> None:
    """The others move up."""
    semaphore = Watched()
    semaphore.acquire()

    async def main() -> None:
        late = asyncio.create_task(call(semaphore.acquire))
        assert not await call(semaphore.acquire, 0.001)
        assert len(semaphore) == 1
        semaphore.release()
        assert await late

    asyncio.run(main())


@pytest.mark.parametrize("handed", [False, True], ids=["in line", "as it was handed over"])
def test_cancelled_waiter_leaves_no_hole(handed: bool) -> None:
    """Whether it stood in the line or was just given what it waited for: the next has it."""
    semaphore = Watched()
    semaphore.acquire()

    async def main() -> None:
        first = asyncio.create_task(call(semaphore.acquire))
        second = asyncio.create_task(call(semaphore.acquire))
        await until(lambda: len(semaphore) == 2)
        if handed:
            semaphore.release()
        first.cancel()
        if not handed:
            await until(first.done)
            assert len(semaphore) == 1
            semaphore.release()
        assert await asyncio.wait_for(second, 1)
        assert first.cancelled()
        semaphore.release()
        assert semaphore.acquire(0)

    asyncio.run(main())


def test_forgotten_waiter_leaves_no_hole() -> None:
    """A task whose loop ended before it had its turn: what it was handed goes on when it is swept up."""
    semaphore = Watched()
    semaphore.acquire()
    coroutine: Any = call(semaphore.acquire)

    async def main() -> None:
        coroutine.send(None)

    asyncio.run(main())
    semaphore.release()  # its loop is closed: it is passed over
    assert semaphore.acquire(0)
    coroutine.close()
    semaphore.release()
    assert semaphore.acquire(0)


def test_waiter_swept_up_after_it_was_handed_its_turn() -> None:
    """Its loop stopped in between."""
    semaphore = Watched()
    semaphore.acquire()
    loop = asyncio.new_event_loop()
    coroutine: Any = call(semaphore.acquire)

    async def begin() -> None:
        coroutine.send(None)

    loop.run_until_complete(begin())
    semaphore.release()
    assert not semaphore.acquire(0)
    loop.close()
    coroutine.close()
    assert semaphore.acquire(0)


class Released:
    """Releases when it is freed, as a connection does that nobody gave back."""

    def __init__(self, semaphore: FairSemaphore) -> None:
        self.semaphore = semaphore
        self.circle = self

    def __del__(self) -> None:
        self.semaphore.release()


def test_garbage_collection_may_release_at_any_time() -> None:
    """Also while the same thread holds the inner lock, where waiting for it would be for ever."""
    semaphore = Watched(0)
    Released(semaphore)
    with semaphore._mutex:
        gc.collect()
        assert semaphore._free == 0
    assert semaphore.acquire(0) is False  # it comes too late for this one …
    assert semaphore.acquire(0) is True  # … and is there for the next


def test_release_while_the_line_is_locked_reaches_the_waiter() -> None:
    """What the garbage collection released goes to whoever was just entering the line."""
    semaphore = Watched(0)

    class Collects(threading.Thread):
        def run(self) -> None:
            semaphore.acquire()

    with semaphore._mutex:
        thread = Collects()
        thread.start()
        semaphore.release()
    thread.join(5)
    assert not thread.is_alive()


def test_many_tasks_and_threads_share_it() -> None:
    """Never more at once than it counts, and each has its turn."""
    semaphore = Watched(3)
    inside: list[int] = []
    most: list[int] = []
    done: list[int] = []

    def function(rounds: int) -> None:
        for _ in range(rounds):
            assert semaphore.acquire(30)
            inside.append(1)
            most.append(len(inside))
            pause(0)
            inside.pop()
            semaphore.release()
        done.append(1)

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(call(function, 20))

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
    threads += [threading.Thread(target=function, args=(20,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 44
    assert max(most) <= 3
    assert semaphore._free == 3


def test_storm_of_cancellations() -> None:
    """Tasks that are cancelled at any moment, in line and with it in hand: it is free at the end."""
    semaphore = Watched()

    def function() -> None:
        with semaphore:
            await_(asyncio.sleep(0))

    async def main() -> None:
        tasks = [asyncio.create_task(call(function)) for _ in range(500)]
        for number, task in enumerate(tasks):
            await asyncio.sleep(0)
            if number % 3:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert len(semaphore) == 0
    assert semaphore.acquire(0)
