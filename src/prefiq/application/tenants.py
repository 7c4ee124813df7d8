"""The tenant directory of an application: what it knows of tenants, and what is done with them.

**When a change counts.**  Every process remembers a tenant for at most ``REMEMBERED_SECONDS``, counted from
before it asked.  What changes a tenant commits, then waits that long: when it returns, no process begins
anything for the tenant as it was.
"""

from __future__ import annotations

import builtins
import getpass
import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from prefiq.application import tenant_places as places
from prefiq.application.tenant_deletion import GRACE, Deletion, delete, planned, tell_nobody
from prefiq.application.tenant_domains import Domains
from prefiq.application.tenant_export import Format, export
from prefiq.application.tenant_export import planned as planned_export
from prefiq.bridge import pause
from prefiq.contracts import (
    Bound,
    FieldError,
    IClock,
    IDomain,
    IDomainService,
    ITransactions,
    Scope,
    UniqueViolation,
    UnknownTenant,
    ValidationFailed,
    where,
)
from prefiq.contracts.scope import NOBODY
from prefiq.foundation.events import Events
from prefiq.foundation.service_context import ServiceContext
from prefiq.foundation.tenants import (
    TENANT_KEY,
    Tenant,
    TenantEvent,
    TenantLife,
    TenantMode,
    TenantState,
)

if TYPE_CHECKING:
    from prefiq.application.application import Application

__all__ = ["REMEMBERED_SECONDS", "Tenants"]

logger = logging.getLogger("prefiq")

REMEMBERED_SECONDS = 1.0
MOST_REMEMBERED = 10_000

Known = tuple[Bound | None, float]
"""What is known of a tenant (None: not served), and until when, by ``time.monotonic``."""
NEVER: Known = (None, math.inf)


