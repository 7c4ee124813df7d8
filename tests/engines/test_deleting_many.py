"""Deleting a row that very many others belong to, which others refer to in their turn."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from tests.servers import Database

from prefiq.contracts import IDomain
from prefiq.foundation import can
from prefiq.foundation.entity import Entity
from prefiq.lowcode import field, ref
from prefiq.plugins import ProviderBase
from prefiq.testing import make_application

MANY = 66_000
"""PostgreSQL takes 65,535 values in a statement."""


class Shelf(Entity):
    name: str = field(max_length=10)


class Box(Entity):
    shelf_id: UUID = ref(Shelf, on_delete="cascade")


class Label(Entity):
    box_id: UUID | None = ref(Box, default=None, on_delete="set_null")


class StoreProvider(ProviderBase):
    name = "store"
    models = (Shelf, Box, Label)


@pytest.mark.parametrize("engine", ["postgres"], scope="session")
@pytest.mark.parametrize("mode", ["sync"], scope="session")
def test_more_than_a_statement_takes(database: Database, tmp_path: Path) -> None:
    """What refers to rows that go by a cascade is emptied, however many these are."""
    with (
        make_application(tmp_path, modules=[StoreProvider], tenants=("acme",), **database.variables()) as app,
        app.scope("acme", can("*")) as scope,
    ):
        shelves, boxes, labels = scope[IDomain[Shelf]], scope[IDomain[Box]], scope[IDomain[Label]]
        shelf = shelves.save(Shelf(name="a"))
        made = [Box(shelf_id=shelf.id) for _ in range(MANY)]
        boxes.save_many(made)
        label = labels.save(Label(box_id=made[-1].id))
        shelves.delete(shelf)
        assert boxes.count() == 0
        assert labels.get_by_id(label.id).box_id is None
