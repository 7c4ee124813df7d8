"""Each rule: a declaration that breaks it and nothing else, and one that meets it."""

# Annotations are values here: the classes are local to their tests, where text could not be resolved.

import functools
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import pytest

from prefiq.contracts import Refused
from prefiq.errors import Faults
from prefiq.foundation.entity import Child, Entity
from prefiq.lowcode import (
    Catalog,
    DeclarationError,
    ModelMeta,
    Status,
    Violation,
    action,
    children,
    field,
    index,
    now,
    ref,
    transition,
    unique,
    validator,
)


class Stage(Status):
    OPEN = "open"
    DONE = "done"


class Colour(StrEnum):
    RED = "red"


def faults_of(*models: type, module: str = "app", **more: tuple[type, ...]) -> list[Any]:
    return Catalog.read({module: models, **more})[1]


def broken(*models: type, **more: tuple[type, ...]) -> list[tuple[str, str, str]]:
    """(rule, field, problem) of every violation."""
    faults = faults_of(*models, **more)
    assert all(isinstance(fault, Violation) for fault in faults), faults
    return [(fault.rule, fault.field, fault.what) for fault in faults]


def declare(annotation: Any, decl: Any) -> type[Entity]:
    """A model with one field `x`."""
    body = {"__annotations__": {"x": annotation}, "x": decl, "__module__": __name__}
    return type(Entity)("Model", (Entity,), body)


class TestAll:
    def test_mistakes_of_several_models_are_reported_at_once(self):
        """A person mends a declaration in one round, not in as many as there are mistakes."""

        class Invoice(Entity):
            Total: Decimal = field()
            customer_id: UUID = ref("crm.Customer")
            meta = ModelMeta(order_by="nubmer")

        class Line(Entity):
            id_: str = field(max_length=0)
            invoice: str = ref(Invoice)

        with pytest.raises(Faults) as caught:
            Catalog.build({"sales": (Invoice, Line)})
        assert str(caught.value) == (
            "The declarations cannot be used: 8 faults\n"
            "  1. a field's name is lower snake case of at most 40 characters (sales.Invoice.Total) [PFQ201]\n"
            "       Try: use letters, digits and single underscores between them\n"
            "  2. a Decimal needs its number of digits (sales.Invoice.Total) [PFQ201]\n"
            "       Try: say precision=12, scale=2\n"
            "  3. order_by names nubmer, which cannot be sorted (sales.Invoice) [PFQ201]\n"
            "       Try: name a declared field\n"
            "  4. crm.Customer belongs to no listed module (sales.Invoice.customer_id) [PFQ201]\n"
            "       Try: list its module in APPS, and require its distribution\n"
            "  5. a field's name is lower snake case of at most 40 characters (sales.Line.id_) [PFQ201]\n"
            "       Try: use letters, digits and single underscores between them\n"
            "  6. a reference holds a UUID (sales.Line.invoice) [PFQ201]\n"
            "       Try: annotate it UUID\n"
            "  7. max_length is not between 1 and 600 (sales.Line.id_) [PFQ201]\n"
            "       Try: say text=True for longer text\n"
            "  8. include= could not tell the row from its id (sales.Line.invoice) [PFQ201]\n"
            "       Try: call the field invoice_id"
        )
        assert caught.value.worst_exit_code == 3

    def test_a_child_is_verified_as_its_parent_is(self):
        """Rows of a parent have the same rules."""

        class Row(Child):
            price: Decimal = field()

        class Order(Entity):
            rows: list[Row] = children(Row)

        assert broken(Order) == [("decimal_size", "price", "a Decimal needs its number of digits")]

    def test_a_full_declaration_passes(self):
        """Everything at once, and no fault."""

        class Customer(Entity):
            name: str = field(max_length=80)

        class Row(Child):
            title: str = field(max_length=80)
            amount: Decimal = field(default=Decimal("1.5"), precision=9, scale=3, gt=0)

        def not_blank(value: str) -> None:
            if not value.strip():
                raise Refused("", "must not be blank")

        class Order(Entity):
            number: str = field(max_length=20, pattern="[A-Z]+", unique=True, validators=[not_blank])
            notes: str = field(text=True, default="", search=True)
            count_of: int = field(default=0, ge=0, le=9)
            weight: float = field(default=0.5, gt=0)
            paid: bool = field(default=False, filter=True)
            due: date | None = field(default=None, index=True, ge=date(2000, 1, 1))
            at: datetime = field(default=now, ge=datetime(2000, 1, 1, tzinfo=UTC))
            day: date = field(default=now)
            colour: Colour = field(default=Colour.RED)
            stage: Stage = field(default=Stage.OPEN)
            extra: dict[str, Any] = field(default_factory=dict)
            tags: list[str] = field(default=["new"])
            anything: Any | None = field(default=None)
            customer_id: UUID = ref(Customer)
            parent_id: UUID | None = ref("app.Order", default=None, on_delete="set_null")
            rows: list[Row] = children(Row)

            done = transition(Stage.OPEN, to=Stage.DONE)

            @action
            def rename(self, number: Annotated[str, field(max_length=20)], loud: bool = False) -> None: ...

            @validator
            def complete(self) -> None: ...

            meta = ModelMeta(
                label="number",
                order_by=("due", "-number", "id"),
                indexes=[index("due", "number"), unique("customer_id", "number")],
            )

        assert faults_of(Customer, Order) == []


