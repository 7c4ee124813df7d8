"""``RepositoryMemory``: the store of one model in memory, with the behaviour of a database's, for tests."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast
from uuid import UUID

from prefiq.contracts import (
    ConcurrencyError,
    Criteria,
    ForeignKeyViolation,
    ITenantContext,
    ITransactions,
    NotFound,
    Page,
    PagedResult,
    TenantNotBound,
    TenantReadOnly,
    UniqueViolation,
    ValidationFailed,
)
from prefiq.foundation.criteria_memory import in_order, is_behind, matcher
from prefiq.foundation.entity import loaded
from prefiq.foundation.extension import complete
from prefiq.foundation.fitting import kept_of, refusal_of
from prefiq.foundation.for_model import derive
from prefiq.foundation.mapper import diff_of, snapshot_of
from prefiq.foundation.memory_store import SHARED, MemoryStore, MemoryTransactions, Put, Row, require_usable
from prefiq.foundation.repository import Repository
from prefiq.foundation.repository_state import StatusCheck, mark_stored, restore_on_rollback
from prefiq.lowcode import Catalog, ModelSpec
from prefiq.sql.criteria_values import check_after, sort_keys
from prefiq.sql.errors import ReadOnlyTransaction, SharedTableProtected

__all__ = ["MemoryStore", "MemoryTransactions", "RepositoryMemory"]

E = TypeVar("E")

_derived: dict[type, type[RepositoryMemory[Any]]] = {}


class RepositoryMemory(Repository[E]):
    """Stores the entities of one model in memory; ``IDomain`` without a database.

    ``RepositoryMemory.of(Project)`` derives one; a hand-written one says ``class ProjectMemory(
    RepositoryMemory[Project])``.  For each unique field there is ``get_by_<field>``.

    Args:
        tenant: Whose rows.
        store: Of the application; one of its own where not given.
        transactions: Of the scope: their rollback takes back what was written here; the store's own where
            not given.
        catalog: Of the application, whose modules may extend the model; the model alone where not given.
    """

    def __init__(
        self,
        tenant: ITenantContext,
        store: MemoryStore | None = None,
        transactions: ITransactions | None = None,
        catalog: Catalog | None = None,
    ) -> None:
        if store is None:
            spec = catalog.get(self.model) if catalog is not None else None
            alone = (
                Catalog.build({"app": (self.model,)}, open_world=True) if spec is None else Catalog((spec,))
            )
            store = MemoryStore(alone)
        self._context = tenant
        self._store = store
        self._transactions = transactions or store.transactions
        self.spec: ModelSpec = store.catalog[self.model]
        self._snapshot = snapshot_of(self.spec)
        self._diff = diff_of(self.spec)
        self._kept = kept_of(self.spec)
        self._status = StatusCheck(self.spec)

    @classmethod
    def of(cls, model: type[E]) -> type[RepositoryMemory[E]]:
        """The derived repository of a model; always the same class."""
        derived = _derived.get(model)
        if derived is None:
            derived = _derived[model] = derive(RepositoryMemory, model, "Memory")
        return derived

    # -- reading ----------------------------------------------------------------------------------------------

    def get_by_id(self, id: UUID, /) -> E:
        """The entity.

        Raises:
            NotFound: No such row in this tenant.
        """
        if not isinstance(id, UUID):
            raise self._no_id
        with self._store.lock:
            row = self._rows().get(id)
            if row is None or row.deleted:
                raise NotFound(self.spec.qualified, id)
            return cast("E", self._store.copy(self.spec, row))

    def get_many(self, ids: Iterable[UUID], /) -> dict[UUID, E]:
        """The entities with these ids; missing ones are left out."""
        found: dict[UUID, E] = {}
        with self._store.lock:
            for id in self._different(ids):
                row = self._rows().get(id)
                if row is not None and not row.deleted:
                    found[id] = cast("E", self._store.copy(self.spec, row))
        return found

    def list(self, page: Page = Page(), where: Criteria | None = None) -> PagedResult[E]:  # noqa: B008
        """A part of the entities that match, sorted.

        Raises:
            CriteriaError: Criteria, order or keyset do not fit the model.
        """
        keys = sort_keys(self.spec, page)
        matching = self._matching(where)
        total = len(matching) if page.count else None
        if page.after is not None:
            after = page.after
            check_after(self.spec, keys, after)
            matching = [entity for entity in matching if is_behind(entity, keys, after)]
        rest = in_order(matching, keys)[page.offset :]
        items = rest[: page.limit]
        following = None
        if len(rest) > page.limit:
            following = tuple(key.field.read(items[-1]) for key in keys)
        return PagedResult(items, following, total)

    def count(self, where: Criteria | None = None) -> int:
        """How many entities match."""
        return len(self._matching(where))

    # -- writing ----------------------------------------------------------------------------------------------

    def save(self, entity: E, /) -> E:
        """Insert; the entity's version becomes 1.

        Raises:
            prefiq.contracts.UniqueViolation: Another row has a value that must be unique.
            ForeignKeyViolation: A reference leads to no row.
            prefiq.contracts.IllegalTransition: The status is not the initial one, and no action explains it.
            prefiq.contracts.ValidationFailed: A value is missing or not of its field's type.
        """
        tenant = self._writable()
        self._status.check_new((entity,))
        with self._failing():
            self._insert(tenant, (entity,))
        return entity

    def save_many(self, entities: Sequence[E], /) -> None:
        """Insert all or none; a transaction that is open can go on without them.

        Raises:
            As ``save``.
        """
        if not entities:
            return
        tenant = self._writable()
        self._status.check_new(entities)
        self._insert(tenant, entities)

    def _insert(self, tenant: str, entities: Sequence[Any]) -> None:
        spec, store = self.spec, self._store
        if spec.extensions:
            for entity in entities:
                complete(entity, spec)
        self._refuse_unfit(entities)
        self._require_writing()
        with store.writing(self._transactions) as put:
            for entity in entities:
                if entity.id in self._rows():
                    raise UniqueViolation(spec.qualified, ("id",))
                values = list(self._kept(self._snapshot(entity)))
                values[1] = 1
                put(tenant, spec, entity.id, Row(tuple(values)))
                store.check_references(tenant, spec, entity)
            restore_on_rollback(self._transactions, entities)
        for entity in entities:
            mark_stored(entity, 1, None)
            entity._loaded = self._snapshot(entity)

    def update(self, entity: E, /) -> E:
        """Write what changed since it was loaded; the version rises by 1.  Without changes nothing is written.

        Raises:
            ConcurrencyError: The row is gone or has another version.
            prefiq.contracts.IllegalTransition: The status was assigned directly.
        """
        tenant = self._writable()
        with self._store.lock:
            stored = loaded(entity)
            if stored is not None:
                self._update(tenant, entity, stored)
                return entity
            row = self._rows().get(cast("Any", entity).id)
            if row is None or row.deleted:
                raise ConcurrencyError(self.spec.qualified, cast("Any", entity).id)
            cast("Any", entity)._loaded = row.values
            try:
                self._update(tenant, entity, row.values)
            except BaseException:
                cast("Any", entity)._loaded = None
                raise
        return entity

    def _update(self, tenant: str, entity: Any, stored: tuple[Any, ...]) -> None:
        spec, store = self.spec, self._store
        if entity.id != stored[0] or entity.version != stored[1]:
            raise ConcurrencyError(spec.qualified, stored[0])
        self._status.check(entity)
        if spec.extensions:
            complete(entity, spec, stored)
        try:
            changed = self._diff(entity, stored)
        except (TypeError, ValueError, ArithmeticError, RecursionError):  # a value that cannot be compared
            changed = ["?"]
        if not changed:
            return
        with self._failing():
            self._refuse_unfit((entity,))
            self._require_writing()
            row = self._rows().get(entity.id)
            if row is None or row.deleted or row.values[1] != entity.version:
                raise ConcurrencyError(spec.qualified, entity.id)
            with store.writing(self._transactions) as put:
                values = list(self._kept(self._snapshot(entity)))
                values[1] += 1
                put(tenant, spec, entity.id, Row(tuple(values)))
                store.check_references(tenant, spec, entity)
                restore_on_rollback(self._transactions, (entity,))
        mark_stored(entity, entity.version + 1, None)
        entity._loaded = self._snapshot(entity)

    def delete(self, entity: E, /) -> None:
        """Remove the row (or mark it, where the model deletes softly).

        Raises:
            ConcurrencyError: The row is gone or has another version.
            ForeignKeyViolation: Other rows still refer to it.
        """
        tenant = self._writable()
        row_now: Any = entity
        spec, store = self.spec, self._store
        self._require_writing()
        with self._failing(), store.writing(self._transactions) as put:
            row = self._rows().get(row_now.id)
            if row is None or row.deleted or row.values[1] != row_now.version:
                raise ConcurrencyError(spec.qualified, row_now.id)
            if spec.soft_delete:
                values = (row.values[0], row.values[1] + 1, *row.values[2:])
                put(tenant, spec, row_now.id, Row(values, deleted=True))
            else:
                self._remove(tenant, put, row_now.id)
            restore_on_rollback(self._transactions, (entity,))
        mark_stored(entity, None, None)

    # -- inside -----------------------------------------------------------------------------------------------

    def _remove(self, tenant: str, put: Put, id: UUID) -> None:
        """Remove a row with all that refers to it by ``cascade``; empty what refers by ``set_null``."""
        waiting: builtins.list[tuple[ModelSpec, UUID]] = [(self.spec, id)]
        removed: builtins.list[tuple[ModelSpec, UUID]] = []
        while waiting:
            spec, gone = waiting.pop()
            if gone not in self._store.rows(tenant, spec):
                continue
            put(tenant, spec, gone, None)
            removed.append((spec, gone))
            for owner, other, field, child, other_id in self._store.referring(tenant, spec, gone):
                on_delete = field.ref.on_delete if field.ref is not None else "restrict"
                if on_delete == "cascade" and not child:
                    waiting.append((other, other_id))
                elif on_delete != "restrict":
                    put(
                        owner,
                        other,
                        other_id,
                        self._store.without(owner, other, other_id, field, child, gone),
                    )
        for spec, gone in removed:
            if any(True for _ in self._store.referring(tenant, spec, gone)):
                raise ForeignKeyViolation(self.spec.qualified, deleting=True)

    def _matching(self, where: Criteria | None) -> builtins.list[Any]:
        matches = matcher(self.spec, where)
        with self._store.lock:
            entities = [self._store.copy(self.spec, row) for row in self._rows().values() if not row.deleted]
        return [entity for entity in entities if matches(entity)]

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """What is refused fails the open transaction, as a database does it."""
        try:
            yield
        except (UniqueViolation, ForeignKeyViolation, ValidationFailed) as error:
            self._transactions.fail(error)
            raise

    def _rows(self) -> dict[UUID, Row]:
        require_usable(self._transactions)
        return self._store.rows(self._owner(), self.spec)

    def _owner(self) -> str:
        return SHARED if self.spec.scope == "shared" else self._context.tenant

    def _require_writing(self) -> None:
        if getattr(self._context, "read_only", False):  # tests hand in what has but a tenant
            raise TenantReadOnly(self._context.tenant)
        if self._transactions.read_only:
            raise ReadOnlyTransaction
        require_usable(self._transactions)

    def _writable(self) -> str:
        if self.spec.scope != "shared":
            return self._context.tenant
        try:
            _ = self._context.tenant
        except TenantNotBound:
            return SHARED
        raise SharedTableProtected(self.spec.table)

    def _refuse_unfit(self, entities: Iterable[Any]) -> None:
        refusal = refusal_of(self.spec, entities)
        if refusal is not None:
            raise refusal
