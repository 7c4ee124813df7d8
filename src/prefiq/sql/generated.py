"""Small functions made from source text: what runs once for each row must not interpret a declaration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["make_function"]


def make_function(source: str, names: Mapping[str, Any]) -> Callable[..., Any]:
    """The one function that a source text defines.

    The text is made of our own templates and of field names, which are identifiers by a rule of the
    declarations; no value is ever part of it.

    Args:
        source: ``def made(…): …``.
        names: What it refers to.
    """
    namespace = dict(names)
    exec(compile(source, "<prefiq plan>", "exec"), namespace)  # noqa: S102
    made: Callable[..., Any] = namespace["made"]
    return made
