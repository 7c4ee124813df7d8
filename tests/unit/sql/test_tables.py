"""The tables of declared models: keys that start with the tenant, references that cannot cross tenants."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as lite

from prefiq.foundation.entity import Child, Entity
from prefiq.lowcode import Catalog, DeclarationError, ModelMeta, children, field, index, ref, unique
from prefiq.sql import Tables
from prefiq.sql.tables import LONGEST_NAME, MakeIndex, short_name


class Country(Entity):
    code: str = field(max_length=2, unique=True)

    meta = ModelMeta(scope="shared")


class Person(Entity):
    name: str = field(max_length=50, index=True)
    country_id: UUID | None = ref(Country, default=None)
    boss_id: UUID | None = ref("hr.Person", default=None, on_delete="set_null")

    meta = ModelMeta(soft_delete=True, indexes=(unique("name", "country_id"), index("boss_id", "name")))


class Phone(Child):
    number: str = field(max_length=20, unique=True)
    country_id: UUID | None = ref(Country, default=None)


class Desk(Entity):
    owner_id: UUID = ref(Person, on_delete="cascade")
    helper_id: UUID | None = ref(Person, default=None)
    phones: list[Phone] = children(Phone)


class Name(Child):
    text: str


class Word(Entity):
    names: list[Name] = children(Name)

    meta = ModelMeta(scope="shared")


@pytest.fixture
def tables() -> Tables:
    return Tables(Catalog.build({"hr": (Country, Person, Desk)}))


def ddl(table: sa.Table) -> str:
    return str(sa.schema.CreateTable(table).compile(dialect=lite.dialect())).strip()


def test_tenants_table(tables: Tables) -> None:
    """Key, references and rules of deletion; nothing that the server would decide."""
    assert ddl(tables[Desk]) == (
        "CREATE TABLE hr_desk (\n"
        "\ttenant_id TEXT NOT NULL, \n"
        "\tid BLOB NOT NULL, \n"
        "\tversion INTEGER NOT NULL, \n"
        "\towner_id BLOB NOT NULL, \n"
        "\thelper_id BLOB, \n"
        "\tCONSTRAINT pk_hr_desk PRIMARY KEY (tenant_id, id), \n"
        "\tCONSTRAINT fk_hr_desk_owner_id FOREIGN KEY(tenant_id, owner_id) "
        "REFERENCES hr_person (tenant_id, id) ON DELETE CASCADE, \n"
        "\tCONSTRAINT fk_hr_desk_helper_id FOREIGN KEY(tenant_id, helper_id) REFERENCES hr_person (tenant_id, id)\n"
        ")"
    )


def test_soft_delete_and_references_to_shared_models(tables: Tables) -> None:
    """A reference to a shared row has one column; what is emptied, the repository empties."""
    text = ddl(tables[Person])
    assert "deleted_at TEXT, " in text
    assert "FOREIGN KEY(country_id) REFERENCES hr_country (id), " in text
    assert "FOREIGN KEY(tenant_id, boss_id) REFERENCES hr_person (tenant_id, id)\n" in text


def test_shared_table(tables: Tables) -> None:
    """No tenant's column; the id alone is the key."""
    assert ddl(tables[Country]) == (
        "CREATE TABLE hr_country (\n\tid BLOB NOT NULL, \n\tversion INTEGER NOT NULL, \n\tcode TEXT NOT NULL, \n"
        "\tCONSTRAINT pk_hr_country PRIMARY KEY (id)\n)"
    )


def test_childs_table(tables: Tables) -> None:
    """It lives with its parent, keeps its order, and has no version."""
    text = ddl(tables[Phone])
    assert "\tdesk_id BLOB NOT NULL, \n\tposition INTEGER NOT NULL, \n\tnumber TEXT NOT NULL" in text
    assert "FOREIGN KEY(tenant_id, desk_id) REFERENCES hr_desk (tenant_id, id) ON DELETE CASCADE" in text
    assert "version" not in text


def test_indexes_start_with_the_tenant(tables: Tables) -> None:
    """Unique ones too, but for shared tables; the names come from table and index alone."""
    found = {
        str(index.name): ([column.name for column in index.columns], index.unique)
        for table in tables
        for index in table.indexes
    }
    assert found == {
        "uq_hr_country_code": (["code"], True),
        "ix_hr_person_name": (["tenant_id", "name"], False),
        "ix_hr_person_country_id": (["tenant_id", "country_id"], False),
        "ix_hr_person_boss_id": (["tenant_id", "boss_id"], False),
        "uq_hr_person_name_country_id": (["tenant_id", "name", "country_id"], True),
        "ix_hr_person_boss_id_name": (["tenant_id", "boss_id", "name"], False),
        "ix_hr_desk_owner_id": (["tenant_id", "owner_id"], False),
        "ix_hr_desk_helper_id": (["tenant_id", "helper_id"], False),
        "uq_hr_phone_number": (["tenant_id", "number"], True),
        "ix_hr_phone_country_id": (["tenant_id", "country_id"], False),
        "ix_hr_phone_desk_id": (["tenant_id", "desk_id", "position"], False),
    }


