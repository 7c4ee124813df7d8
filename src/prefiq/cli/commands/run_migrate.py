"""``prefiq run migrate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.session import Session, pass_session

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]


@click.command("migrate")
@click.option("--plan", is_flag=True, help="Show what would be applied.")
@click.option("--sql", is_flag=True, help="Print the statements that would run.")
@click.option("--check", is_flag=True, help="Fail (exit code 5) unless models, files and database agree.")
@click.option("--status", is_flag=True, help="Show what is applied.")
@pass_session
def command(session: Session, *, plan: bool, sql: bool, check: bool, status: bool) -> None:
    """Apply the migrations of all listed modules, then the seeds.

    Everything is applied once and in order, and seeds run once for each tenant, so that the command can be
    repeated.  With one of the options nothing is changed.
    """
    if plan + sql + check + status > 1:
        raise click.UsageError("--plan, --sql, --check and --status exclude each other.")
    with session.booted() as app:
        if plan:
            _plan(session, app)
        elif sql:
            _sql(session, app)
        elif check:
            _check(session, app)
        elif status:
            _status(session, app)
        else:
            _migrate(session, app)


def _plan(session: Session, app: Application) -> None:
    from prefiq.cli.database_state import planned

    rows = planned(app)

    def show() -> None:
        for row in rows:
            click.echo(f"{row['module']} {row['name']} ({row['phase']})")
            for operation in row["operations"]:
                click.echo(f"    {operation}")
        click.echo(f"{len(rows)} to apply")

    session.answer(rows, show)


def _sql(session: Session, app: Application) -> None:
    from prefiq.cli.database_state import statements

    text = statements(app)
    session.answer({"sql": text}, lambda: click.echo(text, nl=False))


def _check(session: Session, app: Application) -> None:
    from prefiq.cli.database_state import check_at_head, check_files

    check_files(app)
    check_at_head(app)
    session.answer({"ok": True}, lambda: click.echo("Models, migrations and database agree"))


def _status(session: Session, app: Application) -> None:
    from prefiq.cli.database_state import status
    from prefiq.cli.output import print_table

    rows: list[dict[str, Any]] = [
        {
            "module": at.module,
            "applied": list(at.applied),
            "pending": list(at.pending),
            "listed": not at.orphaned,
            "development": at.development,
            "ahead": list(at.ahead),
        }
        for at in status(app)
    ]

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
                    )
                    if holds
                ),
            )
            for row in rows
        ]
        print_table(("module", "applied up to", "pending", "note"), table)

    session.answer(rows, show)


def _migrate(session: Session, app: Application) -> None:
    from prefiq.cli.database_state import apply, check_files, run_seeds, tenant_keys
    from prefiq.cli.progress import progress

    def report(done: Any) -> None:
        if not session.json:
            how = "recorded" if done.adopted else f"{done.seconds:.2f} s"
            click.echo(f"applied {done.loaded.module} {done.loaded.label} ({how})")

    check_files(app)  # else the database would be brought to something that the code is not
    done = apply(app, report)
    with progress(session) as bar:
        seeds = run_seeds(app, tenant_keys(app), bar)
    data = {
        "applied": [{"module": one.loaded.module, "name": one.loaded.label} for one in done],
        "seeds": seeds,
    }

    def show() -> None:
        if not done:
            click.echo("Nothing to apply: the database is at head")
        if seeds:
            click.echo(f"{len(seeds)} seeds ran")

    session.answer(data, show)
