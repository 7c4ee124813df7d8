"""What a migration is made of: each operation leads from one schema to the next.

An operation names models of its own module, or ``"projects.Project"`` where it changes what the module adds to
another's table (``prefiq.Extension``); it knows what it changes and whether the code before it can
still run afterwards.  How it is said to a database is the business of ``dialects/``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from prefiq.lowcode.field import MISSING
from prefiq.lowcode.model_spec import snake
from prefiq.migrations.errors import BadOperation
from prefiq.migrations.snapshot import FieldState, IndexState, ModelState, Schema, StateKind

if TYPE_CHECKING:
    from prefiq.migrations.steps import Steps

__all__ = [
    "AddField",
    "AddIndex",
    "AlterField",
    "CreateModel",
    "DropField",
    "DropIndex",
    "DropModel",
    "Operation",
    "RenameField",
    "RenameModel",
    "RunSteps",
]


@dataclass(frozen=True, slots=True)
class Operation:
    """One change; subclasses say which."""

    @property
    def title(self) -> str:
        """What it does, for people: ``"add field Project.code"``."""
        raise NotImplementedError

    def change(self, schema: Schema, module: str) -> Schema:
        """The schema afterwards.

        Args:
            schema: The tables of all modules before it.
            module: The module whose migration this is.

        Raises:
            BadOperation: It does not fit the schema.
        """
        raise NotImplementedError

    def contracts(self, schema: Schema, module: str) -> bool:
        """Whether code written for the schema before it may no longer run afterwards."""
        del schema, module
        return True

    def _model(self, schema: Schema, module: str, name: str) -> ModelState:
        model = schema.get(f"{module}.{schema.present(name)}")
        if model is None:
            raise BadOperation(self.title, f"there is no model {name}")
        return model

    def _opened(self, schema: Schema, module: str, name: str) -> tuple[Schema, ModelState]:
        """Schema and model to add to; a part of another's table begins with its first column."""
        present = schema.present(name)
        if "." in name and schema.get(f"{module}.{present}") is None:
            part = ModelState(module, present, _table_of(schema, present), ())
            return schema.plus([part]), part
        return schema, self._model(schema, module, name)


@dataclass(frozen=True, slots=True)
class CreateModel(Operation):
    """Make a table.

    Args:
        model: Name of the model.
        table: Name of the table.
        fields: All columns.
        indexes: All indexes.
        shared: Whether its rows belong to all tenants.
    """

    model: str
    table: str
    fields: tuple[FieldState, ...]
    indexes: tuple[IndexState, ...] = ()
    shared: bool = False

    @property
    def title(self) -> str:  # noqa: D102
        return f"create model {self.model}"

    def change(self, schema: Schema, module: str) -> Schema:  # noqa: D102
        made = ModelState(module, self.model, self.table, self.fields, self.indexes, self.shared)
        if schema.get(made.qualified) is not None:
            raise BadOperation(self.title, "it is there already")
        owner = next((model for model in schema if model.table == self.table), None)
        if owner is not None and owner.extends:
            raise BadOperation(
                self.title, f"the module {owner.module} adds to it before, and does not say so in requires"
            )
        if owner is not None:
            raise BadOperation(self.title, f"the table {self.table} is {owner.qualified}'s")
        if missing := [column for column in made.key if made.field(column) is None]:
            raise BadOperation(self.title, f"it has no column {' and '.join(missing)}")
        for name, count in _counts(field.name for field in self.fields).items():
            if count > 1:
                raise BadOperation(self.title, f"the field {name} stands twice")
        for field in self.fields:
            _check_field(self, field)
        for index in self.indexes:
            _check_index(self, made, index)
        return schema.plus([made])

    def contracts(self, schema: Schema, module: str) -> bool:  # noqa: D102
        del schema, module
        return False


