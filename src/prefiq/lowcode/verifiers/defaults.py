"""Rule ``defaults``: a default is a value that the field itself would accept."""

from __future__ import annotations

import re
from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.field import MISSING
from prefiq.lowcode.model_spec import ModelSpec
from prefiq.lowcode.values import BadValue, check_for
from prefiq.lowcode.verifiers.context import Context, all_fields
from prefiq.lowcode.verifiers.decimal_size import possible


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Defaults that the field would refuse."""
    del context
    for name, field in all_fields(spec):
        factory: object = field.default_factory
        if factory is not None and not callable(factory):
            yield Violation(
                "defaults", spec.qualified, name, "default_factory is not callable", "say default="
            )
        if factory is not None and (field.default is not MISSING or field.clock_default):
            yield Violation(
                "defaults", spec.qualified, name, "it has a default and a factory of defaults", "keep one"
            )
        if field.clock_default and field.kind not in {"datetime", "date"}:
            yield Violation(
                "defaults", spec.qualified, name, "now is a date or a time", "annotate it datetime"
            )
        if field.default is MISSING or field.kind == "unknown" or (field.default is None and field.nullable):
            continue
        if field.default is None:
            yield Violation(
                "defaults",
                spec.qualified,
                name,
                "the default is None but None is not a value",
                f"annotate it {field.annotation} | None",
            )
            continue
        if field.kind == "decimal" and not possible(field.precision, field.scale):
            continue
        if field.kind == "enum" and not isinstance(field.default, field.type):
            yield Violation(
                "defaults",
                spec.qualified,
                name,
                f"the default is not a member of {field.type.__name__}",
                f"say default={field.type.__name__}.…",
            )
            continue
        try:
            check_for(field)(field.default)
        except BadValue as bad:
            yield Violation(
                "defaults", spec.qualified, name, f"the default {bad.message}", "give another default"
            )
        except (re.error, TypeError):
            continue  # a broken pattern or bound is another rule's
