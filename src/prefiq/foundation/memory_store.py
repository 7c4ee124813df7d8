"""``MemoryStore``: the rows of all models in dictionaries, with the keys and references of a database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefiq.contracts import ForeignKeyViolation, ITransactions, UniqueViolation
from prefiq.contracts.transactions import Isolation, call_all
from prefiq.foundation.extension import revive
from prefiq.foundation.mapper import snapshot_of
from prefiq.lowcode import Catalog, FieldSpec, IndexSpec, ModelSpec
from prefiq.sql.errors import TransactionFailed

__all__ = ["MemoryStore", "MemoryTransactions", "Row", "require_usable"]

Put = Callable[[str, ModelSpec, UUID, "Row | None"], None]

SHARED = ""
"""Whose rows a shared model's are: no tenant's key is empty."""


class _Level:
    __slots__ = ("after", "failure", "read_only", "undo")

    def __init__(self, *, read_only: bool) -> None:
        self.read_only = read_only
        self.failure: BaseException | None = None
        self.after: list[Callable[[], None]] = []
        self.undo: list[Callable[[], None]] = []


def require_usable(transactions: ITransactions) -> None:
    """Nothing, or an error.

    Raises:
        TransactionFailed: What was done before in the open transaction failed.
    """
    failure = transactions.failure
    if failure is not None:
        raise TransactionFailed from failure


class MemoryTransactions:
    """``ITransactions`` without a database: a rollback undoes what was written, each thread for itself.

    Threads see what others have not committed yet: a store in memory is for tests.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    @property
    def _levels(self) -> list[_Level]:
        levels: list[_Level] = self._local.__dict__.setdefault("levels", [])
        return levels

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return bool(self._levels)

    @property
    def read_only(self) -> bool:
        """Whether the transaction that is open now refuses writes."""
        return bool(self._levels) and self._levels[-1].read_only

    def tx(
        self, *, read_only: bool = False, isolation: Isolation | None = None
    ) -> AbstractContextManager[None]:
        """Run the body in a transaction; a nested one is a savepoint."""
        del isolation
        return self._tx(read_only=read_only)

    @contextmanager
    def _tx(self, *, read_only: bool) -> Iterator[None]:
        levels = self._levels
        require_usable(self)
        levels.append(_Level(read_only=read_only or bool(levels and levels[-1].read_only)))
        try:
            yield
            require_usable(self)
        except BaseException:
            call_all(reversed(levels.pop().undo))
            raise
        done = levels.pop()
        if levels:
            levels[-1].after.extend(done.after)
            levels[-1].undo.extend(done.undo)
        else:
            call_all(done.after)

    @property
    def failure(self) -> BaseException | None:
        """What failed in the transaction that is open now, which then takes no further statement."""
        return self._levels[-1].failure if self._levels else None

    def fail(self, error: BaseException, /) -> None:
        """Let the transaction (or savepoint) that is open now take no further statement: it can only be undone."""
        if self._levels and self._levels[-1].failure is None:
            self._levels[-1].failure = error

    def after_commit(self, callback: Callable[[], None], /) -> None:
        """Call it once the outermost transaction has committed; at once where none is open."""
        if self._levels:
            self._levels[-1].after.append(callback)
        else:
            callback()

    def on_rollback(self, callback: Callable[[], None], /) -> None:
        """Call it if the transaction or savepoint that is open now is rolled back, last one first."""
        if self._levels:
            self._levels[-1].undo.append(callback)


@dataclass(frozen=True, slots=True)
class Row:
    """One stored entity.

    Args:
        values: In the order of its constructor, shared with nobody.
        deleted: Whether it is marked as deleted.
    """

    values: tuple[Any, ...]
    deleted: bool = False


