"""What commands ask of ``prefiq.migrations``, with an application in hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from prefiq.errors import Faults, PrefiqError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from prefiq.application import Application
    from prefiq.doctor import Finding
    from prefiq.foundation.seeds import Progress
    from prefiq.migrations import Developed, Done, ModuleStatus, Walls
    from prefiq.migrations.targets import Target, Visit
    from prefiq.sql import ConnectionManager

__all__ = [
    "apply",
    "check_at_head",
    "check_files",
    "check_files_to_be_deployed",
    "check_tenants",
    "develop",
    "due_tenants",
    "examine_state",
    "manager_of",
    "migrate_tenants",
    "migrating",
    "ping",
    "planned",
    "planned_for_tenants",
    "run_seeds",
    "statements",
    "status",
    "sync_shared",
    "tenant_keys",
    "tenants_status",
    "walls_of",
]

MOST_TENANTS = 50
MOST_NAMED = 5
PING_SECONDS = 5.0


def manager_of(app: Application) -> ConnectionManager:
    """The connections of an application."""
    from prefiq.sql import ConnectionManager

    return app.container.resolve(None, ConnectionManager)


def walls_of(app: Application) -> Walls | None:
    """What keeps tenants apart in the database itself; None for an installation of one tenant."""
    from prefiq.migrations import Walls

    if app.settings.tenancy == "single":
        return None
    across = app.settings.database_roles.get("across")
    return Walls(across.user if across is not None else "")


@contextmanager
def migrating(app: Application) -> Iterator[sa.Connection]:
    """A connection that may change the default database's tables: of the role that MIGRATE_DB_* names, if any.

    Makes the database where it is a file that is not there.
    """
    with manager_of(app).schema_connection() as connection:
        yield connection


@contextmanager
def _looking(app: Application) -> Iterator[sa.Connection]:
    """A connection to the tables of migrations, which no scope knows; it makes no database where there is none."""
    from prefiq.sql.errors import DatabaseMissing

    path = app.settings.database.path
    if path is not None and not path.exists():
        raise DatabaseMissing("default")
    with migrating(app) as connection:
        yield connection


def ping(app: Application) -> None:
    """Go on only if the default database answers soon, on a connection of the pool.

    Raises:
        prefiq.sql.errors.DatabaseError: It does not.
    """
    import sqlalchemy as sa

    from prefiq.sql import Executor

    deadline = datetime.now(UTC) + timedelta(seconds=PING_SECONDS)
    with app.scope(as_system="whether the database answers", routine=True, deadline=deadline) as scope:
        scope[Executor].scalar(sa.select(sa.literal(1)))


def check_at_head(app: Application) -> None:
    """Go on only if the database has every migration; it is not changed.

    One that is yet to be made has none, which is told as such.

    Raises:
        prefiq.errors.PrefiqError: It has not, or it cannot be reached.
    """
    from prefiq.migrations import check, parts_of
    from prefiq.sql.errors import DatabaseMissing

    try:
        with _looking(app) as connection:
            check(parts_of(app), connection)
    except DatabaseMissing as missing:
        path = app.settings.database.path
        if path is None or not path.parent.is_dir():
            raise
        try:
            check(parts_of(app), None)
        except Faults as behind:
            faults = [error for error in behind.exceptions if isinstance(error, PrefiqError)]
            raise Faults(behind.message, [missing, *faults]) from missing


def check_tenants(app: Application, tenant: str = "") -> None:
    """Go on only if every tenant's own database has every migration; each is looked into.

    Raises:
        prefiq.errors.Faults: Those that have not, or cannot be reached.
    """
    from prefiq.migrations import check, parts_of

    parts = parts_of(app)
    _in_each(app, tenant, lambda _, connection: check(parts, connection))


def planned_for_tenants(app: Application, tenant: str = "") -> list[dict[str, Any]]:
    """What would be applied to tenants' own databases, in order, each row with its tenant."""
    from prefiq.migrations import parts_of, plan

    rows: list[dict[str, Any]] = []

    def look(target: Target, connection: sa.Connection) -> None:
        pending = plan(parts_of(app), connection).pending
        rows.extend({"tenant": target.tenant, **row} for row in _told(pending))

    _in_each(app, tenant, look)
    return rows


def check_files(app: Application) -> None:
    """Go on only if the models are what the migration files make; no database is touched.

    Raises:
        prefiq.errors.Faults: ``ModelChanged`` and the like.
    """
    from prefiq.migrations import check_models, parts_of

    faults = check_models(parts_of(app), app.catalog)
    if faults:
        raise Faults("The migrations are not what the models say", faults)


def check_files_to_be_deployed(app: Application) -> None:
    """``check_files``, but in development, where the database follows the declarations."""
    if app.settings.env != "development":
        check_files(app)


