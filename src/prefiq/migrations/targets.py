"""Every database and schema that migrations visit, and how the ones of tenants come to be and go.

The application's own database is the first target; each tenant with a database or schema of its own is another one.  What
``prefiq.application`` asks of this room stands here: ``placement``, ``provision`` and ``unprovision``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from prefiq.application.errors import PlacementNotServed
from prefiq.application.tenant_places import apart
from prefiq.contracts import Placement
from prefiq.errors import Faults, PrefiqError
from prefiq.foundation.tenants import Tenant, TenantMode, TenantState
from prefiq.lowcode import Catalog
from prefiq.migrations import register
from prefiq.migrations.copies import Copied, Shared, read_shared, refresh
from prefiq.migrations.develop import migrate_from_declarations
from prefiq.migrations.errors import TenantNotMigrated
from prefiq.migrations.execution import Site
from prefiq.migrations.fresh import Fresh, fresh
from prefiq.migrations.loader import parts_of
from prefiq.migrations.places import Order, mark, marked, place_for, put_mark
from prefiq.migrations.planning import plan
from prefiq.migrations.runner import Done, apply, utc_now
from prefiq.migrations.walls import Walls
from prefiq.sql import ConnectionManager, Tables
from prefiq.sql.errors import DatabaseMissing
from prefiq.sql.tenant_places import account_password, check_hint, file_of, tenant_database

if TYPE_CHECKING:
    import sqlalchemy as sa

    from prefiq.application import Application
    from prefiq.sql.dialects.engine import DatabaseLike

__all__ = [
    "Target",
    "Visit",
    "behind",
    "errors_of",
    "failed",
    "looking",
    "migrate_target",
    "placement",
    "provision",
    "read_originals",
    "states",
    "sync_shared",
    "targets",
    "unprovision",
    "walls_of",
]

logger = logging.getLogger("prefiq")

LONGEST = 63
_MIGRATED = frozenset({
    TenantState.ACTIVE, TenantState.READ_ONLY, TenantState.SUSPENDED, TenantState.DELETING,
})  # fmt: skip


# ---- what the directory asks


def placement(app: Application, key: str, mode: str) -> Placement:
    """Where a new tenant shall stand; nothing is made.

    Args:
        app: Whose tenant.
        key: Of the tenant.
        mode: ``"database"`` or ``"schema"``.

    Raises:
        PlacementNotServed: Nowhere, in this application.
    """
    database = app.settings.database
    if mode == TenantMode.SCHEMA:
        if database.engine != "postgres":
            raise PlacementNotServed(mode, "only PostgreSQL has schemas")
        return Placement("schema", hint_for(database, key))
    if database.engine == "sqlite" and database.path is None:
        raise PlacementNotServed(mode, "the database is in memory, and has no folder for others")
    return Placement("database", hint_for(database, key))


def hint_for(database: DatabaseLike, key: str) -> str:
    """The name of a tenant's database or schema: that of the application's own and the key."""
    home = database.path.stem if database.path is not None else database.database
    prefix = re.sub(r"[^a-z0-9]+", "_", home.lower()).strip("_")
    if not prefix or not prefix[0].isalpha():
        prefix = f"p_{prefix}".rstrip("_")
    # No key has an underscore, so that two keys never have one name.
    name = f"{prefix}_{key.replace('-', '_')}"
    if len(name) > LONGEST:
        told = uuid.uuid5(uuid.NAMESPACE_DNS, name).hex[:8]
        name = f"{name[: LONGEST - 9]}_{told}"
    return check_hint(name)


def provision(app: Application, tenant: Tenant) -> None:
    """Make a tenant's database or schema with all tables and the shared rows, or go on with it.

    Raises:
        ForeignPlace: There is one of that name already, and it is not the tenant's.
        MigrationFailed: The database refused something.
    """
    apart(lambda: _Provisioning(app, tenant.key, tenant.placement).run())


def unprovision(app: Application, tenant: Tenant) -> None:
    """Take a tenant's database or schema away, with all that is in it; nothing where it is gone.

    Raises:
        ForeignPlace: What is there is not the tenant's.
    """
    apart(lambda: _unprovision(app, tenant.key, tenant.placement))


def _unprovision(app: Application, key: str, at: Placement) -> None:
    connections, order = _connections(app), _order(app, key, at)
    place = place_for(order)
    with place.alone(order, connections):
        if place.exists(order, connections):
            with _inside(order, order.creator, connections) as connection:
                mark(connection, order)
        place.remove(order, connections)
    with connections.schema_connection() as connection:
        register.forget(connection, key)


# ---- where migrations go


@dataclass(frozen=True, slots=True)
class Target:
    """One tenant's database or schema.

    Args:
        tenant: Key of the tenant.
        placement: Where.
    """

    tenant: str
    placement: Placement


@dataclass(frozen=True, slots=True)
class Visit:
    """What was done in one target.

    Args:
        target: Which.
        done: Migrations that were applied.
        copied: What changed in its copies of shared rows.
        error: What was in the way, or None.
    """

    target: Target
    done: tuple[Done, ...] = ()
    copied: Copied = Copied()  # noqa: RUF009  frozen
    error: TenantNotMigrated | None = None


def targets(app: Application, tenant: str = "") -> list[Target]:
    """Every tenant that has a database or schema of its own, in the order in which they were made.

    Suspended ones too, and those that are to be deleted: they may come back.

    Args:
        app: Booted.
        tenant: Only this one.
    """
    if app.settings.tenancy == "single":
        return []
    found = [app.tenants.get(tenant)] if tenant else app.tenants.list()
    return [
        Target(one.key, one.placement)
        for one in found
        if one.mode is not TenantMode.ROW and one.state in _MIGRATED
    ]


def behind(app: Application, among: Sequence[Target]) -> list[Target]:
    """The targets that the register does not know at the present code's head; one query, none is opened."""
    with _connections(app).schema_connection() as connection:
        known = register.read(connection)
    head = _fresh(app).checksum
    return [
        target
        for target in among
        if (entry := known.get(target.tenant)) is None
        or (entry.revision, entry.epoch, entry.error) != (head, target.placement.epoch, "")
    ]


