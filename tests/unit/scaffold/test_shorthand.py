"""The shorthand of ``--fields``: what it means, and every mistake with its column."""

from __future__ import annotations

import pytest

from prefiq.errors import Faults
from prefiq.scaffold import FieldsFault
from prefiq.scaffold.model_file import check_model, model_source
from prefiq.scaffold.shorthand import read_fields


def faults(text: str) -> list[tuple[int, str]]:
    """Column and problem of each fault."""
    with pytest.raises((FieldsFault, Faults)) as caught:
        read_fields(text)
    found = caught.value.exceptions if isinstance(caught.value, Faults) else [caught.value]
    return [(fault.column, fault.what) for fault in found if isinstance(fault, FieldsFault)]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a:str", "a: str = field(max_length=255)"),
        ("a:str(20)!", "a: str = field(max_length=20, unique=True)"),
        ("a:str!?", "a: str | None = field(default=None, max_length=255, unique=True)"),
        ('a:text="x \\"y\\" z"', 'a: str = field(default="x \\"y\\" z", text=True)'),
        ("a:int=-3", "a: int = field(default=-3)"),
        ("a:bool=true", "a: bool = field(default=True)"),
        ("a:decimal(4, 1)?", "a: Decimal | None = field(default=None, precision=4, scale=1)"),
        ("a:decimal(4,1)=0", 'a: Decimal = field(default=Decimal("0"), precision=4, scale=1)'),
        ("a:float=1", "a: float = field(default=1.0)"),
        ("a:date=2026-01-31", "a: date = field(default=date(2026, 1, 31))"),
        ("a:datetime=now", "a: datetime = field(default=now)"),
        ("a:uuid", "a: UUID = field()"),
        ("a:json", "a: dict[str, Any] = field()"),
        ("a:ref(Thing)?", 'a_id: UUID | None = ref("Thing", default=None)'),
        ("a:x|y=y", "a: ThingA = field(default=ThingA.Y)"),
        ("a:x>y", "a: ThingA = field(default=ThingA.X)"),
    ],
)
def test_every_type_and_mark(text: str, line: str) -> None:
    """Each becomes one line, and the whole is a declaration that is accepted as it stands."""
    source = model_source("thing", read_fields(text))
    assert f"    {line}\n" in source
    if "ref(" not in text:
        assert check_model(source, "thing", {}) == "/api/thing/things"


def test_a_status_has_its_transitions() -> None:
    """Each state is reached from the one before."""
    source = model_source("thing", read_fields("s:a>b>c"))
    assert (
        "mark_b = transition(ThingS.A, to=ThingS.B)\n    mark_c = transition(ThingS.B, to=ThingS.C)" in source
    )


def test_all_mistakes_are_told_at_once() -> None:
    """Each with its column."""
    found = faults("a:strr id:int date:date b:decimal(20,2) c:int c:int k:ref d:int=x e f:str(9 g:a>b h:a>b")
    assert [column for column, _ in found] == [3, 8, 15, 27, 47, 55, 64, 67, 74, 83]


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "a", "a:", ":str", "A:str", "class:str", "a__b:str", "tenant_id:uuid", "require:str", "field:str",
        "a:str!!", "a:str=", 'a:str="x', "a:str(0)", "a:str(601)", "a:text(3)", "a:int!=1.5", "a:int=1_000", "a:bool!",
        "a:bool=yes", "a:decimal", "a:decimal(2,3)", "a:decimal(3,1)=1000", "a:date=2026-02-30", "a:datetime=today",
        "a:uuid=1", "a:x>x", "a:x>Y", "a:x>", "a:x|y=z", "a:x>y?", "a:x>y b:x>y", "a:ref()", "a:ref(a b)",
        "s:a>b mark_b:str", "a:int?=3", "a:str\x00", "é:str", 'a:str="\\ud800"', "a:str)",
        "a:str;import", "a:str=x,max_length=3)\n",
    ],
)  # fmt: skip
def test_nothing_else_is_accepted(text: str) -> None:
    """Every other text is one clear fault, or a default that is nothing but text."""
    try:
        fields = read_fields(text)
    except (FieldsFault, Faults):
        return
    assert text.startswith("a:str=x,")
    assert fields[0].default == '"x,max_length=3)"'