def examine_state(app: Application) -> list[Finding]:
    """Warnings where tables were changed by hand, where tenants lack seeds, and where their time of grace is over.

    The first tenants stand for all, since there may be many.

    Raises:
        prefiq.errors.PrefiqError: The database is not at head.
    """
    check_at_head(app)
    return [*_drifted(app), *_tenants_behind(app), *_unseeded(app), *_undeleted(app)]


def _tenants_behind(app: Application) -> list[Finding]:
    from prefiq.doctor import Finding

    waiting = [row["tenant"] for row in tenants_status(app) if not row["at_head"]]
    if not waiting or app.settings.env in {"development", "test"}:
        return []
    named = ", ".join(waiting[:5]) + (" …" if len(waiting) > 5 else "")
    what = f"{len(waiting)} {'tenant has a database' if len(waiting) == 1 else 'tenants have databases'} not at head: {named}"
    return [Finding("PFQ-D222", "warning", what, "the tenants' databases", "prefiq run migrate", exit_code=5)]


def _drifted(app: Application) -> list[Finding]:
    from prefiq.doctor import Finding, findings_of
    from prefiq.migrations import drift, parts_of, plan
    from prefiq.sql.errors import AccessDenied

    try:
        with _looking(app) as connection:
            found = plan(parts_of(app), connection, strict=False)
            known = found.present
            for row in found.ahead:  # only newer code knows how these tables should be
                known = known.without_module(row.module)
            return [
                finding
                for fault in drift(connection, known, walls_of(app))
                for finding in findings_of(fault, "warning")
            ]
    except AccessDenied:  # servers compare with temporary tables, which who only serves may not make
        what = "Whether tables were changed by hand cannot be told as the serving user"
        fix = "set MIGRATE_DB_USER and MIGRATE_DB_PASS for this command"
        return [Finding("PFQ-D221", "warning", what, "the tables", fix)]


def _unseeded(app: Application) -> list[Finding]:
    from prefiq.doctor import Finding
    from prefiq.migrations import pending_seeds

    waiting = pending_seeds(app, tenant_keys(app)[:MOST_TENANTS])
    if not waiting:
        return []
    names = sorted({f"{one.module}.{one.seed.name}" for one in waiting})
    tenants = len({one.tenant for one in waiting})
    what = f"Seeds wait for {tenants} {'tenant' if tenants == 1 else 'tenants'}: {', '.join(names)}"
    return [Finding("PFQ-D220", "warning", what, "the tenants' rows", "prefiq run migrate", exit_code=5)]


def due_tenants(app: Application) -> list[str]:
    """Keys of the tenants whose rows may be deleted now."""
    from prefiq.contracts import IClock
    from prefiq.foundation import TenantState

    if app.settings.tenancy == "single":
        return []
    now = app.container.resolve(None, IClock).now()
    return [
        tenant.key
        for tenant in app.tenants.list(TenantState.DELETING)
        if tenant.delete_after is not None and tenant.delete_after <= now
    ]


def _undeleted(app: Application) -> list[Finding]:
    from prefiq.doctor import Finding

    due = due_tenants(app)
    if not due:
        return []
    named = ", ".join(due[:MOST_NAMED]) + (" and more" if len(due) > MOST_NAMED else "")
    what = f"The time of grace is over, and the rows are still there: {named}"
    return [Finding("PFQ-D223", "warning", what, "deleted tenants", "prefiq tenants delete --due")]


def status(app: Application) -> list[ModuleStatus]:
    """Where each module's tables stand."""
    from prefiq.migrations import parts_of, status

    with _looking(app) as connection:
        return status(parts_of(app), connection)


def planned(app: Application) -> list[dict[str, Any]]:
    """What ``run migrate`` would apply, in order; a database that does not exist yet has nothing."""
    return _told(_plan(app).pending)


def _told(pending: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {
            "module": stage.loaded.module,
            "name": stage.loaded.label,
            "phase": stage.loaded.migration.phase,
            "operations": [change.operation.title for change in stage.changes],
        }
        for stage in pending
    ]


def statements(app: Application) -> str:
    """What ``run migrate`` would run, as SQL."""
    from prefiq.migrations import sql

    return sql(_plan(app), app.settings.database.engine, walls=walls_of(app))


def _plan(app: Application) -> Any:
    from prefiq.migrations import parts_of, plan
    from prefiq.sql.errors import DatabaseMissing

    try:
        with _looking(app) as connection:
            return plan(parts_of(app), connection)
    except DatabaseMissing:
        return plan(parts_of(app))


