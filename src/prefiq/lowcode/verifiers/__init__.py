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
    conflicts,
    decimal_size,
    defaults,
    extensions,
    field_type,
    filters,
    index_fields,
    names,
    options,
    references,
    status_machine,
    tables,
    text_limits,
    tuning,
    validators,
)
from prefiq.lowcode.verifiers.context import Context

__all__ = ["OF_EXTENSIONS", "VERIFIERS", "Context", "conflicts", "extensions", "status_machine", "tuning"]

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

OF_EXTENSIONS: tuple[Callable[[ModelSpec, Context], Iterator[Violation]], ...] = (
    names.verify,
    field_type.verify,
    decimal_size.verify,
    text_limits.verify,
    bounds.verify,
    defaults.verify,
    index_fields.verify,
    filters.verify,
    references.verify,
    action_parameters.verify,
    validators.verify,
)
"""The rules of models that an extension's fields, actions and checks must meet as well; see ``extensions``,
``tuning`` and ``conflicts`` for those of its own."""