class TestNames:
    @pytest.mark.parametrize("name", ["Total", "_total", "total__net", "total_", "größe", "class", "a" * 41])
    def test_a_field_is_lower_snake_case(self, name):
        """One name serves as attribute, column, JSON member and filter."""
        model = type(Entity)("Model", (Entity,), {"__annotations__": {name: int}, "__module__": __name__})
        assert broken(model) == [
            ("names", name, "a field's name is lower snake case of at most 40 characters")
        ]

    @pytest.mark.parametrize("name", ["a", "alpha_3", "sort_order", "a" * 40])
    def test_a_good_name_passes(self, name):
        """Letters, digits and single underscores."""
        model = type(Entity)("Model", (Entity,), {"__annotations__": {name: int}, "__module__": __name__})
        assert broken(model) == []

    @pytest.mark.parametrize("name", ["tenant_id", "deleted_at", "limit", "require", "history"])
    def test_a_name_that_prefiq_uses_is_taken(self, name):
        """A field must not hide a column, a parameter of lists or a method."""
        model = type(Entity)("Model", (Entity,), {"__annotations__": {name: int}, "__module__": __name__})
        assert broken(model) == [("names", name, f"{name} is Prefiq's own")]

    def test_children_have_the_rules_of_fields(self):
        """Rows are a member of the same JSON object."""

        class Row(Child):
            title: str

        class Model(Entity):
            fields: list[Row] = children(Row)

        assert broken(Model) == [("names", "fields", "fields is Prefiq's own")]

    @pytest.mark.parametrize("name", ["delete", "created", "history", "write"])
    def test_an_action_is_not_called_as_a_verb_or_an_event(self, name):
        """before_delete, the permission and the history entry would mean two things."""
        model = type(Entity)("Model", (Entity,), {name: action(lambda self: None), "__module__": __name__})
        assert broken(model) == [("names", name, f"{name} is Prefiq's own")]

    def test_an_actions_name_can_stand_in_a_path(self):
        """It is the last segment of its route."""

        class Model(Entity):
            @action
            def closeIt(self) -> None: ...  # noqa: N802

        assert broken(Model) == [
            ("names", "closeIt", "an action's name is lower snake case of at most 40 characters")
        ]

    def test_one_action_has_one_name(self):
        """`finish = close` would answer to neither."""

        class Model(Entity):
            @action
            def close(self) -> None: ...

            finish = close

        assert broken(Model) == [("names", "close", "it is the same object as finish")]

    def test_a_plural_can_stand_in_a_path(self):
        """It is a segment of the URL."""

        class Person(Entity):
            meta = ModelMeta(plural="Leute & Co")

        assert broken(Person) == [("names", "", "'Leute & Co' cannot stand in a path")]

    def test_a_models_name_is_cap_words_in_ascii(self):
        """It becomes a table's name."""
        model = type(Entity)("Größe", (Entity,), {"__module__": __name__})
        assert broken(model) == [
            ("names", "", "a model's name is CapWords"),
            ("names", "", "'größes' cannot stand in a path"),
        ]


class TestOptions:
    def test_meta_is_a_model_meta(self):
        """A dictionary of options would be ignored in silence."""

        class Model(Entity):
            meta = {"label": "name"}

        assert broken(Model) == [("options", "meta", "meta is not a ModelMeta")]

    def test_a_class_meta_is_not_read(self):
        """A habit from other frameworks gets an answer."""

        class Model(Entity):
            class Meta:
                ordering = ("name",)

        assert broken(Model) == [("options", "meta", "a class Meta is not read")]

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ({"scope": "global"}, "scope is unknown"),
            ({"order_by": None}, "order_by does not list names"),
            ({"order_by": ("name", 1)}, "order_by does not list names"),
            ({"indexes": index("name")}, "indexes does not list indexes"),
            ({"indexes": ("name",)}, "indexes does not list indexes"),
        ],
    )
    def test_values_are_of_their_kind(self, options, problem):
        """What a type checker would have said is said at boot as well."""

        class Model(Entity):
            name: str
            meta = ModelMeta(**options)

        assert broken(Model) == [("options", "meta", problem)]

    def test_a_child_lives_where_its_parent_does(self):
        """Its scope and its deletion are the parent's."""

        class Row(Child):
            meta = ModelMeta(soft_delete=True)

        class Model(Entity):
            rows: list[Row] = children(Row)

        assert broken(Model) == [
            ("options", "meta", "a child has its parent's scope and lives as long as its parent")
        ]


