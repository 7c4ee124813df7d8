"""``load``: defaults, production's rules, and every mistake at once."""

from __future__ import annotations

import pytest
from tests.unit.settings.conftest import KEY

from prefiq.errors import Faults
from prefiq.settings import AppRef, Secret, SettingError, Settings, UnsafeInProduction, load
from prefiq.settings.settings import TEST_KEY


def test_nothing_given_means_production_with_safe_defaults(load_from):
    """ENV unset is production: no colours, no documentation page, no key."""
    settings = load_from()
    assert (settings.env, settings.is_production) == ("production", True)
    assert (settings.log_color, settings.docs, settings.jwt_keys) == (False, False, ())
    assert (settings.tenancy, settings.tenant) == ("row", "")
    assert (settings.body_limit, settings.request_timeout, settings.threads) == (1024**2, 30.0, 8)
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("env", "production"), [("staging", True), ("development", False), ("test", False), ("Production", True)]
)
def test_only_development_and_test_leave_productions_rules(load_from, env, production):
    """Staging is production in everything that guards."""
    settings = load_from({"ENV": env})
    assert settings.is_production is production
    assert settings.docs is not production
    assert settings.log_color is not production


def test_an_unknown_env_is_an_error_that_lists_the_words(wrong):
    """``ENV=prod`` never falls to anything."""
    (fault,) = wrong({"ENV": "prod"})
    assert str(fault) == (
        "ENV: 'prod' is not one of the accepted words (environment) [PFQ101]\n"
        '  Try: did you mean "production"? one of production, staging, development, test'
    )


def test_all_mistakes_are_reported_at_once(wrong):
    """Five wrong variables and a wrong file are six faults."""
    faults = wrong(
        {"DB_PORT": "abc", "LOG_LEVEL": "LOUD", "THREADS": "0"},
        dotenv="LOG_COLOR=maybe\nJWT_SECRET_KEY=short\n",
        toml="apps = 3\n",
    )
    assert {f.name for f in faults} == {
        "DB_PORT",
        "LOG_LEVEL",
        "THREADS",
        "LOG_COLOR",
        "JWT_SECRET_KEY",
        "apps",
    }
    assert len(faults) == 6


def test_a_fault_names_value_source_and_what_is_accepted(wrong):
    """The whole text of one."""
    (fault,) = wrong({}, dotenv="# ports\nDB_PORT=abc\n")
    assert str(fault) == (
        "DB_PORT: 'abc' is not a whole number (.env line 2) [PFQ101]\n  Try: a whole number from 1 to 65535"
    )
    assert (fault.name, fault.source, fault.exit_code) == ("DB_PORT", ".env line 2", 3)


def test_a_long_or_strange_value_is_quoted_safely(wrong):
    """What is quoted is short and plain."""
    (fault,) = wrong({"THREADS": "\x1b[31m" + "9" * 100})
    assert "\x1b" not in str(fault)
    assert len(fault.problem) < 90


def test_a_secret_in_the_wrong_variable_is_not_quoted(wrong):
    """A password pasted where a number belongs stays hidden."""
    (fault,) = wrong({"DB_PASS": "correct-horse", "DB_PORT": "correct-horse", "ENV": "test"})
    assert fault.problem == "the value is not a whole number"


def test_a_missing_folder_is_an_error(tmp_path):
    """Loading from nowhere does not give an empty application."""
    with pytest.raises(Faults) as caught:
        load(tmp_path / "nowhere", {})
    assert "folder does not exist" in str(caught.value)


def test_only_one_engine_has_schemas(load_from, wrong):
    """Elsewhere a schema for each tenant is refused; a database for each is served."""
    assert load_from({"TENANCY": "database"}).tenancy == "database"
    server = {"DB_ENGINE": "postgres", "DB_NAME": "shop", "DB_USER": "shop"}
    assert load_from({"TENANCY": "schema", **server}).tenancy == "schema"
    (fault,) = wrong({"TENANCY": "schema"})
    assert (fault.name, fault.problem) == ("TENANCY", "only PostgreSQL has schemas, and DB_ENGINE is sqlite")


def test_key_of_tenants_accounts_is_a_secret(load_from, wrong):
    """It is redacted like every other, and too short a one is refused."""
    settings = load_from({"TENANT_DB_KEY": "k" * 32})
    assert settings.tenant_db_key in list(settings.secrets())
    assert settings.db_max_connections == 40
    (fault,) = wrong({"TENANT_DB_KEY": "short"})
    assert "shorter than 32 bytes" in fault.problem


