"""Models that go through anything at random: the migrated tables are those of a new database, on every engine."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import servers
from tests.unit.migrations.kit import Workshop, model

from prefiq.lowcode import ModelMeta, field, ref, uuid7
from prefiq.migrations import schema_of
from prefiq.migrations.tables import tables_of

KINDS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "str": (str, {"max_length": 20}, "text"),
    "text": (str, {"text": True}, "long"),
    "int": (int, {}, 5),
    "bool": (bool, {}, True),
    "decimal": (Decimal, {"precision": 10, "scale": 2}, Decimal("1.25")),
    "float": (float, {}, 0.5),
    "date": (date, {}, date(2026, 1, 1)),
    "datetime": (datetime, {}, datetime(2026, 1, 1, tzinfo=UTC)),
    "uuid": (UUID, {}, UUID(int=9)),
    "json": (dict[str, Any], {}, {"a": [1]}),
}
"""Annotation, options and a value of each kind."""


@dataclasses.dataclass
class Wish:
    """A field as a person might change it."""

    kind: str
    nullable: bool = False
    indexed: bool = False
    long: bool = False

    @property
    def declared(self) -> tuple[Any, Any]:
        annotation, options, value = KINDS[self.kind]
        options = dict(options)
        if self.long and self.kind == "str":
            options["max_length"] = 40
        if self.long and self.kind == "decimal":
            options |= {"precision": 13, "scale": 4}
        if self.indexed and self.kind not in {"text", "json"}:
            options["index"] = True
        default = {"default_factory": lambda: value} if isinstance(value, dict) else {"default": value}
        return (annotation | None if self.nullable else annotation), field(**options, **default)


class Story:
    """Models that change at random, step by step."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.models: dict[str, dict[str, Wish]] = {"Alpha": {"one": Wish("str")}}
        self.soft: set[str] = set()
        self.references: set[str] = set()
        self.renames: dict[str, str] = {}
        self.numbers = itertools.count()

    def change(self) -> None:
        self.renames = {}
        for _ in range(self.draw(st.integers(1, 3))):
            getattr(self, self.draw(st.sampled_from(
                ["add", "drop", "rename", "alter", "soften", "refer", "add_model", "drop_model", "rename_model"]
            )))()  # fmt: skip

    def pick(self) -> str:
        return self.draw(st.sampled_from(sorted(self.models)))

    def wish(self) -> Wish:
        return Wish(self.draw(st.sampled_from(sorted(KINDS))), *(self.draw(st.booleans()) for _ in range(3)))

    def add(self) -> None:
        self.models[self.pick()][f"field_{next(self.numbers)}"] = self.wish()

    def drop(self) -> None:
        fields = self.models[self.pick()]
        if len(fields) > 1:
            fields.pop(self.draw(st.sampled_from(sorted(fields))))

    def rename(self) -> None:
        name = self.pick()
        fields = self.models[name]
        old, new = self.draw(st.sampled_from(sorted(fields))), f"field_{next(self.numbers)}"
        fields[new] = fields.pop(old)
        self.renames[f"{name}.{old}"] = new

    def alter(self) -> None:
        fields = self.models[self.pick()]
        name = self.draw(st.sampled_from(sorted(fields)))
        fields[name] = dataclasses.replace(
            fields[name], **{self.draw(st.sampled_from(["nullable", "indexed"])): self.draw(st.booleans())}
        )
        if self.draw(st.booleans()):
            fields[name].long = True

    def soften(self) -> None:
        self.soft ^= {self.pick()}

    def refer(self) -> None:
        self.references ^= {self.pick()}

    def add_model(self) -> None:
        self.models[f"Model{next(self.numbers)}"] = {"start": self.wish()}

    def drop_model(self) -> None:
        if len(self.models) > 1:
            name = self.pick()
            del self.models[name]
            self.soft.discard(name)
            self.references.discard(name)

    def rename_model(self) -> None:
        old, new = self.pick(), f"Model{next(self.numbers)}"
        self.models[new] = self.models.pop(old)
        for names in (self.soft, self.references):
            if old in names:
                names.remove(old)
                names.add(new)
        self.renames[old] = new

    def declare(self) -> list[type]:
        first = min(self.models)
        return [
            model(
                name,
                {key: wish.declared for key, wish in fields.items()}
                | (
                    {"friend_id": (UUID | None, ref(f"shop.{first}", default=None))}
                    if name in self.references
                    else {}
                ),
                ModelMeta(soft_delete=name in self.soft),
            )
            for name, fields in self.models.items()
        ]


class Either:
    """Takes the story's word for what was renamed; a rename that was undone or dropped is none."""

    def __init__(self, story: Story) -> None:
        self.story = story

    def __call__(self, renamed: Any) -> bool:
        new = self.story.renames.get(renamed.old) if "." not in renamed.model else None
        pairs = {(old.partition(".")[2], name) for old, name in self.story.renames.items() if "." in old}
        return new == renamed.new or (renamed.old, renamed.new) in pairs


EXAMPLES = {"sqlite": 30, "postgres": 10, "mariadb": 5}


@pytest.mark.full
def test_stepwise_and_fresh_databases_are_the_same(
    engine: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the models go through, the migrated tables are those of a new database, and rows are kept."""

    @settings(
        max_examples=EXAMPLES[engine],
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(data=st.data())
    def tell(data: Any) -> None:
        root = tmp_path_factory.mktemp("story")
        sys.path.insert(0, str(root))
        try:
            with servers.database(engine, folder=root) as at:
                _tell(Workshop(root, at), data)
        finally:
            sys.path.remove(str(root))

    tell()


def _tell(workshop: Workshop, data: Any) -> None:
    story = Story(data.draw)
    counts: dict[str, int] = {}
    for _ in range(data.draw(st.integers(2, 5))):
        workshop.declare("shop", *story.declare())
        workshop.make("shop", renames=Either(story))
        workshop.migrate()
        assert workshop.drifted() == []
        assert workshop.make("shop") == []
        tables = {model.name: model.table for model in schema_of(workshop.catalog)}
        for name, table in tables.items():
            kept = counts.get(
                name, counts.get(next((o for o, n in story.renames.items() if n == name), ""), 0)
            )
            assert workshop.rows(f"SELECT count(*) FROM {table}") == [(kept,)]
        counts = {}
        with workshop.connect() as connection:
            for name, table in tables_of(schema_of(workshop.catalog)).items():
                row = {key: KINDS[wish.kind][2] for key, wish in story.models[name_of(tables, name)].items()}
                row |= {"tenant_id": "acme", "id": uuid7(), "version": 1}
                connection.execute(table.insert().values(**row))
                counts[name_of(tables, name)] = (
                    connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
                )
            connection.commit()
        story.change()


def name_of(tables: dict[str, str], table: str) -> str:
    return next(name for name, found in tables.items() if found == table)