class TestFieldType:
    @pytest.mark.parametrize(
        ("annotation", "text"),
        [
            (complex, "complex"),
            (bytes, "bytes"),
            (set[str], "set[str]"),
            (int | str, "int | str"),
            (list[date], "list[datetime.date]"),
            (dict[int, str], "dict[int, str]"),
            ("Missing", "Missing"),
            ([], "[]"),
        ],
    )
    def test_an_annotation_that_no_engine_stores_is_named(self, annotation, text):
        """JSON included: a list of dates could be declared, and never stored."""
        assert broken(declare(annotation, field())) == [("field_type", "x", f"{text} is not a field type")]

    @pytest.mark.parametrize(
        "annotation",
        [
            *(str, int, bool, float, date, datetime, UUID, Colour, dict, list, Any, list[str]),
            *(dict[str, list[int]], dict[str, str | None], str | None),
            *(Annotated[str, "a note"], Annotated[int | None, "a note"]),
        ],
    )
    def test_a_type_that_can_be_stored_passes(self, annotation):
        """Every kind, with and without None."""
        assert broken(declare(annotation, field())) == []

    def test_a_field_without_annotation_is_not_ignored(self):
        """Without one it would be no column, and the class no different."""

        class Model(Entity):
            name = field(max_length=10)

        assert broken(Model) == [("field_type", "name", "a field needs an annotation")]

    def test_a_reference_holds_a_uuid(self):
        """Keys are UUIDs everywhere."""

        class Other(Entity):
            pass

        class Model(Entity):
            other_id: int = ref(Other)

        assert broken(Other, Model) == [("field_type", "other_id", "a reference holds a UUID")]

    def test_an_enum_has_members(self):
        """No value could ever be stored."""

        class Nothing(StrEnum):
            pass

        assert broken(declare(Nothing, field())) == [("field_type", "x", "Nothing has no members")]


class TestDecimalSize:
    @pytest.mark.parametrize(("precision", "scale"), [(None, None), (12, None), (None, 2)])
    def test_both_numbers_are_needed(self, precision, scale):
        """How many digits are stored is not left to the engine."""
        model = declare(Decimal, field(precision=precision, scale=scale))
        assert broken(model) == [("decimal_size", "x", "a Decimal needs its number of digits")]

    @pytest.mark.parametrize(("precision", "scale"), [(19, 2), (2, 3), (12, -1), (0, 0)])
    def test_impossible_sizes_are_refused(self, precision, scale):
        """18 digits are what every engine keeps exactly."""
        model = declare(Decimal, field(precision=precision, scale=scale, default=Decimal(0)))
        assert broken(model) == [
            ("decimal_size", "x", f"precision {precision} with scale {scale} is not possible")
        ]

    @pytest.mark.parametrize(("precision", "scale"), [(18, 0), (18, 18), (1, 0)])
    def test_possible_sizes_pass(self, precision, scale):
        """The whole range."""
        assert broken(declare(Decimal, field(precision=precision, scale=scale))) == []

    def test_belongs_to_a_decimal(self):
        """An int has no scale."""
        assert broken(declare(int, field(scale=2))) == [
            ("decimal_size", "x", "precision and scale belong to a Decimal")
        ]

    def test_a_parameter_needs_its_digits_too(self):
        """The advice says how a parameter gives them."""

        class Model(Entity):
            @action
            def pay(self, amount: Decimal) -> None: ...

        (fault,) = faults_of(Model)
        assert str(fault) == (
            "a Decimal needs its number of digits (app.Model.pay(amount)) [PFQ201]\n"
            "  Try: annotate it Annotated[Decimal, field(precision=12, scale=2)]"
        )


