"""Rows become entities and entities rows; a subclass converts single fields or all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from prefiq.contracts import Bound, Scope, ValidationFailed, where
from prefiq.foundation.entity import Child, Entity, changes, loaded
from prefiq.foundation.mapper import Mapper, diff_of, snapshot_of
from prefiq.foundation.repository_query import RepositoryQuery
from prefiq.lowcode import Catalog, Status, children, field
from prefiq.sql import ConnectionManager, DatabaseConfig, Executor, Tables, UnreadableRow
from prefiq.sql.dialects import engine_for


class Stage(Status):
    DRAFT = "draft"


class Part(Child):
    name: str
    notes: list[Any] = field(default_factory=list)


class Box(Entity):
    label: str = field(max_length=50, unique=True)
    price: Decimal | None = field(default=None, precision=9, scale=2)
    stage: Stage = field(default=Stage.DRAFT)
    packed: datetime | None = None
    data: dict[str, Any] = field(default_factory=dict)
    parts: list[Part] = children(Part)


class Flat(Entity):
    label: str


CATALOG = Catalog.build({"shop": (Box, Flat)})
SQLITE = engine_for("sqlite")


class Reversed(Mapper):
    """Keeps labels backwards."""

    def dump_label(self, value: str) -> str:
        return value[::-1]

    def load_label(self, value: str) -> str:
        return value[::-1]


class Whole(Mapper):
    """Keeps a label in capitals, and makes the entity itself."""

    def load(self, values: Mapping[str, Any]) -> Any:
        return Box(**{**values, "label": values["label"].lower()})

    def dump(self, entity: Any) -> Mapping[str, Any]:
        names = ("id", "version", "price", "stage", "packed", "data")
        return {**{name: getattr(entity, name) for name in names}, "label": entity.label.upper()}


@pytest.fixture
def tables() -> Tables:
    return Tables(CATALOG)


@pytest.fixture
def executor(tables: Tables) -> Iterator[Executor]:
    manager = ConnectionManager([DatabaseConfig()], tables)
    with manager.schema_connection() as connection:
        tables.create_all(connection)
    with Scope(Bound("acme"), resolve=lambda *_: None) as scope:
        yield Executor(manager, scope, tables)
    manager.close()


def box() -> Box:
    return Box(
        label="abc", price=Decimal("1.50"), packed=datetime(2026, 1, 1, tzinfo=UTC), data={"a": [1]},
        parts=[Part(name="x", notes=[1, {"b": 2}])],
    )  # fmt: skip


def test_loaded_flat_entity_has_its_snapshot() -> None:
    """It is the very tuple that the entity was made of."""
    mapper = Mapper(CATALOG[Flat], SQLITE)
    (entity,) = mapper.load_many([(UUID(int=1).bytes, 3, "x")])
    assert loaded(entity) == (UUID(int=1), 3, "x")
    assert entity == Flat(id=UUID(int=1), version=3, label="x")
    entity.label = "y"
    assert changes(entity, CATALOG[Flat]) == {"label": ("x", "y")}


def test_snapshot_shares_nothing_that_changes() -> None:
    """Documents, lists and children in it are copies, as deep as they go."""
    spec, entity = CATALOG[Box], box()
    before = snapshot_of(spec)(entity)
    assert diff_of(spec)(entity, before) == []
    entity.data["a"].append(2)
    entity.parts[0].notes[1]["b"] = 3
    assert diff_of(spec)(entity, before) == ["data", "parts"]
    entity.parts[0].notes[1]["b"] = 2
    entity.label = "y"
    assert diff_of(spec)(entity, before) == ["label", "data"]


def test_loaded_entity_does_not_share_documents_with_its_snapshot(executor: Executor, tables: Tables) -> None:
    """A change within a document or child is noticed."""
    repository = RepositoryQuery.of(Box)(executor, tables)
    id = repository.save(box()).id
    entity = repository.get_by_id(id)
    entity.data["a"].append(2)
    repository.update(entity)
    entity = repository.get_by_id(id)
    entity.parts[0].notes.append(3)
    repository.update(entity)
    assert repository.get_by_id(id) == entity
    assert (entity.version, entity.data, entity.parts[0].notes) == (3, {"a": [1, 2]}, [1, {"b": 2}, 3])


@pytest.mark.parametrize(("mapper", "kept"), [(Mapper, "abc"), (Reversed, "cba"), (Whole, "ABC")])
def test_conversions_of_ones_own(executor: Executor, tables: Tables, mapper: type[Mapper], kept: str) -> None:
    """Every way of reading and writing goes through them."""
    repository_class = type("Boxes", (RepositoryQuery.of(Box),), {"mapper": mapper})
    boxes: Any = repository_class(executor, tables)
    entity = boxes.save(box())
    raw = executor.query(boxes.select().with_only_columns(boxes.table.c.label))
    assert [row.label for row in raw] == [kept]
    read = boxes.get_by_id(entity.id)
    assert read == entity
    assert boxes.query(boxes.select()) == [entity]
    assert boxes.list().items == [entity]
    assert loaded(boxes.query(boxes.select())[0]) is not None
    read.label = "xyz"
    read.parts.clear()
    boxes.update(read)
    assert boxes.get_by_id(entity.id) == read
    boxes.save_many([Box(label="one"), Box(label="two")])
    assert {b.label for b in boxes.list().items} == {"xyz", "one", "two"}


def test_row_that_cannot_be_read_names_its_field(executor: Executor, tables: Tables) -> None:
    """A state that the declaration no longer has is an error that says where, and not which."""
    repository = RepositoryQuery.of(Box)(executor, tables)
    id = repository.save(box()).id
    executor._session._connection.execute("UPDATE shop_box SET stage = 'retired'")
    for read in (lambda: repository.get_by_id(id), repository.list, lambda: repository.get_many([id])):
        with pytest.raises(UnreadableRow) as caught:
            read()
        assert str(caught.value).startswith(
            "A stored value does not fit its field's declaration (shop.Box.stage) [PFQ411]"
        )


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("label", None, "required"),
        ("label", "\ud800", "type"),
        ("price", Decimal("0.001"), "scale"),
        ("price", Decimal("1e20"), "precision"),
        ("price", "1", "type"),
        ("packed", datetime(2026, 1, 1), "type"),  # noqa: DTZ001
        ("data", None, "required"),
        ("data", {"a": object()}, "type"),
        ("data", {"a": float("nan")}, "finite"),
        ("label", "x" * 1000, "max_length"),
    ],
)
def test_value_that_no_column_holds_is_refused(
    executor: Executor, tables: Tables, name: str, value: Any, code: str
) -> None:
    """On inserting, in bulk, and on updating; the entity stays as it was."""
    boxes = RepositoryQuery.of(Box)(executor, tables)
    bad, stored = box(), boxes.save(Box(label="stored"))
    setattr(bad, name, value)
    setattr(stored, name, value)
    before = loaded(stored)
    for write in (
        lambda: boxes.save(bad),
        lambda: boxes.save_many([Box(label="good"), bad]),
        lambda: boxes.update(stored),
    ):
        with pytest.raises(ValidationFailed) as caught:
            write()
        assert [(error.field, error.code) for error in caught.value.errors] == [(name, code)]
    assert (bad.version, loaded(bad), stored.version, loaded(stored)) == (0, None, 1, before)
    assert boxes.count() == 1


def test_missing_value_of_a_child_is_named_by_its_place(executor: Executor, tables: Tables) -> None:
    """As the service names it."""
    boxes = RepositoryQuery.of(Box)(executor, tables)
    entity = box()
    entity.parts.append(Part())
    with pytest.raises(ValidationFailed) as caught:
        boxes.save(entity)
    assert [error.field for error in caught.value.errors] == ["parts.1.name"]
    assert boxes.count(where(label="abc")) == 0
