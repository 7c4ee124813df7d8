"""Rule ``action_parameters``: an action's parameters can be sent in a request."""

from __future__ import annotations

from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.verifiers.context import Context


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Parameters that no request can hold."""
    del context
    for action in spec.actions:
        for parameter in action.parameters:
            where = f"{action.name}({parameter.name})"
            if parameter.kind == "unknown":
                yield Violation(
                    "action_parameters",
                    spec.qualified,
                    where,
                    f"{parameter.annotation} cannot be sent in a request",
                    "annotate it as a field would be",
                )
            if parameter.kind == "decimal" and (parameter.precision is None or parameter.scale is None):
                yield Violation(
                    "action_parameters",
                    spec.qualified,
                    where,
                    "a Decimal needs its number of digits",
                    "annotate it Annotated[Decimal, field(precision=12, scale=2)]",
                )
