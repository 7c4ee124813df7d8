"""Rule ``validators``: checks can be called, and have names that ``disable`` can say."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.validation import name_of
from prefiq.lowcode.verifiers.context import Context, all_fields


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Checks without a name, that need more than their value, or that must be awaited."""
    del context
    for name, field in all_fields(spec):
        checks: tuple[object, ...] = field.validators
        for check in checks:
            if not callable(check):
                yield Violation(
                    "validators", spec.qualified, name, "a validator is not callable", "give a function"
                )
            elif name_of(check) == "<lambda>":
                yield Violation(
                    "validators",
                    spec.qualified,
                    name,
                    "a lambda has no name that prefiq.toml could disable",
                    "write a function",
                )
            elif inspect.iscoroutinefunction(check):
                yield Violation("validators", spec.qualified, name, "a check is not awaited", "write def")
    for validator in spec.validators:
        problem = _problem(validator.function)
        if problem:
            yield Violation(
                "validators", spec.qualified, validator.name, problem, "write def name(self) -> None"
            )


def _problem(function: object) -> str:
    if not inspect.isfunction(function):
        return "a check of the whole entity is a method"
    if inspect.iscoroutinefunction(function):
        return "a check is not awaited"
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return "a check of the whole entity takes the entity alone"
    return ""
