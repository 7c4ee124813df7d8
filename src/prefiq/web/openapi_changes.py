"""What a changed API breaks: two OpenAPI documents compared from the side of a client that knows the old one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefiq.web.schemas import Schema

__all__ = ["breaking_changes"]

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """What a client of the old document can no longer rely on, a sentence each, in a steady order.

    Args:
        old: The document that clients know.
        new: The document of now.

    Returns:
        Nothing where a client of the old one goes on working: what is added breaks nobody.
    """
    found = dict.fromkeys(_operations(old, new))
    sent, received = _reachable(old, "requestBody"), _reachable(old, "responses")
    before, now = _schemas(old), _schemas(new)
    for name in sorted(sent | received):
        if name not in now:
            found[f"the schema {name} is gone"] = None
        else:
            found |= dict.fromkeys(
                _schema(name, before[name], now[name], sent=name in sent, received=name in received)
            )
    return list(found)


def _operations(old: Schema, new: Schema) -> Iterator[str]:
    for path, methods in sorted(_object(old.get("paths")).items()):
        now = _object(_object(new.get("paths")).get(path))
        if not now:
            yield f"the path {path} is gone"
            continue
        for method in _METHODS:
            if method in _object(methods):
                title = f"{method.upper()} {path}"
                if method not in now:
                    yield f"{title} is gone"
                else:
                    yield from _operation(title, (old, methods[method]), (new, now[method]))


def _operation(title: str, old: tuple[Schema, Schema], new: tuple[Schema, Schema]) -> Iterator[str]:
    before, now = _parameters(*old), _parameters(*new)
    for key in sorted(before.keys() - now.keys()):
        yield f"{title} takes no {key[0]} parameter {key[1]} any more"
    for key, parameter in sorted(now.items()):
        if parameter.get("required") and not before.get(key, {}).get("required"):
            yield f"{title} needs the {key[0]} parameter {key[1]} now"
    bodies = [_object(operation.get("requestBody")) for _, operation in (old, new)]
    if bodies[1].get("required") and not bodies[0].get("required"):
        yield f"{title} needs a body now"
    if bodies[0] and not bodies[1]:
        yield f"{title} takes no body any more"


def _schema(name: str, old: Any, new: Any, *, sent: bool, received: bool) -> Iterator[str]:
    old, new = _object(old), _object(new)
    yield from _value(name, old, new, sent=sent, received=received)
    before, now = _object(old.get("properties")), _object(new.get("properties"))
    for member in sorted(before.keys() - now.keys()):
        yield f"the field {name}.{member} is gone"
    if sent:
        for member in sorted(set(new.get("required") or ()) - set(old.get("required") or ())):
            yield f"the field {name}.{member} has to be given now"
    if received:
        for member in sorted((set(old.get("required") or ()) - set(new.get("required") or ())) & now.keys()):
            yield f"the field {name}.{member} may be left out of an answer now"
    for member in sorted(before.keys() & now.keys()):
        yield from _schema(f"{name}.{member}", before[member], now[member], sent=sent, received=received)
    if "items" in old and "items" in new:
        yield from _schema(f"{name}[]", old["items"], new["items"], sent=sent, received=received)


def _value(name: str, old: Schema, new: Schema, *, sent: bool, received: bool) -> Iterator[str]:
    before, now = _types(old), _types(new)
    if before and now:
        if sent and before - now:
            yield f"the field {name} no longer takes {_listed(before - now)}"
        if received and now - before:
            yield f"the field {name} may be {_listed(now - before)} now"
    if old.get("$ref") != new.get("$ref"):
        yield f"the field {name} has another schema"
    if old.get("format") != new.get("format"):
        yield f"the field {name} has another format"
    if not sent:
        return
    if "enum" in new and (lost := [one for one in old.get("enum") or () if one not in new["enum"]]):
        yield f"the field {name} no longer takes {_listed({str(one) for one in lost})}"
    for limit, sign in (("maxLength", 1), ("maximum", 1), ("minLength", -1), ("minimum", -1)):
        was, is_ = old.get(limit), new.get(limit)
        if isinstance(is_, int | float) and (not isinstance(was, int | float) or sign * (is_ - was) < 0):
            yield f"the field {name} has a narrower {limit}: {is_}"


def _parameters(document: Schema, operation: Schema) -> dict[tuple[str, str], Schema]:
    shared = _object(_object(document.get("components")).get("parameters"))
    found: dict[tuple[str, str], Schema] = {}
    for given in operation.get("parameters") or ():
        parameter = _object(shared.get(str(given["$ref"]).rpartition("/")[2])) if "$ref" in given else given
        found[str(parameter.get("in")), str(parameter.get("name"))] = parameter
    return found


def _reachable(document: Schema, part: str) -> set[str]:
    """Names of the schemas that requests, or answers, are made of."""
    schemas, found = _schemas(document), set[str]()
    waiting: list[Any] = [
        operation.get(part)
        for methods in _object(document.get("paths")).values()
        for operation in _object(methods).values()
        if isinstance(operation, dict)
    ]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            name = str(value.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in schemas and name not in found:
                found.add(name)
                waiting.append(schemas[name])
    return found


def _schemas(document: Schema) -> Schema:
    return _object(_object(document.get("components")).get("schemas"))


def _types(schema: Schema) -> set[str]:
    given = schema.get("type") or ()
    return {given} if isinstance(given, str) else set(given)


def _listed(values: set[str]) -> str:
    return ", ".join(sorted(values))


def _object(value: Any) -> Schema:
    # A document from a file may hold anything in any place.
    return value if isinstance(value, dict) else {}
