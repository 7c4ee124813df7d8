"""``prefiq doctor database --setup`` and ``--apply``, on servers that check passwords: who may do what in the end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
from tests.own_server import OwnServer, own_server
from tests.servers import SERVERS, Database

pytestmark = pytest.mark.slow

HBA = "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
ODD = """o"d'd `na\\me=1 $x %s_é; --"""
SECRETS = {"DB_PASS": "p'1\\ä\"$$", "MIGRATE_DB_PASS": "m%s`2;", "ACROSS_DB_PASS": "reads-only-3"}
REFUSED = (psycopg.errors.InsufficientPrivilege, pymysql.err.OperationalError, pymysql.err.ProgrammingError)


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    """A server that asks everybody but the administrator for a password, and logs every statement."""
    engine: str = request.param
    logging = ["-c", "log_statement=all"] if engine == "postgres" else ["--general-log=1"]
    options = [*logging, "-c", "shared_preload_libraries="] if engine == "postgres" else logging
    files = {"data/pg_hba.conf": HBA} if engine == "postgres" else None
    with own_server(engine, *options, files=files) as started:
        yield started


class Shop:
    """An application whose settings name users that do not exist yet."""

    def __init__(self, run: Callable[..., Any], folder: Path, server: OwnServer, name: str) -> None:
        self.server = server
        self.run = run
        self.folder = folder
        reached = server.database
        self.variables = {
            **reached.variables(),
            **SECRETS,
            "DB_NAME": name,
            "DB_USER": f"serve {name}"[:60],
            "MIGRATE_DB_USER": f"mi\"g'r\\ate`{name}"[:60],
            "ACROSS_DB_USER": f"across_{name}"[:60],
            "ADMIN_DB_USER": reached.user,
            "JWT_SECRET_KEY": "Zq8vN3kR7tY2wX5bM9cL4dF6gH1jP0sA",
        }

    def __call__(self, *args: str, code: int = 0, without: tuple[str, ...] = (), **more: str) -> str:
        variables = {key: value for key, value in {**self.variables, **more}.items() if key not in without}
        result = self.run("-C", str(self.folder), *args, env=variables)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        assert not [name for name, secret in SECRETS.items() if secret in result.output]
        return result.output if code else result.stdout

    def as_user(self, role: str) -> Any:
        """A connection of the plain driver, with the password that the settings have."""
        at = Database(
            engine=self.server.engine,
            name=self.variables["DB_NAME"],
            host="127.0.0.1",
            port=self.server.port,
            user=self.variables[f"{role}DB_USER"],
            password=self.variables[f"{role}DB_PASS"],
        )
        return contextlib.closing(at.connect())


