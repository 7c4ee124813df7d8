"""Faults of composition: bindings that do not fit together.  Room ``container``; any room above may import it.

All are found at boot, together, and name the module, the file and the line of the binding.
"""

from __future__ import annotations

from typing import ClassVar

from prefiq.errors import PrefiqError

__all__ = [
    "AsyncFactory",
    "AsyncResource",
    "BinderSealed",
    "CaptiveDependency",
    "CompositionError",
    "ContractNotSatisfied",
    "CyclicBindings",
    "DecoratesNothing",
    "DuplicateOwner",
    "MissingBinding",
    "PrivateContract",
    "ResourceFailed",
    "ResourceNotOpen",
    "UnknownReplacement",
    "UnreadableParameter",
    "UnusableBinding",
]


class CompositionError(PrefiqError):
    """Bindings do not fit together; the root of what the container finds.

    Args:
        module: Name of the module that made the binding, for example ``"projects"``; empty where none did.
        source: ``file:line`` of the binding, or the file and key that asked for it.
    """

    exit_code: ClassVar[int] = 3

    code: ClassVar[str] = "PFQ300"

    def __init__(self, module: str = "", source: str = "") -> None:
        self.module = module
        self.source = source

    @property
    def where(self) -> str:  # type: ignore[override]
        """The module and the place of the binding."""
        place = f"module {self.module}" if self.module else ""
        return ", ".join(part for part in (place, self.source) if part)


class MissingBinding(CompositionError):
    """Something asks for a contract that nobody binds.

    Args:
        contract: Name of the contract.
        needed_by: ``Class(parameter)`` that asks for it, or what asked at run time.
        nearest: The bound contract with the most similar name, or empty.
        module: Module of the binding that asks.
        source: Place of the binding that asks.
    """

    code: ClassVar[str] = "PFQ301"

    def __init__(
        self, contract: str, needed_by: str = "", nearest: str = "", module: str = "", source: str = ""
    ) -> None:
        super().__init__(module, source)
        self.contract = contract
        self.needed_by = needed_by
        self.nearest = nearest

    @property
    def what(self) -> str:  # type: ignore[override]
        """The contract, and who asks."""
        asks = f", which {self.needed_by} asks for" if self.needed_by else ""
        return f"Nothing is bound to {self.contract}{asks}"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """The nearest name, or how to bind."""
        if self.nearest:
            return f"did you mean {self.nearest}? Else bind it: to.bind({self.contract}, …)"
        return f"bind it: to.bind({self.contract}, …), or list the module that does"


class CyclicBindings(CompositionError):
    """Objects need each other in a circle, so none can be built first.

    Args:
        path: Names around the circle; the first is repeated at the end.
        module: Module of the first.
        source: Place of the first.
    """

    code: ClassVar[str] = "PFQ302"

    def __init__(self, path: tuple[str, ...], module: str = "", source: str = "") -> None:
        super().__init__(module, source)
        self.path = path

    @property
    def what(self) -> str:  # type: ignore[override]
        """The circle."""
        return "These need each other: " + " -> ".join(self.path)

    @property
    def fix(self) -> str:  # type: ignore[override]
        """Where to break it."""
        asked = self.path[-1].partition(" (")[0]
        return f"ask for Lazy[{asked}] in {self.path[-2]}, or split what both need into a third"


class CaptiveDependency(CompositionError):
    """An object of the application would hold one of a scope, and so one tenant's object for everybody.

    Args:
        path: Names from the object of the application to the one of the scope.
        module: Module of the former.
        source: Place of the former.
    """

    code: ClassVar[str] = "PFQ303"

    def __init__(self, path: tuple[str, ...], module: str = "", source: str = "") -> None:
        super().__init__(module, source)
        self.path = path

    @property
    def what(self) -> str:  # type: ignore[override]
        """Who holds whom."""
        return (
            f"{self.path[0]} lives as long as the application but would keep {self.path[-1]}, "
            f"which belongs to one scope: " + " -> ".join(self.path)
        )

    @property
    def fix(self) -> str:  # type: ignore[override]
        """Two ways out."""
        return f"bind {self.path[0]} per scope (to.bind), or ask for Lazy[{self.path[-1]}]"


class PrivateContract(CompositionError):
    """A module asks for a contract that another module keeps to itself.

    Args:
        contract: Name of the contract.
        owner: The module that bound it privately.
        needed_by: ``Class(parameter)`` that asks for it.
        module: Module that asks.
        source: Place of the binding that asks.
    """

    code: ClassVar[str] = "PFQ304"

    def __init__(self, contract: str, owner: str, needed_by: str, module: str = "", source: str = "") -> None:
        super().__init__(module, source)
        self.contract = contract
        self.owner = owner
        self.needed_by = needed_by

    @property
    def what(self) -> str:  # type: ignore[override]
        """Who asks for whose."""
        return f"{self.needed_by} asks for {self.contract}, which is private to module {self.owner}"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """Ask the owner, or bind an own one."""
        return f"use a contract that {self.owner} exports, or bind {self.contract} in this module too"


