"""Request bodies: decoders generated from the declaration, and every fault of a bad one.

A good body is decoded once, by a struct made at boot.  msgspec stops at the first fault, so a bad body is
read again member by member and all its faults are reported, each with its JSON pointer.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import asdict

from prefiq.contracts import FieldError, ValidationFailed
from prefiq.lowcode import ExtensionSpec, FieldSpec, ModelSpec
from prefiq.lowcode.values import BadValue, check_for
from prefiq.web.errors import Malformed
from prefiq.web.json_text import check_text, scan

__all__ = ["Members", "Shape", "create_shape", "parameter_shape", "patch_shape"]

Members = dict[str, Any]
"""Decoded members by name; children as lists of ``(id or None, Members)``."""

MOST_ERRORS = 100
MOST_ROWS = 10_000
"""Of one kind of children in a body; each costs 50 times what its shortest text does."""
TOO_MANY_ROWS = f"must have at most {MOST_ROWS} rows"
MOST_DIGITS = 100

# ASCII digits only: Python's Decimal takes Arabic ones and underscores too, other readers of our schema do not.
_NUMBER = re.compile(
    rb'(?:"(-?[0-9]{1,100}(?:\.[0-9]{1,100})?)"|(-?[0-9]{1,100}(?:\.[0-9]{1,100})?(?:[eE][+-]?[0-9]{1,4})?))'
)


@dataclass(frozen=True)
class MemberError(FieldError):
    """A fault at a member that is nobody's field; its name is the caller's, so it stands in the pointer alone.

    Args:
        member: The name; ``field`` is the path of the object that holds it.
    """

    member: str = ""

    @property
    def pointer(self) -> str:
        """As in ``FieldError``, with one step more."""
        parent = FieldError(self.field, self.code, self.message).pointer
        return f"{parent}/{self.member.replace('~', '~0').replace('/', '~1')}"


class Shape:
    """What a JSON object may hold, compiled.

    Args:
        name: Of the struct, for its ``repr``.
        fields: Its members.
        children: Members that hold rows, with the shape of a row.
        objects: Members that hold an object, with its shape: what modules add to the model.
        has_id: Whether a member ``id`` names an existing row.
        partial: Whether nothing is required.
        noun: What a member is called in a message: ``"field"`` or ``"parameter"``.
        refusals: Why members that one may look for are none of them, by name.
    """

    def __init__(
        self,
        name: str,
        fields: tuple[FieldSpec, ...],
        children: Mapping[str, Shape] | None = None,
        objects: Mapping[str, Shape] | None = None,
        *,
        has_id: bool = False,
        partial: bool = False,
        noun: str = "field",
        refusals: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.fields = {field.name: field for field in fields}
        self.children = dict(children or {})
        self.objects = dict(objects or {})
        self.has_id = has_id
        self.partial = partial
        self.noun = noun
        self.refusals = dict(refusals or {})
        self.checks = {field.name: check_for(field) for field in fields}
        self.types = {field.name: wire_type(field) for field in fields}
        self.names = frozenset((*self.fields, *self.children, *self.objects))
        self.decimals = tuple(field.name for field in fields if field.kind == "decimal")
        members: list[Any] = [(field.name, wire_type(field), UNSET) for field in fields]
        members += [(child, list[shape.struct], UNSET) for child, shape in self.children.items()]  # type: ignore[name-defined]
        members += [(name, shape.struct, UNSET) for name, shape in self.objects.items()]
        if has_id:
            members.append(("id", UUID, UNSET))
        self.struct: type[msgspec.Struct] = msgspec.defstruct(
            name, members, forbid_unknown_fields=True, kw_only=True
        )
        self.decode = msgspec.json.Decoder(self.struct).decode

    def read(self, body: bytes) -> Members:
        """The members given, decoded; their limits are the service's to check.

        Raises:
            Malformed: The text cannot be parsed.
            ValidationFailed: Every member that is unknown, missing or of the wrong type.
        """
        try:
            decoded = self.decode(body)
            members, count = self._members(decoded)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadValue) as error:
            self._explain(body, error)
        check_text(body, count)
        return members

    def check(self, members: Members) -> list[FieldError]:
        """Faults of the given values (without rows) against their declaration; makes them normal in place."""
        errors: list[FieldError] = []
        for name, value in members.items():
            try:
                members[name] = self.checks[name](value)
            except BadValue as bad:
                errors.append(FieldError(name, bad.code, bad.message, bad.params))
        return errors

    def _members(self, decoded: Any) -> tuple[Members, int]:
        given = {name: value for name, value in asdict(decoded).items() if value is not UNSET}
        count = len(given)
        for name in self.decimals:
            if name in given:
                given[name] = exact(given[name])
        for name, shape in self.children.items():
            if name in given:
                if len(given[name]) > MOST_ROWS:
                    raise BadValue("max_items", TOO_MANY_ROWS, limit=MOST_ROWS)
                rows = []
                for row in given[name]:
                    members, more = shape._members(row)
                    count += more
                    rows.append((members.pop("id", None), members))
                given[name] = rows
        for name, shape in self.objects.items():
            if name in given:
                given[name], more = shape._members(given[name])
                count += more
        return given, count

    def _explain(self, body: bytes, error: Exception) -> None:
        if isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError):
            scan(body)
            raise Malformed("The body is not JSON") from None
        scan(body)
        try:
            errors = self.faults(Raw(body))
        except (msgspec.DecodeError, UnicodeDecodeError):  # half a surrogate pair, which json lets pass
            errors = []
        if not errors:
            raise Malformed("The body is not JSON") from None
        raise ValidationFailed(self.name, tuple(errors[:MOST_ERRORS])) from None

    def faults(self, raw: Raw, prefix: str = "") -> list[FieldError]:
        """Every fault of one object that is known to be JSON."""
        try:
            members = msgspec.json.decode(raw, type=dict[str, Raw])
        except msgspec.ValidationError:
            return [FieldError(prefix.rstrip("."), "type", "must be an object")]
        errors: list[FieldError] = []
        row_id = members.pop("id", None) if self.has_id else None
        if row_id is not None and not _is(row_id, UUID):
            errors.append(FieldError(prefix + "id", "type", "must be a UUID"))
        for name, value in members.items():
            if name in self.fields:
                errors += self._field_faults(name, value, prefix)
            elif name in self.children:
                errors += self._child_faults(name, value, prefix)
            elif name in self.objects:
                errors += self.objects[name].faults(value, f"{prefix}{name}.")
            else:
                message = self.refusals.get(name, f"is not a {self.noun} that can be given")
                errors.append(MemberError(prefix.rstrip("."), "unknown", message, member=name))
        if not self.partial and row_id is None:
            errors += [
                FieldError(prefix + name, "required", "a value is required")
                for name, field in self.fields.items()
                if field.required and name not in members
            ]
        return errors

    def _field_faults(self, name: str, raw: Raw, prefix: str) -> list[FieldError]:
        try:
            value = msgspec.json.decode(raw, type=self.types[name])
            if isinstance(value, Raw):
                value = exact(value)
        except BadValue as bad:
            return [FieldError(prefix + name, bad.code, bad.message, bad.params)]
        except msgspec.ValidationError:
            value = _loose(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [FieldError(prefix + name, "text", "must not hold surrogate code points")]
        try:
            self.checks[name](value)
        except BadValue as bad:
            return [FieldError(prefix + name, bad.code, bad.message, bad.params)]
        if _is(raw, self.types[name]):
            return []
        return [FieldError(prefix + name, "type", "is of the wrong type")]

    def _child_faults(self, name: str, raw: Raw, prefix: str) -> list[FieldError]:
        try:
            rows = msgspec.json.decode(raw, type=list[Raw])
        except msgspec.ValidationError:
            return [FieldError(prefix + name, "type", "must be a list")]
        if len(rows) > MOST_ROWS:
            return [FieldError(prefix + name, "max_items", TOO_MANY_ROWS, {"limit": MOST_ROWS})]
        errors: list[FieldError] = []
        for position, row in enumerate(rows):
            errors += self.children[name].faults(row, f"{prefix}{name}.{position}.")
        return errors


def _is(raw: Raw, kind: Any) -> bool:
    try:
        msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _loose(raw: Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return object()


def exact(raw: Raw) -> Decimal | None:
    """A decimal from the text of a JSON number or string, never through a float.

    Raises:
        BadValue: It is neither.
    """
    text = bytes(raw)
    match = _NUMBER.fullmatch(text) if len(text) <= MOST_DIGITS + 2 else None
    if match is None:
        if text == b"null":
            return None
        raise BadValue("type", "must be a decimal number")
    return Decimal((match[1] or match[2]).decode())


_WIRE: dict[str, Any] = {
    "str": str,
    "text": str,
    "int": int,
    "bool": bool,
    "decimal": Raw,
    "float": float,
    "json": Any,
}


def wire_type(field: FieldSpec) -> Any:
    """What a member is decoded as."""
    kind = _WIRE.get(field.kind, field.type)
    return kind | None if field.nullable and kind not in {Raw, Any} else kind


def create_shape(spec: ModelSpec) -> Shape:
    """What creates an entity: every field that may be written, with rows of its children."""
    children = {child.name: create_shape(child.model) for child in spec.children}
    fields = tuple(f for f in spec.fields if f.writable)
    return Shape(f"{spec.name}Create", fields, children, extension_shapes(spec), refusals=refusals_of(spec))


def extension_shapes(spec: ModelSpec) -> dict[str, Shape]:
    """The objects that extensions add to a body, by member; none of their fields has to be given."""
    written = {extension: written_fields(extension) for extension in spec.extensions}
    return {e.module: Shape(e.name, fields, partial=True) for e, fields in written.items() if fields}


def written_fields(extension: ExtensionSpec) -> tuple[FieldSpec, ...]:
    """An extension's fields that a request may set, as they are called inside its member."""
    return tuple(
        dataclasses.replace(field, name=field.attribute, owner=None)
        for field in extension.fields
        if field.writable
    )


