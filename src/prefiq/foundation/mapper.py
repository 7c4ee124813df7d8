"""``Mapper``: rows to entities and back, by functions that are generated from the declaration.

A subclass may convert single fields (``load_<field>``, ``dump_<field>``) or whole entities (``load``,
``dump``); ``RepositoryQuery.mapper`` names it.  Both deal in Python values: how the engine stores them is
the business of the column's type.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from prefiq.foundation.entity import same
from prefiq.foundation.fitting import fit_of, test_of
from prefiq.lowcode import FieldSpec, ModelSpec
from prefiq.lowcode.values import check_for
from prefiq.sql.dialects.engine import DatabaseEngine
from prefiq.sql.generated import make_function
from prefiq.sql.types import type_of

__all__ = ["Mapper", "copied", "diff_of", "snapshot_of"]

_encode = msgspec.json.Encoder().encode

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
        self._fields = {f.column: f.stored for f in (*own, *spec.all_fields)}
        self.columns: tuple[str, ...] = tuple(self._fields)
        self.names: dict[str, Any] = {"cls": spec.cls}
        for number, extension in enumerate(spec.extensions):
            self.names |= {f"ext{number}": extension.cls, f"of{number}": extension.cls.of}
        self._numbers = {extension.cls: number for number, extension in enumerate(spec.extensions)}
        self.prepare_source = ""
        if self.dump is not None:
            self.names["dump_whole"] = self._dump_all if spec.extensions else self.dump
            self.prepare_source = "dump_whole(e)"
        self._engine = engine
        self.dump_sources: dict[str, str] = {
            column: self._dump_source(f, column) for column, f in self._fields.items()
        }
        self.snapshot: Callable[[Any], tuple[Any, ...]] = snapshot_of(spec)
        """The values to compare with later; lists and documents are copied."""
        self.diff: Callable[[Any, tuple[Any, ...]], list[str]] = diff_of(spec)
        """Columns that differ from a snapshot, without id and version; of children, the field's name."""
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
                    if value is not None or not (field.nullable or field.reads_null):
                        load(value)
            except Exception:  # noqa: BLE001  whatever the conversion says, this is the field
                return field.name
        return ""

    def from_values(self, values: Mapping[str, Any]) -> Any:
        """The entity of Python values by column, as statements of Core give them."""
        converted = {
            column: getattr(self, f"load_{column}", _same)(values[column])
            for column, field in self._fields.items()
            if field.owner is None
        }
        if self.load is not None:
            entity = self.load(converted)
        else:
            children = {child.name for child in self.spec.children}
            entity = self.spec.cls(
                *([] if name in children else converted[name] for name in self.spec.cls.__struct_fields__)
            )
        if self.spec.extensions:
            entity._ext = {
                extension.cls: extension.cls(*(_present(f, values[f.column]) for f in extension.fields))
                for extension in self.spec.extensions
            }
        return entity

    def _dump_all(self, entity: Any) -> dict[str, Any]:
        """What a subclass's ``dump`` gives, and the values of extensions, which it need not know."""
        assert self.dump is not None
        values = dict(self.dump(entity))
        for column, field in self._fields.items():
            if field.owner is not None:
                values[column] = field.read(entity)
        return values

    def _dump_source(self, field: FieldSpec, column: str) -> str:
        codec = self._engine.codec(type_of(field))
        self.names |= codec.names
        if self.prepare_source:
            value = f'e["{column}"]'
        elif field.owner is not None:
            value = f"of{self._numbers[field.owner]}(e).{field.attribute}"
        else:
            value = f"e.{field.name}"
        convert = getattr(self, f"dump_{field.name}", None)
        if convert is not None:
            self.names[f"dump_field_{field.name}"] = convert
            value = f"dump_field_{field.name}({value})"
        if field.kind == "enum":  # what is no state is in no table of their texts
            source = codec.dump_source.replace("{v}", "x")
            return (
                f"(None if (x := {value}) is None else {source})"
                if field.nullable
                else codec.dump_source.replace("{v}", value)
            )
        fit, dump = fit_of(field), codec.dump
        fitting = f"fit_{column}"

        def fitted(value: Any) -> Any:
            found = fit(value)
            return None if found is None else dump(found)

        self.names[fitting] = fitted
        sure = (codec.sure or codec.dump_source).replace("{v}", "x")
        if field.kind == "json" and codec.dump_source == "encode_json({v}).decode()":
            sure = "j.decode()"
        if field.nullable:  # NULL needs no test
            test = test_of(field, "x", self.names).replace("x := x", "x")
            return f"(None if (x := {value}) is None else ({sure} if {test} else {fitting}(x)))"
        test = test_of(field, value, self.names)
        return f"({sure} if {test} else {fitting}(x))"

    def _load_source(self, field: FieldSpec, variable: str) -> str:
        codec = self._engine.codec(type_of(field))
        source = codec.load_source.replace("{v}", variable)
        if field.reads_null:
            self.names[f"absent_{field.column}"] = functools.partial(_present, field, None)
            source = f"(absent_{field.column}() if {variable} is None else {source})"
        elif field.nullable and codec.load_source != "{v}":
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
        own = {column: source for column, source in sources.items() if self._fields[column].owner is None}
        further = [source for column, source in sources.items() if self._fields[column].owner is not None]
        extended = self._extension_lines(further)
        lines = ["def made(rows):", "    made_ = []", "    add = made_.append", f"    for {row} in rows:"]
        if self.load is not None:
            self.names["load_whole"] = self.load
            values = ", ".join(f'"{name}": {source}' for name, source in own.items())
            lines += [f"        entity = load_whole({{{values}}})", *extended, "        add(entity)"]
            return make_function("\n".join([*lines, "    return made_"]), self.names)
        children = {child.name for child in self.spec.children}
        struct = self.spec.cls.__struct_fields__
        arguments = "".join(("[]" if name in children else own[name]) + ", " for name in struct)
        if children and not extended:
            lines.append(f"        add(cls({arguments}))")
        elif children:
            lines += [f"        entity = cls({arguments})", *extended, "        add(entity)"]
        else:
            lines += [f"        values = ({arguments})", "        entity = cls(*values)", *extended]
            kept = [self._kept(self._fields[n], own[n], f"values[{i}]") for i, n in enumerate(struct)]
            kept += [
                self._kept(f, source, f"more[{i}]")
                for i, (f, source) in enumerate(
                    zip((f for f in self._fields.values() if f.owner is not None), further, strict=True)
                )
            ]
            if extended or any(self._fields[name].kind == "json" for name in struct):
                lines.append(f"        entity._loaded = ({''.join(part + ', ' for part in kept)})")
            else:
                lines.append("        entity._loaded = values")
            lines.append("        add(entity)")
        return make_function("\n".join([*lines, "    return made_"]), self.names)

    @staticmethod
    def _kept(field: FieldSpec, source: str, value: str) -> str:
        # A document is decoded a second time, which is faster than copying it.
        return source if field.kind == "json" else value

    def _extension_lines(self, sources: list[str]) -> list[str]:
        """Lines that put the extensions of a row into the slot of ``entity``."""
        if not self.spec.extensions:
            return []
        parts: list[str] = []
        place = 0
        for number, extension in enumerate(self.spec.extensions):
            values = (f"more[{place + i}]" for i in range(len(extension.fields)))
            parts.append(f"ext{number}: ext{number}({', '.join(values)})")
            place += len(extension.fields)
        more = "".join(source + ", " for source in sources)
        return [f"        more = ({more})", f"        entity._ext = {{{', '.join(parts)}}}"]


