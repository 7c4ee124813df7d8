"""``prefiq tenants sync-shared``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from prefiq.cli.session import Session, pass_session
from prefiq.errors import Faults

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]


@click.command("sync-shared")
@pass_session
def command(session: Session) -> None:
    """Bring the copies of shared rows in tenants' own databases to the originals.

    `prefiq run migrate` does it too, where the register knows the copies as older.  This looks into each
    database, and so mends also what was changed there by hand or came from a backup.
    """
    session.run(_sync, session)


def _sync(app: Application, session: Session) -> None:
    from prefiq.cli.database_state import sync_shared

    visits = sync_shared(app)
    faults = [visit.error for visit in visits if visit.error is not None]
    rows = [
        {
            "tenant": visit.target.tenant,
            "written": visit.copied.written,
            "deleted": visit.copied.deleted,
            "kept": visit.copied.kept,
            "error": visit.error.reason if visit.error is not None else "",
        }
        for visit in visits
    ]

    def show() -> None:
        for row in rows:
            if row["kept"]:
                click.echo(
                    f"{row['tenant']}: {row['kept']} rows are gone that its own rows refer to; they stay"
                )
        changed = sum(1 for row in rows if row["written"] or row["deleted"])
        click.echo(
            f"{len(rows) - len(faults)} of {len(rows)} tenants' databases have the shared rows, {changed} changed"
        )

    session.answer(rows, show)
    if faults:
        raise Faults("Some tenants' databases do not have the shared rows", faults)
