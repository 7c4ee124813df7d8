"""From a class to its frozen specification."""

import dataclasses
import json
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest

from prefiq.contracts import Refused
from prefiq.errors import Faults
from prefiq.foundation.entity import Child, Entity
from prefiq.lowcode import (
    Catalog,
    IndexSpec,
    ModelMeta,
    Status,
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
from prefiq.lowcode.field import MISSING
from prefiq.lowcode.model_spec import plural_of, snake, words

from .later_annotations import Later, Row, Unreadable


class Stage(Status):
    DRAFT = "draft"
    ACTIVE = "active"
    CLOSED = "closed"


class Lookup(Entity):
    """What every lookup table has.

    More about it.
    """

    code: str = field(max_length=12, unique=True)
    active: bool = field(default=True, index=True)
    meta = ModelMeta(label="code", order_by="code", abstract=True)

    @action
    def retire(self) -> None:
        self.active = False

    @validator
    def sound(self) -> None:
        self.require(self.code != "X", "code", "must not be X")


class Country(Lookup):
    area: float | None = field(default=None)


class TestModel:
    def test_names_are_derived(self):
        """Table, path, permission and label come from module and class."""

        class ChecklistItem(Entity):
            """A thing to do.

            Not part of the first paragraph.
            """

        spec = ModelMeta.of(ChecklistItem, module="tasks")
        assert spec.qualified == "tasks.ChecklistItem"
        assert spec.table == "tasks_checklist_item"
        assert spec.path == "/api/tasks/checklist-items"
        assert spec.permission == "tasks.checklist_item"
        assert (spec.label, spec.label_plural) == ("Checklist item", "Checklist items")
        assert spec.doc == "A thing to do."

    def test_names_can_be_given(self):
        """plural= and title= override; the plural for people follows."""

        class Person(Entity):
            meta = ModelMeta(plural="key-people", title="Human being")

        spec = ModelMeta.of(Person)
        assert spec.path == "/api/app/key-people"
        assert (spec.label, spec.label_plural) == ("Human being", "Key people")

    def test_options_are_kept(self):
        """Every option of ModelMeta reaches the specification."""

        class Model(Entity):
            name: str
            due: date | None = field(default=None)
            meta = ModelMeta(
                label="name",
                order_by=("-due", "name"),
                indexes=[index("due", "name"), unique("name", "due")][:1],
                scope="shared",
                audit=False,
                soft_delete=True,
                remote=False,
            )

        spec = ModelMeta.of(Model)
        assert spec.label_field == "name"
        assert spec.order_by == ("-due", "name")
        assert spec.indexes == (IndexSpec("due_name", ("due", "name")),)
        assert (spec.scope, spec.audit, spec.soft_delete, spec.remote) == ("shared", False, True, False)

    def test_defaults_are_careful(self):
        """A model belongs to a tenant, keeps history, really deletes and has an API."""

        class Model(Entity):
            name: str

        spec = ModelMeta.of(Model)
        assert (spec.scope, spec.audit, spec.soft_delete, spec.remote) == ("tenant", True, False, True)
        assert (spec.label_field, spec.order_by, spec.indexes, spec.status) == ("", (), (), None)

    def test_is_frozen(self):
        """Nobody changes a declaration after boot."""
        spec = ModelMeta.of(Country)
        with pytest.raises(dataclasses.FrozenInstanceError):
            spec.table = "other"

    def test_finds_fields_and_actions_by_name(self):
        """An unknown one is a KeyError."""
        spec = ModelMeta.of(Country)
        assert spec.field("area").kind == "float"
        assert spec.action("retire").name == "retire"
        for find in (spec.field, spec.action):
            with pytest.raises(KeyError):
                find("nothing")

    def test_entity_fields_are_in_the_constructors_order(self):
        """Rows are built by position."""
        assert Country.__struct_fields__ == ("id", "version", "code", "active", "area")


class TestInheritance:
    def test_a_subclass_has_fields_options_actions_and_checks(self):
        """An abstract model lends all of them, but is not listed itself."""
        spec = ModelMeta.of(Country, module="masters")
        assert [f.name for f in spec.fields] == ["code", "active", "area"]
        assert (spec.label_field, spec.order_by) == ("code", ("code",))
        assert spec.action("retire").permission == "masters.country.retire"
        assert [v.name for v in spec.validators] == ["sound"]
        assert spec.doc == ""

    def test_options_of_its_own_replace_all(self):
        """As with any attribute of a class."""

        class Currency(Lookup):
            meta = ModelMeta(plural="monies")

        spec = ModelMeta.of(Currency)
        assert (spec.plural, spec.label_field) == ("monies", "")

    def test_a_field_can_be_declared_anew(self):
        """In its place, with its new limits; the base keeps its own."""

        class Short(Lookup):
            code: str = field(max_length=3)
            more: int = field(default=0)

        spec = ModelMeta.of(Short)
        assert next((f.name, f.max_length, f.unique) for f in spec.fields) == ("code", 3, False)
        assert ModelMeta.of(Country).field("code").max_length == 12
        assert Short(code="abc").code == "abc"
        assert set(spec.cls.__struct_fields__) == {"id", "version", "code", "active", "more"}

    def test_an_action_can_be_overridden_and_taken_away(self):
        """The most derived declaration counts."""

        class Loud(Lookup):
            @action(permission="masters.hush")
            def retire(self, why: str) -> None: ...

        class Still(Lookup):
            retire = None

        spec = ModelMeta.of(Loud)
        assert [a.name for a in spec.actions] == ["retire"]
        assert spec.action("retire").permission == "masters.hush"
        assert [p.name for p in spec.action("retire").parameters] == ["why"]
        assert ModelMeta.of(Still).actions == ()

    def test_a_check_can_be_overridden_and_taken_away(self):
        """Under the same name, or not at all."""

        class Other(Lookup):
            @validator
            def sound(self) -> None: ...

        class Free(Lookup):
            def sound(self) -> None: ...

        assert [v.function for v in ModelMeta.of(Other).validators] == [Other.sound]
        assert ModelMeta.of(Free).validators == ()

    def test_checks_are_in_order_of_declaration(self):
        """So are the faults that they find."""

        class Model(Entity):
            @validator
            def second(self) -> None: ...

            @validator
            def first(self) -> None: ...

        assert [v.name for v in ModelMeta.of(Model).validators] == ["second", "first"]


class TestField:
    @pytest.fixture
    def spec(self):
        class Other(Entity):
            pass

        class Model(Entity):
            plain: str
            code: str = field(unique=True)
            indexed: int = field(index=True)
            note: str = field(text=True, default="", help="For you", label="Remark")
            price: Decimal = field(precision=9, scale=2, gt=0)
            made: datetime = field(default=now)
            tags: list[str] = field(default_factory=list)
            stage: Stage = field(default=Stage.DRAFT)
            secret: str = field(default="", unique=True, hidden=True)
            system: int = field(default=0, read_only=True)
            open_: Any = 0
            filtered: bool = field(default=False, filter=True)
            unfiltered: int = field(default=0, index=True, filter=False, sort=False)
            other_id: UUID | None = ref(Other, default=None, unique=True, read_only=True, help="Which")
            go = transition(Stage.DRAFT, to=Stage.ACTIVE)

        catalog, _ = Catalog.read({"app": (Model, Other)})
        return catalog[Model]

    @pytest.mark.parametrize(
        ("name", "kind", "type_", "nullable", "required"),
        [
            ("plain", "str", str, False, True),
            ("note", "text", str, False, False),
            ("price", "decimal", Decimal, False, True),
            ("made", "datetime", datetime, False, False),
            ("tags", "json", list[str], False, False),
            ("stage", "enum", Stage, False, False),
            ("open_", "json", object, False, False),
            ("other_id", "uuid", UUID, True, False),
        ],
    )
    def test_kind_type_and_need(self, spec, name, kind, type_, nullable, required):
        """What a field holds, and whether a new entity must be given one."""
        found = spec.field(name)
        assert (found.kind, found.type, found.nullable, found.required) == (kind, type_, nullable, required)

    @pytest.mark.parametrize(
        ("name", "filtered", "sorted_"),
        [
            ("plain", False, False),
            ("code", True, True),
            ("indexed", True, True),
            ("stage", True, True),
            ("secret", False, False),
            ("filtered", True, False),
            ("unfiltered", False, False),
            ("other_id", True, True),
        ],
    )
    def test_filter_and_sort_follow_the_index_unless_said(self, spec, name, filtered, sorted_):
        """Default deny: a list answers only what the database has an index for."""
        assert (spec.field(name).filter, spec.field(name).sort) == (filtered, sorted_)

    def test_who_may_write_it(self, spec):
        """A status, a read-only and a hidden field are not taken from requests."""
        assert {f.name for f in spec.fields if not f.writable} == {"stage", "secret", "system", "other_id"}

    def test_indexes_come_from_fields(self, spec):
        """Unique, indexed, status and reference."""
        assert [(i.name, i.unique) for i in spec.indexes] == [
            ("code", True),
            ("indexed", False),
            ("stage", False),
            ("secret", True),
            ("unfiltered", False),
            ("other_id", True),
        ]

    def test_texts_for_people(self, spec):
        """Given, or made from the name."""
        assert (spec.field("note").label, spec.field("note").help) == ("Remark", "For you")
        assert spec.field("other_id").label == "Other id"
        assert spec.field("other_id").help == "Which"

    def test_a_string_has_a_limit_and_a_text_its_own(self, spec):
        """255 where nothing is said."""
        assert spec.field("plain").max_length == 255
        assert spec.field("note").max_length is None

    def test_the_clocks_default_is_no_value(self, spec):
        """The service fills it in."""
        assert spec.field("made").clock_default
        assert spec.field("made").default is MISSING

    def test_the_status_machine(self, spec):
        """Field, first state and all states."""
        assert (spec.status.field, spec.status.initial) == ("stage", "draft")
        assert spec.status.states == ("draft", "active", "closed")


class TestAction:
    @pytest.fixture
    def spec(self):
        def not_blank(value: str) -> None:
            if not value.strip():
                raise Refused("", "must not be blank")

        class Model(Entity):
            stage: Stage = field(default=Stage.DRAFT)
            activate = transition(Stage.DRAFT, Stage.CLOSED, to=Stage.ACTIVE)

            @transition(Stage.ACTIVE, to=Stage.CLOSED, permission="app.close")
            def close(
                self,
                reason: Annotated[str, field(max_length=20, validators=[not_blank])],
                fee: Annotated[Decimal | None, field(precision=5, scale=2, ge=0)] = None,
                *,
                to: Stage = Stage.CLOSED,
                owner: Annotated[UUID, "a note"] | None = None,
                tags: Annotated[list[str], field(default_factory=list)],
            ) -> None:
                """End it.

                For good.
                """

        return ModelMeta.of(Model)

    def test_a_bare_transition_has_states_and_no_parameters(self, spec):
        """Its permission is derived."""
        found = spec.action("activate")
        assert (found.sources, found.to) == (("draft", "closed"), "active")
        assert (found.permission, found.parameters, found.doc) == ("app.model.activate", (), "")

    def test_parameters_are_declared_like_fields(self, spec):
        """Annotated carries the limits, the signature the default."""
        found = spec.action("close")
        assert (found.permission, found.doc) == ("app.close", "End it.")
        reason, fee, to, owner, tags = found.parameters
        assert (reason.kind, reason.max_length, reason.required) == ("str", 20, True)
        assert (fee.kind, fee.precision, fee.nullable, fee.required, fee.default) == (
            "decimal",
            5,
            True,
            False,
            None,
        )
        assert (to.kind, to.default, to.is_status, to.writable) == ("enum", Stage.CLOSED, False, True)
        assert (owner.kind, owner.nullable) == ("uuid", True)
        assert (tags.kind, tags.required) == ("json", False)


class TestChildren:
    def test_a_childs_specification_stands_in_its_parents(self):
        """With the parent's scope, history and column, and no API of its own."""

        class Line(Child):
            title: str

        class BigOrder(Entity):
            lines: list[Line] = children(Line, label="Positions")
            meta = ModelMeta(scope="shared", audit=False, soft_delete=True)

        (child,) = ModelMeta.of(BigOrder, module="sales").children
        assert (child.name, child.label) == ("lines", "Positions")
        assert child.model.table == "sales_line"
        assert (child.model.parent, child.model.parent_column) == ("sales.BigOrder", "big_order_id")
        assert (child.model.scope, child.model.audit, child.model.remote) == ("shared", False, False)
        assert not child.model.soft_delete
        assert child.model.cls.__struct_fields__ == ("id", "title")


class TestTextAnnotations:
    def test_are_read_where_the_class_stands(self):
        """Names of the module first, then classes inside the class; ClassVar is no field."""
        spec = ModelMeta.of(Later)
        assert [(f.name, f.kind) for f in spec.fields] == [("date", "date"), ("stage", "enum")]
        assert spec.field("date").nullable
        assert spec.children[0].model.cls is Row
        assert [(p.name, p.kind) for p in spec.action("move").parameters] == [("to", "enum"), ("note", "str")]
        assert Later.kind == "later"

    def test_an_import_for_checkers_alone_is_a_readable_violation(self):
        """Both places are named, with what to do."""
        _, faults = Catalog.read({"app": (Unreadable,)})
        assert str(Faults("x", faults)) == (
            "x: 3 faults\n"
            "  1. Decimal is not a field type (app.Unreadable.amount) [PFQ201]\n"
            "       Try: use str, int, bool, Decimal, float, date, datetime, UUID, a Status or StrEnum, dict or "
            "list; import the type where the class is declared, outside TYPE_CHECKING\n"
            "  2. precision and scale belong to a Decimal (app.Unreadable.amount) [PFQ201]\n"
            "       Try: annotate it Decimal\n"
            "  3. Decimal cannot be sent in a request (app.Unreadable.pay(amount)) [PFQ201]\n"
            "       Try: annotate it as a field would be"
        )


@pytest.mark.parametrize(
    ("name", "parts", "text"),
    [
        ("Project", "project", "Project"),
        ("ChecklistItem", "checklist_item", "Checklist item"),
        ("HTTPServer", "http_server", "Http server"),
        ("IsoCode2", "iso_code2", "Iso code2"),
        ("sort_order", "sort_order", "Sort order"),
    ],
)
def test_class_names_become_words(name, parts, text):
    """For tables and for people."""
    assert snake(name) == parts
    assert words(name) == text


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("project", "projects"),
        ("country", "countries"),
        ("day", "days"),
        ("box", "boxes"),
        ("batch", "batches"),
        ("dish", "dishes"),
        ("status", "statuses"),
        ("buzz", "buzzes"),
    ],
)
def test_regular_plurals(one, many):
    """Others are said in ModelMeta."""
    assert plural_of(one) == many


def test_a_declaration_loads_no_database_library():
    """Declaring entities is cheap: no SQLAlchemy, no web framework, no container."""
    code = (
        "import json, sys, prefiq.lowcode, prefiq.foundation.entity; "
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", code], text=True))
    heavy = {"sqlalchemy", "alembic", "starlette", "dependency_injector", "pluggy", "jinja2", "click", "rich"}
    assert heavy.isdisjoint(loaded)
    assert "msgspec" in loaded
