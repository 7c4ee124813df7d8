"""The shorthand of ``--fields``: ``"number:str! total:decimal(12,2) status:draft>sent>paid"``.

Read by hand, since every mistake is told with its column, and all of them at once.  The grammar stands in
``docs/reference/fields-shorthand.md``.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from prefiq.errors import Faults
from prefiq.foundation.entity import Entity
from prefiq.lowcode.verifiers.names import NAME, RESERVED
from prefiq.nearest import nearest
from prefiq.scaffold.errors import FieldsFault

__all__ = ["KINDS", "ShortField", "read_fields"]

KINDS = ("str", "text", "int", "bool", "decimal", "float", "date", "datetime", "uuid", "json", "ref")
IMPORTED = frozenset(
    {"date", "datetime", "field", "ref", "transition", "str", "int", "bool", "float", "dict"}
)
"""Names that a declaration uses; a field of that name would hide them from the fields below it."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_STATE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_MODEL = re.compile(r"(?:[a-z][a-z0-9_]*\.)?[A-Z][A-Za-z0-9_]*", re.ASCII)
_PARTS = re.compile(r"""[^\s"()]+|"(?:\\.|[^"\\])*"|\([^()]*\)|["()]""")


@dataclass(frozen=True, slots=True)
class ShortField:
    """One field, read and checked.

    Args:
        name: Its name.
        kind: One of ``KINDS``, or ``"enum"`` or ``"status"``.
        arguments: What stood in parentheses, or the members of an enum.
        unique: Whether no two rows have the same value.
        nullable: Whether it may be empty.
        default: The default as Python; empty where there is none.
    """

    name: str
    kind: str
    arguments: tuple[str, ...] = ()
    unique: bool = False
    nullable: bool = False
    default: str = ""


def read_fields(text: str) -> tuple[ShortField, ...]:
    """The fields that a text describes.

    Args:
        text: ``name:type`` with marks, separated by white space.

    Raises:
        FieldsFault: Something is wrong; several mistakes as ``Faults``.
    """
    faults: list[FieldsFault] = []
    found: dict[str, ShortField] = {}
    status = False
    for column, word in _words(text):
        try:
            one = _field(column, word)
            _check_beside(column, word, one, found, status=status)
        except FieldsFault as fault:
            faults.append(fault)
        else:
            found[one.name] = one
            status = status or one.kind == "status"
    marks = {f"mark_{state}" for one in found.values() if one.kind == "status" for state in one.arguments}
    for name in marks & found.keys():
        column, word = next((at, word) for at, word in _words(text) if word.startswith(f"{name}:"))
        faults.append(
            FieldsFault(column, word, f"{name} is a transition of the status", "choose another name")
        )
    if not found and not faults:
        faults.append(FieldsFault(1, text, "there is no field", 'write name:type, for example "number:str!"'))
    if faults:
        raise faults[0] if len(faults) == 1 else Faults("The fields cannot be used", faults)
    return tuple(found.values())


def _check_beside(
    column: int, word: str, one: ShortField, found: Mapping[str, ShortField], *, status: bool
) -> None:
    if one.name in found:
        raise FieldsFault(column, word, f"a second field is called {one.name}", "name each field once")
    if one.kind == "status" and status:
        raise FieldsFault(column, word, "a model has one status", "write the second with | instead of >")


def _words(text: str) -> Iterator[tuple[int, str]]:
    """Every field with its column, from 1; white space in quotes and parentheses separates nothing."""
    start, end = -1, 0
    for match in _PARTS.finditer(text):
        if start >= 0 and match.start() > end:
            yield start + 1, text[start:end]
            start = -1
        start = match.start() if start < 0 else start
        end = match.end()
    if start >= 0:
        yield start + 1, text[start:end]


def _field(column: int, word: str) -> ShortField:
    name, colon, rest = word.partition(":")
    if not colon or not rest:
        raise FieldsFault(column, word, "a field needs a type", f"write {name or 'name'}:str, for example")
    at = column + len(name) + 1
    kind, arguments, marks = _type(at, rest)
    if kind == "ref" and not name.endswith("_id"):
        name += "_id"
    _check_name(column, name)
    start = at + len(rest) - len(marks)
    unique, nullable, default = _marks(start, marks)
    if unique and kind in {"text", "json", "bool", "float", "enum", "status"}:
        raise FieldsFault(start, marks, f"a field of type {kind} cannot be unique", "leave the ! out")
    if nullable and (kind in {"status", "json"} or default):
        why = "a field with a default is never empty" if default else f"a {kind} field cannot be empty"
        raise FieldsFault(start, marks, why, "leave the ? out")
    python = _default(start, default, kind, arguments) if default else ""
    if kind == "status" and not python:
        python = arguments[0].upper()
    return ShortField(name, kind, arguments, unique, nullable, python)


def _check_name(column: int, name: str) -> None:
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        fix = "lower snake case: a-z, 0-9, single underscores, 40 characters, no word of Python"
        raise FieldsFault(column, name, "this cannot be the name of a field", fix)
    if name in RESERVED or hasattr(Entity, name):
        raise FieldsFault(column, name, f"{name} is Prefiq's own", "choose another name")
    if name in IMPORTED:
        raise FieldsFault(
            column, name, f"{name} would hide what the declaration uses", f"say {name}_of or alike"
        )


