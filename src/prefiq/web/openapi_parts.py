"""What the OpenAPI document is put together from: errors, common schemas, parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefiq.lowcode import Catalog, FieldSpec, ModelSpec
from prefiq.web.query import (
    ID,
    LIMIT,
    MOST_LIMIT,
    MOST_OFFSET,
    MOST_SORTS,
    MOST_TEXT,
    inclusions,
    sortable_names,
)
from prefiq.web.representation import visible_names
from prefiq.web.schemas import NO_NUL, Schema, filter_schemas

__all__ = [
    "ALWAYS",
    "ERRORS",
    "ETAG",
    "WITH_BODY",
    "common_parameters",
    "common_schemas",
    "filter_parameters",
    "json_body",
    "json_response",
    "page_parameters",
    "problem_response",
    "ref",
    "ref_parameter",
    "ref_response",
    "shape_parameters",
]

ERRORS: dict[str, str] = {
    "400": "The request cannot be parsed.",
    "401": "No token, or one that is not accepted.",
    "403": "The tenant is refused, or a permission is missing.",
    "404": "There is no such row or path; another tenant's row is none.",
    "405": "The path does not answer to this method.",
    "408": "The body did not arrive in time.",
    "409": "The present state is against it: a value is taken, an action is not possible, a rule says no.",
    "412": "The row is no longer at the version of If-Match.",
    "413": "The body is too large.",
    "414": "Path or query are too long.",
    "415": "The body is of another content type.",
    "422": "Values or parameters are not accepted; every fault is listed.",
    "431": "Too many header fields.",
    "500": "Something failed on the server; the log knows the request's id.",
    "503": "The server or its database is busy, or not ready; try again after Retry-After where that is given.",
    "504": "The request took longer than it may; look before a change is repeated.",
    "507": "The database's disk is full.",
}
ALWAYS = ("400", "401", "403", "404", "405", "414", "422", "431", "500", "503", "504", "507")
WITH_BODY = ("408", "413", "415")

UUID: Schema = {"type": "string", "format": "uuid"}


def common_schemas() -> Schema:
    """Schemas that every document has."""
    text, entry = {"type": "string"}, {"type": "object", "additionalProperties": True}
    return {
        "Problem": {
            "type": "object",
            "description": "A problem document (RFC 9457).",
            "properties": {
                "type": {"type": "string", "format": "uri-reference"},
                "title": text,
                "status": {"type": "integer"},
                "detail": text,
                "instance": {
                    "type": "string",
                    "format": "uri",
                    "description": "urn:uuid: and the request's id.",
                },
                "code": {"type": "string", "description": "Stable: a heading of the page of errors."},
                "errors": {"type": "array", "items": ref("ProblemError")},
                "allowed": {"type": "array", "items": text, "description": "Actions that are possible now."},
                "permission": {"type": "string", "description": "What was needed."},
            },
            "required": ["type", "title", "status", "detail", "instance", "code"],
        },
        "ProblemError": {
            "type": "object",
            "properties": {
                "pointer": {
                    "type": "string",
                    "description": "JSON Pointer fragment (RFC 6901) into the body.",
                },
                "parameter": {"type": "string", "description": "Name of a query parameter."},
                "code": text,
                "detail": text,
                "params": entry,
            },
            "required": ["code", "detail"],
        },
        "HistoryEntry": {
            "type": "object",
            "properties": {
                "at": {"type": "string", "format": "date-time"},
                "actor": text,
                "actor_name": text,
                "action": text,
                "version": {"type": "integer"},
                "changes": {**entry, "description": "Field → value before and after."},
                "arguments": entry,
            },
            "required": ["at", "actor", "action", "version", "changes"],
        },
        "History": {
            "type": "object",
            "properties": {"items": {"type": "array", "items": ref("HistoryEntry")}},
            "required": ["items"],
        },
        "Me": {
            "type": "object",
            "properties": {
                "actor": {
                    "type": "object",
                    "properties": {"id": text, "name": text},
                    "required": ["id", "name"],
                },
                "tenant": text,
                "permissions": {
                    "type": "array",
                    "items": text,
                    "description": "Patterns that the token grants.",
                },
                "allowed": {
                    "type": "array",
                    "items": text,
                    "description": "Every permission that they cover.",
                },
            },
            "required": ["actor", "tenant", "permissions", "allowed"],
        },
        "Health": {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]},
    }


def common_parameters() -> Schema:
    """Parameters that operations refer to."""
    tag = {"type": "string"}
    return {
        "id": {"name": "id", "in": "path", "required": True, "schema": UUID},
        "tenant": parameter(
            "Prefiq-Tenant",
            {"type": "string"},
            "Which of the token's tenants is meant, where it has several.",
            "header",
        ),
        "if_match": parameter("If-Match", tag, "The ETag that the row must still have.", "header"),
        "if_none_match": parameter("If-None-Match", tag, "The ETag of the caller's copy.", "header"),
    }


def parameter(name: str, schema: Mapping[str, Any], description: str, place: str = "query") -> Schema:
    """One parameter; lists are written with commas."""
    found: Schema = {"name": name, "in": place, "schema": dict(schema), "description": description}
    if schema.get("type") == "array":
        found |= {"style": "form", "explode": False}
    return found


def page_parameters(spec: ModelSpec) -> list[Schema]:
    """What pages and orders a list."""
    found = [
        parameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT, "default": LIMIT}, "Rows at most."),
        parameter("offset", {"type": "integer", "minimum": 0, "maximum": MOST_OFFSET}, "Rows to leave out; not with cursor."),
        parameter("cursor", {"type": "string", "minLength": 1}, "`next` of the page before."),
        parameter("count", {"type": "string", "enum": ["exact"]}, "Count all rows that match, as `total`."),
    ]  # fmt: skip
    sortable = sortable_names(spec)
    entries = {"type": "string", "enum": [*sortable, *(f"-{name}" for name in sortable)]}
    many = {"type": "array", "items": entries, "minItems": 1, "maxItems": MOST_SORTS, "uniqueItems": True}
    found.append(parameter("sort", many, "Order; `-` before a field for descending."))
    if any(f.search and not f.hidden for f in spec.all_fields):
        phrase = {"type": "string", "minLength": 1, "maxLength": MOST_TEXT, "pattern": NO_NUL}
        found.append(parameter("q", phrase, "Phrase to search for."))
    return found


def shape_parameters(spec: ModelSpec, catalog: Catalog) -> list[Schema]:
    """What shapes a representation."""
    members = {"type": "string", "enum": list(visible_names(spec))}
    many = {"type": "array", "items": members, "minItems": 1, "uniqueItems": True}
    found = [parameter("fields", many, "Members wanted; id and version always come.")]
    names = list(inclusions(spec, catalog))
    if names:
        related = {
            "type": "array",
            "items": {"type": "string", "enum": names},
            "minItems": 1,
            "uniqueItems": True,
        }
        found.append(parameter("include", related, "References to follow."))
    return found


def filter_parameters(spec: ModelSpec) -> list[Schema]:
    """What filters a list."""
    fields: tuple[FieldSpec, ...] = (ID, *spec.all_fields)
    return [
        parameter(name, schema, f"Filter by {field.name}.")
        for field in fields
        for name, schema in filter_schemas(field).items()
    ]


ETAG: Schema = {"description": "The row's version, for If-Match.", "schema": {"type": "string"}}


def ref(name: str) -> Schema:
    """A reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def ref_parameter(name: str) -> Schema:
    """A reference to a common parameter."""
    return {"$ref": f"#/components/parameters/{name}"}


def ref_response(status: str) -> Schema:
    """A reference to the problem of a status."""
    return {"$ref": f"#/components/responses/Problem{status}"}


def json_body(schema: Schema, *kinds: str) -> Schema:
    """A request body of these content types."""
    return {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}


def json_response(name: str, description: str, headers: Schema | None = None) -> Schema:
    """An answer with a named schema."""
    response: Schema = {"description": description, "content": {"application/json": {"schema": ref(name)}}}
    if headers:
        response["headers"] = headers
    return response


def problem_response(description: str) -> Schema:
    """An answer that is a problem document."""
    return {"description": description, "content": {"application/problem+json": {"schema": ref("Problem")}}}
