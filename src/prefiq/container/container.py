"""``Container``: resolves contracts; every binding is one of dependency-injector's providers.

``compose`` makes one from bindings: select, link, validate, build.  ``resolve`` keeps one callable per
contract in ``_steps``; that dictionary is the seam for whatever resolves faster than the providers do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from dependency_injector import containers
from typing_extensions import TypeForm

from prefiq.container.errors import MissingBinding
from prefiq.container.generics import label, name_of
from prefiq.container.graph import Graph, Link
from prefiq.container.linker import Linker, Wanted
from prefiq.container.parameters import parameters_of
from prefiq.container.providers import LazyAsk, Many, Resource, Take, TheScope, Value, provider_for
from prefiq.container.report import Report, report_on
from prefiq.container.selection import select
from prefiq.container.validator import validate
from prefiq.contracts import Scope, current_scope_or_none
from prefiq.errors import Faults, PrefiqError

if TYPE_CHECKING:
    from prefiq.container.binding import Binding

__all__ = ["Container", "check", "compose"]

T = TypeVar("T")


def _linked(bindings: Iterable[Binding], faults: list[PrefiqError]) -> Graph:
    graph = select(bindings, faults)
    numbers = range(len(graph.nodes))
    Linker(graph, faults).link(numbers)
    faults.extend(validate(graph, numbers))
    return graph


def check(bindings: Iterable[Binding]) -> Report:
    """What these bindings make together, with every fault; nothing is built and nothing raised."""
    faults: list[PrefiqError] = []
    graph = _linked(bindings, faults)
    return report_on(graph, tuple(faults))


def compose(bindings: Iterable[Binding], faults: Iterable[PrefiqError] = ()) -> Container:
    """The container of these bindings.

    Args:
        bindings: Of all modules, in module order.
        faults: What was found wrong before; reported together with what is found here.

    Raises:
        Faults: The bindings do not fit together; everything found, each a ``PrefiqError``.
    """
    found = list(faults)
    graph = _linked(bindings, found)
    if found:
        raise Faults("The bindings do not fit together", found)
    return Container(graph, build(graph, range(len(graph.nodes)), {}))


def build(graph: Graph, numbers: Collection[int], shared: Mapping[int, Any]) -> dict[int, Any]:
    """Providers of these nodes, wired to each other and to shared ones.

    Args:
        graph: A linked graph without faults.
        numbers: The nodes to build providers for.
        shared: Providers that exist already, by node.

    Returns:
        All providers, by node.
    """
    providers = dict(shared)
    for number in numbers:
        providers[number] = provider_for(graph.nodes[number])
    for number in numbers:
        node = graph.nodes[number]
        if node.lifetime == "value":
            continue
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for link in node.links:
            made = _argument(graph, providers, link)
            if link.keyword:
                kwargs[link.parameter] = made
            else:
                args.append(made)
        providers[number].wire(args, kwargs)
    return providers


def _argument(graph: Graph, providers: Mapping[int, Any], link: Link) -> Any:
    if link.kind == "one":
        return providers[link.targets[0]]
    if link.kind == "many":
        return Many(*(providers[target] for target in link.targets))
    if link.kind == "scope":
        return TheScope()
    if link.kind == "value":
        return Value(link.value)
    target = link.targets[0]
    return LazyAsk(providers[target], graph.nodes[target].name, _scoped(graph, target))


def _scoped(graph: Graph, number: int) -> bool:
    """Whether building this node needs a scope."""
    return any(
        graph.nodes[n].lifetime == "scope" or any(link.kind == "scope" for link in graph.nodes[n].links)
        for n in graph.in_order([number])
    )


class Container:
    """Resolves contracts of one application, or of a fork of it.

    Args:
        graph: What it is made of.
        providers: By node of the graph.
        own: The nodes whose resources this container opens; all for an application's first container.
    """

    def __init__(self, graph: Graph, providers: dict[int, Any], own: Collection[int] | None = None) -> None:
        self.graph = graph
        self.providers = providers
        self._own = range(len(graph.nodes)) if own is None else own
        self._steps: dict[Any, Take] = {}
        self._opened: list[Resource] = []
        self._native: containers.DynamicContainer | None = None

    def resolve(self, scope: Scope | None, contract: TypeForm[T]) -> T:
        """The object bound to a contract.

        Args:
            scope: The scope it belongs to; None where it belongs to the application.
            contract: Also ``Lazy[T]``, ``list[T]`` and ``Scope``.

        Raises:
            MissingBinding: Nothing is bound to it.
            NoScope: It belongs to a scope and none was given or is open.
            ResourceNotOpen: It is, or needs, a resource that is not open.
        """
        try:
            step = self._steps[contract]
        except KeyError:
            step = self._steps[contract] = self.resolver(contract)
        return cast("T", step(scope))

    def resolver(self, contract: TypeForm[T]) -> Callable[[Scope | None], T]:
        """What ``resolve`` calls for a contract; worth keeping by who asks for one contract often.

        Raises:
            MissingBinding: Nothing is bound to it.
        """
        wanted = Wanted(contract)
        number = self._number(wanted.whole)
        if number is not None:
            return cast("Callable[[Scope | None], T]", self.providers[number].take)
        if wanted.shape == "many":
            targets = self.graph.collections.get(wanted.contract, ())
            return cast(
                "Callable[[Scope | None], T]", Many(*(self.providers[target] for target in targets)).take
            )
        if wanted.shape == "scope":
            return cast("Callable[[Scope | None], T]", TheScope().take)
        number = self._number(wanted.contract)
        if wanted.shape == "lazy" and number is not None:
            link = Link("", False, "lazy", (number,))
            made = _argument(self.graph, self.providers, link)
            return cast("Callable[[Scope | None], T]", made.take)
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
            wanted = linker.wanted(parameter, name_of(function), module, source)
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

        Raises:
            Faults: One failed to open; those opened before it were closed again.
        """
        own = set(self._own)
        resources = [n for n in own if self.graph.nodes[n].lifetime == "resource"]
        opened = set(map(id, self._opened))
        for number in self.graph.in_order(sorted(resources)):
            provider = self.providers[number]
            if number not in own or not isinstance(provider, Resource) or id(provider) in opened:
                continue
            try:
                provider.open()
            except PrefiqError as error:
                raise Faults("The resources cannot be opened", [error, *self._close()]) from error.__cause__
            self._opened.append(provider)

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
        while self._opened:
            try:
                self._opened.pop().close()
            except PrefiqError as error:
                failures.append(error)
        return failures

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
        """The dependency-injector container: each provider under ``<module>.<contract>``."""
        if self._native is None:
            native = containers.DynamicContainer()
            for number, name in self._native_names():
                native.set_provider(name, self.providers[number])
            self._native = native
        return self._native

    def _native_names(self) -> list[tuple[int, str]]:
        # Each contract's name leads to what answers it; a decorated or collected one has its own name too.
        names: dict[str, int] = {}
        answering = {*self.graph.index.values(), *self.graph.private.values()}
        for number, node in enumerate(self.graph.nodes):
            stem = f"{node.binding.module}.{node.name}"
            if number not in answering:
                stem += f"/{node.implementation}"
            name, count = stem, 1
            while name in names:
                count += 1
                name = f"{stem}/{count}"
            names[name] = number
        return [(number, name) for name, number in names.items()]

    @property
    def report(self) -> Report:
        """What was composed, as data."""
        return report_on(self.graph)
