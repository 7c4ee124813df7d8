"""Which part of a version must rise: the rules, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from prefiq.doctor.compatibility import consequences, needed_version, part_of
from prefiq.doctor.surface import KINDS, Surface

FIELD = {
    "kind": "str",
    "required": False,
    "nullable": False,
    "unique": False,
    "index": False,
    "search": False,
    "filter": False,
    "sort": False,
    "read_only": False,
    "hidden": False,
    "label": "Code",
    "help": "",
    "min_length": None,
    "max_length": 32,
    "pattern": None,
    "precision": None,
    "scale": None,
    "gt": None,
    "ge": None,
    "lt": None,
    "le": None,
    "default": None,
    "choices": ["a", "b"],
    "ref": "",
    "on_delete": "",
    "validators": [],
}
MODEL = {
    "label": "Job",
    "plural": "jobs",
    "scope": "tenant",
    "audit": True,
    "soft_delete": False,
    "remote": True,
    "order_by": [],
    "states": ["new", "done"],
}
ACTION = {"permission": "jobs.close", "from": ["new"], "to": "done"}
PARAMETER = {"name": "code", "kind": "positional_or_keyword", "required": True, "type": "str"}
MEMBER = {"parameters": [PARAMETER], "returns": "Job | None"}


def surface(kind: str, facts: dict[str, Any] | None) -> Surface:
    return {name: {"x": facts} if name == kind and facts is not None else {} for name in KINDS}


def part(kind: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    return part_of(consequences(surface(kind, before), surface(kind, after)))


PUBLIC = ("models", "fields", "actions", "routes", "permissions", "contracts", "members", "hooks")


@pytest.mark.parametrize("kind", PUBLIC)
def test_removing_breaks(kind: str) -> None:
    """Whatever others may build upon."""
    assert part(kind, {"a": 1}, None) == "major"


@pytest.mark.parametrize("kind", [kind for kind in PUBLIC if kind != "members"])
def test_adding_adds(kind: str) -> None:
    """Nobody who builds upon the release notices."""
    assert part(kind, None, {"a": 1}) == "minor"


def test_what_must_be_given_or_implemented_breaks() -> None:
    """A required field refuses who creates without it; a contract's new member whoever implements it."""
    assert part("fields", None, {**FIELD, "required": True}) == "major"
    assert part("fields", None, FIELD) == "minor"
    assert part("members", None, MEMBER) == "major"


@pytest.mark.parametrize("kind", ["tables", "columns", "indexes", "bindings", "subscribers", "seeds"])
def test_a_modules_own_affairs_do_not_count(kind: str) -> None:
    """Tables have migrations; nobody binds to an implementation."""
    assert part(kind, {"a": 1}, {"a": 2}) == "patch"
    assert consequences(surface(kind, {"a": 1}), surface(kind, None)) == ()


@pytest.mark.parametrize(
    ("key", "old", "new", "expected"),
    [
        ("kind", "str", "int", "major"),
        ("required", False, True, "major"),
        ("required", True, False, "minor"),
        ("nullable", True, False, "major"),
        ("nullable", False, True, "minor"),
        ("unique", False, True, "major"),
        ("unique", True, False, "minor"),
        ("hidden", False, True, "major"),
        ("hidden", True, False, "minor"),
        ("read_only", False, True, "major"),
        ("filter", True, False, "major"),
        ("filter", False, True, "minor"),
        ("sort", True, False, "major"),
        ("search", True, False, "major"),
        ("max_length", 32, 16, "major"),
        ("max_length", 32, 64, "minor"),
        ("max_length", None, 64, "major"),
        ("max_length", 64, None, "minor"),
        ("min_length", 1, 2, "major"),
        ("min_length", 2, 1, "minor"),
        ("ge", "0", "1", "major"),
        ("ge", "10", "9", "minor"),
        ("gt", "2026-01-01", "2027-01-01", "major"),
        ("le", "10", "9", "major"),
        ("lt", "9", "10", "minor"),
        ("precision", 12, 10, "major"),
        ("scale", 2, 4, "minor"),
        ("pattern", None, "[A-Z]+", "major"),
        ("pattern", "[A-Z]+", None, "minor"),
        ("pattern", "[A-Z]+", "[a-z]+", "major"),
        ("choices", ["a", "b"], ["a"], "major"),
        ("choices", ["a"], ["a", "b"], "minor"),
        ("ref", "a.B", "a.C", "major"),
        ("default", "x", "y", "minor"),
        ("validators", [], ["check"], "minor"),
        ("on_delete", "restrict", "cascade", "minor"),
        ("label", "Code", "Short name", "patch"),
        ("help", "", "what it is", "patch"),
        ("index", False, True, "patch"),
    ],
)
def test_a_field_narrower_or_wider(key: str, old: Any, new: Any, expected: str) -> None:
    """Narrower breaks who wrote what was allowed; wider adds."""
    assert part("fields", {**FIELD, key: old}, {**FIELD, key: new}) == expected


