"""Schemas are plain values with one text each."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefiq.migrations import FieldState, IndexState, ModelState, RefState, Schema
from prefiq.migrations.snapshot import from_text, to_text

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
refs = st.builds(
    RefState,
    model=names,
    table=names,
    shared=st.booleans(),
    on_delete=st.sampled_from(["restrict", "cascade", "set_null"]),
)
fields = st.builds(
    FieldState,
    name=names,
    kind=st.sampled_from(["str", "int", "enum", "decimal"]),
    nullable=st.booleans(),
    max_length=st.none() | st.integers(1, 99),
    precision=st.none() | st.integers(1, 18),
    scale=st.none() | st.integers(0, 9),
    values=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    ref=st.none() | refs,
)
indexes = st.builds(
    IndexState, name=names, fields=st.lists(names, min_size=1, max_size=3).map(tuple), unique=st.booleans()
)
models = st.builds(
    ModelState,
    module=st.just("shop"),
    name=names,
    table=names,
    fields=st.lists(fields, max_size=4, unique_by=lambda field: field.name).map(tuple),
    indexes=st.lists(indexes, max_size=2, unique_by=lambda index: index.name).map(tuple),
    shared=st.booleans(),
)
schemas = st.lists(models, max_size=2, unique_by=lambda model: model.name).map(
    lambda found: Schema(tuple(found))
)


@given(schemas)
def test_text_and_back_is_the_same(schema: Schema) -> None:
    """What is written is what is read, whatever the schema."""
    assert from_text(to_text(schema), "shop").same_as(schema)


@given(schemas, st.randoms())
def test_text_does_not_depend_on_the_order(schema: Schema, random: Any) -> None:
    """Equal tables give the same text, however they came to be."""
    mixed = []
    for model in schema:
        columns, found = list(model.fields), list(model.indexes)
        random.shuffle(columns)
        random.shuffle(found)
        mixed.append(dataclasses.replace(model, fields=tuple(columns), indexes=tuple(found)))
    random.shuffle(mixed)
    assert to_text(Schema(tuple(mixed))) == to_text(schema)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not readable"),
        ("[]", "is not readable"),
        ("{}", "is not readable"),
        ('{"format": 2, "models": {}}', "is of another version of Prefiq"),
        ('{"format": 1, "models": {"A": {}}}', "is not readable"),
        (
            '{"format": 1, "models": {"A": {"table": "a", "fields": {"x": {"sort": 1}}, "indexes": {}}}}',
            "is not readable",
        ),
    ],
)
def test_foreign_text_is_refused(text: str, problem: str) -> None:
    """Text that Prefiq did not write is a ``ValueError`` that says so, never another exception."""
    with pytest.raises(ValueError, match=f"^{problem}$"):
        from_text(text, "shop")
