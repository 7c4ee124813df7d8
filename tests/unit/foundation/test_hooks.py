"""Hook markers and the table they end up in."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from prefiq.bridge import NoBridge, await_, run
from prefiq.contracts import Bound, Scope
from prefiq.foundation.hooks import CompiledHook, HookMark, HookTable, compile_hook, marks_of, on


class Task:
    pass


class Close:
    name = "close"
    owner = Task


@pytest.fixture
def scope() -> Scope:
    return Scope(Bound("acme"), resolve=lambda scope, contract: contract)


def test_marked_function_stays_a_function() -> None:
    """The decorator adds a mark and nothing else."""

    @on.before_create(Task)
    @on.after(Close)  # type: ignore[arg-type]
    def stamp(task: Task) -> str:
        return "called"

    assert stamp(Task()) == "called"
    assert marks_of(stamp) == (
        HookMark("after_close", Task, "close"),
        HookMark("before_create", Task),
    )


def test_wrong_targets_are_refused_where_they_are_written() -> None:
    """What is no model, no action, or an action named like a write cannot be hooked."""

    class Delete:
        name = "delete"
        owner = Task

    with pytest.raises(TypeError, match=r"is no model; write @on.before_create\(Project\)"):
        on.before_create("Task")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is no action"):
        on.before(Task)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="an action cannot be named 'delete'"):
        on.after(Delete)  # type: ignore[arg-type]


def test_table_runs_its_tuple_until_one_raises(scope: Scope) -> None:
    """Hooks run in order; the first that raises ends it; other events have none."""
    seen: list[str] = []

    def first(task: Task) -> None:
        seen.append("first")

    def second(task: Task) -> None:
        raise ValueError

    def third(task: Task) -> None:
        seen.append("third")

    mark = HookMark("before_create", Task)
    hooks = tuple(compile_hook(function, name="a", mark=mark) for function in (first, second, third))
    table = HookTable({("before_create", Task): hooks})
    with pytest.raises(ValueError):
        table.run("before_create", Task, scope, Task())
    assert seen == ["first"]
    assert table.get("after_create", Task) == ()
    table.run("after_create", Task, scope, Task())
    assert seen == ["first"]
    assert len(table) == 1
    assert list(table) == [(("before_create", Task), hooks)]


def test_contracts_are_resolved_in_the_scope_that_runs(scope: Scope) -> None:
    """A compiled hook keeps contracts; None stands for an optional one that nobody binds."""
    seen: list[object] = []

    def hook(task: Task, a: object, b: object, before: object, arguments: object) -> None:
        seen.extend((a, b, before, arguments))

    compiled = compile_hook(
        hook,
        name="a",
        mark=HookMark("before_update", Task),
        injected={"a": int, "b": None},
        given=frozenset({"before", "arguments"}),
    )
    compiled(scope, Task(), "old")
    assert seen == [int, None, "old", {}]


def wrapper(name: str, seen: list[object], body: Callable[..., Any] | None = None) -> CompiledHook:
    """A compiled wrapper that writes down what happens to it."""

    def around(task: Task) -> Iterator[None]:
        seen.append(f"{name} begins")
        try:
            seen.append((name, (yield)))
        except Exception as error:  # noqa: BLE001  whatever it is, it is written down
            seen.append(f"{name} sees {type(error).__name__}")
            if body is not None:
                body(error)
        else:
            if body is not None:
                body(None)
        finally:
            seen.append(f"{name} ends")

    return compile_hook(around, name=f"app.{name}", mark=HookMark("around_create", Task))


def table_of(*hooks: CompiledHook) -> HookTable:
    return HookTable({("around_create", Task): hooks})


def test_wrappers_stand_around_a_block(scope: Scope) -> None:
    """The first is outermost; ``yield`` gives the entity; without wrappers the block stands alone."""
    seen: list[object] = []
    task = Task()
    table = table_of(wrapper("outer", seen), wrapper("inner", seen))
    with table.around("around_create", Task, scope, task):
        seen.append("body")
    assert seen == [
        "outer begins",
        "inner begins",
        "body",
        ("inner", task),
        "inner ends",
        ("outer", task),
        "outer ends",
    ]
    with table.around("around_delete", Task, scope, task) as nothing:
        assert nothing is None
    assert len(seen) == 7


def test_what_failed_stays_failed(scope: Scope) -> None:
    """Every wrapper sees the failure, and one that keeps it to itself changes nothing."""
    seen: list[object] = []
    table = table_of(wrapper("outer", seen), wrapper("inner", seen))
    with pytest.raises(ZeroDivisionError), table.around("around_create", Task, scope, Task()):
        raise ZeroDivisionError
    assert seen == [
        "outer begins",
        "inner begins",
        "inner sees ZeroDivisionError",
        "inner ends",
        "outer sees ZeroDivisionError",
        "outer ends",
    ]


def test_wrapper_may_raise_something_else(scope: Scope) -> None:
    """The wrappers further out and the caller see that; so also where only a wrapper fails, after the block."""

    def instead(error: Exception | None) -> None:
        raise LookupError from error

    for fails in (True, False):
        seen: list[object] = []
        table = table_of(wrapper("outer", seen), wrapper("inner", seen, instead))
        with pytest.raises(LookupError), table.around("around_create", Task, scope, Task()):
            _ = 1 / (0 if fails else 1)
        assert seen[-2:] == ["outer sees LookupError", "outer ends"]


def test_wrapper_that_cannot_begin_ends_those_before_it(scope: Scope) -> None:
    """What it raises reaches them, and the block does not run."""
    seen: list[object] = []

    def refuse(task: Task) -> Iterator[None]:
        raise LookupError
        yield

    hook = compile_hook(refuse, name="app.refuse", mark=HookMark("around_create", Task))
    with (
        pytest.raises(LookupError),
        table_of(wrapper("outer", seen), hook).around("around_create", Task, scope, Task()),
    ):
        seen.append("body")
    assert seen == ["outer begins", "outer sees LookupError", "outer ends"]


@pytest.mark.parametrize(("times", "says"), [(0, "ended without a yield"), (2, "yielded twice")])
def test_wrapper_yields_once(scope: Scope, times: int, says: str) -> None:
    """Anything else is a mistake that names the hook; the wrappers around it still end."""
    seen: list[object] = []

    def around(task: Task) -> Iterator[None]:
        for _ in range(times):
            yield

    hook = compile_hook(around, name="app.odd", mark=HookMark("around_create", Task))
    with (
        pytest.raises(RuntimeError, match=f"the hook app.odd {says}"),
        table_of(wrapper("outer", seen), hook).around("around_create", Task, scope, Task()),
    ):
        pass
    assert seen[-2:] == ["outer sees RuntimeError", "outer ends"]


# -- async def, in async mode


def async_wrapper(name: str, seen: list[object]) -> CompiledHook:
    """As ``wrapper``, by an async generator that awaits at every step."""

    async def around(task: Task) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        seen.append(f"{name} begins")
        try:
            seen.append((name, (yield)))
        except Exception as error:
            await asyncio.sleep(0)
            seen.append(f"{name} sees {type(error).__name__}")
            if name == "instead":
                raise LookupError from error
        finally:
            await asyncio.sleep(0)
            seen.append(f"{name} ends")

    return compile_hook(around, name=f"app.{name}", mark=HookMark("around_create", Task), wait=await_)


def test_async_hook_runs_to_its_end(scope: Scope) -> None:
    """Between the hooks before and after it; what it raises ends the row as any other's does."""
    seen: list[str] = []
    mark = HookMark("before_create", Task)

    def plain(task: Task) -> None:
        seen.append("plain")

    async def waits(task: Task) -> None:
        await asyncio.sleep(0)
        seen.append("waited")

    async def refuses(task: Task) -> None:
        await asyncio.sleep(0)
        raise ValueError

    hooks = [compile_hook(plain, name="a", mark=mark)]
    hooks += [compile_hook(function, name="a", mark=mark, wait=await_) for function in (waits, refuses)]
    hooks.append(compile_hook(plain, name="a", mark=mark))
    table = HookTable({("before_create", Task): tuple(hooks)})
    with pytest.raises(ValueError):
        run(table.run, "before_create", Task, scope, Task())
    assert seen == ["plain", "waited"]
    seen.clear()
    with pytest.raises(NoBridge, match="waits must be awaited"):
        table.run("before_create", Task, scope, Task())
    assert seen == ["plain"]


