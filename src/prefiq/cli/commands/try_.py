"""``prefiq try``."""

from __future__ import annotations

import logging
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.session import Session, pass_session

if TYPE_CHECKING:
    from prefiq.cli.trial.application import Trial

__all__ = ["command"]

_KEPT = ("LOG_LEVEL", "LOG_FORMAT", "LOG_COLOR", "NO_COLOR")
"""Variables of the environment that count; a database or a key of another application must not."""


@click.command("try")
@click.option("--check", is_flag=True, help="Drive the whole story over HTTP, one line a step, and end.")
@click.option("--port", type=click.IntRange(0, 65535), help="8080 where left out, or a free one.")
@pass_session
def command(session: Session, *, check: bool, port: int | None) -> int:
    """See it work: a temporary application, served.

    It lists the installed modules projects and masters, is migrated, has the tenants acme and globex with
    seeds and a few projects, and is deleted at the end.  With --check the command fails (exit code 5) if a
    step of the story differs.
    """
    from prefiq.cli.extras import needs_extra
    from prefiq.cli.installed import installed_modules
    from prefiq.cli.progress import progress
    from prefiq.cli.trial.application import fill, make, modules_to_try

    started = time.monotonic()
    modules = modules_to_try(installed_modules())
    with needs_extra("server"):
        import uvicorn  # noqa: F401
    environ = {name: session.environ[name] for name in _KEPT if name in session.environ}
    if check:
        environ.setdefault("LOG_LEVEL", "ERROR")

    def say(what: str) -> None:
        if not session.json:
            click.echo(f"  {what} ({time.monotonic() - started:.1f} s)", err=True)

    with (
        tempfile.TemporaryDirectory(prefix="prefiq-try-") as folder,
        _bound(0 if check and port is None else port) as bound,
    ):
        app = make(Path(folder) / "try", modules, environ)
        _configure_logs(session, app.settings)
        say(f"made an application with {' and '.join(modules)}")
        with progress(session) as report, _quiet(environ):
            trial = fill(app, report, say)
        if check:
            return _check(session, trial, bound, started)
        return _serve(session, trial, bound)


def _configure_logs(session: Session, settings: Any) -> None:
    from prefiq.settings import configure_logging

    session.loaded = settings
    configure_logging(settings)


@contextmanager
def _quiet(environ: Mapping[str, str]) -> Iterator[None]:
    """Log errors alone while it is filled, whose steps are told already, unless a level was asked for."""
    previous = logging.root.manager.disable
    if "LOG_LEVEL" not in environ:
        logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(previous)


def _bound(port: int | None) -> socket.socket:
    from prefiq.cli.errors import AddressTaken
    from prefiq.cli.listening import listen

    if port is not None:
        return listen("127.0.0.1", port)
    try:
        return listen("127.0.0.1", 8080)
    except AddressTaken:
        return listen("127.0.0.1", 0)


def _serve(session: Session, trial: Trial, bound: socket.socket) -> int:
    from prefiq.cli.listening import url_of
    from prefiq.cli.trial.server import serve_here
    from prefiq.cli.trial.telling import token_for

    url = url_of(bound)
    tokens = {"acme": token_for(trial, "acme"), "globex": token_for(trial, "globex")}
    path = "/api/projects/projects" if "projects" in trial.modules else "/api/masters/countries"

    def show() -> None:
        click.echo(f"\nOpen    {url}/docs")
        for tenant, token in tokens.items():
            click.echo(f"\n{tenant.upper()}={token}")
        click.echo(f'\ncurl -H "Authorization: Bearer $ACME" "{url}{path}?limit=3"')
        click.echo(f'curl -H "Authorization: Bearer $GLOBEX" "{url}{path}?limit=3"')
        if "projects" in trial.modules:
            click.echo(
                f'curl -H "Authorization: Bearer $ACME" -H "Content-Type: application/json" '
                f"""-d '{{"code": "MINE-1", "name": "Mine"}}' {url}{path}"""
            )
        click.echo("\nCtrl+C ends it and deletes the application.")
        sys.stdout.flush()

    bound.listen()  # who follows the printed lines at once waits a moment, and is not refused
    session.answer({"url": url, "tokens": tokens, "modules": sorted(trial.modules)}, show)
    sys.stdout.flush()
    serve_here(trial.app, bound, session)
    return 0


def _check(session: Session, trial: Trial, bound: socket.socket, started: float) -> int:
    from prefiq.cli.trial.telling import tell

    told = []
    for step in tell(trial, bound, session):
        told.append(step)
        if not session.json:
            click.echo(f"{'FAILED' if step.differs else 'ok    '}  {step.name}")
            if step.differs:
                click.echo(f"        {step.differs}")
    failed = sum(bool(step.differs) for step in told)
    seconds = time.monotonic() - started
    data = {
        "ok": not failed,
        "seconds": round(seconds, 2),
        "steps": [{"step": step.name, "ok": not step.differs, "differs": step.differs} for step in told],
    }
    session.answer(
        data, lambda: click.echo(f"{len(told) - failed} steps as expected, {failed} not, in {seconds:.1f} s")
    )
    return 5 if failed else 0
