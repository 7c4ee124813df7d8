"""How the text of a variable becomes a value: one ``Kind`` for each shape that settings have.

A parser raises ``ValueError`` with the problem in words; whether the value may be quoted beside it is the
kind's to say, because a host or a list may hold a password by mistake and a number rarely does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from prefiq.settings.secret import Secret

__all__ = [
    "Kind",
    "boolean",
    "host",
    "integer",
    "key",
    "names",
    "networks",
    "password",
    "pattern",
    "seconds",
    "size",
    "text",
    "words",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A shape that a variable's text may have.

    Args:
        accepted: What is right, for people: ``"a whole number from 1 to 65535"``.
        parse: The value of a text that is stripped and not empty (a secret's is untouched).
        choices: The words understood, where they are few.
        quoted: Whether a wrong value may be shown.
    """

    accepted: str
    parse: Callable[[str], T]
    choices: tuple[str, ...] = ()
    quoted: bool = True


def words(*choices: str, upper: bool = False) -> Kind[str]:
    """One of a few words; case does not matter."""

    def parse(value: str) -> str:
        word = value.upper() if upper else value.lower()
        if word not in choices:
            raise ValueError("is not one of the accepted words")
        return word

    accepted = ("one of " if len(choices) > 1 else "") + ", ".join(choices)
    return Kind(accepted, parse, choices=choices)


def boolean() -> Kind[bool]:
    """``true`` or ``false`` (also yes/no, on/off, 1/0)."""
    meaning = {"true": True, "yes": True, "on": True, "1": True}
    meaning |= {"false": False, "no": False, "off": False, "0": False}

    def parse(value: str) -> bool:
        if value.lower() not in meaning:
            raise ValueError("is neither true nor false")
        return meaning[value.lower()]

    return Kind("true or false", parse)


def integer(low: int, high: int) -> Kind[int]:
    """A whole number within bounds."""

    def parse(value: str) -> int:
        if value.startswith("tcp://"):
            raise ValueError(
                'is what Kubernetes sets for a service of this name; set "enableServiceLinks: false" in the pod'
            )
        if not re.fullmatch(r"[0-9]{1,18}", value):
            raise ValueError("is not a whole number")
        return _within(int(value), low, high)

    return Kind(f"a whole number from {low} to {high}", parse)


def seconds(low: float, high: float) -> Kind[float]:
    """A duration in seconds, with a decimal point where needed."""

    def parse(value: str) -> float:
        if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", value):
            raise ValueError("is not a number of seconds")
        return _within(float(value), low, high)

    return Kind(f"seconds, from {low:g} to {high:g}", parse)


_UNITS = {
    "": 1,
    "b": 1,
    "kib": 1024,
    "kb": 1000,
    "mib": 1024**2,
    "mb": 1000**2,
    "gib": 1024**3,
    "gb": 1000**3,
}


def size(low: int, high: int) -> Kind[int]:
    """A number of bytes, also written with a unit: ``512KiB``, ``2MiB``."""

    def parse(value: str) -> int:
        match = re.fullmatch(r"([0-9]{1,15}) ?([KkMmGg]?[Ii]?[Bb]?)", value)
        if not match or match[2].lower() not in _UNITS:
            raise ValueError("is not a number of bytes")
        return _within(int(match[1]) * _UNITS[match[2].lower()], low, high)

    return Kind(f"bytes, or a number with KiB, MiB or GiB, from {low} to {high}", parse)


N = TypeVar("N", int, float)


def _within(value: N, low: N, high: N) -> N:
    if value < low:
        raise ValueError("is too small")
    if value > high:
        raise ValueError("is too large")
    return value


def text(accepted: str) -> Kind[str]:
    """Any text without control characters, in any script."""

    def parse(value: str) -> str:
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
            # A surrogate stands for a byte that is no text in the environment's encoding.
            raise ValueError("the value holds a control character, or is not UTF-8")
        return value

    return Kind(accepted, parse, quoted=False)


def pattern(expression: str, accepted: str) -> Kind[str]:
    """A text that a regular expression describes as a whole."""

    def parse(value: str) -> str:
        if not re.fullmatch(expression, value):
            raise ValueError("has a character or a length that is not allowed")
        return value

    return Kind(accepted, parse)


def host() -> Kind[str]:
    """A host's name or address, not a URL."""

    def parse(value: str) -> str:
        if "://" in value or "@" in value:
            raise ValueError("the value is a URL, and a host alone is wanted")
        if not re.fullmatch(r"[A-Za-z0-9._:/\[\]%-]{1,255}", value):
            raise ValueError("the value is no host name, address or socket path")
        return value

    return Kind("a host name, an address, or the path of a socket", parse, quoted=False)


def names(accepted: str) -> Kind[tuple[str, ...]]:
    """Names with commas between them; spaces around a name do not count."""

    def parse(value: str) -> tuple[str, ...]:
        found = tuple(name.strip() for name in value.split(","))
        if not all(found):
            raise ValueError("has an empty name between commas")
        return found

    return Kind(accepted, parse)


def networks() -> Kind[tuple[str, ...]]:
    """Addresses and networks with commas between them; ``unix`` for who connects by a Unix socket."""

    def parse(value: str) -> tuple[str, ...]:
        import ipaddress  # two milliseconds, for a setting that few give

        found = []
        for name in (part.strip().lower() for part in value.split(",")):
            try:
                found.append(name if name == "unix" else str(ipaddress.ip_network(name)))
            except ValueError:
                raise ValueError("has a part that is no address and no network") from None
        return tuple(found)

    return Kind("addresses or networks, with commas between them: 10.0.0.5,192.168.0.0/24", parse)


def password() -> Kind[Secret]:
    """A secret that somebody else checks."""

    def parse(value: str) -> Secret:
        if any(unicodedata.category(character) == "Cs" for character in value):
            raise ValueError("the value is not UTF-8")
        return Secret(value)

    return Kind("a password", parse, quoted=False)


def key(length: int) -> Kind[Secret]:
    """A secret that signs: symmetric, with a least length in bytes."""

    def parse(value: str) -> Secret:
        if "-----BEGIN" in value:
            raise ValueError("the value is a PEM file, and a random text is wanted")
        if len(value.encode("utf-8", "surrogatepass")) < length:
            raise ValueError(f"the value is shorter than {length} bytes")
        return Secret(value)

    return Kind(f"a random text of at least {length} bytes", parse, quoted=False)