@dataclass(frozen=True, slots=True)
class DropModel(Operation):
    """Drop a table and what is in it.

    Args:
        model: Name of the model.
    """

    model: str

    @property
    def title(self) -> str:  # noqa: D102
        return f"drop model {self.model}"

    def change(self, schema: Schema, module: str) -> Schema:  # noqa: D102
        dropped = self._model(schema, module, self.model)
        # What other modules had added is gone with the table.
        schema = schema.of(model for model in schema if model.extends != dropped.qualified)
        for model in schema:
            for field in model.fields:
                if (
                    field.ref is not None
                    and field.ref.model == dropped.qualified
                    and model.qualified != dropped.qualified
                ):
                    raise BadOperation(self.title, f"{model.qualified}.{field.name} refers to it")
        return schema.minus(dropped.qualified)


@dataclass(frozen=True, slots=True)
class AddField(Operation):
    """Add a column.

    Args:
        model: Name of the model.
        field: The column.
        fill: Value for rows that exist; ``prefiq.now`` for the time of migrating.
    """

    model: str
    field: FieldState
    fill: Any = MISSING

    @property
    def title(self) -> str:  # noqa: D102
        return f"add field {self.model}.{self.field.name}"

    def change(self, schema: Schema, module: str) -> Schema:  # noqa: D102
        schema, model = self._opened(schema, module, self.model)
        _check_field(self, self.field)
        if model.extends and not (self.field.nullable and self.field.name.startswith(f"x_{module}_")):
            raise BadOperation(
                self.title, f"what a module adds to another's table is called x_{module}_… and may be NULL"
            )
        if model.field(self.field.name) is not None:
            raise BadOperation(self.title, "it is there already")
        return schema.with_model(dataclasses.replace(model, fields=(*model.fields, self.field)))

    def contracts(self, schema: Schema, module: str) -> bool:  # noqa: D102
        # Code that does not know a required column inserts rows without it.
        del schema, module
        return not self.field.nullable


@dataclass(frozen=True, slots=True)
class DropField(Operation):
    """Drop a column and what is in it.

    Args:
        model: Name of the model.
        field: Name of the column.
    """

    model: str
    field: str

    @property
    def title(self) -> str:  # noqa: D102
        return f"drop field {self.model}.{self.field}"

    def change(self, schema: Schema, module: str) -> Schema:  # noqa: D102
        model = self._model(schema, module, self.model)
        _field(self, model, self.field)
        if self.field in model.key:
            raise BadOperation(self.title, "it is part of the key")
        for index in model.indexes:
            if self.field in index.fields:
                raise BadOperation(self.title, f"the index {index.name} needs it")
        kept = tuple(field for field in model.fields if field.name != self.field)
        if model.extends and not kept:
            return schema.minus(model.qualified)
        return schema.with_model(dataclasses.replace(model, fields=kept))


@dataclass(frozen=True, slots=True)
class AlterField(Operation):
    """Change a column's type, limits, reference, or whether it may be NULL.

    Args:
        model: Name of the model.
        field: The column as it shall be.
        fill: Value for rows that have NULL, where it may no longer be.
    """

    model: str
    field: FieldState
    fill: Any = MISSING

    @property
    def title(self) -> str:  # noqa: D102
        return f"alter field {self.model}.{self.field.name}"

    def change(self, schema: Schema, module: str) -> Schema:  # noqa: D102
        model = self._model(schema, module, self.model)
        old = _field(self, model, self.field.name)
        _check_field(self, self.field)
        if self.field.name in model.key:
            raise BadOperation(self.title, "it is part of the key")
        if problem := impossible(old, self.field):
            raise BadOperation(self.title, problem)
        altered = tuple(self.field if field is old else field for field in model.fields)
        return schema.with_model(dataclasses.replace(model, fields=altered))

    def contracts(self, schema: Schema, module: str) -> bool:  # noqa: D102
        return narrows(_field(self, self._model(schema, module, self.model), self.field.name), self.field)


