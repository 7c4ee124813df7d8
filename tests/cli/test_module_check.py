"""``prefiq module check``: a module compared with a release of it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

PROJECT = """
[project]
name = "acme-shop"
version = "{version}"
dependencies = ["prefiq>=0.1", "prefiq-masters>=0.1"]

[project.entry-points."prefiq.apps"]
shop = "acme_shop.provider:ShopProvider"
"""
ITEM = """
from uuid import UUID
from prefiq import Entity, field, ref
from prefiq_masters.models import Unit


class Item(Entity):
    name: str = field(max_length=40)
    unit_id: UUID | None = ref(Unit, default=None)
"""
PROVIDER = """
from prefiq import ProviderBase
from acme_shop.item import Item


class ShopProvider(ProviderBase):
    models = (Item,)
"""


class Checkout:
    """A module's checkout that a test edits and releases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = folder / "src" / "acme_shop"
        self.package.mkdir(parents=True)
        (self.package / "__init__.py").write_text("")
        (self.package / "provider.py").write_text(PROVIDER)
        self.item(ITEM)
        self.version("1.0.0")

    def item(self, text: str) -> None:
        (self.package / "item.py").write_text(text)

    def version(self, version: str) -> None:
        (self.folder / "pyproject.toml").write_text(PROJECT.format(version=version))
        self.number = version

    def release(self) -> str:
        """A wheel of what it is now, as a build backend writes it, as far as it is read."""
        wheel = self.folder / f"acme_shop-{self.number}-py3-none-any.whl"
        info = f"acme_shop-{self.number}.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            for file in sorted(self.package.glob("*.py")):
                archive.writestr(f"acme_shop/{file.name}", file.read_text())
            archive.writestr(
                f"{info}/METADATA",
                f"Metadata-Version: 2.1\nName: acme-shop\nVersion: {self.number}\n"
                "Requires-Dist: prefiq-masters>=0.1\n",
            )
            archive.writestr(
                f"{info}/WHEEL",
                "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            archive.writestr(f"{info}/RECORD", "")
            archive.writestr(
                f"{info}/entry_points.txt", "[prefiq.apps]\nshop = acme_shop.provider:ShopProvider\n"
            )
        return str(wheel)


@pytest.fixture
def shop_checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "shop")


@pytest.mark.slow
def test_the_part_that_must_rise(run, shop_checkout: Checkout) -> None:
    """Nothing, something added, something narrowed; exit code 5 while the version says less."""
    wheel = shop_checkout.release()
    check = ("module", "check", str(shop_checkout.folder), "--against", wheel)
    same = run(*check)
    assert same.exit_code == 0, same.output
    assert same.stdout.startswith("Nothing that others build upon has changed\n")

    shop_checkout.item(ITEM + '    note: str = field(max_length=9, default="")\n')
    added = run(*check, "--json")
    assert added.exit_code == 5
    assert json.loads(added.stdout)["part"] == "minor"
    assert json.loads(added.stdout)["needed"] == "1.1.0"
    assert [(one["kind"], one["name"]) for one in json.loads(added.stdout)["changes"]] == [
        ("fields", "shop.Item.note")
    ]
    shop_checkout.version("1.1.0")
    assert run(*check).exit_code == 0

    shop_checkout.item(ITEM.replace("40", "20"))
    narrowed = run(*check)
    assert narrowed.exit_code == 5
    assert "max_length 40 → 20" in narrowed.stdout
    assert "acme-shop 1.0.0 → 1.1.0: major, at least 2.0.0\n" in narrowed.stdout
    assert "The version 1.1.0 of acme-shop is too low for what changed (major)" in narrowed.stderr


@pytest.mark.slow
def test_two_wheels_and_a_module_that_is_installed_too(run, shop_checkout: Checkout, tmp_path: Path) -> None:
    """Neither is taken for the other, nor for the copy that is installed here."""
    old = shop_checkout.release()
    shop_checkout.item(ITEM.replace("40", "80"))
    shop_checkout.version("1.0.1")
    new = shop_checkout.release()
    wider = run("module", "check", new, "--against", old)
    assert wider.exit_code == 5
    assert "max_length 40 → 80" in wider.stdout
    back = run("module", "check", old, "--against", new)
    assert back.exit_code == 5
    assert "max_length 80 → 40" in back.stdout


def test_what_cannot_be_looked_at(run, shop_checkout: Checkout, tmp_path: Path) -> None:
    """No module, no wheel, a module that cannot be composed, a version that nobody released."""
    wheel = shop_checkout.release()
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = run("module", "check", str(empty), "--against", wheel)
    assert nothing.exit_code == 3
    assert "pyproject.toml there declares no name, version and prefiq.apps" in nothing.stderr
    broken = tmp_path / "broken.whl"
    broken.write_text("no wheel")
    assert (
        "it is no wheel" in run("module", "check", str(shop_checkout.folder), "--against", str(broken)).stderr
    )
    bare = tmp_path / "bare.whl"
    with zipfile.ZipFile(bare, "w") as archive:
        archive.writestr("x-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: x\nVersion: 1\n")
    assert "it offers no app" in run("module", "check", str(bare), "--against", wheel).stderr
    shop_checkout.item("raise ValueError('secret')")
    failed = run("module", "check", str(shop_checkout.folder), "--against", wheel)
    assert failed.exit_code == 3
    assert "The app shop failed in import: ValueError" in failed.stderr
    assert "secret" not in failed.stderr


def test_a_release_that_pip_does_not_find(
    run, shop_checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked of wherever pip looks; here that is an empty folder."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    result = run("module", "check", str(shop_checkout.folder), "--against", "0.9.0")
    assert result.exit_code == 1
    assert "pip finds no wheel of acme-shop==0.9.0" in result.stderr


@pytest.mark.slow
def test_a_release_that_pip_finds(run, shop_checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its version."""
    wheel = Path(shop_checkout.release())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    result = run("module", "check", str(shop_checkout.folder), "--against", "1.0.0")
    assert result.exit_code == 0, result.output
