"""What a request is answered with, and the header fields that every answer carries."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["DOCUMENT", "JSON", "PROBLEM", "Answer", "Headers", "no_content"]

Headers: TypeAlias = list[tuple[bytes, bytes]]
Answer: TypeAlias = tuple[int, Headers, bytes]
"""Status, header fields (without ``content-length``, which the endpoint adds) and body."""

SAFE: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
PRIVATE: Headers = [
    *SAFE,
    # A JSON answer that a browser is made to open as a page can neither load nor be framed by anything.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Authorization, Prefiq-Tenant"),
]

JSON: Headers = [(b"content-type", b"application/json"), *PRIVATE]
PROBLEM: Headers = [(b"content-type", b"application/problem+json"), *PRIVATE]
DOCUMENT: Headers = [*SAFE, (b"cache-control", b"no-cache")]
"""For what is the same for every caller: the OpenAPI document, the reference page, its style."""


def no_content(headers: Headers | None = None) -> Answer:
    """204, with further header fields."""
    return 204, [*PRIVATE, *(headers or ())], b""
