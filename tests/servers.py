"""Databases of their own for tests, on real servers: the one place that knows where those are.

``PREFIQ_TEST_POSTGRES`` and ``PREFIQ_TEST_MARIADB`` are URLs of servers (``postgresql://user:password@host:port``)
whose user may create databases; unset, they are the engine's usual port on loopback.  Where one cannot be
reached, its tests skip and say so; ``PREFIQ_REQUIRE_ENGINES=all`` (or ``postgres,mariadb``) lets them fail.

A database is fresh and empty, and named ``prefiq_test_<seconds>_<process>_<number>``, so that runs side by side
do not meet.  Its default collation is a linguistic one and ignores case where it can: what Prefiq stores must
not depend on it.
"""

from __future__ import annotations

import atexit
import getpass
import os
import re
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql
import pytest
from psycopg import sql

from prefiq.settings.secret import Secret
from prefiq.sql import DatabaseConfig

__all__ = [
    "ENGINES",
    "MODES",
    "SERVERS",
    "Database",
    "administrator",
    "database",
    "drop_all",
    "give_up",
    "require",
]

SERVERS = ("postgres", "mariadb")
ENGINES = ("sqlite", *SERVERS)
MODES = ("sync", "async")

TITLES = {"postgres": "PostgreSQL", "mariadb": "MariaDB"}
_DEFAULTS = {
    "postgres": "postgresql://postgres@127.0.0.1:5432/postgres",
    "mariadb": "mariadb://root@127.0.0.1:3306/",
}
_PREFIX = "prefiq_test_"
_OURS = re.compile(rf"{_PREFIX}([0-9a-f]+)_\d+_\d+")
_LEFT_OVER = 6 * 3600  # seconds: no run takes as long
_WAIT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """How a test reaches one database.

    Args:
        engine: As in ``DB_ENGINE``.
        mode: As in ``DB_MODE``.
        name: Servers: the database's name.
        path: SQLite: its file.
        host: Servers: the host.
        port: Servers: the port.
        user: Servers: a user who may do everything.
        password: Servers: that user's password; empty for none.
    """

    engine: str
    mode: str = "sync"
    name: str = ""
    path: Path | None = None
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""

    def config(self, name: str = "default", **options: Any) -> DatabaseConfig:
        """It for a ``ConnectionManager``, which calls it ``name``."""
        values: dict[str, Any] = {"name": name, "engine": self.engine, "mode": self.mode}
        if self.engine == "sqlite":
            values["path"] = self.path
        else:
            values |= {"database": self.name, "host": self.host, "port": self.port, "user": self.user}
            values["password"] = Secret(self.password) if self.password else None
        return DatabaseConfig(**(values | options))

    def variables(self, prefix: str = "") -> dict[str, str]:
        """It as settings, ``<prefix>DB_…``."""
        values = {"ENGINE": self.engine, "MODE": self.mode, "NAME": self.name}
        if self.engine == "sqlite":
            values["NAME"] = str(self.path)
        else:
            values |= {"HOST": self.host, "PORT": str(self.port), "USER": self.user}
            if self.password:
                values["PASS"] = self.password
        return {f"{prefix}DB_{key}": value for key, value in values.items()}

    def connect(self) -> Any:
        """A connection of the plain driver, in autocommit: to look and to interfere behind Prefiq's back."""
        if self.engine == "sqlite":
            assert self.path
            return sqlite3.connect(self.path, isolation_level=None)
        return _connect(self)


def require(engine: str) -> None:
    """Go on where the engine can be had; else skip the test, or fail it where the engine is required."""
    if engine == "sqlite":
        return
    if problem := _problem(engine):
        give_up(engine, problem)


def give_up(engine: str, problem: str) -> NoReturn:
    """Skip the test, or fail it where the engine is required."""
    required = {word.strip() for word in os.environ.get("PREFIQ_REQUIRE_ENGINES", "").split(",")}
    if required & {"all", engine}:
        pytest.fail(f"{problem} (PREFIQ_REQUIRE_ENGINES)", pytrace=False)
    pytest.skip(problem)


def administrator(engine: str) -> Any:
    """This process's connection to the server as one who may do everything, in autocommit, outside of any
    test's database."""
    require(engine)
    return _administrator(engine)


@contextmanager
def database(
    engine: str, mode: str = "sync", *, folder: Path | None = None, reuse: bool = True
) -> Iterator[Database]:
    """A fresh, empty database, gone afterwards.

    Args:
        engine: As in ``DB_ENGINE``.
        mode: What ``config`` and ``variables`` say.
        folder: SQLite: where its file lies; a temporary one by default.
        reuse: Whether a later test may get the database with its content removed, which is faster than
            another one.  False for a test that changes what outlives that: its owner, default privileges,
            and on MariaDB its settings.
    """
    if engine == "sqlite":
        if folder is not None:
            yield Database(engine=engine, mode=mode, path=folder / "test.db")
            return
        with tempfile.TemporaryDirectory(prefix="prefiq-test-") as temporary:
            yield Database(engine=engine, mode=mode, path=Path(temporary) / "test.db")
        return
    require(engine)
    free = _free[engine]
    name = free.pop() if reuse and free else _create(engine)
    try:
        yield replace(server(engine), mode=mode, name=name)
    finally:
        if reuse and _emptied(engine, name):
            free.append(name)
        else:
            _drop(engine, name)


