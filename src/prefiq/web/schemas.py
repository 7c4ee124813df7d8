"""JSON Schemas of declared fields, as strict as what the application really does.

msgspec can write schemas too, but leaves out what clients need: formats, patterns, the type of an enum.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from prefiq.lowcode import ExtensionSpec, FieldSpec, ModelSpec
from prefiq.lowcode.field import MISSING
from prefiq.lowcode.values import TEXT_LIMIT
from prefiq.web.bodies import MOST_ROWS
from prefiq.web.query import MOST_TEXT, MOST_VALUES, OPERATORS

__all__ = ["Schema", "field_schema", "filter_schemas", "read_schema", "write_schema"]

Schema = dict[str, Any]

INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}
NO_NUL = "^[^\\u0000]*$"
DECIMAL_TEXT = 100
DATE = {"type": "string", "format": "date"}
INSTANT = {"type": "string", "format": "date-time"}
UUID = {"type": "string", "format": "uuid"}
ANY_JSON = ["object", "array", "string", "number", "boolean"]

# What Python's patterns have and ECMAScript's do not, or mean otherwise.
_PYTHON_ONLY = re.compile(r"\(\?[PaiLmsux#]|\\[AZ]|\(\?\(")


def field_schema(spec: FieldSpec, *, write: bool) -> Schema:
    """The schema of a field's value.

    Args:
        spec: The field.
        write: Whether for a request: with every limit, and whatever else is taken.
    """
    schema: Schema = _KINDS[spec.kind](spec, write)
    if spec.nullable:
        given = schema["type"]
        schema["type"] = [*(given if isinstance(given, list) else [given]), "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    if spec.label and spec.label.lower().replace(" ", "_") != spec.attribute:
        schema["title"] = spec.label
    if spec.help:
        schema["description"] = spec.help
    return schema


def _text(spec: FieldSpec, write: bool) -> Schema:
    if not write:
        return {"type": "string"}
    schema: Schema = {"type": "string", "maxLength": spec.max_length or TEXT_LIMIT}
    if spec.min_length:
        schema["minLength"] = spec.min_length
    if spec.pattern and not _PYTHON_ONLY.search(spec.pattern):
        schema["pattern"] = f"^(?:{spec.pattern})$"
    else:
        schema["pattern"] = NO_NUL
    return schema


def _integer(spec: FieldSpec, write: bool) -> Schema:
    schema: Schema = {"type": "integer", "format": "int64"}
    return schema | INT64 | _bounds(spec) if write else schema


def _number(spec: FieldSpec, write: bool) -> Schema:
    schema: Schema = {"type": "number", "format": "double"}
    return schema | _bounds(spec) if write else schema


def _bounds(spec: FieldSpec) -> Schema:
    bounds = {
        "minimum": spec.ge,
        "exclusiveMinimum": spec.gt,
        "maximum": spec.le,
        "exclusiveMaximum": spec.lt,
    }
    return {name: _plain(value) for name, value in bounds.items() if value is not None}


def _decimal(spec: FieldSpec, write: bool) -> Schema:
    precision, scale = spec.precision or 18, spec.scale or 0
    whole = precision - scale
    if not write:
        digits = f"\\.[0-9]{{{scale}}}" if scale else ""
        return {"type": "string", "format": "decimal", "pattern": f"^-?[0-9]{{1,{max(whole, 1)}}}{digits}$"}
    sign = "" if (spec.ge is not None and spec.ge >= 0) or (spec.gt is not None and spec.gt >= 0) else "-?"
    integer = f"0*[0-9]{{1,{whole}}}" if whole else "0+"
    fraction = f"(?:\\.(?:[0-9]{{1,{scale}}}0*))?" if scale else "(?:\\.0+)?"
    limit = 10**whole
    schema: Schema = {
        "type": ["string", "number"],
        "pattern": f"^{sign}{integer}{fraction}$",
        "maxLength": DECIMAL_TEXT,
        "exclusiveMinimum": -limit,
        "exclusiveMaximum": limit,
        "description": f"Exact: at most {scale} digits behind the point; a text is best, a number is taken as it is written.",
    }
    bounds = _bounds(spec)
    for inclusive, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if inclusive in bounds:
            del schema[exclusive]
    return schema | bounds


def _enum(spec: FieldSpec, _: bool) -> Schema:
    return {"type": "string", "enum": [str(member) for member in spec.type]}


def _document(spec: FieldSpec, _: bool) -> Schema:
    if spec.type is object:
        return {"type": list(ANY_JSON)}
    return dict(msgspec.json.schema(spec.type))


_KINDS: dict[str, Any] = {
    "str": _text,
    "text": _text,
    "int": _integer,
    "bool": lambda _spec, _write: {"type": "boolean"},
    "decimal": _decimal,
    "float": _number,
    "date": lambda _spec, _write: dict(DATE),
    "datetime": lambda _spec, _write: dict(INSTANT),
    "uuid": lambda _spec, _write: dict(UUID),
    "enum": _enum,
    "json": _document,
}


def _plain(value: Any) -> Any:
    """A declared value as JSON has it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Enum):
        return value.value
    return value


