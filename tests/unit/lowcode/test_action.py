"""Actions on the object alone: no permission, no hook, no write."""

import pytest

from prefiq.contracts import IllegalTransition, Refused
from prefiq.foundation.entity import Entity
from prefiq.lowcode import Action, DeclarationError, ModelMeta, Status, action, field, transition
from prefiq.lowcode.action import actions_from, actions_of


class Stage(Status):
    DRAFT = "draft"
    ACTIVE = "active"
    CLOSED = "closed"


class Base(Entity):
    name: str = field(default="x")
    stage: Stage = field(default=Stage.DRAFT)

    activate = transition(Stage.DRAFT, to=Stage.ACTIVE)
    reopen = transition(Stage.ACTIVE, Stage.CLOSED, to=Stage.DRAFT)

    @transition(Stage.ACTIVE, to=Stage.CLOSED, permission="app.close")
    def close(self, reason: str) -> None:
        """End it."""
        self.name = reason
        if not reason:
            raise Refused("reason", "say why")

    @action
    def rename(self, name: str, *, loud: bool = False) -> None:
        self.name = name.upper() if loud else name

    @action(permission="app.touch")
    def touch(self) -> None:
        self.name += "!"

    meta = ModelMeta(abstract=True)


class Project(Base):
    pass


class Strict(Base):
    @transition(Stage.ACTIVE, to=Stage.CLOSED)
    def close(self, reason: str) -> None:
        if reason == "because":
            raise Refused("reason", "say more")
        super().close(reason)


def test_a_transition_changes_the_state():
    """From one of its sources to its target."""
    project = Project()
    project.activate()
    assert project.stage is Stage.ACTIVE
    project.close(reason="done")
    assert (project.stage, project.name) == (Stage.CLOSED, "done")
    project.reopen()
    assert project.stage is Stage.DRAFT


def test_a_transition_is_refused_in_another_state():
    """The error says what is possible instead, and nothing has run."""
    project = Project()
    with pytest.raises(IllegalTransition) as caught:
        project.close("done")
    assert str(caught.value) == (
        "close is not possible while the state is draft (Project.close) [PFQ514]\n  Try: possible now: activate"
    )
    assert (project.stage, project.name) == (Stage.DRAFT, "x")


def test_a_body_that_refuses_leaves_the_state():
    """The state moves after the body, not before."""
    project = Project(stage=Stage.ACTIVE)
    with pytest.raises(Refused):
        project.close("")
    assert project.stage is Stage.ACTIVE


def test_an_action_without_states_is_always_possible():
    """With parameters by position and by name."""
    project = Project()
    project.rename("a", loud=True)
    project.touch()
    assert (project.name, project.stage) == ("A!", Stage.DRAFT)


def test_on_the_class_it_is_the_declaration():
    """What service.run takes: it knows its name, its owner and its permission."""
    assert isinstance(Project.close, Action)
    assert Project.close is Base.close
    assert (Project.close.name, Project.close.owner, Project.close.permission) == ("close", Base, "app.close")
    assert Project.close.to is not None
    assert Project.rename.to is None
    assert Project.close.__doc__ == "End it."
    assert repr(Project.close) == "<action Base.close>"
    with pytest.raises(TypeError, match="run close through a service"):
        Project.close._takes("x")


def test_a_subclass_overrides_an_action_and_may_call_the_old_one():
    """super() works as for any method."""
    strict = Strict(stage=Stage.ACTIVE)
    with pytest.raises(Refused, match="say more"):
        strict.close("because")
    strict.close("done")
    assert (strict.stage, strict.name) == (Stage.CLOSED, "done")
    assert Strict.close is not Base.close
    assert Strict.close.permission == ""


def test_actions_are_listed_in_order_of_declaration():
    """An override keeps its place."""
    names = ["activate", "reopen", "close", "rename", "touch"]
    assert list(actions_of(Project)) == names
    assert list(actions_of(Strict)) == names
    assert actions_of(Strict)["close"] is Strict.close


def test_actions_of_a_state_are_those_that_leave_it():
    """Actions without states are not among them."""
    assert actions_from(Project, Stage.ACTIVE) == ("reopen", "close")
    assert actions_from(Project, Stage.DRAFT) == ("activate",)


def test_a_model_without_status_says_so():
    """A transition on an unverified class fails with advice, not with StopIteration."""

    class Bare(Entity):
        go = transition(Stage.DRAFT, to=Stage.ACTIVE)

    with pytest.raises(DeclarationError, match="Bare has no field that starts in a state of Stage"):
        Bare().go()
