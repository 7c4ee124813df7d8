"""Functions of modules whose further parameters come from the scope: subscribers."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from prefiq.contracts import Scope
from prefiq.lowcode import DeclarationError

__all__ = ["Injected", "injected"]

BY_NAME = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


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
        DeclarationError: A parameter cannot be given by name or has no annotation that can be read, the
            function takes too little, or it must be awaited.
    """
    where = f"{function.__module__}.{function.__qualname__}"
    if inspect.iscoroutinefunction(function):
        raise DeclarationError("a subscriber is not awaited", where, "write def in place of async def")
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) < taken:
        raise DeclarationError("it does not take what it is given", where, "take it as the first parameter")
    try:
        hints = typing.get_type_hints(function)
    except Exception as error:
        raise DeclarationError(
            f"its annotations cannot be read: {error}",
            where,
            "import the types outside TYPE_CHECKING",
        ) from error
    contracts: dict[str, Any] = {}
    for parameter in parameters[taken:]:
        if parameter.kind not in BY_NAME:
            raise DeclarationError(
                f"{parameter.name} cannot be given by name", where, "declare a plain parameter"
            )
        if parameter.name not in hints:
            raise DeclarationError(
                f"{parameter.name} has no annotation", where, "annotate it with the contract it wants"
            )
        contracts[parameter.name] = hints[parameter.name]
    return Injected(function, contracts)
