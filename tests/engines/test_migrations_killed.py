"""A migrating process that is killed between any two statements: the next one brings it to the same end."""

from __future__ import annotations

import os
import signal
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from tests import servers
from tests.engines.migration_models import NAME, shop
from tests.unit.migrations.kit import Workshop, model

from prefiq.errors import Faults
from prefiq.lowcode import field, ref
from prefiq.migrations import migrate_from_declarations, plan, raw, status
from prefiq.migrations.errors import HalfApplied, MigrationFailed, RowsDoNotFit


def killed(act: Callable[[], None], at: int) -> bool:
    """Do something in a process of its own, which is killed before its change of this number.

    Returns:
        Whether it came so far.
    """
    child = os.fork()
    if not child:
        count, run = 0, raw.run

        def counted(connection: Any, text: str) -> Any:
            nonlocal count
            if text.startswith(("SELECT", "SHOW", "SET")):  # nothing is another than before
                return run(connection, text)
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return run(connection, text)

        try:
            raw.run = counted
            act()
        except BaseException:  # noqa: BLE001
            os._exit(1)
        os._exit(0)
    _, how = os.waitpid(child, 0)
    assert os.WIFSIGNALED(how) or os.WEXITSTATUS(how) == 0
    return os.WIFSIGNALED(how)


def rich(workshop: Workshop) -> None:
    """A table with rows, and a migration that does a bit of everything to it."""
    other = model("Other", NAME)
    before = {
        "code": (str, field(max_length=20, unique=True)),
        "price": (Decimal, field(precision=8, scale=2)),
        "note": (str | None, field(default=None, index=True)),
        "old": int,
        "other_id": (UUID | None, ref("shop.Other", default=None)),
    }
    workshop.declare("shop", other, model("Thing", before))
    workshop.make("shop")
    workshop.migrate()
    target = workshop.put("shop_other", name="x")
    for number in range(3):
        workshop.put(
            "shop_thing", code=f"c{number}", price=Decimal(number), note=None, old=number, other_id=target
        )
    if workshop.engine == "postgres":
        workshop.rows("ANALYZE")
    workshop.write(
        "shop",
        "0002_double.py",
        textwrap.dedent("""
            import sqlalchemy as sa
            from prefiq.migrations import AddField, FieldState, Migration, RunSteps

            def double(steps):
                table = steps.table("Thing")
                steps.execute(sa.update(table).values(old=table.c.old * 2))
                steps.execute(sa.update(table).values(old=table.c.old + 1))

            migration = Migration(2, "double", "expand", operations=(
                AddField("Thing", FieldState("extra", "int", nullable=True)),
                RunSteps(double),
                AddField("Thing", FieldState("more", "str", max_length=9, nullable=True)),
            ))
        """),
    )
    kept: dict[str, Any] = {
        "code": (str, field(max_length=9, unique=True)),
        "price": (Decimal, field(precision=9, scale=3)),
        "note": (str, field(default="?", index=True)),
        "twice": int,
        "owner_id": (UUID | None, ref("shop.Owner", default=None)),
        "size": (int, field(default=1)),
        "extra": int | None,
        "more": (str | None, field(default=None, max_length=9)),
    }
    owner = model("Owner", NAME)
    workshop.declare(
        "shop", owner, model("Thing", kept | {"target_id": (UUID | None, ref("shop.Owner", default=None))})
    )
    workshop.make(
        "shop",
        renames={"Other": "Owner", "Thing.old": "twice"},
    )


def without_steps(workshop: Workshop) -> dict[str, dict[str, str]]:
    """What the database says of its tables, but for the journal, which is made when it is first needed."""
    return {name: parts for name, parts in workshop.state().items() if name != "prefiq_migration_step"}


COLUMNS = ("code", "price", "note", "twice", "size", "extra", "more")
ROWS = [(f"c{number}", Decimal(number), "?", 2 * number + 1, 1, None, None) for number in range(3)]


