"""The rules that a declaration must meet, one a file.

A rule is ``verify(spec, context)``, which yields every ``Violation`` it finds; it never raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.verifiers import (
    action_parameters,
    bounds,
    children_of,
    decimal_size,
    defaults,
    field_type,
    filters,
    index_fields,
    names,
    options,
    references,
    status_machine,
    tables,
    text_limits,
    validators,
)
from prefiq.lowcode.verifiers.context import Context

__all__ = ["VERIFIERS", "Context"]

VERIFIERS: tuple[Callable[[ModelSpec, Context], Iterator[Violation]], ...] = (
    names.verify,
    options.verify,
    field_type.verify,
    decimal_size.verify,
    text_limits.verify,
    bounds.verify,
    defaults.verify,
    index_fields.verify,
    filters.verify,
    status_machine.verify,
    references.verify,
    children_of.verify,
    action_parameters.verify,
    validators.verify,
    tables.verify,
)
