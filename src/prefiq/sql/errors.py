"""What a database or the door to it said, without any value of a caller.

The driver's own error is kept as ``__cause__`` and never shown: servers put values into their messages.

::

    DatabaseError                 anything else that the database refused
    ├── DatabaseLocked            another writer did not finish in time
    ├── ReadOnlyDatabase          the file or the connection cannot be written
    ├── DatabaseMissing           there is no such file or folder
    │   └── ServerDatabaseMissing the server has no such database
    ├── SchemaMissing             a table or column that this code expects is not there
    ├── DiskFull                  there is no room left
    ├── CorruptDatabase           the file is damaged, or is no database
    ├── ConnectionsExhausted      every connection of the pool is in use
    ├── TransactionLost           the database ended the transaction by itself
    ├── TransactionFailed         a statement failed before in the same transaction
    ├── Deadlock                  two transactions waited for each other; this one was ended
    ├── SerializationFailure      another transaction changed what this one has read
    ├── StatementTimeout          the statement took longer than it may
    ├── DeadlineExceeded          the time of the whole unit of work is over
    ├── Disconnected              the server hung up; what was not committed is undone
    ├── CommitUnknown             the server hung up while it committed
    ├── StatementTooLarge         the statement with its values is longer than the server takes
    ├── AccessDenied              the server refuses the user, the password or the database
    └── EncryptionFailed          the connection cannot be encrypted as DB_SSL_MODE asks
    StatementRefused              the statement cannot be confined to one tenant; nothing was sent
    ├── RawSqlRefused             the same for SQL given as text
    ├── SharedTableProtected      a tenant tried to write a table that all tenants read
    ├── ReadOnlyTransaction       a write inside ``tx(read_only=True)``
    ├── IsolationChanged          a savepoint asked for another isolation
    ├── ScopeInUse                another task uses the scope's connection now
    ├── TenantChanged             the scope changed its tenant inside a unit of work
    ├── AcrossOnlyReads           a scope that reads across tenants was to write
    ├── PoolerInTheWay            migrations were to go through a transaction pooler
    └── AcrossBlocked             the database shows its user the rows of one tenant at a time
    CriteriaError                 criteria, sort or cursor do not fit the model
    UnreadableRow                 a stored value is none of its field's
    PlaceUnusable                 a tenant's placement names no database that can be reached
    UnknownDatabase               no such database is configured
    EngineNotServed               there is no such engine
    DriverMissing                 the engine's driver is not installed
"""

from __future__ import annotations

import re
from typing import ClassVar

from prefiq.errors import PrefiqError

__all__ = [
    "AccessDenied",
    "AcrossBlocked",
    "AcrossOnlyReads",
    "CommitUnknown",
    "ConnectionsExhausted",
    "CorruptDatabase",
    "CriteriaError",
    "DatabaseError",
    "DatabaseLocked",
    "DatabaseMissing",
    "DeadlineExceeded",
    "Deadlock",
    "Disconnected",
    "DiskFull",
    "DriverMissing",
    "EncryptionFailed",
    "EngineNotServed",
    "IsolationChanged",
    "PlaceUnusable",
    "PoolerInTheWay",
    "RawSqlRefused",
    "ReadOnlyDatabase",
    "ReadOnlyTransaction",
    "SchemaMissing",
    "ScopeInUse",
    "SerializationFailure",
    "ServerDatabaseMissing",
    "SharedTableProtected",
    "StatementRefused",
    "StatementTimeout",
    "StatementTooLarge",
    "TenantChanged",
    "TransactionFailed",
    "TransactionLost",
    "UnknownDatabase",
    "UnreadableRow",
]


class DatabaseError(PrefiqError):
    """The database refused a statement for a reason that has no error of its own.

    Args:
        database: Name of the database, for example ``"default"``.
        reason: The engine's stable word for it, for example ``"SQLITE_ERROR"``; never its message.
    """

    code: ClassVar[str] = "PFQ400"
    retryable: ClassVar[bool] = False
    """Whether nothing was kept, and the same transaction may well succeed when it is run again."""
    what = "The database refused the statement"
    fix = "look at the cause of this error in the log; it is kept there with its code"

    def __init__(self, database: str = "default", reason: str = "") -> None:
        self.database = database
        self.reason = reason
        self.where = f"database {database}, {reason}" if reason else f"database {database}"
        if database != "default":  # the settings of a named database, or of a role, have its name before them
            self.fix = re.sub(r"\bDB_", f"{database.upper()}_DB_", self.fix)


