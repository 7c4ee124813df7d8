"""Query parameters of a list: typed filters, order, page, fields, include; compiled for each model.

A parameter that is not declared is refused, never ignored: a filter that does not filter shows rows that
nobody asked for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import UUID

import msgspec

from prefiq.contracts import All, Any_, Compare, Criteria, FieldError
from prefiq.foundation.policy import is_among
from prefiq.lowcode import Catalog, FieldSpec, ModelSpec
from prefiq.lowcode.values import BadValue, check_for, clean_text
from prefiq.web.errors import Malformed, QueryRefused
from prefiq.web.representation import visible_names

__all__ = ["OPERATORS", "Inclusion", "ListQuery", "QueryReader", "inclusions", "split_query"]

LIMIT, MOST_LIMIT, MOST_OFFSET = 50, 200, 10_000
MOST_VALUES = 200
MOST_PARAMETERS = 100
MOST_SORTS = 5
MOST_TEXT = 200

_EQUAL = ("eq", "ne", "in", "nin")
_ORDER = ("gt", "gte", "lt", "lte")
_TEXT = ("contains", "icontains", "startswith")
OPERATORS: dict[str, tuple[str, ...]] = {
    "str": (*_EQUAL, *_ORDER, *_TEXT),
    "text": (*_EQUAL, *_TEXT),
    "int": (*_EQUAL, *_ORDER),
    "decimal": (*_EQUAL, *_ORDER),
    "float": (*_EQUAL, *_ORDER),
    "date": (*_EQUAL, *_ORDER),
    "datetime": (*_EQUAL, *_ORDER),
    "bool": ("eq", "ne"),
    "uuid": _EQUAL,
    "enum": _EQUAL,
}
"""What each kind of field can be asked; ``isnull`` as well where it may be empty."""

ID = FieldSpec("id", "uuid", UUID, filter=True)

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_DECIMAL = re.compile(r"-?[0-9]{1,100}(?:\.[0-9]{1,100})?")
_FLOAT = re.compile(r"-?[0-9]{1,100}(?:\.[0-9]{1,100})?(?:[eE][+-]?[0-9]{1,4})?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COUNT = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A declared reference that ``include=`` can follow.

    Args:
        name: In the query and in the representation; of an extension's field, with its module.
        field: The field that holds the id.
        target: The model that it leads to.
    """

    name: str
    field: str
    target: ModelSpec


@dataclass(slots=True)
class ListQuery:
    """A list as it was asked for.

    Args:
        limit: Rows at most.
        offset: Rows to leave out first.
        cursor: As sent, or empty.
        sort: Field names, ``-name`` for descending; empty for the model's order.
        count: Whether to count all rows that match.
        fields: Members of the representation that are wanted; empty for all.
        include: References to follow.
        terms: The filters, all of which must hold.
        search: The phrase of ``q``, or empty.
        filters: Digest of filters and phrase, for the cursor; empty without any.
    """

    limit: int = LIMIT
    offset: int = 0
    cursor: str = ""
    sort: tuple[str, ...] = ()
    count: bool = False
    fields: tuple[str, ...] = ()
    include: tuple[Inclusion, ...] = ()
    terms: list[Criteria] = field(default_factory=list)
    search: str = ""
    filters: str = ""


def split_query(query: bytes) -> list[tuple[str, str]]:
    """Name and value of each parameter, decoded.

    Raises:
        Malformed: The decoded query is not UTF-8.
    """
    if not query:
        return []
    try:
        if b"%" not in query and b"+" not in query:
            pairs = (part.partition("=") for part in query.decode().split("&"))
            return [(name, value) for name, _, value in pairs if name or value]
        parts = (part.partition(b"=") for part in query.replace(b"+", b" ").split(b"&"))
        return [
            (unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode())
            for name, _, value in parts
            if name or value
        ]
    except UnicodeDecodeError:
        raise Malformed("The query is not UTF-8") from None


def inclusions(spec: ModelSpec, catalog: Catalog) -> dict[str, Inclusion]:
    """What ``include=`` can follow: references to models that have an API themselves."""
    found = {}
    for each in spec.all_fields:
        if each.ref is None or each.hidden or not each.ref.model:
            continue
        target = catalog.get(each.ref.model)
        if target is not None and target.remote:
            module = each.name.rpartition(".")[0]
            name = f"{module}.{each.ref.name}" if module else each.ref.name
            found[name] = Inclusion(name, each.name, target)
    return found


def sortable_names(spec: ModelSpec) -> tuple[str, ...]:
    """What a list can be sorted by; ids are ordered by time."""
    return (*(field.name for field in spec.all_fields if field.sort), "id")


