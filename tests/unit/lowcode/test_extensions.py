"""What extensions make of a model, and every mistake in them: one that is broken, one that is met."""

# Annotations are values here: the classes are local to their tests, where text could not be resolved.

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest

from prefiq.contracts import IllegalTransition, Refused
from prefiq.foundation import Child, Entity, Extension
from prefiq.lowcode import (
    Catalog,
    DeclarationError,
    ExtensionMeta,
    ModelMeta,
    Status,
    Validator,
    Violation,
    action,
    children,
    field,
    index,
    now,
    ref,
    transition,
    tune,
    unique,
    uuid7,
    validator,
)


class Stage(Status):
    OPEN = "open"
    DONE = "done"


class Line(Child):
    text: str


class Owner(Entity):
    name: str


class Thing(Entity):
    code: str = field(max_length=20, pattern="[A-Z]+", unique=True)
    note: str | None = field(default=None, max_length=50)
    size: int = field(default=1, ge=0, le=100)
    owner_id: UUID | None = ref(Owner, default=None)
    stage: Stage = field(default=Stage.OPEN)
    lines: list[Line] = children(Line)

    finish = transition(Stage.OPEN, to=Stage.DONE)


Extending = dict[str, tuple[Any, ...]]


def faults_of(*extensions: Any, module: str = "more", extending: Extending | None = None) -> list[Any]:
    wanted = extending if extending is not None else {module: extensions}
    return Catalog.read({"shop": (Owner, Thing)}, wanted)[1]


def broken(
    *extensions: Any, module: str = "more", extending: Extending | None = None
) -> list[tuple[str, str, str]]:
    """(rule, where, problem) of every violation."""
    faults = faults_of(*extensions, module=module, extending=extending)
    assert all(isinstance(fault, Violation) for fault in faults), faults
    return [(fault.rule, fault.where, fault.what) for fault in faults]


def extension(name: str = "ThingMore", **body: Any) -> Any:
    """An extension; a field is a pair of annotation and declaration."""
    annotations = {field: value[0] for field, value in body.items() if isinstance(value, tuple)}
    values = {key: value[1] if isinstance(value, tuple) else value for key, value in body.items()}
    return type(Extension)(
        name,
        (Extension,),
        {
            "__annotations__": annotations,
            "__module__": __name__,
            "__orig_bases__": (Extension[Thing],),
            **values,
        },
    )


def spec_of(*extensions: Any, module: str = "more") -> Any:
    return Catalog.build({"shop": (Owner, Thing)}, {module: extensions})[Thing]


# ---- what it makes


def test_fields_are_qualified() -> None:
    """By module everywhere, in columns with an x in front; the model's own fields stay alone."""
    spec = spec_of(
        extension(rate=(int, field(default=0, index=True)), owner_id=(UUID | None, ref(Owner, default=None)))
    )
    (found,) = spec.extensions
    assert [(f.name, f.attribute, f.column) for f in found.fields] == [
        ("more.rate", "rate", "x_more_rate"),
        ("more.owner_id", "owner_id", "x_more_owner_id"),
    ]
    assert [(i.name, i.fields) for i in found.indexes] == [
        ("x_more_rate", ("more.rate",)),
        ("x_more_owner_id", ("more.owner_id",)),
    ]
    assert (found.qualified, found.base) == ("more.ThingMore", "shop.Thing")
    assert "more.rate" not in {f.name for f in spec.fields}
    assert spec.field("more.rate") in spec.all_fields
    assert found.fields[1].ref.model == "shop.Owner"


def test_an_index_of_one_field_opens_it() -> None:
    """To filter and sort, unless the field says otherwise."""
    meta = ExtensionMeta(indexes=(index("a"), index("b"), index("c", "d"), unique("e")))
    spec = spec_of(
        extension(
            a=(int, field(default=0)),
            b=(int, field(default=0, filter=False, sort=False)),
            c=(int, field(default=0)),
            d=(int, field(default=0)),
            e=(int | None, field(default=None)),
            meta=meta,
        )
    )
    opened = {f.attribute: (f.filter, f.sort) for f in spec.extensions[0].fields}
    assert opened == {
        "a": (True, True), "b": (False, False), "c": (False, False), "d": (False, False), "e": (True, True)
    }  # fmt: skip


