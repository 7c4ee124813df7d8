"""``prefiq tenants show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_options import many_tenants, tenant_data

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]


@click.command("show")
@click.argument("key")
@click.option("--rows", is_flag=True, help="Count its rows in every table, which reads all of them.")
@pass_session
def command(session: Session, key: str, *, rows: bool) -> None:
    """Show where a tenant stands, in which state it is, and what happened to it."""
    from prefiq.cli.output import print_table, shown

    many_tenants(session)
    data = session.run(_data, key, rows)

    def show() -> None:
        for name in data:
            if name not in {"life", "rows"} and data[name] not in ("", None):
                click.echo(f"{name:13} {shown(_text(data[name]))}")
        if rows:
            click.echo()
            print_table(("table", "rows"), list(data["rows"].items()), empty="no rows in any table")
        click.echo()
        columns = ("at", "action", "state_after", "operator", "reason")
        print_table(columns, [[_text(entry[c]) for c in columns] for entry in data["life"]])

    session.answer(data, show)


def _data(app: Application, key: str, rows: bool) -> dict[str, Any]:
    tenant = app.tenants.get(key)
    data: dict[str, Any] = tenant_data(tenant)
    if rows:
        data["rows"] = app.tenants.count_rows(key)
    data["life"] = [
        {
            "at": entry.at,
            "action": entry.action,
            "state_before": entry.state_before,
            "state_after": entry.state_after,
            "operator": entry.operator,
            "reason": entry.reason,
            "details": entry.details,
        }
        for entry in app.tenants.life(key)
    ]
    return data


def _text(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}" if hasattr(value, "strftime") else str(value)
