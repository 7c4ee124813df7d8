"""The default database, named ones, and roles."""

from __future__ import annotations

import pytest

from prefiq.settings import SettingError, UnsafeInProduction


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
    assert [f.name for f in wrong({"DB_ENGINE": "postgres", "MIGRATE_DB_USER": "o"})] == ["DB_ENGINE"]
    assert [f.name for f in wrong({"MIGRATE_DB_PORT": "x"})] == ["MIGRATE_DB_PORT"]


def test_a_named_databases_password_comes_from_a_file(load_from, tmp_path):
    """``<NAME>_DB_PASS_FILE`` works as ``DB_PASS_FILE`` does."""
    (tmp_path / "pass").write_text("hidden-1\n")
    settings = load_from({"A_DB_ENGINE": "sqlite", "A_DB_NAME": "a.db", "A_DB_PASS_FILE": "pass"})
    assert settings.databases["a"].password.reveal() == "hidden-1"
    assert settings.database.password is None