@pytest.mark.parametrize(
    ("key", "new", "expected"),
    [
        ("plural", "tasks", "major"),
        ("scope", "shared", "major"),
        ("remote", False, "major"),
        ("audit", False, "major"),
        ("states", ["new"], "major"),
        ("states", ["new", "done", "late"], "minor"),
        ("label", "Task", "patch"),
        ("order_by", ["code"], "patch"),
    ],
)
def test_a_model(key: str, new: Any, expected: str) -> None:
    """Its path, its rows' reach and its states."""
    assert part("models", MODEL, {**MODEL, key: new}) == expected


def test_what_is_switched_on_adds() -> None:
    """An API or a history that was not there."""
    for key in ("remote", "audit"):
        assert part("models", {**MODEL, key: False}, MODEL) == "minor"


@pytest.mark.parametrize(
    ("key", "new", "expected"),
    [
        ("from", ["new", "late"], "minor"),
        ("from", ["late"], "major"),
        ("to", "late", "major"),
        ("permission", "jobs.other", "major"),
    ],
)
def test_an_action(key: str, new: Any, expected: str) -> None:
    """Possible in more states adds; anything else breaks."""
    assert part("actions", ACTION, {**ACTION, key: new}) == expected


def test_an_action_that_was_possible_everywhere() -> None:
    """States narrow it."""
    assert part("actions", {**ACTION, "from": []}, ACTION) == "major"


@pytest.mark.parametrize(
    "changed",
    [
        {"returns": "Job"},
        {"parameters": []},
        {"parameters": [{**PARAMETER, "type": "int"}]},
        {"parameters": [PARAMETER, {**PARAMETER, "name": "other", "required": False}]},
        {"parameters": None},
    ],
)
def test_a_member_of_a_contract(changed: dict[str, Any]) -> None:
    """Who calls it, or who implements it, is broken by every change."""
    assert part("members", MEMBER, {**MEMBER, **changed}) == "major"


@pytest.mark.parametrize("kind", ["routes", "hooks", "contracts"])
def test_what_is_said_of_the_rest_counts_whole(kind: str) -> None:
    """A route's permission, a hook's place, a contract's lifetime."""
    assert part(kind, {"a": 1}, {"a": 2}) == "major"


@pytest.mark.parametrize(
    ("released", "rises", "needed"),
    [
        ("1.4.2", "major", "2.0.0"),
        ("1.4.2", "minor", "1.5.0"),
        ("1.4.2", "patch", "1.4.3"),
        ("0.4.2", "major", "0.5.0"),
        ("0.4.2", "minor", "0.4.3"),
        ("0.4.2", "patch", "0.4.3"),
        ("2", "minor", "2.1.0"),
    ],
)
def test_the_lowest_version_that_says_so(released: str, rises: Any, needed: str) -> None:
    """Below 1.0.0 each part counts one lower."""
    assert needed_version(released, rises) == needed


def test_the_gravest_comes_first() -> None:
    """And decides."""
    before = {**{kind: {} for kind in KINDS}, "fields": {"a": FIELD, "b": {**FIELD, "label": "B"}}}
    after = {**{kind: {} for kind in KINDS}, "fields": {"b": FIELD, "c": FIELD}}
    found = consequences(before, after)
    assert [(one.part, one.difference.name) for one in found] == [
        ("major", "a"),
        ("minor", "c"),
        ("patch", "b"),
    ]
    assert part_of(found) == "major"
