"""Connections to PostgreSQL: any name and password, pools, event loops, servers that hang up, databases side by side."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from psycopg import sql
from tests import servers
from tests.engines.postgres.shop import Shop, Thing, Unit
from tests.own_server import OwnServer, own_server
from tests.servers import Database

from prefiq import bridge
from prefiq.bridge import NoBridge
from prefiq.settings.secret import Secret
from prefiq.sql import (
    AccessDenied,
    CommitUnknown,
    ConnectionManager,
    ConnectionsExhausted,
    DatabaseError,
    Disconnected,
    EncryptionFailed,
    Executor,
    ReadOnlyDatabase,
    ServerDatabaseMissing,
)
from prefiq.sql.dialects import engine_for

ODD = "a@b:c/d?e=f&g%41 '\"\\ü{}#$;"


def ask(shop: Shop, question: str = "SELECT current_user") -> Any:
    return shop.in_scope(lambda unit: unit.executor.scalar(question))


@pytest.fixture(scope="session")
def strict_server(engine: str) -> Iterator[OwnServer]:
    """A server that asks for passwords, speaks TLS with a certificate of its own, and takes few connections."""
    with own_server(engine) as server:
        key, certificate = server.folder / "server.key", server.folder / "server.crt"
        subprocess.run(
            ["openssl", "req", "-new", "-x509", "-days", "2", "-nodes", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key],
            check=True, capture_output=True,
        )  # fmt: skip
        owner = server.folder.stat()
        for file in (key, certificate):
            os.chown(file, owner.st_uid, owner.st_gid)
        key.chmod(0o600)
        with server.database.connect() as administrator:
            administrator.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(ODD), sql.Literal(ODD))
            )
            administrator.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(ODD)))
            (data,) = administrator.execute("SHOW data_directory").fetchone()
        rules = Path(data, "pg_hba.conf")
        rules.write_text(
            "host all postgres 127.0.0.1/32 trust\nlocal all all trust\nhost all all all scram-sha-256\n"
        )
        server.restart("-c", "ssl=on", "-c", f"ssl_cert_file={certificate}", "-c", f"ssl_key_file={key}",
                       "-c", "max_connections=8", "-c", f"unix_socket_directories={server.folder}")  # fmt: skip
        yield server


@pytest.fixture
def strict(strict_server: OwnServer, mode: str) -> Database:
    """How it is reached by the one with the odd name."""
    return replace(strict_server.database, mode=mode, name=ODD, user=ODD, password=ODD, host="localhost")


def test_any_character_in_names_and_passwords(strict: Database) -> None:
    """In user, password and database; nothing is quoted by hand."""
    shop = Shop(strict)
    assert ask(shop) == ODD
    assert ask(shop, "SELECT current_database()") == ODD


def test_unix_sockets(strict_server: OwnServer, strict: Database) -> None:
    """The folder of the socket serves as host, and so does the socket's own path."""
    folder = strict_server.folder
    for host, port in ((str(folder), strict.port), (f"{folder}/.s.PGSQL.{strict.port}", 0)):
        shop = Shop(replace(strict, host=host, port=port, password=""), tls="verify-full")
        assert ask(shop, "SELECT inet_server_addr()") is None


