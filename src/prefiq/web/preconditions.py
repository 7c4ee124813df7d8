"""Entity tags: made from the version, compared before anything is written or encoded."""

from __future__ import annotations

import re

__all__ = ["ANY", "etag", "if_match", "is_fresh"]

ANY: frozenset[int] = frozenset()
"""``If-Match: *``: any version of a row that exists."""

_STRONG = re.compile(rb'"([0-9]{1,18})"')


def etag(version: int) -> bytes:
    """The strong tag of a version."""
    return b'"%d"' % version


def if_match(field: bytes | None) -> frozenset[int] | None:
    """The versions that ``If-Match`` accepts.

    Args:
        field: The header field's value, or None where it is absent.

    Returns:
        None where there is no condition, ``ANY`` for ``*``.  A weak tag, or one that is not ours, matches no
        version: the set then holds -1 alone.

    Source: RFC 9110, sections 8.8.3 and 13.1.1.
    """
    if field is None:
        return None
    if field.strip() == b"*":
        return ANY
    versions = {int(match[1]) for tag in field.split(b",") if (match := _STRONG.fullmatch(tag.strip()))}
    return frozenset(versions or {-1})


def is_fresh(if_none_match: bytes, tag: bytes) -> bool:
    """Whether the caller's copy is the present one (weak comparison, so ``304``).

    Source: RFC 9110, section 13.1.2.
    """
    if if_none_match == tag:
        return True
    return any(
        candidate.strip().removeprefix(b"W/") == tag or candidate.strip() == b"*"
        for candidate in if_none_match.split(b",")
    )