def test_children_of_a_shared_model_are_shared() -> None:
    """A child belongs to whom its parent belongs."""

    tables = Tables(Catalog.build({"dict": (Word,)}))
    assert tables.scope_of("dict_name") == "shared"
    assert "tenant_id" not in tables[Name].c


def test_tables_are_found_by_model_and_name(tables: Tables) -> None:
    """By class, specification, qualified name and the table's name in any case."""
    spec = tables.catalog[Person]
    assert tables[Person] is tables[spec] is tables["hr.Person"] is tables.metadata.tables["hr_person"]
    assert tables.spec_of("HR_Person") is spec
    assert (tables.scope_of("HR_PERSON"), tables.scope_of("hr_country"), tables.scope_of("x")) == (
        "tenant",
        "shared",
        None,
    )
    assert tables.names("shared") == {"hr_country"}
    with pytest.raises(DeclarationError, match="Stranger belongs to no listed module"):
        _ = tables[type("Stranger", (), {})]


def test_referrers_are_known(tables: Tables) -> None:
    """Who refers to a model, children included."""
    people = [(spec.name, field.name) for spec, field in tables.referrers(tables.catalog[Person])]
    assert people == [("Person", "boss_id"), ("Desk", "owner_id"), ("Desk", "helper_id")]
    countries = [(spec.name, field.name) for spec, field in tables.referrers(tables.catalog[Country])]
    assert countries == [("Person", "country_id"), ("Phone", "country_id")]


def test_added_tenants_table_needs_the_tenants_column(tables: Tables) -> None:
    """Without it, it could not be confined."""
    with pytest.raises(DeclarationError, match="has no tenant_id"):
        tables.add(sa.Table("x", sa.MetaData(), sa.Column("y", sa.Integer)), "tenant")


def test_every_table_can_be_made(tables: Tables) -> None:
    """In any order, references to themselves included."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        tables.create_all(connection)
        made: Any = sa.inspect(connection).get_table_names()
    engine.dispose()
    assert set(made) == {"hr_country", "hr_person", "hr_desk", "hr_phone"}


def test_a_long_name_is_shortened_alike_everywhere() -> None:
    """PostgreSQL would cut it off without a word; two names that differ at their end stay two."""
    assert short_name("x" * LONGEST_NAME) == "x" * LONGEST_NAME
    stem = "ix_hr_person_" + "a_field_with_a_long_name_" * 3
    assert short_name(stem + "a") == "ix_hr_person_a_field_with_a_long_name_a_field_with_a_l_9adbfd2e"
    assert short_name(stem + "a") != short_name(stem + "b")
    assert len(short_name(stem)) == LONGEST_NAME


def test_names_of_indexes_and_references_are_short(tables: Tables) -> None:
    """Every engine takes them."""
    long = "a_reference_whose_name_is_rather_long_id"

    class PersonWithARatherLongName(Entity):
        a_reference_whose_name_is_rather_long_id: UUID = ref(Person)
        country_id: UUID | None = ref(Country, default=None)

        meta = ModelMeta(indexes=(index(long, "country_id"),))

    made = Tables(Catalog.build({"hr": [Country, Person, PersonWithARatherLongName]}))[
        PersonWithARatherLongName
    ]
    parts: list[Any] = [*made.indexes, *made.foreign_key_constraints]
    names = {str(one.name) for one in parts}
    assert len(names) == len(parts)
    assert max(map(len, names)) == LONGEST_NAME


def test_null_stands_first_in_every_index(tables: Tables) -> None:
    """PostgreSQL's own order has it last, where no query of ours looks for it."""
    dialect: Any = postgresql.dialect
    found = {str(one.name): str(MakeIndex(one).compile(dialect=dialect())) for one in tables[Person].indexes}
    assert found["uq_hr_person_name_country_id"] == (
        "CREATE UNIQUE INDEX uq_hr_person_name_country_id ON hr_person (tenant_id, name, country_id NULLS FIRST)"
    )
    assert found["ix_hr_person_name"] == "CREATE INDEX ix_hr_person_name ON hr_person (tenant_id, name)"