def test_a_single_tenant_has_a_key(load_from, wrong):
    """TENANT belongs to TENANCY=single; elsewhere it would be ignored, and is refused."""
    assert load_from({"TENANCY": "single"}).tenant == "main"
    assert load_from({"TENANCY": "single", "TENANT": "acme"}).tenant == "acme"
    assert [f.name for f in wrong({"TENANT": "acme"})] == ["TENANT"]
    assert [f.name for f in wrong({"TENANCY": "single", "TENANT": "../x"})] == ["TENANT"]


def test_apps_of_the_environment_replace_the_files_list(load_from):
    """Nothing is merged."""
    toml = 'apps = ["projects", "billing"]\n'
    assert [a.name for a in load_from({}, toml=toml).apps] == ["projects", "billing"]
    settings = load_from({"APPS": "masters, demo.invoice:InvoiceProvider"}, toml=toml)
    assert settings.apps == (AppRef("masters"), AppRef("invoice", "demo.invoice:InvoiceProvider"))
    assert settings.sources["APPS"] == "environment"
    assert load_from({}, toml=toml).sources["APPS"] == "prefiq.toml"


def test_a_wrong_app_of_the_environment_is_named_by_its_place(wrong):
    """The fault is the variable's, not the file's."""
    (fault,) = wrong({"APPS": "projects,demo.invoice:"})
    assert (type(fault), fault.name, fault.source) == (SettingError, "APPS[1]", "environment")


@pytest.mark.parametrize(
    "key",
    [
        "a" * 40,
        "change-me-" + "0123456789abcdefghijkl",
        "your-secret-0123456789-abcdefghij",
        "secret" * 8,
        TEST_KEY,
    ],
)
def test_sample_keys_are_refused_in_production(wrong, load_from, key):
    """What stands in documentation or can be guessed signs nothing there, and is fine in development."""
    (fault,) = wrong({"JWT_SECRET_KEY": key})
    assert isinstance(fault, UnsafeInProduction)
    assert key not in str(fault)
    assert len(wrong({"JWT_SECRET_KEY": KEY, "JWT_SECRET_KEY_PREVIOUS": key})) == 1
    assert load_from({"JWT_SECRET_KEY": key, "ENV": "development"}).jwt_keys[0].reveal() == key


def test_the_previous_key_comes_second(load_from, wrong):
    """The first signs; a previous one without a present one would sign, and is refused."""
    other = KEY[::-1]
    settings = load_from({"JWT_SECRET_KEY": KEY, "JWT_SECRET_KEY_PREVIOUS": other})
    assert settings.jwt_keys == (Secret(KEY), Secret(other))
    assert [f.name for f in wrong({"JWT_SECRET_KEY_PREVIOUS": KEY})] == ["JWT_SECRET_KEY_PREVIOUS"]


def test_a_wait_inside_a_request_cannot_outlive_it(wrong):
    """What is given and longer than what is around it is a fault, for every database."""
    faults = wrong(
        {
            "REQUEST_TIMEOUT": "3",
            "DB_POOL_TIMEOUT": "4",
            "DB_BUSY_TIMEOUT": "3",
            "LOGS_DB_ENGINE": "postgres",
            "LOGS_DB_NAME": "logs",
            "LOGS_DB_STATEMENT_TIMEOUT": "3.5",
            "LOGS_DB_CONNECT_TIMEOUT": "4",
            "LOGS_DB_POOL_TIMEOUT": "2",
        }
    )
    assert {f.name for f in faults} == {
        "DB_POOL_TIMEOUT",
        "LOGS_DB_STATEMENT_TIMEOUT",
        "LOGS_DB_CONNECT_TIMEOUT",
    }


def test_a_wait_for_a_connection_is_at_most_a_statements_time(wrong):
    """Request ≥ statement ≥ pool wait."""
    (fault,) = wrong({"DB_STATEMENT_TIMEOUT": "2", "DB_POOL_TIMEOUT": "3"})
    assert str(fault) == (
        "DB_POOL_TIMEOUT: 3 seconds are more than DB_STATEMENT_TIMEOUT allows (environment) [PFQ101]\n"
        "  Try: at most DB_STATEMENT_TIMEOUT (2 seconds)"
    )


def test_defaults_give_way_to_what_is_around_them(load_from):
    """One short time is enough said; a statement without a time of its own has the request's."""
    database = load_from({"REQUEST_TIMEOUT": "2"}).database
    assert (database.statement_timeout, database.pool_timeout, database.busy_timeout) == (2, 2, 2)
    assert load_from({"REQUEST_TIMEOUT": "40"}).database.statement_timeout == 40
    assert load_from({"DB_STATEMENT_TIMEOUT": "1.5"}).database.pool_timeout == 1.5
    endless = load_from({"DB_STATEMENT_TIMEOUT": "0", "REQUEST_TIMEOUT": "4"}).database
    assert (endless.statement_timeout, endless.pool_timeout) == (0, 4)


