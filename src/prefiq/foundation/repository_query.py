"""``RepositoryQuery``: the store of one model in a database, confined to the executor's tenant."""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar, cast
from uuid import UUID

import sqlalchemy as sa

from prefiq.contracts import (
    ConcurrencyError,
    Criteria,
    ForeignKeyViolation,
    NotFound,
    Page,
    PagedResult,
    TenantNotBound,
)
from prefiq.foundation.entity import loaded
from prefiq.foundation.extension import complete
from prefiq.foundation.fitting import refusal_of
from prefiq.foundation.for_model import derive
from prefiq.foundation.mapper import Mapper
from prefiq.foundation.repository import Repository
from prefiq.foundation.repository_children import ChildRows, chunks
from prefiq.foundation.repository_references import help_to_delete, missing_references, needs_help
from prefiq.foundation.repository_state import StatusCheck, mark_stored, restore_on_rollback
from prefiq.lowcode import ModelSpec
from prefiq.sql.criteria import after_shape, shape_of
from prefiq.sql.criteria_values import SortKey, check_after, field_of, sort_keys
from prefiq.sql.errors import CriteriaError, DatabaseError, UnreadableRow
from prefiq.sql.executor import Executor
from prefiq.sql.plan import Plan, Rows
from prefiq.sql.plans import ModelPlans
from prefiq.sql.tables import Tables

__all__ = ["RepositoryQuery"]

E = TypeVar("E")

_UNFIT = (AttributeError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError)
"""What a conversion or the driver raises for a value that is not of its field's type."""
_REFUSED = (ForeignKeyViolation, DatabaseError)
_EXPLAINED = (*_UNFIT, *_REFUSED)

_derived: dict[type, type[RepositoryQuery[Any]]] = {}


class _Parts:
    """What all repositories of one class and engine share: mapper, plans, children."""

    def __init__(self, tables: Tables, spec: ModelSpec, executor: Executor, mapper: type[Mapper]) -> None:
        kind, dialect, placed = executor.kind, executor.dialect, bool(executor.schema)
        self.spec = spec
        self.table = tables[spec]
        self.is_shared = tables.scope_of(spec.table) == "shared"
        self.mapper = mapper(spec, kind)
        self.plans = ModelPlans(tables, spec, kind, dialect, self.mapper, placed=placed)
        self.status = StatusCheck(spec)
        self.children = tuple(
            ChildRows(
                child, spec.cls, part, ModelPlans(tables, child.model, kind, dialect, part, placed=placed)
            )
            for child in spec.children
            for part in (Mapper(child.model, kind),)
        )
        self.child_names = frozenset(child.name for child in spec.children)
        self.id_key: tuple[SortKey, ...] = (SortKey(field_of(spec, "id"), False),)
        self.needs_help = needs_help(tables, spec)
        """Whether deleting a row changes rows that the database's own cascades do not reach."""


