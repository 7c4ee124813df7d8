"""The scoped compiler: writes the tenant's predicate into every statement, or refuses the statement.

It is set on the dialect of every engine that serves scopes; migrations use another engine.  A table is
recognised by its name, whatever object names it.  Two walls stand one behind the other: each kind of
statement is rewritten here before its text is made, and no tenant's table is ever rendered in a FROM that
was not rewritten (``visit_table``).  What this module does not know is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import compiler as sa_compiler
from sqlalchemy.sql import elements, selectable

from prefiq.contracts import System, TenantNotBound, current_scope_or_none
from prefiq.sql.errors import AcrossOnlyReads, StatementRefused
from prefiq.sql.plan import PLACE
from prefiq.sql.scoped_text import NoText, check_type, refuse_foreign_renderers, refuse_fragments
from prefiq.sql.tables import TENANT, TENANT_LENGTH, Tables
from prefiq.sql.tenant_scope import TenantScope
from prefiq.sql.types import FieldType

__all__ = ["TENANT_BIND", "Placed", "install", "other_schema"]

TENANT_BIND = "prefiq_tenant"
"""Name of the bound value that the compiler writes; nobody else may give it."""


class Placed(dict[Any, str]):
    """Every table stands in the schema of the tenant; what ``schema_translate_map`` is, and nothing else may be.

    Args:
        schema: Its name.
    """

    def __init__(self, schema: str) -> None:
        super().__init__({None: schema})


_PLACE = sa.sql.quoted_name(PLACE, quote=False)
_KINDS = frozenset({"select", "compound_select", "insert", "update", "delete"})
_WRITES = frozenset({"insert", "update", "delete"})
_TYPE = FieldType("str", length=TENANT_LENGTH)


def install(
    engine: sa.Engine, statement_compiler: type[Any], tables: Tables, *, across: bool = False
) -> None:
    """Make an engine compile for scopes only.

    Args:
        engine: A new one, nothing compiled yet.
        statement_compiler: Its dialect's own compiler.
        tables: Whose rows each table holds.
        across: Whether for scopes that read across tenants, and do nothing else: no predicate is written.
    """
    dialect: Any = engine.dialect
    dialect.statement_compiler = type(
        "AcrossCompiler" if across else "ScopedCompiler",
        (_Scoping, statement_compiler),
        {"prefiq_tables": tables, "prefiq_across": across},
    )
    dialect.ddl_compiler = type("NoDdl", (_NoDdl, dialect.ddl_compiler), {})
    dialect.preparer = type("ScopedPreparer", (_ScopedPreparer, dialect.preparer), {})
    dialect.identifier_preparer = dialect.preparer(dialect)


def other_schema() -> StatementRefused:
    """What a statement gets that says by an option of its own where tables are."""
    return StatementRefused(
        "The statement names tables of another schema",
        "schema_translate_map",
        "leave it out: a tenant's placement says where its tables are",
    )


def _current_tenant() -> str:
    scope = current_scope_or_none()
    if scope is None:
        raise TenantNotBound
    return scope.tenant


class _Scoping(NoText):
    """Mixed into a dialect's statement compiler."""

    prefiq_tables: Tables
    prefiq_across: bool

    def __init__(self, dialect: Any, statement: Any, *args: Any, **kwargs: Any) -> None:
        if statement is not None and statement.__visit_name__ not in _KINDS:
            raise StatementRefused(
                f"A statement of the kind {statement.__visit_name__!r} is not known to be safe",
                "statement",
                "use select, insert, update or delete",
            )
        if statement is not None:
            refuse_foreign_renderers(statement)
            if self.prefiq_across and statement.__visit_name__ in _WRITES:
                raise AcrossOnlyReads
        schemas = kwargs.get("schema_translate_map")
        if schemas and not isinstance(schemas, Placed):
            raise other_schema()
        self.tenant_bind: Any = None  # of a condition that is never true, it is in no text
        self._admitted: Counter[Any] = Counter()
        self._on: dict[Any, list[Any]] = {}
        self._tenant_table = ""
        self._shared_writes: list[str] = []
        super().__init__(dialect, statement, *args, **kwargs)  # type: ignore[call-arg]

    # -- the bound tenant ---------------------------------------------------------------------------------

    def _tenant_value(self, table: str) -> Any:
        if self.tenant_bind is None:
            self._tenant_table = table
            self.tenant_bind = elements.BindParameter(TENANT_BIND, callable_=_current_tenant, type_=_TYPE)
        return self.tenant_bind

    def construct_params(self, *args: Any, **kwargs: Any) -> Any:
        """Bound values of one execution; the tenant's is written last, so that nobody can give another."""
        scope = current_scope_or_none()
        if self.tenant_bind is not None and scope is None:
            raise TenantNotBound(self._tenant_table)
        if scope is not None and (self.tenant_bind is not None or self._shared_writes):
            rules = TenantScope(scope.tenancy, self.prefiq_tables)
            if self.tenant_bind is not None:
                rules.require_tenant(self._tenant_table)
            for table in self._shared_writes:
                rules.require_shared_write(table)
        elif self._shared_writes and not (scope and isinstance(scope.tenancy, System)):
            raise TenantNotBound(self._shared_writes[0])
        values: Any = super().construct_params(*args, **kwargs)  # type: ignore[misc]
        if self.tenant_bind is not None:
            values[TENANT_BIND] = _current_tenant()
        return values

    # -- which tables ---------------------------------------------------------------------------------------

    def _scope_of(self, table: Any) -> str:
        scope = self.prefiq_tables.scope_of(table.name)
        if scope is None:
            raise StatementRefused(
                "The statement names a table that no listed model has",
                f"table {table.name}",
                "declare a model, or make the table known with Tables.add",
            )
        if getattr(table, "schema", None) not in self._schemas():
            raise StatementRefused(
                "The statement names a table of another schema",
                f"table {table.schema}.{table.name}",
                "leave the schema out",
            )
        return scope

    def _schemas(self) -> tuple[str | None, ...]:
        return (None, "main") if self.dialect.name == "sqlite" else (None,)  # type: ignore[attr-defined]

    def _confine(self, froms: Iterable[Any]) -> list[Any]:
        """The predicates for these FROM elements; those of an outer join's far side are kept for its ON."""
        where: list[Any] = []
        for from_ in froms:
            self._walk(from_, where)
        return where

    def _walk(self, from_: Any, into: list[Any]) -> None:
        if isinstance(from_, selectable.Join):
            if from_.full:
                raise StatementRefused(
                    "A full outer join cannot be confined to one tenant",
                    "FULL OUTER JOIN",
                    "join two selects",
                )
            self._walk(from_.left, into)
            # In WHERE, the predicate would drop the rows that the outer join keeps.
            self._walk(from_.right, self._on.setdefault(from_, []) if from_.isouter else into)
        elif isinstance(from_, selectable.FromGrouping):
            self._walk(from_.element, into)
        elif isinstance(from_, (selectable.Subquery, selectable.CTE)) or _is_lateral_select(from_):
            pass  # confined where it is rendered
        elif isinstance(from_, selectable.TableClause):
            self._confine_table(from_, from_, into)
        elif isinstance(from_, selectable.TableValuedAlias):
            self._check_table_function(from_)
        elif isinstance(from_, selectable.Alias):
            inner: Any = from_
            while isinstance(inner.element, selectable.Alias):
                inner = inner.element
            if isinstance(inner.element, selectable.TableClause):
                # An alias of an alias is rendered by its outermost name, and announced by the innermost.
                self._confine_table(inner.element, from_, into, announced=inner)
            else:
                self._walk(inner.element, into)
        elif not isinstance(from_, selectable.Values):
            raise StatementRefused(
                f"A FROM of the kind {type(from_).__name__} is not known to be safe",
                "FROM",
                "use tables, aliases, joins, subqueries and CTEs",
            )

    def _confine_table(self, table: Any, named: Any, into: list[Any], announced: Any = None) -> None:
        if self._scope_of(table) == "tenant" and not self.prefiq_across:
            into.append(self._predicate(table, named))
        # Once for each rendering: the same table elsewhere needs a predicate of its own.
        self._admitted[named if announced is None else announced] += 1

    def _predicate(self, table: Any, named: Any) -> Any:
        # Not ``named.c.tenant_id``: the table may be of another metadata that does not list the column.
        column = sa.ColumnClause(TENANT, _TYPE, _selectable=named)
        return column == self._tenant_value(table.name)

    def _check_table_function(self, from_: Any) -> None:
        function = getattr(from_, "element", None)
        while isinstance(function, (selectable.Alias, elements.Grouping)):
            function = function.element
        name = str(getattr(function, "name", ""))
        if name not in _table_functions(self) or getattr(function, "packagenames", None):
            raise StatementRefused(
                "A function in FROM may read any table", f"function {name}", "select from tables"
            )
        if getattr(from_, "_render_derived_w_types", False):
            for column in from_.c:
                check_type(column.type)

    def visit_table(
        self, table: Any, asfrom: bool = False, enclosing_alias: Any = None, **kwargs: Any
    ) -> Any:
        """The second wall: a table is rendered only where its predicate has been written."""
        if asfrom and not kwargs.get("ashint") and self._scope_of(table) == "tenant":
            # Around a subquery's tables stands the subquery's alias, which is not theirs.
            named = enclosing_alias if getattr(enclosing_alias, "element", None) is table else table
            self._admitted[named] -= 1
            if self._admitted[named] < 0:
                raise StatementRefused(
                    "A table stands where its tenant's predicate cannot be written",
                    f"table {table.name}",
                    "use it in the FROM of a select",
                )
        if asfrom and not kwargs.get("ashint"):
            # SQLAlchemy leaves the schema out inside ON CONFLICT, where only the table that is written needs none.
            kwargs["use_schema"] = True
        return super().visit_table(table, asfrom=asfrom, enclosing_alias=enclosing_alias, **kwargs)  # type: ignore[misc]

    # -- reading --------------------------------------------------------------------------------------------

    def visit_select(self, select_stmt: Any, *args: Any, **kwargs: Any) -> Any:
        """Refuse what carries text beside the columns."""
        refuse_fragments(select_stmt)
        return super().visit_select(select_stmt, *args, **kwargs)  # type: ignore[misc]

    def visit_compound_select(self, cs: Any, *args: Any, **kwargs: Any) -> Any:
        """Refuse what carries text beside the selects."""
        refuse_fragments(cs)
        return super().visit_compound_select(cs, *args, **kwargs)  # type: ignore[misc]

    def _compose_select_body(
        self, text: str, select: Any, compile_state: Any, columns: Any, froms: Any, *rest: Any
    ) -> Any:
        where = self._confine(froms)
        if where:
            select = select._generate()
            select._where_criteria = (*where, *select._where_criteria)
        return super()._compose_select_body(text, select, compile_state, columns, froms, *rest)  # type: ignore[misc]

    def visit_join(self, join: Any, *args: Any, **kwargs: Any) -> Any:
        """An outer join carries the predicates of its far side in ON."""
        extra = self._on.get(join)
        if extra:
            confined = join._clone()
            confined.onclause = sa.and_(*extra, join.onclause)
            join = confined
        return super().visit_join(join, *args, **kwargs)  # type: ignore[misc]

    # -- writing --------------------------------------------------------------------------------------------

    def visit_insert(self, insert_stmt: Any, *args: Any, **kwargs: Any) -> Any:
        """The tenant's column is written here; a caller may not give it."""
        self._refuse_across()
        refuse_fragments(insert_stmt)
        table = insert_stmt.table
        names = [*(self.column_keys or ()), *_given_names(insert_stmt)]  # type: ignore[attr-defined]
        if self._scope_of(table) == "shared":
            self._shared_writes.append(table.name)
        else:
            _refuse_tenant(names, table)
            if TENANT not in table.c:
                raise StatementRefused(
                    f"The table object does not list {TENANT}", f"table {table.name}", "use the one of Tables"
                )
            insert_stmt = self._with_tenant(insert_stmt, table)
        return super().visit_insert(insert_stmt, *args, **kwargs)  # type: ignore[misc]

    def _with_tenant(self, statement: Any, table: Any) -> Any:
        value = self._tenant_value(table.name)
        statement = statement._generate()
        if statement.select is not None:
            rows = statement.select.subquery()
            # WHERE true: without it SQLite takes ON CONFLICT for the ON of a join.
            statement.select = sa.select(*rows.c, value.label(TENANT)).select_from(rows).where(sa.true())
            statement._select_names = [*statement._select_names, TENANT]
        elif statement._multi_values:
            statement._multi_values = tuple(
                [_row_with_tenant(row, value, table) for row in rows] for rows in statement._multi_values
            )
        else:
            statement._values = {**(statement._values or {}), table.c[TENANT]: value}
            if self.column_keys is None and len(statement._values) == 1:  # type: ignore[attr-defined]
                raise StatementRefused(
                    "An insert without values or columns", f"table {table.name}", "give the values"
                )
        if statement._post_values_clause is not None:
            conflicts = [_conflict_of_tenant(c, table) for c in _conflicts(statement)]
            statement._post_values_clause = (
                conflicts[0] if len(conflicts) == 1 else elements.ElementList(conflicts)
            )
        return statement

    def visit_update(self, update_stmt: Any, *args: Any, **kwargs: Any) -> Any:
        """WHERE is confined, and the tenant's column may not be set."""
        self._refuse_across()
        names = [*(self.column_keys or ()), *_given_names(update_stmt)]  # type: ignore[attr-defined]
        _refuse_other_tables(update_stmt)
        confined = self._confined_dml(update_stmt)
        if self._scope_of(update_stmt.table) == "tenant":
            names += [c.name for c in update_stmt.table.c if getattr(c, "onupdate", None) is not None]
            _refuse_tenant(names, update_stmt.table)
        return super().visit_update(confined, *args, **kwargs)  # type: ignore[misc]

    def visit_delete(self, delete_stmt: Any, *args: Any, **kwargs: Any) -> Any:
        """WHERE is confined."""
        self._refuse_across()
        return super().visit_delete(self._confined_dml(delete_stmt), *args, **kwargs)  # type: ignore[misc]

    def _refuse_across(self) -> None:
        """A CTE may write as well."""
        if self.prefiq_across:
            raise AcrossOnlyReads

    def _confined_dml(self, statement: Any) -> Any:
        refuse_fragments(statement)
        table = statement.table
        if not isinstance(table, selectable.TableClause):
            raise StatementRefused(
                "Only a table itself can be written",
                "UPDATE or DELETE",
                "use the table, not an alias or join",
            )
        if self._scope_of(table) == "shared":
            self._shared_writes.append(table.name)
        state = statement._compile_state_factory(statement, self)
        where = self._confine([table, *(state._extra_froms or ())])
        statement = statement._generate()
        statement._where_criteria = (*where, *statement._where_criteria)
        return statement

    # -- bound values -----------------------------------------------------------------------------------------

    def visit_bindparam(self, bindparam: Any, *args: Any, **kwargs: Any) -> Any:
        """Refuse a caller's bound value with the tenant's name."""
        # Drivers do not take every name: SQLAlchemy writes "_" for some signs, and so makes two names one.
        if bindparam is not self.tenant_bind and re.sub(r"\W", "_", str(bindparam.key)) == TENANT_BIND:
            raise StatementRefused(
                "A bound value has the name of the tenant's", TENANT_BIND, "choose another name"
            )
        return super().visit_bindparam(bindparam, *args, **kwargs)  # type: ignore[misc]


