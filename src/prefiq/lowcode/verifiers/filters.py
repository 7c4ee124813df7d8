"""Rule ``filters``: filter and sort are open only where the database has an answer."""

from __future__ import annotations

from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import SORTABLE, ModelSpec
from prefiq.lowcode.verifiers.context import Context


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Filters and sorts over kinds that have no order."""
    del context
    for field in spec.fields:
        if field.filter and field.kind not in SORTABLE and field.kind != "text":
            yield Violation(
                "filters",
                spec.qualified,
                field.name,
                f"a {field.kind} field cannot be filtered",
                "say filter=False",
            )
        if field.sort and field.kind not in SORTABLE:
            yield Violation(
                "filters",
                spec.qualified,
                field.name,
                f"a {field.kind} field cannot be sorted",
                "say sort=False",
            )
