"""What has to happen to a module's tables so that they become what its models say now."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prefiq.errors import PrefiqError
from prefiq.lowcode.field import MISSING
from prefiq.lowcode.model_spec import snake
from prefiq.migrations.errors import BadOperation, NeedsDefault, UnsupportedChange
from prefiq.migrations.operations import (
    AddField,
    AddIndex,
    AlterField,
    CreateModel,
    DropField,
    DropIndex,
    DropModel,
    Operation,
    RenameField,
    RenameModel,
    impossible,
)
from prefiq.migrations.snapshot import FieldState, ModelState, Schema

__all__ = ["Fill", "GivenRenames", "LikelyRenames", "Renamed", "Renames", "diff", "keep_names"]


@dataclass(frozen=True, slots=True)
class Renamed:
    """Something that is gone and something new: perhaps the same under another name.

    Args:
        model: Qualified name of the model (the new one), or the module for a model itself.
        old: What is gone: a field of that model, or a model.
        new: What is new.
        likely: Whether the two look alike enough to ask a person.
    """

    model: str
    old: str
    new: str
    likely: bool

    @property
    def question(self) -> str:
        """For people."""
        return f"Was {self.model}.{self.old} renamed to {self.model}.{self.new}?"


Renames = Callable[[Renamed], bool]
"""Decides whether it is a rename; what is none is dropped and added."""


@dataclass(frozen=True, slots=True)
class Fill:
    """The value that rows get where they have none.

    Args:
        value: The value, ``prefiq.now``, or ``MISSING``.
        reason: Why there is none although a default is declared, or empty.
    """

    value: Any = MISSING
    reason: str = ""


def keep_names(_renamed: Renamed, /) -> bool:
    """Take nothing for renamed."""
    return False


class GivenRenames:
    """Renames that were given beforehand, as ``{"Project.code": "key", "Task": "Job"}``.

    A field's model goes by its present name; a name may be qualified with its module.

    Args:
        given: Old name → new name.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = {old: new.rpartition(".")[2] for old, new in given.items()}
        self._used: set[str] = set()

    def __call__(self, renamed: Renamed, /) -> bool:
        """Whether this pair was given."""
        qualified = f"{renamed.model}.{renamed.old}"
        for old in (qualified, qualified.partition(".")[2]):
            if self._given.get(old) == renamed.new:
                self._used.add(old)
                return True
        return False

    def check(self) -> Iterator[PrefiqError]:
        """Every given rename that fits nothing that changed."""
        for old, new in self._given.items():
            if old not in self._used:
                yield BadOperation(
                    f"rename {old} to {new}",
                    "no such field or model went while such a one came",
                    "the renames given",
                )


