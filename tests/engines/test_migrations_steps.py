"""Functions that a migration calls, and what goes wrong in one: told alike on every engine."""

from __future__ import annotations

import textwrap
from uuid import UUID

import pytest
from tests.engines.migration_models import NAME, shop
from tests.unit.migrations.kit import Workshop, model

from prefiq.errors import PrefiqError
from prefiq.lowcode import field, ref
from prefiq.migrations.errors import BadOperation, MigrationFailed, TransactionEnded


def test_step_sees_the_tables_of_its_time(workshop: Workshop) -> None:
    """A step works with the columns as they were at its point, long after the models have moved on."""
    shop(workshop, NAME)
    workshop.put("shop_thing", name="a")
    workshop.put("shop_thing", name="b", tenant="other")
    workshop.write(
        "shop",
        "0002_shout.py",
        textwrap.dedent("""
            import sqlalchemy as sa
            from prefiq.migrations import Migration, RunSteps

            def shout(steps):
                table = steps.table("Thing")
                query = sa.select(table.c.tenant_id, table.c.id, table.c.name)
                for rows in steps.batches(query, 1):
                    for row in rows:
                        steps.execute(
                            sa.update(table)
                            .where(table.c.tenant_id == row.tenant_id, table.c.id == row.id)
                            .values(name=row.name.upper())
                        )
                steps.execute(sa.insert(table), [
                    {"tenant_id": "acme", "id": row.id, "version": 1, "name": "more"}
                    for row in steps.execute(sa.select(table).where(table.c.tenant_id == "other")).all()
                ])

            migration = Migration(2, "shout", "expand", operations=(RunSteps(shout),))
        """),
    )
    shop(workshop, {"title": (str, field(max_length=20))}, renames={"Thing.name": "title"})
    assert sorted(workshop.get("shop_thing", "title")) == ["A", "B", "more"]


FAILING = (
    "import sqlalchemy as sa\n"
    "from prefiq.migrations import AddField, FieldState, Migration, RunSteps\n"
    "def fail(steps):\n"
    "    steps.execute(sa.update(steps.table('Thing')).values(name='changed'))\n"
    "    raise KeyError('secret')\n"
    "migration = Migration(2, 'fail', 'expand', operations=(\n"
    "    AddField('Thing', FieldState('size', 'int', nullable=True)), RunSteps(fail)))\n"
)


def test_step_that_raises_leaves_nothing_of_itself(workshop: Workshop) -> None:
    """An exception in a step becomes an error that names it.

    What ran before in its migration is undone where the engine can; where it cannot it stays, and the next
    attempt goes on behind it.
    """
    shop(workshop, NAME)
    workshop.put("shop_thing", name="a")
    file = workshop.write("shop", "0002_fail.py", FAILING)
    with pytest.raises(MigrationFailed) as caught:
        workshop.migrate()
    atomic = workshop.engine != "mariadb"
    kept = "nothing of this migration was kept" if atomic else "what was done before it stays"
    assert str(caught.value) == (
        f"Could not run fail (KeyError); {kept} (module shop, 0002_fail) [PFQ615]\n"
        "  Try: look at the cause, correct the data or the migration, and run prefiq run migrate again"
    )
    assert ("column size" in workshop.state()["shop_thing"]) is not atomic
    assert workshop.rows("SELECT number FROM prefiq_migration") == [(1,)]
    assert workshop.rows("SELECT name FROM shop_thing") == [("a",)]
    file.write_text(FAILING.replace("    raise KeyError('secret')\n", ""), encoding="utf-8")
    workshop.migrate()
    assert workshop.rows("SELECT name, size FROM shop_thing") == [("changed", None)]


