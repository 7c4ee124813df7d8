"""What is left when a coroutine is closed, a loop or thread ends, or the interpreter does: nothing, and no noise."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from prefiq.bridge import await_, call, suspended


async def never() -> None:
    await asyncio.get_running_loop().create_future()


def step(coroutine: Any) -> None:
    """Run a coroutine until it waits."""

    async def main() -> None:
        coroutine.send(None)

    asyncio.run(main())


def test_closed_coroutine_ends_its_function() -> None:
    """It sees ``GeneratorExit`` where it waits; what it still wants to await is refused in the same way."""
    seen: list[str] = []

    def function() -> None:
        try:
            await_(never())
        except GeneratorExit:
            seen.append("closed")
            try:
                await_(never())
            except GeneratorExit:
                seen.append("refused")
            raise

    coroutine = call(function)
    step(coroutine)
    coroutine.close()
    assert seen == ["closed", "refused"]
    assert suspended() == []


def test_closed_coroutine_tells_what_the_function_raises_instead() -> None:
    """As a coroutine's ``close`` does."""

    def function() -> None:
        try:
            await_(never())
        finally:
            raise LookupError("clean-up failed")

    coroutine = call(function)
    step(coroutine)
    with pytest.raises(LookupError, match="clean-up failed"):
        coroutine.close()


def test_function_that_never_gives_up_is_let_go() -> None:
    """Closing comes to an end, however often it awaits."""
    seen: list[int] = []

    def function() -> None:
        while len(seen) < 10_000:
            try:
                await_(never())
            except GeneratorExit:
                seen.append(1)
        raise AssertionError

    coroutine = call(function)
    step(coroutine)
    coroutine.close()
    assert 0 < len(seen) < 1000


def test_forgotten_coroutine_frees_what_its_function_held() -> None:
    """Nobody awaits it any more: with it goes the greenlet."""

    class Held:
        pass

    kept: list[weakref.ref[Held]] = []

    def function() -> None:
        held = Held()
        kept.append(weakref.ref(held))
        await_(never())

    coroutine = call(function)
    step(coroutine)
    assert len(suspended()) == 1
    del coroutine
    gc.collect()
    assert kept[0]() is None
    assert suspended() == []


def test_greenlets_beyond_the_idle_ones_are_freed() -> None:
    """A crowd leaves no greenlet behind but those that are kept on purpose."""
    from prefiq.bridge.greenlets import MOST_IDLE, _workers

    async def main() -> None:
        gate = asyncio.Event()
        tasks = [asyncio.create_task(call(lambda: await_(gate.wait()))) for _ in range(MOST_IDLE + 100)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    gc.collect()
    assert len(_workers.all) == len(_workers.idle) == MOST_IDLE


def test_threads_take_their_greenlets_along() -> None:
    """A thread that ends, with a use case done or one that waits still, keeps nothing alive."""

    class Held:
        pass

    kept: list[weakref.ref[Any]] = []

    def function(wait: bool) -> None:
        held = Held()
        kept.append(weakref.ref(held))
        if wait:
            await_(never())

    def done() -> None:
        asyncio.run(call(function, False))

    def left() -> None:
        coroutine = call(function, True)
        step(coroutine)

    for target in (done, left):
        threads = [threading.Thread(target=target) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    gc.collect()
    assert [ref() for ref in kept] == [None] * 40


def test_coroutine_closed_in_another_thread_is_let_go() -> None:
    """Its greenlet cannot be reached from there; nothing is raised."""
    made: list[Any] = []

    def thread() -> None:
        coroutine = call(lambda: await_(never()))
        step(coroutine)
        made.append(coroutine)

    one = threading.Thread(target=thread)
    one.start()
    one.join()
    made.pop().close()


def process(code: str) -> subprocess.CompletedProcess[str]:
    head = "import asyncio, threading\nfrom prefiq import await_, call\n"
    return subprocess.run(
        [sys.executable, "-W", "always", "-c", head + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


ENDINGS = {
    "a coroutine held by the main module": """
        coroutine = call(lambda: await_(asyncio.sleep(60)))
        async def main():
            coroutine.send(None)
        asyncio.run(main())
    """,
    "one held by another module": """
        import json
        json.kept = [call(lambda: await_(asyncio.sleep(60))) for _ in range(50)]
        async def main():
            for coroutine in json.kept:
                coroutine.send(None)
        asyncio.run(main())
    """,
    "one in a circle": """
        circle = [call(lambda: await_(asyncio.sleep(60)))]
        circle.append(circle)
        async def main():
            circle[0].send(None)
        asyncio.run(main())
    """,
    "a use case that cleans up": """
        def function():
            try:
                await_(asyncio.sleep(60))
            finally:
                await_(asyncio.sleep(0))
        kept = call(function)
        async def main():
            kept.send(None)
        asyncio.run(main())
    """,
    "tasks that the loop cancels at its end": """
        async def main():
            global tasks
            tasks = [asyncio.create_task(call(lambda: await_(asyncio.sleep(60)))) for _ in range(50)]
            await asyncio.sleep(0)
        asyncio.run(main())
    """,
    "a loop in a daemon thread": """
        started = threading.Event()
        async def main():
            tasks = [asyncio.create_task(call(lambda: await_(asyncio.sleep(60)))) for _ in range(50)]
            await asyncio.sleep(0)
            started.set()
            await asyncio.gather(*tasks)
        threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()
        started.wait()
    """,
    "many idle greenlets": """
        async def main():
            await asyncio.gather(*(call(lambda: await_(asyncio.sleep(0))) for _ in range(1000)))
        asyncio.run(main())
    """,
}


@pytest.mark.parametrize("code", ENDINGS.values(), ids=ENDINGS)
def test_interpreter_ends_quietly(code: str) -> None:
    """Whatever waits when it shuts down."""
    done = process(code)
    assert done.stderr == ""
    assert done.returncode == 0


def test_interrupt_ends_the_use_case() -> None:
    """Ctrl-C while a script waits: the function cleans up, and the script ends as Python's do."""
    done = process("""
        import os, signal
        from prefiq import run
        def function():
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
            try:
                await_(asyncio.sleep(60))
            finally:
                print("cleaned", flush=True)
        run(function)
    """)
    assert done.stdout == "cleaned\n"
    assert done.stderr.splitlines()[-1] == "KeyboardInterrupt"


def test_uvloop_serves_as_well() -> None:
    """The bridge knows nothing of the loop."""
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        function: Callable[[], Any] = lambda: await_(asyncio.sleep(0, "uv"))  # noqa: E731
        assert runner.run(call(function)) == "uv"
