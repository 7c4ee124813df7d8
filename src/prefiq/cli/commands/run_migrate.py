"""``prefiq run migrate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.errors import OnlyInDevelopment
from prefiq.cli.pairs import pairs_of
from prefiq.cli.session import Session, pass_session

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]


@click.command("migrate")
@click.option("--plan", is_flag=True, help="Show what would be applied.")
@click.option("--sql", is_flag=True, help="Print the statements that would run.")
@click.option("--check", is_flag=True, help="Fail (exit code 5) unless models, files and database agree.")
@click.option("--status", is_flag=True, help="Show what is applied.")
@click.option(
    "--rename",
    "renames",
    metavar="OLD=NEW",
    multiple=True,
    help="Development only: follow the declarations, a field or model has a new name; may be repeated.",
)
@click.option(
    "--allow-loss",
    is_flag=True,
    help="Development only: follow the declarations, also where that drops what holds something.",
)
@click.option(
    "--allow-blocking",
    is_flag=True,
    help="Change large tables also where others have to wait until all rows are copied.",
)
@click.option(
    "--tenant",
    metavar="KEY",
    default="",
    help="Only this tenant's own database; it is looked into in any case.",
)
@pass_session
def command(
    session: Session,
    *,
    plan: bool,
    sql: bool,
    check: bool,
    status: bool,
    renames: tuple[str, ...],
    allow_loss: bool,
    allow_blocking: bool,
    tenant: str,
) -> None:
    """Apply the migrations of all listed modules, then the seeds.

    Everything is applied once and in order, and seeds run once for each tenant, so that the command can be
    repeated.  After the application's own database come those that tenants have of their own, one after the
    other, with their copies of shared rows; what is wrong with one is told at the end, and stops no other.  With --plan, --sql, --check or --status nothing is changed.  With --rename or --allow-loss the
    database follows the declarations without files, as it does when the server starts in development.
    """
    follow = bool(renames) or allow_loss
    if plan + sql + check + status + follow > 1:
        raise click.UsageError(
            "--plan, --sql, --check, --status and --rename or --allow-loss exclude each other."
        )
    pairs = pairs_of("--rename", renames, "OLD=NEW, such as Project.code=key")
    if follow and session.settings().env != "development":
        option = "--rename" if renames else "--allow-loss"
        raise OnlyInDevelopment(
            f"prefiq run migrate {option}", "prefiq lowcode makemigrations writes it into a file"
        )
    session.run(
        _act,
        session,
        plan=plan,
        sql=sql,
        check=check,
        status=status,
        pairs=pairs,
        allow_loss=allow_loss,
        allow_blocking=allow_blocking,
        tenant=tenant,
    )


def _act(
    app: Application,
    session: Session,
    *,
    plan: bool,
    sql: bool,
    check: bool,
    status: bool,
    pairs: dict[str, str],
    allow_loss: bool,
    allow_blocking: bool,
    tenant: str,
) -> None:
    if plan:
        _plan(session, app, tenant)
    elif sql:
        _sql(session, app)
    elif check:
        _check(session, app, tenant)
    elif status:
        _status(session, app, tenant)
    elif pairs or allow_loss:
        _follow(session, app, pairs, allow_loss=allow_loss)
    else:
        _migrate(session, app, tenant, allow_blocking=allow_blocking)


def _plan(session: Session, app: Application, tenant: str) -> None:
    from prefiq.cli.database_state import planned, planned_for_tenants

    rows = [] if tenant else planned(app)
    if not rows:  # else there may be no directory of tenants yet
        rows = planned_for_tenants(app, tenant)

    def show() -> None:
        for row in rows:
            whose = f"{row['tenant']}: " if "tenant" in row else ""
            click.echo(f"{whose}{row['module']} {row['name']} ({row['phase']})")
            for operation in row["operations"]:
                click.echo(f"    {operation}")
        click.echo(f"{len(rows)} to apply")

    session.answer(rows, show)


def _sql(session: Session, app: Application) -> None:
    from prefiq.cli.database_state import statements

    text = statements(app)
    session.answer({"sql": text}, lambda: click.echo(text, nl=False))


def _check(session: Session, app: Application, tenant: str) -> None:
    from prefiq.cli.database_state import check_at_head, check_files, check_tenants

    check_files(app)
    check_at_head(app)
    check_tenants(app, tenant)
    session.answer({"ok": True}, lambda: click.echo("Models, migrations and database agree"))


def _status(session: Session, app: Application, tenant: str) -> None:
    from prefiq.cli.database_state import status, tenants_status
    from prefiq.cli.output import print_table

    rows: list[dict[str, Any]] = [
        {
            "module": at.module,
            "applied": list(at.applied),
            "pending": list(at.pending),
            "listed": not at.orphaned,
            "development": at.development,
            "ahead": list(at.ahead),
            "begun": list(at.begun),
        }
        for at in status(app)
    ]
    of_tenants = [] if any(row["pending"] for row in rows) else tenants_status(app, tenant)

    def show() -> None:
        table = [
            (
                row["module"],
                row["applied"][-1] if row["applied"] else "-",
                ", ".join(row["pending"]) or "-",
                "; ".join(
                    note
                    for note, holds in (
                        ("not listed, its tables are kept", not row["listed"]),
                        ("follows the declarations", row["development"]),
                        ("migrated by a newer release", row["ahead"]),
                        (f"{', '.join(row['begun'])} is done in part", row["begun"]),
                    )
                    if holds
                ),
            )
            for row in rows
        ]
        print_table(("module", "applied up to", "pending", "note"), table)
        if of_tenants:
            waiting = [row for row in of_tenants if not row["at_head"]]
            click.echo(
                f"{len(of_tenants) - len(waiting)} of {len(of_tenants)} tenants' databases are at head"
            )
            for row in waiting:
                click.echo(f"    {row['tenant']} {row['error'] or 'waits'}")

    session.answer([*rows, *of_tenants], show)


def _follow(session: Session, app: Application, renames: dict[str, str], *, allow_loss: bool) -> None:
    from prefiq.cli.database_state import develop, run_seeds, tenant_keys
    from prefiq.cli.progress import progress

    done = develop(app, renames, allow_loss=allow_loss)
    with progress(session) as bar:
        seeds = run_seeds(app, tenant_keys(app), bar)
    data = {
        "applied": [{"module": one.loaded.module, "name": one.loaded.label} for one in done.applied],
        "changed": [{"module": module, "change": change} for module, change in done.changed],
        "seeds": seeds,
    }

    def show() -> None:
        for one in data["applied"]:
            click.echo(f"applied {one['module']} {one['name']}")
        for one in data["changed"]:
            click.echo(f"{one['module']}: {one['change']}")
        if not done:
            click.echo("Nothing to do: the database is where the declarations are")
        if seeds:
            click.echo(f"{len(seeds)} seeds ran")

    session.answer(data, show)


def _migrate(session: Session, app: Application, tenant: str, *, allow_blocking: bool) -> None:
    from prefiq.cli.database_state import apply, check_files, migrate_tenants, run_seeds, tenant_keys
    from prefiq.cli.progress import progress
    from prefiq.errors import Faults

    def report(done: Any, whose: str = "") -> None:
        if not session.json:
            how = "recorded" if done.adopted else f"{done.seconds:.2f} s"
            click.echo(f"applied {whose}{done.loaded.module} {done.loaded.label} ({how})")

    check_files(app)  # else the database would be brought to something that the code is not
    done = [] if tenant else apply(app, report, allow_blocking=allow_blocking)
    visits = migrate_tenants(
        app, lambda key, one: report(one, f"{key}: "), tenant=tenant, allow_blocking=allow_blocking
    )
    faults = [visit.error for visit in visits if visit.error is not None]
    broken = {fault.tenant for fault in faults}
    keys = [key for key in tenant_keys(app) if key not in broken and tenant in {"", key}]
    with progress(session) as bar:
        seeds = run_seeds(app, keys, bar)
    data: dict[str, Any] = {
        "applied": [{"module": one.loaded.module, "name": one.loaded.label} for one in done],
        "seeds": seeds,
    }
    if visits:
        data["tenants"] = [
            {
                "tenant": visit.target.tenant,
                "applied": [{"module": one.loaded.module, "name": one.loaded.label} for one in visit.done],
                "copied": visit.copied.written + visit.copied.deleted,
                "error": visit.error.reason if visit.error is not None else "",
            }
            for visit in visits
        ]

    def show() -> None:
        if not done and not faults and not any(visit.done for visit in visits):
            click.echo("Nothing to apply: the database is at head")
        if visits:
            changed = sum(1 for visit in visits if visit.copied.written or visit.copied.deleted)
            ready = len(visits) - len(faults)
            click.echo(
                f"{ready} of {len(visits)} tenants' databases are at head, copies changed in {changed}"
            )
        if seeds:
            click.echo(f"{len(seeds)} seeds ran")

    session.answer(data, show)
    if faults:
        raise Faults("Some tenants' databases were not brought to the present", faults)