class LikelyRenames(GivenRenames):
    """Takes for renamed what was given, and remembers what looks as if it had been renamed as well."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(given)
        self._taken: set[str] = set()
        self._asked: list[tuple[str, str]] = []

    def __call__(self, renamed: Renamed, /) -> bool:
        """Whether this pair was given."""
        owner = renamed.model.partition(".")[2]
        old, new = (f"{owner}.{name}" if owner else name for name in (renamed.old, renamed.new))
        if super().__call__(renamed):
            self._taken |= {old, new}
            return True
        if renamed.likely:
            self._asked.append((old, new))
        return False

    @property
    def likely(self) -> list[tuple[str, str]]:
        """Old and new name of what was not given, each name once, the most alike first."""
        used = set(self._taken)
        found = []
        for old, new in self._asked:
            if old not in used and new not in used:
                used |= {old, new}
                found.append((old, new))
        return found


def diff(
    before: Schema,
    after: Schema,
    *,
    fills: Mapping[tuple[str, str], Fill] | None = None,
    renames: Renames = keep_names,
    is_empty: Callable[[ModelState], bool] = lambda _: False,
) -> tuple[list[Operation], list[PrefiqError]]:
    """The operations that lead from one schema of a module to another.

    Args:
        before: The module's tables as they are.
        after: The module's tables as they shall be.
        fills: (qualified model, field) → the value for rows that have none.
        renames: Decides what is a rename.
        is_empty: Whether a table is known to have no rows, so that no value is needed.

    Returns:
        Operations in order, and what cannot be done.
    """
    return _Comparison(before, after, fills or {}, renames, is_empty).run()


class _Comparison:
    def __init__(
        self,
        before: Schema,
        after: Schema,
        fills: Mapping[tuple[str, str], Fill],
        renames: Renames,
        is_empty: Callable[[ModelState], bool],
    ) -> None:
        self.before, self.after = before.canonical, after
        self.followed = list(self._follow_renamed())
        # A part of another's table has no beginning and no end of its own: its columns come and go.
        self.before, self.after = _with_parts(self.before, self.after), _with_parts(self.after, self.before)
        self.fills, self.renames, self.is_empty = fills, renames, is_empty
        self.faults: list[PrefiqError] = []
        self.origin: dict[str, ModelState] = {model.qualified: model for model in self.before}

    def run(self) -> tuple[list[Operation], list[PrefiqError]]:
        renamed_models = list(self._rename_models())
        common = [(old, new) for new in self.after if (old := self.before.get(new.qualified)) is not None]
        drop_indexes: list[Operation] = []
        renamed_fields: list[Operation] = []
        changed: list[Operation] = []
        dropped: list[Operation] = []
        add_indexes: list[Operation] = []
        for old, new in common:
            if old.shared != new.shared:
                self.faults.append(UnsupportedChange(new.qualified, "its scope cannot change"))
                continue
            renaming = list(self._rename_fields(old, new))
            renamed = self._apply(old, renaming)
            renamed_fields += renaming
            drop_indexes += (
                DropIndex(new.name, index.name)
                for index in old.indexes
                if renamed.index(index.name) not in new.indexes
            )
            changed += self._changed_fields(renamed, new)
            dropped += (
                DropField(new.name, field.name) for field in renamed.fields if not new.field(field.name)
            )
            add_indexes += (
                AddIndex(new.name, index) for index in new.indexes if index not in renamed.indexes
            )
        created, tied = _in_order(model for model in self.after if self.before.get(model.qualified) is None)
        gone = [model for model in self.before if self.after.get(model.qualified) is None]
        operations = [
            *self.followed,
            *renamed_models,
            *drop_indexes,
            *renamed_fields,
            *(CreateModel(m.name, m.table, m.fields, m.indexes, m.shared) for m in created),
            *(AlterField(model.name, field) for model, field in tied),
            *changed,
            *dropped,
            *add_indexes,
            *self._drop_models(gone),
        ]
        return operations, self.faults

    def _follow_renamed(self) -> Iterator[Operation]:
        """Another module renamed the model that this one adds to: the columns are the same."""
        come = [part for part in self.after if part.extends and self.before.get(part.qualified) is None]
        for old in [part for part in self.before if part.extends and self.after.get(part.qualified) is None]:
            same = [new for new in come if new.canonical.fields == old.fields]
            if len(same) == 1:
                operation = RenameModel(old.name, same[0].name, same[0].table)
                self.before = operation.change(self.before, old.module)
                yield operation

    def _rename_models(self) -> Iterator[Operation]:
        gone = [model for model in self.before if self.after.get(model.qualified) is None]
        new = [model for model in self.after if self.before.get(model.qualified) is None]
        pairs = sorted(
            ((_likeness(old, model), old, model) for old in gone for model in new),
            key=lambda pair: -pair[0],
        )
        used: set[str] = set()
        for likeness, old, model in pairs:
            if old.qualified in used or model.qualified in used or old.shared != model.shared:
                continue
            if self.renames(Renamed(model.module, old.name, model.name, likeness >= 0.5)):
                used |= {old.qualified, model.qualified}
                operation = RenameModel(old.name, model.name, model.table)
                self.before = operation.change(self.before, model.module)
                self.origin[model.qualified] = old
                yield operation

    def _rename_fields(self, old: ModelState, new: ModelState) -> Iterator[RenameField]:
        gone = [field for field in old.fields if new.field(field.name) is None]
        come = [field for field in new.fields if old.field(field.name) is None]
        pairs = sorted(
            ((_alike(field, other), field, other) for field in gone for other in come),
            key=lambda pair: -pair[0],
        )
        used: set[str] = set()
        for alike, field, other in pairs:
            if field.name in used or other.name in used or impossible(field, other):
                continue
            if self._follows(field, other, new) or self.renames(
                Renamed(new.qualified, field.name, other.name, alike > 0)
            ):
                used |= {field.name, other.name}
                yield RenameField(new.name, field.name, other.name)

    def _follows(self, old: FieldState, new: FieldState, model: ModelState) -> bool:
        """Whether it is a child's column of its parent, which was renamed: nobody needs to be asked."""
        if old.ref is None or new.ref is None or old.ref.model != new.ref.model:
            return False
        parent = self.origin.get(new.ref.model)
        name = new.ref.model.rpartition(".")[2]
        return (
            parent is not None
            and parent.name != name
            and (old.name, new.name) == (f"{snake(parent.name)}_id", f"{snake(name)}_id")
            and model.module == parent.module
        )

    def _apply(self, model: ModelState, renaming: Iterable[RenameField]) -> ModelState:
        schema = Schema((model,))
        for operation in renaming:
            schema = operation.change(schema, model.module)
        return schema.models[0]

    def _changed_fields(self, old: ModelState, new: ModelState) -> Iterator[Operation]:
        vanished = [field for field in old.fields if new.field(field.name) is None]
        for field in new.fields:
            present = old.field(field.name)
            if present == field:
                continue
            where = f"{new.qualified}.{field.name}"
            if present is not None and (problem := impossible(present, field)):
                self.faults.append(UnsupportedChange(where, problem))
                continue
            fill = MISSING
            if not field.nullable and (present is None or present.nullable):
                given = self.fills.get((new.qualified, field.name), Fill())
                fill = given.value
                if fill is MISSING and not self.is_empty(self.origin.get(new.qualified, old)):
                    similar = [f"{new.qualified}.{gone.name}" for gone in vanished if _alike(gone, field)]
                    self.faults.append(NeedsDefault(where, similar if present is None else (), given.reason))
                    continue
            yield AddField(new.name, field, fill) if present is None else AlterField(new.name, field, fill)

    def _drop_models(self, gone: list[ModelState]) -> Iterator[Operation]:
        # One that refers goes before the one it refers to.
        ordered, tied = _in_order(gone)
        for model, field in tied:
            yield AlterField(model.name, dataclasses.replace(field, ref=None))
        for model in reversed(ordered):
            yield DropModel(model.name)


