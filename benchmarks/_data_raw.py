"""The drivers with SQL written by hand: what everybody else is measured against; they return tuples."""

from __future__ import annotations

import sqlite3
from typing import Any
from uuid import UUID

import psycopg
import pymysql

from benchmarks._data import COLUMNS, Item, Server, key, stored

_NAMES = ",".join(COLUMNS)


class Raw:
    """One open connection in autocommit and one cursor.

    Args:
        server: Which database.
        tenant: Whose rows.
    """

    mark = "%s"
    begin = "BEGIN"

    def __init__(self, server: Server, tenant: str) -> None:
        self.engine = server.engine
        self.tenant = tenant
        self.connection: Any = self.connect(server)
        self.cursor: Any = self.connection.cursor()
        self.versions: dict[UUID, int] = {}
        mark = self.mark
        self.select = f"SELECT {_NAMES} FROM items_item WHERE tenant_id={mark}"
        self.into = f"INSERT INTO items_item ({_NAMES}) VALUES ({','.join([mark] * len(COLUMNS))})"
        self.change = f"UPDATE items_item SET name={mark}, version=version+1 WHERE tenant_id={mark} AND id={mark} AND version={mark}"
        self.number = f"SELECT count(*) FROM items_item WHERE tenant_id={mark}"

    def connect(self, server: Server) -> Any:
        raise NotImplementedError

    def fetch(self, sql: str, values: tuple[Any, ...]) -> Any:
        self.cursor.execute(sql, values)
        return self.cursor.fetchall()

    def get(self, id: UUID) -> Any:
        return self.fetch(f"{self.select} AND id={self.mark}", (self.tenant, key(self.engine, id)))[0]

    def page(self) -> Any:
        rows = self.fetch(f"{self.select} ORDER BY code,id LIMIT 50", (self.tenant,))
        return rows, self.fetch(self.number, (self.tenant,))[0][0]

    def insert(self, made: Item) -> None:
        self.cursor.execute(self.begin)
        self.cursor.execute(self.into, stored(self.engine, self.tenant, made))
        self.cursor.execute("COMMIT")

    def update(self, id: UUID, name: str) -> None:
        version = self.versions.get(id, 1)
        self.cursor.execute(self.begin)
        self.cursor.execute(self.change, (name, self.tenant, key(self.engine, id), version))
        assert self.cursor.rowcount == 1
        self.cursor.execute("COMMIT")
        self.versions[id] = version + 1

    def bulk(self, many: list[Item]) -> None:
        self.cursor.execute(self.begin)
        self.cursor.executemany(self.into, [stored(self.engine, self.tenant, made) for made in many])
        self.cursor.execute("COMMIT")

    def read(self) -> Any:
        return self.fetch(self.select, (self.tenant,))

    def clean(self) -> None:
        """Take away what the benchmark added."""
        self.cursor.execute("DELETE FROM items_item WHERE tenant_id='acme' AND code >= 'I-010000'")


class RawSqlite(Raw):
    mark = "?"
    begin = "BEGIN IMMEDIATE"

    def connect(self, server: Server) -> Any:
        connection = sqlite3.connect(str(server.url.database), isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    def fetch(self, sql: str, values: tuple[Any, ...]) -> Any:
        return self.connection.execute(sql, values).fetchall()


class RawPostgres(Raw):
    def connect(self, server: Server) -> Any:
        url = server.url
        return psycopg.connect(
            host=url.host, port=url.port or 5432, user=url.username, password=url.password, dbname=url.database,
            autocommit=True,
        )  # fmt: skip


class RawMariadb(Raw):
    def connect(self, server: Server) -> Any:
        url = server.url
        return pymysql.connect(
            host=url.host, port=url.port or 3306, user=url.username, password=url.password or "",
            database=url.database, autocommit=True, charset="utf8mb4",
        )  # fmt: skip


RAW: dict[str, type[Raw]] = {"sqlite": RawSqlite, "postgres": RawPostgres, "mariadb": RawMariadb}
