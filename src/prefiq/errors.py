"""The root of every error that Prefiq raises; any room may import it, it imports none.

The tree (a room's own errors live in that room's ``errors.py``)::

    PrefiqError
    ├── Faults                      several errors of one kind, found together
    ├── contracts.errors            what a use case answers: NotFound, Forbidden, ValidationFailed, …
    ├── lowcode.errors              Violation: a mistake in a declaration
    ├── settings.errors             a setting, an environment variable or prefiq.toml is wrong
    ├── container.errors            bindings that do not fit together
    ├── plugins.errors              a listed module is missing, broken or in the wrong order
    ├── sql.errors                  what a database said, without its values
    ├── migrations.errors           a migration cannot be made or applied
    └── web.errors                  a request that cannot be understood

Every leaf has a stable ``code``, which is a heading in ``docs/errors.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

__all__ = ["Faults", "PrefiqError"]


def _rebuild(cls: type[PrefiqError], state: dict[str, Any]) -> PrefiqError:
    error = cls.__new__(cls)
    error.__dict__.update(state)
    return error


class PrefiqError(Exception):
    """What happened, where, and what to do about it.

    Subclasses hold data in their attributes and derive the three texts from it.  A secret is never one
    of the attributes.
    """

    code: ClassVar[str] = "PFQ000"
    """Stable identifier, a heading in ``docs/errors.md``."""
    exit_code: ClassVar[int] = 1
    """What the command line returns when this ends a command."""
    status: ClassVar[int] = 500
    """The HTTP status when this ends a request."""

    what: str = "Something went wrong"
    where: str = ""
    fix: str = ""

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        advice = f"\n  Try: {self.fix}" if self.fix else ""
        return f"{self.what}{place} [{self.code}]{advice}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Picklable between workers, whatever a subclass's __init__ takes.
        return _rebuild, (type(self), self.__dict__)


class Faults(PrefiqError, ExceptionGroup[PrefiqError]):
    """Everything wrong of one kind, found together.

    A bare ``ExceptionGroup`` would escape ``except PrefiqError``.

    Args:
        message: What was being done, one sentence, for example ``"The application cannot start"``.
        exceptions: The errors found, at least one.
    """

    code: ClassVar[str] = "PFQ001"

    def __new__(cls, message: str, exceptions: Sequence[PrefiqError]) -> Self:  # noqa: D102
        return super().__new__(cls, message, exceptions)

    def __init__(self, message: str, exceptions: Sequence[PrefiqError]) -> None:
        super().__init__(message, exceptions)
        self.what = message

    def derive(self, excs: Sequence[PrefiqError]) -> Faults:  # type: ignore[override]
        """The same group around other errors (``ExceptionGroup``'s protocol for ``split``)."""
        return type(self)(self.message, excs)

    @property
    def worst_exit_code(self) -> int:
        """The highest exit code among the errors held."""
        return max(
            error.worst_exit_code if isinstance(error, Faults) else getattr(error, "exit_code", 1)
            for error in self.exceptions
        )

    def __str__(self) -> str:
        count = len(self.exceptions)
        lines = [f"{self.message}: {count} {'fault' if count == 1 else 'faults'}"]
        for number, error in enumerate(self.exceptions, 1):
            lines.append(f"  {number}. " + str(error).replace("\n", "\n     "))
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, tuple(self.exceptions))
