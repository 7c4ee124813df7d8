"""``Container``: resolves contracts; every binding is one of dependency-injector's providers.

``compose`` makes one from bindings: select, link, validate.  Providers are made when they are first asked
for (``supply``); ``resolve`` keeps one callable per contract, compiled from them (``plan``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, cast

from typing_extensions import TypeForm

from prefiq.container.errors import MissingBinding
from prefiq.container.generics import label, name_of
from prefiq.container.graph import Graph
from prefiq.container.linker import Linker, Wanted
from prefiq.container.native import Native
from prefiq.container.parameters import parameters_of
from prefiq.container.plan import Steps, enabled
from prefiq.container.providers import Resource
from prefiq.container.report import Report, report_on
from prefiq.container.selection import select
from prefiq.container.supply import Supply
from prefiq.container.validator import validate
from prefiq.contracts import Scope, current_scope_or_none
from prefiq.errors import Faults, PrefiqError

if TYPE_CHECKING:
    from dependency_injector import containers

    from prefiq.container.binding import Binding

__all__ = ["Container", "check", "compose"]

T = TypeVar("T")


def _linked(bindings: Iterable[Binding], faults: list[PrefiqError], *, waits: bool) -> Graph:
    graph = select(bindings, faults)
    graph.waits = waits
    numbers = range(len(graph.nodes))
    Linker(graph, faults).link(numbers)
    faults.extend(validate(graph, numbers))
    return graph


def check(bindings: Iterable[Binding], *, waits: bool = False) -> Report:
    """What these bindings make together, with every fault; nothing is built and nothing raised.

    Args:
        bindings: Of all modules, in module order.
        waits: Whether resources may be async.
    """
    faults: list[PrefiqError] = []
    graph = _linked(bindings, faults, waits=waits)
    return report_on(graph, tuple(faults))


def compose(
    bindings: Iterable[Binding],
    faults: Iterable[PrefiqError] = (),
    *,
    waits: bool = False,
    further: Callable[[Container, list[PrefiqError]], None] | None = None,
) -> Container:
    """The container of these bindings.

    Args:
        bindings: Of all modules, in module order.
        faults: What was found wrong before; reported together with what is found here.
        waits: Whether resources may be async: with ``DB_MODE=async``, where the container is opened and closed
            in the bridge.
        further: Looks for more faults: given what is linked, of which only ``injections`` may be asked, and
            all faults so far, which it may also take away.

    Raises:
        Faults: The bindings do not fit together; everything found, each a ``PrefiqError``.
    """
    found = list(faults)
    graph = _linked(bindings, found, waits=waits)
    if further is not None:
        further(Container(graph), found)
    if found:
        raise Faults("The bindings do not fit together", found)
    return Container(graph)


class Resolve(Protocol):
    """How a container is asked."""

    def __call__(self, scope: Scope | None, contract: TypeForm[T], /) -> T:
        """The object bound to a contract.

        Args:
            scope: The scope it belongs to; None where it belongs to the application.
            contract: Also ``Lazy[T]``, ``list[T]`` and ``Scope``.

        Raises:
            MissingBinding: Nothing is bound to it.
            NoScope: It belongs to a scope and none was given or is open.
            ResourceNotOpen: It is, or needs, a resource that is not open.
        """
        raise NotImplementedError


def _resolving(steps: Steps, answering: Callable[[Any], Native]) -> Resolve:
    known = steps.known

    # A function with what it needs around it: a method costs a tenth more, in every request.
    def resolve(scope: Scope | None, contract: Any) -> Any:
        try:
            step = known[contract]
        except KeyError:
            step = steps.first(contract, answering(contract))
        return step(scope)

    return resolve


class Container:
    """Resolves contracts of one application, or of a fork of it.

    Providers are made when they are first asked for, or all when ``native`` is.  A fork makes those that
    depend on what it replaces and takes all others from the container that it was forked from.

    Args:
        graph: What it is made of; linked and without faults.
        parent: What it was forked from, or None.
        replaced: The nodes that are not the parent's.
    """

    def __init__(self, graph: Graph, parent: Container | None = None, replaced: Iterable[int] = ()) -> None:
        self.graph = graph
        self.parent = parent
        self.supply: Supply = Supply(graph, None if parent is None else parent.supply, replaced)
        self._steps: Steps = Steps(self.supply.family, on=enabled() if parent is None else parent._steps.on)
        self.resolve: Resolve = _resolving(self._steps, self._answering)
        """The object bound to a contract, for a scope or for none; see ``Resolve``."""
        self.opened: list[Resource] = []
        """The resources that this container opened and has not closed."""
        self._native: containers.DynamicContainer | None = None

    def _answering(self, contract: Any) -> Native:
        """The provider that answers a contract."""
        wanted, supply = Wanted(contract), self.supply
        number = self._number(wanted.whole)
        if number is not None:
            return cast("Native", supply[number])
        if wanted.shape == "many":
            return supply.many(self.graph.collections.get(wanted.contract, ()))
        if wanted.shape == "scope":
            return supply.the_scope()
        number = self._number(wanted.contract)
        if wanted.shape == "lazy" and number is not None:
            return supply.lazy(number)
        raise MissingBinding(label(wanted.contract), nearest=self.graph.nearest(wanted.contract))

    def _number(self, contract: Any) -> int | None:
        found = self.graph.find(contract)
        # Privacy is between modules, checked when they are linked; who holds a scope may look inside.
        return self.graph.private_owner(contract) if found is None else found

    def __contains__(self, contract: object) -> bool:
        return self._number(contract) is not None

    def injections(
        self, function: Callable[..., Any], *, given: Collection[str] = (), module: str = "", source: str = ""
    ) -> dict[str, Any]:
        """What a function's parameters ask for, by name: contracts that ``resolve`` answers.

        Args:
            function: A function, whose first parameter may be among ``given``.
            given: Names of parameters that the caller supplies.
            module: Module of the function, for errors and private contracts.
            source: Place of the function, for errors.

        Raises:
            Faults: Something asked for is not bound or cannot be read.
        """
        faults: list[PrefiqError] = []
        linker = Linker(self.graph, faults)
        found: dict[str, Any] = {}
        for parameter in parameters_of(function):
            if parameter.name in given:
                continue
            wanted = linker.wanted(parameter, function, module, source)
            if wanted is None:
                continue
            whole = wanted.whole
            if wanted.shape in {"scope", "many"} or whole in self or wanted.contract in self:
                found[parameter.name] = whole
            elif parameter.required and not wanted.optional:
                by = f"{name_of(function)}({parameter.name})"
                nearest = self.graph.nearest(wanted.contract)
                faults.append(MissingBinding(label(wanted.contract), by, nearest, module, source))
            elif parameter.required:
                found[parameter.name] = None
        if faults:
            raise Faults(f"{name_of(function)} cannot be called", faults)
        return found

    def call(self, function: Callable[..., T], scope: Scope | None = None, /, **given: Any) -> T:
        """Call a function; parameters that are not given are injected.

        Raises:
            Faults: Something asked for is not bound or cannot be read.
        """
        wanted = self.injections(function, given=given)
        scope = current_scope_or_none() if scope is None else scope
        found = {name: None if what is None else self.resolve(scope, what) for name, what in wanted.items()}
        return function(**given, **found)

    def open(self) -> None:
        """Open the resources, each after those that it needs.

        In async mode it is called in the bridge: ``await call(container.open)``.

        Raises:
            Faults: One failed to open; those opened before it were closed again.
        """
        own = [number for number in self.graph.resources() if self.supply.own(number)]
        if not own:
            return
        opened = set(map(id, self.opened))
        for number in self.graph.in_order(own):
            if number not in own:
                continue
            provider: Resource = self.supply[number]
            if id(provider) in opened:
                continue
            try:
                provider.open()
            except PrefiqError as error:
                raise Faults("The resources cannot be opened", [error, *self._close()]) from error.__cause__
            except BaseException as error:  # cancelled, or interrupted
                for failure in self._close():
                    error.add_note(str(failure))
                raise
            self.opened.append(provider)

    def close(self) -> None:
        """Close the resources in reverse order; one that fails does not keep the rest open.

        Raises:
            Faults: Every failure.
        """
        failures = self._close()
        if failures:
            raise Faults("Resources failed to close", failures)

    def _close(self) -> list[PrefiqError]:
        failures: list[PrefiqError] = []
        ending: BaseException | None = None
        while self.opened:
            try:
                self.opened.pop().close()
            except PrefiqError as error:
                failures.append(error)
            except BaseException as error:  # noqa: BLE001  cancelled or interrupted: the rest is closed first
                ending = ending or error
        if ending is None:
            return failures
        for failure in failures:
            ending.add_note(str(failure))
        raise ending

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fork(self, replaced: Mapping[Any, Any]) -> Container:
        """A container in which other things answer some contracts; see ``prefiq.container.fork``."""
        from prefiq.container.fork import fork

        return fork(self, replaced)

    @property
    def native(self) -> containers.DynamicContainer:
        """The dependency-injector container: each provider under ``<module>.<contract>``.

        It may be wired and its providers overridden natively: what is resolved follows, here too.  Both
        ``Provide["shop.IClock"]`` and ``native.shop.IClock`` lead to a provider.
        """
        if self._native is None:
            # The library's containers import its wiring, and that every web framework that is installed.
            from prefiq.container.native_container import native_of

            self._native = native_of(self.graph, self.supply)
        return self._native

    @property
    def report(self) -> Report:
        """What was composed, as data."""
        return report_on(self.graph)
