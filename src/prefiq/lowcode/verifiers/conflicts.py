"""Rule ``conflicts``: what extensions of several modules bring to one model does not collide."""

from __future__ import annotations

from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import ExtensionSpec, ModelSpec
from prefiq.lowcode.verifiers import tuning
from prefiq.lowcode.verifiers.context import Context

VERBS = ("create", "read", "update", "delete")


def verify(base: ModelSpec, context: Context) -> Iterator[Violation]:
    """Two things of one name: a member, a column, an index, an action with its route, a permission."""
    yield from _members(base)
    yield from _columns(base)
    yield from _actions(base)
    yield from _permissions(base, context)
    yield from tuning.conflicts(base, base.extensions)


def _members(base: ModelSpec) -> Iterator[Violation]:
    taken = dict.fromkeys(("id", "version"), f"{base.qualified} itself")
    taken |= {field.name: f"the field {base.qualified}.{field.name}" for field in base.fields}
    taken |= {child.name: f"the children {base.qualified}.{child.name}" for child in base.children}
    taken |= {
        field.ref.name: f"the reference {base.qualified}.{field.name}"
        for field in base.fields
        if field.ref is not None
    }
    for extension in base.extensions:
        owner = taken.setdefault(extension.module, extension.qualified)
        if owner != extension.qualified:
            fix = "put the fields of both into one" if owner.startswith(f"{extension.module}.") else ""
            yield _conflict(
                extension,
                "",
                f"{owner} is called {extension.module} in {base.qualified} already",
                fix or "list the module under another name",
            )


def _columns(base: ModelSpec) -> Iterator[Violation]:
    columns = {field.column: f"{base.qualified}.{field.name}" for field in base.fields}
    indexes = {index.name: base.qualified for index in base.indexes}
    for extension in base.extensions:
        for field in extension.fields:
            owner = columns.setdefault(field.column, field.name)
            if owner != field.name:
                yield _conflict(
                    extension, field.attribute, f"{owner} has the column {field.column}", "rename one of them"
                )
        for index in extension.indexes:
            owner = indexes.setdefault(index.name, extension.qualified)
            if owner != extension.qualified:
                yield _conflict(
                    extension, "", f"{owner} has an index {index.name}", "rename one of the fields"
                )


def _actions(base: ModelSpec) -> Iterator[Violation]:
    brought = {id(action) for extension in base.extensions for action in extension.actions}
    owners = {action.name: base.qualified for action in base.actions if id(action) not in brought}
    for extension in base.extensions:
        for action in extension.actions:
            owner = owners.setdefault(action.name, extension.qualified)
            if owner != extension.qualified:
                yield _conflict(
                    extension,
                    action.name,
                    f"{owner} has an action {action.name}, with the same route",
                    "rename it",
                )


def _permissions(base: ModelSpec, context: Context) -> Iterator[Violation]:
    derived = {
        action.permission: (extension, action.name)
        for extension in base.extensions
        for action in extension.actions
        if not action.action.permission
    }
    if not derived:
        return
    for spec in context.catalog:
        wanted = [f"{spec.permission}.{verb}" for verb in VERBS]
        wanted += [a.permission for a in spec.actions if spec.qualified != base.qualified]
        for permission in derived.keys() & set(wanted):
            extension, name = derived[permission]
            yield _conflict(
                extension,
                name,
                f"its permission {permission} is {spec.qualified}'s as well",
                "say permission=… of its own",
            )


def _conflict(extension: ExtensionSpec, name: str, problem: str, fix: str) -> Violation:
    return Violation("conflicts", extension.qualified, name, problem, fix)
