"""What a scoped statement may not hold: text of a caller's, in whatever place SQLAlchemy takes some.

Text cannot be confined to one tenant; and a function of a server's may read what it likes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import elements, operators

from prefiq.sql.errors import StatementRefused
from prefiq.sql.known_functions import known_functions
from prefiq.sql.types import FieldType

__all__ = ["NoText", "check_type", "refuse_foreign_renderers", "refuse_fragments"]

# Operators given as text are as free as text(); these are the ones that only combine two values.
_OPERATORS = frozenset({"||", "&", "|", "<<", ">>", "->", "->>", "%", "is", "is not"})


def _refuse_text(what: str) -> StatementRefused:
    return StatementRefused(
        "A fragment of text inside a statement cannot be confined to one tenant",
        what,
        "use columns, functions and bound values of SQLAlchemy Core",
    )


# Of count(*) and exists(), and of startswith() and its like.
_LITERALS = frozenset({"*", "'%'"})
# How the values of an insert are named in ON DUPLICATE KEY UPDATE: SQLAlchemy itself writes it so.
_INSERTED = re.compile(r"VALUES\((?:`(?:[^`]|``)+`|[A-Za-z_][\w$]*)\)")
# The extensions of SQLAlchemy's own that hold expressions and numbers only.
_EXTENSIONS = frozenset({"postgresql_distinct_on", "mysql_dml_limit_clause"})
_EXTRACTS = frozenset({
    "century", "day", "day_hour", "day_minute", "decade", "dow", "doy", "epoch", "hour", "hour_minute", "isodow",
    "isoyear", "microsecond", "microseconds", "millennium", "millisecond", "milliseconds", "minute", "month", "quarter",
    "second", "timezone", "week", "year", "year_month",
})  # fmt: skip


class NoText:
    """Mixed into a dialect's statement compiler."""

    def visit_textclause(self, *_: Any, **__: Any) -> Any:
        """Refuse ``text()``."""
        raise _refuse_text("text()")

    def visit_tstring(self, *_: Any, **__: Any) -> Any:
        """Refuse template strings."""
        raise _refuse_text("a template string")

    def visit_textual_select(self, *_: Any, **__: Any) -> Any:
        """Refuse ``text().columns()``."""
        raise _refuse_text("text().columns()")

    def visit_column(self, column: Any, *args: Any, **kwargs: Any) -> Any:
        """Refuse ``literal_column()``, but for those that SQLAlchemy itself makes."""
        if column.is_literal and column.name not in _LITERALS and not _INSERTED.fullmatch(column.name):
            raise _refuse_text("literal_column()")
        return super().visit_column(column, *args, **kwargs)  # type: ignore[misc]

    # -- types, whose names are text too ----------------------------------------------------------------------

    def visit_typeclause(self, typeclause: Any, *args: Any, **kwargs: Any) -> Any:
        """Refuse types whose name is a caller's text."""
        check_type(typeclause.type)
        return super().visit_typeclause(typeclause, *args, **kwargs)  # type: ignore[misc]

    def render_bind_cast(self, type_: Any, dbapi_type: Any, sqltext: str) -> Any:
        """The same where a bound value is cast."""
        check_type(type_)
        return super().render_bind_cast(type_, dbapi_type, sqltext)  # type: ignore[misc]

    def render_literal_value(self, value: Any, type_: Any, **kwargs: Any) -> Any:
        """The same where a value is written into the text: its type says how, and may write what it likes."""
        if not isinstance(type_, FieldType) and not type(type_).__module__.startswith("sqlalchemy."):
            raise _refuse_text(f"a literal of {type(type_).__name__}")
        return super().render_literal_value(value, type_, **kwargs)  # type: ignore[misc]

    def visit_empty_set_expr(self, element_types: Any, **kwargs: Any) -> Any:
        """The same for an empty IN."""
        for type_ in element_types or ():
            check_type(type_)
        return super().visit_empty_set_expr(element_types, **kwargs)  # type: ignore[misc]

    def visit_array(self, element: Any, **kwargs: Any) -> Any:
        """The same for an empty array."""
        check_type(element.type)
        return super().visit_array(element, **kwargs)  # type: ignore[misc]

    def visit_json_getitem_op_binary(self, binary: Any, operator: Any, **kwargs: Any) -> Any:
        """The same for a part of a JSON value, which is cast."""
        check_type(binary.type)
        return super().visit_json_getitem_op_binary(binary, operator, **kwargs)  # type: ignore[misc]

    def visit_json_path_getitem_op_binary(self, binary: Any, operator: Any, **kwargs: Any) -> Any:
        """The same for a part of a JSON value, which is cast."""
        check_type(binary.type)
        return super().visit_json_path_getitem_op_binary(binary, operator, **kwargs)  # type: ignore[misc]

    # -- functions and operators ------------------------------------------------------------------------------

    def visit_function(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """On a server, refuse functions that may read tables of any tenant, or do anything else."""
        known = known_functions(self.dialect.name)  # type: ignore[attr-defined]
        if known is not None and (func.name.casefold() not in known or func.packagenames):
            raise StatementRefused(
                "A function that Prefiq does not know may read any table",
                f"function {'.'.join((*func.packagenames, func.name))}",
                "compute it in Python, or with the functions that every release of the engine has",
            )
        if known is None:
            _refuse_scaled(func)
        return super().visit_function(func, *args, **kwargs)  # type: ignore[misc]

    def visit_binary(self, binary: Any, override_operator: Any = None, **kwargs: Any) -> Any:
        """Refuse what SQLite would compute differently, because it keeps decimals as whole numbers."""
        operator = override_operator or binary.operator
        right = tuple(binary.right.clauses) if operator in _BETWEEN else (binary.right,)
        _check_decimals(operator, (binary.left, *right))
        return super().visit_binary(binary, override_operator, **kwargs)  # type: ignore[misc]

    def visit_expression_clauselist(self, clauselist: Any, **kwargs: Any) -> Any:
        """The same for a chain of additions or multiplications."""
        _check_decimals(clauselist.operator, clauselist.clauses)
        return super().visit_expression_clauselist(clauselist, **kwargs)  # type: ignore[misc]

    def visit_cast(self, cast: Any, **kwargs: Any) -> Any:
        """On SQLite, refuse to make something else of a decimal, or a decimal of something else."""
        source, target = cast.clause, cast.type
        if (
            self.dialect.name == "sqlite"  # type: ignore[attr-defined]
            and _is_decimal(source.type) is not _is_decimal(target)
            and not isinstance(source, elements.Null)
        ):
            raise _scaled("a cast")
        return super().visit_cast(cast, **kwargs)  # type: ignore[misc]

    def visit_sequence(self, *_: Any, **__: Any) -> Any:
        """Refuse sequences: their values are no tenant's."""
        raise StatementRefused(
            "A sequence is shared by all tenants", "a sequence", "make keys in the process"
        )

    def visit_next_value_func(self, *_: Any, **__: Any) -> Any:
        """Refuse sequences: their values are no tenant's."""
        return self.visit_sequence()

    def visit_extract(self, extract: Any, **kwargs: Any) -> Any:
        """Refuse parts of an instant that are a caller's text."""
        if extract.field.lower() not in _EXTRACTS:
            raise _refuse_text(f"extract({extract.field!r})")
        return super().visit_extract(extract, **kwargs)  # type: ignore[misc]

    def visit_custom_op_binary(self, element: Any, operator: Any, **kwargs: Any) -> Any:
        """Refuse operators given as text."""
        _check_operator(operator)
        return super().visit_custom_op_binary(element, operator, **kwargs)  # type: ignore[misc]

    def visit_custom_op_unary_operator(self, element: Any, operator: Any, **kwargs: Any) -> Any:
        """Refuse operators given as text."""
        _check_operator(operator)
        return super().visit_custom_op_unary_operator(element, operator, **kwargs)  # type: ignore[misc]

    def visit_custom_op_unary_modifier(self, element: Any, operator: Any, **kwargs: Any) -> Any:
        """Refuse operators given as text."""
        _check_operator(operator)
        return super().visit_custom_op_unary_modifier(element, operator, **kwargs)  # type: ignore[misc]


# Functions whose result has as many digits behind the point as their argument, or none of it.
_SCALED = frozenset({
    "sum", "min", "max", "coalesce", "ifnull", "nullif", "abs", "lag", "lead", "first_value", "last_value", "nth_value",
})  # fmt: skip


def _refuse_scaled(func: Any) -> None:
    """SQLite keeps decimals as whole numbers of their last digit, which other functions do not know."""
    if func.name.lower() == "count" or not any(
        _is_decimal(clause.type) for clause in getattr(func, "clauses", ())
    ):
        return
    if func.name.lower() not in _SCALED or not _is_decimal(func.type):
        raise _scaled(f"function {func.name}")


_BETWEEN = frozenset({operators.between_op, operators.not_between_op})
_DIVIDING = frozenset({operators.truediv, operators.floordiv, operators.mod})
_LIKE_WITH_LIKE = frozenset({
    operators.add, operators.sub, operators.eq, operators.ne, operators.lt, operators.le, operators.gt, operators.ge,
    operators.is_distinct_from, operators.is_not_distinct_from,
}) | _BETWEEN  # fmt: skip


def _check_decimals(operator: Any, operands: Sequence[Any]) -> None:
    types: list[Any] = [getattr(operand, "type", None) for operand in operands]
    decimals = {type_.scale for type_ in types if _is_decimal(type_)}
    if not decimals:
        return
    others = [
        type_ for type_ in types if not _is_decimal(type_) and not isinstance(type_, sa.types.NullType | None)
    ]
    if operator in _DIVIDING or (operator is operators.mul and not _are_factors(types, others)):
        raise _scaled("a product or quotient")
    if operator in _LIKE_WITH_LIKE and (others or len(decimals) > 1):
        raise _scaled("a comparison or sum with another type")


def _are_factors(types: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether all but one of the types are those of whole numbers."""
    whole = (
        isinstance(type_, sa.Integer) or (isinstance(type_, FieldType) and type_.kind == "int")
        for type_ in others
    )
    return len(others) == len(types) - 1 and all(whole)


def _is_decimal(type_: Any) -> bool:
    return isinstance(type_, FieldType) and type_.kind == "decimal"


def _scaled(where: str) -> StatementRefused:
    return StatementRefused(
        "Engines would compute this differently: SQLite keeps decimals as whole numbers of their last digit",
        f"{where} of a decimal",
        "compute it in Python, or with values of the column's type: literal(value, column.type)",
    )


def refuse_fragments(statement: Any) -> None:
    """Refuse what a statement carries as text beside its parts."""
    for attribute, name in (
        ("_prefixes", "prefix_with()"),
        ("_suffixes", "suffix_with()"),
        ("_hints", "with_hint()"),
        ("_statement_hints", "with_statement_hint()"),
    ):
        if getattr(statement, attribute, None):
            raise _refuse_text(name)
    for attribute in (
        "_post_select_clause",
        "_pre_columns_clause",
        "_post_criteria_clause",
        "_post_body_clause",
    ):
        extension = getattr(statement, attribute, None)
        if extension is not None and extension.__visit_name__ not in _EXTENSIONS:
            raise _refuse_text("ext()")


def refuse_foreign_renderers(statement: Any) -> None:
    """What brings its own text by ``sqlalchemy.ext.compiler`` asks no visitor of ours."""
    for element in sa.sql.visitors.iterate(statement):
        if hasattr(type(element), "_compiler_dispatcher"):
            raise _refuse_text(f"{type(element).__name__}, which renders itself")


def _check_operator(operator: Any) -> None:
    if operator.opstring.strip().lower() not in _OPERATORS:
        raise _refuse_text("an operator given as text")


# Their names are theirs alone, and what else stands in them is a number.
_TYPES = (
    sa.types.Integer, sa.types.Numeric, sa.types.Boolean, sa.types.Date, sa.types.DateTime, sa.types.Time, sa.types.String,
    sa.types.Uuid, sa.types.LargeBinary, sa.types.BINARY, sa.types.VARBINARY, sa.types.Interval, sa.types.JSON,
    sa.types.NullType,
)  # fmt: skip
_TEXTUAL = ("collation", "charset", "fields", "unicode", "ascii", "national", "enums", "unsigned", "zerofill")


def check_type(type_: Any) -> None:
    """Refuse a type whose name in SQL may hold a caller's text."""
    if isinstance(type_, FieldType):
        return
    while isinstance(type_, sa.types.TypeDecorator):
        type_ = type_.impl_instance
    if isinstance(type_, sa.types.ARRAY):
        check_type(type_.item_type)
        return
    numbers = (
        getattr(type_, name, None) for name in ("length", "precision", "scale", "fsp", "display_width")
    )
    if (
        not isinstance(type_, _TYPES)
        or not type(type_).__module__.startswith("sqlalchemy.")
        or any(getattr(type_, name, None) for name in _TEXTUAL)
        or any(number is not None and not isinstance(number, int) for number in numbers)
    ):
        raise _refuse_text(f"a cast to {type(type_).__name__}")
