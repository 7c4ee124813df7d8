"""The templates, and how they are filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["render"]


def render(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template.

    Args:
        template: Path below this folder, for example ``"application/README.md.j2"``.
        values: What it may name; a name that is missing is an error, never an empty text.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("prefiq.scaffold", "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  these files are no HTML; names are checked before
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)
