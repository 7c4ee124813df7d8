"""Importing what a module names, and telling what went wrong in somebody else's code."""

from __future__ import annotations

import importlib
import logging
import traceback
from time import perf_counter
from types import TracebackType
from typing import Any

from prefiq.errors import PrefiqError
from prefiq.plugins.errors import BadReference, ModuleFailed

__all__ = ["SLOW_SECONDS", "Step", "failed", "load_object"]

logger = logging.getLogger("prefiq.modules")
SLOW_SECONDS = 1.0
"""Time of one step of one module after which a start says so."""

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
    if isinstance(error, PrefiqError):
        text = f"{kind}: {error.what}"
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


class Step:
    """Around a module's own code: what takes long is logged; at level DEBUG every step is, as it begins and ends.

    Args:
        module: The module.
        package: Name and version of its package; empty where there is none.
        step: What is done, for example ``"import"`` or ``"bind"``.
    """

    __slots__ = ("_begun", "module", "package", "step")

    def __init__(self, module: str, package: str, step: str) -> None:
        self.module = module
        self.package = package
        self.step = step

    def __enter__(self) -> None:
        self._tell("begins")
        self._begun = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = perf_counter() - self._begun
        self._tell("ends")
        if seconds > SLOW_SECONDS:
            logger.warning(
                "the module %s took %.1f s in %s", self.module, seconds, self.step, extra=self._data()
            )

    def _tell(self, moment: str) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(
                "%s: %s %s", self.module, self.step, moment, extra={**self._data(), "moment": moment}
            )

    def _data(self) -> dict[str, str]:
        return {"app": self.module, "package": self.package, "step": self.step}