def ask(connection: Any, *statements: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for statement in statements:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            rows = list(cursor.fetchall()) if cursor.description else []
    return rows


@pytest.fixture
def shop(run, tmp_path: Path, server: OwnServer, request: pytest.FixtureRequest) -> Shop:
    """An application with the projects, on a database of its own that is yet to be made."""
    run("new", "shop", "--apps", "projects")
    name = "shop_" + str(abs(hash(request.node.nodeid)))[:12]
    return Shop(run, tmp_path / "shop", server, name)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_three_users_each_with_its_rights(shop: Shop, mode: str) -> None:
    """Set up, migrate, serve: the serving user works, and cannot change a table."""
    shop.variables |= {"DB_MODE": mode, "DB_NAME": f"{ODD}{shop.variables['DB_NAME'][-9:]}"}
    done = json.loads(shop("doctor", "database", "--apply", "--json"))
    assert done["left"] == []
    assert any(one["changed"] for one in done["done"])
    again = json.loads(shop("doctor", "database", "--apply", "--json"))
    assert [one["what"] for one in again["done"] if one["changed"]] == []

    assert "applied projects 0001_initial" in shop("run", "migrate")
    assert "Created the tenant acme" in shop("tenants", "create", "acme")
    code = "print(scope[IDomainService[Project]].create(Project(code='A-1', name='x')).code)"
    assert shop("shell", "--tenant", "acme", "-c", code) == "A-1\n"
    assert json.loads(shop("run", "sanity", "--json"))["ok"]
    looked = json.loads(shop("doctor", "database", "--strict", "--json", ENV="production"))
    [wall] = looked.pop("walls")
    assert looked == {"ok": True, "findings": []}
    is_walled = shop.server.engine == "postgres"
    assert wall["wall"].startswith("row-level security" if is_walled else "none of its own")
    assert bool(wall["tables"]) == is_walled

    with shop.as_user("") as serving:
        if is_walled:
            with pytest.raises(psycopg.errors.UndefinedObject, match="unrecognized configuration parameter"):
                ask(serving, "SELECT code FROM projects_project")
            ask(serving, "SET prefiq.tenant = 'acme'")
        assert ask(serving, "SELECT code FROM projects_project") == [("A-1",)]
        for statement in (
            "CREATE TABLE mine (id INT)",
            "CREATE TEMPORARY TABLE mine (id INT)",
            "ALTER TABLE projects_project ADD COLUMN mine INT",
            "DROP TABLE projects_project",
            "TRUNCATE TABLE projects_project",
            "CREATE INDEX mine ON projects_project (code)",
        ):
            with pytest.raises(REFUSED, match=r"(?i)denied|must be owner"):
                ask(serving, statement)
    with shop.as_user("ACROSS_") as reading:
        if is_walled:
            ask(reading, "SET prefiq.tenant = ''")
        assert ask(reading, "SELECT code FROM projects_project") == [("A-1",)]
        with pytest.raises(REFUSED, match=r"(?i)denied"):
            ask(reading, "DELETE FROM projects_project")
    with shop.as_user("MIGRATE_") as migrating, shop.as_user("") as serving:
        ask(migrating, "CREATE TABLE later (id INT)")
        ask(serving, "INSERT INTO later VALUES (1)", "UPDATE later SET id = 2", "DELETE FROM later")
        ask(migrating, "ALTER TABLE later ADD COLUMN note INT", "DROP TABLE later")


def test_drift_is_looked_for_by_who_migrates(shop: Shop) -> None:
    """The serving user may make no table to compare with, and says so."""
    shop("doctor", "database", "--apply")
    shop("run", "migrate")
    serving = ("MIGRATE_DB_USER", "MIGRATE_DB_PASS", "ADMIN_DB_USER")
    found = json.loads(shop("doctor", "database", "--json", without=serving))["findings"]
    assert [(finding["id"], finding["level"]) for finding in found] == [("PFQ-D221", "warning")]


def test_one_user_becomes_two(shop: Shop) -> None:
    """An application that began with one user hands its tables over, and takes the rights to change them away."""
    one = ("MIGRATE_DB_USER", "MIGRATE_DB_PASS", "ACROSS_DB_USER", "ACROSS_DB_PASS")
    shop("doctor", "database", "--apply", without=one)
    shop("run", "migrate", without=one)
    found = json.loads(shop("doctor", "database", "--json", without=one, ENV="production"))["findings"]
    walls = ["PFQ-D260"] if shop.server.engine == "postgres" else []
    assert [finding["id"] for finding in found] == ["PFQ-D237", *walls]

    told = shop("doctor", "database", "--apply")
    assert "done     default: rights of" in told
    assert json.loads(shop("doctor", "database", "--strict", "--json", ENV="production"))["findings"] == []
    shop("run", "migrate", "--check")
    with shop.as_user("MIGRATE_") as migrating:
        ask(migrating, "ALTER TABLE projects_project ADD COLUMN mine INT")
    with shop.as_user("") as serving, pytest.raises(REFUSED, match=r"(?i)denied|must be owner"):
        ask(serving, "ALTER TABLE projects_project DROP COLUMN mine")


def test_rights_that_are_missing_are_found_and_made(shop: Shop) -> None:
    """What somebody took away by hand is told, with the command that brings it back."""
    shop("doctor", "database", "--apply")
    shop("run", "migrate")
    with contextlib.closing(shop.server.database.connect()) as admin:
        serving, migrating = shop.variables["DB_USER"], shop.variables["MIGRATE_DB_USER"]
        name = shop.variables["DB_NAME"]
        if shop.server.engine == "mariadb":
            migrating = migrating.replace("`", "``")
            escaped = name.replace("_", "\\_")
            ask(admin, f"REVOKE ALTER, INDEX ON `{escaped}`.* FROM `{migrating}`@`%`")
            expected = ["PFQ-D238"]
        else:
            at = Database(
                engine="postgres", name=name, host="127.0.0.1", port=shop.server.port, user="postgres"
            )
            quoted = migrating.replace('"', '""')
            with contextlib.closing(at.connect()) as inside:
                ask(
                    inside,
                    f'REVOKE DELETE ON projects_project FROM "{serving}"',
                    f'REVOKE CREATE ON SCHEMA public FROM "{quoted}"',
                    "ALTER SCHEMA public OWNER TO postgres",
                    f'ALTER DEFAULT PRIVILEGES FOR ROLE "{quoted}" IN SCHEMA public REVOKE UPDATE ON TABLES '
                    f'FROM "{serving}"',
                )
            expected = ["PFQ-D239", "PFQ-D238", "PFQ-D239"]
    result = json.loads(shop("doctor", "database", "--json", code=1))
    assert [f["id"] for f in result["findings"] if f["id"].startswith("PFQ-D23")] == expected
    assert {f["fix"] for f in result["findings"]} == {"prefiq doctor database --apply"}

    shop("doctor", "database", "--apply")
    assert json.loads(shop("doctor", "database", "--json"))["findings"] == []


def test_script_does_the_same(shop: Shop, tmp_path: Path) -> None:
    """What ``--setup`` prints goes through the server's own client, asks for the passwords, and may be repeated."""
    client = shutil.which("psql" if shop.server.engine == "postgres" else "mariadb")
    if client is None:
        pytest.skip("the server's client is not installed")
    name = f"{ODD}{shop.variables['DB_NAME'][-9:]}"
    shop.variables |= {"DB_NAME": name, "DB_USER": f"{ODD} s"}
    script = tmp_path / "setup.sql"
    script.write_text(shop("doctor", "database", "--setup"))
    passwords = [SECRETS[key] for key in ("DB_PASS", "MIGRATE_DB_PASS", "ACROSS_DB_PASS")]
    port = str(shop.server.port)
    if shop.server.engine == "postgres":
        command = [client, "-X", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-d", "postgres"]
        command += ["-f", str(script)]
        given = "".join(f"{word}\n{word}\n" for word in passwords)
    else:
        command = [client, "--no-defaults", "-h", "127.0.0.1", "-P", port, "-u", "root", "-A"]
        values = zip(SECRETS, passwords, strict=True)
        texts = {key: word.replace("\\", "\\\\").replace("'", "\\'") for key, word in values}
        given = "SET " + ", ".join(f"@{key}WORD = '{word}'" for key, word in texts.items()) + ";\n"
        given += f"source {script}\n"
    for _ in range(2):
        # Without a terminal of its own psql reads passwords from its input.
        done = subprocess.run(
            command,
            input=given,
            text=True,
            capture_output=True,
            check=False,
            start_new_session=True,
            env={**os.environ, "PGCLIENTENCODING": "UTF8", "LC_ALL": "C.UTF-8"},
        )
        assert done.returncode == 0, done.stderr
        assert "ERROR" not in done.stderr

    again = json.loads(shop("doctor", "database", "--apply", "--json"))
    assert [one["what"] for one in again["done"] if one["changed"]] == []
    shop("run", "migrate")
    assert json.loads(shop("doctor", "database", "--strict", "--json", ENV="production"))["findings"] == []


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_script_without_passwords_leaves_nobody_in(shop: Shop) -> None:
    """MariaDB's client stops at the first user, who is locked."""
    client = shutil.which("mariadb")
    if client is None:
        pytest.skip("the server's client is not installed")
    command = [client, "--no-defaults", "-h", "127.0.0.1", "-P", str(shop.server.port), "-u", "root"]
    script = shop("doctor", "database", "--setup")
    done = subprocess.run(command, input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 1
    user = shop.variables["DB_USER"]
    with pytest.raises(pymysql.err.OperationalError, match="locked"):
        pymysql.connect(host="127.0.0.1", port=shop.server.port, user=user)


def test_passwords_reach_no_log(shop: Shop) -> None:
    """The server gets what a password is checked with, and writes nothing else down."""

    def written() -> str:
        files = (shop.server.folder / "data").glob("*.log") if shop.server.engine == "mariadb" else ()
        return "".join([shop.server.log, *(file.read_text(errors="replace") for file in files)])

    before = len(written())
    shop("doctor", "database", "--apply")
    log = written()[before:]
    assert "ALTER ROLE" in log or "ALTER USER" in log
    for secret in SECRETS.values():
        assert secret not in log
        assert secret.replace("'", "''") not in log


def test_changed_password_is_set(shop: Shop) -> None:
    """The one of the settings counts, and what stood there before does not."""
    shop("doctor", "database", "--apply")
    shop.variables["DB_PASS"] = "another-one-5"
    done = json.loads(shop("doctor", "database", "--apply", "--json"))["done"]
    assert [one["what"].partition(" of ")[0] for one in done if one["changed"]] == ["password"]
    with shop.as_user("") as serving:
        assert ask(serving, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("server", ["postgres"], indirect=True)
def test_administrator_who_is_no_superuser(shop: Shop) -> None:
    """As a hosted PostgreSQL gives one: may make roles and databases, and nothing else."""
    name = f"admin_{shop.variables['DB_NAME']}"
    with contextlib.closing(shop.server.database.connect()) as admin:
        ask(admin, f"CREATE ROLE {name} LOGIN CREATEDB CREATEROLE PASSWORD 'adm'")
    shop.variables |= {"ADMIN_DB_USER": name, "ADMIN_DB_PASS": "adm"}
    shop("doctor", "database", "--apply")
    shop("run", "migrate")
    assert json.loads(shop("doctor", "database", "--json"))["findings"] == []
    again = json.loads(shop("doctor", "database", "--apply", "--json"))
    # Verifiers are for superusers to see, so passwords are set each time.
    assert {one["what"].partition(" ")[0] for one in again["done"] if one["changed"]} == {"password"}


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_accounts_that_exist_are_used(shop: Shop) -> None:
    """On MariaDB a user of one host is another account than that of everywhere, and the server prefers it."""
    user = shop.variables["DB_USER"]
    with contextlib.closing(shop.server.database.connect()) as admin:
        ask(admin, f"CREATE USER `{user}`@`127.0.0.1` IDENTIFIED BY 'old'")
    shop("doctor", "database", "--apply")
    shop("run", "migrate")
    assert json.loads(shop("run", "sanity", "--json"))["ok"]
    with shop.as_user("") as serving:
        assert ask(serving, "SELECT CURRENT_USER()") == [(f"{user}@127.0.0.1",)]


def test_named_databases(shop: Shop) -> None:
    """Each has its user, who owns it: nobody else migrates it.  One on another server is left and told."""
    own = {"ENGINE": shop.server.engine, "HOST": "127.0.0.1", "PORT": str(shop.server.port), "PASS": "r1"}
    name = f"r_{shop.variables['DB_NAME']}"
    shop.variables |= {f"REPORTS_DB_{key}": value for key, value in own.items()}
    shop.variables |= {"REPORTS_DB_NAME": name, "REPORTS_DB_USER": name}
    far = {"FAR_DB_ENGINE": "mariadb", "FAR_DB_HOST": "db.internal", "FAR_DB_NAME": "x", "FAR_DB_USER": "x"}

    scripts = json.loads(shop("doctor", "database", "--setup", "--json", **far))
    assert [one["database"] for one in scripts] == ["default", "far", "reports"]
    told = shop("doctor", "database", "--apply", code=1, **far)
    assert told.splitlines()[-1] == (
        "left     far: ADMIN_DB_* leads to another server; run there what --setup prints"
    )

    shop("run", "migrate")
    assert json.loads(shop("doctor", "database", "--json"))["findings"] == []
    at = Database(
        engine=shop.server.engine,
        name=name,
        host="127.0.0.1",
        port=shop.server.port,
        user=name,
        password="r1",
    )
    with contextlib.closing(at.connect()) as connection:
        ask(connection, "CREATE TABLE report (id INT)", "DROP TABLE report")


@pytest.mark.parametrize(
    ("without", "more", "text"),
    [
        (("ADMIN_DB_USER",), {}, "There is no administrator: users and databases are made by one who may"),
        (("DB_USER",), {}, "DB_USER is not set: there is nobody to give rights to"),
        ((), {"DB_USER": "<admin>"}, "DB_USER is the administrator, who may do everything"),
        ((), {"MIGRATE_DB_USER": "<admin>"}, "MIGRATE_DB_USER is the administrator, who may do everything"),
    ],
)
def test_settings_that_name_too_few(
    shop: Shop, without: tuple[str, ...], more: dict[str, str], text: str
) -> None:
    """Nothing is done, and what is missing is said."""
    more = dict.fromkeys(more, shop.server.database.user)
    told = shop("doctor", "database", "--apply", code=3, without=without, **more)
    assert text in told
    assert "[PFQ828]" in told


def test_no_password_is_no_user_on_mariadb(shop: Shop) -> None:
    """An account without one would let everybody in."""
    told = shop(
        "doctor", "database", "--apply", without=("DB_PASS",), code=3 * (shop.server.engine == "mariadb")
    )
    assert ("could connect without a password" in told) == (shop.server.engine == "mariadb")


def test_administrator_whom_the_server_refuses(shop: Shop) -> None:
    """The step is named, and no password shown."""
    told = shop(
        "doctor", "database", "--apply", code=5, ADMIN_DB_USER="nobody", ADMIN_DB_PASS="wrong-password"
    )
    assert told.startswith(
        "Error: A step of the setup failed: connect as nobody (database default: The database server refuses this user"
    )
    assert "wrong-password" not in told


def test_nothing_to_set_up_on_sqlite(run, tmp_path: Path) -> None:
    """A file has no users."""
    run("new", "shop")
    text = (
        "Nothing to set up: SQLite has neither users nor rights; the file is made by the first migration.\n"
    )
    for option, comment in (("--setup", "-- "), ("--apply", "")):
        result = run("-C", str(tmp_path / "shop"), "doctor", "database", option)
        assert (result.exit_code, result.output) == (0, comment + text)


def test_setup_and_apply_exclude_each_other(run, tmp_path: Path) -> None:
    """One prints, one runs."""
    run("new", "shop")
    assert run("-C", str(tmp_path / "shop"), "doctor", "database", "--setup", "--apply").exit_code == 2