class DuplicateOwner(CompositionError):
    """Two bindings claim one contract.

    Args:
        contract: Name of the contract.
        module: Module of the second binding.
        source: Place of the second binding.
        other_module: Module of the first binding.
        other_source: Place of the first binding.
    """

    code: ClassVar[str] = "PFQ305"

    def __init__(self, contract: str, module: str, source: str, other_module: str, other_source: str) -> None:
        super().__init__(module, source)
        self.contract = contract
        self.other_module = other_module
        self.other_source = other_source

    @property
    def what(self) -> str:  # type: ignore[override]
        """The contract and the first owner."""
        return f"{self.contract} is already bound by module {self.other_module} ({self.other_source})"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """Ways to say which one is meant."""
        return (
            f'name the one you want under [replace] in prefiq.toml ("{self.other_module}.{self.contract}"), '
            "wrap the other with to.decorate, or make one a to.default; a contract that extends "
            "IDomain[M] or IDomainService[M] owns that too"
        )


class ContractNotSatisfied(CompositionError):
    """What is bound lacks something that the contract promises.

    Args:
        contract: Name of the contract.
        implementation: Name of the class bound to it.
        lacks: One sentence part for each fault, for example ``"has no get_by_code"``.
        module: Module of the binding.
        source: Place of the binding.
    """

    code: ClassVar[str] = "PFQ306"

    def __init__(
        self, contract: str, implementation: str, lacks: tuple[str, ...], module: str = "", source: str = ""
    ) -> None:
        super().__init__(module, source)
        self.contract = contract
        self.implementation = implementation
        self.lacks = lacks

    @property
    def what(self) -> str:  # type: ignore[override]
        """Every fault."""
        return f"{self.implementation} does not satisfy {self.contract}: it {', '.join(self.lacks)}"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """Which class to change."""
        return f"complete {self.implementation}; a type checker shows the same faults"


class AsyncFactory(CompositionError):
    """A coroutine function is bound as a factory; objects are built synchronously, always.

    Args:
        contract: Name of the contract.
        implementation: Name of the function.
        module: Module of the binding.
        source: Place of the binding.
    """

    code: ClassVar[str] = "PFQ307"

    def __init__(self, contract: str, implementation: str, module: str = "", source: str = "") -> None:
        super().__init__(module, source)
        self.contract = contract
        self.implementation = implementation

    @property
    def what(self) -> str:  # type: ignore[override]
        """The function."""
        return f"{self.implementation}, bound to {self.contract}, is an async function"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """The lifecycle's way."""
        return "make it a plain function; open and close what must be with to.resource and a generator"


class AsyncResource(CompositionError):
    """A resource is opened by async code, which needs ``DB_MODE=async``.

    Args:
        contract: Name of the contract.
        implementation: Name of the function or class.
        module: Module of the binding.
        source: Place of the binding.
    """

    code: ClassVar[str] = "PFQ315"

    def __init__(self, contract: str, implementation: str, module: str = "", source: str = "") -> None:
        super().__init__(module, source)
        self.contract = contract
        self.implementation = implementation

    @property
    def what(self) -> str:  # type: ignore[override]
        """The function or class."""
        return (
            f"{self.implementation}, which opens the resource {self.contract}, is async, and DB_MODE is sync"
        )

    fix = "set DB_MODE=async, or open it by a plain generator function, which works in both modes"


class UnreadableParameter(CompositionError):
    """A parameter does not say which contract it wants.

    Args:
        callable: Name of the class or function.
        parameter: Name of the parameter.
        annotation: Its annotation as written; empty where there is none.
        why: What stands in the way, a clause without full stop.
        module: Module of the binding.
        source: Place of the binding.
    """

    code: ClassVar[str] = "PFQ308"

    def __init__(
        self, callable: str, parameter: str, annotation: str, why: str, module: str = "", source: str = ""
    ) -> None:
        super().__init__(module, source)
        self.callable = callable
        self.parameter = parameter
        self.annotation = annotation
        self.why = why

    @property
    def what(self) -> str:  # type: ignore[override]
        """The parameter as written, and why it cannot be read."""
        written = f": {self.annotation}" if self.annotation else ""
        return f"{self.callable}({self.parameter}{written}) cannot be read, because {self.why}"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """Two ways out."""
        return (
            "annotate it with a contract that is imported at run time, "
            f'or give it in the binding: args={{"{self.parameter}": …}}'
        )