def test_actions_are_the_models() -> None:
    """Listed behind its own, with a permission of the extending module."""

    class ThingMore(Extension[Thing]):
        total: int = field(default=0)

        @action
        def add(self, amount: int = 1) -> None:
            self.total += amount

        reopen = transition(Stage.DONE, to=Stage.OPEN, permission="more.reopen")

        @transition(Stage.OPEN, to=Stage.DONE)
        def end(self) -> None:
            """End it."""
            self.base.note = "ended"

    spec = spec_of(ThingMore)
    assert [(a.name, a.permission) for a in spec.actions] == [
        ("finish", "shop.thing.finish"),
        ("add", "more.thing.add"),
        ("reopen", "more.reopen"),
        ("end", "more.thing.end"),
    ]
    thing = Thing(code="A")
    ThingMore.on(thing).add(2)
    spec.action("add").action.apply(thing, amount=3)
    assert ThingMore.of(thing).total == 5
    ThingMore.on(thing).end()
    assert (thing.stage, thing.note) == (Stage.DONE, "ended")
    with pytest.raises(IllegalTransition):
        ThingMore.on(thing).end()
    spec.action("reopen").action.apply(thing)
    assert thing.stage is Stage.OPEN


def test_tuning_changes_the_model_and_not_its_table() -> None:
    """Of two limits the narrower counts; what is stored stays as its own module declares it."""
    one = extension(
        "One", meta=ExtensionMeta(tune={"note": tune(label="Remark", required=True, max_length=30)})
    )
    two = extension(
        "Two",
        meta=ExtensionMeta(
            tune={
                "note": tune(max_length=40, help="Say it"),
                "size": tune(default=5, ge=2),
                "code": tune(read_only=True, default="X"),
                "owner_id": tune(hidden=True),
            }
        ),
    )
    spec = Catalog.build({"shop": (Owner, Thing)}, {"one": (one,), "two": (two,)})[Thing]
    note = spec.field("note")
    assert (note.label, note.help, note.max_length, note.nullable, note.required) == (
        "Remark",
        "Say it",
        30,
        False,
        True,
    )
    assert (note.stored.max_length, note.column_nullable) == (50, True)
    size = spec.field("size")
    assert (size.default, size.ge, size.le) == (5, 2, 100)
    assert (spec.field("code").required, spec.field("code").writable) == (False, False)
    owner = spec.field("owner_id")
    assert (owner.hidden, owner.filter, owner.sort) == (True, False, False)


def test_validators_of_both_find_everything() -> None:
    """Faults carry the qualified field; rules run where the values are sound, and can be switched off."""

    def even(value: int) -> None:
        if value % 2:
            raise Refused("", "must be even", reason="odd")

    class ThingMore(Extension[Thing]):
        most: int | None = field(default=None, ge=1, validators=(even,))
        text: str = field(default="", max_length=3)

        @validator
        def most_covers_size(self) -> None:
            if self.most is not None and self.base.size > self.most:
                raise Refused("most", "too little")
            if self.base.size == 50:
                raise Refused("size", "never fifty")

    spec = spec_of(ThingMore)
    thing = Thing(code="a", size=7)
    more = ThingMore.on(thing)
    more.most, more.text = 3, "long"
    check = Validator(spec)
    assert [(e.field, e.code, e.pointer) for e in check.errors(thing)] == [
        ("code", "pattern", "#/code"),
        ("more.most", "odd", "#/more/most"),
        ("more.text", "max_length", "#/more/text"),
    ]
    thing.code, more.most, more.text = "A", 4, "ok"
    assert [(e.field, e.message) for e in check.errors(thing, "3.")] == [("3.more.most", "too little")]
    assert Validator(spec, {"more.most_covers_size"}).errors(thing) == []
    more.most, thing.size = 90, 50
    assert [e.field for e in check.errors(thing)] == ["size"]
    more.most = 5
    assert [e.code for e in Validator(spec, {"more.even", "more.most_covers_size"}).errors(thing)] == []
    assert [e.field for e in check.errors(Thing(code="A"))] == []


def test_values_that_would_be_lost_are_refused() -> None:
    """An extension that no listed module brings cannot be stored."""
    stranger = extension("Stranger", a=(int, field(default=0)))
    thing = Thing(code="A")
    stranger.on(thing).a = 1
    with pytest.raises(DeclarationError, match="no listed module brings"):
        Validator(Catalog.build({"shop": (Owner, Thing)})[Thing]).errors(thing)


