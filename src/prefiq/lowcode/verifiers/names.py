"""Rule ``names``: names are usable as attribute, column, JSON member and path at once."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.verifiers.context import Context

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
PATH = re.compile(r"[a-z][a-z0-9-]{0,59}", re.ASCII)
RESERVED = frozenset({
    "id", "version", "tenant", "tenant_id", "deleted_at", "position", "meta", "history", "limit", "offset",
    "after", "cursor", "sort", "fields", "include", "count", "q",
})  # fmt: skip
VERBS = frozenset(
    {"create", "get", "list", "update", "delete", "read", "save", "run", "batch", "export", "search"}
)


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Names that are not lower snake case, or that are taken."""
    del context
    taken = RESERVED | VERBS
    for field in spec.fields:
        if not NAME.fullmatch(field.name) or keyword.iskeyword(field.name):
            yield Violation(
                "names",
                spec.qualified,
                field.name,
                "a field's name is lower snake case",
                "use letters, digits and _",
            )
        elif field.name in RESERVED:
            yield Violation(
                "names", spec.qualified, field.name, f"{field.name} is Prefiq's own", "choose another name"
            )
    for action in spec.actions:
        if action.name in taken:
            yield Violation(
                "names", spec.qualified, action.name, f"{action.name} is Prefiq's own", "choose another name"
            )
    if not PATH.fullmatch(spec.plural):
        yield Violation(
            "names",
            spec.qualified,
            "",
            f"{spec.plural!r} cannot stand in a path",
            'say plural="…" with a-z, 0-9 and -',
        )
