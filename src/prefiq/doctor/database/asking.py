"""Questions to a server, on a connection as the serving ones are; the driver is the sync one in both modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from prefiq.errors import PrefiqError
from prefiq.sql import DatabaseError
from prefiq.sql.dialects import engine_for
from prefiq.sql.faults import located

if TYPE_CHECKING:
    from prefiq.settings import DatabaseSettings

__all__ = ["Ask", "asking"]

Explain = Callable[[BaseException], PrefiqError]


class Ask:
    """Runs one statement in autocommit and returns its rows: ``ask("SELECT 1")``.

    Args:
        driver: The driver's connection.
        driver_error: Root of its errors.
        explained: Ours for one of them.
    """

    def __init__(self, driver: Any, driver_error: type[Exception], explained: Explain) -> None:
        self.driver = driver
        self._driver_error = driver_error
        self._explained = explained

    def __call__(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows; none where the statement gives none.

        Raises:
            prefiq.sql.DatabaseError: The server refuses it, or is gone.
        """
        cursor = self.driver.cursor()
        try:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
        except self._driver_error as error:
            raise self._explained(error) from error
        finally:
            cursor.close()


@contextmanager
def asking(database: DatabaseSettings, *, scoped: bool = True) -> Iterator[Ask]:
    """Connect to a server.

    Args:
        database: Which, and as whom.
        scoped: Whether the connection is as those that serve; else as those that migrate, without limits of
            time.

    Raises:
        prefiq.sql.DatabaseError: It cannot be reached.
        prefiq.sql.errors.DriverMissing: The driver is not installed.
    """
    kind = engine_for(database.engine, "sync")

    def explained(error: BaseException) -> PrefiqError:
        fault = kind.explain(getattr(error, "orig", None) or error, database.name)
        return located(fault.error or DatabaseError(database.name), database)

    engine = kind.create(replace(database, mode="sync"), f"doctor-{database.name}", scoped=scoped)
    try:
        try:
            connection = engine.raw_connection()
        except (DBAPIError, kind.driver_error) as error:
            raise explained(error) from error
        try:
            yield Ask(connection.driver_connection, kind.driver_error, explained)
        finally:
            connection.close()
    finally:
        engine.dispose()
