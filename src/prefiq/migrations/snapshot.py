"""What of a declaration reaches the database, frozen and plain: enough to write DDL without any class.

A ``Schema`` is the state of all modules' tables at one point of their migrations.  Operations lead from one
to the next; a module's part of it is kept as ``snapshot.json`` beside its migrations.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["FieldState", "IndexState", "ModelState", "RefState", "Schema", "from_text", "to_text"]

FORMAT = 1

StateKind = Literal[
    "str", "text", "int", "bool", "decimal", "float", "date", "datetime", "uuid", "enum", "json"
]
"""What a column holds."""


@dataclass(frozen=True, slots=True)
class RefState:
    """Where a column refers to.

    Args:
        model: Qualified name, ``"projects.Project"``.
        table: Its table.
        shared: Whether that table belongs to all tenants, so that its key is the id alone.
        on_delete: What the database does when the target is deleted.
    """

    model: str
    table: str
    shared: bool = False
    on_delete: Literal["restrict", "cascade", "set_null"] = "restrict"


@dataclass(frozen=True, slots=True)
class FieldState:
    """One column.

    Args:
        name: Its name.
        kind: What it holds.
        nullable: Whether it may be NULL.
        max_length: Most code points of a ``str``.
        precision: Digits of a ``decimal`` in all.
        scale: Digits of a ``decimal`` behind the point.
        values: Values of an ``enum``, in order of declaration.
        ref: Where it refers to, or None.
    """

    name: str
    kind: StateKind
    nullable: bool = False
    max_length: int | None = None
    precision: int | None = None
    scale: int | None = None
    values: tuple[str, ...] = ()
    ref: RefState | None = None


@dataclass(frozen=True, slots=True)
class IndexState:
    """One index.

    Args:
        name: Its name in the database.
        fields: Columns in order.
        unique: Whether rows may not agree in all of them.
    """

    name: str
    fields: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True, slots=True)
class ModelState:
    """One table, or what one module adds to the table of another's model.

    Args:
        module: Name of the module that owns it.
        name: Name of the model; the qualified name of another module's for a part of that one's table.
        table: Name of the table.
        fields: Columns; their order is that of ``CREATE TABLE`` and means nothing afterwards.
        indexes: Indexes.
        shared: Whether its rows belong to all tenants, so that its key is the id alone.
    """

    module: str
    name: str
    table: str
    fields: tuple[FieldState, ...]
    indexes: tuple[IndexState, ...] = ()
    shared: bool = False

    @property
    def qualified(self) -> str:
        """``"projects.Project"``."""
        return f"{self.module}.{self.name}"

    @property
    def extends(self) -> str:
        """``"projects.Project"`` where it is a part of that model's table, or empty."""
        return self.name if "." in self.name else ""

    @property
    def key(self) -> tuple[str, ...]:
        """Columns of the primary key."""
        return ("id",) if self.shared else ("tenant_id", "id")

    def field(self, name: str) -> FieldState | None:
        """The column with this name, or None."""
        return next((field for field in self.fields if field.name == name), None)

    def index(self, name: str) -> IndexState | None:
        """The index with this name, or None."""
        return next((index for index in self.indexes if index.name == name), None)

    @property
    def canonical(self) -> ModelState:
        """The same with columns and indexes in alphabetical order: equal tables are equal values."""
        return dataclasses.replace(
            self,
            fields=tuple(sorted(self.fields, key=lambda field: field.name)),
            indexes=tuple(sorted(self.indexes, key=lambda index: index.name)),
        )


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of all modules at one point, and what modules add to each other's.

    Args:
        models: In the order in which they were made.
        renamed: Old and new qualified name of models that were renamed: the migrations of other modules may
            still speak of the old ones.
    """

    models: tuple[ModelState, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()

    def __iter__(self) -> Iterator[ModelState]:
        return iter(self.models)

    def get(self, qualified: str) -> ModelState | None:
        """The model with this name, or None."""
        return next((model for model in self.models if model.qualified == qualified), None)

    def table(self, module: str, name: str) -> ModelState | None:
        """The whole table of a model, with the parts of all modules, or None.

        Args:
            module: The module that speaks.
            name: ``"Project"`` of that module, or ``"projects.Project"``.
        """
        owner = self.get(self.present(name) if "." in name else f"{module}.{name}")
        return None if owner is None else self._whole(owner)

    def present(self, qualified: str) -> str:
        """What a model of another module is called now."""
        for old, new in self.renamed:
            if old == qualified and self.get(qualified) is None:
                qualified = new
        return qualified

    @property
    def tables(self) -> tuple[ModelState, ...]:
        """Every whole table; parts of tables that are not there are left out."""
        return tuple(self._whole(model) for model in self.models if not model.extends)

    @property
    def with_stand_ins(self) -> tuple[ModelState, ...]:
        """Every whole table, behind bare ones for what they refer to and nobody lists any more."""
        known = {model.table for model in self.tables}
        absent = {
            field.ref.table: field.ref
            for model in self.tables
            for field in model.fields
            if field.ref is not None and field.ref.table not in known
        }
        bare = tuple(
            ModelState("", ref.model, table, (*_key_fields(shared=ref.shared),), shared=ref.shared)
            for table, ref in absent.items()
        )
        return (*bare, *self.tables)

    def _whole(self, owner: ModelState) -> ModelState:
        parts = [model for model in self.models if model.extends == owner.qualified]
        if not parts:
            return owner
        return dataclasses.replace(
            owner,
            fields=(*owner.fields, *(field for part in parts for field in part.fields)),
            indexes=(*owner.indexes, *(index for part in parts for index in part.indexes)),
        )

    def of_module(self, module: str) -> Schema:
        """The part that a module owns."""
        return Schema(tuple(model for model in self.models if model.module == module))

    def without_module(self, module: str) -> Schema:
        """The part that a module does not own."""
        return self.of(model for model in self.models if model.module != module)

    def plus(self, models: Iterable[ModelState]) -> Schema:
        """The same with more models."""
        return self.of((*self.models, *models))

    def of(self, models: Iterable[ModelState]) -> Schema:
        """The same with other models."""
        return Schema(tuple(models), self.renamed)

    def minus(self, qualified: str) -> Schema:
        """The same without one model."""
        return self.of(model for model in self.models if model.qualified != qualified)

    def with_model(self, model: ModelState, *, in_place_of: str = "") -> Schema:
        """The same with one model replaced."""
        replaced = in_place_of or model.qualified
        return self.of(model if old.qualified == replaced else old for old in self.models)

    @property
    def canonical(self) -> Schema:
        """The same in alphabetical order: equal tables are equal values."""
        return Schema(
            tuple(sorted((model.canonical for model in self.models), key=lambda model: model.qualified))
        )

    def same_as(self, other: Schema) -> bool:
        """Whether both describe the same tables, in whatever order."""
        return self.canonical == other.canonical


def _key_fields(*, shared: bool) -> Iterator[FieldState]:
    if not shared:
        yield FieldState("tenant_id", "str", max_length=63)
    yield FieldState("id", "uuid")


def to_text(schema: Schema) -> str:
    """A module's part as the text of ``snapshot.json``; equal tables give equal text."""
    models = {
        model.name: {
            "table": model.table,
            **({"shared": True} if model.shared else {}),
            "fields": {field.name: _plain(field, "name") for field in model.fields},
            "indexes": {index.name: _plain(index, "name") for index in model.indexes},
        }
        for model in schema.canonical
    }
    return json.dumps({"format": FORMAT, "models": models}, indent=1, ensure_ascii=False) + "\n"


