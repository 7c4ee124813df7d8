import asyncio
import threading

import pytest

from prefiq.bridge import await_, in_bridge
from prefiq.contracts import Bound, Scope, current_scope_or_none
from prefiq.web.errors import Overloaded, TookTooLong
from prefiq.web.workers import Greenlets, Threads, in_thread


def test_work_runs_in_a_thread_of_the_pool():
    """One hop, and the loop stays free."""

    async def main():
        workers = Threads(1)
        name = await workers.run(lambda _: threading.current_thread().name, None)
        await workers.close()
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
        await workers.close()

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
        await workers.close()
        await workers.run(lambda _: None, None)
        await workers.close()

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
        await workers.close()

    asyncio.run(main())


def test_no_scope_comes_along_into_a_thread(app):
    """A thread sees no scope but the one that its work opens."""

    async def main():
        workers = Threads(1)
        with app.scope(tenant="acme"):
            seen = await workers.run(lambda _: current_scope_or_none(), None)
        await workers.close()
        return seen

    assert asyncio.run(main()) is None


def test_the_loop_is_free_while_threads_end():
    """Closing waits for the last thread; meanwhile answers can be sent."""
    release, running = threading.Event(), threading.Event()

    def work(_):
        running.set()
        release.wait(10)
        return "done"

    async def main():
        workers = Threads(1)
        task = asyncio.create_task(workers.run(work, None))
        await asyncio.to_thread(running.wait, 10)
        closing = asyncio.create_task(workers.close())
        await asyncio.sleep(0)
        assert not closing.done()
        release.set()
        await closing
        return await task

    assert asyncio.run(main()) == "done"


# ---- greenlets


class Bell:
    """Something that work can wait for, and that others can know it waits for."""

    def __init__(self):
        self.rung, self.waiting = asyncio.Event(), asyncio.Event()

    async def _wait(self):
        self.waiting.set()
        await self.rung.wait()

    def wait(self, value=None):
        """Wait in the bridge; the work of these tests."""
        await_(self._wait())
        return value


def test_work_runs_in_the_bridge_on_the_loops_thread():
    """It can wait for the loop, and no thread is made."""

    async def main():
        here = threading.current_thread()
        return await Greenlets(1, 5).run(lambda _: (in_bridge(), threading.current_thread() is here), None)

    assert asyncio.run(main()) == (True, True)


def test_so_many_are_worked_on_at_once_and_the_rest_come_in_order():
    """One more than may wait is refused, and never starts."""
    begun = []

    async def main():
        bell = Bell()

        def work(number):
            begun.append(number)
            return bell.wait(number)

        workers = Greenlets(2, 5, queued=2)
        tasks = [asyncio.create_task(workers.run(work, n)) for n in range(4)]
        await bell.waiting.wait()
        assert begun == [0, 1]
        with pytest.raises(Overloaded):
            await workers.run(work, 99)
        bell.rung.set()
        assert await asyncio.gather(*tasks) == [0, 1, 2, 3]
        assert await workers.run(work, 4) == 4

    asyncio.run(main())
    assert begun == [0, 1, 2, 3, 4]


def test_work_that_takes_too_long_is_ended_where_it_waits():
    """It may undo what it did; its place is free again."""
    undone = []

    async def main():
        bell = Bell()

        def work(_):
            try:
                bell.wait()
            except asyncio.CancelledError:
                await_(asyncio.sleep(0))  # as a rollback waits for the server
                undone.append(1)
                raise

        workers = Greenlets(1, 0.02, queued=0)
        with pytest.raises(TookTooLong):
            await workers.run(work, None)
        assert await workers.run(lambda _: "next", None) == "next"

    asyncio.run(main())
    assert undone == [1]


def test_a_request_whose_turn_does_not_come_in_time_is_refused():
    """503, since it was not started; the one before it was, and is 504."""
    begun = []

    async def main():
        bell, workers = Bell(), Greenlets(1, 0.05)
        first = asyncio.create_task(workers.run(bell.wait, "first"))
        await bell.waiting.wait()
        second = asyncio.create_task(workers.run(begun.append, 1))
        with pytest.raises(TookTooLong):
            await first
        with pytest.raises(Overloaded):
            await second
        assert await workers.run(lambda _: "next", None) == "next"

    asyncio.run(main())
    assert begun == []


def test_each_request_has_its_own_time():
    """One timer serves all of them: those that begin later end later."""

    async def main():
        workers, loop, ends = Greenlets(8, 0.1), asyncio.get_running_loop(), []

        async def request(begins):
            await asyncio.sleep(begins)
            began = loop.time()
            with pytest.raises(TookTooLong):
                await workers.run(lambda _: await_(asyncio.Event().wait()), None)
            ends.append(loop.time() - began)

        await asyncio.gather(*(request(begins) for begins in (0, 0.03, 0.06)))
        return ends

    ends = asyncio.run(main())
    assert len(ends) == 3
    assert min(ends) >= 0.099