class DatabaseLocked(DatabaseError):
    """Another process or connection holds the database's lock, and did not let go in time."""

    code: ClassVar[str] = "PFQ401"
    exit_code: ClassVar[int] = 6
    status: ClassVar[int] = 503
    retryable: ClassVar[bool] = True
    what = "The database is locked by another writer"
    fix = (
        "try again; if it persists, find the process that keeps a transaction open, or raise DB_BUSY_TIMEOUT"
    )


class ReadOnlyDatabase(DatabaseError):
    """The database's file, folder or account does not allow writing."""

    code: ClassVar[str] = "PFQ402"
    what = "The database cannot be written"
    fix = (
        "SQLite: let this process write the file and its folder; "
        "a server: see that it is no standby, and that the user may write"
    )


class DatabaseMissing(DatabaseError):
    """The database's file does not exist or cannot be opened."""

    code: ClassVar[str] = "PFQ403"
    exit_code: ClassVar[int] = 3
    what = "The database does not exist, or its file cannot be opened"
    fix = 'check DB_NAME; "prefiq run migrate" makes a new database where its folder exists'


class ServerDatabaseMissing(DatabaseMissing):
    """The server has no database of this name; migrations fill a database and do not make it on a server."""

    code: ClassVar[str] = "PFQ443"
    what = "The server has no database of this name"
    fix = 'check DB_NAME, or make the database: "prefiq doctor database --setup" prints how'


class SchemaMissing(DatabaseError):
    """A table or column that this code expects is not in the database."""

    code: ClassVar[str] = "PFQ404"
    exit_code: ClassVar[int] = 3
    what = "The database does not know a table or column of this code"
    fix = 'run "prefiq run migrate"'


class DiskFull(DatabaseError):
    """There is no room left where the database lies; nothing was written."""

    code: ClassVar[str] = "PFQ405"
    status: ClassVar[int] = 507
    what = "There is no room left for the database"
    fix = "make room on the disk where the database lies"


class CorruptDatabase(DatabaseError):
    """The file is damaged, or is not a database at all."""

    code: ClassVar[str] = "PFQ406"
    what = "The file is damaged or is not a database"
    fix = "check DB_NAME, or restore the file from a backup"


class ConnectionsExhausted(DatabaseError):
    """Every connection of the pool stayed in use for as long as a unit of work may wait."""

    code: ClassVar[str] = "PFQ407"
    status: ClassVar[int] = 503
    what = "Every connection to the database is in use"
    fix = (
        "close scopes that are done, or raise DB_POOL_SIZE; a server has a limit of its own (max_connections)"
    )


class TransactionLost(DatabaseError):
    """The database ended the transaction by itself; everything written in it is undone."""

    code: ClassVar[str] = "PFQ408"
    status: ClassVar[int] = 503
    retryable: ClassVar[bool] = True
    what = "The database ended the transaction; nothing of it was kept"
    fix = "repeat the whole transaction"


class TransactionFailed(DatabaseError):
    """A statement of this transaction failed before; PostgreSQL then refuses all others."""

    code: ClassVar[str] = "PFQ417"
    what = "An earlier statement of this transaction failed"
    fix = "put what may fail into a nested tx() of its own, whose savepoint undoes it alone"


class Deadlock(DatabaseError):
    """Two transactions waited for each other, and the database ended this one."""

    code: ClassVar[str] = "PFQ413"
    exit_code: ClassVar[int] = 6
    status: ClassVar[int] = 503
    retryable: ClassVar[bool] = True
    what = "Two transactions waited for each other; this one was ended"
    fix = "repeat the whole transaction; if it persists, change rows in one order everywhere"


class SerializationFailure(DatabaseError):
    """Another transaction changed what this one has read; the isolation that was asked for forbids it."""

    code: ClassVar[str] = "PFQ414"
    exit_code: ClassVar[int] = 6
    status: ClassVar[int] = 503
    retryable: ClassVar[bool] = True
    what = "Another transaction changed what this one had read; this one was ended"
    fix = "repeat the whole transaction"


class StatementTimeout(DatabaseError):
    """A statement was ended because it took longer than DB_STATEMENT_TIMEOUT or the deadline allows."""

    code: ClassVar[str] = "PFQ412"
    status: ClassVar[int] = 504
    what = "The statement took longer than it may"
    fix = "ask for fewer rows, add an index, or raise DB_STATEMENT_TIMEOUT"


