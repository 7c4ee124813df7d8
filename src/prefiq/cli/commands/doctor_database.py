"""``prefiq doctor database``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from prefiq.cli.session import Session, pass_session

if TYPE_CHECKING:
    from prefiq.doctor import Done

__all__ = ["command"]


@click.command("database")
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
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
    migrations, files and free disk; nothing is written.

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
    from prefiq.doctor import examine_database, exit_code_of

    findings = session.run(examine_database, examine_state, processes=workers)
    code = exit_code_of(findings, strict=strict)
    session.answer(findings_data(findings, code), lambda: show_findings(findings))
    return code


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
