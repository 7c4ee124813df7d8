"""Connections to MariaDB: any name and password, TLS, pools, servers that hang up or do not answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.engines.postgres.shop import Shop, Thing, Unit
from tests.own_server import OwnServer, own_server
from tests.servers import Database

from prefiq.sql import (
    AccessDenied,
    CommitUnknown,
    ConnectionsExhausted,
    DatabaseError,
    Disconnected,
    EncryptionFailed,
    ReadOnlyDatabase,
    ServerDatabaseMissing,
)
from prefiq.sql.dialects import engine_for

ODD = "a@b:c/d?e=f&g%41 '\"\\ü{}#$;"


def ask(shop: Shop, question: str = "SELECT current_user()") -> Any:
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
        key.chmod(0o644)
        with server.database.connect() as administrator, administrator.cursor() as cursor:
            cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (ODD, ODD))
            cursor.execute("CREATE DATABASE `" + ODD.replace("`", "``") + "`")
            cursor.execute("GRANT ALL ON *.* TO %s@'%%'", (ODD,))
            cursor.execute("CREATE USER 'poor'@'%' IDENTIFIED BY 'x'")
            cursor.execute("CREATE USER 'reader'@'%' IDENTIFIED BY 'x'")
            cursor.execute(f"GRANT ALL ON {server.database.name}.* TO 'reader'@'%'")
        server.restart(f"--ssl-cert={certificate}", f"--ssl-key={key}", "--max-connections=10")
        yield server


@pytest.fixture
def strict(strict_server: OwnServer, mode: str) -> Database:
    """How it is reached by the one with the odd name."""
    return replace(strict_server.database, mode=mode, name=ODD, user=ODD, password=ODD, host="localhost")


def test_any_character_in_names_and_passwords(strict: Database) -> None:
    """In user, password and database; nothing is quoted by hand."""
    shop = Shop(strict)
    assert ask(shop) == f"{ODD}@%"
    assert ask(shop, "SELECT database()") == ODD
    with shop.manager.schema_connection() as connection:
        assert connection.exec_driver_sql("SELECT database()").scalar() == ODD


def test_unix_socket(strict_server: OwnServer, strict: Database) -> None:
    """Its path serves as host; it is not encrypted, whatever is asked for."""
    shop = Shop(replace(strict, host=str(strict_server.folder / "socket"), port=0), tls="verify-full")
    assert ask(shop) == f"{ODD}@%"


@pytest.mark.parametrize(
    ("tls", "encrypted"),
    [("disable", False), ("prefer", True), ("require", True), ("verify-ca", True), ("verify-full", True)],
)
def test_encryption(strict_server: OwnServer, strict: Database, tls: str, encrypted: bool) -> None:
    """Each mode of DB_SSL_MODE, checked with DB_SSL_CA."""
    shop = Shop(strict, tls=tls, tls_ca=strict_server.folder / "server.crt")

    def cipher(unit: Unit) -> Any:
        unit.executor.scalar("SELECT 1")
        assert unit.executor._session is not None
        assert unit.executor._session.is_connected()
        return unit.executor._session.fetch("SHOW STATUS LIKE 'Ssl_cipher'", ())[0][1]

    assert bool(shop.in_scope(cipher)) is encrypted


def test_encryption_that_cannot_be_had(
    strict_server: OwnServer, strict: Database, database: Database
) -> None:
    """A certificate of nobody known, of another name, or a server without: one error; who only prefers it goes on."""
    certificate = strict_server.folder / "server.crt"
    for at, options in (
        (strict, {"tls": "verify-full"}),
        (replace(strict, host="127.0.0.1"), {"tls": "verify-full", "tls_ca": certificate}),
        (database, {"tls": "require"}),
    ):
        with pytest.raises(EncryptionFailed):
            ask(Shop(at, **options))
    assert ask(Shop(replace(strict, host="127.0.0.1"), tls="verify-ca", tls_ca=certificate))
    assert ask(Shop(database, tls="prefer"))


def test_connections_that_are_refused(strict_server: OwnServer, strict: Database) -> None:
    """Who may not, what is not there and what does not answer have an error each, which tells no password."""
    cases: list[tuple[Database, type[DatabaseError]]] = [
        (replace(strict, password="wrong-secret"), AccessDenied),
        (replace(strict, password=""), AccessDenied),
        (replace(strict, user="nobody"), AccessDenied),
        (replace(strict, user="poor", password="x"), AccessDenied),
        (replace(strict, name="nowhere"), ServerDatabaseMissing),
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
    held = [replace(strict, host="127.0.0.1").connect() for _ in range(10)]
    try:
        with pytest.raises(ConnectionsExhausted):
            ask(Shop(replace(strict, user="poor", password="x", name="")))
    finally:
        for connection in held:
            connection.close()
    assert ask(Shop(strict))


def test_server_that_does_not_answer(strict_server: OwnServer, strict: Database) -> None:
    """It takes the connection and says nothing: DB_CONNECT_TIMEOUT is for all of it."""
    with strict_server.paused(), pytest.raises(Disconnected):
        ask(Shop(strict, connect_timeout=0.2))
    assert ask(Shop(strict))


def test_statement_without_an_answer(strict_server: OwnServer, strict: Database) -> None:
    """Where DB_STATEMENT_TIMEOUT ends statements, no answer is waited for much longer than that."""
    shop = Shop(strict, statement_timeout=0.1)

    def use(unit: Unit) -> None:
        unit.executor.scalar("SELECT 1")
        driver = unit.driver
        # The limit and the client's grace, in a test's time.
        setattr(driver, "patience" if hasattr(driver, "patience") else "_read_timeout", 0.2)
        with strict_server.paused(), pytest.raises(Disconnected):
            unit.executor.scalar("SELECT 1")

    shop.in_scope(use)


def test_session_of_a_connection(shop: Shop) -> None:
    """What it needs was said while it connected, in one statement."""
    shop = Shop(shop.database, statement_timeout=7, busy_timeout=2.5)
    settings = {
        "time_zone": "+00:00",
        "character_set_connection": "utf8mb4",
        "character_set_results": "utf8mb4",
        "collation_connection": "utf8mb4_nopad_bin",
        "tx_isolation": "READ-COMMITTED",
        "autocommit": 1,
        "max_statement_time": 7.0,
        "innodb_lock_wait_timeout": 3,
        "lock_wait_timeout": 3,
    }
    query = "SELECT " + ", ".join(f"@@{name}" for name in settings)

    def use(unit: Unit) -> None:
        unit.executor.scalar("SELECT 1")  # SQLAlchemy has asked what it asks first
        session = unit.executor._session
        assert session is not None
        assert session.fetch(query, ()) == [tuple(settings.values())]
        ((modes,),) = session.fetch("SELECT @@sql_mode", ())
        assert {"STRICT_ALL_TABLES", "NO_ZERO_DATE", "ERROR_FOR_DIVISION_BY_ZERO"} <= set(modes.split(","))
        assert "NO_BACKSLASH_ESCAPES" not in modes

    shop.in_scope(use)
    with shop.manager.schema_connection() as connection:
        assert connection.exec_driver_sql("SELECT @@max_statement_time, @@time_zone").one() == (0, "+00:00")


def test_no_text_brings_a_second_statement(shop: Shop) -> None:
    """Neither driver lets several statements through, whatever the text is."""

    def use(unit: Unit) -> None:
        unit.executor.scalar("SELECT 1")
        session = unit.executor._session
        assert session is not None
        with pytest.raises(Exception, match="syntax"):
            session.fetch("SELECT 1; SELECT 2", ())
        assert session.fetch("SELECT 3", ()) == [(3,)]

    shop.in_scope(use)


def test_pool_that_is_exhausted(shop: Shop) -> None:
    """Waiting has an end, with an error of its own; what is given back is taken again."""
    shop = Shop(shop.database, pool_size=1, pool_timeout=0.05)

    def use() -> None:
        with shop.scope() as first, shop.scope() as second:
            unit = Unit(shop, first)
            unit.executor.scalar("SELECT 1")
            driver = unit.driver
            other = Unit(shop, second)
            with pytest.raises(ConnectionsExhausted):
                other.executor.scalar("SELECT 1")
            first.close()
            other.executor.scalar("SELECT 1")
            assert other.driver is driver

    shop.run(use)


def end_backend(shop: Shop, unit: Unit) -> None:
    number = unit.driver.thread_id()
    with shop.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"KILL {number}")
        alive = "SELECT count(*) FROM information_schema.processlist WHERE id = %s"
        while cursor.execute(alive, (number,)) and cursor.fetchone() != (0,):
            continue


def test_connection_that_died_in_the_pool(shop: Shop) -> None:
    """The next unit of work has another one, whatever its first statement is."""
    shop = Shop(shop.database, pool_size=1)

    def use() -> None:
        for number in range(2):
            with shop.scope() as scope:
                unit = Unit(shop, scope)
                unit.executor.scalar("SELECT 1")
                driver = unit.driver
            end_backend(shop, type("Of", (), {"driver": driver})())  # type: ignore[arg-type]
            with shop.scope() as scope:
                Unit(shop, scope).things.save(Thing(code=str(number)))

    shop.run(use)


def test_connection_that_dies_within_a_unit(shop: Shop) -> None:
    """What only reads is sent again; nothing of a transaction is kept or repeated; a commit is not known."""

    def use(unit: Unit) -> None:
        thing = unit.things.save(Thing(code="a"))
        end_backend(shop, unit)
        assert unit.things.get_by_id(thing.id) == thing
        end_backend(shop, unit)
        with pytest.raises(CommitUnknown):
            unit.things.save(Thing(code="b"))
        with pytest.raises(Disconnected), unit.executor.tx():  # noqa: PT012
            unit.things.save(Thing(code="b"))
            end_backend(shop, unit)
            unit.things.list()
        with pytest.raises(CommitUnknown), unit.executor.tx():  # noqa: PT012
            unit.things.save(Thing(code="b"))
            end_backend(shop, unit)
        assert unit.things.list().items == [thing]

    shop.in_scope(use)


def test_server_that_cannot_be_written(strict_server: OwnServer, strict: Database) -> None:
    """As a replica says it."""
    shop = Shop(replace(strict, user="reader", password="x", name=strict_server.database.name))
    with strict_server.database.connect() as administrator, administrator.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {shop.database.name}")
        cursor.execute(f"CREATE DATABASE {shop.database.name}")
        shop.create()
        cursor.execute("SET GLOBAL read_only = 1")
        try:
            with pytest.raises(ReadOnlyDatabase):
                shop.in_scope(lambda unit: unit.things.save(Thing(code="a")))
        finally:
            cursor.execute("SET GLOBAL read_only = 0")


def test_driver_is_not_loaded_before_it_is_needed() -> None:
    """Naming the engine loads PyMySQL, the async mode asyncmy; the package alone neither."""
    code = (
        "import sys, prefiq.sql.dialects as d; loaded = lambda *names: [n for n in names if n in sys.modules]\n"
        "assert not loaded('pymysql', 'asyncmy', 'sqlalchemy.dialects.mysql')\n"
        "d.engine_for('mariadb'); assert loaded('pymysql', 'asyncmy') == ['pymysql']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert engine_for("mariadb", "async") is engine_for("mariadb", "async")


def test_driver_that_is_not_installed() -> None:
    """The error says what to install; the sync mode works without."""
    code = (
        "import sys; sys.modules['asyncmy'] = None\n"
        "from prefiq.sql.dialects import engine_for\n"
        "engine_for('mariadb')\n"
        "try: engine_for('mariadb', 'async')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.startswith(
        "DriverMissing The database's driver is not installed (DB_ENGINE=mariadb, DB_MODE=async)"
    )
    assert 'pip install "prefiq[async]"' in said
