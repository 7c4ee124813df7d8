"""Contracts as types: their names, what they extend, and what a type variable stands for in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar, get_args, get_origin

from prefiq.contracts import IDomain, IDomainService

__all__ = ["extends", "label", "name_of", "origin", "substitute", "type_arguments"]

FAMILIES = (IDomain, IDomainService)
"""Generic contracts that whatever extends them answers too."""


def origin(contract: Any) -> Any:
    """``IDomain`` for ``IDomain[Note]``; anything not generic unchanged."""
    if contract.__class__ is type:  # nearly all, and thousands are asked at boot
        return contract
    return get_origin(contract) or contract


def label(contract: Any) -> str:
    """A contract's name for people and for configuration, for example ``"IDomain[Note]"``."""
    if contract.__class__ is type:
        return str(contract.__name__)
    arguments = get_args(contract)
    base = getattr(origin(contract), "__name__", None) or str(contract)
    if not arguments:
        return str(base)
    return f"{base}[{', '.join(label(argument) for argument in arguments)}]"


def name_of(provides: Any) -> str:
    """The name of a class, function or alias; of any other object that of its type."""
    if isinstance(provides, type) or get_origin(provides) is not None:
        return label(provides)
    name = getattr(provides, "__qualname__", "")  # of a value that answers to any name, anything
    return (name.rpartition("<locals>.")[2] if isinstance(name, str) else "") or type(provides).__name__


def substitute(annotation: Any, known: Mapping[Any, Any]) -> Any:
    """The annotation with type variables replaced where it is known what they stand for."""
    if not known:
        return annotation
    if isinstance(annotation, TypeVar):
        return known.get(annotation, annotation)
    parameters = getattr(annotation, "__parameters__", ())
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation
    if not any(parameter in known for parameter in parameters):
        return annotation
    return annotation[tuple(known.get(parameter, parameter) for parameter in parameters)]


def _bases(contract: Any) -> Iterator[Any]:
    """Every base, directly or not, with type variables replaced by what the contract says."""
    cls = origin(contract)
    if not isinstance(cls, type):
        return
    known = dict(zip(getattr(cls, "__parameters__", ()), get_args(contract), strict=False))
    for base in cls.__dict__.get("__orig_bases__", cls.__bases__):
        if origin(base) in {object, Generic, Protocol}:
            continue
        actual = substitute(base, known)
        yield actual
        yield from _bases(actual)


@lru_cache(maxsize=4096)
def extends(contract: Any) -> tuple[Any, ...]:
    """The ``IDomain[M]`` and ``IDomainService[M]`` that a contract extends, without itself."""
    found = {
        base: None
        for base in _bases(contract)
        if get_origin(base) in FAMILIES and not getattr(base, "__parameters__", ())
    }
    return tuple(found)


def type_arguments(provides: Any, definer: type) -> Mapping[Any, Any]:
    """What the type variables of ``definer``, a base of ``provides``, stand for there.

    Args:
        provides: A class or generic alias, for example ``Services[Note]`` or ``class NoteService(Services[Note])``.
        definer: The class whose method is about to be read, for example ``Services``.
    """
    if not getattr(definer, "__parameters__", ()):
        return {}
    for base in (provides, *_bases(provides)):
        if get_origin(base) is definer:
            return dict(zip(definer.__parameters__, get_args(base), strict=False))
    return {}