def test_an_extension_knows_its_entity() -> None:
    """Where it was taken from one; of another model it cannot be taken."""
    more = extension(a=(int, field(default=0)))
    thing = Thing(code="A")
    assert more.of(thing) == more()
    assert getattr(thing, "_ext", None) is None
    assert more.on(thing).base is thing
    assert more.on(thing) is more.on(thing)
    with pytest.raises(TypeError, match=r"take ThingMore\.on"):
        _ = more().base
    with pytest.raises(TypeError, match="extends Thing, not Owner"):
        more.on(Owner(name="x"))


# ---- what it may not


def test_a_sound_extension_breaks_nothing() -> None:
    """So that the tests below say something."""
    assert broken(extension(a=(int, field(default=0)), b=(datetime | None, field(default=now)))) == []


@pytest.mark.parametrize(
    ("body", "rule", "where", "problem"),
    [
        ({"a": (int, field())}, "extensions", "a", "rows that exist have no value for it"),
        ({"a": (datetime, field(default=now))}, "extensions", "a", "rows that exist have no such moment"),
        ({"a": (str, field(default="", unique=True))}, "extensions", "a", "all rows that exist have its default, and would have to differ"),
        ({"a": (UUID, field(default_factory=uuid7))}, "extensions", "a", "its default is another one each time, and rows that exist read it"),
        ({"a": (Stage, field(default=Stage.OPEN))}, "extensions", "a", "an extension brings no status of its own"),
        ({"a": (list[Line], children(Line))}, "extensions", "a", "an extension has no children"),
        ({"id": (int, field(default=0))}, "extensions", "id", "id is Prefiq's own"),
        ({"a" * 41: (int, field(default=0))}, "names", "a" * 41, "a field's name is lower snake case of at most 40 characters"),
        ({"a": (int, field(default=0, max_length=3))}, "text_limits", "a", "length and pattern belong to text"),
        ({"a": (Decimal, field(default=Decimal(0)))}, "decimal_size", "a", "a Decimal needs its number of digits"),
        ({"a": (str, field(default="abc", max_length=2))}, "defaults", "a", "the default must have at most 2 characters"),
        ({"a": (set[int], field(default_factory=set))}, "field_type", "a", "set[int] is not a field type"),
        ({"a_id": (UUID | None, ref("shop.Nobody", default=None))}, "references", "a_id", "shop.Nobody belongs to no listed module"),
        ({"meta": ModelMeta()}, "extensions", "meta", "meta is not an ExtensionMeta"),
        ({"meta": ExtensionMeta(tune=[])}, "extensions", "meta", "tune does not map fields to tune(…)"),
        ({"meta": ExtensionMeta(tune={"note": "x"})}, "extensions", "meta", "tune does not map fields to tune(…)"),
        ({"meta": ExtensionMeta(indexes=("a",))}, "extensions", "meta", "indexes does not list indexes"),
        ({"meta": ExtensionMeta(indexes=(index("b"),))}, "index_fields", "b", "there is no field b"),
        ({"meta": ExtensionMeta(tune={"notes": tune(label="x")})}, "tuning", "notes", "shop.Thing has no field notes"),
        ({"meta": ExtensionMeta(tune={"note": tune(max_length=60)})}, "tuning", "note", "max_length=60 allows more than the base's 50"),
        ({"meta": ExtensionMeta(tune={"size": tune(ge=-1)})}, "tuning", "size", "ge=-1 allows more than the base's 0"),
        ({"meta": ExtensionMeta(tune={"size": tune(le=101)})}, "tuning", "size", "le=101 allows more than the base's 100"),
        ({"meta": ExtensionMeta(tune={"code": tune(pattern=".*")})}, "tuning", "code", "the base has a pattern already"),
        ({"meta": ExtensionMeta(tune={"stage": tune(default=Stage.DONE)})}, "tuning", "stage", "the status belongs to the base's machine"),
        ({"meta": ExtensionMeta(tune={"code": tune(hidden=True)})}, "tuning", "code", "a value is required and nobody could give one"),
        ({"meta": ExtensionMeta(tune={"size": tune(default=101)})}, "defaults", "size", "the default must be at most 100"),
        ({"meta": ExtensionMeta(tune={"note": tune(ge=1)})}, "bounds", "note", "ge does not limit a str"),
    ],
)  # fmt: skip
def test_a_mistake_is_found(body: dict[str, Any], rule: str, where: str, problem: str) -> None:
    """Each names the extension and what is wrong with it."""
    assert (rule, f"more.ThingMore.{where}", problem) in broken(extension(**body))


