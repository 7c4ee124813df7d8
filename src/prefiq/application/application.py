"""``Application``: the listed modules, composed.

``prepare`` needs no database: it loads the modules, reads the declarations, links and validates the
container.  ``boot`` opens the resources as well.  There is no global application.

With ``DB_MODE=async`` all that touches the database runs in the bridge.  In a coroutine::

    async with Application.prepare(settings) as app:
        async with app.scope("acme", actor) as scope:
            project = await call(scope[IDomainService[Project]].create, Project(name="x"))

and in a script everything as in sync mode, in a plain function that ``prefiq.run`` runs.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Literal, Self, TypeVar, overload

from typing_extensions import ParamSpec, TypeForm

from prefiq.application.across_audit import record_reading
from prefiq.application.composition import Composition, compose_application
from prefiq.application.tenants import Tenants
from prefiq.bridge import await_, call, in_bridge
from prefiq.contracts import (
    Across,
    Actor,
    Bound,
    Forbidden,
    IPermissions,
    Placement,
    Scope,
    System,
    Tenancy,
    UnknownTenant,
)
from prefiq.contracts.scope import NOBODY, current_scope
from prefiq.errors import Faults

if TYPE_CHECKING:
    from prefiq.application.explanation import Explanation
    from prefiq.application.module_graph import ModuleGraph
    from prefiq.container import Container, Report
    from prefiq.lowcode import Catalog
    from prefiq.plugins import Host, ProviderBase
    from prefiq.settings import Settings

__all__ = ["Application"]

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger("prefiq")
READS_ACROSS = "prefiq.across"
"""The permission to read the rows of all tenants."""

SYSTEM = Actor("system", ("*",), "System")


class _Awaited(Scope):
    """A scope whose tenant is looked up when it is entered: in a coroutine only entering can wait for that.

    Args:
        look: Gives the tenancy, or raises.
        arguments: As ``Scope`` has them.
    """

    __slots__ = ("_look",)

    def __init__(self, look: Callable[[], Tenancy], *arguments: Any) -> None:
        super().__init__(System("not entered yet"), *arguments)
        self._look: Callable[[], Tenancy] | None = look

    def __getitem__(self, contract: TypeForm[T]) -> T:
        """See ``Scope``."""
        if self._look is not None:
            raise RuntimeError("this scope is not open yet: async with app.scope(…) as scope")
        return super().__getitem__(contract)

    def __enter__(self) -> Self:
        look, self._look = self._look, None
        if look is not None:
            try:
                self.tenancy = look()
            except BaseException:
                self.close()
                raise
        return super().__enter__()

    async def __aenter__(self) -> Self:
        """See ``Scope``."""
        return await call(self.__enter__)


class Application:
    """One composed application; make it with ``prepare`` or ``boot``.

    Args:
        composition: What the modules make together.
        container: The container, which differs in a fork.
    """

    def __init__(self, composition: Composition, container: Container) -> None:
        self.composition = composition
        self.container = container
        self.tenants = Tenants(self)
        self._booted = False
        self._is_async = composition.settings.database.mode == "async"

    # ---- making one

    @classmethod
    def prepare(
        cls, settings: Settings, *, modules: Sequence[type[ProviderBase]] = (), locked: bool = True
    ) -> Self:
        """Compose the listed modules; no database is needed and nothing is opened.

        Args:
            settings: As loaded.
            modules: Providers to load beside the listed ones, for tests and scripts.
            locked: Whether ``apps.lock`` counts where it exists.

        Raises:
            prefiq.errors.Faults: Everything that is wrong with modules, declarations and bindings.
        """
        composition = compose_application(settings, modules, locked=locked)
        return cls(composition, composition.container)

    @classmethod
    def boot(cls, settings: Settings, *, modules: Sequence[type[ProviderBase]] = ()) -> Self:
        """``prepare``, then open the resources and let the modules boot; close it, or use it in ``with``.

        With ``DB_MODE=async`` it is called in the bridge: ``await call(Application.boot, settings)``, or write
        ``async with Application.prepare(settings)``.

        Raises:
            prefiq.errors.Faults: As ``prepare``, or resources that cannot be opened.
        """
        return cls.prepare(settings, modules=modules).open()

    @classmethod
    def from_env(cls, folder: Path | None = None) -> Self:
        """Boot from a folder's ``.env`` and ``prefiq.toml`` and the environment.

        Args:
            folder: The application's folder; the working directory where left out.
        """
        from prefiq.settings import load

        return cls.boot(load(folder or Path.cwd(), os.environ))

    def open(self) -> Self:
        """Open the resources, and call the modules' ``boot`` where that was not done yet."""
        self.container.open()
        if not self._booted:
            self._booted = True
            try:
                self.host.boot(self, wait=await_ if self._is_async else None)
            except BaseException as error:
                try:
                    self.close()
                except Faults as more:
                    if isinstance(error, Faults):  # what did not boot comes before what did not close
                        faults: list[Any] = [*error.exceptions, *more.exceptions]
                        raise Faults(error.message, faults) from None
                raise
        return self

    def close(self) -> None:
        """Close the resources, in reverse order."""
        self._booted = False
        self.container.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        """``open`` through the bridge."""
        return await call(self.open)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await call(self.close)

    # ---- what it is made of

    @property
    def settings(self) -> Settings:
        """What it was told from outside."""
        return self.composition.settings

    @property
    def host(self) -> Host:
        """The loaded modules."""
        return self.composition.host

    @property
    def catalog(self) -> Catalog:
        """The declared models."""
        return self.composition.catalog

    @property
    def report(self) -> Report:
        """What was composed, as data."""
        return self.container.report

    def explain(self, contract: TypeForm[Any] | str) -> Explanation:
        """How it comes that a contract is answered as it is: who bound, replaced and decorated it, and where.

        Args:
            contract: A contract, or its name as ``[replace]`` writes it; the name alone where that is clear.

        Raises:
            prefiq.container.errors.MissingBinding: Nothing is bound to it.
        """
        from prefiq.application.explanation import explain

        return explain(self.container.graph, contract)

    @overload
    def graph(self) -> ModuleGraph: ...
    @overload
    def graph(self, form: Literal["mermaid", "svg"]) -> str: ...
    def graph(self, form: Literal["", "mermaid", "svg"] = "") -> ModuleGraph | str:
        """The modules and what each has from the others.

        Args:
            form: ``"mermaid"`` or ``"svg"`` for a text that draws it; the data where left out.
        """
        from prefiq.application.module_graph import graph_of, mermaid

        found = graph_of(self)
        if form == "mermaid":
            return mermaid(found)
        if form == "svg":
            from prefiq.application.drawing import svg

            return svg(found)
        return found

    # ---- using it

    def scope(
        self,
        tenant: str | None = None,
        actor: Actor | None = None,
        *,
        as_system: str = "",
        across: str = "",
        routine: bool = False,
        locale: str = "en",
        deadline: datetime | None = None,
        request_id: str = "",
    ) -> Scope:
        """A scope for one request, job or command; use it in ``with``, in a coroutine in ``async with``.

        Args:
            tenant: Key of a tenant of the directory.  Left out: the one tenant with ``TENANCY=single``,
                else none, which needs ``as_system`` and reaches shared tables only.
            actor: Who acts; nobody, who may do nothing, where left out.
            as_system: Why the system itself acts, with every permission; logged at INFO.
            across: Why rows of all tenants are read, those that share tables: by an actor who holds
                ``prefiq.across``, as ACROSS_DB_USER, without writing; stored first, and logged at WARNING.
            routine: Whether Prefiq itself only looks, as it does all the time: then logged at DEBUG.
            locale: BCP 47 tag for messages.
            deadline: Aware UTC time after which work should stop.
            request_id: Identifier for logs.

        Raises:
            UnknownTenant: The tenant does not exist or is not served now; with ``async with`` where the scope
                is entered.
            prefiq.contracts.Forbidden: The actor may not read across tenants.
        """
        if across:
            if tenant is not None or as_system:
                raise TypeError("across=… is neither a tenant's scope nor the system's")
            return self._across(across, actor or NOBODY, locale, deadline, request_id)
        actor = SYSTEM if as_system else actor or NOBODY
        arguments = (actor, self.container.resolve, locale, deadline, request_id)
        if self._is_async and not in_bridge():
            known = self._known_tenancy(tenant, as_system)
            if known is None:
                scope: Scope = _Awaited(partial(self._tenancy, tenant, as_system), *arguments)
            else:
                scope = Scope(known, *arguments)
        else:
            scope = Scope(self._tenancy(tenant, as_system), *arguments)
        if as_system:
            level = logging.DEBUG if routine else logging.INFO
            logger.log(level, "acting as system: %s", as_system, extra={"tenant": tenant or ""})
        return scope

    def _across(
        self, reason: str, actor: Actor, locale: str, deadline: datetime | None, request_id: str
    ) -> Scope:
        scope = Scope(Across(reason), actor, self.container.resolve, locale, deadline, request_id)
        extra = {"operator": actor.id, "reason": reason, "request_id": request_id}
        try:
            scope[IPermissions].require(READS_ACROSS)
        except Forbidden:
            scope.close()
            logger.warning("refused to let %s read across tenants: %s", actor.id, reason, extra=extra)
            raise
        logger.warning("%s reads across tenants: %s", actor.id, reason, extra=extra)
        if self._is_async and not in_bridge():  # entering can wait for the database, this cannot
            scope.close()
            arguments = (actor, self.container.resolve, locale, deadline, request_id)
            return _Awaited(partial(self._recorded, reason, actor, request_id), *arguments)
        try:
            self._recorded(reason, actor, request_id)
        except BaseException:
            scope.close()
            raise
        return scope

    def _recorded(self, reason: str, actor: Actor, request_id: str) -> Across:
        record_reading(self, actor.id, reason, request_id)
        return Across(reason)

    def _known_tenancy(self, tenant: str | None, as_system: str) -> Tenancy | None:
        """The same without asking the database; None where that would have to be asked."""
        if tenant is None or self.settings.tenancy == "single":
            return self._tenancy(tenant, as_system)
        known = self.tenants.remembered(tenant)
        if known is None:
            return None
        if known[0] is None:
            raise UnknownTenant(tenant)
        return known[0]

    def _tenancy(self, tenant: str | None, as_system: str) -> Tenancy:
        settings = self.settings
        if settings.tenancy == "single":
            if tenant not in {None, settings.tenant}:
                raise UnknownTenant(tenant or "")
            if tenant is None and as_system == Tenants.REASON:
                return System(as_system)
            return Bound(settings.tenant, Placement("single"))
        if tenant is None:
            return System(as_system or "no tenant")
        bound = self.tenants.bound(tenant)
        if bound is None:
            raise UnknownTenant(tenant)
        return bound

    def carry(self, function: Callable[Concatenate[Scope, P], T], /) -> Callable[P, T]:
        """A function for later, or for another thread, in the tenant and for the actor of the scope that is open now.

        Nothing inherits a tenant silently: a thread begins without a scope.  What this gives opens one of its
        own for each call, looks the tenant up again, and passes the scope as the first argument::

            pool.submit(app.carry(send_invoice), invoice.id)

        With ``DB_MODE=async`` it is called in the bridge, as ``await call(app.carry(work))``.

        Args:
            function: Takes the scope, and what it is called with.

        Raises:
            prefiq.contracts.NoScope: No scope is open now.
            TypeError: The scope that is open reads across tenants, which is nothing to be handed on.
        """
        now = current_scope()
        tenancy, actor, locale, request_id = now.tenancy, now.actor, now.locale, now.request_id
        if not isinstance(tenancy, Bound | System):
            raise TypeError("a scope across tenants is not carried on; open another one")

        @functools.wraps(function)
        def carried(*args: P.args, **kwargs: P.kwargs) -> T:
            if isinstance(tenancy, Bound):
                scope = self.scope(tenancy.tenant, actor, locale=locale, request_id=request_id)
            else:
                scope = Scope(tenancy, actor, self.container.resolve, locale, None, request_id)
            with scope:
                return function(scope, *args, **kwargs)

        return carried

    def fork(self, replaced: Mapping[Any, Any]) -> Self:
        """The same application with other things bound, for a test; it shares all that stays the same.

        Where a resource depends on what is replaced, the fork has one of its own: use it in ``with``.

        Args:
            replaced: By contract: an instance, or a class or function that makes one.

        Raises:
            prefiq.errors.Faults: A contract is not bound, or what replaces it does not fit.
        """
        fork = type(self)(self.composition, self.container.fork(replaced))
        fork._booted = self._booted
        return fork