def states(app: Application, among: Sequence[Target]) -> list[tuple[Target, bool]]:
    """Each target, and whether the register knows it at the present code's head."""
    waiting = set(behind(app, among))
    return [(target, target not in waiting) for target in among]


def errors_of(app: Application) -> dict[str, str]:
    """What was in the way of the last attempt, by tenant; nothing for those that were brought to the present."""
    with _connections(app).schema_connection() as connection:
        return {key: entry.error for key, entry in register.read(connection).items() if entry.error}


def read_originals(app: Application) -> Shared:
    """The shared rows of the application's own database."""
    connections = _connections(app)
    with connections.schema_connection() as connection:
        return read_shared(connection, connections.tables)


def failed(target: Target, error: PrefiqError) -> TenantNotMigrated:
    """The error of one target, for a report on many."""
    said = getattr(error, "what", "") or getattr(error, "message", "")
    if isinstance(error, Faults):
        said = "; ".join(str(getattr(one, "what", "")) for one in error.exceptions)
    worst = int(getattr(error, "worst_exit_code", 0) or error.exit_code)
    found = TenantNotMigrated(target.tenant, f"{type(error).__name__}: {said}", worst)
    found.__cause__ = error
    return found


def migrate_target(
    app: Application,
    target: Target,
    shared: Shared | None = None,
    *,
    report: Callable[[Done], None] = lambda _: None,
    allow_blocking: bool = False,
) -> Visit:
    """Bring one tenant's database to the present, and its copies of shared rows; what is in the way is told.

    Args:
        app: Booted.
        target: Which.
        shared: The originals, where they were read already.
        report: Called after each migration.
        allow_blocking: Whether writers may have to wait until a large table is copied.
    """
    done: list[Done] = []

    def told(one: Done) -> None:
        done.append(one)
        report(one)

    try:
        shared = shared or read_originals(app)
        with looking(app, target) as connection:
            _bring(app, connection, told, allow_blocking=allow_blocking)
            copied = _copy(connection, shared)
    except PrefiqError as error:
        fault = failed(target, error)
        logger.warning("tenant %s was not migrated: %s", target.tenant, fault.reason)
        _enter(app, target, "", "", fault.reason)
        return Visit(target, tuple(done), error=fault)
    _enter(app, target, _fresh(app).checksum, shared.checksum, "")
    return Visit(target, tuple(done), copied)


