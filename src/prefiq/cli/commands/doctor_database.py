"""``prefiq doctor database``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from prefiq.cli.session import Session, pass_session

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.doctor import Done, Finding, Wall
    from prefiq.doctor.finding import Further

__all__ = ["command"]


@click.command("database")
@click.option("--strict", is_flag=True, help="Fail on warnings too, and try the wall between tenants.")
@click.option(
    "--workers",
    type=click.IntRange(1, 4096),
    default=1,
    envvar="WEB_CONCURRENCY",
    show_default=True,
    help="Processes that serve, each with a pool of its own.",
)
@click.option("--setup", is_flag=True, help="Print the SQL that makes databases, users and grants.")
@click.option("--apply", "applies", is_flag=True, help="Run that SQL as ADMIN_DB_USER.")
@pass_session
def command(session: Session, *, strict: bool, workers: int, setup: bool, applies: bool) -> int:
    """Connect to the databases and look at their health, or set them up.

    Connection, version, texts, rights, limits, clock, encryption, durability, replication, integrity,
    migrations, files and free disk; nothing is written.  --strict also tries, as the serving user and for two
    tenants, whatever would get past the wall that the database has between them, keeps nothing of it, and says
    what that wall does not cover.

    --setup prints, for every database on a server, what an administrator runs once: DB_USER reads and writes
    rows and owns nothing, MIGRATE_DB_USER owns the tables, ACROSS_DB_USER reads.  No password is printed.
    --apply does the same with ADMIN_DB_*, as often as you like.
    """
    if setup and applies:
        raise click.UsageError("--setup and --apply exclude each other.")
    if setup:
        return _setup(session)
    if applies:
        return _apply(session)
    from prefiq.cli.database_state import examine_state
    from prefiq.cli.findings import findings_data, show_findings
    from prefiq.doctor import exit_code_of

    findings, walls = session.run(_look, examine_state, processes=workers, strict=strict)
    code = exit_code_of(findings, strict=strict)
    data = findings_data(findings, code)
    if strict:
        data["walls"] = [dataclasses.asdict(wall) for wall in walls]

    def show() -> None:
        for wall in walls:
            tables = f", in {wall.tables} tables" if wall.tables else ""
            click.echo(f"wall     {wall.database}: {wall.wall}{tables}")
            for what in wall.not_covered:
                click.echo(f"           not covered: {what}")
        show_findings(findings)

    session.answer(data, show)
    return code


def _look(
    app: Application, *further: Further, processes: int, strict: bool
) -> tuple[tuple[Finding, ...], tuple[Wall, ...]]:
    from prefiq.doctor import examine_database, walls_of
    from prefiq.sql import DatabaseError

    findings = examine_database(app, *further, processes=processes, strict=strict)
    try:
        return findings, walls_of(app) if strict else ()
    except DatabaseError:  # which was found above
        return findings, ()


NOTHING = "Nothing to set up: SQLite has neither users nor rights; the file is made by the first migration."


def _setup(session: Session) -> int:
    from prefiq.doctor import setup_scripts

    scripts = setup_scripts(session.settings())
    data = [{"database": name, "script": script} for name, script in scripts.items()]
    # A comment in SQL: the answer may go straight into a file.
    session.answer(data, lambda: click.echo("\n".join(scripts.values()).rstrip() or f"-- {NOTHING}"))
    return 0


def _apply(session: Session) -> int:
    from prefiq.doctor import apply_setup

    def tell(done: Done) -> None:
        if not session.json:
            state = click.style("done   ", fg="green") if done.changed else "present"
            click.echo(f"{state}  {done.database}: {done.what}")

    done, left = apply_setup(session.settings(), tell)

    def show() -> None:
        if not done and not left:
            click.echo(NOTHING)
        for name in left:
            click.echo(f"left     {name}: ADMIN_DB_* leads to another server; run there what --setup prints")

    session.answer({"done": [dataclasses.asdict(one) for one in done], "left": left}, show)
    return 1 if left else 0
