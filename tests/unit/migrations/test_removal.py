"""What a module leaves in a database, put aside or dropped with its history."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.unit.migrations.kit import Workshop, model

from prefiq.foundation import Extension
from prefiq.lowcode import Catalog, field, ref
from prefiq.migrations.errors import RowsDoNotFit
from prefiq.migrations.removal import Kept, belongings, kept, remove
from prefiq.sql.connection_manager import ConnectionManager, DatabaseConfig
from prefiq.sql.tables import Tables

Base = model("Project", {"name": (str, field(max_length=20))})
Invoice = model("Invoice", {"number": (str, field(max_length=20, unique=True))})
Line = model("Line", {"invoice_id": (UUID, ref(Invoice))})


class ProjectBilling(Extension[Base]):  # type: ignore[valid-type]
    """What the module adds to a table of another's."""

    rate: int | None = field(default=None, index=True)


@pytest.fixture
def catalogs() -> tuple[Catalog, Catalog]:
    """With the module ``billing``, which has two tables and a column on another's, and without."""
    listed = Catalog.build({"projects": [Base], "billing": [Invoice, Line]}, {"billing": [ProjectBilling]})
    return listed, Catalog.build({"projects": [Base]})


@pytest.fixture
def connection(catalogs: tuple[Catalog, Catalog], workshop: Workshop) -> Iterator[sa.Connection]:
    tables = Tables(catalogs[0])
    manager = ConnectionManager([DatabaseConfig(path=workshop.database)], tables)
    with manager.schema_connection() as open_connection:
        tables.create_all(open_connection)
        open_connection.commit()
    workshop.rows("CREATE TABLE prefiq_migration (module, number)")
    workshop.rows("CREATE TABLE prefiq_seed_record (module, name)")
    workshop.rows("INSERT INTO prefiq_migration VALUES ('billing', 1), ('projects', 1)")
    workshop.rows("INSERT INTO prefiq_seed_record VALUES ('billing', 'a'), ('projects', 'b')")
    workshop.rows("INSERT INTO projects_project VALUES ('t', 'p1', 1, 'one', 5), ('t', 'p2', 1, 'two', NULL)")
    workshop.rows("INSERT INTO billing_invoice VALUES ('t', 'i1', 1, 'N1')")
    workshop.rows("INSERT INTO billing_line VALUES ('t', 'l1', 1, 'i1')")
    with manager.schema_connection() as open_connection:
        yield open_connection
    manager.close()


def names(workshop: Workshop) -> set[str]:
    return {name for (name,) in workshop.rows("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite%'")}


def test_what_belongs_to_a_module(catalogs: tuple[Catalog, Catalog]) -> None:
    """Its tables, each after those that it refers to, its columns on others' tables, and the indexes of both."""
    found = belongings(*catalogs, "billing")
    assert found.tables == ("billing_invoice", "billing_line")
    assert found.columns == (("projects_project", "x_billing_rate"),)
    assert ("projects_project", "ix_projects_project_x_billing_rate") in found.indexes
    assert ("billing_invoice", "uq_billing_invoice_number") in found.indexes


def test_what_is_kept_is_counted(
    catalogs: tuple[Catalog, Catalog], connection: sa.Connection, workshop: Workshop
) -> None:
    """Rows of tables, and rows that hold something in a column; what is not there is not listed."""
    assert kept(connection, belongings(*catalogs, "billing")) == [
        Kept("billing_invoice", "", 1),
        Kept("billing_line", "", 1),
        Kept("projects_project", "x_billing_rate", 1),
    ]
    workshop.rows("DROP TABLE billing_line")
    assert [one.table for one in kept(connection, belongings(*catalogs, "billing"))] == [
        "billing_invoice",
        "projects_project",
    ]


def test_dropping(catalogs: tuple[Catalog, Catalog], connection: sa.Connection, workshop: Workshop) -> None:
    """Tables, column, indexes and history of the module; the rest of the base table stays."""
    done = remove(connection, belongings(*catalogs, "billing"), "drop")
    assert done == [
        "dropped projects_project.x_billing_rate (1 rows)",
        "dropped billing_line (1 rows)",
        "dropped billing_invoice (1 rows)",
    ]
    assert not {name for name in names(workshop) if "billing" in name}
    assert workshop.rows("SELECT * FROM projects_project ORDER BY id") == [
        ("t", "p1", 1, "one"),
        ("t", "p2", 1, "two"),
    ]
    assert workshop.rows("SELECT * FROM prefiq_migration") == [("projects", 1)]
    assert workshop.rows("SELECT * FROM prefiq_seed_record") == [("projects", "b")]


def test_putting_aside(
    catalogs: tuple[Catalog, Catalog], connection: sa.Connection, workshop: Workshop
) -> None:
    """Rows stay under other names; names of indexes are free, so that the tables can be made anew."""
    remove(connection, belongings(*catalogs, "billing"), "archive")
    assert workshop.rows("SELECT number FROM archived_billing_invoice") == [("N1",)]
    assert workshop.rows("SELECT archived_x_billing_rate FROM projects_project ORDER BY id") == [
        (5,),
        (None,),
    ]
    assert not {name for name in names(workshop) if name.startswith(("ix_billing", "uq_billing", "billing"))}
    assert workshop.rows("SELECT * FROM prefiq_migration") == [("projects", 1)]
    workshop.rows("ALTER TABLE projects_project ADD COLUMN x_billing_rate INTEGER")
    workshop.rows("CREATE TABLE billing_invoice (id)")
    remove(connection, belongings(*catalogs, "billing"), "archive")
    assert "archived2_billing_invoice" in names(workshop)
    assert workshop.rows("SELECT archived2_x_billing_rate FROM projects_project") == [(None,), (None,)]


def test_rows_that_stay_must_not_refer_to_what_goes(
    catalogs: tuple[Catalog, Catalog], connection: sa.Connection, workshop: Workshop
) -> None:
    """A table of a module that is no longer listed may still hold references; nothing is dropped then."""
    before = names(workshop)
    workshop.rows(
        "CREATE TABLE old_thing (tenant_id, invoice_id, "
        "FOREIGN KEY (tenant_id, invoice_id) REFERENCES billing_invoice (tenant_id, id))"
    )
    workshop.rows("INSERT INTO old_thing VALUES ('t', 'i1')")
    with pytest.raises(RowsDoNotFit):
        remove(connection, belongings(*catalogs, "billing"), "drop")
    assert names(workshop) == {*before, "old_thing"}
    assert workshop.rows("SELECT count(*) FROM prefiq_migration") == [(2,)]