class DecoratesNothing(CompositionError):
    """A decorator has nothing to wrap, or no parameter to receive it.

    Args:
        contract: Name of the contract.
        decorator: Name of the class or function.
        bound: Whether the contract is bound (then the parameter is what is missing).
        nearest: The bound contract with the most similar name, or empty.
        module: Module of the decorator.
        source: Place of the decorator.
    """

    code: ClassVar[str] = "PFQ309"

    def __init__(
        self,
        contract: str,
        decorator: str,
        bound: bool,
        nearest: str = "",
        module: str = "",
        source: str = "",
    ) -> None:
        super().__init__(module, source)
        self.contract = contract
        self.decorator = decorator
        self.bound = bound
        self.nearest = nearest

    @property
    def what(self) -> str:  # type: ignore[override]
        """What is missing."""
        if self.bound:
            return f"{self.decorator} decorates {self.contract} but takes no parameter of that type"
        return f"{self.decorator} decorates {self.contract}, which nothing is bound to"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """How to complete it."""
        if self.bound:
            return f"add a parameter for what it wraps: inner: {self.contract}"
        return f"did you mean {self.nearest}?" if self.nearest else "list the module that binds it"


class ResourceNotOpen(CompositionError):
    """A resource was asked for before the application opened it, or after it was closed."""

    code: ClassVar[str] = "PFQ310"

    def __init__(self, contract: str, module: str = "", source: str = "") -> None:
        super().__init__(module, source)
        self.contract = contract

    @property
    def what(self) -> str:  # type: ignore[override]
        """The resource."""
        return f"The resource {self.contract} is not open"

    fix = (
        'use the application, or the fork that replaced what it depends on, as a context manager ("with …:")'
    )


class ResourceFailed(CompositionError):
    """A resource could not be opened or closed; the original error is the cause.

    Args:
        contract: Name of the contract.
        step: ``"open"`` or ``"close"``.
        error: Name of the original error's type, whose text may hold secrets and stays in the cause; what an
            error of Prefiq says of itself.
        module: Module of the binding.
        source: Place of the binding.
        advice: What an error of Prefiq says to do.
    """

    code: ClassVar[str] = "PFQ311"

    def __init__(
        self, contract: str, step: str, error: str, module: str = "", source: str = "", advice: str = ""
    ) -> None:
        super().__init__(module, source)
        self.contract = contract
        self.step = step
        self.error = error
        self.advice = advice

    @property
    def what(self) -> str:  # type: ignore[override]
        """The resource and the kind of error."""
        return f"The resource {self.contract} failed to {self.step}: {self.error}"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """What the error says itself, or where to look."""
        return self.advice or "see the error it was caused by; every other resource was closed"


class UnknownReplacement(CompositionError):
    """A replacement names a binding that does not exist.

    Args:
        name: The name given, ``<module>.<contract>``.
        nearest: The most similar name that exists, or empty.
        source: File and table that name it, for example ``"prefiq.toml [replace]"``.
    """

    code: ClassVar[str] = "PFQ312"

    def __init__(self, name: str, nearest: str = "", source: str = "") -> None:
        super().__init__("", source)
        self.name = name
        self.nearest = nearest

    @property
    def what(self) -> str:  # type: ignore[override]
        """The name."""
        return f"There is no binding {self.name} to replace"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """The nearest name."""
        return f"did you mean {self.nearest}?" if self.nearest else "the name is <module>.<contract>"


class UnusableBinding(CompositionError):
    """A binding cannot be used as it was made.

    Args:
        contract: Name of the contract.
        why: What is wrong, a clause without full stop.
        advice: What to write instead.
        module: Module of the binding.
        source: Place of the binding.
    """

    code: ClassVar[str] = "PFQ313"

    def __init__(self, contract: str, why: str, advice: str, module: str = "", source: str = "") -> None:
        super().__init__(module, source)
        self.contract = contract
        self.why = why
        self.fix = advice

    @property
    def what(self) -> str:  # type: ignore[override]
        """The contract and the reason."""
        return f"The binding of {self.contract} cannot be used: {self.why}"


class BinderSealed(CompositionError):
    """A module tried to bind after the bindings were collected."""

    code: ClassVar[str] = "PFQ314"

    def __init__(self, contract: str, module: str = "", source: str = "") -> None:
        super().__init__(module, source)
        self.contract = contract

    @property
    def what(self) -> str:  # type: ignore[override]
        """What was bound too late."""
        return f"{self.contract} was bound too late: the container is sealed"

    fix = "bind in the provider's bind method; keep no reference to the binder"
