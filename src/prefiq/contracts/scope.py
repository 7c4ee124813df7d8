"""Who is asking, for which tenant: the scope of one request, job or command.

The room ``contracts`` holds the only ``ContextVar`` of Prefiq, here.  The edge (HTTP, CLI, a test) opens
a scope and passes it on explicitly; the variable serves code that cannot be handed it (the executor's
statement compiler, logging).  Domain code reads neither: it gets ``ITenantContext`` by constructor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from prefiq.contracts.errors import NoScope, ScopeClosed, TenantNotBound

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import TypeForm

__all__ = [
    "Across",
    "Actor",
    "Bound",
    "Placement",
    "Scope",
    "System",
    "Tenancy",
    "current_scope",
    "current_scope_or_none",
    "standing_in",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a tenant's rows stand.

    Args:
        mode: ``"row"`` (a column in common tables), ``"schema"`` (a schema of its own), ``"database"`` (a
            database or file of its own) or ``"single"`` (the one tenant of an installation).
        hint: Name of the schema or database where the mode needs one, else empty.
        database: The named database whose server (SQLite: whose folder) it stands on.
        epoch: Counts the tenant's moves: work that began under an older one must not write.
    """

    mode: Literal["row", "schema", "database", "single"] = "row"
    hint: str = ""
    database: str = "default"
    epoch: int = 0


ROW = Placement()


@dataclass(frozen=True, slots=True)
class Bound:
    """The scope belongs to one tenant: every statement is confined to its rows.

    Args:
        tenant: The tenant's key, for example ``"acme"``; it never changes in a tenant's life.
        placement: Where its rows stand.
        read_only: Whether the tenant's rows may not be changed now.
    """

    tenant: str
    placement: Placement = ROW
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class System:
    """The scope belongs to no tenant: shared tables only.

    Args:
        reason: Why, for the log.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Across:
    """The scope reads across tenants; it is served by another executor, and audited.

    Args:
        reason: Why, for the audit log.
    """

    reason: str


Tenancy = Bound | System | Across


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and what they may do.

    Args:
        id: Stable identifier, for example a token's subject.
        permissions: Patterns by dotted segment: ``"projects.project.create"``, ``"projects.*"``, ``"*"``.
        name: For people, in history and logs; the id where empty.
    """

    id: str
    permissions: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        # A text would be taken letter by letter, and the "*" of "projects.*" covers everything.
        permissions: object = self.permissions
        if isinstance(permissions, str):
            raise TypeError('permissions must be a tuple of patterns: ("projects.*",)')


NOBODY = Actor("anonymous")


def _no_container(scope: Scope, contract: Any) -> Any:
    raise LookupError(f"{scope!r} has no container to resolve {contract!r}")