def test_refused_statement_names_the_operation_and_no_value(workshop: Workshop) -> None:
    """A table in the way stops the migration with its operation and the engine's word for the cause."""
    workshop.declare("shop", model("Thing", NAME))
    workshop.make("shop")
    workshop.rows("CREATE TABLE shop_thing (x integer)")
    with pytest.raises(MigrationFailed) as caught:
        workshop.migrate()
    reason = {"sqlite": "SQLITE_ERROR", "postgres": "DuplicateTable", "mariadb": "MariaDB error 1050"}
    assert caught.value.what.startswith(f"Could not create model Thing ({reason[workshop.engine]}); ")
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "ending",
    [
        "steps.connection.commit()",
        "steps.connection.commit()\n    steps.execute(sa.select(steps.table('Thing')))",
        "steps.connection.rollback()",
        "steps.execute(sa.text('COMMIT'))",
    ],
)
def test_step_may_not_end_the_transaction(workshop: Workshop, ending: str) -> None:
    """A commit inside a step is told; the migration is not recorded as if all were well."""
    shop(workshop, NAME)
    workshop.write(
        "shop",
        "0002_commit.py",
        "import sqlalchemy as sa\n"
        "from prefiq.migrations import Migration, RunSteps\n"
        "def commit(steps):\n"
        f"    {ending}\n"
        "migration = Migration(2, 'commit', 'expand', operations=(RunSteps(commit),))\n",
    )
    with pytest.raises(TransactionEnded) as caught:
        workshop.migrate()
    assert caught.value.what == "A step ended the migration's transaction (run commit)"
    assert workshop.rows("SELECT number FROM prefiq_migration") == [(1,)]


@pytest.mark.parametrize("engine", ["mariadb"], scope="session")
def test_step_may_not_change_a_table_where_that_commits(workshop: Workshop) -> None:
    """MariaDB ends the transaction by itself then."""
    shop(workshop, NAME)
    workshop.write(
        "shop",
        "0002_alter.py",
        "import sqlalchemy as sa\n"
        "from prefiq.migrations import Migration, RunSteps\n"
        "def alter(steps):\n"
        "    steps.execute(sa.text('ALTER TABLE shop_thing ADD COLUMN size INT'))\n"
        "migration = Migration(2, 'alter', 'expand', operations=(RunSteps(alter),))\n",
    )
    with pytest.raises(TransactionEnded):
        workshop.migrate()


def test_value_of_another_kind_is_refused_before_anything_happens(workshop: Workshop) -> None:
    """A fill that was written by hand and does not fit its field is told with its file."""
    shop(workshop, NAME)
    text = (
        "from prefiq.migrations import AddField, FieldState, Migration\n"
        "migration = Migration(%d, '%s', 'contract', operations=(\n"
        "    AddField('Thing', FieldState('%s', 'datetime', nullable=%s)%s),))\n"
    )
    workshop.write("shop", "0002_good.py", text % (2, "good", "at", "True", ""))
    workshop.write("shop", "0003_fill.py", text % (3, "fill", "until", "False", ", 'tomorrow'"))
    with pytest.raises(BadOperation) as caught:
        workshop.migrate()
    assert str(caught.value).partition("\n")[0] == (
        "Cannot add field Thing.until: its fill is no value of kind datetime (module shop, 0003_fill) [PFQ609]"
    )
    assert workshop.rows("SELECT number FROM prefiq_migration") == [(1,)]


def test_unknown_model_in_a_step_is_told(workshop: Workshop) -> None:
    """A step that asks for a table that is not there at its point gets a typed error."""
    shop(workshop, NAME)
    workshop.write(
        "shop",
        "0002_ask.py",
        "from prefiq.migrations import Migration, RunSteps\n"
        "def ask(steps):\n"
        "    steps.table('Nothing')\n"
        "migration = Migration(2, 'ask', 'expand', operations=(RunSteps(ask),))\n",
    )
    with pytest.raises(BadOperation, match="Cannot use the table of Nothing"):
        workshop.migrate()


def test_rows_left_behind_by_a_step_stop_the_migration(workshop: Workshop) -> None:
    """What a step leaves without what it refers to is refused, at once or before it is kept."""
    workshop.declare("shop", model("Thing", NAME), model("Note", {"thing_id": (UUID, ref("shop.Thing"))}))
    workshop.make("shop")
    workshop.migrate()
    id = workshop.put("shop_thing", name="a")
    workshop.put("shop_note", thing_id=id)
    workshop.write(
        "shop",
        "0002_clear.py",
        "import sqlalchemy as sa\n"
        "from prefiq.migrations import Migration, RunSteps\n"
        "def clear(steps):\n"
        "    steps.execute(sa.delete(steps.table('Thing')))\n"
        "migration = Migration(2, 'clear', 'expand', operations=(RunSteps(clear),))\n",
    )
    with pytest.raises(PrefiqError) as caught:
        workshop.migrate()
    says = {
        "sqlite": "1 row does not fit: shop_note refers to rows that are not there",
        "postgres": "Could not run clear (ForeignKeyViolation); nothing of this migration was kept",
        "mariadb": "Could not run clear (MariaDB error 1451); what was done before it stays",
    }
    assert caught.value.what == says[workshop.engine]
    assert workshop.get("shop_thing", "name") == ["a"]
