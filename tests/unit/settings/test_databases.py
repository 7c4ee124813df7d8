"""The default database, named ones, and roles."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from prefiq.settings import SettingError, UnsafeInProduction

SERVER = {"DB_ENGINE": "postgres", "DB_NAME": "app"}
ANYTHING = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(
    lambda text: text == text.strip() and "://" not in text
)
"""What a user, a password or a database may be called."""


def test_the_default_is_a_file_in_the_folder(load_from, tmp_path):
    """A relative path starts from the application's folder."""
    database = load_from().database
    assert (database.name, database.engine, database.mode) == ("default", "sqlite", "sync")
    assert database.path == tmp_path / "prefiq.db"
    assert not database.is_memory
    assert load_from({"DB_NAME": "var/a.db"}).database.path == tmp_path / "var" / "a.db"
    assert str(load_from({"DB_NAME": "/srv/a.db"}).database.path) == "/srv/a.db"


def test_memory_is_for_development(load_from, wrong):
    """It is refused where rows must outlive the process."""
    database = load_from({"ENV": "test", "DB_NAME": ":memory:"}).database
    assert (database.path, database.is_memory) == (None, True)
    (fault,) = wrong({"DB_NAME": ":memory:"})
    assert isinstance(fault, UnsafeInProduction)


@pytest.mark.parametrize("name", ["file:x?mode=memory", "sqlite:///x.db", "SQLITE+pysqlite:///x"])
def test_a_uri_is_no_file(wrong, name):
    """It would open something else than its name says."""
    assert [f.problem for f in wrong({"DB_NAME": name})] == ["the value is a URI"]


def test_a_directory_is_no_database(wrong, tmp_path):
    """Found at load, not at the first statement."""
    (tmp_path / "data").mkdir()
    assert [f.problem for f in wrong({"DB_NAME": "data"})] == ["the value is a directory"]


def test_an_engine_makes_a_named_database(load_from, tmp_path):
    """``<NAME>_DB_ENGINE`` and its fields, from the environment and from ``.env`` together."""
    settings = load_from(
        {"ANALYTICS_DB_ENGINE": "sqlite", "ANALYTICS_DB_POOL_SIZE": "3"},
        dotenv="ANALYTICS_DB_NAME=a.db\nBIG_DATA_DB_ENGINE=sqlite\nBIG_DATA_DB_NAME=b.db\n",
    )
    assert set(settings.databases) == {"default", "analytics", "big_data"}
    assert settings.databases["analytics"].path == tmp_path / "a.db"
    assert settings.databases["analytics"].pool_size == 3
    assert settings.databases["default"].pool_size == 8
    assert settings.sources["ANALYTICS_DB_NAME"] == ".env line 1"


def test_a_named_database_needs_a_file_of_its_own(wrong):
    """The default's file would be two databases in one."""
    assert [f.name for f in wrong({"ANALYTICS_DB_ENGINE": "sqlite"})] == ["ANALYTICS_DB_NAME"]


def test_default_is_no_name_for_another(wrong):
    """``DEFAULT_DB_*`` would hide ``DB_*``."""
    faults = wrong({"DEFAULT_DB_ENGINE": "sqlite"})
    assert [(f.name, type(f)) for f in faults] == [("DEFAULT_DB_ENGINE", SettingError)]


def test_a_mistake_in_a_named_database_has_its_whole_name(wrong):
    """Each database's faults are its own."""
    faults = wrong({"A_DB_ENGINE": "sqlite", "A_DB_NAME": "a.db", "A_DB_PORT": "x", "DB_PORT": "y"})
    assert {f.name for f in faults} == {"A_DB_PORT", "DB_PORT"}


@pytest.mark.parametrize("role", ["MIGRATE", "ACROSS", "ADMIN"])
def test_roles_are_never_databases(load_from, role):
    """A role reaches the default database otherwise; what it does not say is the default's."""
    settings = load_from({f"{role}_DB_ENGINE": "sqlite", f"{role}_DB_USER": "owner", "DB_NAME": "x.db"})
    assert set(settings.databases) == {"default"}
    reached = settings.database_roles[role.lower()]
    assert (reached.user, reached.path) == ("owner", settings.database.path)
    assert settings.database.user == ""