@pytest.mark.parametrize(
    ("tls", "encrypted"),
    [("disable", False), ("prefer", True), ("require", True), ("verify-ca", True), ("verify-full", True)],
)
def test_encryption(strict_server: OwnServer, strict: Database, tls: str, encrypted: bool) -> None:
    """Each mode of DB_SSL_MODE, checked with DB_SSL_CA."""
    shop = Shop(strict, tls=tls, tls_ca=strict_server.folder / "server.crt")
    assert ask(shop, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is encrypted


def test_encryption_that_cannot_be_had(
    strict_server: OwnServer, strict: Database, database: Database
) -> None:
    """A certificate of nobody known, of another name, or a server without: one error."""
    certificate = strict_server.folder / "server.crt"
    for at, options in (
        (strict, {"tls": "verify-full"}),
        (replace(strict, host="127.0.0.1"), {"tls": "verify-full", "tls_ca": certificate}),
        (database, {"tls": "require"}),
    ):
        with pytest.raises(EncryptionFailed):
            ask(Shop(at, **options))


def test_connections_that_are_refused(strict_server: OwnServer, strict: Database) -> None:
    """Who may not, what is not there and what does not answer have an error each, which tells no password."""
    cases: list[tuple[Database, type[DatabaseError]]] = [
        (replace(strict, password="wrong-secret"), AccessDenied),
        (replace(strict, password=""), AccessDenied),
        (replace(strict, user="nobody"), AccessDenied),
        (
            replace(strict, user="postgres", password="", host="127.0.0.1", name="nowhere"),
            ServerDatabaseMissing,
        ),
        (replace(strict, port=1), Disconnected),
        (replace(strict, host="no-such-host.invalid"), Disconnected),
        (replace(strict, host=f"{strict_server.folder}/nowhere"), Disconnected),
    ]
    for at, kind in cases:
        shop = Shop(at)
        with pytest.raises(kind) as caught:
            ask(shop)
        assert type(caught.value) is kind
        assert not {"wrong-secret", ODD} & set(str(caught.value).split())
        with pytest.raises(kind), shop.manager.schema_connection():
            pass


def test_server_with_too_many_clients(strict: Database) -> None:
    """It is said, and is another thing than a pool that is too small."""
    held = [replace(strict, host="127.0.0.1").connect() for _ in range(5)]
    try:
        with pytest.raises(ConnectionsExhausted):
            ask(Shop(strict, pool_size=9))
    finally:
        for connection in held:
            connection.close()
    assert ask(Shop(strict)) == ODD


def test_session_of_a_connection(shop: Shop) -> None:
    """What it needs was said while it connected: UTC, ISO dates, who it is, and limits."""
    shop = Shop(shop.database, statement_timeout=7, busy_timeout=3)
    settings = {
        "TimeZone": "UTC",
        "DateStyle": "ISO, MDY",
        "application_name": "prefiq default",
        "client_encoding": "UTF8",
        "statement_timeout": "7s",
        "lock_timeout": "3s",
        "default_transaction_isolation": "read committed",
    }

    def use(unit: Unit) -> None:
        for name, value in settings.items():
            assert unit.executor.scalar("SELECT current_setting(%s)", (name,)) == value

    shop.in_scope(use)
    with shop.manager.schema_connection() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"
        assert connection.exec_driver_sql("SHOW TimeZone").scalar() == "UTC"


def test_database_in_which_a_backslash_escapes(shop: Shop) -> None:
    """Migrations write literals: what one means does not depend on the database's settings."""
    with shop.database.connect() as administrator:
        administrator.execute(
            sql.SQL("ALTER DATABASE {} SET standard_conforming_strings = off").format(
                sql.Identifier(shop.database.name)
            )
        )
    with shop.manager.schema_connection() as connection:
        assert connection.exec_driver_sql(r"SELECT 'a\\b'").scalar() == r"a\\b"


def test_pool_that_is_exhausted(shop: Shop) -> None:
    """Waiting has an end, with an error of its own; what is given back is taken again."""
    shop = Shop(shop.database, pool_size=1, pool_timeout=0.05)

    def use() -> None:
        with shop.scope() as first, shop.scope() as second:
            backend = Unit(shop, first).executor.scalar("SELECT pg_backend_pid()")
            executor = shop.executor(second)
            with pytest.raises(ConnectionsExhausted):
                executor.scalar("SELECT 1")
            first.close()
            assert executor.scalar("SELECT pg_backend_pid()") == backend

    shop.run(use)


def test_warm_pool(shop: Shop) -> None:
    """DB_POOL_WARMUP opens as many connections as the pool holds."""
    for warm, opened in ((True, 3), (False, 0)):
        warmed = Shop(shop.database, pool_size=3, pool_warmup=warm)

        def use(warmed: Shop = warmed, opened: int = opened) -> None:
            warmed.manager.warm_up()
            pool: Any = warmed.manager.engine().pool
            assert (pool.checkedin(), pool.checkedout()) == (opened, 0)

        warmed.run(use)


def end_backend(shop: Shop, backend: int) -> None:
    with shop.database.connect() as administrator:
        administrator.execute("SELECT pg_terminate_backend(%s, 5000)", (backend,))


def test_connection_that_died_in_the_pool(shop: Shop) -> None:
    """The next unit of work has another one, whatever its first statement is."""
    shop = Shop(shop.database, pool_size=1)

    def use() -> None:
        for number in range(2):
            with shop.scope() as scope:
                unit = Unit(shop, scope)
                unit.executor.scalar("SELECT 1")
                backend = unit.backend
            end_backend(shop, backend)
            with shop.scope() as scope:
                Unit(shop, scope).things.save(Thing(code=str(number)))

    shop.run(use)


def test_connection_that_dies_within_a_unit(shop: Shop) -> None:
    """Outside a transaction what only reads is sent again, and nothing else; the unit goes on."""

    def use(unit: Unit) -> None:
        thing = unit.things.save(Thing(code="a"))
        reads: list[Any] = [
            lambda: unit.things.get_by_id(thing.id),
            lambda: unit.executor.scalar(sa.select(sa.func.count()).select_from(unit.thing)),
            lambda: unit.executor.tx().__enter__(),
        ]
        for read in reads:
            end_backend(shop, unit.backend)
            read()
        added = sa.insert(unit.owner).values(id=UUID(int=1), version=1, name="x").returning(unit.owner.c.id)
        others: list[tuple[type[DatabaseError], Any]] = [
            (CommitUnknown, lambda: unit.things.save(Thing(code="b"))),
            (CommitUnknown, lambda: unit.executor.exec(sa.delete(unit.thing))),
            (CommitUnknown, lambda: unit.executor.query(sa.select(added.cte("added")))),
            (Disconnected, lambda: unit.executor.scalar("SELECT count(*) FROM pg_class")),
        ]
        unit.executor.tx().__exit__(None, None, None)
        for kind, run in others:
            end_backend(shop, unit.backend)
            with pytest.raises(kind):
                run()
            assert unit.things.get_by_id(thing.id) == thing

    shop.in_scope(use)


def test_connection_that_dies_in_a_transaction(shop: Shop) -> None:
    """Nothing of it is kept and nothing of it is repeated; what follows has another connection."""

    def use(unit: Unit) -> None:
        with pytest.raises(Disconnected), unit.executor.tx():  # noqa: PT012
            unit.things.save(Thing(code="a"))
            end_backend(shop, unit.backend)
            unit.things.list()
        assert unit.things.list().items == []
        with pytest.raises(CommitUnknown), unit.executor.tx():  # noqa: PT012
            unit.things.save(Thing(code="a"))
            end_backend(shop, unit.backend)
        assert unit.things.list().items == []
        unit.things.save(Thing(code="a"))

    shop.in_scope(use)


def test_server_that_cannot_be_written(shop: Shop) -> None:
    """As a standby says it."""
    with shop.database.connect() as administrator:
        administrator.execute(f"ALTER DATABASE {shop.database.name} SET default_transaction_read_only = on")
    try:
        with pytest.raises(ReadOnlyDatabase):
            shop.in_scope(lambda unit: unit.things.save(Thing(code="a")))
    finally:
        with shop.database.connect() as administrator:
            administrator.execute("SET default_transaction_read_only = off")
            administrator.execute(f"ALTER DATABASE {shop.database.name} RESET default_transaction_read_only")


@pytest.mark.parametrize("other", ["sqlite", "mariadb", "postgres"])
def test_databases_of_several_engines_side_by_side(shop: Shop, other: str, tmp_path: Path, mode: str) -> None:
    """Each is stored, worded and rolled back by itself."""
    with servers.database(other, mode, folder=tmp_path) as second:
        configs = [shop.database.config(), second.config("other")]
        manager = shop.manager = ConnectionManager(configs, shop.tables)
        with manager.schema_connection("other") as connection:
            shop.tables.create_all(connection)

        def use() -> None:
            with shop.scope() as scope:
                unit = Unit(shop, scope)
                there = type(unit.things)(Executor(manager, scope, shop.tables, "other"), shop.tables)
                with unit.executor.tx():
                    thing = unit.things.save(Thing(code="a", word="here"))
                    there.save(replace_word(thing))
                assert unit.things.get_by_id(thing.id).word == "here"
                assert there.get_by_id(thing.id).word == "there"

        shop.run(use)


def replace_word(thing: Thing) -> Thing:
    return Thing(id=thing.id, code=thing.code, word="there")


def test_driver_is_not_loaded_before_it_is_needed() -> None:
    """Naming the engine loads psycopg; the package alone does not."""
    code = "import sys, prefiq.sql.dialects; assert not {'psycopg', 'sqlalchemy.dialects.postgresql'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert engine_for("postgres") is engine_for("postgresql")
    assert engine_for("postgres", "async") is not engine_for("postgres")


def test_driver_that_is_not_installed() -> None:
    """The error says what to install."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from prefiq.sql.dialects import engine_for\n"
        "try: engine_for('postgres', 'async')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.startswith(
        "DriverMissing The database's driver is not installed (DB_ENGINE=postgres, DB_MODE=async)"
    )
    assert 'pip install "psycopg[binary]"' in said


# -- event loops --------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(shop: Shop) -> Shop:
    """The shop in async mode."""
    return Shop(replace(shop.database, mode="async"))


def backend_of(shop: Shop) -> int:
    with shop.scope() as scope:
        return int(shop.executor(scope).scalar("SELECT pg_backend_pid()"))


def test_each_loop_has_its_own_connections(waiting: Shop) -> None:
    """A loop that ended takes its own along; another one is not disturbed, and the dialect is everybody's."""
    dialect = waiting.manager.dialect()

    def use() -> tuple[int, sa.Engine]:
        backend = backend_of(waiting)
        assert backend_of(waiting) == backend
        assert waiting.manager.dialect() is dialect
        engine = waiting.manager.engine()
        waiting.manager.close()
        return backend, engine

    first, second = bridge.run(use), bridge.run(use)
    assert first[0] != second[0]
    assert first[1] is not second[1]
    gc.collect()
    assert not waiting.manager._loops


def test_without_a_bridge(waiting: Shop) -> None:
    """Plain code in async mode is told what to do; the schema's door needs no loop."""
    with waiting.scope() as scope, pytest.raises(NoBridge):
        waiting.executor(scope).scalar("SELECT 1")

    async def plainly() -> None:
        with waiting.scope() as scope, pytest.raises(NoBridge):
            waiting.executor(scope).scalar("SELECT 1")

    asyncio.run(plainly())
    with waiting.manager.schema_connection() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_password_is_not_shown(shop: Shop) -> None:
    """Neither the manager nor an engine of SQLAlchemy tells it."""
    manager = ConnectionManager([shop.database.config(password=Secret("hush-hush"))], shop.tables)
    assert "hush-hush" not in repr(vars(manager)) + repr(manager.dialect()) + repr(manager._create("default"))
