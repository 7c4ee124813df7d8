"""The gate for JSON text: what a decoder would quietly accept, and two readers would read differently."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from prefiq.web.errors import Malformed

__all__ = ["DEPTH_LIMIT", "check_text", "scan"]

DEPTH_LIMIT = 64

# Possessive, and an endless string counts as one: a second try from each quote in it would cost its square.
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NAMES = re.compile(rb'"[ \t\r\n]*:')
_BRACKETS = re.compile(rb"[\[\]{}]")
_DIGITS = re.compile(rb"[0-9]{400}")


def check_text(body: bytes, members: int) -> None:
    """Refuse duplicate members and deep nesting in a text that was decoded already.

    Every member has a colon and every level a bracket, so two counts prove most bodies sound without reading
    them again.

    Args:
        body: The text.
        members: How many different members the decoder found in all its objects.

    Raises:
        Malformed: A member stands twice, or the text nests too deep.
    """
    colons = body.count(b":")
    if colons > members:  # some stand in values, as in an instant; a name is a string right before one
        colons = len(_NAMES.findall(body))
    if colons > members or body.count(b"[") + body.count(b"{") > DEPTH_LIMIT:
        scan(body)


def scan(body: bytes) -> None:
    """Read the whole text strictly.

    Raises:
        Malformed: Not UTF-8, not JSON, a member twice, NaN, an endless number, or too deep.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8") from None
    if depth_of(body) > DEPTH_LIMIT:
        raise Malformed(f"The body nests more than {DEPTH_LIMIT} levels deep")
    if _DIGITS.search(body) and _DIGITS.search(_STRINGS.sub(b"", body)):
        raise Malformed("The body holds a number of more than 400 digits")
    try:
        json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise Malformed(f"The body is not JSON (line {error.lineno}, column {error.colno})") from None


def depth_of(body: bytes) -> int:
    """How many levels of objects and arrays are open at once, at most."""
    if body.count(b"[") + body.count(b"{") <= DEPTH_LIMIT:
        return 0
    deepest = depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("The body says a member twice")
    return members


def _constant(_: str) -> NoReturn:
    raise Malformed("NaN and Infinity are not JSON")
