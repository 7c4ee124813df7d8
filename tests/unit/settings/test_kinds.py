"""Each kind takes what it says and refuses the rest with a reason."""

from __future__ import annotations

import pytest

from prefiq.settings import kinds


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.words("text", "json"), "JSON", "json"),
        (kinds.words("INFO", "DEBUG", upper=True), "info", "INFO"),
        (kinds.words("sync", "async"), "ASYNC", "async"),
        (kinds.boolean(), "True", True),
        (kinds.boolean(), "on", True),
        (kinds.boolean(), "0", False),
        (kinds.boolean(), "no", False),
        (kinds.integer(1, 65535), "65535", 65535),
        (kinds.integer(1, 65535), "0080", 80),
        (kinds.seconds(0, 300), "0.25", 0.25),
        (kinds.seconds(0, 300), "300", 300.0),
        (kinds.size(1, 1024**3), "1MiB", 1024**2),
        (kinds.size(1, 1024**3), "512 kib", 512 * 1024),
        (kinds.size(1, 1024**3), "2MB", 2_000_000),
        (kinds.size(1, 1024**3), "77", 77),
        (kinds.names(""), "a, b:C ,d", ("a", "b:C", "d")),
        (kinds.networks(), "10.0.0.5, FD00::/8,unix", ("10.0.0.5/32", "fd00::/8", "unix")),
        (kinds.host(), "db.internal", "db.internal"),
        (kinds.host(), "[::1]", "[::1]"),
        (kinds.host(), "/var/run/postgresql", "/var/run/postgresql"),
        (kinds.pattern("[a-z]+", ""), "acme", "acme"),
        (kinds.text(""), "Zürich büro", "Zürich büro"),
    ],
)
def test_what_is_accepted(kind, text, value):
    """A right text becomes its value."""
    parsed = kind.parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (kinds.words("text", "json"), "xml", "not one of"),
        (kinds.boolean(), "maybe", "neither true nor false"),
        (kinds.boolean(), "2", "neither true nor false"),
        (kinds.integer(1, 65535), "abc", "not a whole number"),
        (kinds.integer(1, 65535), "1_000", "not a whole number"),
        (kinds.integer(1, 65535), "\uff11", "not a whole number"),
        (kinds.integer(1, 65535), "-1", "not a whole number"),
        (kinds.integer(1, 65535), "9" * 5000, "not a whole number"),
        (kinds.integer(1, 65535), "0", "too small"),
        (kinds.integer(1, 65535), "65536", "too large"),
        (kinds.integer(1, 65535), "tcp://10.0.0.1:5432", "Kubernetes"),
        (kinds.seconds(0.1, 300), "nan", "not a number of seconds"),
        (kinds.seconds(0.1, 300), "inf", "not a number of seconds"),
        (kinds.seconds(0.1, 300), "1e3", "not a number of seconds"),
        (kinds.seconds(0.1, 300), "0", "too small"),
        (kinds.seconds(0.1, 300), "301", "too large"),
        (kinds.size(1024, 2048), "10", "too small"),
        (kinds.size(1024, 2048), "1 TiB", "not a number of bytes"),
        (kinds.size(1024, 2048), "1KI", "not a number of bytes"),
        (kinds.names(""), "a,,b", "empty name"),
        (kinds.names(""), "a,", "empty name"),
        (kinds.networks(), "10.0.0.1/8", "no address"),
        (kinds.networks(), "proxy.example", "no address"),
        (kinds.networks(), "*", "no address"),
        (kinds.host(), "postgres://u:p@h/db", "URL"),
        (kinds.host(), "user@host", "URL"),
        (kinds.host(), "a b", "no host name"),
        (kinds.pattern("[a-z]+", ""), "ACME", "not allowed"),
        (kinds.text(""), "a\x1b[31m", "control character"),
        (kinds.key(32), "x" * 31, "shorter than 32 bytes"),
        (kinds.key(32), "-----BEGIN PUBLIC KEY-----" + "x" * 40, "PEM"),
    ],
)
def test_what_is_refused(kind, text, reason):
    """A wrong text is refused in words that do not hold it."""
    with pytest.raises(ValueError, match=reason) as caught:
        kind.parse(text)
    assert text not in str(caught.value) or len(text) < 3


def test_a_key_is_measured_in_bytes():
    """Sixteen two-byte characters are 32 bytes."""
    assert kinds.key(32).parse("é" * 16).reveal() == "é" * 16
    with pytest.raises(ValueError, match="32 bytes"):
        kinds.key(32).parse("é" * 15 + "e")
