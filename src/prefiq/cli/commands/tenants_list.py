"""``prefiq tenants list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from prefiq.cli.session import Session, pass_session

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]


@click.command("list")
@pass_session
def command(session: Session) -> None:
    """List the tenants.

    With TENANCY=single there is the one that TENANT names.
    """
    from prefiq.cli.output import print_table

    rows = session.run(_rows)
    columns = ("key", "name", "state")
    empty = "No tenants yet; prefiq tenants create KEY makes one"
    session.answer(
        rows, lambda: print_table(columns, [[row[c] for c in columns] for row in rows], empty=empty)
    )


def _rows(app: Application) -> list[dict[str, object]]:
    if app.settings.tenancy == "single":
        return [{"key": app.settings.tenant, "name": app.settings.tenant, "state": "active"}]
    return [
        {
            "key": tenant.key,
            "name": tenant.name,
            "state": tenant.state.value,
            "created_at": tenant.created_at,
        }
        for tenant in app.tenants.list()
    ]