class _Model:
    """What the store knows of one model."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.copy = snapshot_of(spec)
        self.uniques: list[tuple[ModelSpec, str, IndexSpec]] = [
            (model, child, index)
            for model, child in ((spec, ""), *((c.model, c.name) for c in spec.children))
            for index in (*(i for i in model.all_indexes if i.unique), IndexSpec("pk", ("id",), unique=True))
        ]
        self.references: list[tuple[ModelSpec, str, FieldSpec]] = [
            (model, child, field)
            for model, child in ((spec, ""), *((c.model, c.name) for c in spec.children))
            for field in model.all_fields
            if field.ref is not None
        ]


class MemoryStore:
    """The rows of every model and tenant; one for an application, thread-safe.

    Args:
        catalog: The declared models.
        transactions: Undoes what is written in them; made where not given.
    """

    def __init__(self, catalog: Catalog, transactions: ITransactions | None = None) -> None:
        self.catalog = catalog
        self.transactions: ITransactions = transactions or MemoryTransactions()
        self.lock = threading.RLock()
        self._models = {spec.qualified: _Model(spec) for spec in catalog}
        self._rows: dict[tuple[str, str], dict[UUID, Row]] = {}
        self._taken: dict[tuple[Any, ...], UUID] = {}

    def copy(self, spec: ModelSpec, row: Row) -> Any:
        """A fresh entity with the row's values, and its snapshot."""
        copy = self._models[spec.qualified].copy
        entity = revive(spec, copy(revive(spec, row.values)))
        entity._loaded = copy(entity)
        return entity

    def rows(self, tenant: str, spec: ModelSpec) -> dict[UUID, Row]:
        """Rows of one model and tenant by id."""
        owner = SHARED if spec.scope == "shared" else tenant
        return self._rows.setdefault((owner, spec.qualified), {})

    @contextmanager
    def writing(self, transactions: ITransactions | None = None) -> Iterator[Put]:
        """Write several rows, all or none; a rollback of the open transaction takes them back.

        What is yielded puts a row in place of the present one; None removes it.
        """
        with self.lock:
            undo: list[tuple[str, ModelSpec, UUID, Row | None]] = []

            def put(tenant: str, spec: ModelSpec, id: UUID, row: Row | None) -> None:
                before = self.rows(tenant, spec).get(id)
                self._replace(tenant, spec, id, row)
                undo.append((tenant, spec, id, before))

            try:
                yield put
            except BaseException:
                self._take_back(undo)
                raise
            (transactions or self.transactions).on_rollback(lambda: self._take_back(undo))

    def check_references(self, tenant: str, spec: ModelSpec, entity: Any) -> None:
        """Nothing, or an error.

        Raises:
            ForeignKeyViolation: A reference leads to no row of the tenant.
        """
        for model, child, field in self._models[spec.qualified].references:
            target = self.catalog.get(field.ref.model) if field.ref is not None else None
            if target is None:
                continue
            for owner in (entity,) if not child else getattr(entity, child):
                id = field.read(owner)
                if id is not None and id not in self.rows(tenant, target):
                    raise ForeignKeyViolation(model.qualified, (field.name,))

    def referring(
        self, tenant: str, spec: ModelSpec, id: UUID
    ) -> Iterator[tuple[str, ModelSpec, FieldSpec, str, UUID]]:
        """Every row that refers to this one: its tenant, model, field, child's name and id."""
        for model in self._models.values():
            for _, child, field in model.references:
                if field.ref is None or field.ref.model != spec.qualified:
                    continue
                for owner in self._owners(model.spec) if spec.scope == "shared" else [tenant]:
                    for other, row in list(self.rows(owner, model.spec).items()):
                        entity = revive(model.spec, row.values)
                        parts = (entity,) if not child else getattr(entity, child)
                        if any(field.read(part) == id for part in parts):
                            yield owner, model.spec, field, child, other

    def _owners(self, spec: ModelSpec) -> list[str]:
        """Every tenant that has rows of the model."""
        return [owner for owner, model in self._rows if model == spec.qualified]

    def without(
        self, tenant: str, spec: ModelSpec, id: UUID, field: FieldSpec, child: str, gone: UUID
    ) -> Row:
        """A row without its reference to one that is gone: emptied, or its children that refer to it removed."""
        row = self.rows(tenant, spec)[id]
        entity = self.copy(spec, row)
        entity.version += 1
        if not child:
            field.write(entity, None)
        elif field.ref is not None and field.ref.on_delete == "cascade":
            setattr(entity, child, [c for c in getattr(entity, child) if getattr(c, field.name) != gone])
        else:
            for part in getattr(entity, child):
                if getattr(part, field.name) == gone:
                    setattr(part, field.name, None)
        return Row(self._models[spec.qualified].copy(entity), row.deleted)

    def _replace(self, tenant: str, spec: ModelSpec, id: UUID, row: Row | None) -> None:
        rows = self.rows(tenant, spec)
        before = rows.get(id)
        if before is not None:
            for _, _, key in self._keys(tenant, spec, before):
                self._taken.pop(key, None)
        if row is None:
            rows.pop(id, None)
            return
        claimed: list[tuple[Any, ...]] = []
        for model, index, key in self._keys(tenant, spec, row):
            if key in self._taken:
                for other in claimed:
                    del self._taken[other]
                if before is not None:
                    self._taken.update((k, id) for _, _, k in self._keys(tenant, spec, before))
                raise UniqueViolation(model.qualified, index.fields)
            self._taken[key] = id
            claimed.append(key)
        rows[id] = row

    def _keys(
        self, tenant: str, spec: ModelSpec, row: Row
    ) -> Iterator[tuple[ModelSpec, IndexSpec, tuple[Any, ...]]]:
        owner = SHARED if spec.scope == "shared" else tenant
        entity = revive(spec, row.values)
        for model, child, index in self._models[spec.qualified].uniques:
            for part in (entity,) if not child else getattr(entity, child):
                values = tuple(
                    model.field(name).read(part) if "." in name else getattr(part, name)
                    for name in index.fields
                )
                if None not in values:
                    yield model, index, (owner, model.table, index.fields, values)

    def _take_back(self, undo: list[tuple[str, ModelSpec, UUID, Row | None]]) -> None:
        with self.lock:
            # First all away, then all back: a value may have gone from one row to another.
            for tenant, spec, id, _ in undo:
                self._replace(tenant, spec, id, None)
            first: dict[tuple[str, str, UUID], tuple[str, ModelSpec, UUID, Row | None]] = {}
            for entry in undo:
                first.setdefault((entry[0], entry[1].qualified, entry[2]), entry)
            for tenant, spec, id, row in first.values():
                self._replace(tenant, spec, id, row)