def _with_parts(schema: Schema, other: Schema) -> Schema:
    """The schema, with an empty part for each that only the other has."""
    return schema.plus(
        dataclasses.replace(part, fields=(), indexes=())
        for part in other
        if part.extends and schema.get(part.qualified) is None
    )


def _in_order(models: Iterable[ModelState]) -> tuple[list[ModelState], list[tuple[ModelState, FieldState]]]:
    """Models such that each stands behind those it refers to.

    Returns:
        The models, and fields whose reference closes a circle: those models come without the reference.
    """
    waiting = {model.qualified: model for model in models}
    ordered: list[ModelState] = []
    tied: list[tuple[ModelState, FieldState]] = []
    while waiting:
        free = [model for model in waiting.values() if not _needed(model) & waiting.keys()]
        if free:
            ordered += [waiting.pop(model.qualified) for model in free]
            continue
        model = next(iter(waiting.values()))
        closing = [field for field in model.fields if _target(field, model) in waiting]
        tied += ((model, field) for field in closing)
        loose = tuple(dataclasses.replace(f, ref=None) if f in closing else f for f in model.fields)
        waiting[model.qualified] = dataclasses.replace(model, fields=loose)
    return ordered, tied


def _needed(model: ModelState) -> set[str]:
    return {target for field in model.fields if (target := _target(field, model))}


def _target(field: FieldState, model: ModelState) -> str:
    return field.ref.model if field.ref is not None and field.ref.model != model.qualified else ""


def _likeness(old: ModelState, new: ModelState) -> float:
    """Share of fields, beside the key, that both have with one name and kind."""
    left = {(field.name, field.kind) for field in old.fields if field.name not in {*old.key, "version"}}
    right = {(field.name, field.kind) for field in new.fields if field.name not in {*new.key, "version"}}
    return len(left & right) / max(len(left | right), 1)


def _alike(old: FieldState, new: FieldState) -> int:
    """2 where only the name differs, 1 where only limits differ, 0 for different things."""
    if dataclasses.replace(old, name=new.name) == new:
        return 2
    same_kind = old.kind == new.kind
    same_target = (old.ref and old.ref.model) == (new.ref and new.ref.model)
    return 1 if same_kind and same_target else 0
