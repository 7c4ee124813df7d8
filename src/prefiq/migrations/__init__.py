"""Migrations and seeds: from declarations to tables that keep their rows.

A migration is made by comparing a module's models with what its migrations so far have made, stands in the
module's package, and is applied once to each database.  Imports ``application`` and what stands below it.
"""

from prefiq.migrations.develop import Developed, migrate_from_declarations
from prefiq.migrations.diff import GivenRenames, LikelyRenames, Renamed, Renames, diff
from prefiq.migrations.drift import drift
from prefiq.migrations.fills import fills_from_texts
from prefiq.migrations.loader import ModulePart, folder_of, load, parts_of
from prefiq.migrations.maker import Draft, changes_of, check_models, draft, make
from prefiq.migrations.migration import LoadedMigration, Migration
from prefiq.migrations.operations import (
    AddField,
    AddIndex,
    AlterField,
    CreateModel,
    DropField,
    DropIndex,
    DropModel,
    Operation,
    RenameField,
    RenameModel,
    RunSteps,
)
from prefiq.migrations.planning import Plan, plan
from prefiq.migrations.printing import sql
from prefiq.migrations.runner import Done, ModuleStatus, apply, check, status
from prefiq.migrations.seeds import Seeded, pending_seeds, run_seeds
from prefiq.migrations.snapshot import FieldState, IndexState, ModelState, RefState, Schema
from prefiq.migrations.steps import Steps
from prefiq.migrations.tables import schema_of
from prefiq.migrations.walls import Walls

__all__ = [
    "AddField",
    "AddIndex",
    "AlterField",
    "CreateModel",
    "Developed",
    "Done",
    "Draft",
    "DropField",
    "DropIndex",
    "DropModel",
    "FieldState",
    "GivenRenames",
    "IndexState",
    "LikelyRenames",
    "LoadedMigration",
    "Migration",
    "ModelState",
    "ModulePart",
    "ModuleStatus",
    "Operation",
    "Plan",
    "RefState",
    "RenameField",
    "RenameModel",
    "Renamed",
    "Renames",
    "RunSteps",
    "Schema",
    "Seeded",
    "Steps",
    "Walls",
    "apply",
    "changes_of",
    "check",
    "check_models",
    "diff",
    "draft",
    "drift",
    "fills_from_texts",
    "folder_of",
    "load",
    "make",
    "migrate_from_declarations",
    "parts_of",
    "pending_seeds",
    "plan",
    "run_seeds",
    "schema_of",
    "sql",
    "status",
]