def _bring(
    app: Application, connection: sa.Connection, report: Callable[[Done], None], *, allow_blocking: bool
) -> None:
    parts = parts_of(app)
    if _follows(app):
        for one in migrate_from_declarations(
            parts, app.catalog, connection, walls=walls_of(app), allow_destructive=False
        ).applied:
            report(one)
        return
    planned = plan(parts, connection)
    connection.rollback()
    apply(planned, connection, report=report, allow_blocking=allow_blocking, walls=walls_of(app))


def sync_shared(app: Application, among: Sequence[Target], *, trusting: bool = True) -> Iterator[Visit]:
    """Bring the copies of shared rows to the originals.

    Args:
        app: Booted.
        among: The targets.
        trusting: Whether a target whose copies the register knows as present is left out; else all are looked
            into, so that what was changed there by hand, or came from a backup, is mended.
    """
    connections = _connections(app)
    with connections.schema_connection() as connection:
        shared, known = read_shared(connection, connections.tables), register.read(connection)
    for target in among:
        entry = known.get(target.tenant)
        present = (shared.checksum, target.placement.epoch)
        is_known = entry is not None and (entry.shared, entry.epoch) == present
        if is_known and trusting:
            yield Visit(target)
            continue
        try:
            with looking(app, target) as connection:
                copied = _copy(connection, shared)
        except PrefiqError as error:
            yield Visit(target, error=failed(target, error))
            continue
        if entry is not None and not is_known:
            _enter(app, target, entry.revision, shared.checksum, entry.error)
        yield Visit(target, copied=copied)


def _copy(connection: sa.Connection, shared: Shared, finish: Callable[[], None] = lambda: None) -> Copied:
    """Refresh the copies in one transaction."""
    if connection.in_transaction():
        connection.rollback()
    with connection.begin():
        copied = refresh(connection, shared)
        finish()
    return copied


def _enter(app: Application, target: Target, revision: str, shared: str, error: str) -> None:
    at = utc_now().isoformat()
    entry = register.Entry(target.tenant, target.placement.epoch, revision, shared, error[:500], at)
    with _connections(app).schema_connection() as connection:
        register.write(connection, entry)


# ---- making one


class _Provisioning:
    """One tenant's database being made.

    Args:
        app: Whose.
        key: Of the tenant.
        at: Where.
    """

    def __init__(self, app: Application, key: str, at: Placement) -> None:
        self._app = app
        self._connections = _connections(app)
        self._order = _order(app, key, at)
        self._place = place_for(self._order)
        self._target = Target(key, at)

    def run(self) -> None:
        """Do what is missing."""
        with self._place.alone(self._order, self._connections):
            self._run()

    def _run(self) -> None:
        order, place, connections = self._order, self._place, self._connections
        is_begun = is_whole = False
        if place.exists(order, connections):
            with _inside(order, order.creator, connections) as connection:
                found = mark(connection, order)
            is_begun, is_whole = found is not None, found is not None and bool(found.made_at)
        if is_begun and not is_whole:
            place.empty(order, connections)
        place.make(order, connections)
        made = _fresh(self._app)
        if not is_whole:
            if order.database.engine == "sqlite":
                _place_file(self._app, order, made)
            else:
                self._build(made)
        shared = read_originals(self._app)
        with _inside(order, order.migrating, connections) as connection:
            _copy(connection, shared, lambda: put_mark(connection, order, utc_now().isoformat()))
        _enter(self._app, self._target, made.checksum, shared.checksum, "")

    def _build(self, made: Fresh) -> None:
        """All tables, in a database that has none yet."""
        order = self._order
        with _inside(order, order.migrating, self._connections) as connection:
            site = Site(connection, may_block=True, walls=walls_of(self._app))

            def build() -> None:
                # Another process may have done it while this one waited.
                if site.renderer.atomic and marked(connection) is not None:
                    return
                put_mark(connection, order)
                made.build(site, utc_now())

            site.exclusively(build)


