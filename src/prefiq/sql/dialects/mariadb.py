"""MariaDB: InnoDB, code points compared one by one, instants in UTC; PyMySQL in sync mode, asyncmy in async mode."""

from __future__ import annotations

from typing import Any

import pymysql
import sqlalchemy as sa
from sqlalchemy.dialects.mysql.base import MySQLCompiler

from prefiq.sql.dialects.engine import Mode
from prefiq.sql.dialects.mariadb_types import codec_of, storage_of
from prefiq.sql.types import Codec, FieldType

__all__ = ["MARIADB", "MariadbEngine", "asynchronous"]


class MariadbEngine:
    """MariaDB in driver autocommit: only our own BEGIN begins."""

    name = "mariadb"
    driver_error: type[Exception] = pymysql.Error
    statement_compiler: type[Any] = MySQLCompiler
    table_functions: frozenset[str] = frozenset()

    def __init__(self, mode: Mode = "sync") -> None:
        self.mode: Mode = mode

    def storage(self, type_: FieldType) -> sa.types.TypeEngine[Any]:
        """See ``mariadb_types``."""
        return storage_of(type_)

    def codec(self, type_: FieldType) -> Codec:
        """See ``mariadb_types``."""
        return codec_of(type_)


MARIADB = MariadbEngine()


def asynchronous() -> MariadbEngine:
    """The engine in async mode."""
    return MariadbEngine("async")
