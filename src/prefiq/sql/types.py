"""The column types of fields: one type, stored as each engine keeps it exactly.

``FieldType`` converts for every statement of SQLAlchemy Core; the generated mappers use the same ``Codec``s,
so that both ways agree by construction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.sql import operators

from prefiq.lowcode import FieldSpec, Kind
from prefiq.sql.errors import EngineNotServed

__all__ = ["Codec", "FieldType", "type_of"]

_SCALING = frozenset({operators.mul, operators.truediv, operators.floordiv, operators.mod})


@dataclass(frozen=True, slots=True)
class Codec:
    """How one kind of value goes to the driver and comes back; None never reaches it.

    Args:
        dump: Python value → driver value.
        load: Driver value → Python value.
        dump_source: The same as source text around ``{v}``, for generated code.
        load_source: The same for the way back.
        names: What the source texts refer to.
        sure: The source of ``dump`` for a value that is known to be of the very type (an instant in UTC, a
            decimal with just the column's digits behind the point), where that is less.
    """

    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]
    dump_source: str = "dump({v})"
    load_source: str = "load({v})"
    names: dict[str, Any] = field(default_factory=dict)
    sure: str = ""


class FieldType(sa.types.TypeDecorator[Any]):
    """The type of a field's column on every engine.

    Args:
        kind: What the field holds.
        length: Longest text in code points.
        precision: Digits of a decimal in all.
        scale: Digits of a decimal behind the point.
        enum: The states or choices.
    """

    impl = sa.types.NullType
    cache_ok = True
    _generic: ClassVar[dict[str, type[sa.types.TypeEngine[Any]]]] = {
        "str": sa.String,
        "text": sa.String,
        "enum": sa.String,
        "int": sa.BigInteger,
        "bool": sa.Boolean,
        "decimal": sa.Numeric,
        "float": sa.Float,
        "date": sa.Date,
        "datetime": sa.DateTime,
        "uuid": sa.Uuid,
    }

    def __init__(
        self,
        kind: Kind,
        *,
        length: int | None = None,
        precision: int | None = None,
        scale: int | None = None,
        enum: Any = None,
    ) -> None:
        super().__init__()
        # What operators mean on it: `+` joins texts, a bool stands alone in WHERE.
        generic: Any = self._generic.get(kind, sa.types.NullType)
        self.impl = generic()
        self.kind = kind
        self.length = length
        self.precision = precision
        self.scale = scale
        self.enum = enum

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """The engine's own type, which DDL names."""
        from prefiq.sql.dialects import engine_for

        try:
            engine = engine_for(dialect.name)
        except EngineNotServed:  # str(statement) uses a dialect of no engine
            return self.impl_instance
        # As it is: the dialect's own counterpart of a TEXT would be named VARCHAR.
        return engine.storage(self)

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], Any] | None:
        """Python value → driver value, for statements of Core."""
        dump = self._codec(dialect).dump
        return lambda value: None if value is None else dump(value)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Driver value → Python value, for rows of Core."""
        del coltype
        load = self._codec(dialect).load
        return lambda value: None if value is None else load(value)

    def literal_processor(self, dialect: sa.Dialect) -> Callable[[Any], str] | None:
        """Refuse: a value is always bound, never written into the text."""
        del dialect
        return None

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """A value compared with the column has its type; a factor of a decimal is a whole number."""
        if self.kind != "decimal" or op not in _SCALING:
            return self
        if op is not operators.mul or type(value) is not int:
            raise TypeError("multiply a decimal column by a whole number, and divide in Python")
        return sa.BigInteger()

    def _codec(self, dialect: sa.Dialect) -> Codec:
        from prefiq.sql.dialects import engine_for

        return engine_for(dialect.name).codec(self)

    def __repr__(self) -> str:
        size = self.length or (f"{self.precision}, {self.scale}" if self.kind == "decimal" else "")
        return f"FieldType({self.kind}{f', {size}' if size else ''})"


def type_of(spec: FieldSpec) -> FieldType:
    """The column type of a declared field."""
    if spec.kind == "enum":
        return FieldType("enum", length=max(len(member) for member in spec.type), enum=spec.type)
    return FieldType(spec.kind, length=spec.max_length, precision=spec.precision, scale=spec.scale)