@dataclass(frozen=True, slots=True)
class RenameField(Operation):
    """Give a column another name.

    Args:
        model: Name of the model.
        old: Its name.
        new: Its new name.
    """

    model: str
    old: str
    new: str

    @property
    def title(self) -> str:  # noqa: D102
        return f"rename field {self.model}.{self.old} to {self.new}"

    def change(self, schema: Schema, module: str) -> Schema:  # noqa: D102
        model = self._model(schema, module, self.model)
        old = _field(self, model, self.old)
        if self.old in model.key:
            raise BadOperation(self.title, "it is part of the key")
        if model.field(self.new) is not None:
            raise BadOperation(self.title, f"there is a field {self.new} already")
        return schema.with_model(
            dataclasses.replace(
                model,
                fields=tuple(
                    dataclasses.replace(field, name=self.new) if field is old else field
                    for field in model.fields
                ),
                indexes=tuple(
                    dataclasses.replace(
                        index,
                        fields=tuple(self.new if name == self.old else name for name in index.fields),
                    )
                    for index in model.indexes
                ),
            )
        )


@dataclass(frozen=True, slots=True)
class RenameModel(Operation):
    """Give a model and its table other names.

    With qualified names it follows another module, which renamed a model that this one adds to: nothing is left
    to be done to the table.

    Args:
        old: Its name.
        new: Its new name.
        table: The table's new name.
    """

    old: str
    new: str
    table: str

    @property
    def title(self) -> str:  # noqa: D102
        return f"rename model {self.old} to {self.new}"

    def change(self, schema: Schema, module: str) -> Schema:  # noqa: D102
        if "." in self.old:
            return self._follow(schema, module)
        model = self._model(schema, module, self.old)
        if schema.get(f"{module}.{self.new}") is not None:
            raise BadOperation(self.title, f"there is a model {self.new} already")
        if any(other.table == self.table and other is not model for other in schema):
            raise BadOperation(self.title, f"there is a table {self.table} already")
        renamed = dataclasses.replace(model, name=self.new, table=self.table)
        changed = schema.with_model(renamed, in_place_of=model.qualified)
        return Schema(
            tuple(_refer_to(other, model.qualified, renamed) for other in changed),
            (*schema.renamed, (model.qualified, renamed.qualified)),
        )

    def contracts(self, schema: Schema, module: str) -> bool:  # noqa: D102
        del schema, module
        return "." not in self.old

    def _follow(self, schema: Schema, module: str) -> Schema:
        part = schema.get(f"{module}.{self.old}")
        if part is None:  # where all modules are played, the part went along with its table
            self._model(schema, module, self.new)
            return schema
        followed = dataclasses.replace(part, name=self.new, table=self.table)
        return schema.with_model(followed, in_place_of=part.qualified)


@dataclass(frozen=True, slots=True)
class AddIndex(Operation):
    """Make an index.

    Args:
        model: Name of the model.
        index: The index.
    """

    model: str
    index: IndexState

    @property
    def title(self) -> str:  # noqa: D102
        return f"add index {self.index.name}"

    def change(self, schema: Schema, module: str) -> Schema:  # noqa: D102
        model = self._model(schema, module, self.model)
        _check_index(self, model, self.index)
        if any(self.index.name == index.name for other in schema for index in other.indexes):
            raise BadOperation(self.title, "it is there already")
        return schema.with_model(dataclasses.replace(model, indexes=(*model.indexes, self.index)))

    def contracts(self, schema: Schema, module: str) -> bool:  # noqa: D102
        del schema, module
        return self.index.unique


@dataclass(frozen=True, slots=True)
class DropIndex(Operation):
    """Drop an index.

    Args:
        model: Name of the model.
        index: Its name in the database.
    """

    model: str
    index: str

    @property
    def title(self) -> str:  # noqa: D102
        return f"drop index {self.index}"

    def change(self, schema: Schema, module: str) -> Schema:  # noqa: D102
        model = self._model(schema, module, self.model)
        if model.index(self.index) is None:
            raise BadOperation(self.title, "there is no such index")
        kept = tuple(index for index in model.indexes if index.name != self.index)
        return schema.with_model(dataclasses.replace(model, indexes=kept))

    def contracts(self, schema: Schema, module: str) -> bool:  # noqa: D102
        del schema, module
        return False


