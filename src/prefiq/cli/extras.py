"""Packages of extras that a command needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefiq.cli.errors import MissingExtra

__all__ = ["needs_extra"]


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Around imports: a package that is missing becomes advice on the extra that brings it.

    Args:
        extra: The extra of ``prefiq``.

    Raises:
        MissingExtra: A package that is not Prefiq's own is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in {"", "prefiq"}:
            raise
        raise MissingExtra(package, extra) from error
