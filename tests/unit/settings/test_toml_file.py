"""``prefiq.toml``: what it holds, and what is refused."""

from __future__ import annotations

import pytest

from prefiq.errors import Faults
from prefiq.settings import AppRef, SecretInToml, TomlError, UnknownSetting, load


def test_a_whole_file(load_from):
    """Every key at once."""
    settings = load_from(
        {},
        toml="""
apps = ["projects", "demo.invoice:InvoiceProvider", {path = "demo.crm.provider:Crm", name = "crm"}, {name = "hr"}]
disable = ["projects.check_code"]
[replace]
"projects.IProject" = "acme.repos:FastProjects"
"identity.RefreshToken" = "acme.tokens:Token"
[settings.projects]
archive_after_days = 90
token_lifetime = "15m"
[roles]
viewer = ["*.*.read", "projects.*"]
token = ["*"]
""",
    )
    assert settings.apps == (
        AppRef("projects"),
        AppRef("invoice", "demo.invoice:InvoiceProvider"),
        AppRef("crm", "demo.crm.provider:Crm"),
        AppRef("hr"),
    )
    assert settings.disable == ("projects.check_code",)
    assert settings.replace["projects.IProject"] == "acme.repos:FastProjects"
    assert settings.app_settings("projects")["archive_after_days"] == 90
    assert settings.roles["viewer"] == ("*.*.read", "projects.*")


@pytest.mark.parametrize(
    ("toml", "place"),
    [
        ('apps = "projects"', "apps"),
        ("apps = [3]", "apps[0]"),
        ('apps = ["projects", ""]', "apps[1]"),
        ('apps = ["a.b:"]', "apps[0]"),
        ('apps = ["Projects"]', "apps[0]"),
        ('apps = ["../etc"]', "apps[0]"),
        ('apps = ["a.B:C"]', "apps[0]"),
        ("apps = [{}]", "apps[0]"),
        ("apps = [{name = 3}]", "apps[0]"),
        ('apps = ["a", "a"]', "apps[1]"),
        ('apps = ["a.x:A", "b.x:B"]', "apps[1]"),
        ("replace = 3", "replace"),
        ('[replace]\n"projects.IProject" = "nothing"', 'replace."projects.IProject"'),
        ('[replace]\n"projects.IProject" = 3', 'replace."projects.IProject"'),
        ('[replace]\nIProject = "a:B"', 'replace."IProject"'),
        ("disable = {}", "disable"),
        ("disable = [1]", "disable[0]"),
        ('disable = ["a b"]', "disable[0]"),
        ('disable = ["a.b", "a.b"]', "disable[1]"),
        ("settings = 1", "settings"),
        ("[settings]\nprojects = 1", "settings.projects"),
        ("[roles]\nviewer = 'projects.*'", "roles.viewer"),
        ("[roles]\nviewer = ['projects..read']", "roles.viewer"),
        ("[roles]\nviewer = ['projects.r*']", "roles.viewer"),
        ("issuers = 1", "issuers"),
    ],
)
def test_a_value_of_the_wrong_shape_is_named_by_its_place(wrong, toml, place):
    """One mistake is one fault."""
    (fault,) = wrong({}, toml=toml)
    assert (type(fault), fault.name, fault.source) == (TomlError, place, "prefiq.toml")


def test_an_unknown_key_has_the_nearest_name(wrong):
    """At the top and within an app's table."""
    faults = wrong({}, toml='aps = []\napps = [{name = "a", pth = "x:Y"}]\n')
    assert all(isinstance(f, UnknownSetting) for f in faults)
    assert {(f.name, f.nearest) for f in faults} == {("aps", "apps"), ("apps[0].pth", "path")}


def test_a_syntax_error_has_its_line(wrong):
    """The position is given, and the rest of the file is not guessed at."""
    (fault,) = wrong({}, toml='apps = ["a"]\n[roles\n')
    assert isinstance(fault, TomlError)
    assert fault.source.startswith("prefiq.toml line 2, column")


def test_a_file_that_ends_too_early(wrong):
    """An open list is a syntax error as well."""
    (fault,) = wrong({}, toml="apps = [")
    assert fault.problem == "the syntax is not TOML"


def test_a_file_nested_without_end_is_an_error(wrong):
    """Not a crash."""
    (fault,) = wrong({}, toml="a = " + "[" * 20_000)
    assert isinstance(fault, TomlError)


def test_a_file_that_is_no_text_is_an_error(tmp_path):
    """Wrong encoding, and a directory of that name."""
    (tmp_path / "prefiq.toml").write_bytes(b'apps = ["\xff"]')
    with pytest.raises(Faults) as caught:
        load(tmp_path, {})
    assert "not UTF-8" in str(caught.value)
    (tmp_path / "prefiq.toml").unlink()
    (tmp_path / "prefiq.toml").mkdir()
    with pytest.raises(Faults) as caught:
        load(tmp_path, {})
    assert "is a directory" in str(caught.value)


def test_windows_line_ends_are_fine(tmp_path):
    """Also with a byte-order mark."""
    (tmp_path / "prefiq.toml").write_bytes(b'\xef\xbb\xbfapps = ["a"]\r\n[roles]\r\nx = ["*"]\r\n')
    assert load(tmp_path, {}).apps == (AppRef("a"),)


@pytest.mark.parametrize(
    ("toml", "place"),
    [
        ('[settings.mail]\nsmtp_password = "canary"', "settings.mail.smtp_password"),
        ('[settings.mail]\napiKey = "canary"', "settings.mail.apiKey"),
        ('[settings.mail.inner]\n"access-key" = "canary"', "settings.mail.inner.access-key"),
        ('[settings.mail]\nurl = "smtp://user:canary@host/"', "settings.mail.url"),
        (
            '[settings.mail]\nkeys = [{pem = "-----BEGIN RSA PRIVATE KEY-----canary"}]',
            "settings.mail.keys[0].pem",
        ),
        ('[settings.mail]\nx = "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjF9.canary"', "settings.mail.x"),
    ],
)
def test_what_looks_like_a_secret_is_refused(wrong, toml, place):
    """The file is committed; the value is not repeated in the error."""
    (fault,) = wrong({}, toml=toml)
    assert (type(fault), fault.name) == (SecretInToml, place)
    assert "canary" not in str(fault)


@pytest.mark.parametrize("key", ["DB_HOST", "db_host", "JWT_SECRET_KEY", "ENV", "threads", "log_file"])
def test_a_deployment_setting_is_refused(wrong, key):
    """It belongs into the environment, and the error says so."""
    (fault,) = wrong({}, toml=f"{key} = 3")
    assert isinstance(fault, SecretInToml)
    assert fault.accepted == f"set {key.upper()} in the environment or in .env"