class TestTextLimits:
    @pytest.mark.parametrize(
        ("annotation", "decl", "problem"),
        [
            (int, field(max_length=3), "length and pattern belong to text"),
            (int, field(pattern="x"), "length and pattern belong to text"),
            (str, field(max_length=601), "max_length is not between 1 and 600"),
            (str, field(max_length=0), "max_length is not between 1 and 600"),
            (str, field(min_length=9, max_length=3), "min_length exceeds max_length"),
            (
                str,
                field(pattern="("),
                "the pattern is not valid: missing ), unterminated subpattern at position 0",
            ),
            (int, field(search=True), "only text can be searched"),
        ],
    )
    def test_a_limit_that_makes_no_sense_is_refused(self, annotation, decl, problem):
        """One problem each."""
        assert broken(declare(annotation, decl)) == [("text_limits", "x", problem)]

    def test_a_broken_pattern_does_not_hide_other_rules(self):
        """The default is not judged by a pattern that is none, and nothing raises."""
        assert broken(declare(str, field(pattern="(", default="a"))) == [
            ("text_limits", "x", "the pattern is not valid: missing ), unterminated subpattern at position 0")
        ]

    @pytest.mark.parametrize("pattern", [r"(a+)+", r"(\w+\s?)*", r"(a|a)*", r"(x*)*y"])
    def test_a_pattern_that_a_text_can_make_endless_is_refused(self, pattern):
        """Whoever fills in a form must not be able to stop a worker."""
        problem = "a text that does not match the pattern can take seconds to refuse"
        assert broken(declare(str, field(max_length=40, pattern=pattern))) == [("text_limits", "x", problem)]

    def test_what_a_pattern_may_cost_depends_on_the_length(self):
        """Two parts that meet are nothing in a line, and hours in a million characters."""
        assert broken(declare(str, field(max_length=600, pattern=".*x.*"))) == []
        assert len(broken(declare(str, field(text=True, pattern=".*x.*")))) == 1
        assert broken(declare(str, field(text=True, max_length=4000, pattern=".*x.*"))) == []

    def test_limits_of_text_pass(self):
        """Both kinds of text."""
        assert broken(declare(str, field(min_length=1, max_length=600, pattern=".*", search=True))) == []
        assert broken(declare(str, field(text=True, min_length=1, max_length=100_000))) == []


class TestBounds:
    @pytest.mark.parametrize(
        ("annotation", "decl", "problem"),
        [
            (str, field(ge=1), "ge does not limit a str"),
            (bool, field(lt=1), "lt does not limit a bool"),
            (int, field(ge="1"), "ge does not limit a int"),
            (int, field(le=True), "le does not limit a int"),
            (float, field(le=float("nan")), "le does not limit a float"),
            (Decimal, field(precision=3, scale=1, gt=0.1), "gt does not limit a decimal"),
            (Decimal, field(precision=3, scale=1, gt=Decimal("inf")), "gt does not limit a decimal"),
            (date, field(ge=datetime(2000, 1, 1, tzinfo=UTC)), "ge does not limit a date"),
            (datetime, field(ge=datetime(2000, 1, 1)), "ge does not limit a datetime"),  # noqa: DTZ001
            (int, field(ge=3, le=2), "no value lies between its limits"),
            (int, field(gt=3, le=3), "no value lies between its limits"),
        ],
    )
    def test_a_limit_of_another_kind_is_refused(self, annotation, decl, problem):
        """A comparison that would fail at the first request fails at boot."""
        assert broken(declare(annotation, decl)) == [("bounds", "x", problem)]

    def test_a_default_is_not_compared_with_a_broken_limit(self):
        """One mistake is one violation, and nothing raises."""
        assert broken(declare(int, field(ge="1", default=3))) == [("bounds", "x", "ge does not limit a int")]

    @pytest.mark.parametrize(
        ("annotation", "decl"),
        [
            (int, field(ge=3, le=3)),
            (float, field(gt=0, lt=1.5)),
            (Decimal, field(precision=3, scale=1, ge=0, le=Decimal("9.5"))),
            (date, field(ge=date(2000, 1, 1))),
            (datetime, field(ge=datetime(2000, 1, 1, tzinfo=UTC))),
        ],
    )
    def test_a_limit_of_its_kind_passes(self, annotation, decl):
        """Numbers for numbers, dates for dates."""
        assert broken(declare(annotation, decl)) == []


class TestDefaults:
    @pytest.mark.parametrize(
        ("annotation", "decl", "problem"),
        [
            (str, field(default=None), "the default is None but None is not a value"),
            (str, field(default="abc", max_length=2), "the default must have at most 2 characters"),
            (int, field(default="1"), "the default must be a whole number"),
            (int, field(default=0, ge=1), "the default must be at least 1"),
            (Decimal, field(default=Decimal("0.001"), precision=9, scale=2),
             "the default must have at most 2 digits behind the point"),
            (Decimal, field(default=0.5, precision=9, scale=2), "the default must be a decimal number"),
            (Colour, field(default="red"), "the default is not a member of Colour"),
            (datetime, field(default=datetime(2000, 1, 1)), "the default must have a time zone"),  # noqa: DTZ001
            (list[str], field(default=[1]), "the default must be list[str]"),
            (int, field(default=now), "now is a date or a time"),
            (int, field(default_factory=3), "default_factory is not callable"),
            (list, field(default=[1], default_factory=list), "it has a default and a factory of defaults"),
            (datetime, field(default=now, default_factory=list), "it has a default and a factory of defaults"),
        ],
    )  # fmt: skip
    def test_a_default_that_the_field_would_refuse(self, annotation, decl, problem):
        """Found before the first entity is made."""
        assert broken(declare(annotation, decl)) == [("defaults", "x", problem)]

    def test_a_default_of_a_parameter_is_a_value_of_it(self):
        """An action's own default is held to its annotation."""

        class Model(Entity):
            @action
            def wait(self, days: int = "3") -> None: ...

        assert broken(Model) == [("defaults", "wait(days)", "the default must be a whole number")]


