"""What looks like a secret where none may stand: in ``prefiq.toml``, which is committed, and in logs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

__all__ = ["SECRET_WORDS", "is_secret_name", "looks_secret", "secret_places", "unsafe_key"]

SECRET_WORDS = (
    "pass", "passwd", "password", "passphrase", "pwd", "secret", "token", "credential", "credentials", "dsn",
    "api_key", "apikey", "access_key", "private_key", "secret_key", "signing_key", "encryption_key",
    "authorization", "cookie",
)  # fmt: skip
"""How the name of a secret ends, in snake_case."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_VALUES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|://[^/\s:@]{0,256}:[^/\s@]{1,1024}@"  # user:password@ in a URL
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\."  # a signed token
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_\w{30,}|\b[sr]k_live_\w{16,}|\bxox[abprs]-[\w-]{10,}"
)
_NAMES_OF_OTHERS = ("apps", "disable", "replace", "roles")
"""Tables whose keys are contracts and roles: ``"identity.RefreshToken"`` names no secret there."""
_SAMPLES = (
    "changeme", "change-me", "change_me", "change this", "replace", "example", "sample", "placeholder",
    "your-", "your_", "insecure", "test-only", "dummy", "secret-key", "secret_key", "secretkey",
)  # fmt: skip


def is_secret_name(name: str) -> bool:
    """Whether a key's last words name a secret: ``smtp_password`` does, ``token_lifetime`` does not."""
    snake = _CAMEL.sub("_", name).replace("-", "_").replace(" ", "_").lower()
    return any(snake == word or snake.endswith(f"_{word}") for word in SECRET_WORDS)


def looks_secret(text: str) -> bool:
    """Whether a value has the form of a key, a token, or an address with a password in it."""
    return _VALUES.search(text) is not None


def secret_places(tree: object, at: str = "") -> Iterator[str]:
    """The dotted places in a parsed ``prefiq.toml`` that seem to hold a secret."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            place = f"{at}.{key}" if at else str(key)
            named = place.partition(".")[0] not in _NAMES_OF_OTHERS
            if named and isinstance(value, str) and value and is_secret_name(str(key)):
                yield place
            else:
                yield from secret_places(value, place)
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from secret_places(value, f"{at}[{number}]")
    elif isinstance(tree, str) and looks_secret(tree):
        yield at


def unsafe_key(key: str) -> bool:
    """Whether a signing key stands in documentation, or has so few characters that it can be guessed."""
    lowered = key.lower()
    return len(set(key)) < 10 or any(sample in lowered for sample in _SAMPLES)
