"""``call`` and ``await_``: what a coroutine's caller would see, a plain function's sees too."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import subprocess
import sys
import textwrap
import threading
import traceback
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy.util import await_only

from prefiq.bridge import NoBridge, await_, call, in_bridge, pause, run, suspended
from prefiq.bridge.greenlets import MOST_IDLE, _workers

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")


async def soon(value: Any = None) -> Any:
    await asyncio.sleep(0)
    return value


async def fail(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


def in_loop(function: Callable[[], Any]) -> Any:
    """What a function gives in the bridge."""
    return run(function)


def frames(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


# -- results and errors


def test_plain_function_awaits() -> None:
    """Arguments go in, the awaited result comes back, and the function's own is the call's."""

    def double(value: int, *, times: int) -> int:
        assert in_bridge()
        return int(await_(soon(value))) * times

    async def main() -> int:
        assert not in_bridge()
        return await call(double, 3, times=2)

    assert asyncio.run(main()) == 6
    assert run(double, 3, times=2) == 6


def test_anything_awaitable_is_awaited() -> None:
    """Coroutines, futures, tasks, and what has ``__await__``."""

    class Ready:
        def __await__(self) -> Any:
            yield from asyncio.sleep(0).__await__()
            return "ready"

    def function() -> list[Any]:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_result, "future")
        return [await_(future), await_(loop.create_task(soon("task"))), await_(Ready()), await_(soon("c"))]

    assert in_loop(function) == ["future", "task", "ready", "c"]


def test_what_cannot_be_awaited_is_a_type_error_where_it_was_written() -> None:
    """The function sees it, and goes on."""

    def function() -> str:
        with pytest.raises(TypeError, match="await"):
            await_(5)  # type: ignore[arg-type]
        return await_(soon("still here"))  # type: ignore[no-any-return]

    assert in_loop(function) == "still here"


def test_error_of_the_function_is_the_very_one() -> None:
    """With its notes and its way, in which the bridge's own inside does not stand."""
    error = LookupError("no such")
    error.add_note("a note")

    def deep() -> None:
        raise error

    async def main() -> None:
        await call(deep)

    with pytest.raises(LookupError) as found:
        asyncio.run(main())
    assert found.value is error
    assert found.value.__notes__ == ["a note"]
    assert frames(error)[-3:] == ["main", "call", "deep"]


def test_awaited_error_keeps_where_it_came_from() -> None:
    """From the caller through the function into the coroutine that raised it."""

    def function() -> None:
        await_(fail(ValueError("driver")))

    async def main() -> None:
        await call(function)

    with pytest.raises(ValueError, match="driver") as found:
        asyncio.run(main())
    assert frames(found.value)[-5:] == ["main", "call", "function", "await_", "fail"]


def contexts(error: BaseException) -> list[str]:
    """Names of what was being handled, and of what was being handled when that was raised."""
    found: list[str] = []
    earlier = error.__context__
    while earlier is not None:
        assert len(found) < 10, "a circle"
        found.append(type(earlier).__name__)
        earlier = earlier.__context__
    return found


def test_error_knows_what_was_being_handled() -> None:
    """``__context__`` tells what the function was handling, and what its caller was."""

    def awaits() -> None:
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            await_(fail(ValueError()))

    def raises() -> None:
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            raise ValueError  # noqa: B904

    async def handling(function: Callable[[], None]) -> None:
        try:
            raise KeyError  # noqa: TRY301
        except KeyError:
            await call(function)

    for function in (awaits, raises):
        with pytest.raises(ValueError) as found:
            asyncio.run(call_only(function))
        assert contexts(found.value) == ["ZeroDivisionError"]
        with pytest.raises(ValueError) as found:
            asyncio.run(handling(function))
        assert sorted(contexts(found.value)) == ["KeyError", "ZeroDivisionError"]


async def call_only(function: Callable[[], Any]) -> None:
    await call(function)


def test_error_that_comes_twice_makes_no_circle() -> None:
    """A future gives the same error to everybody who waits for it, also while it is being handled."""

    def function() -> None:
        future = asyncio.get_running_loop().create_future()
        future.set_exception(ValueError("shared"))
        try:
            await_(future)
        except ValueError as first:
            try:
                raise KeyError from first  # noqa: TRY301
            except KeyError:
                await_(future)

    with pytest.raises(ValueError, match="shared") as found:
        in_loop(function)
    assert contexts(found.value) == []
    assert contexts(KeyError()) == []