_freshes: WeakKeyDictionary[Tables, Fresh] = WeakKeyDictionary()
_templates: dict[str, bytes] = {}


def _fresh(app: Application) -> Fresh:
    """What new databases of an application are made of; files of modules do not change while it runs."""
    tables = _connections(app).tables
    found = _freshes.get(tables)
    if found is None:
        made = fresh(parts_of(app), app.catalog, declared=_follows(app))
        found = _freshes.setdefault(tables, made)
    return found


def _place_file(app: Application, order: Order, made: Fresh) -> None:
    """SQLite: a copy of a file that has all tables and the tenant's mark appears under its name, if none is there."""
    path = file_of(order.database, order.placement.hint)
    if path.exists():
        return
    content = _templates.get(made.checksum)
    if content is None:
        _templates.clear()  # of older code, in a process that develops
        content = _templates[made.checksum] = _template(app, order, made)
    # In the same folder, so that giving it its name is one step.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    copy = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        with _opened(order, copy) as connection, connection.begin():
            put_mark(connection, order)
        with contextlib.suppress(FileExistsError):  # another process was faster
            os.link(copy, path)
    finally:
        for suffix in ("", "-wal", "-shm"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)


def _template(app: Application, order: Order, made: Fresh) -> bytes:
    with tempfile.TemporaryDirectory(prefix="prefiq-") as folder:
        path = Path(folder) / "template.db"
        with _opened(order, path) as connection:
            site = Site(connection, may_block=True, walls=walls_of(app))
            site.exclusively(lambda: made.build(site, utc_now()))
        return path.read_bytes()


@contextmanager
def looking(app: Application, target: Target) -> Iterator[sa.Connection]:
    """A connection to a tenant's database, which makes none where there is none.

    Raises:
        prefiq.sql.errors.DatabaseError: It cannot be reached.
    """
    at = _connections(app).of_tenant(target.placement)
    if at.path is not None and not at.path.exists():
        raise DatabaseMissing("default")
    with _connections(app).schema_connection(target.placement.database, target.placement) as connection:
        yield connection


@contextmanager
def _opened(order: Order, path: Path) -> Iterator[sa.Connection]:
    values: Any = order.database
    database = dataclasses.replace(values, path=path, mode="sync")
    manager = ConnectionManager([database], Tables(Catalog.build({})))
    try:
        with manager.schema_connection(database.name) as connection:
            yield connection
    finally:
        manager.close()


def _follows(app: Application) -> bool:
    """Whether tables follow the declarations, without files."""
    return app.settings.env in {"development", "test"}


def walls_of(app: Application) -> Walls | None:
    """What keeps tenants apart in the database itself; None for an installation of one tenant."""
    if app.settings.tenancy == "single":
        return None
    across = app.settings.database_roles.get("across")
    return Walls(across.user if across is not None else "")


def _connections(app: Application) -> ConnectionManager:
    return app.container.resolve(None, ConnectionManager)


def _order(app: Application, key: str, at: Placement) -> Order:
    settings = app.settings
    database = settings.databases[at.database]
    roles = settings.database_roles if at.database == "default" else {}
    migrating = roles.get("migrate") or database
    secret = settings.tenant_db_key
    has_account = secret is not None and database.engine != "sqlite" and at.mode == "database"
    password = account_password(secret, at) if secret is not None and has_account else None
    return Order(key, at, database, roles.get("admin") or migrating, migrating, password)


@contextmanager
def _inside(order: Order, user: DatabaseLike, connections: ConnectionManager) -> Iterator[sa.Connection]:
    """A connection to the tenant's database as this user."""
    inside = dataclasses.replace(order, creator=tenant_database(user, order.placement))
    with inside.as_creator(connections) as connection:
        yield connection
