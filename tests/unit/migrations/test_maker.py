"""Making migrations needs no database, writes whole files or none, and nothing when nothing changed."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.unit.migrations.kit import Workshop, model

from prefiq.errors import Faults
from prefiq.lowcode import ModelMeta, field, now, ref
from prefiq.migrations import check_models, load, make
from prefiq.migrations.errors import ModelChanged, NeedsDefault, StaleSnapshot

NAME: dict[str, Any] = {"name": (str, field(max_length=20))}


def thing(**fields: Any) -> type:
    return model("Thing", NAME | fields)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def faults_of(caught: pytest.ExceptionInfo[Faults]) -> list[Any]:
    return list(caught.value.exceptions)


def test_first_migration_comes_with_its_snapshot(workshop: Workshop) -> None:
    """The file, the snapshot, and what makes the folder a package."""
    workshop.declare("shop", thing())
    paths = workshop.make("shop")
    assert [path.name for path in paths] == ["0001_initial.py", "snapshot.json", "__init__.py"]
    assert contents(workshop.folder("shop")).keys() == {path.name for path in paths}
    assert json.loads(paths[1].read_text())["models"]["Thing"]["table"] == "shop_thing"


def test_nothing_is_written_when_nothing_changed(workshop: Workshop) -> None:
    """A second call finds nothing, and touches no file."""
    workshop.declare("shop", thing())
    workshop.make("shop")
    before = contents(workshop.folder("shop"))
    assert workshop.make("shop") == []
    assert contents(workshop.folder("shop")) == before
    assert check_models(workshop.parts, workshop.catalog) == []


def test_module_without_models_gets_no_folder(workshop: Workshop) -> None:
    """There is nothing to write for it."""
    workshop.declare("shop")
    assert workshop.make("shop") == []
    assert not workshop.folder("shop").exists()


def test_change_is_found_and_made(workshop: Workshop) -> None:
    """``check_models`` tells of the change until its migration is made."""
    workshop.declare("shop", thing())
    workshop.make("shop")
    workshop.declare("shop", thing(size=(int | None, field(default=None))))
    (fault,) = check_models(workshop.parts, workshop.catalog)
    assert isinstance(fault, ModelChanged)
    assert fault.what == "Models changed without a migration: add field Thing.size"
    paths = workshop.make("shop")
    assert [path.name for path in paths] == ["0002_add_thing_size.py", "snapshot.json"]
    assert check_models(workshop.parts, workshop.catalog) == []


def test_change_that_cannot_be_made_is_still_a_change(workshop: Workshop) -> None:
    """A change of kind is told by ``check_models`` as well."""
    workshop.declare("shop", thing())
    workshop.make("shop")
    workshop.declare("shop", model("Thing", {"name": int}))
    (fault,) = check_models(workshop.parts, workshop.catalog)
    assert isinstance(fault, ModelChanged)


def test_refusal_writes_nothing(workshop: Workshop) -> None:
    """Where a default is missing, no file is written, and every fault is told."""
    workshop.declare("shop", thing())
    workshop.make("shop")
    before = contents(workshop.folder("shop"))
    workshop.declare("shop", thing(size=int, weight=float))
    with pytest.raises(Faults) as caught:
        workshop.make("shop")
    assert [type(fault) for fault in faults_of(caught)] == [NeedsDefault, NeedsDefault]
    assert caught.value.what == "No migration of shop can be made"
    assert contents(workshop.folder("shop")) == before


@pytest.mark.parametrize(
    ("declared", "fill"),
    [
        ((dict[str, Any], field(default_factory=dict)), "fill={}"),
        ((datetime, field(default=now)), "fill=now"),
        ((int, field(default=3)), "fill=3"),
    ],
)
def test_default_is_written_down(workshop: Workshop, declared: Any, fill: str) -> None:
    """The value that rows get stands in the file, where it stays when the declaration changes."""
    workshop.declare("shop", thing())
    workshop.make("shop")
    workshop.declare("shop", thing(extra=declared))
    assert fill in workshop.make("shop")[0].read_text()


def test_default_that_differs_from_row_to_row_cannot_fill(workshop: Workshop) -> None:
    """One value for all rows would be wrong, and the error says why."""
    workshop.declare("shop", thing())
    workshop.make("shop")
    workshop.declare("shop", thing(token=(UUID, field(default_factory=uuid4))))
    with pytest.raises(Faults) as caught:
        workshop.make("shop")
    assert [fault.what for fault in faults_of(caught)] == [
        "Rows that exist would have no value: its default is another one for each row"
    ]


def test_rename_that_fits_nothing_is_refused(workshop: Workshop) -> None:
    """Nothing is dropped because of a misspelt rename."""
    workshop.declare("shop", thing())
    workshop.make("shop")
    workshop.declare("shop", model("Thing", {"title": (str | None, field(default=None))}))
    with pytest.raises(Faults) as caught:
        workshop.make("shop", renames={"Thing.nam": "title"})
    assert [fault.code for fault in faults_of(caught)] == ["PFQ609"]


def test_one_file_contracts_if_a_part_of_it_does(workshop: Workshop) -> None:
    """What older code cannot live with marks the whole migration."""
    workshop.declare("shop", thing(size=(int | None, field(default=None))))
    workshop.make("shop")
    workshop.declare("shop", thing(weight=(float | None, field(default=None))))
    paths = workshop.make("shop")
    assert [path.name for path in paths] == ["0002_add_thing_weight_and_more.py", "snapshot.json"]
    assert '"contract"' in paths[0].read_text()


def test_split_keeps_the_phases_apart(workshop: Workshop) -> None:
    """On request, what expands comes in a migration of its own, before what contracts."""
    workshop.declare("shop", thing(size=(int | None, field(default=None))))
    workshop.make("shop")
    workshop.declare("shop", thing(weight=(float | None, field(default=None))))
    paths = workshop.make("shop", split=True)
    assert [path.name for path in paths] == [
        "0002_add_thing_weight.py",
        "0003_drop_thing_size.py",
        "snapshot.json",
    ]
    phases = [loaded.migration.phase for loaded in load(workshop.parts)[0]["shop"]]
    assert phases == ["expand", "expand", "contract"]
    assert check_models(workshop.parts, workshop.catalog) == []


def test_phases_that_depend_on_each_other_stay_together(workshop: Workshop) -> None:
    """A new field under a name that a rename sets free cannot come first."""
    workshop.declare("shop", thing())
    workshop.make("shop")
    workshop.declare(
        "shop", model("Thing", {"title": NAME["name"], "name": (int | None, field(default=None))})
    )
    with pytest.raises(Faults):
        workshop.make("shop", split=True)  # `name` changed its kind: nobody said that it is another field
    workshop.declare(
        "shop",
        model("Thing", {"key": NAME["name"], "more_id": (UUID | None, ref("shop.Thing", default=None))}),
    )
    assert len(workshop.make("shop", split=True, renames={"Thing.name": "key"})) == 3
    assert check_models(workshop.parts, workshop.catalog) == []


class TestRequires:
    def unit(self) -> type:
        return model("Unit", {"code": str}, ModelMeta(scope="shared"))

    def test_reference_requires_the_migration_that_made_its_target(self, workshop: Workshop) -> None:
        """Not the newest one of the other module, but the one that is needed."""
        workshop.declare("masters", model("Other", NAME))
        workshop.make("masters")
        workshop.declare("masters", model("Other", NAME), self.unit())
        workshop.make("masters")
        workshop.declare("masters", model("Other", NAME), self.unit(), model("Third", NAME))
        workshop.make("masters")
        workshop.declare("shop", thing(unit_id=(UUID, ref("masters.Unit"))))
        workshop.make("shop")
        assert load(workshop.parts)[0]["shop"][0].migration.requires == {"masters": 2}

    def test_later_migrations_require_nothing_again(self, workshop: Workshop) -> None:
        """Only new references do."""
        workshop.declare("masters", self.unit())
        workshop.make("masters")
        workshop.declare("shop", thing(unit_id=(UUID, ref("masters.Unit"))))
        workshop.make("shop")
        workshop.declare("shop", thing(unit_id=(UUID, ref("masters.Unit")), a=(int, field(default=1))))
        workshop.make("shop")
        assert load(workshop.parts)[0]["shop"][1].migration.requires == {}

    def test_target_without_a_migration_is_made_first(self, workshop: Workshop) -> None:
        """The error names the module whose migration has to be made before."""
        workshop.declare("masters", self.unit())
        workshop.declare("shop", thing(unit_id=(UUID, ref("masters.Unit"))))
        with pytest.raises(Faults) as caught:
            workshop.make("shop")
        (fault,) = faults_of(caught)
        assert fault.fix == "run prefiq lowcode makemigrations masters first"
        assert not workshop.folder("shop").exists()


class TestSnapshot:
    def test_edited_snapshot_is_noticed_and_written_again(self, workshop: Workshop) -> None:
        """The migrations count; a snapshot that says something else is stale."""
        workshop.declare("shop", thing())
        path = workshop.make("shop")[1]
        right = path.read_text()
        path.write_text(right.replace('"max_length": 20', '"max_length": 21'))
        (fault,) = check_models(workshop.parts, workshop.catalog)
        assert isinstance(fault, StaleSnapshot)
        assert fault.what == "snapshot.json is not what the migrations make"
        assert workshop.make("shop") == [path]
        assert path.read_text() == right

    @pytest.mark.parametrize("text", ["", "[", "{}"])
    def test_unreadable_snapshot_is_noticed(self, workshop: Workshop, text: str) -> None:
        """Half a merge in it is an error with what to do, not a traceback."""
        workshop.declare("shop", thing())
        workshop.make("shop")[1].write_text(text)
        (fault,) = check_models(workshop.parts, workshop.catalog)
        assert str(fault) == (
            "snapshot.json is not readable (module shop) [PFQ610]\n  Try: run prefiq lowcode makemigrations shop"
        )

    def test_wheel_may_leave_it_out(self, workshop: Workshop) -> None:
        """It serves reviews and merges; a missing one is written with the next migration."""
        workshop.declare("shop", thing())
        path = workshop.make("shop")[1]
        path.unlink()
        assert check_models(workshop.parts, workshop.catalog) == []
        assert workshop.make("shop") == [path]

    def test_migration_written_by_hand_counts(self, workshop: Workshop) -> None:
        """What people write is played like the rest, and the snapshot follows."""
        workshop.declare("shop", thing())
        workshop.make("shop")
        workshop.write(
            "shop",
            "0002_size.py",
            "from prefiq.migrations import AddField, FieldState, Migration\n"
            "migration = Migration(2, 'size', 'contract', operations=(\n"
            "    AddField('Thing', FieldState('size', 'int'), 1),))\n",
        )
        workshop.declare("shop", thing(size=int))
        assert [type(fault) for fault in check_models(workshop.parts, workshop.catalog)] == [StaleSnapshot]
        assert [path.name for path in workshop.make("shop")] == ["snapshot.json"]
        assert check_models(workshop.parts, workshop.catalog) == []


def test_broken_files_are_told_before_anything_is_written(workshop: Workshop) -> None:
    """A migration that cannot be read stops ``make`` and ``check_models`` alike."""
    workshop.declare("shop", thing())
    workshop.write("shop", "0001_initial.py", "(")
    with pytest.raises(Faults) as caught:
        workshop.make("shop")
    assert [fault.code for fault in faults_of(caught)] == ["PFQ601"]
    assert [fault.code for fault in check_models(workshop.parts, workshop.catalog)] == ["PFQ601"]


def test_failed_write_leaves_no_file_behind(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails between two files leaves neither, and no leftovers."""
    workshop.declare("shop", thing())
    replace = Path.replace
    placed: list[Path] = []

    def failing(self: Path, target: Path) -> Path:
        if placed:
            raise OSError("no space")
        placed.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="no space"):
        workshop.make("shop")
    assert placed[0].name == "0001_initial.py"
    assert contents(workshop.folder("shop")) == {}


def test_name_can_be_given(workshop: Workshop) -> None:
    """A person's name for it stands in the file's name."""
    workshop.declare("shop", thing())
    paths = make("shop", workshop.catalog, workshop.folder("shop"), name="first_form")
    assert paths[0].name == "0001_first_form.py"
