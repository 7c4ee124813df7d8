"""Importing what a module names, and telling what went wrong in somebody else's code."""

from __future__ import annotations

import importlib
import traceback
from typing import Any

from prefiq.plugins.errors import BadReference, ModuleFailed

__all__ = ["failed", "load_object"]

# Texts of these speak of code, not of values.
TELLING = (ImportError, SyntaxError, NameError, AttributeError, TypeError)


def load_object(reference: str, *, asked_by: str = "") -> Any:
    """The object that an import path leads to.

    Args:
        reference: ``package.module:Name``.
        asked_by: File and key that name it, for errors.

    Raises:
        BadReference: The path is malformed, or the module has no such name.
        Exception: Whatever the module raises when it is imported.
    """
    module, colon, name = reference.partition(":")
    if (
        not colon
        or not name
        or not all(part.isidentifier() for part in (*module.split("."), *name.split(".")))
    ):
        raise BadReference(reference, "it is not of the form package.module:Name", asked_by)
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(error.name + ".")):
            raise BadReference(reference, f"there is no module {error.name}", asked_by) from None
        raise
    for part in name.split("."):
        if not hasattr(found, part):
            raise BadReference(reference, f"{module} has no {part}", asked_by)
        found = getattr(found, part)
    return found


def failed(module: str, distribution: str, step: str, error: BaseException) -> ModuleFailed:
    """The fault of a module whose code raised; the error is its cause."""
    kind = type(error).__name__
    text = f"{kind}: {error}" if isinstance(error, TELLING) else kind
    if isinstance(error, SyntaxError) and error.filename:
        text, source = f"{kind}: {error.msg}", f"{error.filename}:{error.lineno}"
    else:
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if not frame.filename.startswith("<frozen") and "importlib" not in frame.filename
        ]
        source = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    fault = ModuleFailed(module, distribution, step, text, source)
    fault.__cause__ = error
    return fault
