"""``prefiq shell``."""

from __future__ import annotations

import contextlib
import getpass
import logging
import sys
from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.errors import ScriptFailed
from prefiq.cli.session import Session, pass_session
from prefiq.errors import PrefiqError

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]

logger = logging.getLogger("prefiq.audit")


@click.command("shell")
@click.option("--tenant", metavar="KEY", help="The tenant; needed unless the application has one only.")
@click.option("-c", "code", metavar="CODE", help="Run this and end.")
@pass_session
def command(session: Session, tenant: str | None, code: str | None) -> None:
    """Python with a tenant's scope open; in production it is logged.

    Names: app, scope, catalog, IDomain, IDomainService, and every model whose name is unique.  The scope
    has all permissions: scope[IDomainService[Project]].list().items.  Without a terminal the
    program is read from standard input.
    """
    settings = session.settings()
    if not tenant and settings.tenancy != "single":
        raise click.UsageError("Missing option '--tenant'.")
    session.run(_within, tenant, code)


def _within(app: Application, tenant: str | None, code: str | None) -> None:
    settings, who = app.settings, _user()
    if settings.is_production:
        # At WARNING, so that LOG_LEVEL cannot hide who was inside.
        logger.warning("shell opened", extra={"tenant": tenant or settings.tenant, "user": who})
    with app.scope(tenant, as_system=f"prefiq shell by {who}") as scope:
        names = _names(app, scope)
        if code is not None:
            _run(code, names)
        elif not sys.stdin.isatty():
            _run(sys.stdin.read(), names)
        else:
            _talk(names, scope.tenant)
    if settings.is_production:
        logger.warning("shell closed", extra={"tenant": tenant or settings.tenant, "user": who})


def _names(app: Any, scope: Any) -> dict[str, Any]:
    from prefiq.contracts import IDomain, IDomainService

    models: dict[str, list[type]] = {}
    for spec in app.catalog:
        models.setdefault(spec.cls.__name__, []).append(spec.cls)
    unique = {name: classes[0] for name, classes in models.items() if len(classes) == 1}
    own = {
        "app": app,
        "scope": scope,
        "catalog": app.catalog,
        "IDomain": IDomain,
        "IDomainService": IDomainService,
    }
    return {"__name__": "__console__", **unique, **own}


def _run(code: str, names: dict[str, Any]) -> None:
    try:
        exec(compile(code, "<shell>", "exec"), names)  # noqa: S102  this is what the command is for
    except (PrefiqError, SystemExit, KeyboardInterrupt, BrokenPipeError):
        raise
    except BaseException as error:
        raise ScriptFailed.of(error) from error


def _talk(names: dict[str, Any], tenant: str) -> None:
    import code

    with contextlib.suppress(ImportError):  # not on every platform
        import readline  # noqa: F401  arrow keys and history
    public = ", ".join(sorted(name for name in names if not name.startswith("_")))
    code.interact(f"Tenant {tenant}.  Names: {public}", local=names, exitmsg="")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return "unknown"