def test_a_role_does_not_repeat_the_defaults_mistakes(wrong):
    """One wrong variable is one fault."""
    assert [f.name for f in wrong({"DB_PORT": "x", "MIGRATE_DB_USER": "o"})] == ["DB_PORT"]
    assert [f.name for f in wrong({"DB_ENGINE": "oracle", "MIGRATE_DB_USER": "o"})] == ["DB_ENGINE"]
    assert [f.name for f in wrong({"DB_ENGINE": "postgres", "MIGRATE_DB_USER": "o"})] == ["DB_NAME"]
    assert [f.name for f in wrong({**SERVER, "DB_SSL_CA": "none.pem", "ADMIN_DB_USER": "o"})] == ["DB_SSL_CA"]
    assert [f.name for f in wrong({"MIGRATE_DB_PORT": "x"})] == ["MIGRATE_DB_PORT"]


def test_a_named_databases_password_comes_from_a_file(load_from, tmp_path):
    """``<NAME>_DB_PASS_FILE`` works as ``DB_PASS_FILE`` does."""
    (tmp_path / "pass").write_text("hidden-1\n")
    settings = load_from({"A_DB_ENGINE": "sqlite", "A_DB_NAME": "a.db", "A_DB_PASS_FILE": "pass"})
    assert settings.databases["a"].password.reveal() == "hidden-1"
    assert settings.database.password is None


@pytest.mark.parametrize(("engine", "port"), [("postgres", 5432), ("mariadb", 3306)])
def test_a_server_is_reached_on_this_machine_unless_told(load_from, engine, port):
    """Host and port have the engine's usual values; there is no file."""
    database = load_from({"DB_ENGINE": engine, "DB_NAME": "app", "DB_MODE": "async"}).database
    assert (database.engine, database.mode, database.database) == (engine, "async", "app")
    assert (database.host, database.port, database.path) == ("localhost", port, None)
    assert not database.is_memory


@pytest.mark.parametrize("prefix", ["", "REPORTS_"])
def test_a_servers_database_must_be_named(wrong, prefix):
    """The file that SQLite takes by default is no database's name."""
    (fault,) = wrong({f"{prefix}DB_ENGINE": "mariadb"})
    assert str(fault) == f"{prefix}DB_NAME: is missing [PFQ101]\n  Try: the name of a database"


@pytest.mark.parametrize("url", ["postgresql://user:canary-1@db/app", "mysql+pymysql://db/app"])
def test_a_url_is_no_name(wrong, url):
    """Drivers would read more out of it than a name; and it may hold a password."""
    (fault,) = wrong({**SERVER, "DB_NAME": url})
    assert fault.problem == "the value is a URL, and the database's name alone is wanted"
    assert "canary" not in str(fault)


