"""``prefiq apps list``."""

from __future__ import annotations

import click

from prefiq.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("list")
@pass_session
def command(session: Session) -> None:
    """List the modules that the application loads, in order.

    The order is that of loading: each module after those that it requires.
    """
    from prefiq.cli.output import print_table

    app = session.prepared()
    rows = [
        {
            "name": module.name,
            "package": module.distribution,
            "version": module.version,
            "provider": f"{type(module.provider).__module__}:{type(module.provider).__qualname__}",
            "models": [spec.qualified for spec in app.catalog.of_module(module.name)],
        }
        for module in app.host.modules
    ]

    def show() -> None:
        print_table(
            ("name", "package", "provider", "models"),
            [
                (r["name"], f"{r['package']} {r['version']}".strip() or "-", r["provider"], len(r["models"]))
                for r in rows
            ],
        )

    session.answer(rows, show)
