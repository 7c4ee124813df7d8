"""``prefiq doctor tenancy``."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from prefiq.cli.session import Session, pass_session, run_in_mode

if TYPE_CHECKING:
    from prefiq.testing.attacks import Outcome

__all__ = ["command"]

ONE_TENANT = "TENANCY=single: there is one tenant, and nobody to be kept apart from."


@click.command("tenancy")
@click.option(
    "--mode",
    "modes",
    type=click.Choice(["row", "schema", "database"]),
    multiple=True,
    help="A way of keeping tenants apart; every one that the engine has where left out.",
)
@click.option("--strict", is_flag=True, help="Fail where something could not be attacked, too.")
@pass_session
def command(session: Session, *, modes: tuple[str, ...], strict: bool) -> int:
    """Attack the isolation of tenants, and show what came of it.

    Two tenants with the same ids and values are made in a database of their own, which is gone afterwards; on
    a server ADMIN_DB_* makes it, else MIGRATE_DB_* or DB_*.  Every model is attacked by its service, by
    statements and over HTTP: reading, lists, counts, filters, orders, includes, actions, writes, references,
    history, cursors, ETags, and the names of tenants.  Exit code 1 says that an attack got through.
    """
    from prefiq.testing.attacks import attack_settings
    from prefiq.testing.attacks.scratch import modes_of

    settings = session.settings()
    if settings.tenancy == "single":
        session.answer({"ok": True, "attacks": 0, "leaks": [], "skipped": [], "table": []}, _say_one_tenant)
        return 0
    http = find_spec("starlette") is not None
    with _quiet():
        outcome = run_in_mode(
            settings, lambda: attack_settings(settings, modes or modes_of(settings), http=http)
        )
    code = 1 if outcome.leaks or not outcome.attacks or (strict and outcome.skipped) else 0
    names = ("model", "route", "mode", "attacks", "held", "kinds")
    data = {
        "ok": code == 0,
        "attacks": len(outcome.attacks),
        "leaks": [dataclasses.asdict(leak) for leak in outcome.leaks],
        "skipped": [dataclasses.asdict(one) for one in outcome.skipped],
        "table": [dict(zip(names, row, strict=True)) for row in outcome.table()],
    }
    session.answer(data, lambda: _show(outcome))
    return code


def _say_one_tenant() -> None:
    click.echo(ONE_TENANT)


def _show(outcome: Outcome) -> None:
    from prefiq.cli.output import print_table

    print_table(
        ("model", "route", "mode", "attacks", "held", "kinds"),
        [(*row[:3], str(row[3]), str(row[4]), row[5]) for row in outcome.table()],
        empty="Nothing was attacked",
    )
    for leak in outcome.leaks:
        mark = click.style("LEAK", fg="red")
        click.echo(f"{mark} {leak.model} by {leak.route} ({leak.mode}): {leak.kind}, {leak.detail}")
        click.echo(f"     {leak.leak}")
    for skipped in outcome.skipped:
        click.echo(
            f"{click.style('left out', fg='yellow')} {skipped.what} ({skipped.mode}): {skipped.reason}"
        )
    count, leaks = len(outcome.attacks), len(outcome.leaks)
    click.echo(f"{count} attacks, {leaks or 'none'} got through")


@contextmanager
def _quiet() -> Iterator[None]:
    """Thousands of attacks are no news of the application, and what they provoke is none either."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
