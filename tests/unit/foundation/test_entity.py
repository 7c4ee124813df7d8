"""What an entity remembers beside its values, and what it does not show of it."""

import copy
import json
import pickle
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import pytest

from prefiq.contracts import IllegalTransition, Refused
from prefiq.foundation.entity import Child, Entity, changes, check_status, forget, loaded, remember
from prefiq.lowcode import Status, action, children, field, now, transition


class Stage(Status):
    DRAFT = "draft"
    ACTIVE = "active"
    CLOSED = "closed"


class Row(Child):
    title: str = field(default="")
    more: dict[str, Any] = field(default_factory=dict)


class Project(Entity):
    kinds: ClassVar[tuple[str, ...]] = ("a", "b")
    code: str = field(max_length=10)
    budget: Decimal | None = field(default=None, precision=9, scale=2)
    at: date = field(default=now)
    extra: Any = field(default_factory=dict)
    rows: list[Row] = children(Row)
    stage: Stage = field(default=Stage.DRAFT)

    activate = transition(Stage.DRAFT, to=Stage.ACTIVE)
    reopen = transition(Stage.ACTIVE, Stage.CLOSED, to=Stage.DRAFT)

    @transition(Stage.ACTIVE, to=Stage.CLOSED)
    def close(self, reason: str) -> None:
        if not reason:
            raise Refused("reason", "say why")

    @action
    def rush(self) -> None:
        self.activate()
        self.close("in a hurry")


def stored(**values: Any) -> Project:
    project = Project(**{"code": "A", **values})
    remember(project)
    return project


def explained(project: Project) -> bool:
    try:
        check_status(project, "stage", Stage.DRAFT, "app.Project")
    except IllegalTransition:
        return False
    return True


class TestConstructor:
    def test_checks_nothing_and_marks_what_is_missing(self):
        """Rows come through it by the thousand; the service checks."""
        project = Project()
        assert project.code is msgspec.UNSET
        assert Project(code=5).code == 5

    def test_gives_an_id_and_version_0(self):
        """Ids are made in the process, and are ordered by time."""
        one, two = Project(code="A"), Project(code="A")
        assert one.id.version == 7
        assert one.id < two.id
        assert one.version == 0

    def test_leaves_the_clocks_default_to_the_service(self):
        """None until the entity is created."""
        assert Project(code="A").at is None

    def test_takes_values_by_position_in_the_order_of_fields(self):
        """How repositories build rows."""
        project = Project(code="A")
        assert Project.__struct_fields__ == (
            "id",
            "version",
            "code",
            "budget",
            "at",
            "extra",
            "rows",
            "stage",
        )
        assert Project(*(getattr(project, name) for name in Project.__struct_fields__)) == project

    def test_a_class_variable_is_no_field(self):
        """ClassVar means what it says."""
        assert Project.kinds == ("a", "b")
        assert Project(code="A").kinds == ("a", "b")
        with pytest.raises(TypeError):
            Project(code="A", kinds=())


class TestRequire:
    def test_goes_on_or_refuses(self):
        """The helper of domain rules."""
        project = Project(code="A")
        project.require(True, "code", "must be good")
        with pytest.raises(Refused) as caught:
            project.require(False, "code", "must be good")
        assert (caught.value.field, caught.value.message) == ("code", "must be good")


class TestChanges:
    def test_of_a_new_entity_are_all_its_values(self):
        """Nothing is stored yet."""
        project = Project(code="A")
        assert loaded(project) is None
        assert changes(project, None)["code"] == (None, "A")
        assert set(changes(project, None)) == set(Project.__struct_fields__)

    def test_of_a_stored_one_are_what_differs(self):
        """Before and after, by field."""
        project = stored(budget=Decimal(5))
        assert changes(project, None) == {}
        project.code, project.budget = "B", None
        assert changes(project, None) == {"code": ("A", "B"), "budget": (Decimal(5), None)}
        project.code = "A"
        assert set(changes(project, None)) == {"budget"}

    def test_an_equal_decimal_is_no_change(self):
        """5 and 5.00 are one amount."""
        project = stored(budget=Decimal(5))
        project.budget = Decimal("5.00")
        assert changes(project, None) == {}

    def test_a_change_inside_json_or_a_row_is_seen(self):
        """The snapshot holds copies."""
        project = stored(extra={"a": [1]}, rows=[Row(title="x")])
        project.extra["a"].append(2)
        project.rows[0].title = "y"
        found = changes(project, None)
        assert found["extra"] == ({"a": [1]}, {"a": [1, 2]})
        assert found["rows"][0][0].title == "x"
        assert found["rows"][1][0].title == "y"

    @pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), (0, False)])
    def test_json_tells_numbers_and_truth_apart(self, old, new):
        """Python's == does not, and the change would be lost."""
        project = stored(extra={"a": [old]}, rows=[Row(more={"a": old})])
        project.extra = {"a": [new]}
        assert set(changes(project, None)) == {"extra"}
        project.rows[0].more["a"] = new
        assert set(changes(project, None)) == {"extra", "rows"}

    def test_the_order_of_keys_is_no_change_and_that_of_rows_is(self):
        """Rows have places."""
        project = stored(extra={"a": 1, "b": 2}, rows=[Row(title="x"), Row(title="y")])
        project.extra = {"b": 2, "a": 1}
        assert changes(project, None) == {}
        project.rows.reverse()
        assert set(changes(project, None)) == {"rows"}

    def test_forgetting_makes_it_new(self):
        """Snapshot and moves are gone."""
        project = stored()
        project.activate()
        forget(project)
        assert loaded(project) is None
        assert not explained(project)