@dataclass(frozen=True, slots=True)
class RunSteps(Operation):
    """Change rows with a function of the migration's own file.

    Args:
        function: Takes a ``Steps``; it runs in the migration's transaction.
    """

    function: Callable[[Steps], None]

    @property
    def title(self) -> str:  # noqa: D102
        return f"run {getattr(self.function, '__name__', 'a function').replace('_', ' ').strip()}"

    def change(self, schema: Schema, module: str) -> Schema:  # noqa: D102
        del module
        return schema

    def contracts(self, schema: Schema, module: str) -> bool:  # noqa: D102
        del schema, module
        return False


KINDS: frozenset[str] = frozenset(get_args(StateKind))
TEXT = frozenset({"str", "text", "enum"})
CONVERSIONS: dict[str, frozenset[str]] = {
    "str": frozenset({"text", "enum"}),
    "text": frozenset({"str", "enum"}),
    "enum": frozenset({"str", "text"}),
    "bool": frozenset({"int"}),
    "int": frozenset({"decimal"}),
    "decimal": frozenset(),
}
"""Kinds that a column's values survive a change to; every other change is the author's to write."""


def impossible(old: FieldState, new: FieldState) -> str:
    """Why a column cannot be altered so, or empty."""
    if old.kind != new.kind and new.kind not in CONVERSIONS.get(old.kind, ()):
        return f"a value of kind {old.kind} is not one of kind {new.kind}"
    return ""


def narrows(old: FieldState, new: FieldState) -> bool:
    """Whether a value that the old column could hold may not fit the new one."""
    if old.nullable and not new.nullable:
        return True
    if old.kind != new.kind:
        return new.kind == "enum" or old.kind in {"bool", "int"} or (new.max_length is not None)
    if old.kind == "str" and old.max_length != new.max_length:
        return new.max_length is not None and (old.max_length is None or new.max_length < old.max_length)
    if old.kind == "decimal" and (old.precision, old.scale) != (new.precision, new.scale):
        # A change of scale is another unit where decimals are stored as whole numbers.
        return old.scale != new.scale or (new.precision or 0) < (old.precision or 0)
    if old.kind == "enum":
        return not set(old.values) <= set(new.values)
    return new.ref is not None and old.ref != new.ref


def _table_of(schema: Schema, name: str) -> str:
    """Name of another module's table, also where that module's migrations are not played."""
    owner = schema.get(name)
    module, _, model = name.partition(".")
    return owner.table if owner is not None else f"{module}_{snake(model)}"


def _field(operation: Operation, model: ModelState, name: str) -> FieldState:
    field = model.field(name)
    if field is None:
        raise BadOperation(operation.title, f"{model.name} has no field {name}")
    return field


def _check_field(operation: Operation, field: FieldState) -> None:
    if field.kind not in KINDS:
        raise BadOperation(operation.title, f"{field.name} is of no kind that there is")
    if field.kind == "enum" and not field.values:
        raise BadOperation(operation.title, f"{field.name} has no choices")


def _check_index(operation: Operation, model: ModelState, index: IndexState) -> None:
    for name in index.fields:
        if model.extends and name == "tenant_id":  # the base's
            continue
        if model.field(name) is None:
            raise BadOperation(operation.title, f"{model.name} has no field {name}")


def _refer_to(model: ModelState, old: str, target: ModelState) -> ModelState:
    fields = tuple(
        dataclasses.replace(
            field, ref=dataclasses.replace(field.ref, model=target.qualified, table=target.table)
        )
        if field.ref is not None and field.ref.model == old
        else field
        for field in model.fields
    )
    if model.extends == old:
        model = dataclasses.replace(model, name=target.qualified, table=target.table)
    return model if fields == model.fields else dataclasses.replace(model, fields=fields)


def _counts(names: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