class TestIndexFields:
    def test_an_unknown_field_is_named_with_its_nearest(self):
        """A typo is mended from the text."""

        class Model(Entity):
            number: str
            meta = ModelMeta(indexes=[index("nubmer")])

        (fault,) = faults_of(Model)
        assert str(fault) == (
            "there is no field nubmer (app.Model.nubmer) [PFQ201]\n  Try: did you mean number?"
        )

    @pytest.mark.parametrize("decl", [field(text=True, index=True), field(text=True, unique=True)])
    def test_unlimited_text_is_not_indexed(self, decl):
        """No engine has a key for a million characters."""
        assert ("index_fields", "x", "x cannot be indexed") in broken(declare(str, decl))

    @pytest.mark.parametrize(
        ("indexes", "where", "problem"),
        [
            ([index("a", "a")], "a_a", "it names a field twice, or none"),
            ([index()], "", "it names a field twice, or none"),
            ([index("a", "b"), unique("a", "b")], "a_b", "it is indexed twice"),
            ([index("b")], "b", "it is indexed twice"),
            ([index("long", "wide")], "long_wide", "its key has up to 3200 bytes, more than 2800"),
        ],
    )
    def test_an_index_is_one_that_engines_have(self, indexes, where, problem):
        """Names once, fields once, and no longer than the smallest engine's key."""

        class Model(Entity):
            a: int
            b: int = field(index=True)
            long: str = field(max_length=400)
            wide: str = field(max_length=400)
            meta = ModelMeta(indexes=indexes)

        assert broken(Model) == [("index_fields", where, problem)]

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ({"order_by": "b"}, "order_by names b, which cannot be sorted"),
            ({"order_by": ("a", "-notes")}, "order_by names -notes, which cannot be sorted"),
            ({"label": "b"}, "label names b"),
        ],
    )
    def test_order_and_label_name_fields(self, options, problem):
        """What lists are sorted by, and what a row is called, exists."""

        class Model(Entity):
            a: int
            notes: str = field(text=True)
            meta = ModelMeta(**options)

        assert broken(Model) == [("index_fields", "", problem)]


class TestFilters:
    @pytest.mark.parametrize(
        ("annotation", "decl", "problem"),
        [
            (dict, field(filter=True), "a json field cannot be filtered"),
            (dict, field(sort=True), "a json field cannot be sorted"),
            (str, field(sort=True, text=True), "a text field cannot be sorted"),
        ],
    )
    def test_what_has_no_order_is_not_offered(self, annotation, decl, problem):
        """A list cannot answer it."""
        assert broken(declare(annotation, decl)) == [("filters", "x", problem)]

    def test_text_may_be_filtered(self):
        """By what it contains."""
        assert broken(declare(str, field(filter=True, text=True))) == []


class TestStatusMachine:
    def test_a_model_has_one_status(self):
        """Two life cycles are two models."""

        class Model(Entity):
            a: Stage = field(default=Stage.OPEN)
            b: Stage = field(default=Stage.OPEN)
            go = transition(Stage.OPEN, to=Stage.DONE)

        assert broken(Model) == [("status_machine", "b", "a model has one status")]

    def test_a_transition_needs_a_status(self):
        """It would have nothing to change."""

        class Model(Entity):
            go = transition(Stage.OPEN, to=Stage.DONE)

        assert broken(Model) == [("status_machine", "go", "a transition needs a status")]

    @pytest.mark.parametrize("annotation", [Stage, Stage | None])
    def test_a_new_entity_has_a_state(self, annotation):
        """A status without a first state, or with none at all."""
        model = type(Entity)(
            "Model",
            (Entity,),
            {
                "__module__": __name__,
                "__annotations__": {"stage": annotation},
                "stage": field() if annotation is Stage else field(default=Stage.OPEN),
                "go": transition(Stage.OPEN, to=Stage.DONE),
            },
        )
        assert broken(model) == [("status_machine", "stage", "a new entity needs a state")]

    def test_a_transition_names_the_models_own_states(self):
        """States of another model are another thing, whatever they are called."""

        class Other(Status):
            OPEN = "open"
            DONE = "done"

        class Model(Entity):
            stage: Stage = field(default=Stage.OPEN)
            go = transition(Other.OPEN, to=Other.DONE)

        assert broken(Model) == [("status_machine", "go", "it names a state that is not one of Stage")]

    def test_a_transition_comes_from_a_state(self):
        """One without sources would be possible never."""

        class Model(Entity):
            stage: Stage = field(default=Stage.OPEN)
            go = transition(Stage.OPEN, to=Stage.DONE)
            back = transition(to=Stage.OPEN)

        assert broken(Model) == [("status_machine", "back", "it comes from no state")]

    def test_every_state_is_reached(self):
        """A state that nothing leads to is a mistake, or dead."""

        class Model(Entity):
            stage: Stage = field(default=Stage.OPEN)

        assert broken(Model) == [("status_machine", "stage", "no transition leads to done")]