class DeadlineExceeded(DatabaseError):
    """The time of the whole unit of work is over; the statement was not sent."""

    code: ClassVar[str] = "PFQ419"
    status: ClassVar[int] = 504
    what = "The time that this request may take is over"
    fix = "do less at once, or raise REQUEST_TIMEOUT"


class Disconnected(DatabaseError):
    """The server hung up or cannot be reached; what was not committed is undone."""

    code: ClassVar[str] = "PFQ415"
    exit_code: ClassVar[int] = 6
    status: ClassVar[int] = 503
    retryable: ClassVar[bool] = True
    what = "The connection to the database is lost, or cannot be made"
    fix = "see that the server runs and DB_HOST and DB_PORT lead to it; then try again"


class CommitUnknown(DatabaseError):
    """The server hung up while it committed: the transaction is kept as a whole, or not at all.

    A write outside of a transaction is its own commit.
    """

    code: ClassVar[str] = "PFQ416"
    exit_code: ClassVar[int] = 6
    status: ClassVar[int] = 503
    what = "The connection was lost during the commit; whether it was kept is not known"
    fix = "look whether the change is there before repeating it"


class StatementTooLarge(DatabaseError):
    """A statement with its values is longer than the server takes; nothing was written."""

    code: ClassVar[str] = "PFQ441"
    status: ClassVar[int] = 413
    what = "The values are more than the database server takes in one statement"
    fix = "raise max_allowed_packet of the server, or write less at once"


class AccessDenied(DatabaseError):
    """The server refuses the user, the password, the database or the statement."""

    code: ClassVar[str] = "PFQ418"
    exit_code: ClassVar[int] = 3
    what = "The database server refuses this user"
    fix = 'check DB_USER, DB_PASS and DB_NAME; "prefiq doctor database --setup" prints the grants'


class EncryptionFailed(DatabaseError):
    """The connection cannot be encrypted, or the server's certificate does not stand the check."""

    code: ClassVar[str] = "PFQ442"
    exit_code: ClassVar[int] = 3
    what = "The connection to the database cannot be encrypted as DB_SSL_MODE asks"
    fix = "let the server speak TLS, and set DB_SSL_CA to the file of who signed its certificate"


class UnreadableRow(PrefiqError):
    """A stored value is none of its field's: a state was taken out of a declaration, or the row written past it.

    Args:
        model: Qualified name.
        field: The field meant, or empty.
    """

    code: ClassVar[str] = "PFQ411"

    def __init__(self, model: str, field: str) -> None:
        self.model = model
        self.field = field
        self.what = "A stored value does not fit its field's declaration"
        self.where = f"{model}.{field}" if field else model
        self.fix = "declare the value again, or change the rows by a migration"


class PlaceUnusable(PrefiqError):
    """A tenant's placement names no database that can be reached: the directory was changed by hand, or the settings.

    Nothing was opened.

    Args:
        reason: Why not, in a few words.
    """

    code: ClassVar[str] = "PFQ428"
    exit_code: ClassVar[int] = 3
    where = "the tenant's placement"
    fix = "prefiq tenants show KEY, and compare with the settings of the databases"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.what = f"The tenant's place cannot be reached: {reason}"


class UnknownDatabase(PrefiqError):
    """Code asked for a database that no setting names."""

    code: ClassVar[str] = "PFQ409"
    exit_code: ClassVar[int] = 3

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        self.name = name
        self.known = known
        self.what = f'No database is called "{name}"'
        self.where = "known: " + (", ".join(known) or "none")
        self.fix = f"set {name.upper()}_DB_ENGINE and {name.upper()}_DB_NAME"


class EngineNotServed(PrefiqError):
    """The database's engine is not served by this release."""

    code: ClassVar[str] = "PFQ410"
    exit_code: ClassVar[int] = 3

    def __init__(self, engine: str, served: tuple[str, ...]) -> None:
        self.engine = engine
        self.served = served
        self.what = f'There is no engine "{engine}"'
        self.where = "DB_ENGINE"
        self.fix = "use " + ", ".join(served)


class DriverMissing(PrefiqError):
    """The driver of the engine and mode is not installed.

    Args:
        engine: As in ``DB_ENGINE``.
        mode: As in ``DB_MODE``.
        package: What to install.
    """

    code: ClassVar[str] = "PFQ440"
    exit_code: ClassVar[int] = 3

    def __init__(self, engine: str, mode: str, package: str) -> None:
        self.engine = engine
        self.mode = mode
        self.package = package
        self.what = "The database's driver is not installed"
        self.where = f"DB_ENGINE={engine}, DB_MODE={mode}"
        self.fix = f'run: pip install "{package}"'


