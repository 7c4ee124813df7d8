"""How statements of SQLAlchemy are worded for MariaDB where its dialect leaves a gap."""

from __future__ import annotations

from itertools import product
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

    def visit_join(self, join: Any, asfrom: bool = False, from_linter: Any = None, **kwargs: Any) -> str:
        """A join connects every table on its left with every one on its right; MySQL's compiler forgets some."""
        if from_linter:
            left, right = join.left._from_objects, join.right._from_objects
            from_linter.edges.update(product([f._de_clone() for f in left], [f._de_clone() for f in right]))
        return super().visit_join(join, asfrom, from_linter, **kwargs)

    def _render_cte_clause(self, nesting_level: Any = None, include_following_stack: Any = False) -> Any:
        if (self.isupdate or self.isdelete) and nesting_level in {None, 1}:
            raise StatementRefused(
                "MariaDB has no WITH in front of UPDATE and DELETE",
                "CTE",
                "keep it in the subquery: cte(…, nesting=True)",
            )
        return super()._render_cte_clause(nesting_level, include_following_stack)  # type: ignore[no-untyped-call]

    def visit_lateral(self, lateral_: Any, **kw: Any) -> str:
        """Refuse: MariaDB has none."""
        del lateral_, kw
        raise StatementRefused("MariaDB has no LATERAL", "FROM", "use a join, or a correlated subquery")

    def visit_values(self, element: Any, *args: Any, **kw: Any) -> Any:
        """Refuse VALUES in FROM: MariaDB cannot name its columns there."""
        cte = kw.get("visiting_cte")
        if kw.get("asfrom") and (cte is None or cte.element is not element):
            raise StatementRefused(
                "MariaDB cannot name the columns of VALUES in FROM", "VALUES", "use values(…).cte()"
            )
        return super().visit_values(element, *args, **kw)  # type: ignore[no-untyped-call]
