"""The models of the contract suite, and each place to keep them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from tests.stores import APART, PLACES, Place, Places, Store

from prefiq.contracts import Bound, System, Tenancy
from prefiq.foundation.entity import Child, Entity
from prefiq.foundation.extension import Extension
from prefiq.lowcode import Catalog, ModelMeta, Status, children, field, now, ref, transition, unique
from prefiq.sql import Tables


class Stage(Status):
    DRAFT = "draft"
    ACTIVE = "active"
    CLOSED = "closed"


class Project(Entity):
    """A model with a status."""

    code: str = field(max_length=32, pattern=r"[A-Z0-9-]+", unique=True)
    name: str = field(max_length=200)
    budget: Decimal | None = field(default=None, precision=12, scale=2, ge=0)
    stage: Stage = field(default=Stage.DRAFT)
    created: datetime = field(default=now)

    activate = transition(Stage.DRAFT, to=Stage.ACTIVE)
    close = transition(Stage.ACTIVE, to=Stage.CLOSED)
    meta = ModelMeta(order_by="code")


class Item(Child):
    title: str
    done: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


class Remark(Child):
    text: str


class Task(Entity):
    """A model with a reference and two kinds of children."""

    project_id: UUID = ref(Project)
    title: str
    items: list[Item] = children(Item)
    due: date | None = None
    remarks: list[Remark] = children(Remark)


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Everything(Entity):
    """A model with every kind of field, and each of them empty, too."""

    word: str
    long: str = field(text=True)
    whole: int
    flag: bool
    money: Decimal = field(precision=18, scale=6)
    ratio: float
    day: date
    moment: datetime
    key: UUID
    colour: Colour
    document: dict[str, Any]
    rows: list[Any]
    word_or_none: str | None
    long_or_none: str | None = field(text=True)
    whole_or_none: int | None
    flag_or_none: bool | None
    money_or_none: Decimal | None = field(precision=9, scale=3)
    ratio_or_none: float | None
    day_or_none: date | None
    moment_or_none: datetime | None
    key_or_none: UUID | None
    colour_or_none: Colour | None

    meta = ModelMeta(indexes=(unique("word", "whole"), unique("word_or_none", "day")))


class Note(Entity):
    """A model that deletes softly."""

    title: str = field(unique=True)
    body: str | None = field(default=None, text=True)

    meta = ModelMeta(soft_delete=True, order_by="-title")


class Country(Entity):
    """A shared model."""

    code: str = field(min_length=2, max_length=2, pattern="[A-Z]{2}", unique=True)
    name: str

    meta = ModelMeta(scope="shared", order_by="code")


class Part(Child):
    title: str


class Box(Entity):
    """A model that another module extends."""

    label: str = field(max_length=40, unique=True)
    size: int | None = field(default=None)
    parts: list[Part] = children(Part)

    meta = ModelMeta(order_by="label")


class BoxMore(Extension[Box]):
    """Every kind of field, with a default or empty."""

    number: str | None = field(default=None, max_length=20, unique=True)
    word: str = field(default="none", max_length=20, index=True)
    money: Decimal = field(default=Decimal("1.5"), precision=12, scale=2, index=True)
    most: Decimal | None = field(default=None, precision=12, scale=2)
    whole: int = field(default=7, sort=True)
    flag: bool = field(default=True)
    ratio: float | None = field(default=None)
    day: date | None = field(default=None, index=True)
    moment: datetime | None = field(default=None)
    colour: Colour = field(default=Colour.GREEN)
    document: dict[str, Any] = field(default_factory=dict)
    note_id: UUID | None = ref(Note, default=None, on_delete="set_null")


class BoxLast(Extension[Box]):
    """A second module's."""

    whole: int = field(default=0)


MODELS = (Project, Task, Everything, Note, Country, Box)
EXTENSIONS = {"more": (BoxMore,), "last": (BoxLast,)}


@pytest.fixture(scope="session")
def models() -> SimpleNamespace:
    named = (*MODELS, Item, Part, Stage, BoxMore, BoxLast, Colour)
    return SimpleNamespace(**{model.__name__: model for model in named})


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog.build({"shop": MODELS}, EXTENSIONS)


@pytest.fixture(scope="session")
def tables(catalog: Catalog) -> Tables:
    return Tables(catalog)


@pytest.fixture(scope="session")
def places(catalog: Catalog) -> Iterator[Places]:
    made = Places(catalog)
    yield made
    made.close()


SHORT = {"sqlite-database-sync", "mariadb-database-async", "postgres-schema-sync"}
"""Of the places where tenants have databases or schemas of their own: some in each mode."""


@pytest.fixture(
    params=[
        *PLACES,
        "sqlite-single",
        "sqlite-memory",
        *(pytest.param(name, marks=() if name in SHORT else pytest.mark.full) for name in APART),
    ]
)
def place(request: pytest.FixtureRequest) -> str:
    """Each place in turn; SQLite's also for an installation with one tenant, and in memory."""
    name: str = request.param
    return name


@pytest.fixture
def here(place: str, places: Places) -> Iterator[Place]:
    with places(place) as made:
        yield made


@pytest.fixture
def stores(here: Place) -> Callable[[Tenancy], Store]:
    """Tenancy → (model → store), all of one application."""
    return here.open


@pytest.fixture
def ours(stores: Callable[[Tenancy], Store]) -> Store:
    return stores(Bound("acme"))


@pytest.fixture
def theirs(stores: Callable[[Tenancy], Store]) -> Store:
    return stores(Bound("globex"))


@pytest.fixture
def systems(stores: Callable[[Tenancy], Store]) -> Store:
    return stores(System("test"))
