"""``prefiq tenants list``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_options import tenant_data

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]

STATES = ("provisioning", "active", "read_only", "suspended", "deleting", "gone")
_COLUMNS = ("key", "name", "state")


@click.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@pass_session
def command(session: Session, state: str | None) -> None:
    """List the tenants, in the order in which they were made.

    With TENANCY=single there is the one that TENANT names.
    """
    session.run(_list, session, state)


def _list(app: Application, session: Session, state: str | None) -> None:
    from prefiq.cli.output import print_table

    rows = _rows(app, state)
    if session.json:
        _print(rows)
        return
    cells = [[row[column] for column in _COLUMNS] for row in rows]
    print_table(_COLUMNS, cells, empty="No tenants yet; prefiq tenants create KEY makes one")


def _print(rows: Iterator[dict[str, Any]]) -> None:
    """One JSON document, written as the rows come: memory does not grow with them."""
    before = "["
    for row in rows:
        text = json.dumps(row, indent=2, ensure_ascii=False, default=str)
        click.echo(before + "\n  " + text.replace("\n", "\n  "), nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def _rows(app: Application, state: str | None) -> Iterator[dict[str, Any]]:
    if app.settings.tenancy == "single":
        key = app.settings.tenant
        if state in {None, "active"}:
            yield {"key": key, "name": key, "state": "active"}
        return
    from prefiq.foundation import TenantState

    for batch in app.tenants.stream(TenantState(state) if state else None):
        for tenant in batch:
            yield tenant_data(tenant)
