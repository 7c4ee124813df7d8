"""Parts written by hand that nobody binds: a service or repository that was meant to be used and is not.

The sources are read, not imported: a file that nothing imports is exactly the kind that is looked for.
"""

from __future__ import annotations

import ast
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefiq.doctor.finding import Finding

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.plugins import LoadedModule

__all__ = ["unbound_parts"]

_BASES = ("Services", "RepositoryQuery")
"""Deriving from one of these makes a class a part; ``RepositoryMemory`` serves tests and need not be bound."""
_NOT_SOURCES = {"tests", "migrations", "__pycache__"}


@dataclass(frozen=True, slots=True)
class _Written:
    name: str
    bases: tuple[str, ...]
    place: str


def unbound_parts(app: Application) -> Iterator[Finding]:
    """A warning for each part of a listed module that nobody binds.

    Args:
        app: A prepared application.
    """
    bound = _bound(app)
    for module in app.host.modules:
        classes = {written.name: written for written in _classes(module)}
        for written in classes.values():
            base = _part(written, classes)
            if base and written.name not in bound:
                name = written.name.rpartition(".")[2]
                yield Finding(
                    "PFQ-D110",
                    "warning",
                    f"{name} derives from {base} and nobody binds it: it is not used",
                    written.place,
                    f"bind it in the provider of {module.name}, or delete it",
                )


def _part(written: _Written, classes: dict[str, _Written]) -> str:
    """The base that makes it a part, looked for through classes of the same module; or empty."""
    seen: set[str] = set()
    waiting = [written]
    while waiting:
        current = waiting.pop()
        if current.name in seen:
            continue
        seen.add(current.name)
        for base in current.bases:
            if base in _BASES:
                return base
            waiting += [other for other in classes.values() if other.name.rpartition(".")[2] == base]
    return ""


def _classes(module: LoadedModule) -> Iterator[_Written]:
    stem, dot, _ = type(module.provider).__module__.rpartition(".")
    # A provider that is a top-level module is one file; what lies beside it is not the module's.
    files = (
        sorted(module.path.rglob("*.py"))
        if dot
        else sorted(module.path.glob(f"{type(module.provider).__module__}.py"))
    )
    for file in files:
        relative = file.relative_to(module.path).with_suffix("")
        if _NOT_SOURCES & set(relative.parts):
            continue
        parts = [part for part in (stem, *relative.parts) if part and part != "__init__"]
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, SyntaxError):
            continue  # a file that is not imported and cannot be read does nothing
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                bases = tuple(name for base in node.bases if (name := _base_name(base)))
                yield _Written(".".join((*parts, node.name)), bases, f"{file}:{node.lineno}")


def _base_name(base: ast.expr) -> str:
    if isinstance(base, ast.Subscript):
        base = base.value
    if isinstance(base, ast.Attribute):
        return base.attr
    return base.id if isinstance(base, ast.Name) else ""


def _bound(app: Application) -> set[str]:
    """Full names of every class that is bound, of what factories make, and of their bases."""
    # Asked once more, because what [replace] swapped out was bound by its module all the same.
    offered = [binding.provides for binding in app.host.bindings(settings=app.settings.app_tables, faults=[])]
    used = [node.binding.provides for node in app.container.graph.nodes]
    return {
        f"{base.__module__}.{base.__qualname__}" for cls in _made([*offered, *used]) for base in cls.__mro__
    }


def _made(provided: Iterable[Any]) -> Iterator[type]:
    for one in provided:
        if isinstance(one, type):
            yield one
        elif callable(one):
            try:
                made = typing.get_type_hints(one).get("return")
            except (NameError, TypeError, AttributeError):
                continue
            for candidate in (made, *typing.get_args(made)):
                if isinstance(candidate, type):
                    yield candidate
        else:
            yield type(one)