class _NoDdl:
    """In place of a dialect's DDL compiler: the schema is changed by migrations, through another door."""

    def process(self, obj: Any, **_: Any) -> str:
        """Refuse."""
        raise StatementRefused(
            "The schema cannot be changed through this door",
            type(obj).__name__,
            "write a migration; it uses ConnectionManager.schema_connection",
        )


class _ScopedPreparer:
    """Quotes every name that needs it, also one that was marked as not to be quoted."""

    def quote(self, ident: Any, *args: Any, **kwargs: Any) -> Any:
        """The name, quoted where it needs to be."""
        if ident == PLACE:  # its place is taken by a quoted name
            return PLACE
        if getattr(ident, "quote", None) is False:
            ident = str(ident)
        return super().quote(ident, *args, **kwargs)  # type: ignore[misc]

    def _with_schema_translate(self, schema_translate_map: Any) -> Any:
        """Every table stands in the tenant's schema, also one of ``sa.table()``, which SQLAlchemy leaves where it is."""
        preparer = super()._with_schema_translate(schema_translate_map)  # type: ignore[misc]
        theirs = preparer.schema_for_object

        def schema_for_object(object_: Any) -> Any:
            return _PLACE if isinstance(object_, selectable.TableClause) else theirs(object_)

        preparer.schema_for_object = schema_for_object
        return preparer


