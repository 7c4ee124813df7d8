"""Columns that one module adds to another's table: made, changed, left behind and found again, on every engine."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from tests import servers
from tests.unit.migrations.kit import Workshop, model

from prefiq.errors import Faults
from prefiq.foundation import Extension
from prefiq.lowcode import Catalog, ExtensionMeta, ModelMeta, field, index, ref
from prefiq.migrations import (
    AddField,
    FieldState,
    check_models,
    migrate_from_declarations,
    plan,
    schema_of,
    sql,
)
from prefiq.migrations.errors import BadOperation

Project = model(
    "Project", {"code": (str, field(max_length=20, unique=True)), "name": (str, field(max_length=50))}
)
Wider = model(
    "Project",
    {
        "code": (str, field(max_length=20, unique=True)),
        "name": (str, field(max_length=50)),
        "level": (int, field(default=3, index=True)),
    },
)
Rate = model("Rate", {"code": (str, field(max_length=8))})


def billing(base: Any = Project, **more: Any) -> type:
    """An extension with a number that is indexed, a reference, and more."""
    fields = {
        "rate": (Decimal, field(default=Decimal(0), precision=12, scale=2)),
        "agreed_id": (UUID | None, ref(Rate, default=None)),
        **more,
    }
    return model("ProjectBilling", fields, ExtensionMeta(indexes=(index("rate"),)), base=Extension[base])  # type: ignore[arg-type, misc]


def hours(base: Any = Project) -> type:
    return model("ProjectHours", {"hours": (int | None, field(default=None))}, base=Extension[base])  # type: ignore[misc, arg-type]


@pytest.fixture
def shop(workshop: Workshop) -> Workshop:
    """Projects, and two modules that extend them, migrated by files."""
    workshop.declare("projects", Project)
    workshop.declare("billing", Rate)
    workshop.extend("billing", billing())
    workshop.extend("time", hours())
    for module in ("projects", "billing", "time"):
        workshop.make(module)
    return workshop


def columns(workshop: Workshop, table: str = "projects_project") -> set[str]:
    parts = workshop.state()[table]
    return {part.removeprefix("column ") for part in parts if part.startswith("column ")}


def drifted(workshop: Workshop) -> list[str]:
    return workshop.drifted()


def test_the_extender_owns_the_migration(shop: Workshop) -> None:
    """Its file names the base and needs the migration that made it; the base's own files know nothing."""
    text = (shop.folder("billing") / "0001_initial.py").read_text()
    assert '"projects.Project",' in text
    assert 'requires={"projects": 1}' in text
    assert "x_billing" not in (shop.folder("projects") / "0001_initial.py").read_text()
    only = (shop.folder("time") / "0001_add_projects_project_x_time_hours.py").read_text()
    assert '"expand"' in only
    assert check_models(shop.parts, shop.catalog) == []


def test_columns_are_made_with_index_and_reference(shop: Workshop) -> None:
    """As declared: always NULLable, beside those of another module."""
    shop.migrate()
    assert {"x_billing_rate", "x_billing_agreed_id", "x_time_hours"} <= columns(shop)
    assert drifted(shop) == []
    parts = shop.state()["projects_project"]
    required = {part.removeprefix("column ") for part, said in parts.items() if "NOT NULL" in said}
    assert required == {"tenant_id", "id", "version", "code", "name"}
    assert "to billing_rate" in parts["reference (tenant_id, x_billing_agreed_id)"]


def test_changes_follow(shop: Workshop) -> None:
    """A field more, one altered, one renamed, all gone: each is a migration of the extender."""
    shop.migrate()
    shop.put("projects_project", code="A", name="a", x_billing_rate=Decimal(1))
    shop.extend("billing", billing(note=(str | None, field(default=None, max_length=20))))
    shop.make("billing")
    shop.extend("billing", billing(remark=(str | None, field(default=None, max_length=30))))
    shop.make("billing", renames={"projects.Project.x_billing_note": "x_billing_remark"})
    shop.migrate()
    assert "x_billing_remark" in columns(shop)
    assert drifted(shop) == []
    shop.extend("billing")
    (file, _) = shop.make("billing")
    assert '"contract"' in file.read_text()
    shop.migrate()
    assert not {name for name in columns(shop) if "billing" in name}
    assert drifted(shop) == []
    assert check_models(shop.parts, shop.catalog) == []
    assert shop.get("projects_project", "code", "x_time_hours") == [("A", None)]


def test_unlisted_columns_outlive_a_table_that_is_made_anew(shop: Workshop) -> None:
    """With values, index and reference, and nobody calls it drift; listed again, nothing is pending."""
    shop.migrate()
    rate = shop.put("billing_rate", code="STD")
    shop.put(
        "projects_project",
        code="A",
        name="a",
        x_billing_rate=Decimal(1),
        x_billing_agreed_id=rate,
        x_time_hours=7,
    )
    before = shop.rows("SELECT x_billing_rate, x_billing_agreed_id FROM projects_project")
    shop.unlist("billing")
    shop.models["projects"] = [Wider]
    shop.extend("time", hours(Wider))
    shop.make("projects")
    shop.migrate()
    assert drifted(shop) == []
    assert shop.get("projects_project", "code", "level", "x_time_hours") == [("A", 3, 7)]
    assert shop.rows("SELECT x_billing_rate, x_billing_agreed_id FROM projects_project") == before
    shop.put("projects_project", code="B", name="b", level=1)
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        shop.rows("DELETE FROM billing_rate")
    shop.declare("billing", Rate)
    shop.extend("billing", billing(Wider))
    assert drifted(shop) == []
    with shop.connect() as connection:
        assert plan(shop.parts, connection).pending == ()