def apply(app: Application, report: Callable[[Done], None], *, allow_blocking: bool = False) -> list[Done]:
    """Apply what is pending; makes the database where there is none.

    Args:
        app: Booted.
        report: Called after each migration.
        allow_blocking: Whether writers may have to wait until a large table is copied.
    """
    from prefiq.migrations import apply, parts_of, plan

    with migrating(app) as connection:
        planned = plan(parts_of(app), connection)
        return apply(planned, connection, report=report, allow_blocking=allow_blocking, walls=walls_of(app))


def migrate_tenants(
    app: Application,
    report: Callable[[str, Done], None],
    *,
    tenant: str = "",
    allow_blocking: bool = False,
) -> list[Visit]:
    """Bring tenants' own databases to the present, one after the other, and their copies of shared rows.

    The register says where nothing has to be done; what stands in the way of one tenant is told, and does not
    stop the others.

    Args:
        app: Booted; its own database is at head.
        report: Called with the tenant's key after each migration.
        tenant: Only this one, whatever the register says.
        allow_blocking: Whether writers may have to wait until a large table is copied.
    """
    from prefiq.migrations.targets import behind, migrate_target, read_originals, targets

    among = targets(app, tenant)
    if not among:
        return []
    waiting = among if tenant else behind(app, among)
    shared = read_originals(app)
    visits = [
        migrate_target(
            app,
            target,
            shared,
            report=lambda done, key=target.tenant: report(key, done),  # type: ignore[misc]
            allow_blocking=allow_blocking,
        )
        for target in waiting
    ]
    return [*visits, *sync_shared(app, [target for target in among if target not in waiting])]


def sync_shared(app: Application, among: Sequence[Target] | None = None) -> list[Visit]:
    """Bring the copies of shared rows in tenants' own databases to the originals.

    Args:
        app: Booted.
        among: The targets whose copies the register does not know as present; all, looked into, where left out.
    """
    from prefiq.migrations.targets import sync_shared, targets

    found = targets(app) if among is None else among
    return list(sync_shared(app, found, trusting=among is not None)) if found else []


def tenants_status(app: Application, tenant: str = "") -> list[dict[str, Any]]:
    """Which tenants' own databases are at head, as the register has it: one query for all of them."""
    from prefiq.migrations.targets import errors_of, states, targets

    among = targets(app, tenant)
    errors = errors_of(app) if among else {}
    return [
        {"tenant": target.tenant, "at_head": at_head, "error": errors.get(target.tenant, "")}
        for target, at_head in (states(app, among) if among else ())
    ]


def _in_each(app: Application, tenant: str, act: Callable[[Target, sa.Connection], None]) -> None:
    """Look into each tenant's own database.

    Raises:
        prefiq.errors.Faults: What is wrong in them, each with its tenant.
    """
    from prefiq.migrations.targets import failed, looking, targets

    faults: list[PrefiqError] = []
    for target in targets(app, tenant):
        try:
            with looking(app, target) as connection:
                act(target, connection)
        except PrefiqError as error:
            faults.append(failed(target, error))
    if faults:
        raise Faults("Some tenants' databases are not as they should be", faults)


def tenant_keys(app: Application) -> list[str]:
    """Keys of the tenants that are served."""
    if app.settings.tenancy == "single":
        return [app.settings.tenant]
    return [tenant.key for tenant in app.tenants.list() if tenant.state.value == "active"]


def develop(
    app: Application, renames: Mapping[str, str] = MappingProxyType({}), *, allow_loss: bool = False
) -> Developed:
    """Bring a development database to the declarations; makes it where there is none.

    Args:
        app: Booted.
        renames: Old name → new name of fields and models, ``{"Project.code": "key"}``.
        allow_loss: Whether tables and columns may go that hold something.
    """
    from prefiq.migrations import migrate_from_declarations, parts_of

    with migrating(app) as connection:
        return migrate_from_declarations(
            parts_of(app),
            app.catalog,
            connection,
            renames=renames,
            allow_destructive=allow_loss,
            walls=walls_of(app),
        )


def run_seeds(
    app: Application, tenants: Sequence[str], progress: Progress | None = None
) -> list[dict[str, str]]:
    """Run the seeds that tenants lack.

    Returns:
        Tenant, module and name of each that ran.

    Raises:
        prefiq.errors.Faults: Some failed; the others ran.
    """
    from prefiq.migrations import run_seeds

    done: list[dict[str, str]] = []
    faults: list[PrefiqError] = []
    for tenant in tenants:
        if progress is not None:
            progress.start(f"seeds of {tenant}")
        try:
            ran = run_seeds(app, [tenant], progress)
        except Faults as failed:
            faults += [error for error in failed.exceptions if isinstance(error, PrefiqError)]
            continue
        done += [{"tenant": one.tenant, "module": one.module, "seed": one.seed.name} for one in ran]
    if faults:
        raise Faults("Some seeds failed", faults)
    return done
