"""Classes that are made for one model, by hand (``class ProjectRepos(RepositoryQuery[Project])``) or derived."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar, get_args

__all__ = ["ForModel", "derive", "model_of"]

E = TypeVar("E")


class ForModel(Generic[E]):
    """The store of one model; knows the model from its own base, and has ``get_by_<field>`` for unique fields."""

    model: ClassVar[type[Any]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        model = model_of(cls, ForModel)
        if model is not None:
            cls.model = model
        model = getattr(cls, "model", None)
        for name, decl in getattr(model, "__prefiq_fields__", {}).items():
            if decl.unique and not hasattr(cls, f"get_by_{name}"):
                setattr(cls, f"get_by_{name}", _getter(name))


def model_of(cls: type, generic: type) -> type | None:
    """The class ``M`` of ``class X(Generic[M])``, or None where the base is not given one."""
    for base in getattr(cls, "__orig_bases__", ()):
        origin = getattr(base, "__origin__", None)
        if isinstance(origin, type) and issubclass(origin, generic):
            (model, *_) = get_args(base)
            if isinstance(model, type):
                return model
    return None


def derive(generic: Any, model: type, suffix: str) -> type[Any]:
    """A new class ``generic[model]``, in the model's module.

    Args:
        generic: Takes the model as its only argument.
        model: The model.
        suffix: What its name has behind the model's.
    """
    return types.new_class(
        f"{model.__name__}{suffix}",
        (generic[model],),
        exec_body=lambda body: body.update(__module__=model.__module__),
    )


def _getter(field: str) -> Callable[[Any, object], Any]:
    def get(self: Any, value: object, /) -> Any:
        return self.get_by(field, value)

    get.__name__ = get.__qualname__ = f"get_by_{field}"
    get.__doc__ = f"The entity whose {field} has this value, or None."
    return get