class RepositoryQuery(Repository[E]):
    """Stores the entities of one model; ``IDomain`` on SQL.

    ``RepositoryQuery.of(Project)`` derives one; a hand-written one says ``class ProjectRepos(
    RepositoryQuery[Project])`` and adds methods made of ``select`` and ``query``.  For each unique field
    there is ``get_by_<field>``.

    Deleting softly leaves references to the row as they are.

    Args:
        executor: Of the scope.
        tables: Of the application.
    """

    mapper: ClassVar[type[Mapper]] = Mapper

    def __init__(self, executor: Executor, tables: Tables) -> None:
        self._executor = executor
        self._tables = tables
        key = (type(self), executor.door)
        parts: _Parts | None = tables.plans.get(key)
        if parts is None:
            spec = tables.catalog[self.model]
            parts = tables.plans[key] = _Parts(tables, spec, executor, self.mapper)
        self._parts = parts
        # A shared table has no tenant's column: its plans ignore the value.
        # Neither has what reads across tenants; it reads, whatever the value.
        self._tenant = "" if parts.is_shared or executor.is_across else executor.rules.tenant

    @classmethod
    def of(cls, model: type[E]) -> type[RepositoryQuery[E]]:
        """The derived repository of a model; always the same class."""
        derived = _derived.get(model)
        if derived is None:
            derived = _derived[model] = derive(RepositoryQuery, model, "Repository")
        return derived

    @property
    def spec(self) -> ModelSpec:
        """The model's declaration."""
        return self._parts.spec

    @property
    def table(self) -> sa.Table:
        """The model's table, for statements of one's own."""
        return self._parts.table

    # -- reading ----------------------------------------------------------------------------------------------

    def get_by_id(self, id: UUID, /) -> E:
        """The entity.

        Raises:
            NotFound: No such row in this tenant.
        """
        plan = self._parts.plans.get()
        tenant = self._tenant if self._tenant is not None else self._unbound()
        if not isinstance(id, UUID):
            raise self._no_id
        rows = self._executor.fetch(plan, plan.bind(tenant, id))
        if not rows:
            raise NotFound(self.spec.qualified, id)
        return cast("E", self._entities(rows)[0])

    def get_many(self, ids: Iterable[UUID], /) -> dict[UUID, E]:
        """The entities with these ids; missing ones are left out."""
        tenant = self._tenant if self._tenant is not None else self._unbound()
        entities: builtins.list[Any] = []
        for chunk in chunks(self._different(ids)):
            plan = self._parts.plans.get_many(len(chunk))
            rows = self._executor.fetch(plan, plan.bind(tenant, chunk))
            entities.extend(self._entities(rows))
        return {entity.id: entity for entity in entities}

    def list(self, page: Page = Page(), where: Criteria | None = None) -> PagedResult[E]:  # noqa: B008
        """A part of the entities that match, sorted.

        Raises:
            CriteriaError: Criteria, order or keyset do not fit the model.
        """
        parts = self._parts
        tenant = self._tenant if self._tenant is not None else self._unbound()
        keys = sort_keys(parts.spec, page)
        shape, values = shape_of(parts.spec, where)
        nulls = None
        if page.after is not None:
            check_after(parts.spec, keys, page.after)
            nulls = after_shape(page.after)
        plan = parts.plans.select(shape, keys, nulls, count=page.count)
        rows = self._executor.fetch(plan, plan.bind(tenant, values, page.after, page.limit + 1, page.offset))
        total = None
        if page.count:  # with an offset behind the end, no row carries the total
            total = rows[0][-1] if rows else self.count(where)
        has_more = len(rows) > page.limit
        if has_more:
            rows.pop()
        items = self._entities(rows, wide=page.count)
        following = None
        if has_more:
            following = tuple(key.field.read(items[-1]) for key in keys)
        return PagedResult(items, following, total)

    def count(self, where: Criteria | None = None) -> int:
        """How many entities match."""
        tenant = self._tenant if self._tenant is not None else self._unbound()
        shape, values = shape_of(self.spec, where)
        plan = self._parts.plans.count(shape)
        return int(self._executor.fetch(plan, plan.bind(tenant, values))[0][0])

    def select(self) -> sa.Select[Any]:
        """A select of this model's rows, to be narrowed and given to ``query``."""
        statement = sa.select(*(self.table.c[name] for name in self._parts.mapper.columns))
        if self.spec.soft_delete:
            statement = statement.where(self.table.c.deleted_at.is_(None))
        return statement

    def query(self, statement: sa.Select[Any]) -> builtins.list[E]:
        """The entities of a statement that began with ``select``."""
        mapper = self._parts.mapper
        columns = {name: self.table.c[name] for name in mapper.columns}
        entities = [
            mapper.from_values({name: row._mapping[column] for name, column in columns.items()})
            for row in self._executor.query(statement)
        ]
        if mapper.is_flat:
            for entity in entities:
                entity._loaded = mapper.snapshot(entity)
        return self._loaded(entities)

    def load(self, entities: Iterable[E], field: object) -> dict[UUID, Any]:
        """The entities that a reference leads to, by id, in one query.

        Args:
            entities: Of this model.
            field: ``Task.project_id``, or its name.
        """
        name = field if isinstance(field, str) else str(getattr(field, "__name__", field))
        spec = field_of(self.spec, name)
        reference = spec.ref
        if reference is None:
            raise CriteriaError(self.spec.qualified, name, "The field is no reference")
        target = self._tables.catalog[reference.model].cls
        ids = {spec.read(entity) for entity in entities} - {None}
        return RepositoryQuery.of(target)(self._executor, self._tables).get_many(ids)

    # -- writing ----------------------------------------------------------------------------------------------

    def save(self, entity: E, /) -> E:
        """Insert; the entity's version becomes 1.

        Raises:
            prefiq.contracts.UniqueViolation: Another row has a value that must be unique.
            prefiq.contracts.ForeignKeyViolation: A reference leads to no row.
            prefiq.contracts.IllegalTransition: The status is not the initial one, and no action explains it.
            prefiq.contracts.ValidationFailed: A value is missing or not of its field's type.
        """
        tenant = self._writable()
        parts = self._parts
        parts.status.check_new((entity,))
        if parts.spec.extensions:
            complete(entity, parts.spec)
        plan = parts.plans.insert()
        try:
            # All values are bound before anything is written: an unfit one leaves no half behind.
            values = plan.bind(tenant, (entity,))[0]
            if parts.children:
                rows = [(child, child.inserts(tenant, (entity,))) for child in parts.children]
                with self._executor.joined():
                    self._executor.write(plan, values)
                    with self._executor.rest():
                        for child, written in rows:
                            child.write(self._executor, written)
                        self._stored(entity, 1)
            else:
                self._executor.write(plan, values)
                self._stored(entity, 1)
        except _EXPLAINED as error:
            explained = self._explained(error, (entity,))
            self._executor.fail(explained)
            if explained is error:
                raise
            raise explained from error
        return entity

    def save_many(self, entities: Sequence[E], /) -> None:
        """Insert all or none; a transaction that is open can go on without them.

        Raises:
            As ``save``.
        """
        if not entities:
            return
        tenant = self._writable()
        parts = self._parts
        parts.status.check_new(entities)
        if parts.spec.extensions:
            for entity in entities:
                complete(entity, parts.spec)
        plan = parts.plans.insert()
        try:
            # Conversions of one's own may ask the database, which hears nothing else while it takes rows.
            plain = type(parts.mapper) is Mapper
            # And what cannot be written anyway is told its own faults first, as everywhere.
            writes = not self._executor.read_only and self._executor.failure is None
            values = Rows(plan, tenant, entities) if plain and writes else plan.bind(tenant, entities)
            rows = [(child, child.inserts(tenant, entities)) for child in parts.children]
            with self._executor.tx():
                self._executor.write_many(plan, values)
                for child, written in rows:
                    child.write(self._executor, written)
                moving = parts.spec.status is not None
                restore_on_rollback(self._executor, entities, moving=moving)
                snapshot = parts.mapper.snapshot
                for entity in cast("Sequence[Any]", entities):
                    entity.version = 1
                    entity._loaded = snapshot(entity)
                    if moving and getattr(entity, "_moves", None):
                        entity._moves = []
        except _EXPLAINED as error:
            explained = self._explained(error, entities)
            if explained is error:
                raise
            raise explained from error

    def update(self, entity: E, /) -> E:
        """Write what changed since it was loaded; the version rises by 1.  Without changes nothing is written.

        An entity that was not loaded from the store is compared with the stored row, whose version it must
        have.

        Raises:
            ConcurrencyError: The row is gone or has another version.
            prefiq.contracts.IllegalTransition: The status was assigned directly.
        """
        tenant = self._writable()
        stored = loaded(entity)
        if stored is not None:
            self._update(tenant, entity, stored)
            return entity
        row = self.get_many((cast("Any", entity).id,)).get(cast("Any", entity).id)
        stored = loaded(row) if row is not None else None
        if stored is None:
            raise ConcurrencyError(self.spec.qualified, cast("Any", entity).id)
        restore_on_rollback(self._executor, (entity,))
        cast("Any", entity)._loaded = stored
        try:
            self._update(tenant, entity, stored)
        except BaseException:
            cast("Any", entity)._loaded = None
            raise
        return entity

    def _update(self, tenant: str, entity: Any, stored: tuple[Any, ...]) -> None:
        parts = self._parts
        if entity.id != stored[0] or entity.version != stored[1]:
            raise ConcurrencyError(parts.spec.qualified, stored[0])
        parts.status.check(entity)
        if parts.spec.extensions:
            complete(entity, parts.spec, stored)
        try:
            changed = parts.mapper.diff(entity, stored)
            if not changed:
                return
            columns = tuple(name for name in changed if name not in parts.child_names)
            plan = parts.plans.update(columns)
            values = plan.bind(tenant, entity, entity.version)
            if len(columns) == len(changed):
                self._write_changes(plan, values, entity)
                self._stored(entity, entity.version + 1)
                return
            rows = [
                (child, child.updates(tenant, entity, stored))
                for child in parts.children
                if child.name in changed
            ]
            with self._executor.joined():
                self._write_changes(plan, values, entity)  # a stale version is refused: nothing is written
                with self._executor.rest():
                    for child, written in rows:
                        child.write(self._executor, written)
                    self._stored(entity, entity.version + 1)
        except _EXPLAINED as error:
            explained = self._explained(error, (entity,))
            self._executor.fail(explained)
            if explained is error:
                raise
            raise explained from error

    def _write_changes(self, plan: Plan, values: Sequence[Any], entity: Any) -> None:
        if self._executor.write(plan, values) != 1:
            raise ConcurrencyError(self.spec.qualified, entity.id)

    def delete(self, entity: E, /) -> None:
        """Remove the row (or mark it, where the model deletes softly).

        Raises:
            ConcurrencyError: The row is gone or has another version.
            prefiq.contracts.ForeignKeyViolation: Other rows still refer to it.
        """
        tenant = self._writable()
        parts = self._parts
        row: Any = entity
        if parts.needs_help and not parts.spec.soft_delete:
            try:
                with self._executor.tx():
                    help_to_delete(self._executor, self._tables, parts.spec, {row.id})
                    self._delete(tenant, row)
            except _REFUSED as error:
                self._executor.fail(error)
                raise
            return
        self._delete(tenant, row)

    def _delete(self, tenant: str, row: Any) -> None:
        parts = self._parts
        if parts.spec.soft_delete:
            plan = parts.plans.hide()
            written = self._executor.write(plan, plan.bind(tenant, row.id, row.version, datetime.now(UTC)))
        else:
            plan = parts.plans.delete()
            values = plan.bind(tenant, row.id, row.version)
            written = self._executor.write(plan, values, parts.spec.qualified)
        if written != 1:
            raise ConcurrencyError(parts.spec.qualified, row.id)
        restore_on_rollback(self._executor, (row,))
        mark_stored(row, None, None)

    # -- inside -----------------------------------------------------------------------------------------------

    def _unbound(self) -> str:
        raise TenantNotBound(self.spec.table)

    def _writable(self) -> str:
        if self._parts.is_shared:
            self._executor.rules.require_shared_write(self.spec.table)
        return self._tenant if self._tenant is not None else self._unbound()

    def _stored(self, entity: Any, version: int) -> None:
        restore_on_rollback(self._executor, (entity,))
        entity.version = version
        entity._loaded = self._parts.mapper.snapshot(entity)
        entity._moves = []

    def _entities(self, rows: builtins.list[Any], *, wide: bool = False) -> builtins.list[Any]:
        """The entities of a plan's rows; ``wide`` for rows with a column more."""
        mapper = self._parts.mapper
        try:
            entities = mapper.load_wide(rows) if wide else mapper.load_many(rows)
        except _UNFIT as error:
            raise UnreadableRow(self.spec.qualified, mapper.unreadable(rows)) from error
        return entities if mapper.is_flat else self._loaded(entities)

    def _loaded(self, entities: builtins.list[Any]) -> builtins.list[Any]:
        """The entities with their children and snapshots."""
        parts = self._parts
        if not parts.mapper.is_flat and entities:
            for child in parts.children:
                child.attach(self._executor, self._tenant or "", entities)
            snapshot = parts.mapper.snapshot
            for entity in entities:
                entity._loaded = snapshot(entity)
        return entities

    def _explained(self, error: Exception, entities: Sequence[Any]) -> Exception:
        """The error that names the fields, where neither the driver nor a conversion does."""
        if isinstance(error, ForeignKeyViolation):
            if error.fields:
                return error
            missing: tuple[str, ...] = ()
            with self._executor.examining(), contextlib.suppress(DatabaseError):
                missing = missing_references(self._executor, self._tables, self.spec, entities)
            return ForeignKeyViolation(error.model or self.spec.qualified, missing)
        if isinstance(error, DatabaseError) and type(error) is not DatabaseError:
            return error
        return refusal_of(self.spec, entities) or error
