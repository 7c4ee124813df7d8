"""``prefiq module check``."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from pathlib import Path

import click

from prefiq.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("check")
@click.argument("path", type=click.Path(path_type=Path, exists=True), default=Path(), metavar="[PATH]")
@click.option("--against", required=True, metavar="VERSION|WHEEL", help="A released version, or its wheel.")
@pass_session
def command(session: Session, path: Path, against: str) -> None:
    """Say which part of a module's version must rise since a release.

    PATH is the module's checkout (the working directory where left out) or a wheel.  Fields, actions, routes,
    permissions, contracts and hooks are compared with those of the release: removed or narrowed is major,
    added is minor.  Exit code 5 says that the version in pyproject.toml is too low.
    """
    from packaging.version import Version

    from prefiq.cli.output import print_table
    from prefiq.doctor import released
    from prefiq.doctor.compatibility import Consequence, consequences, needed_version, part_of
    from prefiq.doctor.errors import VersionTooLow

    with ExitStack() as held:
        present = held.enter_context(released.wheel(path) if path.is_file() else released.checkout(path))
        wheel = Path(against)
        old = held.enter_context(
            released.wheel(wheel)
            if against.endswith(".whl") or wheel.is_file()
            else released.download(present.name, against)
        )
        before, after = released.surfaces(old), released.surfaces(present)
    found: list[Consequence] = []
    for app in sorted({*before, *after}):
        found += consequences(before.get(app, {}), after.get(app, {}))
    part = part_of(found)
    needed = needed_version(old.version, part)
    # What cannot be told apart from the release need not have another version yet.
    lowest = needed if found else old.version
    enough = Version(present.version) >= Version(lowest)
    data = {
        "package": present.name,
        "released": old.version,
        "version": present.version,
        "part": part,
        "needed": needed,
        "ok": enough,
        "changes": [
            {"part": one.part, "why": one.why, **dataclasses.asdict(one.difference)} for one in found
        ],
    }

    def show() -> None:
        rows = [(one.part, one.difference.kind, one.difference.name, one.why) for one in found]
        print_table(
            ("part", "kind", "name", "what"), rows, empty="Nothing that others build upon has changed"
        )
        click.echo(f"{present.name} {old.version} → {present.version}: {part}, at least {needed}")

    session.answer(data, show)
    if not enough:
        raise VersionTooLow(present.name, present.version, needed, part)
