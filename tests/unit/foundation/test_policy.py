"""Permissions by segment, and the policy of a model."""

from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefiq.contracts import Actor, Bound, Forbidden, Scope
from prefiq.foundation.entity import Entity
from prefiq.foundation.policy import ActorPermissions, Policy, Roles, can, grants, model_of
from prefiq.lowcode import DeclarationError


class Project(Entity):
    pass


def scope(actor: Actor) -> Scope:
    return Scope(Bound("acme"), actor, resolve=lambda *_: None)


@pytest.mark.parametrize(
    ("pattern", "permission", "covered"),
    [
        ("projects.project.close", "projects.project.close", True),
        ("projects.project.close", "projects.project.closed", False),
        ("projects.project", "projects.project.close", False),
        ("projects.project.close.now", "projects.project.close", False),
        ("*", "projects.project.close", True),
        ("*", "close", True),
        ("projects.*", "projects.project.close", True),
        ("projects.*", "projects.close", True),
        ("projects.*", "projects", False),
        ("projects.*", "projectsx.project.close", False),
        ("projects.project.*", "projects.project.read.budget", True),
        ("*.*.read", "projects.project.read", True),
        ("*.*.read", "projects.project.close", False),
        ("*.*.read", "projects.read", False),
        ("*.project.*", "projects.project.close", True),
        ("*.project.*", "projects.task.close", False),
        ("proj*", "projects.project.close", False),
        ("projects.p*.close", "projects.project.close", False),
        ("Projects.*", "projects.project.close", False),
        ("", "projects", False),
        ("projects.", "projects", False),
        (".projects", "projects", False),
    ],
)
def test_a_pattern_covers_by_segment(pattern, permission, covered):
    """A star is one whole segment; the last star is all that follow."""
    assert grants(pattern, permission) is covered


WORDS = st.sampled_from(["a", "b", "read", "projects"])
PATHS = st.lists(WORDS, min_size=1, max_size=4)


@settings(deadline=None)
@given(PATHS)
def test_a_permission_covers_itself_and_the_star_covers_all(path):
    """Whatever it is called."""
    permission = ".".join(path)
    assert grants(permission, permission)
    assert grants("*", permission)


@settings(deadline=None)
@given(PATHS, PATHS)
def test_without_a_star_only_itself_is_covered(one, other):
    """No prefix, no suffix."""
    assert grants(".".join(one), ".".join(other)) == (one == other)


@settings(deadline=None)
@given(PATHS, PATHS)
def test_a_last_star_covers_what_lies_below_and_nothing_else(stem, path):
    """At least one segment more than the stem."""
    below = len(path) > len(stem) and path[: len(stem)] == stem
    assert grants(".".join([*stem, "*"]), ".".join(path)) == below


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=4), PATHS, st.integers(0, 3))
def test_a_star_in_place_of_a_segment_covers_no_less(pattern, path, at):
    """Widening a pattern never takes a permission away."""
    wider = [part if number != at else "*" for number, part in enumerate(pattern)]
    if grants(".".join(pattern), ".".join(path)):
        assert grants(".".join(wider), ".".join(path))


class TestActorPermissions:
    def test_one_of_the_patterns_is_enough(self):
        """Held together they are a union."""
        held = ActorPermissions(scope(can("tasks.*", "projects.project.read")))
        assert held.allows("projects.project.read")
        assert held.allows("tasks.task.close")
        assert not held.allows("projects.project.close")
        held.require("projects.project.read")

    def test_what_is_not_held_is_forbidden(self):
        """The error names the permission."""
        with pytest.raises(Forbidden) as caught:
            ActorPermissions(scope(can("tasks.*"))).require("projects.project.read")
        assert caught.value.permission == "projects.project.read"

    def test_a_role_stands_for_its_patterns(self):
        """Beside what is held otherwise; a role that nobody declared grants nothing, whatever it is called."""
        roles = Roles({"clerk": ["tasks.*.read", "tasks.task.close"], "*": ["*"]})
        held = ActorPermissions(scope(can("role:clerk", "projects.*")), roles)
        assert held.allows("tasks.task.read")
        assert held.allows("projects.project.close")
        assert not held.allows("tasks.task.delete")
        for unknown in ("role:boss", "role:", "clerk", "role:role:clerk"):
            assert not ActorPermissions(scope(can(unknown)), roles).allows("tasks.task.read")
        assert not ActorPermissions(scope(can("role:clerk"))).allows("tasks.task.read")

    def test_a_role_becomes_patterns_once_each(self):
        """In the order in which they are held."""
        roles = Roles({"clerk": ["a.*", "b.*"]})
        assert roles.expand(["b.*", "role:clerk", "role:boss", "c"]) == ("b.*", "a.*", "c")

    def test_nobody_may_nothing(self):
        """Default deny."""
        anonymous = ActorPermissions(Scope(Bound("acme"), resolve=lambda *_: None))
        assert not anonymous.allows("projects.project.read")


def test_can_makes_an_actor():
    """For tests and scripts."""
    assert can("a", "b", id="x") == Actor("x", ("a", "b"))
    assert can("a").id == "tester"


class TestPolicy:
    def test_allows_everything_by_default(self):
        """Permissions alone decide where no policy is written."""
        policy: Policy[Any] = Policy(scope(can("a")))
        assert policy.rows("read") is None
        assert policy.unreadable() == policy.unwritable() == frozenset()
        assert policy.actor.id == "tester"

    def test_knows_the_model_that_it_is_written_for(self):
        """From the base that it names, also through a subclass."""

        class ProjectPolicy(Policy[Project]): ...

        class Stricter(ProjectPolicy): ...

        assert ProjectPolicy.model is Stricter.model is Project

    def test_a_generic_one_has_no_model_yet(self):
        """A type variable is no class."""
        variable = TypeVar("variable")

        class OwnRows(Policy[variable]): ...  # type: ignore[valid-type]

        class Own(OwnRows[Project]): ...

        assert model_of(OwnRows, Policy) is None
        assert Own.model is Project


@pytest.mark.parametrize("name", ["rows", "unreadable", "unwritable"])
def test_async_method_of_a_policy_is_refused(name: str) -> None:
    """Nobody would await it, and what it forbids would be allowed; it is told where it is written."""

    async def method(self: Any, *verb: str) -> Any: ...

    with pytest.raises(DeclarationError, match=f"{name} of a policy is async def"):
        type("Mine", (Policy,), {name: method})