def drop_all() -> None:
    """Drop what this process made and has not dropped yet, and leave the servers."""
    if _owner != os.getpid():  # a fork of the process that made them
        return
    for engine, names in _made.items():
        for name in sorted(names):
            _drop(engine, name)
        _free[engine].clear()
        if connection := _administrators.pop(engine, None):
            connection.close()
    _problem.cache_clear()


_owner = os.getpid()
_made: dict[str, set[str]] = {engine: set() for engine in SERVERS}
_free: dict[str, list[str]] = {engine: [] for engine in SERVERS}
_administrators: dict[str, Any] = {}
atexit.register(drop_all)


@cache
def server(engine: str) -> Database:
    """The server itself, as the user who may do everything."""
    url = urlsplit(os.environ.get(f"PREFIQ_TEST_{engine.upper()}") or _DEFAULTS[engine])
    return Database(
        engine=engine,
        host=url.hostname or "127.0.0.1",
        port=url.port or urlsplit(_DEFAULTS[engine]).port or 0,
        user=unquote(url.username or "") or getpass.getuser(),
        password=unquote(url.password or ""),
        name=unquote(url.path.strip("/")) or ("postgres" if engine == "postgres" else ""),
    )


def _connect(at: Database) -> Any:
    if at.engine == "postgres":
        return psycopg.connect(
            host=at.host,
            port=at.port,
            user=at.user,
            password=at.password or None,
            dbname=at.name,
            connect_timeout=_WAIT,
            autocommit=True,
        )
    return pymysql.connect(
        host=at.host,
        port=at.port,
        user=at.user,
        password=at.password.encode(),  # PyMySQL would write it in Latin-1
        database=at.name or None,
        connect_timeout=_WAIT,
        autocommit=True,
        charset="utf8mb4",
    )


@cache
def _problem(engine: str) -> str:
    at = server(engine)
    try:
        _administrators[engine] = _connect(at)
    except (psycopg.Error, pymysql.Error) as error:
        reason = str(error).strip().splitlines()[0]
        return f"{TITLES[engine]} at {at.host}:{at.port} cannot be reached: {reason}"
    _drop_left_over(engine)
    return ""


def _administrator(engine: str) -> Any:
    connection = _administrators[engine]
    if connection.closed if engine == "postgres" else not connection.open:
        connection = _administrators[engine] = _connect(server(engine))
    return connection


def _run(engine: str, statement: Any) -> list[Any]:
    with _administrator(engine).cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def _create(engine: str) -> str:
    number = 1 + max((int(name.rpartition("_")[2]) for name in _made[engine]), default=0)
    name = f"{_PREFIX}{int(time.time()):x}_{os.getpid()}_{number}"
    if engine == "postgres":
        _run(engine, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {_collation()}")
    else:
        _run(engine, f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    _made[engine].add(name)
    return name


@cache
def _collation() -> str:
    # Databases sort by a language since release 15, where the server was built with ICU.
    has = "SELECT 1 FROM pg_collation WHERE collname = 'en-US-x-icu' AND current_setting('server_version_num')::int >= 150000"
    return "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'" if _run("postgres", has) else ""


_EMPTY_POSTGRES = """
DO $$ DECLARE found record; BEGIN
    FOR found IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', found.nspname);
    END LOOP;
END $$;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC;
"""


def _emptied(engine: str, name: str) -> bool:
    """Whether it is as if new; what a test left connected is cut off."""
    try:
        _cut_off(engine, name)
        if engine == "postgres":
            with _connect(replace(server(engine), name=name)) as connection:
                connection.execute(_EMPTY_POSTGRES)
                connection.execute(f"ALTER DATABASE {name} RESET ALL")
        else:
            _run(engine, f"DROP DATABASE {name}")
            _run(engine, f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    except (psycopg.Error, pymysql.Error):
        return False
    return True


def _cut_off(engine: str, name: str) -> None:
    if engine == "postgres":
        _run(engine, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")
        return
    for (number,) in _run(engine, f"SELECT id FROM information_schema.processlist WHERE db = '{name}'"):
        try:
            _run(engine, f"KILL {number}")
        except pymysql.err.OperationalError:  # it ended by itself
            continue


def _drop(engine: str, name: str) -> None:
    if engine == "postgres":
        _run(engine, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    else:
        _cut_off(engine, name)
        _run(engine, f"DROP DATABASE IF EXISTS {name}")
    _made[engine].discard(name)


def _drop_left_over(engine: str) -> None:
    names = "SELECT datname FROM pg_database" if engine == "postgres" else "SHOW DATABASES"
    for (name,) in _run(engine, names):
        made = _OURS.fullmatch(name)
        if made and int(made[1], 16) < time.time() - _LEFT_OVER:
            _drop(engine, name)
