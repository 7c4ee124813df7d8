"""Rule ``index_fields``: indexes, order and label name declared fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_spec import SORTABLE, FieldSpec, ModelSpec
from prefiq.lowcode.verifiers.context import Context
from prefiq.nearest import nearest

# MariaDB keeps 3072 bytes of a key, 4 for each character; the tenant in front takes its part.
LONGEST = 2800


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Names in options that no field has."""
    del context
    known = {field.name: field for field in spec.fields}
    for index in spec.indexes:
        for name in index.fields:
            field = known.get(name)
            if field is None:
                yield Violation(
                    "index_fields",
                    spec.qualified,
                    index.name,
                    f"there is no field {name}",
                    _nearest(name, known),
                )
            elif field.kind not in SORTABLE:
                yield Violation(
                    "index_fields",
                    spec.qualified,
                    index.name,
                    f"{name} cannot be indexed",
                    "index another field",
                )
        size = sum(_bytes(known[name]) for name in index.fields if name in known)
        if size > LONGEST:
            yield Violation(
                "index_fields",
                spec.qualified,
                index.name,
                f"its key has up to {size} bytes, more than {LONGEST}",
                "lower max_length, or index fewer fields",
            )
        if len(set(index.fields)) != len(index.fields) or not index.fields:
            yield Violation(
                "index_fields",
                spec.qualified,
                index.name,
                "it names a field twice, or none",
                "name each once",
            )
    names = [index.name for index in spec.indexes]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Violation("index_fields", spec.qualified, name, "it is indexed twice", "declare it once")
    for entry in spec.order_by:
        field = known.get(entry.removeprefix("-"))
        if entry.removeprefix("-") != "id" and (field is None or field.kind not in SORTABLE):
            yield Violation(
                "index_fields",
                spec.qualified,
                "",
                f"order_by names {entry}, which cannot be sorted",
                _nearest(entry, known),
            )
    if spec.label_field and spec.label_field not in known:
        yield Violation(
            "index_fields",
            spec.qualified,
            "",
            f"label names {spec.label_field}",
            _nearest(spec.label_field, known),
        )


def _bytes(field: FieldSpec) -> int:
    return 4 * (field.max_length or 0) if field.kind == "str" else 16


def _nearest(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    return f"did you mean {near}?" if near else "name a declared field"
