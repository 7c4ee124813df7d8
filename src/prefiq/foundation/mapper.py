"""``Mapper``: rows to entities and back, by functions that are generated from the declaration.

A subclass may convert single fields (``load_<field>``, ``dump_<field>``) or whole entities (``load``,
``dump``); ``RepositoryQuery.mapper`` names it.  Both deal in Python values: how the engine stores them is
the business of the column's type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prefiq.lowcode import FieldSpec, ModelSpec
from prefiq.sql.dialects.engine import DatabaseEngine
from prefiq.sql.generated import make_function
from prefiq.sql.types import type_of

__all__ = ["Mapper", "snapshot_of"]

_ID = FieldSpec("id", "uuid", object)
_VERSION = FieldSpec("version", "int", int)


class Mapper:
    """Rows of one model (or child) to entities, and entities to driver values.

    Args:
        spec: The model.
        engine: How the engine stores values.
    """

    load: Callable[[Mapping[str, Any]], Any] | None = None
    """A subclass's method that makes the entity of Python values by column."""
    dump: Callable[[Any], Mapping[str, Any]] | None = None
    """A subclass's method that gives the Python values by column."""

    def __init__(self, spec: ModelSpec, engine: DatabaseEngine) -> None:
        self.spec = spec
        own = (_ID,) if spec.parent else (_ID, _VERSION)
        self._fields = {f.name: f for f in (*own, *spec.fields)}
        self.columns: tuple[str, ...] = tuple(self._fields)
        self.names: dict[str, Any] = {"cls": spec.cls, "required": _required}
        self.prepare_source = ""
        if self.dump is not None:
            self.names["dump_whole"] = self.dump
            self.prepare_source = "dump_whole(e)"
        self._engine = engine
        self.dump_sources: dict[str, str] = {f.name: self._dump_source(f) for f in self._fields.values()}
        self.snapshot: Callable[[Any], tuple[Any, ...]] = snapshot_of(spec)
        """The values to compare with later; lists and documents are copied."""
        self.diff: Callable[[Any, tuple[Any, ...]], list[str]] = diff_of(spec)
        """Names of the fields that differ from a snapshot, without id and version."""
        self.load_many: Callable[[Sequence[Any]], list[Any]] = self._make_load("")
        """Entities of rows; where the model has children, these are empty and there is no snapshot yet."""
        self.load_wide: Callable[[Sequence[Any]], list[Any]] = self._make_load(", _")
        """The same of rows with one column more."""
        self.parent_of: Callable[[Any], Any] = engine.codec(type_of(_ID)).load
        """A parent's id of its driver value."""

    @property
    def is_flat(self) -> bool:
        """Whether a loaded entity already has its snapshot."""
        return not self.spec.children and self.load is None

    def unreadable(self, rows: Sequence[Any]) -> str:
        """Name of the first field with a value that its type cannot read, or empty."""
        field: FieldSpec
        for field, values in zip(self._fields.values(), zip(*rows, strict=True), strict=False):
            load = self._engine.codec(type_of(field)).load
            try:
                for value in values:
                    if value is not None or not field.nullable:
                        load(value)
            except Exception:  # noqa: BLE001  whatever the conversion says, this is the field
                return field.name
        return ""

    def from_values(self, values: Mapping[str, Any]) -> Any:
        """The entity of Python values by column, as statements of Core give them."""
        converted = {name: getattr(self, f"load_{name}", _same)(values[name]) for name in self._fields}
        if self.load is not None:
            return self.load(converted)
        children = {child.name for child in self.spec.children}
        return self.spec.cls(
            *([] if name in children else converted[name] for name in self.spec.cls.__struct_fields__)
        )

    def _dump_source(self, field: FieldSpec) -> str:
        codec = self._engine.codec(type_of(field))
        self.names |= codec.names
        value = f'e["{field.name}"]' if self.prepare_source else f"e.{field.name}"
        convert = getattr(self, f"dump_{field.name}", None)
        if convert is not None:
            self.names[f"dump_field_{field.name}"] = convert
            value = f"dump_field_{field.name}({value})"
        if codec.dump_source == "{v}":
            return value
        if field.nullable:
            return f"(None if (x := {value}) is None else {codec.dump_source.replace('{v}', 'x')})"
        if field.kind == "json":
            # None is a document too, for msgspec.
            value = f"required({value})"
        return codec.dump_source.replace("{v}", value)

    def _load_source(self, field: FieldSpec, variable: str) -> str:
        codec = self._engine.codec(type_of(field))
        source = codec.load_source.replace("{v}", variable)
        if field.nullable and codec.load_source != "{v}":
            source = f"(None if {variable} is None else {source})"
        convert = getattr(self, f"load_{field.name}", None)
        if convert is not None:
            self.names[f"load_field_{field.name}"] = convert
            source = f"load_field_{field.name}({source})"
        return source

    def _make_load(self, more: str) -> Callable[[Sequence[Any]], list[Any]]:
        variables = {name: f"c{number}" for number, name in enumerate(self._fields)}
        sources = {name: self._load_source(f, variables[name]) for name, f in self._fields.items()}
        row = ", ".join(variables.values()) + (more or ",")
        if self.load is not None:
            self.names["load_whole"] = self.load
            values = ", ".join(f'"{name}": {source}' for name, source in sources.items())
            return make_function(
                f"def made(rows):\n    return [load_whole({{{values}}}) for {row} in rows]", self.names
            )
        children = {child.name for child in self.spec.children}
        struct = self.spec.cls.__struct_fields__
        arguments = "".join(("[]" if name in children else sources[name]) + ", " for name in struct)
        lines = ["def made(rows):", "    made_ = []", "    add = made_.append", f"    for {row} in rows:"]
        if children:
            lines.append(f"        add(cls({arguments}))")
        else:
            lines.append(f"        values = ({arguments})")
            lines.append("        entity = cls(*values)")
            documents = {name for name in struct if self._fields[name].kind == "json"}
            if documents:
                # Decoded a second time, which is faster than copying the document.
                kept = (sources[n] if n in documents else f"values[{i}]" for i, n in enumerate(struct))
                lines.append(f"        entity._loaded = ({''.join(part + ', ' for part in kept)})")
            else:
                lines.append("        entity._loaded = values")
            lines.append("        add(entity)")
        return make_function("\n".join([*lines, "    return made_"]), self.names)