def test_errors_leave_no_circle_behind() -> None:
    """What the failing function held is freed at once, without the garbage collection."""

    class Held:
        pass

    kept: list[weakref.ref[Held]] = []

    async def refuse(held: Held) -> None:
        await asyncio.sleep(0)
        raise ValueError(held)

    def function() -> None:
        held = Held()
        kept.append(weakref.ref(held))
        await_(refuse(held))

    async def main() -> None:
        with contextlib.suppress(ValueError):
            await call(function)
        assert kept[0]() is None

    gc.collect()
    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()


def test_idle_greenlets_hold_nothing() -> None:
    """Neither arguments nor results nor the context stay with a greenlet that waits for its next function."""

    class Held:
        pass

    kept: list[weakref.ref[Held]] = []
    holder: contextvars.ContextVar[Held] = contextvars.ContextVar("holder")

    def function(held: Held) -> Held:
        holder.set(held)
        kept.append(weakref.ref(held))
        return held

    async def main() -> None:
        task = asyncio.create_task(call(function, Held()))
        await task
        del task
        await asyncio.sleep(0)
        gc.collect()
        assert kept[0]() is None

    asyncio.run(main())


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_exits_leave_the_loop(error: type[BaseException]) -> None:
    """As in a coroutine: whoever runs the loop gets them."""

    def function() -> None:
        await_(soon())
        raise error

    with pytest.raises(error):
        in_loop(function)


# -- context variables


def test_context_is_the_callers_in_both_directions() -> None:
    """What the caller set is seen, and what the function sets stays set, also across waiting."""

    def function() -> str:
        seen = variable.get()
        await_(soon())
        assert variable.get() == seen
        variable.set("function")
        await_(soon())
        return seen

    async def main() -> None:
        variable.set("caller")
        assert await call(function) == "caller"
        assert variable.get() == "function"

    asyncio.run(main())
    assert variable.get() == ""


def test_tasks_do_not_see_each_others_context() -> None:
    """Greenlets are used again by other tasks, interleaved, and none carries a value over."""

    def function(name: str) -> list[str]:
        seen = [variable.get()]
        variable.set(name)
        for _ in range(5):
            await_(soon())
            seen.append(variable.get())
        return seen

    async def main() -> None:
        for _ in range(3):
            found = await asyncio.gather(*(call(function, str(n)) for n in range(20)))
            assert found == [["", *[str(n)] * 5] for n in range(20)]

    asyncio.run(main())


def test_context_inside_is_left_and_found_again() -> None:
    """``Context.run`` around something that waits."""

    def inside() -> str:
        variable.set("inside")
        await_(soon())
        return variable.get()

    def function() -> list[str]:
        variable.set("outside")
        found = [contextvars.copy_context().run(inside)]
        await_(soon())
        return [*found, variable.get()]

    assert in_loop(function) == ["inside", "outside"]


# -- nesting


def test_calls_nest() -> None:
    """A function awaits a coroutine that calls a function that awaits …"""

    def function(depth: int) -> int:
        return 0 if depth == 0 else await_(call(function, depth - 1)) + await_(soon(1))

    assert run(function, 50) == 50


def test_use_cases_of_one_function_run_side_by_side() -> None:
    """A task group inside a plain function."""

    def child(number: int) -> int:
        await_(soon())
        return number

    async def group() -> list[int]:
        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(call(child, number)) for number in range(10)]
        return [task.result() for task in made]

    assert in_loop(lambda: await_(group())) == list(range(10))


def test_sqlalchemys_own_bridge_works_inside() -> None:
    """Its async drivers await through the greenlet that they find."""
    assert in_loop(lambda: await_only(soon("core"))) == "core"


def test_threads_do_the_blocking_and_have_no_bridge() -> None:
    """``to_thread`` carries the context along; in that thread nothing can wait for the loop."""

    def blocking() -> str:
        assert not in_bridge()
        with pytest.raises(NoBridge):
            await_(soon())
        return variable.get()

    def function() -> str:
        variable.set("carried")
        return await_(asyncio.to_thread(blocking))

    assert in_loop(function) == "carried"


def test_task_begun_in_a_function_goes_on_without_it() -> None:
    """A coroutine's first step may run in the greenlet of whoever starts it (as eager tasks do), its others not."""

    def inner() -> str:
        first = await_(soon("first"))
        return f"{first}, {await_(soon('second'))}"

    def outer(coroutine: Coroutine[Any, Any, str]) -> Any:
        return coroutine.send(None)  # what an eager task does

    async def main() -> str:
        coroutine = call(inner)
        assert await call(outer, coroutine) is None
        assert await call(in_bridge)
        while True:
            try:
                coroutine.send(None)
            except StopIteration as end:
                return str(end.value)

    assert asyncio.run(main()) == "first, second"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks() -> None:
    """A task factory that begins at once."""

    def function() -> str:
        return await_(soon("eager"))  # type: ignore[no-any-return]

    def starts() -> Any:
        return asyncio.get_running_loop().create_task(call(function))

    async def main() -> str:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        task = await call(starts)
        return str(await task)

    assert asyncio.run(main()) == "eager"