def test_plain_hooks_are_called_as_they_are(scope: Scope) -> None:
    """That others may wait costs them nothing: there is no step between the table and the function."""
    callers: list[str] = []

    def plain(task: Task) -> None:
        frame = sys._getframe(1)
        callers.append(frame.f_code.co_name)

    mark = HookMark("before_create", Task)
    compile_hook(plain, name="a", mark=mark).call(scope, Task(), None, None)
    assert callers == ["bare"]


def test_async_wrappers_stand_around_a_block(scope: Scope) -> None:
    """Mixed with plain ones, in their order."""
    seen: list[object] = []
    task = Task()

    def use() -> None:
        table = table_of(wrapper("outer", seen), async_wrapper("middle", seen), wrapper("inner", seen))
        with table.around("around_create", Task, scope, task):
            seen.append("body")

    run(use)
    assert seen == [
        "outer begins",
        "middle begins",
        "inner begins",
        "body",
        ("inner", task),
        "inner ends",
        ("middle", task),
        "middle ends",
        ("outer", task),
        "outer ends",
    ]


@pytest.mark.parametrize(("name", "error"), [("same", ZeroDivisionError), ("instead", LookupError)])
def test_async_wrapper_sees_failures(scope: Scope, name: str, error: type[Exception]) -> None:
    """What failed stays failed; it may raise something else."""
    seen: list[object] = []

    def use() -> None:
        table = table_of(wrapper("outer", seen), async_wrapper(name, seen))
        with table.around("around_create", Task, scope, Task()):
            _ = 1 / 0

    with pytest.raises(error):
        run(use)
    assert seen[2:] == [
        f"{name} sees ZeroDivisionError",
        f"{name} ends",
        f"outer sees {error.__name__}",
        "outer ends",
    ]


