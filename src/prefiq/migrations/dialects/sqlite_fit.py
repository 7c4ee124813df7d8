"""Whether and how the rows of a column fit another type on SQLite.

Decimals are stored there as whole numbers of their last digit, so another scale is another unit.
"""

# ruff: noqa: S608  statements are made of quoted names and of literals with doubled quotes
from __future__ import annotations

from collections.abc import Iterator

from prefiq.migrations.dialects.renderer import literal
from prefiq.migrations.operations import TEXT
from prefiq.migrations.snapshot import FieldState, ModelState
from prefiq.migrations.steps import Ask

__all__ = ["asks", "conversion"]


def conversion(column: str, old: FieldState, new: FieldState) -> str:
    """The column's value as the new type keeps it, as SQL."""
    shift = _scale(new) - _scale(old)
    if shift > 0:
        return f"{column} * {10**shift}"
    if shift < 0:
        return f"{column} / {10**-shift}"
    return column


def asks(model: ModelState, old: FieldState, new: FieldState, *, filled: bool, title: str) -> Iterator[Ask]:
    """Questions after rows that would not fit.

    Args:
        model: The table as it is.
        old: The column as it is.
        new: The column as it shall be.
        filled: Whether NULL is replaced.
        title: For people.
    """
    column = f'"{new.name}"'

    def ask(condition: str, problem: str) -> Ask:
        return Ask(f'SELECT count(*) FROM "{model.table}" WHERE {condition}', problem, title)

    if old.nullable and not new.nullable and not filled:
        yield ask(f"{column} IS NULL", f"{new.name} is empty")
    if new.kind in TEXT and new.max_length is not None:
        longest = old.max_length if old.kind == "str" else None
        if longest is None or longest > new.max_length:
            yield ask(
                f"length({column}) > {new.max_length}",
                f"{new.name} has more than {new.max_length} characters",
            )
    if new.kind == "enum" and not (old.kind == "enum" and set(old.values) <= set(new.values)):
        choices = ", ".join(literal(value) for value in new.values)
        yield ask(f"{column} NOT IN ({choices})", f"{new.name} is none of its choices")
    if new.kind == "decimal":
        yield from (
            ask(condition, f"{new.name} {problem}") for condition, problem in _digits(column, old, new)
        )
    if new.ref is not None and (old.ref is None or old.ref.model != new.ref.model):
        target = f'"{new.ref.table}"'
        same_tenant = "" if new.ref.shared else f'{target}."tenant_id" = "{model.table}"."tenant_id" AND '
        row = f'{target}."id" = "{model.table}".{column}'
        yield ask(
            f"{column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {target} WHERE {same_tenant}{row})",
            f"{new.name} refers to rows that are not there",
        )


def _digits(column: str, old: FieldState, new: FieldState) -> Iterator[tuple[str, str]]:
    shift = _scale(new) - _scale(old)
    if shift < 0:
        yield f"{column} % {10**-shift} <> 0", f"has more than {_scale(new)} digits behind the point"
    # Digits before the point: the same in both units.
    had = 19 if old.kind == "int" else (old.precision or 18) - _scale(old)
    before_point = (new.precision or 18) - _scale(new)
    if before_point < had:
        limit = 10 ** (before_point + _scale(old))
        yield (
            f"{column} NOT BETWEEN {1 - limit} AND {limit - 1}",
            f"has more than {before_point} digits before the point",
        )


def _scale(field: FieldState) -> int:
    return (field.scale or 0) if field.kind == "decimal" else 0
