"""The second net: takes secrets out of text that is about to leave the process.

The first net is that a ``Secret`` prints as stars.  This one knows the values themselves, the names that
secrets usually have (``password=…``, ``Authorization: Bearer …``), and the forms of tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from prefiq.settings.secret import Secret
from prefiq.settings.suspicious import SECRET_WORDS, is_secret_name, looks_secret

__all__ = ["Redactor"]

STARS = "***"
_SHORTEST = 6
"""Shorter values would take ordinary words out of every line."""

# Every expression begins with a literal or behind a boundary and has bounded runs: a log line may be long and
# hostile, and the time to read it must grow with its length alone.
_WORDS = "|".join(word.replace("_", "[_-]?") for word in SECRET_WORDS)
_NAMED = re.compile(
    rf"((?:(?<![A-Za-z0-9])(?i:{_WORDS})|(?<=[a-z])(?:Password|Passwd|Secret|Token|ApiKey))"
    r"[\"']?\s{0,4}[=:]\s{0,4})"
    r"(?:((?i:bearer|basic))\s+)?(\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[^\s,;&\"')\]}]+)"
)
_BEARER = re.compile(r"(?i)\b(bearer\s{1,4})[\w.~+/=-]{8,}")
_TOKEN = re.compile(r"(?<![\w-])eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?")
_URL = re.compile(r"(://[^/\s:@]{0,256}):[^/\s@]{1,1024}@")
_PEM = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
)


class Redactor:
    """Takes secrets out of texts and values.

    Args:
        secrets: Values that are known; those under six characters are left to the other nets.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            value = secret.reveal()
            if len(value) >= _SHORTEST:
                forms |= _forms(value)
        # The longest first, so that no rest of one stays.
        ordered = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(re.escape(form) for form in ordered)) if ordered else None

    def text(self, text: str) -> str:
        """The text with stars in the place of secrets."""
        if self._known:
            text = self._known.sub(STARS, text)
        if ":" in text or "=" in text:
            text = _NAMED.sub(_star, text)
            if "://" in text:
                text = _URL.sub(rf"\1:{STARS}@", text)
        if "eyJ" in text:
            text = _TOKEN.sub(STARS, text)
        if "earer" in text or "EARER" in text:
            text = _BEARER.sub(rf"\1{STARS}", text)
        if "-----BEGIN" in text:
            text = _PEM.sub(STARS, text)
        return text

    def value(self, value: object, name: str = "", depth: int = 4) -> Any:
        """A plain copy of a value, of what JSON can hold, without secrets.

        Args:
            value: Anything; what JSON cannot hold becomes its text.
            name: The key that it stands under.
            depth: How many levels are kept; deeper ones become text.
        """
        if value is None or isinstance(value, bool):
            return value
        if name and is_secret_name(name):
            return STARS
        if isinstance(value, int) and abs(value) < 2**63:
            return value
        if isinstance(value, float) and value - value == 0:  # finite: NaN is no JSON
            return value
        if depth and isinstance(value, Mapping):
            return {self.text(str(k)): self.value(v, str(k), depth - 1) for k, v in value.items()}
        if depth and isinstance(value, list | tuple | set | frozenset):
            return [self.value(item, name, depth - 1) for item in value]
        text = self.text(str(value))
        return STARS if looks_secret(text) else text


def _star(match: re.Match[str]) -> str:
    quoted = match[3][0] if match[3][0] in "\"'" else ""
    scheme = f"{match[2]} " if match[2] else ""
    return f"{match[1]}{scheme}{quoted}{STARS}{quoted}"


def _forms(value: str) -> set[str]:
    """How the value looks inside other texts: JSON, ``repr``, URLs."""
    printable = value.encode("utf-8", "backslashreplace").decode()
    return {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        ascii(value)[1:-1],
        quote(printable, safe=""),
        quote(printable),
        quote_plus(printable),
    }