class TestReferences:
    def test_leads_to_a_listed_model(self):
        """A class that no provider lists has no table."""

        class Other(Entity):
            pass

        class Model(Entity):
            other_id: UUID = ref(Other)

        assert broken(Model) == [("references", "other_id", "Other belongs to no listed module")]

    def test_a_name_with_a_typo_gets_its_nearest(self):
        """The advice comes from the models that are listed."""

        class Customer(Entity):
            pass

        class Model(Entity):
            customer_id: UUID = ref("crm.Custmer")

        (fault,) = faults_of(Model, crm=(Customer,))
        assert fault.what == "crm.Custmer belongs to no listed module"
        assert fault.fix == "did you mean crm.Customer?"

    def test_another_modules_model_is_found_by_class_and_by_name(self):
        """Both ways of naming lead to the same specification."""

        class Customer(Entity):
            pass

        class Model(Entity):
            a_id: UUID = ref(Customer)
            b_id: UUID = ref("crm.Customer")

        catalog, faults = Catalog.read({"app": (Model,), "crm": (Customer,)})
        assert faults == []
        assert [f.ref.model for f in catalog[Model].fields if f.ref] == ["crm.Customer", "crm.Customer"]
        assert [f.ref.name for f in catalog[Model].fields if f.ref] == ["a", "b"]

    def test_a_model_alone_may_refer_to_what_is_not_there(self):
        """ModelMeta.of looks at one class."""

        class Model(Entity):
            b_id: UUID = ref("crm.Customer")

        assert ModelMeta.of(Model).field("b_id").filter

    def test_a_shared_row_does_not_refer_to_a_tenants(self):
        """Whose row would it be?"""

        class Own(Entity):
            pass

        class Common(Entity):
            own_id: UUID = ref(Own)
            meta = ModelMeta(scope="shared")

        assert broken(Own, Common) == [
            ("references", "own_id", "a shared row cannot refer to Own, whose rows belong to tenants")
        ]

    @pytest.mark.parametrize("on_delete", ["cascade", "set_null"])
    def test_deleting_a_shared_row_changes_no_tenants(self, on_delete):
        """The system would write rows of every tenant."""

        class Common(Entity):
            meta = ModelMeta(scope="shared")

        class Own(Entity):
            common_id: UUID | None = ref(Common, default=None, on_delete=on_delete)

        assert broken(Common, Own) == [
            ("references", "common_id", "deleting a shared Common would reach into every tenant")
        ]

    def test_set_null_needs_none(self):
        """The column could not hold it."""

        class Other(Entity):
            pass

        class Model(Entity):
            other_id: UUID = ref(Other, on_delete="set_null")

        assert broken(Other, Model) == [("references", "other_id", "set_null needs None to be a value")]

    def test_on_delete_is_a_word_that_exists(self):
        """A typo would be DDL."""

        class Other(Entity):
            pass

        class Model(Entity):
            other_id: UUID = ref(Other, on_delete="casacde")

        assert broken(Other, Model) == [("references", "other_id", "on_delete is unknown")]

    def test_the_field_is_called_after_the_id(self):
        """`include=other` and the field `other` would be one member."""

        class Other(Entity):
            pass

        class Model(Entity):
            other: UUID = ref(Other)

        assert broken(Other, Model) == [
            ("references", "other", "include= could not tell the row from its id")
        ]

    def test_what_is_included_hides_no_field(self):
        """other_id includes `other`, which is taken."""

        class Other(Entity):
            pass

        class Model(Entity):
            other: str
            other_id: UUID = ref(Other)

        assert broken(Other, Model) == [
            ("references", "other_id", "include=other would hide the field other")
        ]

    def test_a_target_that_is_neither_class_nor_name(self):
        """Reported, not raised."""

        class Model(Entity):
            other_id: UUID = ref(5)

        assert broken(Model) == [("references", "other_id", "5 belongs to no listed module")]