def _default(spec: FieldSpec) -> Schema:
    if spec.default is MISSING or (spec.default is None and not spec.nullable):
        return {}
    value = msgspec.to_builtins(spec.default) if spec.default is not None else None
    return {"default": value} if not isinstance(value, float) or math.isfinite(value) else {}


def write_schema(spec: ModelSpec, *, partial: bool = False, has_id: bool = False) -> Schema:
    """What creates (or, ``partial``, changes) an entity or a row of it."""
    properties: Schema = {"id": dict(UUID)} if has_id else {}
    for field in spec.fields:
        if field.writable:
            properties[field.name] = field_schema(field, write=True) | ({} if partial else _default(field))
    for child in spec.children:
        rows = write_schema(child.model, partial=False, has_id=partial)
        properties[child.name] = {"type": "array", "items": rows, "maxItems": MOST_ROWS, "title": child.label}
    for extension in spec.extensions:
        theirs = {
            f.attribute: field_schema(f, write=True) | ({} if partial else _default(f))
            for f in extension.fields
            if f.writable
        }
        if theirs:
            properties[extension.module] = _extension(extension, theirs) | {"additionalProperties": False}
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [f.name for f in spec.fields if f.writable and f.required]
    if required and not partial:
        if has_id:  # a row that is named keeps what is not mentioned
            schema["anyOf"] = [{"required": ["id"]}, {"required": required}]
        else:
            schema["required"] = required
    return schema


def read_schema(spec: ModelSpec) -> Schema:
    """What an entity looks like; ``fields=`` and policies may leave members out, but never id and version."""
    properties: Schema = {"id": dict(UUID)}
    if not spec.parent:
        properties["version"] = {"type": "integer", "format": "int64"}
    required = list(properties)
    for field in spec.fields:
        if not field.hidden:
            properties[field.name] = field_schema(field, write=False)
            if not field.writable:
                properties[field.name]["readOnly"] = True
    for child in spec.children:
        properties[child.name] = {"type": "array", "items": read_schema(child.model), "title": child.label}
    for extension in spec.extensions:
        theirs = {
            f.attribute: field_schema(f, write=False) | ({} if f.writable else {"readOnly": True})
            for f in extension.fields
            if not f.hidden
        }
        if theirs:
            properties[extension.module] = _extension(extension, theirs)
    schema: Schema = {"type": "object", "properties": properties, "required": required}
    if spec.doc and not spec.parent:
        schema["description"] = spec.doc
    return schema


def _extension(extension: ExtensionSpec, properties: Schema) -> Schema:
    """What a module adds to a model, as one member."""
    schema: Schema = {"type": "object", "properties": properties}
    if extension.doc:
        schema["description"] = extension.doc
    return schema


def filter_schemas(spec: FieldSpec) -> dict[str, Schema]:
    """The query parameters that filter by a field, each with its schema."""
    if not spec.filter or spec.kind not in OPERATORS:
        return {}
    one = _filter_value(spec)
    found: dict[str, Schema] = {}
    for operator in OPERATORS[spec.kind]:
        many = {"type": "array", "items": one, "minItems": 1, "maxItems": MOST_VALUES}
        name = spec.name if operator == "eq" else f"{spec.name}.{operator}"
        found[name] = many if operator in {"in", "nin"} else one
    found[f"{spec.name}.eq"] = one
    if spec.stored.nullable:
        found[f"{spec.name}.isnull"] = {"type": "boolean"}
    return found


def _filter_value(spec: FieldSpec) -> Schema:
    if spec.kind in {"str", "text"}:
        return {"type": "string", "maxLength": MOST_TEXT, "pattern": NO_NUL}
    if spec.kind == "decimal":
        written = _decimal(
            FieldSpec("", "decimal", Decimal, precision=spec.precision, scale=spec.scale), True
        )
        return {"type": "string", "pattern": written["pattern"], "maxLength": DECIMAL_TEXT}
    if spec.kind == "int":
        return {"type": "integer", "format": "int64", **INT64}
    return dict(_KINDS[spec.kind](spec, False))
