"""The reference page and ``.env.example`` are what the table says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from prefiq.settings import TABLE, Settings, load
from prefiq.settings.reference import env_example, settings_page
from prefiq.settings.table import SECTIONS

ROOT = Path(__file__).parents[3]


def test_the_page_in_the_repository_is_the_generated_one():
    """Nobody edits it, and nobody forgets it."""
    assert (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8") == settings_page()


def test_the_example_in_the_repository_is_the_generated_one():
    """Nobody edits it, and nobody forgets it."""
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == env_example()


@pytest.mark.parametrize("setting", TABLE, ids=lambda s: s.name)
def test_every_setting_is_on_the_page_and_in_the_example(setting):
    """With its name as a heading, and with a line of its own."""
    assert f"### {setting.name}\n" in settings_page()
    assert any(
        line.lstrip("# ").startswith((f"{setting.name}=", f"{setting.name}_FILE="))
        for line in env_example().splitlines()
    )
    assert setting.section in SECTIONS
    assert setting.default is not None or setting.unset


@pytest.mark.parametrize("setting", TABLE, ids=lambda s: s.name)
def test_every_default_is_accepted(setting):
    """A default goes the way of every value."""
    if setting.default is not None:
        setting.kind.parse(setting.default)


def test_the_example_loads_as_it_stands(tmp_path):
    """A copy of it is fit for production, and holds no secret."""
    (tmp_path / ".env").write_text(env_example(), encoding="utf-8")
    settings = load(tmp_path, {})
    assert (settings.env, settings.log_format, settings.warnings) == ("production", "json", ())
    assert list(settings.secrets()) == []


def test_the_pages_toml_loads_as_it_stands(tmp_path):
    """What the page shows of prefiq.toml is right."""
    page = settings_page()
    (tmp_path / "prefiq.toml").write_text(page.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    settings = load(tmp_path, {})
    assert [app.name for app in settings.apps] == ["projects", "invoice", "crm"]
    assert settings.issuers[0].name == "acme"


def test_every_setting_has_a_place_in_settings():
    """Its lower-case name is a field, or it is part of a database, the keys or the colours."""
    fields = {f.name for f in dataclasses.fields(Settings)}
    elsewhere = {"NO_COLOR", "JWT_SECRET_KEY", "JWT_SECRET_KEY_PREVIOUS", "JWT_ISSUERS"}
    for setting in TABLE:
        if not setting.name.startswith("DB_") and setting.name not in elsewhere:
            assert setting.name.lower() in fields