class Tenants:
    """Creates, lists and knows the tenants, and leads each through its life.

    What changes one takes an ``operator`` (who wants it; the actor of the scope that is open, where left out)
    and a ``reason``; both stand in the tenant's life.

    Args:
        app: Whose directory.
    """

    REASON: ClassVar[str] = "tenant directory"

    def __init__(self, app: Application) -> None:
        self._app = app
        self._known: dict[str, Known] = {}
        self._lock = threading.Lock()
        self.domains = Domains(self, REMEMBERED_SECONDS)
        """Host names of their own."""
        self.settling: float = REMEMBERED_SECONDS
        """Seconds that a change waits for other processes; a test with one process needs none."""

    # ---- what scopes ask

    def bound(self, key: str) -> Bound | None:
        """What a scope of this tenant is confined to; None where it does not exist or is not served now."""
        known = self._known.get(key)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        return self._look(key)

    def remembered(self, key: str) -> Known | None:
        """The same, as far as it is known without asking the database; else None."""
        known = self._known.get(key)
        if known is not None and known[1] > time.monotonic():
            return known
        return NEVER if re.fullmatch(TENANT_KEY, key) is None else None

    def is_active(self, key: str) -> bool:
        """Whether a tenant exists and is served.  An unknown key costs no query if it cannot be one."""
        return self.bound(key) is not None

    def of_domain(self, host: str) -> str | None:
        """Key of the tenant that a host of its own leads to; None where it is nobody's, or not verified."""
        return self.domains.tenant_of(host)

    def _look(self, key: str) -> Bound | None:
        if re.fullmatch(TENANT_KEY, key) is None:
            return None
        now = time.monotonic()  # before the question: an answer is never older than it is taken for
        with self._app.scope(as_system=self.REASON, routine=True) as scope:
            tenant = scope[IDomain[Tenant]].get_by("key", key)
        bound = tenant.bound if tenant is not None else None
        with self._lock:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = (bound, now + REMEMBERED_SECONDS)
        return bound

    # ---- reading

    def get(self, key: str) -> Tenant:
        """The tenant, in whatever state.

        Raises:
            UnknownTenant: There is none with this key.
        """
        with self._app.scope(as_system=self.REASON, routine=True) as scope:
            return self.stored(scope, key)

    def stream(self, state: TenantState | None = None) -> Iterator[Sequence[Tenant]]:
        """All tenants in batches, in the order in which they were made; memory does not grow with them.

        Args:
            state: Only those in this state.
        """
        criteria = where(state=state) if state is not None else None
        with self._app.scope(as_system=self.REASON, routine=True) as scope:
            yield from scope[IDomain[Tenant]].stream(criteria)

    def list(self, state: TenantState | None = None) -> builtins.list[Tenant]:
        """All tenants, in the order in which they were made."""
        return [tenant for batch in self.stream(state) for tenant in batch]

    def life(self, key: str) -> builtins.list[TenantLife]:
        """What happened to a tenant, oldest first; also of one that is gone."""
        if re.fullmatch(TENANT_KEY, key) is None:
            return []
        with self._app.scope(as_system=self.REASON, routine=True) as scope:
            found = scope[IDomain[TenantLife]].stream(where(tenant_key=key))
            return sorted((one for batch in found for one in batch), key=lambda one: (one.at, one.id))

    def count_rows(self, key: str) -> dict[str, int]:
        """How many rows of a tenant each table holds, also those of modules that are no longer listed."""
        return places.count_rows(self._app, self.get(key))

    # ---- changing

    def create(
        self,
        key: str,
        name: str = "",
        *,
        mode: TenantMode | str | None = None,
        operator: str = "",
        reason: str = "",
    ) -> Tenant:
        """Add a tenant and make its place.  Where that broke off before, it goes on.

        It does not wait: a process that was asked for the key just before may answer for a second that there
        is no such tenant.

        Args:
            key: Lower-case letters, digits and hyphens, at most 63; it never changes.
            name: For people; the key where empty.
            mode: How its rows are kept apart; as ``TENANCY`` says where left out.
            operator: Who wants it.
            reason: Why.

        Raises:
            prefiq.contracts.ValidationFailed: The key is not of that form.
            prefiq.contracts.UniqueViolation: There is one with this key, or was one.
            prefiq.application.errors.PlacementNotServed: The mode is not served here.
        """
        with self.changing() as scope:
            tenant = _found(scope, key)
            if tenant is not None and tenant.state is not TenantState.PROVISIONING:
                raise UniqueViolation("prefiq.Tenant", ("key",))
            with scope[ITransactions].tx():
                if tenant is None:
                    tenant = self._new(key, name, mode)
                    scope[IDomainService[Tenant]].create(tenant)
                    self.record(scope, tenant, "create", "", operator, reason)
                if tenant.mode is TenantMode.ROW:  # nothing has to be made first
                    self._activate(scope, tenant, operator, reason)
        if tenant.state is TenantState.PROVISIONING:
            places.provision(self._app, tenant)
            with self.changing() as scope, scope[ITransactions].tx():
                tenant = self.stored(scope, key)
                self._activate(scope, tenant, operator, reason)
        self._forget(key)
        return tenant

    def planned(self, key: str, name: str = "", *, mode: TenantMode | str | None = None) -> Tenant:
        """The tenant that ``create`` would make; nothing is changed.

        Raises:
            As ``create``.
        """
        with self._app.scope(as_system=self.REASON, routine=True) as scope:
            tenant = _found(scope, key)
            if tenant is not None and tenant.state is not TenantState.PROVISIONING:
                raise UniqueViolation("prefiq.Tenant", ("key",))
            tenant = tenant or self._new(key, name, mode)
            tenant.created_at = tenant.state_since = scope[IClock].now()
            scope[ServiceContext].pipelines.validator(self._app.catalog[Tenant]).check(tenant)
        return tenant

    def suspend(self, key: str, *, operator: str = "", reason: str = "") -> Tenant:
        """Serve the tenant no more; its rows stay, and it is answered as one that does not exist.

        Raises:
            UnknownTenant: There is none with this key.
            prefiq.contracts.IllegalTransition: Not possible in its present state.
        """
        return self._move(key, Tenant.suspend, "suspend", operator, reason)

    def read_only(self, key: str, *, operator: str = "", reason: str = "") -> Tenant:
        """Show the tenant's rows and refuse every change of them.

        Raises:
            UnknownTenant: There is none with this key.
            prefiq.contracts.IllegalTransition: Not possible in its present state.
        """
        return self._move(key, Tenant.make_read_only, "read_only", operator, reason)

    def resume(self, key: str, *, operator: str = "", reason: str = "") -> Tenant:
        """Serve the tenant again in full; a deletion in its time of grace is called off.

        Raises:
            UnknownTenant: There is none with this key.
            prefiq.contracts.IllegalTransition: Not possible in its present state.
            prefiq.contracts.Refused: Rows of it are deleted already.
        """
        return self._move(key, Tenant.resume, "resume", operator, reason)

    def hold(self, key: str, *, reason: str, until: datetime | None = None, operator: str = "") -> Tenant:
        """Let nobody delete the tenant until it is released, or until a time.

        Args:
            key: The tenant's.
            reason: Why; shown to whoever tries.
            until: Aware UTC time after which it may be deleted; it ends by itself.
            operator: Who wants it.

        Raises:
            UnknownTenant: There is none with this key.
            prefiq.contracts.ValidationFailed: The reason is empty or too long.
        """

        def change(tenant: Tenant) -> dict[str, Any]:
            if until is not None:
                tenant.retain_until = until
                return {"until": until.isoformat()}
            tenant.hold = reason
            return {}

        if not reason.strip():
            raise no_reason()
        return self._edit(key, "hold", operator, reason, change)

    def release(self, key: str, *, operator: str = "", reason: str = "") -> Tenant:
        """Let the tenant be deleted again, whatever it was held for.

        Raises:
            UnknownTenant: There is none with this key.
        """

        def change(tenant: Tenant) -> dict[str, Any]:
            held = {"hold": tenant.hold} if tenant.hold else {}
            if tenant.retain_until is not None:
                held["until"] = tenant.retain_until.isoformat()
            tenant.hold, tenant.retain_until = "", None
            return held

        return self._edit(key, "release", operator, reason, change)

    def delete(
        self,
        key: str,
        *,
        now: bool = False,
        grace: timedelta = GRACE,
        operator: str = "",
        reason: str = "",
        report: Callable[[str, int], None] = tell_nobody,
    ) -> Deletion:
        """Serve the tenant no more, and delete its rows after a time of grace; called again then, it does so.

        Until then ``resume`` takes it back.  What broke off goes on when it is called again.

        Args:
            key: The tenant's.
            now: Without the time of grace.
            grace: How long that is.
            operator: Who wants it.
            reason: Why.
            report: Told of each table's rows as they go.

        Raises:
            UnknownTenant: There is none with this key.
            prefiq.application.errors.TenantHeld: It must not be deleted now.
        """
        return delete(self, key, now=now, grace=grace, operator=operator, reason=reason, report=report)

    def planned_deletion(self, key: str, *, now: bool = False, grace: timedelta = GRACE) -> Deletion:
        """What ``delete`` would do; nothing is changed.

        Raises:
            As ``delete``.
        """
        return planned(self, key, now=now, grace=grace)

    def export(
        self,
        key: str,
        path: Path,
        format: Format = "csv",
        *,
        operator: str = "",
        reason: str = "",
        report: Callable[[str, int], None] = tell_nobody,
    ) -> dict[str, Any]:
        """Write all rows of a tenant, history included, to a file for the customer.

        It is one snapshot, read in batches; a tenant that is suspended, or waits to be deleted, has it as well.

        Args:
            key: The tenant's.
            path: A file that does not exist yet; readable by its owner alone.
            format: ``"csv"`` (a zip of files), ``"xlsx"`` (needs ``prefiq[xlsx]``) or ``"json"`` (lines).
            operator: Who wants it.
            reason: Why.
            report: Told of each table's rows as they are written.

        Returns:
            The manifest, which stands in the file too.

        Raises:
            UnknownTenant: There is none with this key, or its rows are deleted.
            FileExistsError: The file is there already.
            ModuleNotFoundError: The package for workbooks is not installed.
        """
        return export(self, key, path, format, operator=operator, reason=reason, report=report)

    def planned_export(self, key: str) -> dict[str, Any]:
        """The manifest that ``export`` would write, with the entities of each model; no file is made.

        Raises:
            As ``export``.
        """
        return planned_export(self, key)

    # ---- inside; also for ``tenant_deletion`` and ``tenant_export``

    @property
    def app(self) -> Application:
        """Whose directory."""
        return self._app

    def stored(self, scope: Scope, key: str) -> Tenant:
        """The tenant as it is stored."""
        found = _found(scope, key)
        if found is None:
            raise UnknownTenant(key)
        return found

    def record(
        self,
        scope: Scope,
        tenant: Tenant,
        action: str,
        before: str,
        operator: str,
        reason: str,
        details: dict[str, Any] | None = None,
    ) -> TenantLife:
        """Write into the tenant's life, and tell the subscribers, in the transaction that is open."""
        operator, now = operator or _operator(scope.previous), scope[IClock].now()
        after = tenant.state.value
        entry = TenantLife(
            tenant_key=tenant.key, at=now, action=action, state_before=before, state_after=after,
            operator=operator, reason=reason, details=details or {},
        )  # fmt: skip
        scope[IDomainService[TenantLife]].create(entry)
        scope[Events].publish(TenantEvent(tenant.key, action, before, after, operator, reason, now))
        extra = {"tenant": tenant.key, "operator": operator, "reason": reason}
        told = partial(logger.info, "tenant %s: %s by %s", tenant.key, action, operator, extra=extra)
        scope[ITransactions].after_commit(told)
        return entry

    def settle(self, key: str, since: float | None = None) -> None:
        """Wait until every process knows what was committed.

        Args:
            key: The tenant's.
            since: When that was, by ``time.monotonic``; now where left out.
        """
        self._forget(key)
        left = self.settling - (0.0 if since is None else time.monotonic() - since)
        if left > 0:
            pause(left)

    def changing(self) -> Scope:
        """A scope that may write the directory."""
        return self._app.scope(as_system=self.REASON)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._known.pop(key, None)

    def _new(self, key: str, name: str, mode: TenantMode | str | None) -> Tenant:
        if re.fullmatch(TENANT_KEY, key) is None:
            # No place can have its name; what is wrong with it is told when it is checked.
            return Tenant(key=key, name=name or key)
        placed = places.placement(self._app, key, mode or self._app.settings.tenancy)
        return Tenant(
            key=key,
            name=name or key,
            mode=TenantMode(placed.mode),
            hint=placed.hint,
            database=placed.database,
            epoch=placed.epoch,
        )

    def _activate(self, scope: Scope, tenant: Tenant, operator: str, reason: str) -> None:
        before = tenant.state.value
        tenant.state_since = scope[IClock].now()
        scope[IDomainService[Tenant]].run(Tenant.activate, tenant)
        self.record(scope, tenant, "activate", before, operator, reason)

    def _move(self, key: str, transition: Any, action: str, operator: str, reason: str) -> Tenant:
        with self.changing() as scope, scope[ITransactions].tx():
            tenant = self.stored(scope, key)
            before = tenant.state.value
            tenant.state_since = scope[IClock].now()
            scope[IDomainService[Tenant]].run(transition, tenant)
            self.record(scope, tenant, action, before, operator, reason)
        self.settle(key)
        return tenant

    def _edit(
        self, key: str, action: str, operator: str, reason: str, change: Callable[[Tenant], dict[str, Any]]
    ) -> Tenant:
        with self.changing() as scope, scope[ITransactions].tx():
            tenant = self.stored(scope, key)
            details = change(tenant)
            scope[IDomainService[Tenant]].update(tenant)
            self.record(scope, tenant, action, tenant.state.value, operator, reason, details)
        return tenant


def no_reason() -> ValidationFailed:
    """The error of a change that needs a reason and has none."""
    return ValidationFailed("prefiq.TenantLife", (FieldError("reason", "required", "is required"),))


def _found(scope: Scope, key: str) -> Tenant | None:
    """The tenant as it is stored; None without a question where the key can be nobody's."""
    return scope[IDomain[Tenant]].get_by("key", key) if re.fullmatch(TENANT_KEY, key) else None


def _operator(scope: Scope | None) -> str:
    """Who acts: of the scope that was open, else who runs the process."""
    if scope is not None and scope.actor is not NOBODY:
        return scope.actor.id
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for its user
        return "unknown"
