"""Questions after rows that would not fit what a migration introduces; the same on every engine."""

# ruff: noqa: S608  statements are made of quoted names and of literals with doubled quotes
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prefiq.migrations.dialects.renderer import literal
from prefiq.migrations.errors import BadOperation
from prefiq.migrations.graph import Change
from prefiq.migrations.operations import TEXT
from prefiq.migrations.snapshot import FieldState, ModelState, RefState
from prefiq.migrations.steps import Ask

__all__ = [
    "Words",
    "asks",
    "check_reference",
    "decimal_digits",
    "doubled",
    "no_value",
    "scale_of",
    "unmatched",
]

Conditions = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Words:
    """How an engine says what the questions are made of.

    Args:
        quoted: A name, quoted where necessary.
        length: Name of the function that counts a text's code points.
        digits: Column, old and new field → a condition on rows whose number has too many digits, and what is
            wrong with it.
        text: A text, as a literal.
    """

    quoted: Callable[[str], str]
    length: str
    digits: Callable[[str, FieldState, FieldState], Conditions]
    text: Callable[[str], str] = literal


def check_reference(change: Change, field: FieldState) -> None:
    """Go on only if a field refers to nothing, or to a table that is there once the operation is done.

    Servers make no reference to what is yet to come.

    Raises:
        BadOperation: It is not there.
    """
    ref = field.ref
    if ref is None or change.after.get(change.after.present(ref.model)) is not None:
        return
    problem = f"{field.name} refers to {ref.model}, which is not there yet: name the migration that makes it in requires"
    raise BadOperation(change.title, problem)


def asks(
    words: Words, model: ModelState, old: FieldState, new: FieldState, *, filled: bool, title: str
) -> Iterator[Ask]:
    """Questions before a column is altered.

    Args:
        words: The engine's.
        model: The table as it is.
        old: The column as it is.
        new: The column as it shall be.
        filled: Whether NULL is replaced.
        title: For people.
    """
    column = words.quoted(new.name)

    def ask(condition: str, problem: str) -> Ask:
        return _count(words, model.table, condition, problem, title)

    if old.nullable and not new.nullable and not filled:
        yield ask(f"{column} IS NULL", f"{new.name} is empty")
    if new.kind in TEXT and new.max_length is not None:
        longest = old.max_length if old.kind == "str" else None
        if longest is None or longest > new.max_length:
            yield ask(
                f"{words.length}({column}) > {new.max_length}",
                f"{new.name} has more than {new.max_length} characters",
            )
    if new.kind == "enum" and not (old.kind == "enum" and set(old.values) <= set(new.values)):
        choices = ", ".join(words.text(value) for value in new.values)
        yield ask(f"{column} NOT IN ({choices})", f"{new.name} is none of its choices")
    if new.kind == "decimal":
        for condition, problem in words.digits(column, old, new):
            yield ask(condition, f"{new.name} {problem}")
    if new.ref is not None and (old.ref is None or old.ref.model != new.ref.model):
        problem = f"{new.name} refers to rows that are not there"
        yield unmatched(words, model.table, f"source.{column}", new.ref, problem, title)


def unmatched(words: Words, table: str, value: str, ref: RefState, problem: str, title: str) -> Ask:
    """How many rows of a table refer to rows that are not there.

    Args:
        words: The engine's.
        table: Name of the table.
        value: What the rows refer with: a literal, or ``source.`` and a quoted column.
        ref: Where it refers to.
        problem: What is wrong with them.
        title: For people.
    """
    quoted = words.quoted
    same_tenant = "" if ref.shared else "target.tenant_id = source.tenant_id AND "
    row = f"SELECT 1 FROM {quoted(ref.table)} AS target WHERE {same_tenant}target.id = {value}"
    text = f"SELECT count(*) FROM {quoted(table)} AS source WHERE {value} IS NOT NULL AND NOT EXISTS ({row})"
    return Ask(text, problem, title, (table, ref.table))


def doubled(words: Words, table: str, columns: Sequence[str], title: str) -> Ask:
    """How many rows of a table agree in all of these columns."""
    quoted = [words.quoted(column) for column in columns]
    present = " AND ".join(f"{column} IS NOT NULL" for column in quoted)
    text = (
        "SELECT coalesce(sum(doubled), 0) FROM (SELECT count(*) AS doubled "
        f"FROM {words.quoted(table)} WHERE {present} GROUP BY {', '.join(quoted)} HAVING count(*) > 1) AS found"
    )
    fields = [column for column in columns if column != "tenant_id"]
    return Ask(text, f"several have the same {' and '.join(fields)}", title, (table,))


def no_value(words: Words, table: str, column: str, title: str) -> Ask:
    """How many rows of a table would have no value in a new column."""
    return _count(words, table, "", f"they would have no value for {column}", title)


def decimal_digits(column: str, old: FieldState, new: FieldState) -> Conditions:
    """Numbers with too many digits, where a decimal is stored as such."""
    scale = scale_of(new)
    if scale < scale_of(old):
        yield f"{column} <> round({column}, {scale})", f"has more than {scale} digits behind the point"
    before_point = _before_point(new)
    if before_point < _before_point(old):
        limit = 10**before_point
        problem = f"has more than {before_point} digits before the point"
        yield f"({column} <= -{limit} OR {column} >= {limit})", problem


def scale_of(field: FieldState) -> int:
    """Digits behind the point."""
    return (field.scale or 0) if field.kind == "decimal" else 0


def _before_point(field: FieldState) -> int:
    return 19 if field.kind == "int" else (field.precision or 18) - scale_of(field)


def _count(words: Words, table: str, condition: str, problem: str, title: str) -> Ask:
    where = f" WHERE {condition}" if condition else ""
    return Ask(f"SELECT count(*) FROM {words.quoted(table)}{where}", problem, title, (table,))
