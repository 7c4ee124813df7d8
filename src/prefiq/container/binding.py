"""``Binding``: one answer to one contract, as a module declared it; a value without behaviour."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Binding", "Lifetime", "Role"]

Lifetime = Literal["scope", "app", "new", "resource", "value"]
"""How long an object lives: one per scope, one per application, a new one each time it is asked for, one
per application that is opened and closed, or a value that existed before."""

Role = Literal["owner", "default", "collected", "decorator"]
"""Whether a binding owns its contract, answers where nobody does, is one of many, or wraps another."""


# Compared by identity: two modules may well write the same binding, and a fault names both.
@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """One answer to one contract.

    Args:
        contract: A class, a Protocol or a generic alias, for example ``IDomainService[Note]``.
        provides: The class, function or generator function that makes the object; the object itself
            where ``lifetime`` is ``"value"``.
        lifetime: How long the object lives.
        module: Name of the module that bound it.
        source: ``file:line`` of the call that bound it.
        role: Owner, default, collected or decorator.
        private: Whether other modules may not ask for it.
        opens: Whether ``provides`` opens the object, and says how it is closed; see ``opening``.
        args: Explicit arguments by parameter name: a value, or a contract to be resolved.
        active: Whether its condition held.
        reason: Text of the condition, for the report; empty where there is none.
        replaced: What it took the place of, by ``[replace]`` or in a fork; None for one that a module wrote.
        extended: Module, class and place of each part that other modules put in front of ``provides``.
    """

    contract: Any
    provides: Any
    lifetime: Lifetime = "scope"
    module: str = ""
    source: str = ""
    role: Role = "owner"
    private: bool = False
    opens: bool = False
    args: Mapping[str, Any] = field(default_factory=dict)
    active: bool = True
    reason: str = ""
    replaced: Binding | None = None
    extended: tuple[tuple[str, str, str], ...] = ()

    def replaced_by(self, provides: Any, *, source: str) -> Binding:
        """The same binding with another implementation and no explicit arguments."""
        return dataclasses.replace(
            self,
            provides=provides,
            source=source,
            lifetime="app" if self.lifetime in {"value", "resource"} else self.lifetime,
            opens=False,
            args={},
            replaced=self,
            extended=(),
        )
