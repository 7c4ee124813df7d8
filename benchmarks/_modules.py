"""Modules for the composition benchmark, and the same objects composed by its peers."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import dishka
import modern_di
import pluggy
import svcs
import wireup
from dependency_injector import providers as di
from modern_di import providers as modern

from prefiq import Binder, ProviderBase, Scope
from prefiq.container import Container, compose
from prefiq.plugins import Host, discover


class Clock:
    """One per application."""


class Executor:
    """One per request; knows whose it is."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope


class BareExecutor(Executor):
    """The same for peers, which have no scope to give."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]


class CoreProvider(ProviderBase):
    """What every module needs."""

    def bind(self, to: Binder) -> None:
        to.app(Clock)
        to.bind(Executor)


class Module:
    """A repository, a service and a report, as a module author writes them; for Prefiq a provider too."""

    def __init__(self, number: int, *, report: bool = False) -> None:
        class Repository:
            def __init__(self, executor: Executor, clock: Clock) -> None:
                self.executor, self.clock = executor, clock

        class Service:
            def __init__(self, repository: Repository) -> None:
                self.repository = repository

        class Report:
            def __init__(self, service: Service, clock: Clock) -> None:
                self.service, self.clock = service, clock

        # Peers cannot read names that are local to a function.
        Service.__init__.__annotations__["repository"] = Repository
        Report.__init__.__annotations__["service"] = Service
        for cls in (Repository, Service, Report):
            cls.__init__.__annotations__ |= {"return": None}
        Repository.__init__.__annotations__ |= {"executor": Executor, "clock": Clock}
        Report.__init__.__annotations__ |= {"clock": Clock}
        self.number = number
        self.repository, self.service, self.report = Repository, Service, Report

        def bind(_self: ProviderBase, to: Binder) -> None:
            to.bind(Repository)
            to.bind(Service)
            if report:
                to.bind(Report)

        self.provider = type(f"Module{number}Provider", (ProviderBase,), {"bind": bind})


def modules(count: int, *, report: bool = False) -> list[Module]:
    """This many modules."""
    return [Module(number, report=report) for number in range(count)]


def boot(found: list[Module]) -> Container:
    """Order, register, bind, link and validate."""
    named = [("core", CoreProvider), *((f"module{module.number}", module.provider) for module in found)]
    return compose(Host(discover((), builtin=named).modules).bindings())


def alone(found: list[Module]) -> Container:
    """The container's part of it: bind, link and validate, without modules, order and hooks."""
    to = Binder("all")
    CoreProvider().bind(to)
    for module in found:
        module.provider().bind(to)
    return compose(to.seal())


def dishka_boot(found: list[Module]) -> Any:
    """Register, link and validate."""
    made = dishka.Provider()
    made.provide(Clock, scope=dishka.Scope.APP)
    made.provide(BareExecutor, provides=Executor, scope=dishka.Scope.REQUEST)
    for module in found:
        made.provide(module.repository, scope=dishka.Scope.REQUEST)
        made.provide(module.service, scope=dishka.Scope.REQUEST)
    return dishka.make_container(made)


def wireup_boot(found: list[Module]) -> Any:
    """Register, link and validate."""
    made: list[Any] = [
        wireup.injectable(Clock),
        wireup.injectable(BareExecutor, lifetime="scoped", as_type=Executor),
    ]
    for module in found:
        made.append(wireup.injectable(module.repository, lifetime="scoped"))
        made.append(wireup.injectable(module.service, lifetime="scoped"))
    return wireup.create_sync_container(injectables=made)


def modern_boot(found: list[Module]) -> Any:
    """Register, link and validate."""
    request = modern_di.Scope.REQUEST
    body: dict[str, Any] = {
        "clock": modern.Factory(Clock, scope=modern_di.Scope.APP, cache=True),
        "executor": modern.Factory(BareExecutor, scope=request, bound_type=Executor, cache=True),
    }
    for module in found:
        body[f"repository{module.number}"] = modern.Factory(module.repository, scope=request, cache=True)
        body[f"service{module.number}"] = modern.Factory(module.service, scope=request, cache=True)
    container = modern_di.Container(groups=[type("Modules", (modern_di.Group,), body)])
    container.open()
    container.validate()
    return container


def svcs_boot(found: list[Module]) -> svcs.Registry:
    """Register; it checks nothing."""
    registry = svcs.Registry()
    registry.register_value(Clock, Clock())
    registry.register_factory(Executor, BareExecutor)
    for module in found:
        registry.register_factory(module.repository, _svcs(module.repository, Executor, Clock))
        registry.register_factory(module.service, _svcs(module.service, module.repository))
    return registry


def _svcs(made: type, *needs: Any) -> Callable[[svcs.Container], Any]:
    def factory(svcs_container: svcs.Container) -> Any:
        return made(*(svcs_container.get(need) for need in needs))

    return factory


CURRENT: ContextVar[dict[Any, Any]] = ContextVar("current")


def native_boot(found: list[Module]) -> dict[type, Any]:
    """Plain dependency-injector, one flat graph; it checks nothing and keeps nothing per request."""
    clock, executor = di.ThreadSafeSingleton(Clock), di.Factory(BareExecutor)
    made: dict[type, Any] = {Clock: clock}
    for module in found:
        repository = di.Factory(module.repository, executor, clock)
        made[module.service] = di.Factory(module.service, repository)
    return made


SPEC, IMPLEMENTATION = pluggy.HookspecMarker("plain"), pluggy.HookimplMarker("plain")


class Spec:
    """One extension point."""

    @SPEC
    def before_create(self, entity: Any, scope: Any) -> None:
        """Before a row is created."""


def pluggy_boot(found: list[Module]) -> pluggy.PluginManager:
    """Stock pluggy with one hook in every module: what it takes to register, and to broadcast."""
    manager = pluggy.PluginManager("plain")
    manager.add_hookspecs(Spec)

    class Plugin:
        @IMPLEMENTATION
        def before_create(self, entity: Any, scope: Any) -> None: ...

    for module in found:
        manager.register(Plugin(), f"module{module.number}")
    return manager
