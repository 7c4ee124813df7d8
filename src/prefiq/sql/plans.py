"""Compiled plans: the text of a hot statement, made once, and a generated function that binds its values.

SQLAlchemy Core builds and compiles each statement with the scoped compiler, so that the tenant's predicate
is in the text; the executor hands text and values to the driver's cursor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import sqlalchemy as sa

from prefiq.lowcode import ModelSpec
from prefiq.sql.criteria import Shape, after_expression, expression, key_column
from prefiq.sql.criteria_values import SortKey, ordering_keys
from prefiq.sql.dialects.engine import DatabaseEngine
from prefiq.sql.errors import StatementRefused
from prefiq.sql.generated import make_function
from prefiq.sql.plan import PLACE, Into, Plan
from prefiq.sql.scoped_compiler import TENANT_BIND, Placed
from prefiq.sql.tables import TENANT, Tables
from prefiq.sql.types import FieldType

__all__ = ["ModelPlans", "RowSources"]

_QUALIFIED = re.compile(re.escape(PLACE) + r'\.("[^"]+"|\w+)\.')
MOST_PLANS = 500
"""Lists have a plan for each shape of filter and order; the oldest go."""


class RowSources(Protocol):
    """What a mapper tells of its rows."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that an entity is loaded from, in order."""
        ...

    @property
    def dump_sources(self) -> Mapping[str, str]:
        """For each column the source text of its driver value, of the entity ``e``."""
        ...

    @property
    def prepare_source(self) -> str:
        """The source text that stands for ``e`` in place of the entity, for a mapper of its own."""
        ...

    @property
    def names(self) -> Mapping[str, Any]:
        """What the source texts refer to."""
        ...


