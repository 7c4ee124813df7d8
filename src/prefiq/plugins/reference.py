"""What is written from the extension points: the reference page ``docs/reference/hooks.md``."""

from __future__ import annotations

import inspect
from typing import Any

from prefiq.foundation.hooks import on
from prefiq.plugins.hookspecs import MODEL_HOOKS, Hookspecs

__all__ = ["hooks_page"]

_INTRODUCTION = """\
# Hooks

<!-- Written by `prefiq.plugins.reference` from the extension points; change it there. -->

A module takes part in the application at these points; [hooks, policies and events](../how-to/hooks-policy-events.md) shows them in use.

## Extension points of a module

A provider implements them by the attribute or method in the second column.
A function marked `@hookimpl` (`from prefiq.plugins import hookimpl`) implements one too, when the provider lists it in `hooks`.
A function whose name is not an extension point is a fault at boot.

| extension point | in a provider | called |
| --- | --- | --- |
"""

_MODELS = """\

## Hooks on a model

A function marked with one of these and listed in a provider's `hooks` runs for that model, and for every model that derives from it.
Its first parameter is the entity.
One marked `around_…` is a generator function that yields once, for everything that happens in between.
Hooks on updates may take `before`, the entity as it was; hooks on actions may take `arguments`, what the action was given.
Every other parameter is resolved in the scope by its annotation.
`place="first"` or `place="last"` moves one out of module order.
`disable` in `prefiq.toml` switches one off by its name, `<module>.<function>`.

| mark | pluggy's name for it | called |
| --- | --- | --- |
"""

_ROUTED = """\

At boot the hooks become one tuple for each model and event, so that a hook costs the same however many modules there are.
For that reason `@hookimpl` under one of pluggy's names is refused: it would reach every model.
"""


def hooks_page() -> str:
    """The page ``docs/reference/hooks.md``."""
    points = [name for name in _public(Hookspecs) if name not in MODEL_HOOKS]
    rows = [f"| `{name}` | `{_attribute(name)}` | {_says(Hookspecs, name)} |\n" for name in points]
    marks = [
        f"| `@on.{m}({_argument(m)})` | `{_spec(m)}` | {_says(Hookspecs, _spec(m))} |\n" for m in _public(on)
    ]
    return _INTRODUCTION + "".join(rows) + _MODELS + "".join(marks) + _ROUTED


def _public(cls: type) -> list[str]:
    return [name for name, value in vars(cls).items() if not name.startswith("_") and _function(value)]


def _function(value: Any) -> bool:
    return inspect.isfunction(value) or isinstance(value, staticmethod)


def _attribute(name: str) -> str:
    from prefiq.plugins.provider_base import ProviderBase

    attribute = name.removeprefix("prefiq_")
    found = inspect.getattr_static(ProviderBase, attribute)
    return f"{attribute}(…)" if inspect.isfunction(found) else attribute


def _argument(name: str) -> str:
    return "Project.close" if name in {"before", "after", "around"} else "Project"


def _spec(mark: str) -> str:
    return f"prefiq_{mark}_action" if mark in {"before", "after", "around"} else f"prefiq_{mark}"


def _says(cls: type, name: str) -> str:
    return " ".join((inspect.getdoc(getattr(cls, name)) or "").replace("``", "`").split())
