"""What ``prefiq doctor boot`` looks at: settings, modules, declarations, bindings; no database."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefiq.doctor.finding import Finding, Further, findings_of, outcome
from prefiq.doctor.rehearsal import rehearse
from prefiq.doctor.unbound_parts import unbound_parts
from prefiq.errors import PrefiqError

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.settings import Settings

__all__ = ["BootDiagnosis", "drivers", "examine_boot", "file_permissions", "settings_warnings"]


@dataclass(frozen=True, slots=True)
class BootDiagnosis:
    """What was found.

    Args:
        findings: Everything that is wrong, or may be.
        settings: As loaded; None where they are wrong.
        app: The prepared application; None where it cannot be composed.
    """

    findings: tuple[Finding, ...]
    settings: Settings | None = None
    app: Application | None = None


def examine_boot(load: Callable[[], Settings], *further: Further, seconds: float = 0.0) -> BootDiagnosis:
    """Load the settings, compose the application, and collect what is wrong at each step.

    Args:
        load: Loads the settings.
        further: Checks of rooms beside this one; they take the prepared application.
        seconds: What one step of one module may take; it is tried in a process of its own, and a module
            that takes longer is named.  0 tries nothing.
    """
    try:
        settings = load()
    except PrefiqError as error:
        return BootDiagnosis(tuple(findings_of(error)))
    from prefiq.application import Application

    findings = [*settings_warnings(settings), *file_permissions(settings), *drivers(settings)]
    endless = tuple(rehearse(settings, seconds)) if seconds > 0 else ()
    if endless:  # this process would not come further than the other did
        return BootDiagnosis((*endless, *findings), settings)
    try:
        app = Application.prepare(settings)
    except PrefiqError as error:
        return BootDiagnosis((*findings_of(error), *findings), settings)
    findings += unbound_parts(app)
    findings += _checks_of_modules(app)
    findings += [found for check in further for found in outcome(check, app)]
    return BootDiagnosis(tuple(findings), settings, app)


def settings_warnings(settings: Settings) -> Iterator[Finding]:
    """What the settings say and probably do not mean."""
    for warning in settings.warnings:
        yield from findings_of(warning, "warning")
    if not settings.jwt_keys and not settings.issuers:
        yield Finding(
            "PFQ-D101",
            "warning",
            "No token can be accepted: there is neither a key nor an issuer",
            "JWT_SECRET_KEY, [issuers]",
            "set JWT_SECRET_KEY_FILE, or declare an issuer in prefiq.toml",
        )
    if not settings.apps:
        yield Finding(
            "PFQ-D102",
            "warning",
            "No module is listed: the application has nothing to serve",
            "prefiq.toml",
            'list one: apps = ["projects"]',
        )


def file_permissions(settings: Settings) -> Iterator[Finding]:
    """Files with secrets that other users of the machine can read."""
    file = settings.folder / ".env"
    try:
        mode = file.stat().st_mode
    except OSError:
        return
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        yield Finding(
            "PFQ-D103",
            "error" if settings.is_production else "warning",
            "Other users of this machine can read .env",
            str(file),
            f"chmod 600 {file}",
            exit_code=3,
        )


def drivers(settings: Settings) -> Iterator[Finding]:
    """Databases whose driver is not installed."""
    from prefiq.sql.dialects import engine_for

    found: dict[str, Finding] = {}
    for database in settings.databases.values():
        try:
            engine_for(database.engine, database.mode)
        except PrefiqError as error:
            found |= {finding.where: finding for finding in findings_of(error)}
    yield from found.values()


def _checks_of_modules(app: Application) -> Iterator[Finding]:
    faults: list[PrefiqError] = []
    for module, check in app.host.checks(faults):
        try:
            yield from check(app)
        except Exception as error:  # noqa: BLE001  a module's code: anything may come
            yield Finding(
                "PFQ-D104",
                "error",
                f"A check of the module raised {type(error).__name__}",
                f"{module.name}: {getattr(check, '__qualname__', check)}",
                "mend the check; it returns findings and raises nothing",
            )
    for fault in faults:
        yield from findings_of(fault)