class ModelPlans:
    """The plans of one model (or child) on one engine; each is compiled when first used.

    Args:
        tables: All tables.
        spec: The model.
        kind: The engine.
        dialect: Its scoped dialect.
        rows: Its mapper.
        placed: Whether for tables in a schema of the tenant: the texts hold ``PLACE`` then.
    """

    def __init__(
        self,
        tables: Tables,
        spec: ModelSpec,
        kind: DatabaseEngine,
        dialect: sa.Dialect,
        rows: RowSources,
        *,
        placed: bool = False,
    ) -> None:
        self.spec = spec
        self.table = tables[spec]
        self.rows = rows
        self._kind = kind
        self._dialect = dialect
        self._place = Placed("") if placed else None
        self._plans: dict[Any, Plan] = {}
        self._names: dict[str, Any] = dict(rows.names)
        self._constants: dict[tuple[type, Any], str] = {}
        self._columns = [self.table.c[name] for name in rows.columns]

    # -- reading ----------------------------------------------------------------------------------------------

    def get(self) -> Plan:
        """By id: ``bind(tenant, id)``."""
        return self._plans.get("get") or self._add("get", self._make_get)

    def _make_get(self) -> Plan:
        where = self._here(self.table.c.id == self._param("key", "id"))
        return self._plan(sa.select(*self._columns).where(*where), "tenant, key", {"key": ("id", "key")})

    def get_many(self, size: int) -> Plan:
        """By ids, exactly ``size`` of them: ``bind(tenant, ids)``."""
        return self._plans.get(("many", size)) or self._add(("many", size), lambda: self._make_many(size))

    def _make_many(self, size: int) -> Plan:
        params = [self._param(f"k{i}", "id") for i in range(size)]
        statement = sa.select(*self._columns).where(*self._here(self.table.c.id.in_(params)))
        return self._plan(statement, "tenant, ids", {f"k{i}": ("id", f"ids[{i}]") for i in range(size)})

    def select(
        self, shape: Shape, keys: tuple[SortKey, ...], nulls: tuple[bool, ...] | None, *, count: bool
    ) -> Plan:
        """A page: ``bind(tenant, values, after, limit, offset)``; with ``count``, the last column is the total."""
        key = ("select", shape, keys, nulls, count)
        return self._plans.get(key) or self._add(
            key, lambda: self._make_select(shape, keys, nulls, count=count)
        )

    def _make_select(
        self, shape: Shape, keys: tuple[SortKey, ...], nulls: tuple[bool, ...] | None, *, count: bool
    ) -> Plan:
        keys = ordering_keys(self.spec, keys)
        sources: dict[str, tuple[str, str]] = {}
        matches = self._here(self._filter(shape, sources))
        where = list(matches)
        if nulls is not None:
            nulls = nulls[: len(keys)]
            binds = [self._param(f"a{i}", key.field.column) for i, key in enumerate(keys)]
            sources |= {f"a{i}": (key.field.column, f"after[{i}]") for i, key in enumerate(keys)}
            where.append(after_expression(keys, nulls, self.table, binds))
        columns: list[Any] = list(self._columns)
        if count:
            total = sa.select(sa.func.count()).select_from(self.table).where(*matches)
            columns.append(total.correlate(None).scalar_subquery().label("prefiq_total"))
        order = [self._kind.order(key_column(key, self.table), descending=key.descending) for key in keys]
        statement = (
            sa.select(*columns)
            .where(*where)
            .order_by(*order)
            .limit(sa.bindparam("prefiq_limit", type_=sa.Integer()))
            .offset(sa.bindparam("prefiq_offset", type_=sa.Integer()))
        )
        plain = {"prefiq_limit": "limit", "prefiq_offset": "offset"}
        return self._plan(statement, "tenant, values, after, limit, offset", sources, plain)

    def count(self, shape: Shape) -> Plan:
        """How many match: ``bind(tenant, values)``."""
        return self._plans.get(("count", shape)) or self._add(
            ("count", shape), lambda: self._make_count(shape)
        )

    def _make_count(self, shape: Shape) -> Plan:
        sources: dict[str, tuple[str, str]] = {}
        where = self._here(self._filter(shape, sources))
        statement = sa.select(sa.func.count()).select_from(self.table).where(*where)
        return self._plan(statement, "tenant, values", sources)

    def of_parents(self, size: int) -> Plan:
        """Children of exactly ``size`` parents, in order: ``bind(tenant, ids)``; the last column is the parent."""
        return self._plans.get(("of", size)) or self._add(("of", size), lambda: self._make_of_parents(size))

    def _make_of_parents(self, size: int) -> Plan:
        parent = self.table.c[self.spec.parent_column]
        params = [self._param(f"k{i}", parent.name) for i in range(size)]
        statement = (
            sa.select(*self._columns, parent)
            .where(parent.in_(params))
            .order_by(parent, self.table.c.position)
        )
        return self._plan(
            statement, "tenant, ids", {f"k{i}": (parent.name, f"ids[{i}]") for i in range(size)}
        )

    # -- writing ----------------------------------------------------------------------------------------------

    def insert(self) -> Plan:
        """New rows: ``bind(tenant, entities)`` → a list of values."""
        return self._plans.get("insert") or self._add("insert", self._make_insert)

    def _make_insert(self) -> Plan:
        sources = dict(self.rows.dump_sources)
        if self.spec.parent:
            column = self.spec.parent_column
            sources |= {column: self._dump(column, "parent"), "position": "position"}
            loop = "for parent, position, e in entities"
        else:
            sources["version"] = "1"
            loop = "for e in entities"
        compiled = self._compile(sa.insert(self.table), list(sources))
        values = self._values(compiled, sources, {})
        prepare = f" for e in ({self.rows.prepare_source},)" if self.rows.prepare_source else ""
        source = f"def made(tenant, entities):\n    return [({values}) {loop}{prepare}]"
        return Plan(compiled.string, make_function(source, self._names), self._into(compiled))

    def _into(self, compiled: Any) -> Into:
        quoted = compiled.preparer
        columns = [self.table.c[TENANT if name == TENANT_BIND else name] for name in compiled.positiontup]
        types: list[Any] = [column.type for column in columns]
        return Into(
            quoted.format_table(self.table),
            tuple(quoted.format_column(column) for column in columns),
            tuple(type_.kind for type_ in types),
        )

    def update(self, columns: tuple[str, ...]) -> Plan:
        """Changed columns where id and version match: ``bind(tenant, entity, version)``.

        For a child: ``bind(tenant, entity, parent, position)``, where the parent matches.
        """
        key = ("update", columns)
        return self._plans.get(key) or self._add(key, lambda: self._make_update(columns))

    def _make_update(self, columns: tuple[str, ...]) -> Plan:
        table, dumps = self.table, self.rows.dump_sources
        sources = {f"s_{name}": dumps[name] for name in columns}
        values: dict[str, Any] = {name: self._param(f"s_{name}", name) for name in columns}
        sources["key"] = dumps["id"]
        if self.spec.parent:
            signature, column = "tenant, e, parent, position", self.spec.parent_column
            values["position"] = self._param("s_position", "position")
            sources |= {"s_position": "position", "guard": self._dump(column, "parent")}
        else:
            signature, column = "tenant, e, version", "version"
            values["version"] = self._param("s_version", "version")
            sources |= {"s_version": "version + 1", "guard": "version"}
        where = self._here(
            table.c.id == self._param("key", "id"), table.c[column] == self._param("guard", column)
        )
        compiled = self._compile(sa.update(table).where(*where).values(values))
        body = self._values(compiled, sources, {})
        prepare = f"    e = {self.rows.prepare_source}\n" if self.rows.prepare_source else ""
        source = f"def made({signature}):\n{prepare}    return ({body})"
        return Plan(compiled.string, make_function(source, self._names))

    def delete(self) -> Plan:
        """The row of an id and version: ``bind(tenant, id, version)``; of a child, ``bind(tenant, id, parent)``."""
        return self._plans.get("delete") or self._add("delete", self._make_delete)

    def _make_delete(self) -> Plan:
        table = self.table
        column = self.spec.parent_column if self.spec.parent else "version"
        where = (table.c.id == self._param("key", "id"), table.c[column] == self._param("guard", column))
        sources = {"key": ("id", "key"), "guard": (column, "guard")}
        return self._plan(sa.delete(table).where(*where), "tenant, key, guard", sources)

    def hide(self) -> Plan:
        """Mark the row as deleted: ``bind(tenant, id, version, instant)``."""
        return self._plans.get("hide") or self._add("hide", self._make_hide)

    def _make_hide(self) -> Plan:
        table = self.table
        where = self._here(
            table.c.id == self._param("key", "id"), table.c.version == self._param("guard", "version")
        )
        values = {
            "deleted_at": self._param("s_deleted", "deleted_at"),
            "version": self._param("s_version", "version"),
        }
        sources = {
            "key": ("id", "key"),
            "guard": ("version", "version"),
            "s_deleted": ("deleted_at", "instant"),
            "s_version": ("version", "(version + 1)"),
        }
        statement = sa.update(table).where(*where).values(values)
        return self._plan(statement, "tenant, key, version, instant", sources)

    # -- inside -----------------------------------------------------------------------------------------------

    def _add(self, key: Any, make: Callable[[], Plan]) -> Plan:
        plan = make()
        # A list of them is made in one go: other threads add plans meanwhile.
        for oldest in list(self._plans)[: max(0, len(self._plans) + 1 - MOST_PLANS)]:
            self._plans.pop(oldest, None)
        self._plans[key] = plan
        return plan

    def _here(self, *where: Any) -> tuple[Any, ...]:
        """The conditions, and that the row is not marked as deleted."""
        hidden = self.table.c.get("deleted_at") if self.spec.soft_delete and not self.spec.parent else None
        return where if hidden is None else (*where, hidden.is_(None))

    def _filter(self, shape: Shape, sources: dict[str, tuple[str, str]]) -> Any:
        def bind(column: Any) -> Any:
            number = len(sources)
            sources[f"v{number}"] = (column.name, f"values[{number}]")
            return self._param(f"v{number}", column.name)

        return expression(shape, self.table, self._kind, bind)

    def _param(self, name: str, column: str) -> Any:
        return sa.bindparam(name, type_=self.table.c[column].type)

    def _dump(self, column: str, value: str) -> str:
        type_ = self.table.c[column].type
        assert isinstance(type_, FieldType)
        if type_.kind == "enum":
            return f"str({value})"  # compared with any text, not only with a state
        codec = self._kind.codec(type_)
        self._names |= codec.names
        return codec.dump_source.replace("{v}", value)

    def _compile(self, statement: Any, columns: list[str] | None = None) -> Any:
        compiled = statement.compile(
            dialect=self._dialect, column_keys=columns, schema_translate_map=self._place
        )
        if self._place is not None:  # a table that FROM names is known by its name alone
            compiled.string = _QUALIFIED.sub(r"\1.", compiled.string)
        is_confined = getattr(compiled, "tenant_bind", None) is not None
        if TENANT in self.table.c and not is_confined and not getattr(compiled, "prefiq_across", False):
            # The executor does not look at a plan's text again.
            raise StatementRefused(
                "A plan was compiled without its tenant", f"table {self.table.name}", "use the scoped dialect"
            )
        return compiled

    def _plan(
        self,
        statement: Any,
        signature: str,
        sources: Mapping[str, tuple[str, str]],
        plain: Mapping[str, str] | None = None,
    ) -> Plan:
        """A plan whose bound values are columns' values (name → column, source) or plain ones."""
        compiled = self._compile(statement)
        texts = {name: self._dump(column, source) for name, (column, source) in sources.items()}
        values = self._values(compiled, texts, plain or {})
        return Plan(
            compiled.string, make_function(f"def made({signature}):\n    return ({values})", self._names)
        )

    def _values(self, compiled: Any, sources: Mapping[str, str], plain: Mapping[str, str]) -> str:
        """Source of the tuple of values, in the order in which the text wants them."""
        parts: list[str] = []
        for name in compiled.positiontup:
            if name == TENANT_BIND:
                parts.append("tenant")
            elif name in sources:
                parts.append(sources[name])
            elif name in plain:
                parts.append(plain[name])
            else:  # a constant of the statement itself, as the 0 of "instr(…) > 0"
                bind = compiled.binds[name]
                dump = bind.type.dialect_impl(self._dialect).bind_processor(self._dialect)
                value = dump(bind.value) if dump else bind.value
                # One name for each value: every plan keeps a copy of all names, and callers choose the shapes.
                constant = self._constants.setdefault(
                    (type(value), value), f"constant_{len(self._constants)}"
                )
                self._names[constant] = value
                parts.append(constant)
        return "".join(part + ", " for part in parts)
