"""Rule ``names``: names are usable as attribute, column, JSON member and path at once."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.verifiers.context import Context

CLASS = re.compile(r"[A-Z][A-Za-z0-9_]*", re.ASCII)
# Two underscores together, or one at the end, would run into the operator of `where(budget__gte=…)`.
NAME = re.compile(r"(?=.{1,40}\Z)[a-z][a-z0-9]*(?:_[a-z0-9]+)*", re.ASCII)
PATH = re.compile(r"[a-z][a-z0-9-]{0,59}", re.ASCII)
RESERVED = frozenset({
    "id", "version", "tenant", "tenant_id", "deleted_at", "position", "meta", "history", "limit", "offset",
    "after", "cursor", "sort", "fields", "include", "count", "q", "require",
})  # fmt: skip
VERBS = frozenset(
    {
        "create", "get", "list", "update", "delete", "read", "write", "save", "run", "batch", "export", "search",
        "created", "updated", "deleted",
    }
)  # fmt: skip


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Names that are not lower snake case, or that are taken."""
    del context
    taken = RESERVED | VERBS
    if not CLASS.fullmatch(spec.name):
        yield Violation(
            "names", spec.qualified, "", "a model's name is CapWords", "use letters and digits of ASCII"
        )
    for name in (*(field.name for field in spec.fields), *(child.name for child in spec.children)):
        yield from _check(spec, "a field", name, RESERVED)
    for action in spec.actions:
        yield from _check(spec, "an action", action.name, taken)
        if action.name != action.action.name:
            yield Violation(
                "names",
                spec.qualified,
                action.name,
                f"it is the same object as {action.action.name}",
                "declare each action on its own",
            )
    if not PATH.fullmatch(spec.plural):
        yield Violation(
            "names",
            spec.qualified,
            "",
            f"{spec.plural!r} cannot stand in a path",
            'say plural="…" with a-z, 0-9 and -',
        )


def _check(spec: ModelSpec, what: str, name: str, taken: frozenset[str]) -> Iterator[Violation]:
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        yield Violation(
            "names",
            spec.qualified,
            name,
            f"{what}'s name is lower snake case of at most 40 characters",
            "use letters, digits and single underscores between them",
        )
    elif name in taken:
        yield Violation("names", spec.qualified, name, f"{name} is Prefiq's own", "choose another name")