class TestStatus:
    def test_a_state_that_an_action_led_to_is_explained(self):
        """From the stored state to the present one, in as many moves as it takes."""
        project = stored()
        assert explained(project)
        project.activate()
        assert explained(project)
        project.close("done")
        assert explained(project)
        project.reopen()
        project.activate()
        assert explained(project)

    def test_an_action_may_run_several_transitions(self):
        """Each of them is a move."""
        project = stored()
        project.rush()
        assert project.stage is Stage.CLOSED
        assert explained(project)

    def test_a_state_that_was_assigned_is_refused(self):
        """The error says what would be possible."""
        project = stored()
        project.stage = Stage.CLOSED
        with pytest.raises(IllegalTransition) as caught:
            check_status(project, "stage", Stage.DRAFT, "app.Project")
        assert str(caught.value) == (
            "The state draft can only be left by an action (app.Project) [PFQ514]\n"
            "  Try: possible now: activate"
        )

    def test_a_move_from_an_assigned_state_explains_nothing(self):
        """An action cannot be skipped by assigning the state it leads to."""
        project = stored()
        project.stage = Stage.ACTIVE
        project.close("done")
        assert not explained(project)

    def test_an_assignment_after_a_move_is_refused(self):
        """The last state is not where the moves end."""
        project = stored()
        project.activate()
        project.stage = Stage.CLOSED
        assert not explained(project)

    def test_an_assignment_of_the_stored_state_changes_nothing(self):
        """What is written is what was there."""
        project = stored()
        project.activate()
        project.stage = Stage.DRAFT
        assert explained(project)

    def test_a_new_entity_starts_in_its_first_state(self):
        """Another one must be explained, too."""
        assert explained(Project(code="A"))
        assert not explained(Project(code="A", stage=Stage.ACTIVE))
        project = Project(code="A")
        project.activate()
        assert explained(project)

    def test_remembering_ends_the_chain(self):
        """Once stored, the old moves explain nothing more."""
        project = stored()
        project.activate()
        remember(project)
        assert explained(project)
        project.stage = Stage.DRAFT
        assert not explained(project)


class TestCopies:
    @pytest.mark.parametrize("twin_of", [copy.copy, copy.deepcopy])
    def test_a_copy_remembers_what_its_original_did(self, twin_of):
        """It can be stored in its place."""
        project = stored(extra={"a": 1})
        project.activate()
        twin = twin_of(project)
        assert twin == project
        assert twin is not project
        assert loaded(twin) == loaded(project)
        assert explained(twin)
        assert set(changes(twin, None)) == {"stage"}

    @pytest.mark.parametrize("twin_of", [copy.copy, copy.deepcopy])
    def test_a_move_of_a_copy_explains_nothing_of_its_original(self, twin_of):
        """Each has its own memory from there on."""
        project = stored()
        twin = twin_of(project)
        twin.activate()
        project.stage = Stage.ACTIVE
        assert explained(twin)
        assert not explained(project)

    def test_a_deep_copy_shares_no_value(self):
        """Rows and JSON are copied with it."""
        project = stored(extra={"a": [1]}, rows=[Row(title="x")])
        twin = copy.deepcopy(project)
        twin.extra["a"].append(2)
        twin.rows[0].title = "y"
        assert changes(project, None) == {}
        assert set(changes(twin, None)) == {"extra", "rows"}

    def test_a_new_entity_has_new_copies(self):
        """Nothing is invented."""
        assert loaded(copy.copy(Project(code="A"))) is None
        assert loaded(copy.deepcopy(Project(code="A"))) is None

    @pytest.mark.parametrize(
        "twin_of", [lambda p: msgspec.structs.replace(p, code="B"), lambda p: pickle.loads(pickle.dumps(p))]
    )
    def test_replace_and_pickle_give_an_entity_without_memory(self, twin_of):
        """A state cannot be smuggled in this way: without memory, only the stored row explains it."""
        project = stored()
        project.activate()
        twin = twin_of(project)
        assert loaded(twin) is None
        assert twin.stage is Stage.ACTIVE
        assert twin.id == project.id
        assert not explained(twin)

    def test_a_child_is_copied_alone(self):
        """Rows are values of their own."""
        row = Row(title="x", more={"a": 1})
        assert copy.copy(row) == row
        twin = copy.deepcopy(row)
        twin.more["a"] = 2
        assert row.more == {"a": 1}


class TestMemoryIsInvisible:
    def test_to_equality(self):
        """Two entities with the same values are equal, stored or not."""
        project = stored()
        twin = Project(id=project.id, code="A")
        assert project == twin
        project.activate()
        twin.stage = Stage.ACTIVE
        assert project == twin
        twin.code = "B"
        assert project != twin

    def test_to_json(self):
        """Only declared fields are members."""
        project = stored()
        project.activate()
        assert set(json.loads(msgspec.json.encode(project))) == set(Project.__struct_fields__)
        assert set(msgspec.to_builtins(project)) == set(Project.__struct_fields__)

    def test_to_repr(self):
        """What people see are values."""
        assert "_loaded" not in repr(stored())
