"""What an entity looks like from outside: which fields, in which order, as bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from prefiq.lowcode import ExtensionSpec, ModelSpec

__all__ = ["Representation", "encode", "visible_names"]

encode = msgspec.json.Encoder().encode
"""UUIDs and decimals as strings, instants in UTC with ``Z``."""

View = Callable[[Any], Any]

MOST_VIEWS = 64


class Page(msgspec.Struct, omit_defaults=False):
    """The envelope of a list."""

    items: list[Any]
    next: str | None
    total: int | msgspec.UnsetType = msgspec.UNSET


def visible_names(spec: ModelSpec) -> tuple[str, ...]:
    """Members of a representation, in order; hidden fields are none.

    What a module's extension adds is one member with the module's name.
    """
    version = () if spec.parent else ("version",)
    fields = (field.name for field in spec.fields if not field.hidden)
    children = (child.name for child in spec.children)
    extensions = (e.module for e in spec.extensions if not all(field.hidden for field in e.fields))
    return ("id", *version, *fields, *children, *extensions)


def extension_view(extension: ExtensionSpec, hidden: frozenset[str]) -> View | None:
    """A function from an entity to what is shown of one of its extensions; None where nothing is."""
    shown = tuple(f for f in extension.fields if not f.hidden and not {f.name, extension.module} & hidden)
    of: View = extension.cls.of
    if not shown:
        return None
    if len(shown) == len(extension.fields):
        return of
    names = tuple(field.attribute for field in shown)
    struct = msgspec.defstruct(f"{extension.name}Read", [(name, Any) for name in names])
    return lambda entity: struct(*(getattr(of(entity), name) for name in names))


class Representation:
    """The views of one model; a view turns an entity into something that encodes to its JSON.

    Args:
        spec: The model.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.names = visible_names(spec)
        self.readable = frozenset((*self.names, *(f.name for f in spec.all_fields if not f.hidden)))
        self._children: dict[str, View] = {c.name: Representation(c.model).whole for c in spec.children}
        self._modules = frozenset(extension.module for extension in spec.extensions)
        self._views: dict[frozenset[str], View] = {}
        self.whole: View = self.without(frozenset())

    def without(self, hidden: frozenset[str]) -> View:
        """The view that leaves out what the actor may not read."""
        view = self._views.get(hidden)
        if view is None:
            view = self._view(tuple(name for name in self.names if name not in hidden), hidden)
            if len(self._views) < MOST_VIEWS:
                self._views[hidden] = view
        return view

    def members(
        self, names: Sequence[str], hidden: frozenset[str] = frozenset()
    ) -> Callable[[Any], dict[str, Any]]:
        """A view with the named members (at least two), as a dictionary that more can be added to."""
        extensions = self._extensions(names, hidden)
        names = [name for name in names if name not in self._modules]
        get = attrgetter(*names)
        rows = {name: view for name, view in self._children.items() if name in names}

        def view(entity: Any) -> dict[str, Any]:
            members = dict(zip(names, get(entity), strict=True))
            for name, row in rows.items():
                members[name] = [row(child) for child in members[name]]
            for name, extension in extensions:
                members[name] = extension(entity)
            return members

        return view

    def _extensions(self, names: Sequence[str], hidden: frozenset[str]) -> list[tuple[str, View]]:
        views = ((e.module, extension_view(e, hidden)) for e in self.spec.extensions if e.module in names)
        return [(name, view) for name, view in views if view is not None]

    def _view(self, names: tuple[str, ...], hidden: frozenset[str]) -> View:
        extensions = self._extensions(names, hidden)
        own = tuple(name for name in names if name not in self._modules)
        base = self._struct_view(own)
        if not extensions:
            return base
        members = [(name, Any) for name in (*own, *(name for name, _ in extensions))]
        struct = msgspec.defstruct(f"{self.spec.name}Read", members)
        get = attrgetter(*own)
        views = tuple(view for _, view in extensions)
        return lambda entity: struct(*get(base(entity)), *[view(entity) for view in views])

    def _struct_view(self, names: tuple[str, ...]) -> View:
        declared = getattr(self.spec.cls, "__struct_fields__", ())
        plain = all(view is as_it_is for view in self._children.values())
        if plain and tuple(declared) == names:
            return as_it_is  # the entity's own encoding has the same members in the same order
        struct = msgspec.defstruct(f"{self.spec.name}Read", [(name, Any) for name in names])
        get = attrgetter(*names)
        rows = tuple((name, view) for name, view in self._children.items() if name in names)
        if not rows:
            return lambda entity: struct(*get(entity))

        def view(entity: Any) -> Any:
            read: Any = struct(*get(entity))
            for name, row in rows:
                setattr(read, name, [row(child) for child in getattr(read, name)])
            return read

        return view


def as_it_is(entity: Any) -> Any:
    """The view of a model that hides nothing."""
    return entity
