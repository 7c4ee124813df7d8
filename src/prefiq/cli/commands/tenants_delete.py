"""``prefiq tenants delete``."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_options import dry_run, many_tenants, recorded, tenant_data

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]


@click.command("delete")
@click.argument("key", required=False)
@click.option("--due", is_flag=True, help="In place of KEY: all whose time of grace is over.")
@click.option("--now", is_flag=True, help="Without the time of grace; there is no way back.")
@click.option(
    "--grace",
    type=click.IntRange(1, 3650),
    metavar="DAYS",
    default=30,
    show_default=True,
    help="Days for which it can be taken back.",
)
@click.option("--yes", is_flag=True, help="Do not ask, on a terminal, before rows go at once.")
@recorded
@dry_run
@pass_session
def command(
    session: Session,
    key: str | None,
    *,
    due: bool,
    now: bool,
    grace: int,
    yes: bool,
    operator: str,
    reason: str,
    dry_run: bool,
) -> None:
    """Delete a tenant: it is served no more, and its rows go when the time of grace is over.

    The first call shows how many rows there are in which table, tables of modules that are no longer listed
    among them.  When the time is over, the same call (or --due) deletes them and prints the receipt, which
    stays in the tenant's life; until then prefiq tenants resume takes it back.  What broke off goes on when it
    is called again.  It is refused while the tenant is held.
    """
    from prefiq.cli.database_state import due_tenants
    from prefiq.errors import Faults, PrefiqError

    many_tenants(session)
    if (key is None) != due or (due and now):
        raise click.UsageError("Give the KEY of a tenant, or --due alone.")
    if now and not (yes or dry_run or session.json) and sys.stdin.isatty():
        click.confirm(f"Delete all rows of {key} now? There is no way back", abort=True)
    keys = [key] if key is not None else session.run(due_tenants)
    done: list[dict[str, Any]] = []
    faults: list[PrefiqError] = []
    for one in keys:
        try:
            done.append(session.run(_delete, session, one, now, grace, operator, reason, dry_run))
        except PrefiqError as error:
            if not due:
                raise
            faults.append(error)

    def show() -> None:
        for data in done:
            _show(data)
        if due and not done:
            click.echo("No tenant waits to be deleted now")

    session.answer(done if due else done[0], show)
    if faults:
        raise Faults("Some tenants were not deleted", faults)


def _delete(
    app: Application,
    session: Session,
    key: str,
    now: bool,
    grace: int,
    operator: str,
    reason: str,
    dry_run: bool,
) -> dict[str, Any]:
    from prefiq.cli.progress import progress

    days = timedelta(days=grace)
    if dry_run:
        done = app.tenants.planned_deletion(key, now=now, grace=days)
    else:
        with progress(session) as bars:

            def advance(_: str, rows: int) -> None:
                bars.advance(rows)

            bars.start(f"rows of {key}")
            done = app.tenants.delete(
                key,
                now=now,
                grace=days,
                operator=operator,
                reason=reason,
                report=advance,
            )
    return {
        **tenant_data(done.tenant),
        "rows": dict(done.rows),
        "receipt": dict(done.receipt),
        "dry_run": dry_run,
    }


def _show(data: dict[str, Any]) -> None:
    from prefiq.cli.output import print_table

    key, rows = data["key"], data["rows"]
    print_table(("table", "rows"), list(rows.items()), empty="No table holds a row of it")
    total = f"{sum(rows.values())} rows of {key}"
    if data["state"] == "gone":
        click.echo(f"{total} {'would be' if data['dry_run'] else 'are'} deleted")
        for remains in data["receipt"].get("remains", ()):
            click.echo(f"still there: {remains}")
    elif data["dry_run"]:
        click.echo(f"{total} would go after {data['delete_after']:%Y-%m-%d}")
    else:
        click.echo(f"{key} is not served any more, in effect everywhere")
        click.echo(f"{total} go after {data['delete_after']:%Y-%m-%d}: run this command again then")
        click.echo(f"Until then prefiq tenants resume {key} takes it back")
