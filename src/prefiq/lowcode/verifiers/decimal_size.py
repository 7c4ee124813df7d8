"""Rule ``decimal_size``: a decimal says how many digits it has."""

from __future__ import annotations

from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.verifiers.context import Context, all_fields

# A scaled integer of 64 bits holds 18 digits: how SQLite keeps decimals exact and in order.
MOST_DIGITS = 18


def possible(precision: int | None, scale: int | None) -> bool:
    """Whether there are decimals of this size."""
    return (
        precision is not None
        and scale is not None
        and 0 <= scale <= precision <= MOST_DIGITS
        and precision != 0
    )


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Decimals without digits, or with impossible ones."""
    del context
    for name, field in all_fields(spec):
        if field.kind == "decimal":
            precision, scale = field.precision, field.scale
            if precision is None or scale is None:
                yield Violation(
                    "decimal_size",
                    spec.qualified,
                    name,
                    "a Decimal needs its number of digits",
                    "annotate it Annotated[Decimal, field(precision=12, scale=2)]"
                    if "(" in name
                    else "say precision=12, scale=2",
                )
            elif not possible(precision, scale):
                yield Violation(
                    "decimal_size",
                    spec.qualified,
                    name,
                    f"precision {precision} with scale {scale} is not possible",
                    f"0 ≤ scale ≤ precision ≤ {MOST_DIGITS}",
                )
        elif field.precision is not None or field.scale is not None:
            yield Violation(
                "decimal_size",
                spec.qualified,
                name,
                "precision and scale belong to a Decimal",
                "annotate it Decimal",
            )