class TestChildrenOf:
    def test_a_child_has_no_life_of_its_own(self):
        """Actions and status are an entity's."""

        class Row(Child):
            @action
            def check(self) -> None: ...

        class Model(Entity):
            rows: list[Row] = children(Row)

        assert broken(Model) == [("children_of", "rows", "Row has actions, a status or children of its own")]

    def test_a_child_is_not_an_entity(self):
        """An entity has a version of its own."""

        class Row(Entity):
            title: str

        class Model(Entity):
            rows: list[Row] = children(Row)

        assert broken(Model) == [("children_of", "rows", "Row is an entity, with a version of its own")]

    def test_a_child_does_not_declare_the_column_of_its_parent(self):
        """Prefiq adds it."""

        class Row(Child):
            model_id: UUID

        class Model(Entity):
            rows: list[Row] = children(Row)

        assert broken(Model) == [("children_of", "rows", "Row declares model_id, which Prefiq adds")]

    def test_a_child_has_one_parent(self):
        """Its table has one column for it."""

        class Row(Child):
            title: str

        class A(Entity):
            rows: list[Row] = children(Row)

        class B(Entity):
            rows: list[Row] = children(Row)

        assert broken(A, B) == [("children_of", "rows", "Row already belongs to app.A.rows")]

    def test_a_child_is_held_by_one_field(self):
        """Two lists over one table would each load the rows of both."""

        class Row(Child):
            title: str

        class Model(Entity):
            billing: list[Row] = children(Row)
            shipping: list[Row] = children(Row)

        assert broken(Model) == [("children_of", "shipping", "Row already belongs to app.Model.billing")]

    @pytest.mark.parametrize("annotation", [int, list, list[int]])
    def test_the_annotation_says_what_is_held(self, annotation):
        """Editor and database agree."""

        class Row(Child):
            title: str

        model = declare(annotation, children(Row))
        assert broken(model) == [("children_of", "x", "its annotation does not say what it holds")]

    @pytest.mark.parametrize("held", [int, 5])
    def test_it_holds_children(self, held):
        """Anything else has no table."""
        assert broken(declare(list, children(held))) == [("children_of", "x", "it holds no entities")]


class TestActionParameters:
    def test_a_parameter_is_annotated_with_what_json_can_hold(self):
        """Unknown types and missing annotations alike."""

        class Model(Entity):
            @action
            def go(self, raw: bytes, plain) -> None: ...

        assert broken(Model) == [
            ("action_parameters", "go(raw)", "bytes cannot be sent in a request"),
            ("action_parameters", "go(plain)", "no annotation cannot be sent in a request"),
        ]

    def test_a_parameter_is_given_by_name(self):
        """A request's members have names."""

        class Model(Entity):
            @action
            def go(self, a: int, /, *more: int, **rest: int) -> None: ...

        assert broken(Model) == [
            ("action_parameters", f"go({name})", "it cannot be given by name")
            for name in ("a", "more", "rest")
        ]

    def test_a_body_is_plain(self):
        """An async body would never run."""

        class Model(Entity):
            @action
            async def go(self) -> None: ...

        assert broken(Model) == [("action_parameters", "go", "an action's body is not awaited")]

    def test_a_parameter_is_no_reference_and_has_no_clock(self):
        """Both belong to fields."""

        class Model(Entity):
            @action
            def go(self, other: Annotated[UUID, ref("app.Model")], at: datetime = now) -> None: ...

        assert broken(Model) == [
            ("action_parameters", "go(other)", "a reference is a field"),
            ("action_parameters", "go(at)", "now is the default of a field only"),
        ]

    def test_limits_of_parameters_are_held_to_the_same_rules(self):
        """A parameter is declared as a field is."""

        class Model(Entity):
            @action
            def go(
                self,
                a: Annotated[str, field(max_length=0)],
                b: Annotated[int, field(ge="x")],
                c: Annotated[int, field(validators=[lambda value: None])],
            ) -> None: ...

        assert [(rule, name) for rule, name, _ in broken(Model)] == [
            ("text_limits", "go(a)"),
            ("bounds", "go(b)"),
            ("validators", "go(c)"),
        ]


