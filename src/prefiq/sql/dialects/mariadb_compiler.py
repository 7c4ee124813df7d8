"""How statements of SQLAlchemy are worded for MariaDB where its dialect leaves a gap."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql.base import MySQLCompiler

from prefiq.sql.errors import StatementRefused
from prefiq.sql.types import FieldType

__all__ = ["MariadbCompiler"]

_CASTS = {
    "str": "CHAR", "text": "CHAR", "enum": "CHAR", "json": "CHAR", "int": "SIGNED", "bool": "SIGNED", "float": "DOUBLE",
    "date": "DATE", "datetime": "DATETIME(6)", "uuid": "BINARY(16)",
}  # fmt: skip


class MariadbCompiler(MySQLCompiler):
    """MySQL's compiler, with casts to the types of fields, and without what MariaDB does not have."""

    def visit_typeclause(self, typeclause: Any, type_: Any = None, **kw: Any) -> str | None:
        """The type in a CAST: MariaDB knows other names there than in DDL."""
        cast_to = typeclause.type
        if isinstance(cast_to, FieldType):
            if cast_to.kind == "decimal":
                return f"DECIMAL({cast_to.precision or 18}, {cast_to.scale or 0})"
            return _CASTS[cast_to.kind]
        if isinstance(cast_to, sa.Float):
            return "DOUBLE"
        if isinstance(cast_to, sa.Boolean):
            return "SIGNED"
        return super().visit_typeclause(typeclause, type_, **kw)

    def visit_lateral(self, lateral_: Any, **kw: Any) -> str:
        """Refuse: MariaDB has none."""
        del lateral_, kw
        raise StatementRefused("MariaDB has no LATERAL", "FROM", "use a join, or a correlated subquery")

    def visit_values(self, element: Any, *args: Any, **kw: Any) -> Any:
        """Refuse VALUES in FROM: MariaDB cannot name its columns there."""
        if kw.get("asfrom") and not kw.get("visiting_cte"):
            raise StatementRefused(
                "MariaDB cannot name the columns of VALUES in FROM", "VALUES", "use values(…).cte()"
            )
        return super().visit_values(element, *args, **kw)  # type: ignore[no-untyped-call]
