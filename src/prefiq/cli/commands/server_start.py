"""``prefiq server start``."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prefiq.cli.session import Session, pass_session

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]


@click.command("start")
@click.option("--host", default="127.0.0.1", show_default=True, help="Name or address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one."
)
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes.")
@click.option("--reload", is_flag=True, help="Start anew when a source file changes; development only.")
@pass_session
def command(session: Session, *, host: str, port: int, workers: int, reload: bool) -> int:
    """Serve the API; in development it migrates itself first.

    In development the database follows the declarations, seeds are run, and a short-lived token is printed.
    In production the server never migrates: it refuses to start while migrations wait (exit code 5).
    """
    from prefiq.cli.errors import OnlyInDevelopment
    from prefiq.cli.extras import needs_extra
    from prefiq.cli.listening import listen, url_of
    from prefiq.cli.serving import serve

    if reload and workers > 1:
        raise click.UsageError("--reload and --workers exclude each other.")
    session.server = True
    settings = session.settings()
    if reload and settings.env != "development":
        raise OnlyInDevelopment("--reload", "leave --reload out; ENV=development in .env allows it")
    with needs_extra("server"):
        for package in ("uvicorn", "prefiq.web"):  # before the database is touched
            import_module(package)
    os.chdir(session.folder)  # workers look for the application in their working directory
    with listen(host, port) as bound:
        url = url_of(bound)
        welcome, sources = session.run(_get_ready, url)
        session.answer(welcome, lambda: _show(welcome))
        return serve(settings, bound, workers=workers, reload=sources if reload else ())


def _show(welcome: dict[str, str]) -> None:
    for name, value in welcome.items():
        click.echo(f"{name:<8} {value}")


def _get_ready(app: Application, url: str) -> tuple[dict[str, str], list[Path]]:
    """What to tell, and the folders to watch."""
    from prefiq.cli.serving import sources_of

    sources = sources_of(app)
    if app.settings.env == "development":
        from prefiq.cli.development import get_ready

        return get_ready(app, url), sources
    from prefiq.cli.database_state import check_at_head, check_files_to_be_deployed

    check_files_to_be_deployed(app)
    check_at_head(app)
    return {"url": url}, sources
