"""docs/errors.md explains every error class, under a code that is its own."""

from __future__ import annotations

import ast
import pickle
import re
from collections import Counter
from pathlib import Path

import pytest

from prefiq.doctor.error_reference import find_errors, render
from prefiq.errors import PrefiqError

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"PFQ\d{3}")


def test_every_code_belongs_to_one_class() -> None:
    """No code means two things."""
    counts = Counter(error.code for error in find_errors())
    assert {code: count for code, count in counts.items() if count > 1} == {}


def test_every_code_in_the_sources_is_on_the_page() -> None:
    """The search for classes leaves none out: every code assigned in a class has its heading."""
    assigned = {
        value.value
        for file in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        for value in (getattr(part, "value", None) for part in node.body)
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and CODE.fullmatch(value.value)
    }
    headings = re.findall(r"^### (PFQ\d{3}) ", render(find_errors()), flags=re.MULTILINE)
    assert sorted(headings) == sorted(assigned)


@pytest.mark.parametrize("error", find_errors(), ids=lambda error: error.code)
def test_error_is_explained(error: type[PrefiqError]) -> None:
    """Each class says in its own docstring what happened, and its code has the documented form."""
    assert CODE.fullmatch(error.code)
    assert error.__doc__
    assert error.__doc__ != PrefiqError.__doc__ or error is PrefiqError


def test_page_shows_text_place_and_exit_code() -> None:
    """A fixed text and advice, the HTTP status and the exit code stand under the heading."""

    class Spilled(PrefiqError):
        """Milk is on the floor.

        Args:
            litres: Not for this page.
        """

        code = "PFQ999"
        status = 409
        exit_code = 7
        what = "Milk was spilled"
        fix = "wipe it up"

    class SpilledTwice(Spilled):
        """A special case without a code of its own."""

    assert render([Spilled]).partition("## Others\n\n")[2] == (
        "### PFQ999 Spilled\n\n"
        "Milk is on the floor.\n\n"
        "Says: “Milk was spilled”.\n\n"
        "What to do: wipe it up.\n\n"
        f"HTTP 409 Conflict · exit code 7 · `{__name__}`\n\n"
        "More exactly: `SpilledTwice`.\n"
    )
    type("SpilledElsewhere", (Spilled,), {"__module__": "acme.kitchen"})
    assert "SpilledElsewhere" not in render([Spilled])
    assert Spilled not in find_errors()
    assert SpilledTwice.code == Spilled.code


def test_error_survives_pickling_between_processes() -> None:
    """The root keeps what a subclass knows, whatever its constructor takes."""
    from prefiq.contracts import NotFound

    error = pickle.loads(pickle.dumps(NotFound("projects.Project", 7)))
    assert (error.model, error.key, str(error)) == (
        "projects.Project",
        7,
        str(NotFound("projects.Project", 7)),
    )
