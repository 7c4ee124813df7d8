"""What can be wrong with migrations and seeds; faults found together arrive as one ``Faults``.

The tree (this room's own; ``make`` and ``check`` of declarations, ``plan`` and ``apply`` of databases)::

    PrefiqError
    ├── BrokenMigration        a file cannot be read, or does not say what its name says
    ├── SharedFolder           two modules keep their migrations in one folder
    ├── MigrationGap           a number is missing
    ├── DuplicateMigration     a number stands twice
    ├── EditedMigration        a file is no longer the one that was applied
    ├── MissingRequirement     another module is not listed, or too old
    ├── MigrationCycle         migrations wait for each other
    ├── DatabaseAhead          newer code took away what this code needs
    ├── BadOperation           an operation does not fit what the ones before it made
    ├── StaleSnapshot          snapshot.json is not what the migrations make
    ├── NeedsDefault           rows that exist would have no value
    ├── BadFill                a value that was given for them is none of the field
    ├── UnsupportedChange      a change that cannot be made without losing or inventing values
    ├── DestructiveChange      rows would be lost in development mode
    ├── ModelChanged           a model changed without a migration
    ├── MigrationFailed        the database refused a statement, or a step raised
    ├── TransactionEnded       a step committed by itself
    ├── HalfApplied            a migration is there in part, and its file is another one now
    ├── BlockingChange         others would have to wait until a large table is copied
    ├── RowsDoNotFit           rows that exist break a new rule
    ├── MigrationLocked        another process is migrating
    ├── Unapplied              migrations wait to be applied
    ├── DevelopmentDiffers     a development database is not on the way of the files
    ├── HistoryGap             an earlier migration is not recorded, a later one is
    ├── SchemaDrift            tables are not what the migrations made
    ├── ForeignPlace           a database or account with a tenant's name is somebody else's
    ├── TenantNotMigrated      a tenant's database could not be brought to the present
    ├── SeedFailed             a seed raised
    └── BadSeed                a seed is declared in a way that cannot work
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from prefiq.errors import PrefiqError

__all__ = [
    "BadFill",
    "BadOperation",
    "BadSeed",
    "BlockingChange",
    "BrokenMigration",
    "DatabaseAhead",
    "DestructiveChange",
    "DevelopmentDiffers",
    "DuplicateMigration",
    "EditedMigration",
    "ForeignPlace",
    "HalfApplied",
    "HistoryGap",
    "MigrationCycle",
    "MigrationFailed",
    "MigrationGap",
    "MigrationLocked",
    "MissingRequirement",
    "ModelChanged",
    "NeedsDefault",
    "RowsDoNotFit",
    "SchemaDrift",
    "SeedFailed",
    "SharedFolder",
    "StaleSnapshot",
    "TenantNotMigrated",
    "TransactionEnded",
    "Unapplied",
    "UnsupportedChange",
]


class BrokenMigration(PrefiqError):
    """A migration's file cannot be used: it does not compile, it raises, or it does not say what its name says.

    Correct the file; if it was made by ``makemigrations`` and not yet applied anywhere, delete it and make
    it again.

    Args:
        module: Name of the module.
        file: Name of the file.
        problem: What is wrong, one sentence.
        line: Line in the file, 0 where unknown.
    """

    code: ClassVar[str] = "PFQ601"
    exit_code: ClassVar[int] = 3

    def __init__(self, module: str, file: str, problem: str, line: int = 0) -> None:
        self.module = module
        self.file = file
        self.problem = problem
        self.line = line
        self.what = f"The migration cannot be used: {problem}"
        self.where = f"module {module}, {file}" + (f", line {line}" if line else "")
        self.fix = f"correct {file}, or delete it and run prefiq lowcode makemigrations {module}"


class SharedFolder(PrefiqError):
    """Two listed modules keep their migrations in the same folder, so that numbers and snapshot would mix.

    Name another package in one of the providers.
    """

    code: ClassVar[str] = "PFQ602"
    exit_code: ClassVar[int] = 3

    def __init__(self, folder: str, modules: Sequence[str]) -> None:
        self.folder = folder
        self.modules = tuple(modules)
        self.what = f"The modules {' and '.join(self.modules)} keep their migrations in one folder"
        self.where = folder
        self.fix = 'name a package of its own in one of the providers: migrations = "…"'


class MigrationGap(PrefiqError):
    """A module's migrations are numbered 1, 2, 3 and so on; one of the numbers is missing.

    Restore the file from the module's repository or reinstall its package; a number is never left out.
    """

    code: ClassVar[str] = "PFQ603"
    exit_code: ClassVar[int] = 3

    def __init__(self, module: str, missing: int, following: str) -> None:
        self.module = module
        self.missing = missing
        self.following = following
        self.what = f"Migration {missing:04d} is missing"
        self.where = f"module {module}, before {following}"
        self.fix = f"restore the file {missing:04d}_*.py, or reinstall the package of {module}"


class DuplicateMigration(PrefiqError):
    """Two files of a module have one number, usually made on two branches.

    Keep the one that was released or merged first; delete the other, and make it again.
    """

    code: ClassVar[str] = "PFQ604"
    exit_code: ClassVar[int] = 3

    def __init__(self, module: str, number: int, files: Sequence[str]) -> None:
        self.module = module
        self.number = number
        self.files = tuple(files)
        self.what = f"The number {number:04d} stands {len(self.files)} times"
        self.where = f"module {module}: {', '.join(self.files)}"
        self.fix = f"delete the one that nobody has applied and run prefiq lowcode makemigrations {module}"


class EditedMigration(PrefiqError):
    """A migration's file is not the one that was applied to this database; its checksum differs.

    Restore the file, and put the change into a new migration.
    """

    code: ClassVar[str] = "PFQ605"
    exit_code: ClassVar[int] = 3

    def __init__(self, module: str, file: str, applied_name: str) -> None:
        self.module = module
        self.file = file
        self.applied_name = applied_name
        self.what = "The migration was changed after it was applied here"
        if applied_name and applied_name != file.removesuffix(".py"):
            self.what = f"Another migration was applied here under this number, {applied_name}"
        self.where = f"module {module}, {file}"
        self.fix = "restore the file as it was, and put the change into a new migration"


class MissingRequirement(PrefiqError):
    """A migration builds on one of another module, which is not listed or too old.

    List the other module, or upgrade its package.

    Args:
        module: The module that requires.
        file: Its migration.
        required: The other module.
        number: The number it needs.
        has: The highest number the other has; None where it is not listed.
    """

    code: ClassVar[str] = "PFQ606"
    exit_code: ClassVar[int] = 3

    def __init__(self, module: str, file: str, required: str, number: int, has: int | None) -> None:
        self.module = module
        self.file = file
        self.required = required
        self.number = number
        self.has = has
        self.where = f"module {module}, {file}"
        if has is None:
            self.what = f"The module {required} is required and not listed"
            self.fix = f"install {required} and list it in APPS"
        elif has == 0:
            self.what = f"The module {required} is required and has no migrations"
            self.fix = f"run prefiq lowcode makemigrations {required} first"
        else:
            self.what = (
                f"Migration {number:04d} of {required} is required, the installed one ends at {has:04d}"
            )
            self.fix = f"upgrade the package of {required}"


class MigrationCycle(PrefiqError):
    """Migrations of several modules require each other in a circle, so none of them can be first.

    Take one of the references out of the first migrations and add it in a later one.
    """

    code: ClassVar[str] = "PFQ607"
    exit_code: ClassVar[int] = 3

    def __init__(self, path: Sequence[str]) -> None:
        self.path = tuple(path)
        self.what = "Migrations require each other: " + " → ".join(self.path)
        self.where = "requires"
        self.fix = "move one of the references into a later migration"


class DatabaseAhead(PrefiqError):
    """Newer code than what is installed applied a migration that contracts; the database is left alone.

    The code from before cannot live with it.  After one that expands it can, and this error does not come.
    Install the newer package of the module, or restore a backup that fits the old one.
    """

    code: ClassVar[str] = "PFQ608"
    exit_code: ClassVar[int] = 3

    def __init__(self, module: str, number: int, name: str, has: int) -> None:
        self.module = module
        self.number = number
        self.name = name
        self.has = has
        self.what = (
            f"The database has migration {name}, which contracts; the installed code ends at {has:04d}"
        )
        self.where = f"module {module}"
        self.fix = f"install a package of {module} that has migration {number:04d}"


class BadOperation(PrefiqError):
    """An operation does not fit what the migrations before it made, for example a field that is added twice.

    Correct the file, or delete it and make it again.

    Args:
        operation: What it wants, for example ``"add field Project.code"``.
        problem: Why it cannot, one sentence.
        where: Module and file.
    """

    code: ClassVar[str] = "PFQ609"
    exit_code: ClassVar[int] = 3

    def __init__(self, operation: str, problem: str, where: str = "") -> None:
        self.operation = operation
        self.problem = problem
        self.what = f"Cannot {operation}: {problem}"
        self.where = where
        self.fix = "correct the migration, or delete it and make it again"


class StaleSnapshot(PrefiqError):
    """``snapshot.json`` is not what the module's migrations make; one of them was edited, added or lost.

    Running ``makemigrations`` writes it again.
    """

    code: ClassVar[str] = "PFQ610"
    exit_code: ClassVar[int] = 3

    def __init__(self, module: str, problem: str) -> None:
        self.module = module
        self.problem = problem
        self.what = f"snapshot.json {problem}"
        self.where = f"module {module}"
        self.fix = f"run prefiq lowcode makemigrations {module}"


class NeedsDefault(PrefiqError):
    """A field without default that may not be empty is added, or becomes so, while rows may exist without a value.

    Give the field a default, make it nullable, or say with ``--fill`` what those rows get; if it is an old field
    under a new name, say so with ``--rename``.

    Args:
        field: Qualified, ``"projects.Project.code"``.
        renamed: Dropped fields that it may be the new name of.
        reason: Why the default that it has cannot be used, or empty.
    """

    code: ClassVar[str] = "PFQ611"
    exit_code: ClassVar[int] = 3

    def __init__(self, field: str, renamed: Sequence[str] = (), reason: str = "") -> None:
        self.field = field
        self.renamed = tuple(renamed)
        self.reason = reason
        self.what = "Rows that exist would have no value" + (f": {reason}" if reason else "")
        self.where = field
        module, _, name = field.partition(".")
        self.fix = f"give a default, make it nullable, or give those rows a value: --fill {name}=VALUE"
        if self.renamed:
            old, new = self.renamed[0].removeprefix(f"{module}."), name.rpartition(".")[2]
            self.fix += f"; if it is the new name of {' or '.join(self.renamed)}: --rename {old}={new}"


class BadFill(PrefiqError):
    """A value given for rows that exist does not belong to a field of the module's models, or is none of its kind.

    Write ``--fill Model.field=VALUE``, the value as JSON would have it, texts without quotes.

    Args:
        field: What was written left of the ``=``.
        problem: What is wrong, one sentence.
        nearest: The field that was probably meant, or empty.
    """

    code: ClassVar[str] = "PFQ624"
    exit_code: ClassVar[int] = 2

    def __init__(self, field: str, problem: str, nearest: str = "") -> None:
        self.field = field
        self.problem = problem
        self.nearest = nearest
        self.what = f"The value cannot be used: {problem}"
        self.where = f"--fill {field}"
        self.fix = f"did you mean {nearest}?" if nearest else "write --fill Model.field=VALUE"


class UnsupportedChange(PrefiqError):
    """A field or model changes in a way that would lose or invent values, such as from text to a number.

    Add a new field, fill it in a step of your own (``RunSteps``), then drop the old one.
    """

    code: ClassVar[str] = "PFQ612"
    exit_code: ClassVar[int] = 3

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem
        self.what = f"The change cannot be made by itself: {problem}"
        self.fix = "add a new field, fill it with RunSteps, then drop the old one"


class DestructiveChange(PrefiqError):
    """In development the server migrates itself, and would have to drop something that holds rows.

    Where it has a new name only, ``prefiq run migrate --rename OLD=NEW`` keeps what it holds; where it may go,
    ``prefiq run migrate --allow-loss`` drops it.
    """

    code: ClassVar[str] = "PFQ613"
    exit_code: ClassVar[int] = 3

    def __init__(self, operation: str, module: str) -> None:
        self.operation = operation
        self.module = module
        self.what = f"To {operation} would lose what is stored in it"
        self.where = f"module {module}"
        self.fix = (
            "if it has a new name, run prefiq run migrate --rename OLD=NEW; if it may go, "
            "prefiq run migrate --allow-loss"
        )


class ModelChanged(PrefiqError):
    """A module's models are not what its migrations make.

    Make the migration.

    Args:
        module: Name of the module.
        changes: What a migration would do, one phrase each.
    """

    code: ClassVar[str] = "PFQ614"
    exit_code: ClassVar[int] = 5

    def __init__(self, module: str, changes: Sequence[str]) -> None:
        self.module = module
        self.changes = tuple(changes)
        self.what = "Models changed without a migration: " + "; ".join(self.changes)
        self.where = f"module {module}"
        self.fix = f"run prefiq lowcode makemigrations {module}"


class MigrationFailed(PrefiqError):
    """A statement was refused by the database, or a step raised; the migration left nothing behind.

    On MariaDB, which keeps each statement by itself, what was done before it stays, and is not done again.
    The cause is kept as ``__cause__``; the server's words are not repeated, since they may hold values.

    Args:
        module: Name of the module.
        name: Name of the migration.
        operation: What was being done.
        reason: Class of the cause.
        atomic: Whether nothing of the migration was kept.
    """

    code: ClassVar[str] = "PFQ615"

    def __init__(self, module: str, name: str, operation: str, reason: str, *, atomic: bool = True) -> None:
        self.module = module
        self.name = name
        self.operation = operation
        self.reason = reason
        self.what = f"Could not {operation} ({reason}); "
        self.what += "nothing of this migration was kept" if atomic else "what was done before it stays"
        self.where = f"module {module}, {name}"
        self.fix = "look at the cause, correct the data or the migration, and run prefiq run migrate again"


class RowsDoNotFit(PrefiqError):
    """Rows that exist break what a migration introduces: too long, empty, doubled or unknown values.

    Correct those rows, then migrate again.

    Args:
        where: Module and migration.
        problem: What is wrong with them, without their values.
        count: How many.
    """

    code: ClassVar[str] = "PFQ616"

    def __init__(self, where: str, problem: str, count: int) -> None:
        self.problem = problem
        self.count = count
        self.what = f"{count} {'row does' if count == 1 else 'rows do'} not fit: {problem}"
        self.where = where
        self.fix = "correct those rows, or fill them in a step (RunSteps) before, and migrate again"


class MigrationLocked(PrefiqError):
    """Another process held the database's lock until the time to wait was over; nothing was changed.

    Wait for it to finish and run the command again: what it has applied is not applied twice.
    """

    code: ClassVar[str] = "PFQ617"
    exit_code: ClassVar[int] = 6

    def __init__(self, database: str, seconds: float) -> None:
        self.database = database
        self.seconds = seconds
        self.what = f"The database was locked by another process for {seconds:g} seconds"
        self.where = database
        self.fix = "wait until the other process has finished, then run it again"


class Unapplied(PrefiqError):
    """Migrations of listed modules are not applied to this database.

    Apply them with ``prefiq run migrate``.
    """

    code: ClassVar[str] = "PFQ618"
    exit_code: ClassVar[int] = 5

    def __init__(self, module: str, names: Sequence[str]) -> None:
        self.module = module
        self.names = tuple(names)
        count = len(self.names)
        self.what = f"{count} {'migration is' if count == 1 else 'migrations are'} not applied: "
        self.what += ", ".join(self.names)
        self.where = f"module {module}"
        self.fix = "run prefiq run migrate"


class DevelopmentDiffers(PrefiqError):
    """A development database was migrated from declarations, and no migration file leads through where it stands.

    Start the server in development, which brings it to the declarations, and make their migration.
    """

    code: ClassVar[str] = "PFQ620"
    exit_code: ClassVar[int] = 3

    def __init__(self, module: str, changes: Sequence[str]) -> None:
        self.module = module
        self.changes = tuple(changes)
        self.what = "The development database is not where the migrations lead: " + "; ".join(self.changes)
        self.where = f"module {module}"
        self.fix = f"run prefiq lowcode makemigrations {module}, or start the server in development first"


class SchemaDrift(PrefiqError):
    """The database's tables are not what the applied migrations made; somebody changed them by hand.

    Undo the change by hand, or put it into the declaration and a migration.
    """

    code: ClassVar[str] = "PFQ621"
    exit_code: ClassVar[int] = 5

    def __init__(self, table: str, differences: Sequence[str]) -> None:
        self.table = table
        self.differences = tuple(differences)
        self.what = "The table is not what the migrations made: " + "; ".join(self.differences)
        self.where = f"table {table}"
        self.fix = "undo the change by hand, or declare it and make a migration"


class TransactionEnded(PrefiqError):
    """A step of a migration committed or rolled back, so that the migration is no longer all or nothing.

    What it committed is there, and the migration is not recorded.  Take the commit out of the function; Prefiq
    ends the transaction.
    """

    code: ClassVar[str] = "PFQ623"

    def __init__(self, module: str, name: str, operation: str) -> None:
        self.module = module
        self.name = name
        self.operation = operation
        self.what = f"A step ended the migration's transaction ({operation})"
        self.where = f"module {module}, {name}"
        self.fix = "leave commit and rollback to Prefiq, and look at what was kept before migrating again"


class HalfApplied(PrefiqError):
    """A part of a migration is done in this database, and the file no longer begins with that part.

    On MariaDB each statement is kept by itself.  A migration that was broken off goes on where it was, as long as
    the file says the same up to there; what comes after it may be corrected.

    Args:
        module: Name of the module.
        name: Name of the migration.
    """

    code: ClassVar[str] = "PFQ625"
    exit_code: ClassVar[int] = 3

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name
        self.what = "A part of the migration is done here, and the file no longer begins with that part"
        self.where = f"module {module}, {name}, table prefiq_migration_step"
        self.fix = "restore the beginning of the file as it was, then run prefiq run migrate again"


class BlockingChange(PrefiqError):
    """The engine can make the change only by copying a large table, and others have to wait for that.

    On MariaDB those who write it wait, on PostgreSQL those who read it, too.

    Do it at a quiet hour with ``prefiq run migrate --allow-blocking``; or add a new field, fill it, and drop the
    old one.

    Args:
        operation: What it wants.
        table: The table.
        rows: About how many rows it has.
        where: Module and migration.
    """

    code: ClassVar[str] = "PFQ626"

    def __init__(self, operation: str, table: str, rows: int, module: str = "", name: str = "") -> None:
        self.operation = operation
        self.table = table
        self.rows = rows
        self.module = module
        self.name = name
        self.what = (
            f"To {operation} the engine copies the table {table} (about {rows:,} rows), and others wait"
        )
        self.fix = "do it at a quiet hour with prefiq run migrate --allow-blocking, or add a new field"


class HistoryGap(PrefiqError):
    """A migration is not recorded as applied although a later one of the same module is.

    The history was changed by hand or restored in part; restore a backup, or record the missing row after
    making sure that its changes are there.
    """

    code: ClassVar[str] = "PFQ622"
    exit_code: ClassVar[int] = 3

    def __init__(self, module: str, missing: Sequence[str], later: str) -> None:
        self.module = module
        self.missing = tuple(missing)
        self.later = later
        self.what = f"{', '.join(self.missing)} is not recorded as applied, {later} is"
        self.where = f"module {module}, table prefiq_migration"
        self.fix = "restore a backup of the database, or add the missing rows if their changes are there"


class SeedFailed(PrefiqError):
    """A seed raised; nothing of it was kept for this tenant, other tenants and seeds went on.

    The cause is kept as ``__cause__``.
    """

    code: ClassVar[str] = "PFQ630"

    def __init__(self, module: str, seed: str, tenant: str, reason: str) -> None:
        self.module = module
        self.seed = seed
        self.tenant = tenant
        self.reason = reason
        self.what = f"The seed {seed} failed ({reason}); nothing of it was kept"
        self.where = f"module {module}, tenant {tenant}"
        self.fix = "look at the cause, then run the seeds again: what is done is not done twice"


class BadSeed(PrefiqError):
    """A seed is declared in a way that cannot work: two have one name, or it is no ``Seed`` at all.

    Correct the ``seeds`` of the module's provider.
    """

    code: ClassVar[str] = "PFQ631"
    exit_code: ClassVar[int] = 3

    def __init__(self, module: str, seed: str, problem: str) -> None:
        self.module = module
        self.seed = seed
        self.problem = problem
        self.what = f"The seed {seed} cannot be used: {problem}"
        self.where = f"module {module}"
        self.fix = "correct the seeds of its provider"


class ForeignPlace(PrefiqError):
    """There is a database (schema, file, account) with the name of a tenant's, and it does not bear the tenant's mark.

    It was not touched.

    Args:
        name: Of the database, schema or account.
        kind: ``"database"``, ``"schema"`` or ``"account"``.
    """

    code: ClassVar[str] = "PFQ640"
    exit_code: ClassVar[int] = 4
    fix = "rename or remove what is there, if nobody needs it, and create the tenant again"

    def __init__(self, name: str, kind: str = "database") -> None:
        self.name = name
        self.kind = kind
        self.what = f"There is {'an' if kind[0] in 'aeiou' else 'a'} {kind} of that name already, and it is not this tenant's"
        self.where = f"{kind} {name}"


class TooManyTables(PrefiqError):
    """A schema was to be made in a database that has very many tables already; nothing was made.

    Each connection keeps some 20 kB of memory for each table that it has seen, and never gives them back.

    Args:
        database: Its name.
        count: How many it has.
        most: How many it may have.
    """

    code: ClassVar[str] = "PFQ645"
    exit_code: ClassVar[int] = 4
    fix = "place the tenant by row, or in a database of its own"

    def __init__(self, database: str, count: int, most: int) -> None:
        self.what = f"No further schema is made: the database has {count} tables, and {most} are the most"
        self.where = f"database {database}"


class TenantNotMigrated(PrefiqError):
    """A tenant's database could not be brought to the present; the others were, and this one is tried again next time.

    Args:
        tenant: Key of the tenant.
        reason: What was in the way.
        exit_code: Of that.
    """

    code: ClassVar[str] = "PFQ641"
    fix = "see to that, then: prefiq run migrate"

    def __init__(self, tenant: str, reason: str, exit_code: int = 1) -> None:
        self.tenant = tenant
        self.reason = reason
        self.exit_code = exit_code  # type: ignore[misc]  # of its cause
        self.what = f"The database of a tenant was not brought to the present: {reason}"
        self.where = f"tenant {tenant}"
