"""Functions of modules whose further parameters come from the scope: subscribers."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from prefiq.contracts import Scope
from prefiq.lowcode import DeclarationError

__all__ = ["Injected", "injected"]


class Injected:
    """A function whose parameters behind the given ones are resolved from the scope.

    Args:
        function: The function.
        contracts: Parameter name → contract.
    """

    __slots__ = ("contracts", "function", "name")

    def __init__(self, function: Callable[..., None], contracts: dict[str, Any]) -> None:
        self.function = function
        self.contracts = contracts
        self.name = f"{function.__module__}.{function.__qualname__}"

    def __call__(self, scope: Scope, *given: Any) -> None:
        """Run it in a scope."""
        more = {
            name: scope if contract is Scope else scope[contract] for name, contract in self.contracts.items()
        }
        self.function(*given, **more)


def injected(function: Callable[..., None], *, taken: int) -> Injected:
    """Read what a function wants.

    Args:
        function: The function.
        taken: How many leading parameters the caller gives.

    Raises:
        DeclarationError: A parameter has no annotation that can be read.
    """
    hints = typing.get_type_hints(function)
    contracts: dict[str, Any] = {}
    for parameter in list(inspect.signature(function).parameters.values())[taken:]:
        if parameter.name not in hints:
            raise DeclarationError(
                f"{parameter.name} has no annotation",
                f"{function.__module__}.{function.__qualname__}",
                "annotate it with the contract it wants",
            )
        contracts[parameter.name] = hints[parameter.name]
    return Injected(function, contracts)
