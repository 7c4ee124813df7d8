"""Turns the texts of variables into values, and collects what is wrong with them."""

from __future__ import annotations

from typing import Any, TypeVar

from prefiq.nearest import nearest
from prefiq.settings.errors import SettingError
from prefiq.settings.sources import Given, Sources
from prefiq.settings.table import Setting

__all__ = ["Reader"]

T = TypeVar("T")


class Reader:
    """Reads settings one by one; a wrong one becomes a fault and counts as not given.

    Args:
        sources: Where texts come from.
        faults: Takes every mistake.
        origins: Takes the source of every value read, by variable.
        prefix: Stands before every name: ``"ANALYTICS_"``.
        fallback: Whether a name without the prefix is looked up next.
    """

    def __init__(
        self,
        sources: Sources,
        faults: list[SettingError],
        origins: dict[str, str],
        prefix: str = "",
        *,
        fallback: bool = False,
    ) -> None:
        self._sources = sources
        self.faults = faults
        self.origins = origins
        self._prefix = prefix
        self._fallback = fallback
        self._hidden: set[str] = set()

    def prefixed(self, prefix: str, *, fallback: bool) -> Reader:
        """A reader of the same sources for the names of another database."""
        other = Reader(self._sources, self.faults, self.origins, prefix, fallback=fallback)
        other._hidden = self._hidden
        return other

    def hide(self, text: str) -> None:
        """Never quote a value that holds this text: a secret may stand in the wrong variable."""
        if len(text) > 5:
            self._hidden.add(text)

    def read(self, setting: Setting[T]) -> T:
        """The value, or the default of a setting that has one."""
        value = self.read_optional(setting)
        if value is None:
            if setting.default is None:
                raise LookupError(f"{setting.name} has no default")
            value = setting.kind.parse(setting.default)
        return value

    def read_optional(self, setting: Setting[T]) -> T | None:
        """The value where one is given and right, else None."""
        name = self._name(setting)
        given, mine = self._find(setting)
        if given is None:
            self.origins.setdefault(name, "default" if setting.default is not None else "not set")
            return None
        self.origins[name] = given.source
        text = given.text if setting.secret else given.text.strip()
        if setting.secret:
            self.hide(text)
        try:
            return setting.kind.parse(text)
        except ValueError as problem:
            if mine:
                self.faults.append(self._fault(setting, given, text, str(problem)))
            return None

    def is_given(self, setting: Setting[Any]) -> bool:
        """Whether any source gives it."""
        return self._sources.find(self._name(setting), [], secret=setting.secret) is not None

    def refuse(
        self, setting: Setting[Any], kind: type[SettingError], problem: str, accepted: str, near: str = ""
    ) -> None:
        """Report a value that has the right shape and is refused all the same."""
        if self._fallback and not self.is_given(setting):
            return  # reported where it stands
        name = self._name(setting)
        source = self.origins.get(name, "")
        self.faults.append(
            kind(name, problem, "" if source in {"not set", "default"} else source, accepted, near)
        )

    def _name(self, setting: Setting[Any]) -> str:
        return self._prefix + setting.name

    def _find(self, setting: Setting[Any]) -> tuple[Given | None, bool]:
        found = self._sources.find(self._name(setting), self.faults, secret=setting.secret)
        if found is None and self._fallback:
            # Its mistakes are reported where it is read under its own name.
            return self._sources.find(setting.name, [], secret=setting.secret), False
        return found, True

    def _fault(self, setting: Setting[Any], given: Given, text: str, problem: str) -> SettingError:
        near = nearest(text, setting.choices, prefix=True) if setting.choices else ""
        quotable = setting.kind.quoted and not setting.secret
        if quotable and not any(hidden in text for hidden in self._hidden):
            shown = ascii(text[:40]) + ("…" if len(text) > 40 else "")
            problem = f"{shown} {problem}"
        elif quotable:
            problem = f"the value {problem}"
        return SettingError(self._name(setting), problem, given.source, setting.kind.accepted, near)
