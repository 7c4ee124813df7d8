"""The quick search for implementations finds what pluggy's own finds."""

from __future__ import annotations

import types

import pluggy
import pytest

from prefiq.foundation.hooks import on
from prefiq.plugins import LoadedModule, ProviderBase, hookimpl
from prefiq.plugins.hookspecs import MODEL_HOOKS, PROJECT, Hookspecs
from prefiq.plugins.manager import FunctionHook, ModelHook, PluginManager, ProviderHooks


class Base:
    @hookimpl(tryfirst=True)
    def prefiq_checks(self) -> list[str]:
        return ["inherited"]

    def helper(self) -> None: ...

    attribute = 3


class Derived(Base):
    @hookimpl(specname="prefiq_models")
    def models(self) -> list[type]:
        return []


@hookimpl
def prefiq_seeds() -> list[str]:
    return []


def plugins() -> list[object]:
    module = types.ModuleType("plugin")
    module.prefiq_seeds = prefiq_seeds  # type: ignore[attr-defined]
    module.other = len  # type: ignore[attr-defined]
    owner = LoadedModule("a", ProviderBase())
    return [Base(), Derived(), module, FunctionHook(owner, prefiq_seeds)]


@pytest.mark.parametrize("plugin", plugins(), ids=lambda plugin: type(plugin).__name__)
def test_finds_equal_those_of_pluggy(plugin: object) -> None:
    """For marked methods and functions, on instances, subclasses and modules."""
    stock, ours = pluggy.PluginManager(PROJECT), PluginManager()
    names = dir(plugin)
    found = {name: ours.parse_hookimpl_opts(plugin, name) for name in names}
    assert found == {name: stock.parse_hookimpl_opts(plugin, name) for name in names}
    assert any(found.values())


def test_provider_offers_only_what_it_overrides() -> None:
    """A provider that says nothing implements nothing, and one that says something that alone."""

    class Says(ProviderBase):
        models = (int,)

        def boot(self, app: object) -> None: ...

    manager = PluginManager()
    silent, says = ProviderHooks(LoadedModule("s", ProviderBase())), ProviderHooks(LoadedModule("t", Says()))
    manager.register(silent, "s")
    manager.register(says, "t")
    assert manager.get_hookcallers(silent) == []
    assert sorted(caller.name for caller in manager.get_hookcallers(says) or []) == [
        "prefiq_boot",
        "prefiq_models",
    ]


def test_every_model_event_has_a_hookspec() -> None:
    """Each marker of ``on`` leads to an extension point that exists."""
    specs = {name for name in dir(Hookspecs) if name.startswith("prefiq_")}
    assert set(MODEL_HOOKS) < specs

    class Close:
        name, owner = "close", int

    owner = LoadedModule("a", ProviderBase())
    reached = set()
    for event in (
        "before_create",
        "after_create",
        "before_update",
        "after_update",
        "before_delete",
        "after_delete",
        "around_create",
        "around_update",
        "around_delete",
    ):
        mark = getattr(on, event)(int)(lambda entity: None).__prefiq_hooks__[0]
        reached.add(ModelHook(owner, "a.f", print, mark, "").hook)
    for moment in ("before", "after", "around"):
        mark = getattr(on, moment)(Close)(lambda entity: None).__prefiq_hooks__[0]
        reached.add(ModelHook(owner, "a.f", print, mark, "").hook)
    assert reached == set(MODEL_HOOKS)


def test_every_hookspec_says_when_it_is_called() -> None:
    """The one file of extension points documents each."""
    for name in dir(Hookspecs):
        if name.startswith("prefiq_"):
            assert getattr(Hookspecs, name).__doc__
