"""Everything that a tenant can ask, as questions whose answers must not depend on other tenants."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

from prefiq.contracts import Compare, IDomain, IDomainService, Page, Scope
from prefiq.errors import PrefiqError
from prefiq.lowcode import FieldSpec, ModelSpec
from prefiq.sql import Executor, Tables
from prefiq.testing.attacks.asking import Asker
from prefiq.testing.attacks.look_alikes import LookAlikes

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["Question", "Undone", "executor_tables", "http_questions", "questions", "said"]

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Undone(Exception):
    """Ends a transaction that is not to be kept."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Args:
        model: Qualified name.
        route: How it is asked.
        kind: What it tries, for people.
        detail: What exactly.
        ask: Gives the answer as text, in a scope of the tenant; over HTTP without one.
    """

    model: str
    route: str
    kind: str
    detail: str
    ask: Callable[[Any], str]


def said(call: Callable[[], Any], *, ids: bool = True) -> str:
    """What a call gives, or the error that it raises, as text.

    Args:
        call: Takes nothing.
        ids: Whether ids stand in it as they are; else as a star each.
    """
    try:
        text = repr(call())
    except PrefiqError as error:
        text = f"{type(error).__name__}: {error}"
    return text if ids else _ID.sub("*", text)


def questions(spec: ModelSpec, rows: LookAlikes) -> Iterator[Question]:
    """What can be asked of a model's service and store, and by statements on its tables."""
    service: Any = IDomainService[spec.cls]  # type: ignore[name-defined]
    store: Any = IDomain[spec.cls]  # type: ignore[name-defined]

    def ask(kind: str, detail: str, call: Callable[[Scope], Any]) -> Question:
        return Question(spec.qualified, "service", kind, detail, lambda scope: said(lambda: call(scope)))

    everything = Page(limit=200, count=True)
    yield ask("list", "every row", lambda scope: scope[service].list(everything))
    yield ask("count", "every row", lambda scope: scope[store].count())
    yield ask("list", "as a stream", lambda scope: [list(batch) for batch in scope[store].stream()])
    for entity in (*rows.same(spec), *rows.foreign(spec)):
        yield from _of_id(entity.id, ask, service, store)
    for field in spec.fields:
        if field.hidden or field.kind == "json" or field.owner is not None:
            continue
        yield from _of_field(field, spec, rows, ask, service, store, everything)
    yield from _of_tables(spec)


def _of_id(key: UUID, ask: Any, service: Any, store: Any) -> Iterator[Question]:
    yield ask("read", f"id {key}", lambda scope: scope[service].get(key))
    yield ask("read", f"id {key}, many", lambda scope: scope[store].get_many([key]))
    yield ask("history", f"id {key}", lambda scope: scope[service].history(key))


def _of_field(
    field: FieldSpec, spec: ModelSpec, rows: LookAlikes, ask: Any, service: Any, store: Any, everything: Page
) -> Iterator[Question]:
    name = field.name
    for sign in ("", "-"):
        page = Page(limit=2, count=True, sort=(f"{sign}{name}",))
        yield ask("sort", f"{sign}{name}", lambda scope, page=page: scope[service].list(page))
    values = [getattr(entity, name) for entity in rows.foreign(spec)]
    for value in values[:2]:
        for operator in ("eq", "ne", "gte", "lte"):
            if value is None or (operator in {"gte", "lte"} and field.kind not in _ORDERED):
                continue
            criteria = Compare(name, operator, value)
            yield ask(
                "filter",
                f"{name} {operator}",
                lambda scope, criteria=criteria: scope[service].list(everything, criteria),
            )
        if field.unique and value is not None:
            yield ask("read", f"by {name}", lambda scope, value=value: scope[store].get_by(name, value))
    yield ask("filter", f"{name} or not", lambda scope: scope[store].count(_always(name)))


_ORDERED = frozenset({"int", "decimal", "float", "date", "datetime"})


def _always(name: str) -> Any:
    return Compare(name, "isnull", True) | Compare(name, "isnull", False)


def executor_tables(scope: Scope, spec: ModelSpec) -> list[Any]:
    """The tables of a model and of its children."""
    tables = scope[Tables]
    return [tables[spec.cls], *(tables[child.model.cls] for child in spec.children)]


