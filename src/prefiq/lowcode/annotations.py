"""Annotations of a class: while it is made, and afterwards."""

from __future__ import annotations

import re
import sys
import typing
from typing import Any

__all__ = ["annotations_in", "is_class_variable", "own_annotations"]

_CLASS_VARIABLE = re.compile(r"(?:\w+\.)*ClassVar\b")

if sys.version_info >= (3, 14):  # annotations are computed when asked for (PEP 649)
    import annotationlib

    def annotations_in(namespace: dict[str, Any]) -> dict[str, Any]:
        """The annotations in the body of a class that is being made."""
        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is None:
            return dict(namespace.get("__annotations__", {}))
        return annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF)

    def own_annotations(cls: type) -> dict[str, Any]:
        """The annotations in the body of a class, not those of its bases."""
        found = annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
        return {
            name: value.__forward_arg__ if isinstance(value, annotationlib.ForwardRef) else value
            for name, value in found.items()
        }

else:

    def annotations_in(namespace: dict[str, Any]) -> dict[str, Any]:
        """The annotations in the body of a class that is being made."""
        return dict(namespace.get("__annotations__", {}))

    def own_annotations(cls: type) -> dict[str, Any]:
        """The annotations in the body of a class, not those of its bases."""
        return dict(vars(cls).get("__annotations__", {}))


def is_class_variable(annotation: Any) -> bool:
    """Whether it says ``ClassVar``: an attribute of the class, not a field."""
    if isinstance(annotation, str):
        return _CLASS_VARIABLE.match(annotation) is not None
    return annotation is typing.ClassVar or typing.get_origin(annotation) is typing.ClassVar