class StatementRefused(PrefiqError):
    """A statement that cannot be confined to one tenant; nothing was sent.

    Args:
        what: What is wrong with it, one sentence.
        where: The table, or the part of the statement.
        fix: What to write instead.
    """

    code: ClassVar[str] = "PFQ420"

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix


class RawSqlRefused(StatementRefused):
    """SQL given as text names a tenant's table, changes the schema, or steers the transaction."""

    code: ClassVar[str] = "PFQ421"


class SharedTableProtected(StatementRefused):
    """A scope of a tenant tried to write a table that all tenants read."""

    code: ClassVar[str] = "PFQ422"
    status: ClassVar[int] = 403

    def __init__(self, table: str) -> None:
        super().__init__(
            "Rows that all tenants share are written by the system only",
            f"table {table}",
            'write them in a scope of the system: app.scope(as_system="why")',
        )
        self.table = table


class ReadOnlyTransaction(StatementRefused):
    """A write inside ``tx(read_only=True)``; nothing was written."""

    code: ClassVar[str] = "PFQ423"

    def __init__(self) -> None:
        super().__init__(
            "The transaction is for reading only", "tx(read_only=True)", "write in a transaction of its own"
        )


class TenantChanged(StatementRefused):
    """The scope's tenant is another one than when its unit of work began; nothing was sent."""

    code: ClassVar[str] = "PFQ424"

    def __init__(self) -> None:
        super().__init__(
            "The scope changed its tenant after its work began",
            "executor",
            "open a scope of its own for each tenant",
        )


class IsolationChanged(StatementRefused):
    """A nested transaction asked for another isolation than the outermost one has."""

    code: ClassVar[str] = "PFQ426"

    def __init__(self) -> None:
        super().__init__(
            "A savepoint cannot change the isolation of its transaction",
            "tx(isolation=…)",
            "say it where the outermost transaction begins",
        )


class AcrossOnlyReads(StatementRefused):
    """A scope that reads across tenants was to write."""

    code: ClassVar[str] = "PFQ425"

    def __init__(self) -> None:
        super().__init__(
            "A scope that reads across tenants writes nothing",
            "executor",
            "open a scope for the tenant whose rows are to be changed",
        )


class PoolerInTheWay(StatementRefused):
    """Migrations were to go through a transaction pooler, which gives their locks and settings to others.

    Args:
        database: Name of the database.
    """

    code: ClassVar[str] = "PFQ431"

    def __init__(self, database: str = "default") -> None:
        super().__init__(
            "Migrations need the server itself, not a transaction pooler",
            f"database {database}",
            "set MIGRATE_DB_HOST and MIGRATE_DB_PORT to the server's, and MIGRATE_DB_USER",
        )


class AcrossBlocked(StatementRefused):
    """The database keeps tenants apart, also for the user who is to read across them.

    Args:
        database: Name of the database.
    """

    code: ClassVar[str] = "PFQ429"

    def __init__(self, database: str = "default") -> None:
        super().__init__(
            "The database shows this user the rows of one tenant at a time",
            f"database {database}",
            "set ACROSS_DB_USER and ACROSS_DB_PASS, prefiq doctor database --apply, then prefiq run migrate",
        )


class ScopeInUse(StatementRefused):
    """Two tasks use one scope at the same time; its connection and transaction serve one.

    Args:
        database: Name of the database.
    """

    code: ClassVar[str] = "PFQ427"

    def __init__(self, database: str = "default") -> None:
        super().__init__(
            "Another task uses this scope now",
            f"database {database}",
            'open a scope for each task: "async with app.scope(…) as scope", or await one after the other',
        )


class CriteriaError(PrefiqError):
    """Criteria, sort keys or a cursor that do not fit the model.

    Args:
        model: Qualified name of the model.
        field: The field or sort key meant.
        problem: What is wrong, one sentence without the value.
    """

    code: ClassVar[str] = "PFQ430"
    status: ClassVar[int] = 422

    def __init__(self, model: str, field: str, problem: str) -> None:
        self.model = model
        self.field = field
        self.what = problem
        self.where = f"{model}.{field}" if field else model
        self.fix = "use the model's fields, with values of their types"
