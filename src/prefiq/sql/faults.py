"""From a driver's error to one that names the model and its fields."""

from __future__ import annotations

import sqlalchemy as sa

from prefiq.contracts import FieldError, ForeignKeyViolation, UniqueViolation, ValidationFailed
from prefiq.errors import PrefiqError
from prefiq.sql.dialects.engine import DatabaseEngine, DatabaseLike
from prefiq.sql.errors import AccessDenied, DatabaseError, DatabaseMissing, Disconnected, EncryptionFailed
from prefiq.sql.tables import TENANT, Tables

__all__ = ["from_driver", "located"]

_KEYED = (sa.PrimaryKeyConstraint, sa.UniqueConstraint, sa.ForeignKeyConstraint)


def from_driver(
    error: BaseException, engine: DatabaseEngine, database: str, tables: Tables, *, deleting: str = ""
) -> PrefiqError:
    """The error to raise for the driver's.

    Args:
        error: As the driver raised it.
        engine: Whose driver.
        database: Name of the database.
        tables: For the models' names.
        deleting: Qualified name of the model whose row was being deleted, or empty.
    """
    fault = engine.explain(error, database)
    if fault.kind == "other":
        return fault.error or DatabaseError(database)
    if fault.kind == "foreign_key" and deleting:  # the engine names the row that refers, not the one meant
        return ForeignKeyViolation(deleting, deleting=True)
    table, columns = _of_key(fault.key, fault.table, tables) if fault.key else (fault.table, fault.columns)
    spec = tables.spec_of(table)
    model = spec.qualified if spec is not None else table or deleting
    fields = tuple(column for column in columns if column != TENANT)
    if spec is not None and spec.extensions:
        names = {field.column: field.name for field in spec.all_fields}
        fields = tuple(names.get(column, column) for column in fields)
    if fault.kind == "unique":
        return UniqueViolation(model, fields)
    if fault.kind == "foreign_key":
        return ForeignKeyViolation(model, fields)
    return ValidationFailed(
        model, tuple(FieldError(field, "required", "a value is required") for field in fields)
    )


def located(error: PrefiqError, database: DatabaseLike) -> PrefiqError:
    """The error, which says where the server is looked for if it is about reaching it.

    Args:
        error: Any.
        database: Which was to be reached.
    """
    if isinstance(error, (AccessDenied, DatabaseMissing, Disconnected, EncryptionFailed)) and database.host:
        port = "" if database.host.startswith("/") else f":{database.port}"
        error.where = f"database {error.database} at {database.host}{port}, {error.reason}"
    return error


def _of_key(key: str, table: str, tables: Tables) -> tuple[str, tuple[str, ...]]:
    """Table and columns of an index or constraint by its name; primary keys of several tables may share one."""
    for known in tables:
        if table and known.name != table:
            continue
        if key in {"PRIMARY", known.primary_key.name} and table:
            return known.name, tuple(column.name for column in known.primary_key)
        for index in known.indexes:
            if index.name == key:
                return known.name, tuple(column.name for column in index.columns)
        for constraint in known.constraints:
            if constraint.name == key and isinstance(constraint, _KEYED):
                return known.name, tuple(column.name for column in constraint.columns)
    return table, ()