def snapshot_of(spec: ModelSpec) -> Callable[[Any], tuple[Any, ...]]:
    """A function that copies an entity's values, in the order of its constructor, as deep as they change.

    The values of extensions come behind, in the order of ``spec.extensions``.

    Args:
        spec: The model, or a child.
    """
    names: dict[str, Any] = {"copied": copied}
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
    lines = ["def made(e):"]
    for number, extension in enumerate(spec.extensions):
        names[f"of{number}"] = extension.cls.of
        lines.append(f"    x{number} = of{number}(e)")
        for f in extension.fields:
            value = f"x{number}.{f.attribute}"
            parts.append(f"copied({value})" if f.kind == "json" else value)
    lines.append(f"    return ({''.join(part + ', ' for part in parts)})")
    return make_function("\n".join(lines), names)


def diff_of(spec: ModelSpec) -> Callable[[Any, tuple[Any, ...]], list[str]]:
    """A function that names the columns (or children) in which an entity differs from a snapshot.

    An extension that the entity does not have is not changed.

    Args:
        spec: The model, or a child.
    """
    names: dict[str, Any] = {"differs": _differs}
    lines = ["def made(e, stored):", "    changed = []"]
    struct = spec.cls.__struct_fields__
    documents = {f.name for f in spec.fields if f.kind == "json"}
    documents |= {c.name for c in spec.children if any(f.kind == "json" for f in c.model.fields)}
    for number, name in enumerate(struct):
        if name not in {"id", "version"}:
            differs = "differs(new, old)" if name in documents else "new != old"
            lines.append(f"    if (new := e.{name}) is not (old := stored[{number}]) and {differs}:")
            lines.append(f'        changed.append("{name}")')
    if spec.extensions:
        names["nothing"] = {}
        lines.append('    held = getattr(e, "_ext", None) or nothing')
    place = len(struct)
    for number, extension in enumerate(spec.extensions):
        names[f"ext{number}"] = extension.cls
        lines.append(f"    if (x := held.get(ext{number})) is not None:")
        for f in extension.fields:
            differs = "differs(new, old)" if f.kind == "json" else "new != old"
            lines.append(
                f"        if (new := x.{f.attribute}) is not (old := stored[{place}]) and {differs}:"
            )
            lines.append(f'            changed.append("{f.column}")')
            place += 1
        lines.append("        pass")
    return make_function("\n".join([*lines, "    return changed"]), names)


def _differs(new: Any, old: Any) -> bool:
    """Whether two documents, or rows with documents, are stored alike; JSON tells 1, 1.0 and true apart."""
    if new != old:
        return True
    return _encode(new) != _encode(old) and not same(old, new)


def _present(field: FieldSpec, value: Any) -> Any:
    """An extension's value: what the column has, or the default, made normal, in place of NULL."""
    if value is not None or not field.reads_null:
        return value
    return check_for(field)(field.absent())


def copied(document: Any) -> Any:
    """A document with its own lists and objects; seven times faster than copy.deepcopy."""
    kind = type(document)
    if kind is dict:
        return {key: copied(value) for key, value in document.items()}
    if kind is list or kind is tuple:
        return [copied(value) for value in document]
    return document


def _same(value: Any) -> Any:
    return value