def _table_functions(compiler: sa_compiler.SQLCompiler | Any) -> frozenset[str]:
    from prefiq.sql.dialects import engine_for

    return engine_for(compiler.dialect.name).table_functions


def _is_lateral_select(from_: Any) -> bool:
    return isinstance(from_, selectable.Lateral) and isinstance(from_.element, selectable.Subquery)


def _refuse_other_tables(statement: Any) -> None:
    """MariaDB would write several tables at once, and shared ones among them."""
    for key in statement._values or ():
        table = getattr(key, "table", None)
        if table is not None and table is not statement.table and table.name != statement.table.name:
            raise StatementRefused(
                "An UPDATE writes one table", f"table {table.name}", "update each table by itself"
            )


def _name_of(key: Any) -> str:
    return str(getattr(key, "name", key))


def _given_names(statement: Any) -> list[str]:
    """Every column that the statement's own values name."""
    names = [name for key in statement._values or () for name in _names_of(key)]
    names.extend(_name_of(name) for name in getattr(statement, "_select_names", None) or ())
    for rows in getattr(statement, "_multi_values", ()) or ():
        for row in rows:
            names.extend(name for key in row if isinstance(row, dict) for name in _names_of(key))
    for conflict in _conflicts(statement):
        for given in (getattr(conflict, "update_values_to_set", None), getattr(conflict, "update", None)):
            names.extend(name for key in given or () for name in _names_of(key))
    return names