def _type(at: int, rest: str) -> tuple[str, tuple[str, ...], str]:
    """Kind, arguments, and what follows."""
    body = re.match(r"[^!?=(]*", rest)
    assert body is not None
    word = body[0]
    for sign, kind in ((">", "status"), ("|", "enum")):
        if sign in word:
            states = tuple(word.split(sign))
            if len(set(states)) < len(states) or not all(_STATE.fullmatch(state) for state in states):
                fix = f"different names in lower case with {sign} between them"
                raise FieldsFault(at, word, "these cannot be the values", fix)
            return kind, states, rest[len(word) :]
    if word not in KINDS:
        near = nearest(word, KINDS)
        meant = f'did you mean "{near}"? ' if near else ""
        types = f"types are {', '.join(KINDS)}, a>b>c for a status, a|b|c for one of several"
        raise FieldsFault(at, word, "there is no such type", meant + types)
    after = rest[len(word) :]
    inside = re.match(r"\(([^()]*)\)", after)
    if inside is None and after.startswith("("):
        raise FieldsFault(at + len(word), after, "the parenthesis is not closed", "add )")
    arguments = tuple(part.strip() for part in inside[1].split(",")) if inside else ()
    _check_arguments(at, word, arguments)
    return word, arguments, after[inside.end() :] if inside else after


def _check_arguments(at: int, kind: str, arguments: tuple[str, ...]) -> None:
    shown = f"{kind}({','.join(arguments)})" if arguments else kind
    numbers = [int(one) for one in arguments if re.fullmatch(r"[0-9]{1,4}", one, re.ASCII)]
    if kind == "decimal":
        if (
            len(arguments) != 2
            or len(numbers) != 2
            or not 0 <= numbers[1] <= numbers[0] <= 18
            or not numbers[0]
        ):
            raise FieldsFault(
                at, shown, "its digits are missing or wrong", "decimal(12,2): at most 18 digits"
            )
    elif kind == "str":
        if arguments and (len(arguments) != 1 or len(numbers) != 1 or not 1 <= numbers[0] <= 600):
            raise FieldsFault(at, shown, "this is no length", "str, or str(1) to str(600); text is longer")
    elif kind == "ref":
        if len(arguments) != 1 or not _MODEL.fullmatch(arguments[0]):
            raise FieldsFault(at, shown, "it does not say which model", "ref(projects.Project), for example")
    elif arguments:
        raise FieldsFault(at, shown, f"{kind} takes nothing in parentheses", f"write {kind}")


def _marks(at: int, marks: str) -> tuple[bool, bool, str]:
    match = re.fullmatch(r'([!?]*)(?:=("(?:\\.|[^"\\])*"|[^"\s!?]+))?', marks)
    if match is None or len(set(match[1])) < len(match[1]):
        fix = "! for unique, ? for may be empty, then =default; a default with spaces in quotes"
        raise FieldsFault(at, marks, "this is not understood", fix)
    return "!" in match[1], "?" in match[1], match[2] or ""


def _default(at: int, text: str, kind: str, members: tuple[str, ...]) -> str:
    """The default as Python.

    Raises:
        FieldsFault: The type has no such value.
    """
    try:
        value = str(json.loads(text)) if text.startswith('"') else text
        return _python(value, kind, members)
    except (ValueError, ArithmeticError):
        raise FieldsFault(at, f"={text}", f"this is no default of the type {kind}", _HINTS[kind]) from None


def _python(value: str, kind: str, members: tuple[str, ...]) -> str:
    if kind in {"str", "text"}:
        value.encode()  # no lone surrogates
        if kind == "str" and len(value) > int(members[0] if members else 255):
            raise ValueError(value)
        return json.dumps(value, ensure_ascii=False)
    if kind in {"enum", "status"} and value in members:
        return value.upper()
    if kind == "bool" and value in {"true", "false"}:
        return value.capitalize()
    if kind == "datetime" and value == "now":
        return "now"
    if kind == "date":
        day = date.fromisoformat(value)
        return f"date({day.year}, {day.month}, {day.day})"
    number = re.fullmatch(r"-?(?:0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?", value, re.ASCII)
    if kind == "int" and number and not number[1]:
        return value
    if kind == "float" and number:
        return value if number[1] else f"{value}.0"
    if kind == "decimal" and number:
        digits, scale = int(members[0]), int(members[1])
        if len(number[1] or ".") - 1 <= scale and abs(Decimal(value)) < Decimal(10) ** (digits - scale):
            return f'Decimal("{value}")'
    raise ValueError(value)


_HINTS = {
    "str": 'text that fits, in quotes where it has spaces: ="not yet"',
    "text": 'text, in quotes where it has spaces: ="not yet"',
    "int": "a whole number: =0",
    "bool": "=true or =false",
    "decimal": "a number with no more digits than the field has: =0",
    "float": "a number: =0.5",
    "date": "a day: =2026-01-31",
    "datetime": "=now",
    "enum": "one of its values",
    "status": "one of its states",
    "uuid": "leave the default out",
    "json": "leave the default out",
    "ref": "leave the default out; ? lets it be empty",
}
