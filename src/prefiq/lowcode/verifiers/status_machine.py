"""Rule ``status_machine``: the states and transitions of a model fit together."""

from __future__ import annotations

from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.field import MISSING
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.verifiers.context import Context


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Transitions between states that do not exist, and states that nothing reaches."""
    del context
    statuses = [field for field in spec.fields if field.is_status]
    if len(statuses) > 1:
        yield Violation(
            "status_machine",
            spec.qualified,
            statuses[1].name,
            "a model has one status",
            "make the other a StrEnum",
        )
    if not statuses:
        for action in spec.actions:
            if action.sources or action.to:
                yield Violation(
                    "status_machine",
                    spec.qualified,
                    action.name,
                    "a transition needs a status",
                    "declare a Status field",
                )
        return
    status = statuses[0]
    if status.nullable or status.default is MISSING:
        yield Violation(
            "status_machine",
            spec.qualified,
            status.name,
            "a new entity needs a state",
            "say default= with its first state",
        )
    for action in spec.actions:
        states = [*action.action.sources, *([action.action.to] if action.action.to is not None else [])]
        if any(not isinstance(state, status.type) for state in states):
            yield Violation(
                "status_machine",
                spec.qualified,
                action.name,
                f"it names a state that is not one of {status.type.__name__}",
                f"use {status.type.__name__} in both places",
            )
        if action.to is not None and not action.sources:
            yield Violation(
                "status_machine", spec.qualified, action.name, "it comes from no state", "name its sources"
            )
    if isinstance(status.default, status.type):
        yield from _unreachable(spec, status.name, str(status.default))


def _unreachable(spec: ModelSpec, field: str, initial: str) -> Iterator[Violation]:
    reached, todo = {initial}, [initial]
    while todo:
        state = todo.pop()
        for action in spec.actions:
            if action.to is not None and state in action.sources and action.to not in reached:
                reached.add(action.to)
                todo.append(action.to)
    for state in spec.status.states if spec.status else ():
        if state not in reached:
            yield Violation(
                "status_machine",
                spec.qualified,
                field,
                f"no transition leads to {state}",
                "declare one, or leave the state out",
            )
