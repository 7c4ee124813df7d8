"""The plugin manager and the small objects that are registered in it."""

# ruff: noqa: D102  what the methods of ProviderHooks are for stands in hookspecs

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, cast

import pluggy

from prefiq.contracts import Scope
from prefiq.foundation.hooks import CompiledHook, HookMark
from prefiq.plugins.hookspecs import PROJECT, Hookspecs
from prefiq.plugins.provider_base import ProviderBase

if TYPE_CHECKING:
    from prefiq.plugins.discovery import LoadedModule

__all__ = ["FunctionHook", "ModelHook", "PluginManager", "ProviderHooks"]

OPTIONS: Mapping[str, Any] = {
    "wrapper": False,
    "hookwrapper": False,
    "optionalhook": False,
    "tryfirst": False,
    "trylast": False,
    "specname": None,
}


class PluginManager(pluggy.PluginManager):
    """pluggy's manager with every extension point of Prefiq, and a quick way to find implementations.

    pluggy 1.7 inspects every attribute of what is registered, which took most of the time of a large boot.
    """

    def __init__(self) -> None:
        super().__init__(PROJECT)
        self.add_hookspecs(Hookspecs)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """The options of one implementation, or None; same finds as pluggy's own for marked functions."""
        if name.startswith("_"):
            return None
        if isinstance(plugin, ProviderHooks | ModelHook):
            return dict(plugin.options) if name in plugin.offers else None
        held = getattr(plugin, "__dict__", {}).get(name)
        found = held if held is not None else getattr(type(plugin), name, None)
        options = getattr(found, PROJECT + "_impl", None)
        return cast("Any", options if isinstance(options, dict) else None)


class ProviderHooks:
    """What a provider implements by its methods and attributes.

    Args:
        module: The module.
        provider: Its provider.
    """

    __slots__ = ("module", "offers", "provider")
    options = OPTIONS

    def __init__(self, module: LoadedModule) -> None:
        self.module = module
        self.provider = provider = module.provider
        kind = type(provider)
        offers = {
            f"prefiq_{name}"
            for name in ("bind", "boot", "routes", "commands", "checks")
            if getattr(kind, name) is not getattr(ProviderBase, name)
        }
        offers |= {f"prefiq_{name}" for name in ("models", "extensions", "seeds") if getattr(provider, name)}
        self.offers = frozenset(offers)

    def prefiq_bind(self, to: Any) -> Any:
        return cast("Any", self.provider).bind(to)  # a coroutine, where it was written so

    def prefiq_models(self) -> Any:
        return self.provider.models

    def prefiq_extensions(self) -> Any:
        return self.provider.extensions

    def prefiq_seeds(self) -> Any:
        return self.provider.seeds

    def prefiq_boot(self, app: Any) -> Any:
        return cast("Any", self.provider).boot(app)

    def prefiq_routes(self) -> Any:
        return self.provider.routes()

    def prefiq_commands(self) -> Any:
        return self.provider.commands()

    def prefiq_checks(self) -> Any:
        return self.provider.checks()


class FunctionHook:
    """A function marked by ``hookimpl``.

    Args:
        module: Its module.
        function: The function; its name is the hook's unless its mark says otherwise.
    """

    def __init__(self, module: LoadedModule, function: Callable[..., Any]) -> None:
        self.module = module
        setattr(self, function.__name__, function)


class ModelHook:
    """A function marked by ``on``, for one of its marks.

    Args:
        module: Its module.
        name: ``<module>.<function>``.
        function: The function.
        mark: What it is called for.
        source: ``file:line`` of the function.
    """

    __slots__ = ("compiled", "function", "mark", "module", "name", "offers", "options", "source")

    def __init__(
        self, module: LoadedModule, name: str, function: Callable[..., Any], mark: HookMark, source: str
    ) -> None:
        self.module = module
        self.name = name
        self.function = function
        self.mark = mark
        self.source = source
        self.compiled: CompiledHook | None = None
        shape = "act" if mark.action else "change" if mark.event.endswith("_update") else "write"
        self.offers = frozenset({f"{shape}_around" if mark.wraps else shape})
        self.options = {
            **OPTIONS,
            "wrapper": mark.wraps,
            "tryfirst": mark.place == "first",
            "trylast": mark.place == "last",
            "specname": self.hook,
        }

    @property
    def hook(self) -> str:
        """Name of the extension point."""
        moment = self.mark.event.partition("_")[0]
        return f"prefiq_{moment}_action" if self.mark.action else f"prefiq_{self.mark.event}"

    def write(self, entity: Any, scope: Scope) -> None:
        """Called when pluggy's own call is used, which broadcasts."""
        self._run(scope, entity)

    def change(self, entity: Any, before: Any, scope: Scope) -> None:
        """Likewise, for an update."""
        self._run(scope, entity, before)

    def act(self, entity: Any, action: str, arguments: Mapping[str, Any], scope: Scope) -> None:
        """Likewise, for an action."""
        if action == self.mark.action:
            self._run(scope, entity, None, arguments)

    def write_around(self, entity: Any, scope: Scope) -> Generator[None, Any, Any]:
        """Likewise, for a wrapper."""
        return (yield from self._wrap(scope, entity))

    def change_around(self, entity: Any, before: Any, scope: Scope) -> Generator[None, Any, Any]:
        """Likewise, for a wrapper of an update."""
        return (yield from self._wrap(scope, entity, before))

    def act_around(
        self, entity: Any, action: str, arguments: Mapping[str, Any], scope: Scope
    ) -> Generator[None, Any, Any]:
        """Likewise, for a wrapper of an action."""
        if action != self.mark.action:
            return (yield)
        return (yield from self._wrap(scope, entity, None, arguments))

    def _wrap(self, scope: Scope, entity: Any, *more: Any) -> Generator[None, Any, Any]:
        if self.compiled is None or not isinstance(entity, self.mark.model):
            return (yield)
        before, arguments = (*more, None, None)[:2]
        outcome: Any = self.compiled.call(scope, entity, before, arguments)
        yield from outcome
        return []

    def _run(self, scope: Scope, entity: Any, *more: Any) -> None:
        if self.compiled is None:
            raise RuntimeError(f"the hook {self.name} is called before boot")
        if isinstance(entity, self.mark.model):
            self.compiled(scope, entity, *more)