def test_color_can_only_be_taken_away(load_from):
    """LOG_COLOR=false and NO_COLOR are absolute, LOG_COLOR=true changes nothing in production."""
    assert load_from({"ENV": "development"}).log_color
    assert not load_from({"ENV": "development", "LOG_COLOR": "false"}).log_color
    assert not load_from({"ENV": "development", "LOG_COLOR": "true", "NO_COLOR": "1"}).log_color
    assert not load_from({"LOG_COLOR": "true"}).log_color


def test_settings_are_frozen_to_their_leaves(load_from):
    """Nothing that was loaded can be changed afterwards."""
    settings = load_from(
        {}, toml="[settings.projects]\nlimits = {a = [1, 2]}\n[roles]\nviewer = ['*.*.read']\n"
    )
    with pytest.raises(AttributeError):
        settings.env = "test"
    for mapping in (settings.databases, settings.roles, settings.sources, settings.app_settings("projects")):
        with pytest.raises(TypeError):
            mapping["x"] = 1
    with pytest.raises(TypeError):
        settings.app_settings("projects")["limits"]["a"] = 2
    assert settings.app_settings("projects")["limits"]["a"] == (1, 2)
    assert settings.app_settings("unheard_of") == {}


def test_for_test_goes_through_the_loader(tmp_path):
    """Overrides are variables in any case; mistakes are found as elsewhere; ``.env`` is not read."""
    (tmp_path / ".env").write_text("DB_NAME=somebodys_work.db\n")
    settings = Settings.for_test(
        tmp_path, tenancy="single", APPS=["projects", "masters"], docs=False, threads=2
    )
    assert (settings.env, settings.tenancy, settings.docs, settings.threads) == ("test", "single", False, 2)
    assert [a.name for a in settings.apps] == ["projects", "masters"]
    assert settings.database.path == tmp_path / "prefiq.db"
    assert settings.jwt_keys == (Secret(TEST_KEY),)
    assert Settings.for_test(tmp_path, JWT_SECRET_KEY=None).jwt_keys == ()
    with pytest.raises(Faults) as caught:
        Settings.for_test(tmp_path, threads="many")
    assert [f.name for f in caught.value.exceptions] == ["THREADS"]


CANARIES = {
    "JWT_SECRET_KEY": "canary-jwt-Zq8!x",
    "JWT_SECRET_KEY_PREVIOUS": "canary-old-Zq8!x",
    "DB_PASS": "canary-pass-Zq8!x",
    "ANALYTICS_DB_PASS": "canary-analytics-Zq8!x",
    "MIGRATE_DB_PASS": "canary-migrate-Zq8!x",
    "DB_PASSWORD": "canary-typo-Zq8!x",
}


def test_no_secret_appears_in_any_error(wrong, tmp_path):
    """Planted values are in no text of any fault, whatever else is wrong beside them."""
    environ = {
        **CANARIES,
        "DB_HOST": "db://u:canary-host-Zq8!x@h",
        "ANALYTICS_DB_ENGINE": "oracle",
        "ENV": "prod",
    }
    dotenv = "JWT_SECRET=canary-dotenv-Zq8!x\nnonsense canary-line-Zq8!x\n"
    toml = '[settings.mail]\nsmtp_password = "canary-toml-Zq8!x"\n[db]\npass = "canary-db-Zq8!x"\n'
    faults = wrong(environ, dotenv, toml)
    assert len(faults) > 8
    for fault in [*faults, Faults("The settings are wrong", faults)]:
        assert "canary" not in f"{fault}{fault!r}{vars(fault)}"


def test_no_secret_appears_in_a_syntax_error(wrong):
    """The parser's own sentence is not passed on."""
    for toml in ('smtp_password = "canary-1\n', "[settings.mail]\ncanary-token canary\n", 'a = "x" canary'):
        for fault in wrong({}, toml=toml):
            assert "canary" not in f"{fault}{fault!r}"
            assert fault.__cause__ is None


def test_no_secret_appears_in_the_settings_own_text(load_from):
    """``repr`` of everything loaded, sources and warnings included, is free of them."""
    environ = {"JWT_SECRET_KEY": KEY, "DB_PASS": "canary-pass", "MIGRATE_DB_PASS": "canary-migrate"}
    settings = load_from(environ)
    shown = f"{settings!r}{settings.sources}{settings.warnings}{settings.databases}{settings.database_roles}"
    assert "canary" not in shown
    assert KEY not in shown
    assert {s.reveal() for s in settings.secrets()} == {KEY, "canary-pass", "canary-migrate"}