def _of_tables(spec: ModelSpec) -> Iterator[Question]:
    for number in range(1 + len(spec.children)):
        for kind, detail, call in _STATEMENTS:

            def ask(scope: Scope, call: Any = call, number: int = number) -> str:
                table = executor_tables(scope, spec)[number]
                return said(lambda: call(scope[Executor], table), ids=False)

            name = spec.children[number - 1].model.name if number else spec.name
            yield Question(spec.qualified, "statement", kind, f"{detail} of {name}", ask)


def _rows(executor: Any, statement: Any) -> list[str]:
    return sorted(repr(tuple(row)) for row in executor.query(statement))


def _product(table: Any) -> Any:
    other = table.alias("other")
    return table.join(other, other.c.id == other.c.id).select()


def _changed(executor: Any, statement: Any) -> int:
    """How many rows a statement changes; it is undone."""
    count = -1
    try:
        with executor.tx():
            count = executor.exec(statement)
            raise Undone  # noqa: TRY301
    except Undone:
        return count


_STATEMENTS: tuple[tuple[str, str, Callable[[Any, Any], Any]], ...] = (
    ("list", "every row", lambda executor, table: _rows(executor, table.select())),
    (
        "join",
        "every row with every row",
        lambda executor, table: len(_rows(executor, _product(table))),
    ),
    (
        "filter",
        "rows of the other tenant",
        lambda executor, table: _rows(executor, table.select().where(table.c.tenant_id != "")),
    ),
    ("update", "every row", lambda executor, table: _changed(executor, table.update().values(id=table.c.id))),
    ("delete", "every row", lambda executor, table: _changed(executor, table.delete())),
    ("raw SQL", "every id", lambda executor, table: _rows(executor, f"SELECT id FROM {table.name}")),  # noqa: S608  what is tried
)


def http_questions(
    app: Application, spec: ModelSpec, rows: LookAlikes, asker: Asker, tenant: str
) -> Iterator[Question]:
    """What can be asked of a model's part of the API."""
    from prefiq.web.query import inclusions

    def ask(kind: str, path: str) -> Question:
        def answer(_: Scope) -> str:
            return repr(asker(tenant, "GET", path).told)

        return Question(spec.qualified, "HTTP", kind, f"GET {path}", answer)

    def pages(path: str) -> Question:
        def answer(_: Scope) -> str:
            found, following = [], path
            while following:
                answered = asker(tenant, "GET", following)
                found.append(answered.told)
                following = answered.next
            return repr(found)

        return Question(spec.qualified, "HTTP", "cursor", f"GET {path} to its end", answer)

    path = spec.path
    yield ask("list", f"{path}?limit=200&count=exact")
    yield pages(f"{path}?limit=1")
    for entity in (*rows.same(spec), *rows.foreign(spec)):
        yield ask("read", f"{path}/{entity.id}")
        if spec.audit:
            yield ask("history", f"{path}/{entity.id}/history")
        yield ask("filter", f"{path}?id={entity.id}&count=exact")
    for name in inclusions(spec, app.catalog):
        yield ask("include", f"{path}?include={name}&limit=200")
        yield ask("include", f"{path}/{rows.same(spec)[0].id}?include={name}")
    for field in spec.fields:
        if field.hidden:
            continue
        yield ask("sort", f"{path}?sort=-{field.name}&limit=1")
        for entity in rows.foreign(spec)[:2]:
            value = getattr(entity, field.name)
            if value is not None and field.kind not in {"json", "float"}:
                text = quote(_text(value))
                yield ask("filter", f"{path}?{field.name}={text}&count=exact")
                yield ask("filter", f"{path}?{field.name}.gte={text}&count=exact")
    if any(field.search for field in spec.fields):
        searched = next(field.name for field in spec.fields if field.search)
        phrase = quote(_text(getattr(rows.foreign(spec)[0], searched) or "x"))
        yield ask("search", f"{path}?q={phrase}&count=exact")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(getattr(value, "value", None) or (value.isoformat() if hasattr(value, "isoformat") else value))
