"""Whether the tables of a database are what the migrations made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import sqlalchemy as sa

from prefiq.migrations import history
from prefiq.migrations.dialects import renderer_for
from prefiq.migrations.errors import SchemaDrift
from prefiq.migrations.snapshot import Schema

__all__ = ["drift"]


def drift(connection: sa.Connection, schema: Schema) -> list[SchemaDrift]:
    """Tables that are not as they should be.

    What should be is made in a scratch database of the same engine and looked at in the same way, so that an
    engine's own way of telling a type never counts as a difference.

    Args:
        connection: The database.
        schema: What should be there, ``plan(…).present``; tables of others are not looked at, nor what modules
            that are no longer listed have added to these.
    """
    renderer = renderer_for(connection.dialect.name)
    known = {row.module for row in history.read(connection)} | history.development(connection).keys()
    gone = sorted(known - {model.module for model in schema})
    found: list[SchemaDrift] = []
    for table, expected in renderer.expected(schema).items():
        actual = renderer.fingerprint(connection, table)
        if not actual:
            found.append(SchemaDrift(table, ["it is missing"]))
        elif differences := _differences(expected, _without(gone, actual)):
            found.append(SchemaDrift(table, differences))
    return found


def _without(modules: list[str], actual: Mapping[str, str]) -> dict[str, str]:
    names = "|".join(map(re.escape, modules))
    added = rf"|(?:^column |_|, )x_(?:{names})_" if modules else ""
    theirs = re.compile(rf"(?:^column |, )archived\d*_x_{added}")
    return {part: found for part, found in actual.items() if not theirs.search(part)}


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
