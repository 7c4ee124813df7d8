"""What a module leaves in a database, put aside or dropped with its history; on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.unit.migrations.kit import Workshop, model

from prefiq.foundation import Extension
from prefiq.lowcode import Catalog, field, ref
from prefiq.migrations.errors import RowsDoNotFit
from prefiq.migrations.removal import Kept, belongings, kept, remove
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
def full(catalogs: tuple[Catalog, Catalog], workshop: Workshop) -> Workshop:
    """A database with everything that the module has, and rows."""
    tables = Tables(catalogs[0])
    with workshop.connect() as connection:
        tables.create_all(connection)
    workshop.rows("CREATE TABLE prefiq_migration (module VARCHAR(63), number INTEGER)")
    workshop.rows("CREATE TABLE prefiq_seed_record (module VARCHAR(63), name VARCHAR(63))")
    workshop.rows("INSERT INTO prefiq_migration VALUES ('billing', 1), ('projects', 1)")
    workshop.rows("INSERT INTO prefiq_seed_record VALUES ('billing', 'a'), ('projects', 'b')")
    invoice = UUID(int=1)
    with workshop.connect() as connection:

        def put(table: str, key: int, **values: Any) -> None:
            into = tables.metadata.tables[table]
            row = {"tenant_id": "t", "id": UUID(int=key), "version": 1} | values
            connection.execute(sa.insert(into).values(row))

        put("projects_project", 1, name="one", x_billing_rate=5)
        put("projects_project", 2, name="two", x_billing_rate=None)
        put("billing_invoice", 1, number="N1")
        put("billing_line", 1, invoice_id=invoice)
    return workshop


@pytest.fixture
def connection(full: Workshop) -> Iterator[sa.Connection]:
    with full.connect() as open_connection:
        yield open_connection


def names(workshop: Workshop) -> set[str]:
    """Names of tables and of their indexes."""
    state = workshop.state()
    return state.keys() | {
        part.removeprefix("index ") for parts in state.values() for part in parts if part.startswith("index ")
    }


def test_what_belongs_to_a_module(catalogs: tuple[Catalog, Catalog]) -> None:
    """Its tables, each after those that it refers to, its columns on others' tables, and the indexes of both."""
    found = belongings(*catalogs, "billing")
    assert found.tables == ("billing_invoice", "billing_line")
    assert found.columns == (("projects_project", "x_billing_rate"),)
    assert ("projects_project", "ix_projects_project_x_billing_rate") in found.indexes
    assert ("billing_invoice", "uq_billing_invoice_number") in found.indexes


def test_what_is_kept_is_counted(
    catalogs: tuple[Catalog, Catalog], connection: sa.Connection, full: Workshop
) -> None:
    """Rows of tables, and rows that hold something in a column; what is not there is not listed."""
    assert kept(connection, belongings(*catalogs, "billing")) == [
        Kept("billing_invoice", "", 1),
        Kept("billing_line", "", 1),
        Kept("projects_project", "x_billing_rate", 1),
    ]
    connection.rollback()
    full.rows("DROP TABLE billing_line")
    assert [one.table for one in kept(connection, belongings(*catalogs, "billing"))] == [
        "billing_invoice",
        "projects_project",
    ]


def test_dropping(catalogs: tuple[Catalog, Catalog], connection: sa.Connection, full: Workshop) -> None:
    """Tables, column, indexes and history of the module; the rest of the base table stays."""
    done = remove(connection, belongings(*catalogs, "billing"), "drop")
    assert done == [
        "dropped projects_project.x_billing_rate (1 rows)",
        "dropped billing_line (1 rows)",
        "dropped billing_invoice (1 rows)",
    ]
    assert not {name for name in names(full) if "billing" in name}
    assert full.rows("SELECT version, name FROM projects_project ORDER BY id") == [(1, "one"), (1, "two")]
    assert "column x_billing_rate" not in full.state()["projects_project"]
    assert full.rows("SELECT * FROM prefiq_migration") == [("projects", 1)]
    assert full.rows("SELECT * FROM prefiq_seed_record") == [("projects", "b")]


def test_putting_aside(catalogs: tuple[Catalog, Catalog], connection: sa.Connection, full: Workshop) -> None:
    """Rows stay under other names; names of indexes are free, so that the tables can be made anew."""
    remove(connection, belongings(*catalogs, "billing"), "archive")
    assert full.rows("SELECT number FROM archived_billing_invoice") == [("N1",)]
    assert full.rows("SELECT archived_x_billing_rate FROM projects_project ORDER BY id") == [
        (5,),
        (None,),
    ]
    assert not {name for name in names(full) if name.startswith(("ix_billing", "uq_billing", "billing"))}
    assert full.rows("SELECT * FROM prefiq_migration") == [("projects", 1)]


def test_what_was_put_aside_is_in_nobodys_way(
    catalogs: tuple[Catalog, Catalog], connection: sa.Connection, full: Workshop
) -> None:
    """The module can be listed again at once: every name of its tables, indexes and references is free."""
    remove(connection, belongings(*catalogs, "billing"), "archive")
    listed = Tables(catalogs[0])
    with full.connect() as again:
        for name in ("billing_invoice", "billing_line"):
            table = listed.metadata.tables[name]
            again.execute(sa.schema.CreateTable(table))
            for index in table.indexes:
                again.execute(sa.schema.CreateIndex(index))
    assert full.rows("SELECT count(*) FROM archived_billing_line") == [(1,)]
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        full.rows("DELETE FROM archived_billing_invoice")
    full.rows("ALTER TABLE projects_project ADD COLUMN x_billing_rate BIGINT")
    with full.connect() as again:
        remove(again, belongings(*catalogs, "billing"), "archive")
    assert {"archived2_billing_invoice", "archived2_billing_line"} <= names(full)
    assert full.rows("SELECT archived2_x_billing_rate FROM projects_project") == [(None,), (None,)]


def test_rows_that_stay_must_not_refer_to_what_goes(
    catalogs: tuple[Catalog, Catalog], connection: sa.Connection, full: Workshop
) -> None:
    """A table of a module that is no longer listed may still hold references; nothing is dropped then."""
    before = names(full)
    key = {"sqlite": "BLOB", "postgres": "uuid", "mariadb": "BINARY(16)"}[full.engine]
    tenant = {
        "sqlite": "TEXT",
        "postgres": 'varchar(63) COLLATE "C"',
        "mariadb": "VARCHAR(63) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
    }[full.engine]
    full.rows(
        f"CREATE TABLE old_thing (tenant_id {tenant}, invoice_id {key}, "
        "FOREIGN KEY (tenant_id, invoice_id) REFERENCES billing_invoice (tenant_id, id))"
    )
    full.rows("INSERT INTO old_thing SELECT tenant_id, id FROM billing_invoice")
    with pytest.raises(RowsDoNotFit):
        remove(connection, belongings(*catalogs, "billing"), "drop")
    assert names(full) - {"tenant_id"} == {*before, "old_thing"}  # MariaDB names its index so
    assert full.rows("SELECT count(*) FROM prefiq_migration") == [(2,)]
    full.rows("DELETE FROM old_thing")
    remove(connection, belongings(*catalogs, "billing"), "drop")
    assert "old_thing" in names(full)
    assert "billing_invoice" not in names(full)
