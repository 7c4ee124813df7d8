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
    first = context.tables.setdefault(spec.table, spec)
    if first.cls is not spec.cls:
        named = f"{first.cls.__module__}.{first.cls.__qualname__}"
        yield Violation(
            "tables", spec.qualified, "", f"{named} has the table {spec.table}", "rename one of them"
        )
    if len(spec.table) > LONGEST:
        yield Violation(
            "tables", spec.qualified, "", f"{spec.table} is too long for a table", "shorten its name"
        )
    if not spec.remote:
        return
    owner = context.paths.setdefault(spec.path, spec.qualified)
    if owner != spec.qualified:
        yield Violation("tables", spec.qualified, "", f"{owner} has the path {spec.path}", 'say plural="…"')
