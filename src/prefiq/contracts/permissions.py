"""``IPermissions``: the one place that decides whether the current actor may do something."""

from __future__ import annotations

from typing import Protocol

__all__ = ["IPermissions"]


class IPermissions(Protocol):
    """The permissions of the current actor; default deny."""

    def allows(self, permission: str, /) -> bool:
        """Whether the actor holds it, for example ``"projects.project.create"``."""
        ...

    def require(self, permission: str, /) -> None:
        """Nothing, or an error.

        Raises:
            prefiq.contracts.errors.Forbidden: The actor does not hold it.
        """
        ...
