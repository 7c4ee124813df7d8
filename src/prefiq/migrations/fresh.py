"""The tables of a new, empty database, made at once as they are now; nothing is replayed.

A hundred migrations of a year are one CREATE TABLE for each table.  The history then says what it would say
had they been applied one after the other, so that the next one is applied like anywhere else.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from prefiq.lowcode import Catalog
from prefiq.migrations import history
from prefiq.migrations.develop import changes_to
from prefiq.migrations.diff import keep_names
from prefiq.migrations.execution import Site, render, run_at_once
from prefiq.migrations.loader import ModulePart
from prefiq.migrations.planning import Plan, plan
from prefiq.migrations.register import revision_of
from prefiq.migrations.snapshot import Schema
from prefiq.migrations.steps import Sql
from prefiq.migrations.tables import schema_of

__all__ = ["Fresh", "fresh"]


@dataclass(frozen=True)
class Fresh:
    """What a new database is made of.

    Args:
        planned: Of a database that has nothing.
        wanted: All tables.
        catalog: The models.
        revision: As ``revision_of`` its migrations.
    """

    planned: Plan
    wanted: Schema
    catalog: Catalog
    revision: str

    @cached_property
    def checksum(self) -> str:
        """Equal where the databases would be."""
        told = f"{self.revision} {self.wanted.canonical!r}"
        return hashlib.sha256(told.encode()).hexdigest()

    def build(self, site: Site, now: datetime) -> None:
        """Make all tables, with the walls between tenants, and write the history.

        Args:
            site: An empty database; where the engine can, inside a transaction.
            now: Aware UTC time.

        Raises:
            MigrationFailed: The database refused something.
        """
        renderer, planned = site.renderer, self.planned
        whole = self.wanted.of(self.wanted.tables)  # what extensions add is made with the table
        empty = dataclasses.replace(planned, schema=Schema(), development={})
        changes = changes_to(empty, whole, self.catalog, keep_names, lambda _: True)
        steps = render(site, changes, "prefiq", "new", now)
        texts = [*history.tables(renderer), *(step.text for step in steps if isinstance(step, Sql))]
        if site.walls is not None:
            for model in self.wanted.tables:
                texts += () if model.shared else renderer.wall_of(model.table, site.walls)
        texts += (history.record(stage.loaded, now, 0.0, renderer.dialect) for stage in planned.pending)
        if renderer.name == "postgres":  # it takes any number of statements at once
            texts = [";\n".join(texts)]
        title = "make the tables of a new database"
        run_at_once(
            dataclasses.replace(site, may_block=True), [Sql(t, title) for t in texts], "prefiq", "new"
        )
        head = planned.pending[-1].after if planned.pending else Schema()
        for module in planned.modules:
            tables = self.wanted.of_module(module)
            if not tables.same_as(head.of_module(module)):
                history.record_development(site.connection, module, tables, now)


def fresh(modules: Sequence[ModulePart], catalog: Catalog, *, declared: bool) -> Fresh:
    """What a new database is made of.

    Args:
        modules: The listed modules, in their order.
        catalog: Their models.
        declared: Whether it follows the declarations, as in development; else the files alone count.

    Raises:
        prefiq.errors.Faults: Everything that is wrong with the files.
    """
    planned = plan(modules, strict=not declared)
    head = planned.pending[-1].after if planned.pending else Schema()
    wanted = schema_of(catalog) if declared else head
    return Fresh(planned, wanted, catalog, revision_of(planned.migrations))