def snapshot_of(spec: ModelSpec) -> Callable[[Any], tuple[Any, ...]]:
    """A function that copies an entity's values, in the order of its constructor, as deep as they change.

    Args:
        spec: The model, or a child.
    """
    names: dict[str, Any] = {"copied": _copied}
    kinds = {f.name: f.kind for f in spec.fields}
    children = {child.name: child for child in spec.children}
    parts: list[str] = []
    for name in spec.cls.__struct_fields__:
        if name in children:
            names[f"cls_{name}"] = children[name].model.cls
            names[f"values_{name}"] = snapshot_of(children[name].model)
            parts.append(f"[cls_{name}(*values_{name}(c)) for c in e.{name}]")
        elif kinds.get(name) == "json":
            parts.append(f"copied(e.{name})")
        else:
            parts.append(f"e.{name}")
    body = "".join(part + ", " for part in parts)
    return make_function(f"def made(e):\n    return ({body})", names)


def diff_of(spec: ModelSpec) -> Callable[[Any, tuple[Any, ...]], list[str]]:
    """A function that names the fields in which an entity differs from a snapshot.

    Args:
        spec: The model, or a child.
    """
    lines = ["def made(e, stored):", "    changed = []"]
    for number, name in enumerate(spec.cls.__struct_fields__):
        if name not in {"id", "version"}:
            lines.append(f"    if (new := e.{name}) is not (old := stored[{number}]) and new != old:")
            lines.append(f'        changed.append("{name}")')
    return make_function("\n".join([*lines, "    return changed"]), {})


def _copied(document: Any) -> Any:
    """A document with its own lists and objects; seven times faster than copy.deepcopy."""
    kind = type(document)
    if kind is dict:
        return {key: _copied(value) for key, value in document.items()}
    if kind is list or kind is tuple:
        return [_copied(value) for value in document]
    return document


def _same(value: Any) -> Any:
    return value


def _required(value: Any) -> Any:
    if value is None:
        raise TypeError("a value is required")
    return value