@given(user=ANYTHING, password=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), name=ANYTHING)
@examples(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_character_may_stand_in_user_password_and_name(load_from, user, password, name):
    """They arrive as they were written."""
    if not password.strip():  # counts as not given
        password += "x"
    environ = {"DB_ENGINE": "postgres", "DB_USER": user, "DB_PASS": password, "DB_NAME": name}
    database = load_from(environ).database
    assert (database.user, database.database) == (user, name)
    assert database.password.reveal() == password


def test_quotes_in_dotenv_keep_every_character(load_from):
    """A hash or a blank belongs to the value there."""
    dotenv = "DB_ENGINE=mariadb\nDB_NAME='a b#c'\nDB_USER='ü@h/:%?&'\nDB_PASS=' p#w\"d '\n"
    database = load_from({}, dotenv=dotenv).database
    assert (database.database, database.user) == ("a b#c", "ü@h/:%?&")
    assert database.password.reveal() == ' p#w"d '


def test_bytes_that_are_no_text_are_refused(wrong):
    """The environment of a process can hold them; no server could be told them."""
    faults = wrong({**SERVER, "DB_USER": "m\udcfcller", "DB_PASS": "m\udcfcller"})
    assert {f.name for f in faults} == {"DB_USER", "DB_PASS"}
    assert "ller" not in str(faults)


def test_engines_stand_side_by_side(load_from, tmp_path):
    """Each named database has its own engine; the mode is one for all."""
    settings = load_from(
        {
            "DB_MODE": "async",
            "A_DB_ENGINE": "postgres",
            "A_DB_NAME": "a",
            "B_DB_ENGINE": "mariadb",
            "B_DB_NAME": "b",
            "B_DB_HOST": "db.internal",
        }
    )
    found = {name: (one.engine, one.mode, one.host) for name, one in settings.databases.items()}
    assert found == {
        "default": ("sqlite", "async", ""),
        "a": ("postgres", "async", "localhost"),
        "b": ("mariadb", "async", "db.internal"),
    }
    assert settings.database.path == tmp_path / "prefiq.db"


def test_one_application_has_one_mode(wrong):
    """A driver that blocks would stop the event loop of the others."""
    (fault,) = wrong({"DB_MODE": "async", "A_DB_ENGINE": "sqlite", "A_DB_NAME": "a.db", "A_DB_MODE": "sync"})
    assert (fault.name, fault.accepted) == ("A_DB_MODE", "unset it")


@pytest.mark.parametrize("role", ["MIGRATE", "ACROSS", "ADMIN"])
def test_a_role_on_a_server_takes_what_it_does_not_say(load_from, role):
    """Host, name and timeouts are the default's; an engine of its own it cannot have."""
    settings = load_from({**SERVER, "DB_HOST": "db", f"{role}_DB_USER": "owner"})
    reached = settings.database_roles[role.lower()]
    assert (reached.user, reached.host, reached.database) == ("owner", "db", "app")
    assert reached.statement_timeout == settings.database.statement_timeout


@pytest.mark.parametrize(("variable", "password"), [("USER", None), ("HOST", "secret-1")])
def test_a_password_is_its_users(load_from, variable, password):
    """The serving user's goes to nobody else: an administrator without one is told apart from a wrong one."""
    settings = load_from({**SERVER, "DB_PASS": "secret-1", f"ADMIN_DB_{variable}": "other"})
    reached = settings.database_roles["admin"].password
    assert (reached.reveal() if reached else None) == password


def test_a_role_has_the_engine_of_its_database(wrong):
    """Another one would be another database."""
    (fault,) = wrong({**SERVER, "MIGRATE_DB_ENGINE": "mariadb"})
    assert fault.problem == "a role reaches the default database, which is postgres"


def test_a_roles_work_is_no_request(load_from):
    """A migration may run for hours where a request may not."""
    settings = load_from({**SERVER, "MIGRATE_DB_STATEMENT_TIMEOUT": "7200", "MIGRATE_DB_POOL_TIMEOUT": "60"})
    reached = settings.database_roles["migrate"]
    assert (reached.statement_timeout, reached.pool_timeout) == (7200, 60)


def test_files_of_tls_start_from_the_folder_and_must_be_there(load_from, wrong, tmp_path):
    """Found at load, not at the first connection."""
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).write_text("-----BEGIN")
    (tmp_path / "empty.pem").touch()
    given = {"DB_SSL_CA": "ca.pem", "DB_SSL_CERT": "cert.pem", "DB_SSL_KEY": str(tmp_path / "key.pem")}
    database = load_from({**SERVER, **given, "DB_SSL_MODE": "verify-full"}).database
    assert (database.tls, database.tls_ca) == ("verify-full", tmp_path / "ca.pem")
    assert (database.tls_cert, database.tls_key) == (tmp_path / "cert.pem", tmp_path / "key.pem")
    bad = {"DB_SSL_CA": "none.pem", "DB_SSL_CERT": "empty.pem", "DB_SSL_KEY": "."}
    faults = wrong({**SERVER, **bad})
    assert [(f.name, f.problem) for f in faults] == [
        ("DB_SSL_CA", "the file does not exist"),
        ("DB_SSL_CERT", "the file is empty"),
        ("DB_SSL_KEY", "the file cannot be read (Is a directory)"),
    ]


@pytest.mark.parametrize(("given", "missing"), [("DB_SSL_CERT", "DB_SSL_KEY"), ("DB_SSL_KEY", "DB_SSL_CERT")])
def test_a_certificate_and_its_key_come_together(wrong, tmp_path, given, missing):
    """One without the other is no proof."""
    (tmp_path / "x.pem").write_text("-----BEGIN")
    assert [f.name for f in wrong({**SERVER, given: "x.pem"})] == [missing]


def test_postgresql_wants_an_authority_of_its_own_for_verify_ca(load_from, wrong):
    """Its client refuses the system's authorities there, from whom anybody can have a certificate."""
    (fault,) = wrong({**SERVER, "DB_SSL_MODE": "verify-ca"})
    assert (fault.name, fault.accepted) == (
        "DB_SSL_CA",
        "the file of your authority, or DB_SSL_MODE=verify-full",
    )
    assert load_from({**SERVER, "DB_SSL_MODE": "verify-full"}).database.tls_ca is None
    maria = {"DB_ENGINE": "mariadb", "DB_NAME": "app", "DB_SSL_MODE": "verify-ca"}
    assert load_from(maria).database.tls_ca is None