def test_what_is_no_extension_is_said() -> None:
    """Without a model, listed twice, in the wrong place, of an unlisted model or of the module's own."""
    more = extension(a=(int, field(default=0)))
    stranger = type(Extension)(
        "Stranger", (Extension,), {"__module__": __name__, "__orig_bases__": (Extension[Line],)}
    )
    assert [str(fault.what) for fault in faults_of(Thing, Extension, more, more, stranger)] == [
        "Thing extends no model",
        "Extension extends no model",
        "ThingMore is listed twice",
        "Stranger extends Line, which belongs to no listed module",
    ]
    (fault,) = Catalog.read({"shop": (Owner, Thing, more)})[1]
    assert (fault.what, fault.fix) == ("ThingMore is an extension", "list it in its provider's extensions")
    assert ("extensions", "shop.ThingMore", "shop.Thing is the module's own") in broken(more, module="shop")


def test_an_actions_parameters_are_checked() -> None:
    """As a model's own are."""

    class ThingMore(Extension[Thing]):
        @action
        def bill(self, amount: Decimal) -> None: ...

        @action
        async def later(self) -> None: ...

        @action
        def delete(self) -> None: ...

    assert {(rule, where) for rule, where, _ in broken(ThingMore)} == {
        ("decimal_size", "more.ThingMore.bill(amount)"),
        ("action_parameters", "more.ThingMore.later"),
        ("names", "more.ThingMore.delete"),
    }


# ---- what collides


def test_two_of_one_name_are_told_together() -> None:
    """Members, columns, actions with their routes, and tunings that disagree, each with both modules."""

    class First(Extension[Thing]):
        @action
        def bill(self) -> None: ...

        meta = ExtensionMeta(tune={"note": tune(label="One", default="x")})

    class Second(Extension[Thing]):
        @action
        def bill(self) -> None: ...

        @action
        def finish(self) -> None: ...

        meta = ExtensionMeta(tune={"note": tune(label="Two", default="x")})

    class Third(Extension[Thing]): ...

    found = broken(extending={"one": (First, Third), "two": (Second,), "note": (extension("Fourth"),)})
    assert found == [
        ("conflicts", "one.Third", "one.First is called one in shop.Thing already"),
        ("conflicts", "note.Fourth", "the field shop.Thing.note is called note in shop.Thing already"),
        ("conflicts", "two.Second.bill", "one.First has an action bill, with the same route"),
        ("conflicts", "two.Second.finish", "shop.Thing has an action finish, with the same route"),
        ("tuning", "two.Second.note", "one.First gives shop.Thing.note another label"),
    ]


def test_columns_of_different_fields_may_not_meet() -> None:
    """``a.b_c`` and ``a_b.c`` have one column."""
    one = extension("One", b_c=(int, field(default=0, index=True)))
    two = extension("Two", c=(int, field(default=0, index=True)))
    assert broken(extending={"a": (one,), "a_b": (two,)}) == [
        ("conflicts", "a_b.Two.c", "a.b_c has the column x_a_b_c"),
        ("conflicts", "a_b.Two", "a.One has an index x_a_b_c"),
    ]


def test_permissions_may_not_meet() -> None:
    """Of an extension's action and of a model of the extending module."""

    class ThingMore(Extension[Thing]):
        @action
        def ship(self) -> None: ...

    own = type(Entity)("Thing", (Entity,), {"__module__": __name__, "ship": action(lambda self: None)})
    faults = Catalog.read({"shop": (Owner, Thing), "more": (own,)}, {"more": (ThingMore,)})[1]
    assert [(f.rule, f.where, f.what) for f in faults] == [
        ("conflicts", "more.ThingMore.ship", "its permission more.thing.ship is more.Thing's as well")
    ]


def test_states_that_an_extension_reaches() -> None:
    """Its transitions are judged with the model's own."""

    class Colour(Status):
        RED = "red"

    class ThingMore(Extension[Thing]):
        redden = transition(Stage.OPEN, to=Colour.RED)

    assert ("status_machine", "shop.Thing.redden", "it names a state that is not one of Stage") in broken(
        ThingMore
    )


def test_annotated_parameters_are_read() -> None:
    """The declaration of an action's parameter stands in its annotation."""

    class ThingMore(Extension[Thing]):
        @action
        def bill(self, amount: Annotated[Decimal, field(precision=5, scale=2)]) -> None: ...

    assert spec_of(ThingMore).action("bill").parameters[0].scale == 2