# -- many, and deep


def test_thousands_wait_at_once() -> None:
    """All of them; afterwards no more greenlets are kept than agreed."""
    together = 3000

    def function(gate: asyncio.Event) -> int:
        await_(gate.wait())
        return 1

    async def main() -> None:
        gate = asyncio.Event()
        tasks = [asyncio.create_task(call(function, gate)) for _ in range(together)]
        await asyncio.sleep(0)
        assert len(suspended()) == together
        gate.set()
        assert sum(await asyncio.gather(*tasks)) == together
        assert len(_workers.idle) == MOST_IDLE
        assert suspended() == []

    asyncio.run(main())


def test_deep_stacks() -> None:
    """Each function has the whole of the recursion limit, and one that uses it up harms no other."""

    def descend(depth: int) -> int:
        return await_(soon(0)) if depth == 0 else descend(depth - 1) + 1

    def endless() -> None:
        endless()

    async def main() -> None:
        deep = sys.getrecursionlimit() * 3 // 4
        assert await asyncio.gather(*(call(descend, deep) for _ in range(5))) == [deep] * 5
        with pytest.raises(RecursionError):
            await call(endless)
        assert await call(descend, deep) == deep

    asyncio.run(main())


def test_recursion_limit_may_be_raised() -> None:
    """A deeper stack than usual waits and comes back."""

    def descend(depth: int) -> int:
        return await_(soon(0)) if depth == 0 else descend(depth - 1) + 1

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        assert run(descend, 15_000) == 15_000
    finally:
        sys.setrecursionlimit(before)


def test_each_thread_has_its_own_loop_and_greenlets() -> None:
    """Four loops in four threads at once."""
    found: dict[int, list[int]] = {}

    def function(number: int) -> int:
        for _ in range(10):
            await_(soon())
        return number

    async def main() -> list[int]:
        return list(await asyncio.gather(*(call(function, number) for number in range(100))))

    def thread(number: int) -> None:
        found[number] = asyncio.run(main())

    threads = [threading.Thread(target=thread, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == {number: list(range(100)) for number in range(4)}


# -- without a bridge


def test_awaiting_without_a_bridge_names_what_and_where() -> None:
    """The coroutine is closed, so that nothing else is said about it."""

    async def fetch_rates() -> None: ...

    def use_case() -> None:
        await_(fetch_rates())

    with pytest.raises(NoBridge) as found:
        use_case()
    assert str(found.value).splitlines()[0].endswith(", in use_case) [PFQ010]")
    assert "fetch_rates must be awaited, and nothing here can wait for it (" in str(found.value)
    assert f"{__file__}:" in found.value.where
    assert "await call(function, …)" in found.value.fix


def test_future_without_a_bridge_is_left_alone() -> None:
    """Only what would complain of not being awaited is closed."""

    async def main() -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with pytest.raises(NoBridge, match="Future must be awaited"):
            await_(future)
        assert not future.done()

    asyncio.run(main())


def test_pause_waits_as_it_can() -> None:
    """In the bridge the loop goes on; elsewhere the thread sleeps."""
    pause(0)
    order: list[str] = []

    def function(name: str, seconds: float) -> None:
        pause(seconds)
        order.append(name)

    async def main() -> None:
        await asyncio.gather(call(function, "late", 0.02), call(function, "soon", 0))

    asyncio.run(main())
    assert order == ["soon", "late"]


def test_run_inside_is_the_function_itself() -> None:
    """In the bridge there is a loop already; in a coroutine the way is told."""

    async def main() -> None:
        assert await call(run, in_bridge)
        with pytest.raises(RuntimeError, match=r"await call\(function"):
            run(in_bridge)

    asyncio.run(main())


def test_suspended_names_the_line() -> None:
    """Where a function waits, not where the bridge does."""

    def waits(gate: asyncio.Event) -> None:
        await_(gate.wait())

    async def main() -> None:
        gate = asyncio.Event()
        task = asyncio.create_task(call(waits, gate))
        await asyncio.sleep(0)
        (place,) = suspended()
        assert place.startswith(f"{__file__}:")
        assert place.endswith(", in waits")
        assert await call(suspended) == [place]  # not itself
        gate.set()
        await task

    asyncio.run(main())


def test_call_that_nobody_awaits_is_warned_of() -> None:
    """As of every coroutine, by name."""
    code = """
    import warnings
    warnings.simplefilter("always")
    from prefiq import call
    call(print)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert "coroutine 'call' was never awaited" in done.stderr
