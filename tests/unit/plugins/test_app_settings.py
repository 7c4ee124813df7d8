"""A module's own settings as a typed value that can be injected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

import pytest

from prefiq.container import Binder, compose
from prefiq.errors import Faults, PrefiqError
from prefiq.plugins import Host, LoadedModule, ProviderBase
from prefiq.plugins.errors import AppSettingWrong, ProviderMisdeclared


class Tone(StrEnum):
    WARM = "warm"
    COLD = "cold"


@dataclass(frozen=True)
class Limits:
    rows: int = 50


@dataclass(frozen=True)
class MailSettings:
    sender: str
    retries: int = 3
    tone: Tone = Tone.WARM
    mode: Literal["plain", "html"] = "html"
    hosts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    pause: timedelta | None = None

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise ValueError("retries cannot be negative")


class Mailer:
    def __init__(self, settings: MailSettings) -> None:
        self.settings = settings


class MailProvider(ProviderBase):
    settings = MailSettings

    def bind(self, to: Binder) -> None:
        to.app(Mailer)


def bound(table: Mapping[str, Any], provider: type[ProviderBase] = MailProvider) -> Any:
    host = Host([LoadedModule("mail", provider(), "acme-mail", "1.2")])
    return host.bindings(settings={"mail": table})


def faults(table: Mapping[str, Any], provider: type[ProviderBase] = MailProvider) -> list[PrefiqError]:
    with pytest.raises(Faults) as caught:
        bound(table, provider)
    return list(caught.value.exceptions)  # type: ignore[arg-type]


def test_settings_are_injected_by_their_class() -> None:
    """The table becomes an object of the class, with nested tables, lists and words converted."""
    container = compose(
        bound(
            {
                "sender": "a@b.c",
                "tone": "cold",
                "hosts": ["x", "y"],
                "limits": MappingProxyType({"rows": 9}),
                "pause": "PT2.5S",
            }
        )
    )
    found = container.resolve(None, Mailer).settings
    assert found == MailSettings(
        "a@b.c", tone=Tone.COLD, hosts=("x", "y"), limits=Limits(9), pause=timedelta(seconds=2.5)
    )
    entry = next(entry for entry in container.report.entries if entry.name == "mail.MailSettings")
    assert entry.source == "prefiq.toml [settings.mail]"


def test_everything_wrong_is_reported_at_once() -> None:
    """Unknown keys with the nearest name, wrong types without the value, and what lacks."""
    found = faults({"retrys": 2, "tone": "purple", "hosts": ["x", 7], "limits": {"rows": "secret"}})
    assert all(isinstance(fault, AppSettingWrong) for fault in found)
    assert {fault.key: (fault.problem, fault.fix) for fault in found} == {  # type: ignore[attr-defined]
        "retrys": ("there is no such setting", "did you mean retries?"),
        "tone": ("it is no accepted word", "write a value of the type Tone: warm, cold"),
        "hosts": ("Expected `str`, got `int` - at `$[1]`", "write a value of the type tuple[str, ...]"),
        "limits": ("Expected `int`, got `str` - at `$.rows`", "write a value of the type Limits"),
        "sender": ("it is missing and has no default", "add sender = … (str)"),
    }
    assert str(found[0]) == (
        "retrys of MailSettings cannot be read: there is no such setting "
        "(prefiq.toml [settings.mail], module mail of acme-mail 1.2) [PFQ360]\n"
        "  Try: did you mean retries?"
    )


def test_own_checks_of_the_class_are_heard() -> None:
    """What ``__post_init__`` refuses is a fault of the table, in the class's words."""
    (fault,) = faults({"sender": "a", "retries": -1})
    assert fault.what == "MailSettings cannot be read: retries cannot be negative"


@dataclass
class Loose:
    size: int = 1


@pytest.mark.parametrize(("kind", "name"), [(Loose, "Loose"), (dict, "dict"), (3, "int")])
def test_class_must_be_a_frozen_dataclass(kind: Any, name: str) -> None:
    """Settings that somebody may change are none, nor is anything that has no fields."""
    (fault,) = faults({}, type("Odd", (ProviderBase,), {"settings": kind}))
    assert isinstance(fault, ProviderMisdeclared)
    assert fault.what == f"settings of the provider of mail is {name}, not a frozen dataclass"


def test_module_without_a_table_gets_the_defaults() -> None:
    """A class whose every field has a default needs no table."""

    class Small(ProviderBase):
        settings = Limits

    assert compose(bound({}, Small)).resolve(None, Limits) == Limits()
