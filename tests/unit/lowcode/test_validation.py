"""A whole entity against its declaration: every fault at once, and values made normal."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any

import pytest

from prefiq.contracts import FieldError, Refused, ValidationFailed
from prefiq.foundation.entity import Child, Entity
from prefiq.lowcode import ModelMeta, Status, Validator, action, children, field, transition, validator
from prefiq.lowcode.validation import check_parameters


class Stage(Status):
    OPEN = "open"
    DONE = "done"


def not_blank(value: str) -> None:
    if not value.strip():
        raise Refused("", "must not be blank", reason="blank")


class AtMost:
    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __call__(self, value: int) -> None:
        if value > self.limit:
            raise Refused("", "is too much")


class Row(Child):
    title: str = field(max_length=5, validators=[not_blank])
    amount: int = field(default=0, ge=0)

    @validator
    def titled(self) -> None:
        self.require(self.title != "bad", "title", "must not be bad")


class Order(Entity):
    code: str = field(max_length=5, pattern="[A-Z]+")
    price: Decimal = field(precision=9, scale=2)
    at: datetime | None = field(default=None)
    level: int = field(default=0, validators=[AtMost(9)])
    stage: Stage = field(default=Stage.OPEN)
    rows: list[Row] = children(Row)
    extra: dict[str, Any] = field(default={"a": [1]})

    done = transition(Stage.OPEN, to=Stage.DONE)

    @action
    def ship(
        self,
        to: Annotated[str, field(max_length=5, validators=[not_blank])],
        tags: Annotated[list[str], field(default_factory=list)],
        boxes: Annotated[int, field(ge=1)] = 1,
        note: str | None = None,
    ) -> None: ...

    @validator
    def cheap(self) -> None:
        self.require(self.price < 100, "price", "must be below 100")

    @validator
    def sparse(self) -> None:
        self.require(len(self.rows) < 3, "", "must have at most two rows")


SPEC = ModelMeta.of(Order)
CHECKS = Validator(SPEC)


def order(**values: Any) -> Order:
    return Order(**{"code": "A", "price": Decimal(1), **values})


def faults(entity: Order, checks: Validator = CHECKS) -> list[tuple[str, str]]:
    return [(error.field, error.code) for error in checks.errors(entity)]


def test_a_sound_entity_passes():
    """Nothing is raised."""
    CHECKS.check(order(rows=[Row(title="a")]))


def test_every_fault_is_found_at_once():
    """Fields, rows and fields of rows, each with its place."""
    wrong = Order(
        code="toolong",
        price=Decimal("1.005"),
        at=datetime(2026, 1, 1),  # noqa: DTZ001
        level=10,
        stage="shut",
        rows=[Row(title=" "), Row(title="x", amount=-1), 5, Row()],
        extra=[1],
    )
    with pytest.raises(ValidationFailed) as caught:
        CHECKS.check(wrong)
    assert [(e.field, e.code, e.pointer) for e in caught.value.errors] == [
        ("code", "max_length", "#/code"),
        ("price", "scale", "#/price"),
        ("at", "timezone", "#/at"),
        ("level", "refused", "#/level"),
        ("stage", "enum", "#/stage"),
        ("extra", "type", "#/extra"),
        ("rows.0.title", "blank", "#/rows/0/title"),
        ("rows.1.amount", "ge", "#/rows/1/amount"),
        ("rows.2", "type", "#/rows/2"),
        ("rows.3.title", "required", "#/rows/3/title"),
    ]
    assert caught.value.model == "app.Order"
    assert caught.value.errors[0] == FieldError(
        "code", "max_length", "must have at most 5 characters", {"limit": 5}
    )


def test_what_was_not_given_is_required():
    """The constructor checks nothing; this does."""
    assert faults(Order()) == [("code", "required"), ("price", "required")]


def test_values_become_normal_in_place():
    """What is stored is what the entity then holds."""
    entity = order(
        code="A", price=5, at=datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1))), stage="done"
    )
    CHECKS.check(entity)
    assert str(entity.price) == "5.00"
    assert entity.at == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert entity.at.tzinfo is UTC
    assert entity.stage is Stage.DONE


def test_rules_over_the_whole_run_only_on_sound_values():
    """They may rely on the types of what they look at."""
    assert faults(order(price="free")) == [("price", "type")]
    assert faults(order(price=Decimal(100))) == [("price", "refused")]


def test_all_rules_over_the_whole_are_asked():
    """Each has its say; one without a field speaks of the entity."""
    entity = order(price=Decimal(100), rows=[Row(title="a") for _ in range(3)])
    assert faults(entity) == [("price", "refused"), ("", "refused")]


def test_rules_of_rows_point_into_the_row():
    """The place is the parent's path and the row's number."""
    assert faults(order(rows=[Row(title="a"), Row(title="bad")])) == [("rows.1.title", "refused")]


def test_a_validator_can_be_switched_off_by_name():
    """Of fields, of entities and of rows; nothing else is."""
    off = Validator(SPEC, {"cheap", "not_blank", "AtMost", "titled"})
    entity = order(price=Decimal(100), level=10, rows=[Row(title=" "), Row(title="bad")])
    assert len(faults(entity)) == 3
    assert faults(entity, off) == []


@pytest.mark.parametrize("rows", [None, "x", (), {}])
def test_rows_are_a_list(rows):
    """Anything else is a fault, never a crash."""
    assert faults(order(rows=rows)) == [("rows", "type")]


def test_two_rows_do_not_have_one_id():
    """The second would replace the first."""
    row = Row(title="a")
    assert faults(order(rows=[row, Row(id=row.id, title="b")])) == [("rows", "duplicate")]


@pytest.mark.parametrize("id", ["x", None, [], 5])
def test_an_id_is_a_uuid(id):
    """Of the entity and of a row; no driver sees another."""
    assert faults(order(id=id)) == [("id", "type")]
    assert faults(order(rows=[Row(id=id, title="a")])) == [("rows.0.id", "type")]


def test_a_default_that_can_change_is_not_shared():
    """Each entity has its own."""
    one, two = order(), order()
    one.extra["a"].append(2)
    assert two.extra == {"a": [1]}


class TestParameters:
    PARAMETERS = SPEC.action("ship").parameters

    def test_are_normal_and_complete(self):
        """Defaults and factories fill in what was not given."""
        assert check_parameters(self.PARAMETERS, {"to": "e\u0301"}, "app.Order.ship") == {
            "to": "\u00e9",
            "tags": [],
            "boxes": 1,
            "note": None,
        }

    def test_every_fault_is_found_at_once(self):
        """Unknown, missing and wrong ones."""
        given = {"boxes": 0, "note": 5, "two": 2, "tags": [1]}
        with pytest.raises(ValidationFailed) as caught:
            check_parameters(self.PARAMETERS, given, "app.Order.ship")
        assert [(e.field, e.code) for e in caught.value.errors] == [
            ("two", "unknown"),
            ("to", "required"),
            ("tags", "type"),
            ("boxes", "ge"),
            ("note", "type"),
        ]
        assert caught.value.model == "app.Order.ship"

    def test_their_validators_are_asked(self):
        """A parameter is declared as a field is."""
        with pytest.raises(ValidationFailed) as caught:
            check_parameters(self.PARAMETERS, {"to": " "}, "app.Order.ship")
        assert [(e.field, e.code) for e in caught.value.errors] == [("to", "blank")]
