"""Rule ``text_limits``: limits of text make sense, and belong to text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.pattern_cost import endless_steps
from prefiq.lowcode.values import TEXT_LIMIT
from prefiq.lowcode.verifiers.context import Context, all_fields

# Longer strings cannot be indexed with the tenant on every engine (MariaDB: 3072 bytes a key).
LONGEST = 600


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Impossible lengths, broken patterns, search in what is not text."""
    del context
    for name, field in all_fields(spec):
        textual = field.kind in {"str", "text"}
        if not textual and (
            field.min_length is not None or field.max_length is not None or field.pattern is not None
        ):
            yield Violation(
                "text_limits",
                spec.qualified,
                name,
                "length and pattern belong to text",
                "leave them out or annotate it str",
            )
        if field.kind == "str" and not 1 <= (field.max_length or 0) <= LONGEST:
            yield Violation(
                "text_limits",
                spec.qualified,
                name,
                f"max_length is not between 1 and {LONGEST}",
                "say text=True for longer text",
            )
        if textual and (field.min_length or 0) > (field.max_length or LONGEST):
            yield Violation("text_limits", spec.qualified, name, "min_length exceeds max_length", "lower it")
        if field.pattern is not None:
            try:
                re.compile(field.pattern)
            except re.error as error:
                yield Violation(
                    "text_limits", spec.qualified, name, f"the pattern is not valid: {error}", "mend it"
                )
            else:
                if endless_steps(field.pattern, field.max_length or TEXT_LIMIT):
                    yield Violation(
                        "text_limits",
                        spec.qualified,
                        name,
                        "a text that does not match the pattern can take seconds to refuse",
                        "repeat nothing that repeats itself, as (a+)+ does, or lower max_length",
                    )
        if field.search and not textual:
            yield Violation(
                "text_limits", spec.qualified, name, "only text can be searched", "leave out search=True"
            )
