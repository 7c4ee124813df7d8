"""``prefiq tenants across``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.session import Session, pass_session

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]

_COLUMNS = ("at", "operator", "reason")


@click.command("across")
@pass_session
def command(session: Session) -> None:
    """List who read the rows of all tenants together, when and why.

    Each entry was stored before anything was read.
    """
    from prefiq.cli.output import print_table

    data = session.run(_data)

    def show() -> None:
        cells = [(f"{one['at']:%Y-%m-%d %H:%M:%S}", one["operator"], one["reason"]) for one in data]
        print_table(_COLUMNS, cells, empty="Nobody read across tenants")

    session.answer(data, show)


def _data(app: Application) -> list[dict[str, Any]]:
    from prefiq.application.across_audit import reads_across

    return [
        {
            "at": one.at,
            "operator": one.operator,
            "reason": one.reason,
            "request_id": one.details.get("request_id", ""),
        }
        for one in reads_across(app)
    ]
