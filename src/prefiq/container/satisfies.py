"""Whether a class keeps a contract's promises, found at boot and once, never when resolving."""

from __future__ import annotations

import inspect
from functools import lru_cache
from types import CodeType, FunctionType, UnionType
from typing import Any, Generic, Protocol

from typing_extensions import get_protocol_members

from prefiq.container.generics import label, origin
from prefiq.container.parameters import NO_ANNOTATION, Unreadable, annotations_of, evaluate_return

__all__ = ["made_by", "shortcomings"]

MISSING = object()


def _nothing() -> None: ...


EMPTY_BODY = _nothing.__code__.co_code
"""What a function of a Protocol compiles to whose body is ``...`` or a docstring."""


def made_by(provides: Any) -> Any:
    """The class of the objects that a class, alias or annotated function makes; None where unknown."""
    target = origin(provides)
    if isinstance(target, type):
        return target
    function = getattr(target, "__func__", target)
    annotation = (
        annotations_of(function).get("return", NO_ANNOTATION)
        if isinstance(function, FunctionType)
        else NO_ANNOTATION
    )
    if annotation is NO_ANNOTATION:
        return None
    try:
        made = origin(evaluate_return(target, annotation))
    except Unreadable:
        return None
    # `Any` and `A | B` are classes of a kind at run time, and promise nothing here.
    return made if isinstance(made, type) and made not in {Any, UnionType} else None


@lru_cache(maxsize=8192)
def shortcomings(contract: Any, implementation: type) -> tuple[str, ...]:
    """What a class lacks to satisfy a contract, as clauses such as ``"has no get_by_code"``.

    Args:
        contract: A class (not an alias).
        implementation: A class whose objects are to answer it.
    """
    if not isinstance(contract, type):
        return ()
    if getattr(contract, "_is_protocol", False):
        if implementation is contract:
            return ("is a Protocol itself and cannot be built",)
        return tuple(_of_protocol(contract, implementation))
    if not issubclass(implementation, contract):
        return (f"is not a subclass of {label(contract)}",)
    return tuple(f"has no {name}" for name in sorted(getattr(implementation, "__abstractmethods__", ())))


def _of_protocol(contract: type, implementation: type) -> list[str]:
    found: list[str] = []
    open_ended = _static(implementation, "__getattr__") is not MISSING
    abstract: frozenset[str] = getattr(implementation, "__abstractmethods__", frozenset())
    for name in sorted(get_protocol_members(contract)):
        promised = _static(contract, name)
        has = _static(implementation, name)
        if has is MISSING:
            if not open_ended and not _is_attribute(implementation, name, promised):
                found.append(f"has no {name}")
        elif has is promised and isinstance(has, FunctionType) and has.__code__.co_code == EMPTY_BODY:
            found.append(f"does not implement {name}")
        elif name in abstract:
            found.append(f"has no {name}")
        elif isinstance(promised, FunctionType) and isinstance(has, FunctionType) and has is not promised:
            found += _arity(name, promised, has)
    return found


def _static(cls: type, name: str) -> Any:
    for base in cls.__mro__:
        if base is not object and base not in {Protocol, Generic} and name in base.__dict__:
            return base.__dict__[name]
    return MISSING


def _is_attribute(implementation: type, name: str, promised: Any) -> bool:
    """Whether objects have it though the class does not: annotated, or assigned in the constructor."""
    if isinstance(promised, FunctionType):
        return False
    for base in implementation.__mro__:
        if name in annotations_of(base):
            return True
        constructor = base.__dict__.get("__init__")
        if isinstance(constructor, FunctionType) and name in constructor.__code__.co_names:
            return True
    return False


def _arity(name: str, promised: FunctionType, has: FunctionType) -> list[str]:
    """Calls that the promise allows and the method refuses."""
    must, may = promised.__code__, has.__code__
    required_by_contract = must.co_argcount - len(promised.__defaults__ or ())
    required = may.co_argcount - len(has.__defaults__ or ())
    found: list[str] = []
    if not may.co_flags & inspect.CO_VARARGS and may.co_argcount < must.co_argcount:
        found.append(
            f"takes {may.co_argcount - 1} arguments in {name} where {must.co_argcount - 1} are promised"
        )
    elif required > required_by_contract and not must.co_flags & inspect.CO_VARARGS:
        found.append(
            f"requires {required - 1} arguments in {name} where {required_by_contract - 1} are promised"
        )
    names = may.co_varnames[: may.co_argcount + may.co_kwonlyargcount]
    if not may.co_flags & inspect.CO_VARKEYWORDS:
        found += _names(name, must, may)
        found += [
            f"takes no {keyword} in {name}"
            for keyword in must.co_varnames[must.co_argcount : must.co_argcount + must.co_kwonlyargcount]
            if keyword not in names
        ]
    defaults = has.__kwdefaults__ or {}
    if not must.co_flags & inspect.CO_VARKEYWORDS:
        promised_names = must.co_varnames[: must.co_argcount + must.co_kwonlyargcount]
        found += [
            f"requires {keyword} in {name}, which is not promised"
            for keyword in may.co_varnames[may.co_argcount : may.co_argcount + may.co_kwonlyargcount]
            if keyword not in defaults and keyword not in promised_names
        ]
    return found


def _names(name: str, must: CodeType, may: CodeType) -> list[str]:
    """Parameters that the promise lets callers give by name, and that are called otherwise here."""
    found: list[str] = []
    for place in range(max(must.co_posonlyargcount, 1), min(must.co_argcount, may.co_argcount)):
        promised, own = must.co_varnames[place], may.co_varnames[place]
        if promised.startswith("__"):  # by place only, as it was written before there was a sign for it
            continue
        if place < may.co_posonlyargcount:
            found.append(f"takes {promised} in {name} by place only")
        elif own != promised:
            found.append(f"calls {own} in {name} what is promised as {promised}")
    return found