@pytest.mark.full
@pytest.mark.parametrize(
    ("engine", "large"),
    [("sqlite", 10**9), ("postgres", 10**9), ("postgres", 1), ("mariadb", 10**9)],
    ids=["sqlite", "postgres", "postgres-large", "mariadb"],
)
def test_killed_at_any_statement_it_is_brought_to_the_same_end(
    engine: str, large: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables, rows and history are those of a run that nobody disturbed, wherever it was broken off."""
    monkeypatch.setattr("prefiq.migrations.dialects.plain.LARGE", large)
    monkeypatch.syspath_prepend(tmp_path)
    with servers.database(engine, folder=tmp_path) as at:
        untouched = Workshop(tmp_path, at)
        rich(untouched)
        untouched.migrate(allow_blocking=True)
        assert untouched.drifted() == []
        wanted = without_steps(untouched)
    kills = 0
    while True:
        folder = tmp_path / str(kills)
        folder.mkdir()
        monkeypatch.syspath_prepend(folder)
        with servers.database(engine, folder=folder) as at:
            workshop = Workshop(folder, at)
            rich(workshop)
            came = killed(lambda workshop=workshop: workshop.migrate(allow_blocking=True) and None, kills + 1)  # type: ignore[misc]
            with workshop.connect() as connection:
                status(workshop.parts, connection)  # looking is possible at any time
            workshop.migrate(allow_blocking=True)
            assert without_steps(workshop) == wanted, kills
            assert workshop.get("shop_thing", *COLUMNS) == ROWS
            assert workshop.get("shop_thing", "owner_id") == workshop.get("shop_owner", "id") * 3
            numbers = "SELECT number FROM prefiq_migration ORDER BY number"
            assert workshop.rows(numbers) == [(1,), (2,), (3,)]
            assert workshop.drifted() == []
        if not came:
            break
        kills += 1
    assert kills > 8


@pytest.mark.full
def test_killed_development_is_brought_to_where_the_declarations_are(
    engine: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no file to go on with; what was begun is finished, also where the models say something else by now."""
    kills = 0
    while True:
        folder = tmp_path / str(kills)
        folder.mkdir()
        monkeypatch.syspath_prepend(folder)
        with servers.database(engine, folder=folder) as at:
            workshop = Workshop(folder, at)
            workshop.declare(
                "shop", model("Other", NAME), model("Thing", NAME | {"old": (int, field(index=True))})
            )
            develop(workshop)
            workshop.put("shop_thing", name="a", old=1)
            more: dict[str, Any] = {
                "older": (int, field(index=True)),
                "size": (int, field(default=3)),
                "text": (str, field(text=True, default="x" * 2000)),
                "other_id": (UUID | None, ref("shop.Other", default=None)),
            }
            workshop.declare("shop", model("Other", NAME), model("Thing", NAME | more))
            came = killed(
                lambda workshop=workshop: develop(workshop, renames={"Thing.old": "older"}),
                kills + 1,
            )  # type: ignore[misc]
            more["late"] = (int, field(default=4))
            workshop.declare("shop", model("Other", NAME), model("Thing", NAME | more))
            develop(workshop, renames=_as_function)
            assert workshop.drifted() == []
            assert workshop.get("shop_thing", "name", "older", "size", "late") == [("a", 1, 3, 4)]
            with workshop.connect() as connection:
                assert plan(workshop.parts, connection, strict=False).begun == ()
        if not came:
            break
        kills += 1
    assert kills > 8


def _as_function(renamed: Any) -> bool:
    return (renamed.old, renamed.new) == ("old", "older")


def develop(workshop: Workshop, **options: Any) -> None:
    with workshop.connect() as connection:
        migrate_from_declarations(workshop.parts, workshop.catalog, connection, **options)


@pytest.mark.parametrize("engine", ["mariadb"], scope="session")
class TestHalfApplied:
    """On MariaDB, where what is done stays."""

    def half(self, workshop: Workshop) -> Any:
        """Two of three fields are added; the third is in the way of a column that somebody made by hand."""
        shop(workshop, NAME)
        text = (
            "from prefiq.migrations import AddField, FieldState, Migration\n"
            "migration = Migration(2, 'fields', 'contract', operations=(\n"
            "    AddField('Thing', FieldState('one', 'int', nullable=True)),\n"
            "    AddField('Thing', FieldState('two', 'datetime'), __import__('prefiq').now),\n"
            "    AddField('Thing', FieldState('three', 'int', nullable=True)),))\n"
        )
        file = workshop.write("shop", "0002_fields.py", text)
        workshop.put("shop_thing", name="a")
        workshop.rows("ALTER TABLE shop_thing ADD COLUMN three INT")
        with pytest.raises(MigrationFailed, match=r"MariaDB error 1060\); what was done before it stays"):
            workshop.migrate(clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
        return file

    def test_it_is_told_and_goes_on(self, workshop: Workshop) -> None:
        """``status`` names it; what is filled with the time has the time at which it was begun."""
        self.half(workshop)
        with workshop.connect() as connection:
            (at,) = status(workshop.parts, connection)
        assert (at.pending, at.begun) == (("0002_fields",), ("0002_fields",))
        workshop.rows("ALTER TABLE shop_thing DROP COLUMN three")
        workshop.migrate(clock=lambda: datetime(2026, 2, 2, tzinfo=UTC))
        assert workshop.get("shop_thing", "one", "two", "three") == [
            (None, datetime(2026, 1, 1, tzinfo=UTC), None)
        ]
        assert workshop.rows("SELECT count(*) FROM prefiq_migration_step") == [(0,)]

    def test_a_table_altered_by_hand_is_not_taken_for_what_was_killed(self, workshop: Workshop) -> None:
        """Killed before its statement, then altered by somebody: the column that is missing is told."""
        shop(workshop, NAME)
        workshop.declare("shop", model("Thing", NAME | {"size": (int | None, field(default=None))}))
        workshop.make("shop")
        at = 1
        while killed(lambda: workshop.migrate() and None, at):
            if workshop.rows("SELECT state FROM prefiq_migration_step") == [("begun",)]:
                break
            workshop.rows("DELETE FROM prefiq_migration_step")
            at += 1
        workshop.rows("ALTER TABLE shop_thing ADD COLUMN other INT")
        with pytest.raises(Faults) as caught:
            workshop.migrate()
        assert "column size is missing" in str(caught.value)
        workshop.rows("ALTER TABLE shop_thing ADD COLUMN size BIGINT")
        workshop.migrate()
        assert workshop.rows("SELECT count(*) FROM prefiq_migration_step") == [(0,)]

    def test_the_rest_of_the_file_may_be_corrected(self, workshop: Workshop) -> None:
        """What is done is the beginning of the file as it is now."""
        file = self.half(workshop)
        file.write_text(file.read_text().replace("'three'", "'four'"), encoding="utf-8")
        workshop.migrate()
        assert workshop.get("shop_thing", "one", "four") == [(None, None)]

    def test_its_beginning_may_not(self, workshop: Workshop) -> None:
        """What is done would not be in the file."""
        file = self.half(workshop)
        file.write_text(file.read_text().replace("'one'", "'zero'"), encoding="utf-8")
        with pytest.raises(HalfApplied, match="PFQ625"):
            workshop.migrate()

    def test_release_before_does_not_run_on_half_of_what_contracts(self, workshop: Workshop) -> None:
        """Its code does not know the file, but the journal says what it is."""
        file = self.half(workshop)
        file.unlink()
        with workshop.connect() as connection, pytest.raises(Faults) as caught:
            plan(workshop.parts, connection)
        assert [fault.code for fault in caught.value.exceptions] == ["PFQ608"]  # type: ignore[attr-defined]

    def test_questions_are_asked_before_anything_is_done(self, workshop: Workshop) -> None:
        """Where they can be: rows that do not fit the last operation stop the first one."""
        shop(workshop, NAME | {"code": str})
        for _ in range(2):
            workshop.put("shop_thing", name="a", code="twice")
        workshop.declare(
            "shop", model("Thing", NAME | {"code": (str, field(unique=True))}), model("New", NAME)
        )
        workshop.make("shop")
        with pytest.raises(RowsDoNotFit):
            workshop.migrate()
        assert "shop_new" not in workshop.state()
