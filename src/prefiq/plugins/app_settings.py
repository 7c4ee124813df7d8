"""A module's own settings: ``[settings.<app>]`` of ``prefiq.toml`` as a frozen dataclass that can be injected."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, get_type_hints

import msgspec

from prefiq.container import Binder, Binding
from prefiq.errors import PrefiqError
from prefiq.nearest import nearest
from prefiq.plugins.discovery import LoadedModule, is_settings
from prefiq.plugins.errors import AppSettingWrong, ProviderMisdeclared

__all__ = ["settings_binding"]

WANTED = "a frozen dataclass"


def settings_binding(
    module: LoadedModule, table: Mapping[str, Any], faults: list[PrefiqError]
) -> tuple[Binding, ...]:
    """The binding of a module's settings under their class; none where the module asks for none.

    Args:
        module: Its provider's ``settings`` is the class.
        table: The module's table of ``prefiq.toml``.
        faults: Receives everything that is wrong with the table, or that the class is none to be filled.
    """
    kind: Any = module.provider.settings
    if kind is None:
        return ()
    if not is_settings(kind):  # a built-in module was not looked at before
        found = kind.__name__ if isinstance(kind, type) else type(kind).__name__
        faults.append(ProviderMisdeclared(module.name, module.package, "settings", WANTED, found))
        return ()
    wrong: list[PrefiqError] = []
    read = _read(module, kind, table, wrong)
    if wrong:
        faults.extend(wrong)
        return ()
    to = Binder(module.name)
    to.value(kind, read)
    (binding,) = to.seal()
    return (dataclasses.replace(binding, source=f"prefiq.toml [settings.{module.name}]"),)


def _read(module: LoadedModule, kind: type, table: Mapping[str, Any], faults: list[PrefiqError]) -> Any:
    def fault(key: str, problem: str, advice: str) -> None:
        faults.append(AppSettingWrong(module.name, module.package, key, kind.__qualname__, problem, advice))

    try:
        hints = get_type_hints(kind)
    except Exception as error:  # noqa: BLE001  an annotation may be any expression
        fault("", f"its annotations cannot be read: {error}", "import the types outside TYPE_CHECKING")
        return None
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    values: dict[str, Any] = {}
    for key in table:
        if key not in fields:
            near = nearest(key, fields)
            known = ", ".join(fields) or "none"
            fault(key, "there is no such setting", f"did you mean {near}?" if near else f"known: {known}")
    for name, field in fields.items():
        if name in table:
            try:
                values[name] = msgspec.convert(table[name], hints[name])
            except msgspec.ValidationError as error:
                # It speaks of types and places; of values only where a word is none of several.
                problem = re.sub(r"^Invalid enum value .*?(?= - at |$)", "it is no accepted word", str(error))
                fault(name, problem, f"write a value of the type {_written(hints[name])}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            fault(name, "it is missing and has no default", f"add {name} = … ({_written(hints[name])})")
    if faults:
        return None
    try:
        return kind(**values)
    except (ValueError, TypeError) as error:  # the class's own checks, in its own words
        fault("", str(error), "correct the table")
        return None


def _written(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f"{annotation.__name__}: " + ", ".join(str(member.value) for member in annotation)
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
