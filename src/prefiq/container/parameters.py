"""What a class or function asks for: its parameters and what their annotations mean."""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from prefiq.container.generics import origin, substitute, type_arguments

__all__ = [
    "NO_ANNOTATION",
    "Parameter",
    "Unreadable",
    "annotations_of",
    "evaluate",
    "evaluate_return",
    "parameters_of",
]

NO_ANNOTATION: Any = inspect.Parameter.empty


class Unreadable(Exception):
    """An annotation has no value at run time; the text says why.  Never leaves the room."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that can be filled.

    Args:
        name: As written.
        annotation: As written: an object, a text, or ``NO_ANNOTATION``.
        required: Whether it has no default.
        keyword: Whether it can be given by name only.
        namespace: Where names of the annotation are looked up.
        known: What type variables stand for.
    """

    name: str
    annotation: Any
    required: bool
    keyword: bool
    namespace: Mapping[str, Any]
    known: Mapping[Any, Any]

    @property
    def written(self) -> str:
        """The annotation as text; empty where there is none."""
        if self.annotation is NO_ANNOTATION:
            return ""
        return (
            self.annotation if isinstance(self.annotation, str) else inspect.formatannotation(self.annotation)
        )


def parameters_of(provides: Any) -> tuple[Parameter, ...]:
    """The parameters of a constructor or function, without ``self``, ``*args`` and ``**kwargs``."""
    target = origin(provides)
    known: Mapping[Any, Any] = {}
    skip = 0
    function: Any = target
    if isinstance(target, type):
        function = target.__init__  # type: ignore[misc]
        definer = next(c for c in target.__mro__ if "__init__" in c.__dict__)
        if definer is object:
            return () if "__new__" not in _names_of(target) else _from_signature(target, known)
        known = type_arguments(provides, definer)
        skip = 1
    elif isinstance(target, MethodType):
        function = target.__func__
        skip = 1
    elif not isinstance(target, FunctionType):
        function = next(
            (c.__dict__["__call__"] for c in type(target).__mro__ if "__call__" in c.__dict__), None
        )
        skip = 1
    if isinstance(function, FunctionType):
        return _from_code(inspect.unwrap(function), skip, known)
    return _from_signature(target, known)


def annotations_of(holder: Any) -> Mapping[str, Any]:
    """The annotations of a function or class as they stand, evaluated or not."""
    if sys.version_info >= (3, 14):
        import annotationlib

        # There they are evaluated when read, and a name may exist for type checkers alone.
        return annotationlib.get_annotations(holder, format=annotationlib.Format.FORWARDREF)
    return inspect.get_annotations(holder)


def _names_of(cls: type) -> set[str]:
    return {name for base in cls.__mro__ if base is not object for name in base.__dict__}


def _from_code(function: Any, skip: int, known: Mapping[Any, Any]) -> tuple[Parameter, ...]:
    # inspect.signature costs about 15 µs; thousands of constructors are read at boot.
    code = function.__code__
    names = code.co_varnames
    positional = code.co_argcount
    annotations = annotations_of(function)
    namespace = function.__globals__
    first_default = positional - len(function.__defaults__ or ())
    defaults = function.__kwdefaults__ or {}
    found = [
        Parameter(name, annotations.get(name, NO_ANNOTATION), i < first_default, False, namespace, known)
        for i, name in enumerate(names[:positional])
        if i >= skip
    ]
    found += [
        Parameter(name, annotations.get(name, NO_ANNOTATION), name not in defaults, True, namespace, known)
        for name in names[positional : positional + code.co_kwonlyargcount]
    ]
    return tuple(found)


def _from_signature(target: Callable[..., Any], known: Mapping[Any, Any]) -> tuple[Parameter, ...]:
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        return ()
    module = sys.modules.get(getattr(target, "__module__", "") or "")
    namespace = vars(module) if module is not None else {}
    plain = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return tuple(
        Parameter(
            parameter.name,
            parameter.annotation,
            parameter.default is inspect.Parameter.empty,
            parameter.kind is inspect.Parameter.KEYWORD_ONLY,
            namespace,
            known,
        )
        for parameter in signature.parameters.values()
        if parameter.kind not in plain
    )


def evaluate(parameter: Parameter, names: Mapping[str, Any]) -> Any:
    """What an annotation means.

    Args:
        parameter: The parameter.
        names: Further names, used where the module does not know one at run time (it was imported for the
            type checker only, or is local to a function).

    Raises:
        Unreadable: It cannot be evaluated.
    """
    written = parameter.annotation
    if not isinstance(written, str):
        return substitute(written, parameter.known)
    namespace = parameter.namespace
    if written in namespace:
        return substitute(namespace[written], parameter.known)
    # Annotations of installed code: as trusted as the module itself, which has been imported.
    try:
        meaning = eval(written, {}, _Names(namespace, names))  # noqa: S307
    except NameError as error:
        raise Unreadable(
            f"the name {error.name!r} is not known at run time (imported under TYPE_CHECKING, or local to a function)"
        ) from None
    except Exception as error:  # noqa: BLE001  an annotation may be any expression
        raise Unreadable(f"evaluating it raises {type(error).__name__}") from None
    return substitute(meaning, parameter.known)


class _Names(dict[str, Any]):
    """The module's names, Python's own, and only then the further ones."""

    __slots__ = ("_further", "_module")

    def __init__(self, module: Mapping[str, Any], further: Mapping[str, Any]) -> None:
        super().__init__()
        self._module = module
        self._further = further

    def __missing__(self, name: str) -> Any:
        if name in self._module:
            return self._module[name]
        if hasattr(builtins, name):
            return getattr(builtins, name)
        return self._further[name]


def evaluate_return(function: Any, annotation: Any) -> Any:
    """What a function's return annotation means.

    Raises:
        Unreadable: It cannot be evaluated.
    """
    namespace = getattr(function, "__globals__", {})
    return evaluate(Parameter("return", annotation, False, False, namespace, {}), {})
