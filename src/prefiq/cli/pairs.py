"""Options that are given as ``OLD=NEW`` or ``FIELD=VALUE``."""

from __future__ import annotations

from collections.abc import Iterable

import click

__all__ = ["pairs_of"]


def pairs_of(option: str, given: Iterable[str], form: str) -> dict[str, str]:
    """What stands left and right of each first ``=``.

    Args:
        option: Name of the option, for the error.
        given: What was written.
        form: How it is written, with an example.
    """
    pairs = {}
    for text in given:
        left, equals, right = text.partition("=")
        if not (left and equals and right):
            raise click.UsageError(f"Invalid value for '{option}': write {form}.")
        pairs[left] = right
    return pairs
