"""Settings that are right in themselves and probably not meant."""

from __future__ import annotations

import pytest

SERVER = {"DB_ENGINE": "postgres", "DB_NAME": "app"}


def test_settings_without_effect_are_warnings(load_from):
    """A server's address with SQLite, and the table of an app that is not listed."""
    toml = 'apps = ["projects"]\n[settings.project]\nx = 1\n[settings.projects]\ny = 2\n'
    settings = load_from({"DB_HOST": "db", "DB_PASS": "hidden-2", "DB_SSL_MODE": "require"}, toml=toml)
    assert [w.name for w in settings.warnings] == ["DB_HOST", "DB_PASS", "DB_SSL_MODE", "settings.project"]
    assert settings.warnings[0].problem == "has no effect with SQLite"
    assert settings.warnings[-1].nearest == "projects"


def test_settings_of_servers_have_no_effect_with_sqlite(load_from):
    """In each database, by its whole name; how long to wait for a writer has a meaning everywhere."""
    environ = {"X_DB_ENGINE": "sqlite", "X_DB_NAME": "x", "X_DB_HOST": "db", "X_DB_BUSY_TIMEOUT": "1"}
    (warning,) = load_from(environ).warnings
    assert (warning.name, warning.problem) == ("X_DB_HOST", "has no effect with SQLite")


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_waiting_for_a_lock_is_of_every_engine(load_from, engine):
    """Servers are told it as well."""
    environ = {"X_DB_ENGINE": engine, "X_DB_NAME": "x", "X_DB_BUSY_TIMEOUT": "1"}
    assert load_from(environ).warnings == ()


def test_files_of_tls_that_are_not_read_are_warnings(load_from, tmp_path):
    """Who names an authority believes that the server is checked with it."""
    (tmp_path / "ca.pem").write_text("-----BEGIN")
    environ = {**SERVER, "DB_SSL_CA": "ca.pem"}
    problems = {
        mode: [w.problem for w in load_from({**environ, "DB_SSL_MODE": mode}).warnings]
        for mode in ("disable", "prefer", "require", "verify-ca", "verify-full")
    }
    assert problems == {
        "disable": ["has no effect with DB_SSL_MODE=disable"],
        "prefer": ["checks nothing with DB_SSL_MODE=prefer; verify-ca or verify-full would"],
        "require": ["checks nothing with DB_SSL_MODE=require; verify-ca or verify-full would"],
        "verify-ca": [],
        "verify-full": [],
    }


@pytest.mark.parametrize("mode", ["disable", "prefer"])
def test_a_network_without_encryption_is_a_warning_in_production(load_from, mode):
    """Passwords and rows may cross it in the clear; in development nobody is told."""
    environ = {**SERVER, "DB_HOST": "db.internal", "DB_SSL_MODE": mode}
    (warning,) = load_from(environ).warnings
    assert str(warning) == (
        f"DB_SSL_MODE: {mode} lets passwords and rows cross the network in the clear (environment) [PFQ101]\n"
        "  Try: require, or better verify-full"
    )
    assert load_from({**environ, "ENV": "development"}).warnings == ()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.1.2", "[::1]", "::1", "/run/postgresql"])
def test_a_connection_on_this_machine_needs_no_encryption(load_from, host):
    """Loopback and sockets do not leave it."""
    assert load_from({**SERVER, "DB_HOST": host}).warnings == ()


@pytest.mark.parametrize("host", ["10.0.0.7", "localhost.example", "fe80::1", "db"])
def test_every_other_host_is_somewhere_else(load_from, host):
    """Also a private network, and a name that looks alike."""
    assert [w.name for w in load_from({**SERVER, "DB_HOST": host}).warnings] == ["DB_SSL_MODE"]


def test_an_encrypted_connection_is_no_warning(load_from):
    """That it is not checked is the operator's choice."""
    assert load_from({**SERVER, "DB_HOST": "db", "DB_SSL_MODE": "require"}).warnings == ()