class Scope:
    """One request, job or command: tenant, actor and the objects built for it.

    ``scope[IDomainService[Project]]`` resolves a contract.  Use it as a context manager, once: leaving it
    closes what was opened in it, in reverse order.

    Args:
        tenancy: ``Bound``, ``System`` or ``Across``.
        actor: Who acts; nobody (and so no permission) by default.
        resolve: What answers ``scope[contract]``; the application supplies it.  Give it by place where
            scopes are opened often: arguments by name cost a fifth of the whole.
        locale: BCP 47 tag for messages.
        deadline: Aware UTC time after which work should stop, or None.
        request_id: Identifier that logs and problem documents carry.
    """

    __slots__ = (
        "_closers",
        "_entered",
        "_resolve",
        "actor",
        "closed",
        "deadline",
        "instances",
        "locale",
        "previous",
        "request_id",
        "tenancy",
    )

    def __init__(
        self,
        tenancy: Tenancy,
        actor: Actor = NOBODY,
        resolve: Callable[[Scope, Any], Any] = _no_container,
        locale: str = "en",
        deadline: datetime | None = None,
        request_id: str = "",
    ) -> None:
        self.tenancy = tenancy
        self.actor = actor
        self.locale = locale
        self.deadline = deadline
        self.request_id = request_id
        self.instances: dict[Any, Any] = {}
        self.closed = False
        self.previous: Scope | None = None
        self._entered = False
        self._resolve = resolve
        self._closers: list[Callable[[], None]] | None = None

    def __getitem__(self, contract: TypeForm[T]) -> T:
        """The object bound to a contract, built once in this scope.

        Raises:
            ScopeClosed: The scope has ended.
            prefiq.container.errors.CompositionError: Nothing is bound to the contract.
        """
        if self.closed:
            raise ScopeClosed(contract)
        # Not `cast`: at run time that is a call, on the road of every request.
        found: T = self._resolve(self, contract)
        return found

    @property
    def tenant(self) -> str:
        """The bound tenant's key.

        Raises:
            TenantNotBound: The scope is ``System`` or ``Across``.
        """
        if isinstance(self.tenancy, Bound):
            return self.tenancy.tenant
        raise TenantNotBound

    def on_close(self, close: Callable[[], None]) -> None:
        """Call ``close`` when the scope ends; the last one registered is called first.

        Raises:
            ScopeClosed: The scope has ended, so nothing would call it.
        """
        if self.closed:
            raise ScopeClosed
        if self._closers is None:
            self._closers = []
        self._closers.append(close)

    def close(self) -> None:
        """End the scope; every closer is called, their errors are raised together afterwards."""
        if self.closed:
            return
        errors = self._run_closers() if self._closers else ()
        self.closed = True
        self.instances.clear()
        if not errors:
            return
        if len(errors) == 1:
            raise errors[0]
        raise BaseExceptionGroup("several resources failed to close", errors)

    def _run_closers(self) -> list[BaseException]:
        errors: list[BaseException] = []
        while self._closers:
            try:
                self._closers.pop()()
            except BaseException as error:  # noqa: BLE001  one failing close must not keep the rest open
                errors.append(error)
        return errors

    def __enter__(self) -> Self:
        if self.closed:
            raise ScopeClosed
        if self._entered:
            # Its second exit would leave it, closed, as the current one.
            raise RuntimeError("this scope is entered already; open another one")
        self._entered = True
        previous = _CURRENT.get()
        self.previous = previous if previous is None or not previous.closed else _open(previous)
        _CURRENT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()  # still the current one: what is closed may ask for the tenant and the request's id
        finally:
            # Not by token: a fixture or generator may leave the scope in another context than it entered.
            if _CURRENT.get() is self:
                previous = self.previous
                _CURRENT.set(previous if previous is None or not previous.closed else _open(previous))

    async def __aenter__(self) -> Self:
        """Enter it in asynchronous code; what is called in it goes through ``prefiq.call``."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from prefiq.bridge import call

        await call(self.__exit__, kind, error, trace)

    def __repr__(self) -> str:
        return f"Scope({self.tenancy!r}, actor={self.actor.id!r})"


_CURRENT: ContextVar[Scope | None] = ContextVar("prefiq_scope", default=None)


def current_scope() -> Scope:
    """The scope that this code runs in.

    Raises:
        NoScope: None is open.
    """
    scope = current_scope_or_none()
    if scope is None:
        raise NoScope
    return scope


def current_scope_or_none() -> Scope | None:
    """The scope that this code runs in, or None; for logging."""
    scope = _CURRENT.get()
    return scope if scope is None or not scope.closed else _open(scope)


@contextmanager
def standing_in(scope: Scope | None) -> Iterator[None]:
    """Let a scope, or none, be the current one within one synchronous block, without opening or closing it.

    Args:
        scope: What ``current_scope_or_none`` gives in the block.
    """
    token = _CURRENT.set(scope)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def _open(scope: Scope | None) -> Scope | None:
    # A scope that was left in another context, or out of order, stays behind as the current one.  It has
    # ended, and its tenant must not be taken for the present one.
    while scope is not None and scope.closed:
        scope = scope.previous
    return scope