@pytest.mark.parametrize("engine", ["sqlite"], scope="session")
def test_printed_statements_say_what_they_do_not_keep(shop: Workshop) -> None:
    """Text cannot look at the table first."""
    shop.migrate()
    shop.unlist("billing")
    shop.models["projects"] = [Wider]
    shop.extend("time", hours(Wider))
    shop.make("projects")
    with shop.connect() as connection:
        assert "modules that are not listed" in sql(plan(shop.parts, connection), "sqlite")


def test_two_columns_go_together(shop: Workshop) -> None:
    """One table made anew for both, and what goes is not taken for somebody else's."""
    shop.migrate()
    shop.extend(
        "billing", model("ProjectBilling", {"rate": (int, field(default=0))}, base=Extension[Project])
    )  # type: ignore[valid-type, arg-type]
    with pytest.raises(Faults):  # another kind under one name
        shop.make("billing")
    shop.extend(
        "billing", model("ProjectBilling", {"other": (int, field(default=0))}, base=Extension[Project])
    )  # type: ignore[valid-type, arg-type]
    shop.make("billing")
    shop.migrate()
    assert {name for name in columns(shop) if "billing" in name} == {"x_billing_other"}
    assert drifted(shop) == []


def test_a_renamed_base_is_followed(shop: Workshop) -> None:
    """The columns go along with the table; the extender records it and touches nothing."""
    shop.migrate()
    shop.put("projects_project", code="A", name="a", x_billing_rate=Decimal(1))
    venture = model(
        "Venture", {"code": (str, field(max_length=20, unique=True)), "name": (str, field(max_length=50))}
    )
    shop.models["projects"], shop.extensions["billing"] = [venture], [billing(venture)]
    shop.extend("time", hours(venture))
    shop.make("projects", renames={"Project": "Venture"})
    for module in ("billing", "time"):
        (file, *_) = shop.make(module)
        assert 'RenameModel("projects.Project", "projects.Venture"' in file.read_text()
        assert 'requires={"projects": 2}' in file.read_text()
    shop.migrate()
    assert shop.get("projects_venture", "code", "x_billing_rate") == [("A", Decimal(1))]
    assert drifted(shop) == []
    assert check_models(shop.parts, shop.catalog) == []
    (shop.root / "again").mkdir()
    with servers.database(shop.engine, folder=shop.root / "again") as at:
        shop.at = at
        shop.migrate()  # a new database takes the same way
        assert drifted(shop) == []


def test_development_follows_the_declarations(workshop: Workshop) -> None:
    """Without files; the file that is made later is found to be applied already."""
    workshop.declare("projects", Project)
    workshop.declare("billing", Rate)
    workshop.extend("billing", billing())
    with workshop.connect() as connection:
        migrate_from_declarations(workshop.parts, workshop.catalog, connection)
    assert drifted(workshop) == []
    workshop.unlist("billing")
    with workshop.connect() as connection:
        assert not migrate_from_declarations(workshop.parts, workshop.catalog, connection)
    assert "x_billing_rate" in columns(workshop)
    assert drifted(workshop) == []
    workshop.declare("billing", Rate)
    workshop.extend("billing", billing(more=(int | None, field(default=None))))
    with workshop.connect() as connection:
        done = migrate_from_declarations(workshop.parts, workshop.catalog, connection)
    assert done.changed == (("billing", "add field projects.Project.x_billing_more"),)
    for module in ("projects", "billing"):
        workshop.make(module)
    assert all(done.adopted for done in workshop.migrate())
    assert drifted(workshop) == []


@pytest.mark.parametrize(
    "wrong",
    [
        FieldState("x_billing_rate", "int"),
        FieldState("rate", "int", nullable=True),
        FieldState("x_time_rate", "int", nullable=True),
    ],
)
def test_what_is_added_may_be_null_and_says_whose_it_is(wrong: FieldState) -> None:
    """The base works without it, and nobody takes another's name."""
    before = schema_of(Catalog.build({"projects": [Project]}))
    with pytest.raises(BadOperation, match="x_billing_"):
        AddField("projects.Project", wrong).change(before, "billing")


def test_the_base_is_needed_first(shop: Workshop) -> None:
    """A file that does not say so is refused with what to write."""
    file = shop.folder("time") / "0001_add_projects_project_x_time_hours.py"
    file.write_text(file.read_text().replace('requires={"projects": 1}', "requires={}"))
    shop.models = {"time": shop.models["time"], **shop.models}
    with pytest.raises(Faults) as caught:
        shop.migrate()
    assert "the module time adds to it before, and does not say so in requires" in str(caught.value)


def test_a_shared_base_is_extended_too(workshop: Workshop) -> None:
    """Its keys have no tenant."""
    country = model("Country", {"code": (str, field(max_length=2))}, ModelMeta(scope="shared"))
    workshop.declare("masters", country)
    more = model(
        "CountryTax",
        {"vat": (Decimal | None, field(default=None, precision=5, scale=2, index=True))},
        base=Extension[country],
    )  # type: ignore[valid-type, arg-type]
    workshop.extend("tax", more)
    workshop.make("masters")
    workshop.make("tax")
    workshop.migrate()
    assert drifted(workshop) == []