def patch_shape(spec: ModelSpec) -> Shape:
    """What changes an entity: any of its fields; a row of its children may name the one it changes."""
    children = {
        child.name: Shape(
            f"{child.model.name}Row", tuple(f for f in child.model.fields if f.writable), has_id=True
        )
        for child in spec.children
    }
    fields = tuple(f for f in spec.fields if f.writable)
    return Shape(
        f"{spec.name}Patch",
        fields,
        children,
        extension_shapes(spec),
        partial=True,
        refusals=refusals_of(spec),
    )


def refusals_of(spec: ModelSpec) -> dict[str, str]:
    """Why fields that a caller sees cannot be given: the status has actions, others are read-only."""
    found = {}
    for field in spec.fields:
        if field.hidden or field.writable:
            continue
        ways = [action.name for action in spec.actions if action.to is not None] if field.is_status else ()
        found[field.name] = f"is changed by actions alone: {', '.join(ways)}" if ways else "is read-only"
    return found


def parameter_shape(name: str, parameters: tuple[FieldSpec, ...]) -> Shape:
    """What an action takes."""
    return Shape(name, parameters, noun="parameter")


def entity_maker(spec: ModelSpec) -> Callable[[Members], Any]:
    """A function that makes a new entity of decoded members."""
    cls = spec.cls
    rows = [(child.name, child.model.cls) for child in spec.children]
    extensions = [(extension.module, extension.cls) for extension in spec.extensions]

    def make(members: Members) -> Any:
        for name, row_cls in rows:
            if name in members:
                members[name] = [row_cls(**row) for _, row in members[name]]
        if not extensions:
            return cls(**members)
        given = [(extension, members.pop(name)) for name, extension in extensions if name in members]
        entity = cls(**members)
        for extension, values in given:
            for name, value in values.items():
                setattr(extension.on(entity), name, value)
        return entity

    return make


