"""Hook markers and the table they end up in."""

from __future__ import annotations

import pytest

from prefiq.contracts import Bound, Scope
from prefiq.foundation.hooks import HookMark, HookTable, compile_hook, marks_of, on


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
