"""What classes that are made for one model have from it."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from prefiq import Entity, field
from prefiq.foundation.for_model import ForModel, derive, model_of

T = TypeVar("T")


class Boat(Entity):
    name: str = field(max_length=40, unique=True)
    berth: str = field(max_length=40)


class Boats(ForModel[Boat]):
    def get_by(self, name: str, value: object, /) -> Any:
        return name, value


def test_a_subclass_knows_the_model_of_its_base() -> None:
    """``ForModel[Boat]`` as base says the model, also to what derives further."""

    class More(Boats):
        pass

    assert Boats.model is Boat
    assert More.model is Boat


def test_a_unique_field_has_a_getter_and_no_other_field() -> None:
    """There is ``get_by_<field>`` for unique fields alone, and it asks ``get_by``."""
    assert Boats().get_by_name("Ada") == ("name", "Ada")  # type: ignore[attr-defined]
    assert not hasattr(Boats, "get_by_berth")


def test_a_getter_that_was_written_stays() -> None:
    """What somebody wrote by hand is not replaced."""

    class Found(ForModel[Boat]):
        def get_by_name(self, value: object, /) -> object:
            return value

    assert Found().get_by_name("Ada") == "Ada"


def test_a_derived_class_stands_in_the_module_of_its_model() -> None:
    """Its name and module lead to the model."""
    made = derive(Boats.__mro__[1], Boat, "Store")
    assert (made.__name__, made.__module__) == ("BoatStore", __name__)
    assert made.model is Boat


def test_a_base_without_a_model_gives_none() -> None:
    """A type variable is not a model."""

    class Between(ForModel[T], Generic[T]):
        pass

    assert model_of(Between, ForModel) is None
    assert model_of(Boats, ForModel) is Boat
