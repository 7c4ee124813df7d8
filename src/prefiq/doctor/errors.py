"""What ``doctor`` itself can refuse."""

from __future__ import annotations

from typing import ClassVar

from prefiq.errors import PrefiqError

__all__ = ["ModuleUnreadable", "NoRelease", "SetupRefused", "SetupStopped", "VersionTooLow"]


class ModuleUnreadable(PrefiqError):
    """A module's checkout or wheel cannot be looked at.

    Args:
        origin: The folder or file.
        why: What stands in the way.
    """

    code: ClassVar[str] = "PFQ825"
    exit_code: ClassVar[int] = 3
    fix = "name a folder with a pyproject.toml, or a wheel, of a module that fits what is installed here"

    def __init__(self, origin: str, why: str) -> None:
        self.origin = origin
        self.why = why
        self.what = f"The module cannot be looked at: {why}"
        self.where = origin


class NoRelease(PrefiqError):
    """pip does not find the released version as a wheel.

    Args:
        wanted: Package and version.
    """

    code: ClassVar[str] = "PFQ826"
    fix = (
        "see that the version was released as a wheel and that pip reaches it; a local wheel can be named too"
    )

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        self.what = f"pip finds no wheel of {wanted}"
        self.where = wanted


class VersionTooLow(PrefiqError):
    """A module's version says less than what changed since the release that it is compared with.

    Args:
        package: The package.
        version: The version it has.
        needed: The lowest version that says enough.
        part: The part of the version that must rise: ``"major"``, ``"minor"`` or ``"patch"``.
    """

    code: ClassVar[str] = "PFQ827"
    exit_code: ClassVar[int] = 5

    def __init__(self, package: str, version: str, needed: str, part: str) -> None:
        self.package = package
        self.version = version
        self.needed = needed
        self.part = part
        self.what = f"The version {version} of {package} is too low for what changed ({part})"
        self.where = "pyproject.toml, version"
        self.fix = f"make it {needed} or higher"


class SetupRefused(PrefiqError):
    """Databases and users cannot be set up with these settings; nothing was done.

    Args:
        what: What stands in the way, one sentence.
        where: The settings.
        fix: What to set.
    """

    code: ClassVar[str] = "PFQ828"
    exit_code: ClassVar[int] = 3

    def __init__(self, what: str, where: str, fix: str) -> None:
        self.what = what
        self.where = where
        self.fix = fix


class SetupStopped(PrefiqError):
    """A step of the setup failed; what came before it is done, and the whole can be run again.

    Args:
        step: What was to be done.
        database: What the application calls the database.
        reason: What the server answered, in Prefiq's words.
    """

    code: ClassVar[str] = "PFQ829"
    exit_code: ClassVar[int] = 5

    def __init__(self, step: str, database: str, reason: str) -> None:
        self.step = step
        self.database = database
        self.reason = reason
        self.what = f"A step of the setup failed: {step}"
        self.where = f"database {database}: {reason}"
        self.fix = "see that ADMIN_DB_USER may make users and databases, then run it again"
