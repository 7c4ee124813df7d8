"""Rule ``action_parameters``: an action can be called from a request."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import ActionSpec, ModelSpec
from prefiq.lowcode.verifiers.context import Context

BY_NAME = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Bodies that must be awaited, and parameters that no request can hold."""
    del context
    for action in spec.actions:
        if inspect.iscoroutinefunction(action.action.function):
            yield Violation(
                "action_parameters",
                spec.qualified,
                action.name,
                "an action's body is not awaited",
                "write def in place of async def",
            )
        for name, problem, fix in _parameters(action):
            yield Violation("action_parameters", spec.qualified, f"{action.name}({name})", problem, fix)


def _parameters(action: ActionSpec) -> Iterator[tuple[str, str, str]]:
    kinds = {}
    if action.action.function is not None:
        kinds = dict(inspect.signature(action.action.function).parameters)
    for parameter in action.parameters:
        if kinds[parameter.name].kind not in BY_NAME:
            yield parameter.name, "it cannot be given by name", "declare a plain parameter"
        elif parameter.kind == "unknown":
            yield (
                parameter.name,
                f"{parameter.annotation} cannot be sent in a request",
                "annotate it as a field would be",
            )
        if parameter.clock_default:
            yield parameter.name, "now is the default of a field only", "take IClock in the service"
        if parameter.ref is not None:
            yield parameter.name, "a reference is a field", "annotate it UUID"
