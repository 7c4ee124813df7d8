"""Whether the tables of a database are what the migrations made of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import sqlalchemy as sa

from prefiq.lowcode.model_meta import raise_together
from prefiq.migrations import history
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.errors import SchemaDrift
from prefiq.migrations.snapshot import Schema
from prefiq.migrations.walls import PARTS, WALLS, Walls

__all__ = ["check_made", "drift"]


def check_made(connection: sa.Connection, schema: Schema, tables: Collection[str]) -> None:
    """Go on only if tables have everything that they should have; what others have added does not matter.

    Args:
        connection: The database.
        schema: What should be there.
        tables: The tables that are looked at.

    Raises:
        prefiq.errors.Faults: ``SchemaDrift``s.
    """
    renderer = renderer_for(connection.dialect.name)
    part = schema.of(model for model in schema if model.table in tables)
    faults: list[SchemaDrift] = []
    for table, expected in renderer.expected(connection, part).items():
        actual = renderer.fingerprint(connection, table)
        wanted = {name: said for name, said in actual.items() if name in expected}
        if differences := _differences(expected, wanted):
            faults.append(SchemaDrift(table, differences))
    raise_together("A migration that was broken off cannot be brought to its end", faults)


def drift(connection: sa.Connection, schema: Schema, walls: Walls | None = WALLS) -> list[SchemaDrift]:
    """Tables that are not as they should be.

    What should be is made in a scratch database of the same engine and looked at in the same way, so that an
    engine's own way of telling a type never counts as a difference.

    Args:
        connection: The database.
        schema: What should be there, ``plan(…).present``; tables of others are not looked at, nor what modules
            that are no longer listed have added to these.
        walls: What keeps tenants apart in the database itself; None for nothing.
    """
    renderer = renderer_for(connection.dialect.name)
    known = {row.module for row in history.read(connection)} | history.development(connection).keys()
    gone = sorted(known - {model.module for model in schema})
    breached = {} if walls is None else {b.table: b for b in renderer.breaches(connection, schema, walls)}
    shared = {model.table for model in schema if model.shared}
    found: list[SchemaDrift] = []
    for table, expected in renderer.expected(connection, schema).items():
        actual = renderer.fingerprint(connection, table)
        if not actual:
            found.append(SchemaDrift(table, ["it is missing"]))
            continue
        differences = list(breached[table].differences) if table in breached else []
        if table not in shared:
            actual = {part: said for part, said in actual.items() if part not in PARTS}
        differences += _differences(expected, _without(gone, actual))
        if differences:
            found.append(SchemaDrift(table, differences))
    return found


def _without(modules: list[str], actual: Mapping[str, str]) -> dict[str, str]:
    """The parts of a table that do not speak of columns of modules that are gone, or were put aside."""
    names = "|".join(map(re.escape, modules))
    added = rf"|(?:^column |_|[(, ])x_(?:{names})_" if modules else ""
    theirs = re.compile(rf"(?:^column |[(, ])archived\d*_x_{added}")
    return {part: said for part, said in actual.items() if not theirs.search(f"{part} {said}")}


def _differences(expected: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    differences: list[str] = []
    for part in sorted(expected.keys() | actual.keys()):
        if part not in actual:
            differences.append(f"{part} is missing")
        elif part not in expected:
            differences.append(f"{part} was added")
        elif expected[part] != actual[part]:
            differences.append(f"{part} is {actual[part]} in place of {expected[part]}")
    return differences