def patch_applier(spec: ModelSpec) -> Callable[[Any, Members], list[FieldError]]:
    """A function that applies decoded members to an entity (RFC 7396) and returns what does not fit."""
    rows = {child.name: child.model.cls for child in spec.children}
    documents = frozenset(f.name for f in spec.all_fields if f.kind == "json")
    extensions = {extension.module: extension.cls for extension in spec.extensions}

    def apply(entity: Any, members: Members) -> list[FieldError]:
        errors: list[FieldError] = []
        for name, value in members.items():
            if name in rows:
                setattr(entity, name, _rows(getattr(entity, name), rows[name], value, name, errors))
            elif name in documents and isinstance(value, dict):
                setattr(entity, name, merged(getattr(entity, name), value))
            elif name in extensions:
                for member, given in value.items():
                    target = extensions[name].on(entity)
                    merge = f"{name}.{member}" in documents and isinstance(given, dict)
                    setattr(target, member, merged(getattr(target, member), given) if merge else given)
            else:
                setattr(entity, name, value)
        return errors

    return apply


def _rows(present: list[Any], cls: type, wanted: list[Any], name: str, errors: list[FieldError]) -> list[Any]:
    known = {row.id: row for row in present}
    result = []
    for position, (row_id, members) in enumerate(wanted):
        if row_id is None:
            result.append(cls(**members))
            continue
        row = known.pop(row_id, None)
        if row is None:
            errors.append(FieldError(f"{name}.{position}.id", "unknown", "is no row of it, or named twice"))
            continue
        for member, value in members.items():
            setattr(row, member, value)
        result.append(row)
    return result


def merged(target: Any, patch: Any) -> Any:
    """A JSON value after a merge patch.

    Source: RFC 7396, section 2.
    """
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