def from_text(text: str, module: str) -> Schema:
    """The inverse of ``to_text``.

    Raises:
        ValueError: The text is not one that ``to_text`` wrote.
    """
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise ValueError("is of another version of Prefiq")
        return Schema(tuple(_model(module, name, plain) for name, plain in data["models"].items()))
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError):
        raise ValueError("is not readable") from None


def _plain(value: FieldState | IndexState | RefState, *leave_out: str) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for part in dataclasses.fields(value):
        found = getattr(value, part.name)
        if part.name in leave_out or found == part.default:
            continue
        plain[part.name] = _plain(found) if isinstance(found, RefState) else found
    return plain


def _model(module: str, name: str, plain: dict[str, Any]) -> ModelState:
    return ModelState(
        module,
        name,
        plain["table"],
        tuple(_field(field, values) for field, values in plain["fields"].items()),
        tuple(
            IndexState(index, tuple(values["fields"]), values.get("unique", False))
            for index, values in plain["indexes"].items()
        ),
        plain.get("shared", False),
    )


def _field(name: str, plain: dict[str, Any]) -> FieldState:
    values = dict(plain)
    if "ref" in values:
        values["ref"] = RefState(**values["ref"])
    if "values" in values:
        values["values"] = tuple(values["values"])
    return FieldState(name, **values)
