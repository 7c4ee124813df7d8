from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
import typing
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import prefiq
from prefiq.contracts import FieldError, NotFound, Refused
from prefiq.errors import Faults, PrefiqError
from prefiq.lowcode import Violation


def rooms() -> Iterator[str]:
    """Every module that defines errors, found by its text: importing all of Prefiq here would prove less."""
    for module in pkgutil.walk_packages(prefiq.__path__, "prefiq."):
        path = Path(prefiq.__path__[0]).parent / Path(*module.name.split("."))
        source = path / "__init__.py" if module.ispkg else path.with_suffix(".py")
        if "code: ClassVar[str]" in source.read_text(encoding="utf-8"):
            yield module.name


def error_classes() -> list[type[PrefiqError]]:
    for name in rooms():
        importlib.import_module(name)
    found: list[type[PrefiqError]] = []
    todo: list[type[PrefiqError]] = [PrefiqError]
    while todo:
        cls = todo.pop()
        if cls not in found and cls.__module__.startswith("prefiq."):
            found.append(cls)
            todo.extend(cls.__subclasses__())
    return sorted(found, key=lambda cls: (cls.__module__, cls.__qualname__))


class Sample:
    """Stands for any object that an error is given."""


def sample(annotation: Any) -> Any:
    """A value of an annotation; text where it is not known."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        return (sample(arguments[0]),) * 2 if Ellipsis in arguments else tuple(map(sample, arguments))
    if origin is typing.Literal:
        return arguments[0]
    if isinstance(origin, type) and issubclass(origin, typing.Mapping):  # type: ignore[arg-type]
        return {sample(arguments[0]): sample(arguments[1])}
    if isinstance(origin, type) and issubclass(origin, typing.Iterable):  # type: ignore[arg-type]
        return [sample(arguments[0])]
    if arguments:
        return sample(arguments[0])
    known: dict[Any, Any] = {
        int: 3,
        float: 1.5,
        bool: True,
        uuid.UUID: uuid.UUID(int=7),
        Path: Path("prefiq.toml"),
        type: Sample,
        FieldError: FieldError(
            "steps.2.title", "max_length", "must have at most 80 characters", {"limit": 80}
        ),
        PrefiqError: Refused("name", "say more"),
        BaseException: ValueError("x"),
        Exception: ValueError("x"),
    }
    if annotation in known:
        return known[annotation]
    if inspect.isclass(annotation) and annotation.__module__.startswith("prefiq."):
        return build(annotation)
    return "x"


def build(cls: type[Any]) -> Any:
    if not inspect.isfunction(cls.__init__):
        return cls()
    hints = typing.get_type_hints(cls.__init__)
    given = {
        name: sample(hints.get(name))
        for name, parameter in list(inspect.signature(cls.__init__).parameters.items())[1:]
        if parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
    }
    return cls(**given)


@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: f"{cls.__module__}.{cls.__qualname__}")
def test_every_error_survives_a_pickle_with_its_text(cls):
    """An error raised in one worker reads the same in another."""
    error = cls("it cannot start", [Refused("a", "b")]) if issubclass(cls, Faults) else build(cls)
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is cls
    assert str(twin) == str(error)
    assert (twin.code, twin.status, twin.exit_code) == (error.code, error.status, error.exit_code)


def test_the_text_says_what_where_and_what_to_do():
    """One error is one readable block: what, where, code, advice."""
    violation = Violation(
        "decimal_size", "projects.Project", "budget", "a Decimal needs digits", "say precision=12"
    )
    assert str(violation) == (
        "a Decimal needs digits (projects.Project.budget) [PFQ201]\n  Try: say precision=12"
    )


def test_a_text_without_place_or_advice_has_no_empty_brackets():
    """What an error does not know leaves no trace in its text."""
    assert str(PrefiqError()) == "Something went wrong [PFQ000]"


def test_a_copied_error_keeps_its_data():
    """copy and deepcopy go the way of pickle."""
    error = NotFound("projects.Project", uuid.UUID(int=1))
    assert copy.copy(error).key == copy.deepcopy(error).key == uuid.UUID(int=1)


class TestFaults:
    def test_each_fault_has_a_number_and_its_lines_are_indented(self):
        """Everything is in one text, faults told apart by their number."""
        faults = Faults(
            "It cannot start", [Refused("a", "no"), Violation("names", "m.M", "f", "is taken", "rename")]
        )
        assert str(faults) == (
            "It cannot start: 2 faults\n"
            "  1. no (a) [PFQ513]\n"
            "  2. is taken (m.M.f) [PFQ201]\n"
            "       Try: rename"
        )

    def test_one_fault_is_one_fault(self):
        """Singular and plural."""
        assert str(Faults("It cannot start", [Refused("", "no")])).startswith("It cannot start: 1 fault\n")

    def test_is_caught_as_an_error_of_prefiq_and_as_a_group(self):
        """A bare ExceptionGroup would escape `except PrefiqError`."""
        with pytest.raises(PrefiqError):
            raise Faults("x", [Refused("", "no")])
        with pytest.raises(ExceptionGroup):
            raise Faults("x", [Refused("", "no")])

    def test_except_star_picks_one_kind_and_leaves_faults(self):
        """split() gives Faults again, so that both halves have a text."""
        matched, rest = Faults("x", [Refused("", "no"), NotFound("m.M")]).split(NotFound)
        assert isinstance(matched, Faults)
        assert isinstance(rest, Faults)
        assert str(rest) == "x: 1 fault\n  1. no [PFQ513]"

    def test_the_worst_exit_code_looks_into_nested_faults(self):
        """A command returns the most telling code of everything that went wrong."""
        inner = Faults("inner", [Violation("names", "m.M", "", "x", "y")])
        assert Faults("outer", [Refused("", "no"), inner]).worst_exit_code == 3
        assert Faults("outer", [Refused("", "no")]).worst_exit_code == 1

    def test_holds_at_least_one(self):
        """No faults is no error."""
        with pytest.raises(ValueError, match="empty"):
            Faults("x", [])