def _names_of(key: Any) -> Iterator[str]:
    """Every column that one key of SET names: SQL can set several by one, ``(a, b) = (SELECT …)``."""
    if isinstance(key, tuple):  # with its value, in a list
        key = key[0]
    yield _name_of(key)
    if isinstance(key, elements.ClauseElement):
        for part in sa.sql.visitors.iterate(key):
            if isinstance(part, elements.ColumnClause):
                yield part.name


def _conflicts(statement: Any) -> Iterator[Any]:
    """The ON CONFLICT clauses of an insert."""
    clause = getattr(statement, "_post_values_clause", None)
    if isinstance(clause, elements.ElementList):
        yield from clause.clauses
    elif clause is not None:
        yield clause


def _refuse_tenant(names: Iterable[str], table: Any) -> None:
    if any(name.casefold() == TENANT for name in names):
        raise StatementRefused(f"{TENANT} is written by Prefiq", f"table {table.name}", f"leave {TENANT} out")
    # Values may be given by key: the tenant's column must not hide behind one, nor another behind its name.
    if any((c.name.casefold() == TENANT) is not (str(c.key).casefold() == TENANT) for c in table.c):
        raise StatementRefused(
            f"The table object has another key for {TENANT}", f"table {table.name}", "use the one of Tables"
        )


def _row_with_tenant(row: Any, value: Any, table: Any) -> dict[Any, Any]:
    if not isinstance(row, dict):
        raise StatementRefused(
            "Rows of an insert are given by name", f"table {table.name}", "use dictionaries"
        )
    return {**row, table.c[TENANT]: value}


def _conflict_of_tenant(conflict: Any, table: Any) -> Any:
    """The conflict's target with the tenant in front, as every unique index has it.

    MariaDB names no target: any unique key may be met, and each of them begins with the tenant.
    """
    if conflict.__visit_name__ == "on_duplicate_key_update":
        return conflict
    target = getattr(conflict, "inferred_target_elements", None)
    if not hasattr(conflict, "inferred_target_elements"):
        raise StatementRefused(
            "This form of upsert is not known to be safe",
            f"table {table.name}",
            "use on_conflict_do_update, or on_duplicate_key_update on MariaDB",
        )
    if target is not None and TENANT not in {_name_of(element) for element in target}:
        conflict = conflict._clone()
        conflict.inferred_target_elements = [TENANT, *target]
    return conflict