def text_reader(spec: FieldSpec) -> Callable[[str], Any]:
    """A function that reads a filter's value from text, or raises ``BadValue``.

    The field's own limits do not apply: nothing is wrong in asking for more than there can be.
    """
    if spec.kind in {"str", "text"}:
        return _read_text
    asked = dataclasses.replace(spec, nullable=False, gt=None, ge=None, lt=None, le=None)
    check, parse = check_for(asked), _PARSERS[spec.kind]
    return lambda text: check(parse(text))


def _read_text(text: str) -> str:
    if len(text) > MOST_TEXT:
        raise BadValue("max_length", f"must have at most {MOST_TEXT} characters", limit=MOST_TEXT)
    return clean_text(text)


def _matching(pattern: re.Pattern[str], make: Callable[[str], Any]) -> Callable[[str], Any]:
    # A text of another form is handed on as it is: the field's own check says what it should have been.
    return lambda text: make(text) if pattern.fullmatch(text) else text


def _instant(text: str) -> Any:
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return text


def _day(text: str) -> Any:
    try:
        return msgspec.convert(text, date)
    except msgspec.ValidationError:
        return text


def _boolean(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


_PARSERS: dict[str, Callable[[str], Any]] = {
    "int": _matching(_INTEGER, int),
    "decimal": _matching(_DECIMAL, Decimal),
    "float": _matching(_FLOAT, float),
    "uuid": _matching(_UUID, UUID),
    "date": _matching(_DATE, _day),
    "datetime": _instant,
    "bool": _boolean,
    "enum": str,
}

Take = Callable[[ListQuery, str], None]


class QueryReader:
    """The list parameters of one model, compiled.

    Args:
        spec: The model.
        catalog: Where references lead.
    """

    def __init__(self, spec: ModelSpec, catalog: Catalog) -> None:
        self.names = visible_names(spec)
        self.inclusions = inclusions(spec, catalog)
        self.sortable = sortable_names(spec)
        self.searched = tuple(f.name for f in spec.all_fields if f.search and not f.hidden)
        self._takes: dict[str, Take] = {
            "limit": self._limit,
            "offset": self._offset,
            "cursor": self._cursor,
            "sort": self._sort,
            "count": self._count,
            "fields": self._fields,
        }
        if self.inclusions:
            self._takes["include"] = self._include
        if self.searched:
            self._takes["q"] = self._search
        self._one: dict[str, Take] = {
            n: take for n, take in self._takes.items() if n in {"fields", "include"}
        }
        self._filters = {name: filter_ for each in (ID, *spec.all_fields) for name, filter_ in _filters(each)}

    def read(self, query: bytes) -> ListQuery:
        """The list that a query string asks for.

        Raises:
            QueryRefused: Every parameter that is unknown or wrong.
            Malformed: It is not UTF-8.
        """
        wanted = ListQuery()
        if not query:
            return wanted
        pairs = split_query(query)
        asked = self._take(pairs, wanted, self._takes, self._filters)
        if wanted.cursor and wanted.offset:
            raise QueryRefused((FieldError("offset", "conflict", "cannot be given with cursor"),))
        if asked:
            digest = hashlib.sha256("\0".join(f"{n}={v}" for n, v in sorted(asked)).encode())
            wanted.filters = digest.hexdigest()[:32]
        return wanted

    def read_one(self, query: bytes) -> ListQuery | None:
        """What ``fields`` and ``include`` ask of one row, or None where nothing is asked."""
        if not query:
            return None
        wanted = ListQuery()
        self._take(split_query(query), wanted, self._one, {})
        return wanted

    def _take(
        self,
        pairs: list[tuple[str, str]],
        wanted: ListQuery,
        takes: dict[str, Take],
        filters: dict[str, Take],
    ) -> list[tuple[str, str]]:
        errors: list[FieldError] = []
        seen: set[str] = set()
        asked: list[tuple[str, str]] = []
        if len(pairs) > MOST_PARAMETERS:
            limit = FieldError(
                "", "max_items", f"at most {MOST_PARAMETERS} parameters", {"limit": MOST_PARAMETERS}
            )
            raise QueryRefused((limit,))
        for name, value in pairs:
            take = takes.get(name)
            if take is None or name == "q":
                take = take or filters.get(name)
                asked.append((name, value))
            if take is None:
                errors.append(FieldError(name, "unknown", "is not a parameter of this path"))
            elif name in seen:
                errors.append(FieldError(name, "duplicate", "is given twice"))
            else:
                seen.add(name)
                try:
                    take(wanted, value)
                except BadValue as bad:
                    errors.append(FieldError(name, bad.code, bad.message, bad.params))
        if errors:
            raise QueryRefused(tuple(errors))
        return asked

    def _limit(self, wanted: ListQuery, text: str) -> None:
        wanted.limit = _count(text, 1, MOST_LIMIT)

    def _offset(self, wanted: ListQuery, text: str) -> None:
        wanted.offset = _count(text, 0, MOST_OFFSET)

    def _cursor(self, wanted: ListQuery, text: str) -> None:
        if not text:
            raise BadValue("cursor", "must be a cursor that this list gave")
        wanted.cursor = text

    def _count(self, wanted: ListQuery, text: str) -> None:
        if text != "exact":
            raise BadValue("enum", "must be exact", allowed=("exact",))
        wanted.count = True

    def _sort(self, wanted: ListQuery, text: str) -> None:
        names = text.split(",")
        plain = [name.removeprefix("-") for name in names]
        if len(names) > MOST_SORTS or len(set(plain)) != len(plain):
            raise BadValue("sort", f"must be at most {MOST_SORTS} different fields", limit=MOST_SORTS)
        if not set(plain) <= set(self.sortable):
            raise BadValue("enum", "can be " + ", ".join(self.sortable), allowed=self.sortable)
        wanted.sort = tuple(names)

    def _fields(self, wanted: ListQuery, text: str) -> None:
        names = text.split(",")
        if not set(names) <= set(self.names) or len(set(names)) != len(names):
            raise BadValue("enum", "must be some of " + ", ".join(self.names), allowed=self.names)
        wanted.fields = tuple(name for name in self.names if name in {"id", "version"} or name in names)

    def _include(self, wanted: ListQuery, text: str) -> None:
        names = text.split(",")
        if not set(names) <= set(self.inclusions) or len(set(names)) != len(names):
            allowed = tuple(self.inclusions)
            raise BadValue("enum", "must be some of " + ", ".join(allowed), allowed=allowed)
        wanted.include = tuple(self.inclusions[name] for name in names)

    def _search(self, wanted: ListQuery, text: str) -> None:
        phrase = _read_text(text)
        if not phrase:
            raise BadValue("min_length", "must have at least 1 character", limit=1)
        wanted.search = phrase

    def criteria(self, wanted: ListQuery, unreadable: frozenset[str]) -> Criteria | None:
        """The filters and the search as one value; fields that the actor may not read are not searched."""
        terms = wanted.terms
        if wanted.search:
            names = (name for name in self.searched if not is_among(name, unreadable))
            terms = [*terms, Any_(tuple(Compare(name, "icontains", wanted.search) for name in names))]
        if not terms:
            return None
        return terms[0] if len(terms) == 1 else All(tuple(terms))


def _count(text: str, least: int, most: int) -> int:
    # ASCII digits only: int() takes others too, the schema that callers see does not.
    number = int(text) if _COUNT.fullmatch(text) else -1
    if not least <= number <= most:
        raise BadValue("range", f"must be a whole number from {least} to {most}", least=least, most=most)
    return number


def _filters(spec: FieldSpec) -> Iterator[tuple[str, Take]]:
    """Parameter → what it does, for each operator of a field that lists may filter by."""
    if not spec.filter or spec.kind not in OPERATORS:
        return
    read = text_reader(spec)
    for operator in OPERATORS[spec.kind]:
        yield (
            (spec.name if operator == "eq" else f"{spec.name}.{operator}"),
            _filter(spec.name, operator, read),
        )
    yield f"{spec.name}.eq", _filter(spec.name, "eq", read)
    if spec.stored.nullable:
        yield f"{spec.name}.isnull", _filter(spec.name, "isnull", _is_null)


def _is_null(text: str) -> bool:
    if text not in {"true", "false"}:
        raise BadValue("type", "must be true or false")
    return text == "true"


def _filter(name: str, operator: Any, read: Callable[[str], Any]) -> Take:
    if operator in {"in", "nin"}:

        def take(wanted: ListQuery, text: str) -> None:
            parts = text.split(",")
            if len(parts) > MOST_VALUES:
                raise BadValue("max_items", f"must be at most {MOST_VALUES} values", limit=MOST_VALUES)
            wanted.terms.append(Compare(name, operator, tuple(read(part) for part in parts)))

    else:

        def take(wanted: ListQuery, text: str) -> None:
            wanted.terms.append(Compare(name, operator, read(text)))

    return take
