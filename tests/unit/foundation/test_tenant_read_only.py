"""A store in memory refuses what a database refuses of a tenant that is read-only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from prefiq.contracts import Bound, Scope, System, TenantReadOnly
from prefiq.foundation import MemoryStore, RepositoryMemory
from prefiq.foundation.entity import Entity
from prefiq.foundation.tenant_context import ScopeTenant
from prefiq.lowcode import Catalog


class Note(Entity):
    text: str


STORE = MemoryStore(Catalog.build({"notes": (Note,)}))


def notes(*, read_only: bool) -> Any:
    scope = Scope(Bound("acme", read_only=read_only), resolve=lambda *_: None)
    return RepositoryMemory.of(Note)(ScopeTenant(scope), STORE)


@pytest.mark.parametrize(
    "write",
    [
        lambda store, note: store.save(Note(text="more")),
        lambda store, note: store.save_many([Note(text="more")]),
        lambda store, note: store.update(note),
        lambda store, note: store.delete(note),
    ],
    ids=["save", "save_many", "update", "delete"],
)
def test_store_in_memory_refuses_every_write(write: Callable[[Any, Note], object]) -> None:
    """And shows the rows as before."""
    note = notes(read_only=False).save(Note(text="first"))
    store = notes(read_only=True)
    note.text = "other"
    with pytest.raises(TenantReadOnly):
        write(store, note)
    assert store.get_by_id(note.id).text == "first"


def test_what_belongs_to_no_tenant_is_not_read_only() -> None:
    """The context says so without raising, unlike the tenant's key."""
    assert not ScopeTenant(Scope(System("test"), resolve=lambda *_: None)).read_only