def test_the_timer_is_told_apart_from_another_who_cancels():
    """Who cancels a request at the very moment of its end has it cancelled."""

    async def main():
        workers = Greenlets(1, 0.01)

        def work(_):
            try:
                await_(asyncio.Event().wait())
            except asyncio.CancelledError:
                await_(asyncio.shield(undoing))
                raise

        undoing = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(workers.run(work, None))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.sleep(0)
        undoing.set_result(None)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_timeout_of_the_works_own_is_its_own_error():
    """It does not look like the request's."""

    def work(_):
        await_(asyncio.sleep(0))
        raise TimeoutError("of a socket")

    async def main():
        with pytest.raises(TimeoutError, match="of a socket"):
            await Greenlets(1, 5).run(work, None)

    asyncio.run(main())


@pytest.mark.parametrize("waits", [False, True])
def test_errors_of_work_in_a_greenlet_come_back(waits):
    """Whether it waited or not; its place is free again."""

    def fail(_):
        if waits:
            await_(asyncio.sleep(0))
        raise LookupError("gone")

    async def main():
        workers = Greenlets(1, 5, queued=0)
        for _ in range(3):
            with pytest.raises(LookupError):
                await workers.run(fail, None)

    asyncio.run(main())


def test_a_caller_that_is_cancelled_takes_its_work_along():
    """A server that gives a request up must not leave its transaction behind."""
    ended = []

    async def main():
        bell, workers = Bell(), Greenlets(1, 5, queued=0)

        def work(_):
            try:
                bell.wait()
            finally:
                ended.append(1)

        task = asyncio.create_task(workers.run(work, None))
        await bell.waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await workers.run(lambda _: "free", None) == "free"

    asyncio.run(main())
    assert ended == [1]


def test_a_caller_that_is_cancelled_in_the_queue_leaves_it():
    """Its place in the line is another's."""

    async def main():
        bell, workers = Bell(), Greenlets(1, 5, queued=1)
        first = asyncio.create_task(workers.run(bell.wait, "first"))
        await bell.waiting.wait()
        second = asyncio.create_task(workers.run(bell.wait, "second"))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        third = asyncio.create_task(workers.run(bell.wait, "third"))
        bell.rung.set()
        assert await asyncio.gather(first, third) == ["first", "third"]

    asyncio.run(main())


def test_closing_waits_for_work_in_greenlets():
    """Whoever was in when the server was told to end gets an answer."""

    async def main():
        bell, workers = Bell(), Greenlets(2, 5)
        task = asyncio.create_task(workers.run(bell.wait, "answer"))
        await bell.waiting.wait()
        closing = asyncio.create_task(workers.close())
        await asyncio.sleep(0)
        assert not closing.done()
        bell.rung.set()
        await closing
        assert await task == "answer"
        assert await workers.run(lambda _: "anew", None) == "anew"

    asyncio.run(main())


def test_closing_ends_what_does_not_end_by_itself():
    """After the time of a request, and never later."""
    undone = []

    async def main():
        bell, workers = Bell(), Greenlets(1, 60)

        def work(_):
            try:
                bell.wait()
            except asyncio.CancelledError:
                undone.append(1)
                raise

        task = asyncio.create_task(workers.run(work, None))
        await bell.waiting.wait()
        workers._limit.seconds = 0.02
        await workers.close()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert undone == [1]


def test_many_requests_share_a_few_greenlets():
    """Nothing is left over of ten thousand, and each saw its own scope alone."""

    async def main(app):
        workers = Greenlets(16, 5, queued=10_000)

        def work(tenant):
            with app.scope(tenant) as scope:
                await_(asyncio.sleep(0))
                return current_scope_or_none() is scope and scope.tenant == tenant

        names = ["acme", "globex"]
        seen = await asyncio.gather(*(workers.run(work, names[n % 2]) for n in range(5000)))
        assert all(seen)
        assert workers._inside == 0
        assert not workers._limit.tasks()
        assert current_scope_or_none() is None

    class App:
        def scope(self, tenant):
            return Scope(Bound(tenant))

    asyncio.run(main(App()))


def test_what_blocks_goes_to_a_thread_from_the_bridge_alone():
    """In a thread of the pool it would be a hop for nothing."""

    async def main():
        here = threading.current_thread()
        bridged = await Greenlets(1, 5).run(lambda _: in_thread(threading.current_thread), None)
        assert bridged is not here
        assert in_thread(threading.current_thread) is here
        with pytest.raises(LookupError):
            await Greenlets(1, 5).run(lambda _: in_thread({}.__getitem__, "x"), None)

    asyncio.run(main())