class TestTables:
    def test_two_models_do_not_share_a_table(self):
        """HttpLog and HTTPLog are one table."""

        class HttpLog(Entity):
            pass

        class HTTPLog(Entity):
            meta = ModelMeta(plural="others")

        assert broken(HttpLog, HTTPLog) == [
            ("tables", "", f"{HttpLog.__module__}.{HttpLog.__qualname__} has the table app_http_log")
        ]

    def test_two_classes_of_one_name_are_told_apart(self):
        """From two files of one module: the second would replace the first in silence."""
        one = type(Entity)("Model", (Entity,), {"__module__": "app.one", "__qualname__": "Model"})
        two = type(Entity)("Model", (Entity,), {"__module__": "app.two", "__qualname__": "Model"})
        assert ("tables", "", "app.one.Model has the table app_model") in broken(one, two)

    def test_two_models_do_not_share_a_path(self):
        """The second would never be reached."""

        class Box(Entity):
            pass

        class Boxe(Entity):
            pass

        assert broken(Box, Boxe) == [("tables", "", "app.Box has the path /api/app/boxes")]

    def test_a_model_without_api_takes_no_path(self):
        """Nor does a child."""

        class Row(Child):
            title: str

        class Rows(Entity):
            rows: list[Row] = children(Row)
            meta = ModelMeta(plural="rows")

        class Boxe(Entity):
            meta = ModelMeta(remote=False, plural="rows")

        assert broken(Rows, Boxe) == []

    def test_a_table_leaves_room_for_the_names_of_its_indexes(self):
        """PostgreSQL cuts names at 63 bytes without a word."""
        model = type(Entity)("A" + "b" * 44, (Entity,), {"__module__": __name__})
        assert broken(model) == [("tables", "", f"app_a{'b' * 44} is too long for a table")]


class TestValidators:
    @pytest.mark.parametrize(
        ("check", "problem"),
        [
            (5, "a validator is not callable"),
            (lambda value: None, "a lambda has no name that prefiq.toml could disable"),
        ],
    )
    def test_a_check_of_a_field_has_a_name(self, check, problem):
        """`disable` must be able to say it."""
        assert broken(declare(str, field(validators=[check]))) == [("validators", "x", problem)]

    def test_a_check_is_not_awaited(self):
        """An async one would never look."""

        async def check(value: str) -> None: ...

        class Model(Entity):
            name: str = field(validators=[check])

            @validator
            async def whole(self) -> None: ...

        assert broken(Model) == [
            ("validators", "name", "a check is not awaited"),
            ("validators", "whole", "a check is not awaited"),
        ]

    def test_a_check_of_the_entity_takes_it_alone(self):
        """Nobody could give it more."""

        class Model(Entity):
            @validator
            def whole(self, more: int) -> None: ...

        assert broken(Model) == [
            ("validators", "whole", "a check of the whole entity takes the entity alone")
        ]

    def test_an_object_with_a_class_name_is_a_check(self):
        """Callables with parameters of their own are named by their class."""

        class AtLeast:
            def __call__(self, value: int) -> None: ...

        assert broken(declare(int, field(validators=[AtLeast(), functools.partial(print)]))) == []


class TestCatalog:
    def test_what_is_not_an_entity_is_named(self):
        """Objects and other classes."""
        faults = faults_of(int, "x")
        assert [str(f) for f in faults] == [
            "int is not an entity (module app) [PFQ200]\n  Try: derive it from prefiq.Entity",
            "x is not an entity (module app) [PFQ200]\n  Try: derive it from prefiq.Entity",
        ]

    def test_a_model_is_listed_once(self):
        """In one module, once."""

        class Model(Entity):
            pass

        (fault,) = faults_of(Model, other=(Model,))
        assert str(fault) == "Model is listed twice (modules app and other) [PFQ200]"

    def test_abstract_models_and_bases_are_not_listed(self):
        """They only lend their fields."""

        class Lookup(Entity):
            meta = ModelMeta(abstract=True)

        assert [f.what for f in faults_of(Lookup, Entity, Child)] == [
            "Lookup is abstract",
            "Entity is abstract",
            "Child is abstract",
        ]

    def test_a_child_is_not_listed(self):
        """Its parent is."""

        class Row(Child):
            title: str

        (fault,) = faults_of(Row)
        assert str(fault) == "Row is a child (module app) [PFQ200]\n  Try: list the model that holds it"

    def test_an_unlisted_model_is_asked_for_in_vain(self):
        """The error says what to do."""

        class Model(Entity):
            pass

        with pytest.raises(DeclarationError, match=r"^Model belongs to no listed module"):
            Catalog.build({})[Model]

    def test_models_are_found_by_class_name_and_module(self):
        """In the order of the modules."""

        class A(Entity):
            pass

        class B(Entity):
            pass

        catalog = Catalog.build({"one": (A,), "two": (B,)})
        assert catalog[A] is catalog["one.A"]
        assert [spec.qualified for spec in catalog] == ["one.A", "two.B"]
        assert catalog.of_module("two") == (catalog[B],)
        assert len(catalog) == 2
        assert catalog.get("one.C") is None
