import asyncio
import threading

import pytest

from prefiq.contracts import current_scope_or_none
from prefiq.web.errors import Overloaded
from prefiq.web.workers import Inline, Threads


def test_work_runs_in_a_thread_of_the_pool():
    """One hop, and the loop stays free."""

    async def main():
        workers = Threads(1)
        name = await workers.run(lambda _: threading.current_thread().name, None)
        workers.close()
        return name

    assert asyncio.run(main()).startswith("prefiq-request")


def test_what_does_not_fit_into_the_queue_is_refused_at_once():
    """Threads and queue are bounded; what was refused never starts."""
    release, started = threading.Event(), []

    def work(number):
        started.append(number)
        release.wait(10)
        return number

    async def main():
        workers = Threads(2, queued=1)
        tasks = [asyncio.create_task(workers.run(work, n)) for n in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await workers.run(work, 99)
        release.set()
        assert await asyncio.gather(*tasks) == [0, 1, 2]
        assert await workers.run(work, 4) == 4
        workers.close()

    asyncio.run(main())
    assert 99 not in started


def test_a_cancelled_caller_keeps_its_place_until_its_work_is_done():
    """What is running still takes a thread, whoever waits for it."""
    release, running = threading.Event(), threading.Event()

    def work(_):
        running.set()
        release.wait(10)

    async def main():
        workers = Threads(1, queued=0)
        task = asyncio.create_task(workers.run(work, None))
        await asyncio.to_thread(running.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(Overloaded):
            await workers.run(work, None)
        release.set()
        workers.close()
        await workers.run(lambda _: None, None)
        workers.close()

    asyncio.run(main())


def test_errors_of_the_work_come_back():
    """And their place is free again."""

    def fail(_):
        raise LookupError("gone")

    async def main():
        workers = Threads(1, queued=0)
        for _ in range(3):
            with pytest.raises(LookupError):
                await workers.run(fail, None)
        workers.close()

    asyncio.run(main())


def test_no_scope_comes_along_into_a_thread(app):
    """A thread sees no scope but the one that its work opens."""

    async def main():
        workers = Threads(1)
        with app.scope(tenant="acme"):
            seen = await workers.run(lambda _: current_scope_or_none(), None)
        workers.close()
        return seen

    assert asyncio.run(main()) is None


def test_inline_work_runs_where_it_is_called():
    """For work that does not block."""

    async def main():
        return await Inline().run(lambda _: threading.current_thread(), None)

    assert asyncio.run(main()) is threading.current_thread()