@pytest.mark.parametrize(("times", "says"), [(0, "ended without a yield"), (2, "yielded twice")])
def test_async_wrapper_yields_once(scope: Scope, times: int, says: str) -> None:
    """Anything else is the same mistake as in a plain one, and its clean-up runs."""
    ended: list[bool] = []

    async def around(task: Task) -> AsyncIterator[None]:
        try:
            for _ in range(times):
                yield
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    def use() -> None:
        hook = compile_hook(around, name="app.odd", mark=HookMark("around_create", Task), wait=await_)
        with table_of(hook).around("around_create", Task, scope, Task()):
            pass

    with pytest.raises(RuntimeError, match=f"the hook app.odd {says}"):
        run(use)
    assert ended == [True]


def test_slow_hook_is_logged_where_asked(scope: Scope, caplog: pytest.LogCaptureFixture) -> None:
    """By name, event and model; also one that raises; without a limit nothing is measured."""

    def fine(task: Task) -> None: ...

    def fails(task: Task) -> None:
        raise ValueError

    mark = HookMark("before_create", Task)
    with caplog.at_level(logging.WARNING):
        compile_hook(fine, name="app.fine", mark=mark)(scope, Task())
        compile_hook(fine, name="app.fine", mark=mark, slow=60)(scope, Task())
        assert caplog.records == []
        with pytest.raises(ValueError):
            compile_hook(fails, name="app.fails", mark=mark, slow=1e-9)(scope, Task())
    (record,) = caplog.records
    assert record.name == "prefiq.hooks"
    assert record.getMessage().startswith("slow hook app.fails (before_create Task): 0.")
