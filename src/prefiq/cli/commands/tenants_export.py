"""``prefiq tenants export``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from prefiq.cli.extras import needs_extra
from prefiq.cli.session import Session, pass_session
from prefiq.cli.tenant_options import dry_run, recorded

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]

_ENDINGS = {"csv": "zip", "xlsx": "xlsx", "json": "jsonl"}
_COLUMNS = ("name", "rows")


@click.command("export")
@click.argument("key")
@click.option(
    "--format",
    type=click.Choice(tuple(_ENDINGS)),
    default="csv",
    show_default=True,
    help="A zip of CSV files, a workbook (prefiq[xlsx]), or lines of JSON.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file, which must not exist; KEY-DAY with the format's ending where left out.",
)
@recorded
@dry_run
@pass_session
def command(
    session: Session,
    key: str,
    *,
    format: Literal["csv", "xlsx", "json"],
    output: Path | None,
    operator: str,
    reason: str,
    dry_run: bool,
) -> None:
    """Write all rows of a tenant, history included, to a file for the customer.

    It is one snapshot, and readable by whoever runs the command alone.  A tenant that is suspended, or waits
    to be deleted, has it as well.  What is not in it (hidden fields, tables of modules that are not listed)
    is named in its manifest.
    """
    from prefiq.cli.output import print_table

    if format == "xlsx":
        with needs_extra("xlsx"):
            import xlsxwriter  # type: ignore[import-untyped]  # noqa: F401  before anything is opened
    path = output or Path(f"{key}-{datetime.now(UTC):%Y%m%d}.{_ENDINGS[format]}")
    if not path.parent.is_dir():
        raise click.UsageError(f"Invalid value for '--output': there is no folder {path.parent}.")
    if path.exists():
        raise click.UsageError(f"Invalid value for '--output': {path} is there already.")
    data = session.run(_export, session, key, path, format, operator, reason, dry_run)

    def show() -> None:
        rows = [[section[c] for c in _COLUMNS] for section in data["sections"] if section["rows"]]
        print_table(("table", "rows"), rows, empty="It has no rows")
        for table, count in data["left_out"]["tables"].items():
            click.echo(f"left out: {table} ({count} rows), of a module that is not listed")
        click.echo(f"{data['total']} rows of {key}" + ("" if dry_run else f" in {path}"))

    session.answer({**data, "path": str(path), "dry_run": dry_run}, show)


def _export(
    app: Application,
    session: Session,
    key: str,
    path: Path,
    format: Literal["csv", "xlsx", "json"],
    operator: str,
    reason: str,
    dry_run: bool,
) -> dict[str, Any]:
    from prefiq.cli.progress import progress

    if dry_run:
        return app.tenants.planned_export(key)
    with progress(session) as bars:

        def advance(_: str, rows: int) -> None:
            bars.advance(rows)

        bars.start(f"rows of {key}")
        return app.tenants.export(key, path, format, operator=operator, reason=reason, report=advance)
