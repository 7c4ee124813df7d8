"""Rule ``tables``: no two models share a table, a path or a name."""

from __future__ import annotations

from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.verifiers.context import Context

# PostgreSQL keeps 63 bytes of a name; indexes and constraints add to it.
LONGEST = 48


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Two models with one table or one path."""
    tables = context.tables
    for model in (spec, *(child.model for child in spec.children)):
        owner = tables.setdefault(model.table, model.qualified)
        if owner != model.qualified:
            yield Violation(
                "tables", spec.qualified, "", f"{owner} has the table {model.table}", "rename one of them"
            )
        if len(model.table) > LONGEST:
            yield Violation(
                "tables", spec.qualified, "", f"{model.table} is too long for a table", "shorten its name"
            )
    owner = context.paths.setdefault(spec.path, spec.qualified)
    if owner != spec.qualified:
        yield Violation("tables", spec.qualified, "", f"{owner} has the path {spec.path}", 'say plural="…"')
