"""Checks a whole entity against its declaration and collects every fault."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from prefiq.contracts import FieldError, Refused, ValidationFailed
from prefiq.lowcode.errors import DeclarationError
from prefiq.lowcode.field import MISSING
from prefiq.lowcode.model_spec import ExtensionSpec, FieldSpec, ModelSpec
from prefiq.lowcode.values import BadValue, check_for

__all__ = ["Validator"]


class Validator:
    """The compiled checks of one model; makes values normal in place.

    Args:
        spec: The model.
        disabled: Names of validators not to run, from ``prefiq.toml``; of an extension's with its module.
    """

    def __init__(self, spec: ModelSpec, disabled: Iterable[str] = ()) -> None:
        self.spec = spec
        off = frozenset(disabled)
        self._fields = tuple(
            (f.name, check_for(f), tuple(v for v in f.validators if name_of(v) not in off))
            for f in spec.fields
        )
        self._whole = tuple(v.function for v in spec.validators if v.name not in off)
        self._children = tuple((child.name, Validator(child.model, off)) for child in spec.children)
        self._extensions = tuple(_ExtensionChecks(extension, off) for extension in spec.extensions)
        self._known = frozenset(extension.cls for extension in spec.extensions)

    def check(self, entity: Any) -> None:
        """Normalise every value.

        Raises:
            ValidationFailed: With every fault in every field, child and rule.
        """
        errors = self.errors(entity)
        if errors:
            raise ValidationFailed(self.spec.qualified, tuple(errors))

    def errors(self, entity: Any, prefix: str = "") -> list[FieldError]:
        """Every fault; rules over the whole entity run only where its values are sound."""
        errors: list[FieldError] = []
        if not isinstance(entity.id, UUID):
            errors.append(FieldError(prefix + "id", "type", "must be a UUID"))
        for name, check, validators in self._fields:
            value = getattr(entity, name)
            try:
                if value is MISSING:
                    raise BadValue("required", "a value is required")  # noqa: TRY301  one road to a FieldError
                normal = check(value)
                if normal is not value:
                    setattr(entity, name, normal)
                if normal is not None:
                    for validator in validators:
                        validator(normal)
            except BadValue as bad:
                errors.append(FieldError(prefix + name, bad.code, bad.message, bad.params))
            except Refused as refused:
                errors.append(FieldError(prefix + name, refused.reason, refused.message))
        for name, child in self._children:
            errors.extend(_child_errors(getattr(entity, name), child, f"{prefix}{name}"))
        given = getattr(entity, "_ext", None)
        if given and not self._known.issuperset(given):
            raise _unlisted(self.spec, next(cls for cls in given if cls not in self._known))
        for extension in self._extensions:
            errors.extend(extension.errors(entity, prefix))
        if not errors:
            for rule in self._whole:
                try:
                    rule(entity)
                except Refused as refused:
                    field = prefix + refused.field if refused.field else prefix.rstrip(".")
                    errors.append(FieldError(field, refused.reason, refused.message))
            for extension in self._extensions:
                errors.extend(extension.refusals(entity, prefix))
        return errors


class _ExtensionChecks:
    """The checks of what one extension adds; an entity that nobody gave values to has the defaults."""

    __slots__ = ("_fields", "_names", "_of", "_on", "_whole")

    def __init__(self, spec: ExtensionSpec, off: frozenset[str]) -> None:
        self._of, self._on = spec.cls.of, spec.cls.on
        self._names = {f.attribute: f.name for f in spec.fields}
        self._fields = tuple(
            (
                f.attribute,
                f.name,
                check_for(f),
                tuple(v for v in f.validators if f"{spec.module}.{name_of(v)}" not in off),
            )
            for f in spec.fields
        )
        self._whole = tuple(v.function for v in spec.validators if f"{spec.module}.{v.name}" not in off)

    def errors(self, entity: Any, prefix: str) -> list[FieldError]:
        extension = self._of(entity)
        errors: list[FieldError] = []
        for attribute, name, check, validators in self._fields:
            value = getattr(extension, attribute)
            try:
                normal = check(value)
                if normal is not value:
                    setattr(extension, attribute, normal)
                if normal is not None:
                    for validator in validators:
                        validator(normal)
            except BadValue as bad:
                errors.append(FieldError(prefix + name, bad.code, bad.message, bad.params))
            except Refused as refused:
                errors.append(FieldError(prefix + name, refused.reason, refused.message))
        return errors

    def refusals(self, entity: Any, prefix: str) -> list[FieldError]:
        errors: list[FieldError] = []
        for rule in self._whole:
            try:
                rule(self._on(entity))
            except Refused as refused:
                field = self._names.get(refused.field, refused.field)
                errors.append(FieldError((prefix + field).rstrip("."), refused.reason, refused.message))
        return errors


def _unlisted(spec: ModelSpec, extension: type) -> DeclarationError:
    return DeclarationError(
        f"{extension.__name__} is an extension of {spec.qualified} that no listed module brings",
        fix="list its module in APPS; its values would be lost",
    )


def _child_errors(rows: Any, child: Validator, name: str) -> list[FieldError]:
    if not isinstance(rows, list):
        return [FieldError(name, "type", "must be a list")]
    errors: list[FieldError] = []
    for position, row in enumerate(rows):
        if not isinstance(row, child.spec.cls):
            errors.append(FieldError(f"{name}.{position}", "type", f"must be a {child.spec.name}"))
        else:
            errors.extend(child.errors(row, f"{name}.{position}."))
    ids = [row.id for row in rows if isinstance(row, child.spec.cls) and isinstance(row.id, UUID)]
    if len(set(ids)) != len(ids):
        errors.append(FieldError(name, "duplicate", "two of them have the same id"))
    return errors


def name_of(validator: Any) -> str:
    """What a field's validator is called in ``disable``: the function's name, or its class's."""
    name: str = getattr(validator, "__name__", type(validator).__name__)
    return name


def check_parameters(parameters: tuple[FieldSpec, ...], given: dict[str, Any], model: str) -> dict[str, Any]:
    """The arguments of an action, normalised and completed with defaults.

    Raises:
        ValidationFailed: Every missing, unknown or wrong argument.
    """
    errors: list[FieldError] = []
    known = {parameter.name for parameter in parameters}
    errors.extend(FieldError(name, "unknown", "is not a parameter") for name in given if name not in known)
    checked: dict[str, Any] = {}
    for parameter in parameters:
        value = given.get(parameter.name, MISSING)
        if value is MISSING:
            value = parameter.default_factory() if parameter.default_factory else parameter.default
        try:
            if value is MISSING:
                raise BadValue("required", "a value is required")  # noqa: TRY301  one road to a FieldError
            checked[parameter.name] = normal = check_for(parameter)(value)
            if normal is not None:
                for validator in parameter.validators:
                    validator(normal)
        except BadValue as bad:
            errors.append(FieldError(parameter.name, bad.code, bad.message, bad.params))
        except Refused as refused:
            errors.append(FieldError(parameter.name, refused.reason, refused.message))
    if errors:
        raise ValidationFailed(model, tuple(errors))
    return checked
