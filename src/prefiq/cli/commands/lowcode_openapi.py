"""``prefiq lowcode openapi``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from prefiq.cli.document_errors import ApiBroken, ApiDocumentOld, NoApiDocument
from prefiq.cli.extras import needs_extra
from prefiq.cli.session import Session, pass_session

__all__ = ["command"]

_FILE = click.Path(path_type=Path)


@click.command("openapi")
@click.option("--out", "-o", type=_FILE, help="File to write; stdout where left out.")
@click.option(
    "--check", type=_FILE, help="Write nothing; fail (exit code 5) if this file describes another API."
)
@click.option("--dry-run", is_flag=True, help="Show what --out would change, and write nothing.")
@pass_session
def command(session: Session, out: Path | None, check: Path | None, *, dry_run: bool) -> None:
    """Write the OpenAPI document of the application's API; no server and no database are needed.

    The same declarations give the same text, so that the file can stand in a repository.  --check names each
    change that would break a client of the API that the file describes.
    """
    if check is not None and (out is not None or dry_run):
        raise click.UsageError("--check writes nothing; leave out --out and --dry-run.")
    if dry_run and out is None:
        raise click.UsageError("--dry-run says what --out would write; name a file with --out.")
    app = session.prepared()
    with needs_extra("server"):
        from prefiq.web import openapi_document
    document = openapi_document(app)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if check is not None:
        _check(session.folder / check, document, text)
        session.answer({"file": str(check), "same": True}, lambda: click.echo(f"{check}: nothing changed"))
    elif out is not None:
        _write(session, session.folder / out, text, dry_run=dry_run)
    else:
        click.echo(text, nl=False)


def _check(file: Path, document: dict[str, Any], text: str) -> None:
    """Compare a file with the document of now.

    Raises:
        Faults: What breaks clients, each change.
        ApiDocumentOld: Something else is different.
    """
    from prefiq.errors import Faults
    from prefiq.web import breaking_changes

    before = _read(file)
    if before is None:
        raise NoApiDocument(str(file), "there is no such file")
    if _lines(before) == text:
        return
    faults = [ApiBroken(change, str(file)) for change in breaking_changes(json.loads(before), document)]
    if faults:
        raise Faults("The API is not what its document says", faults)
    raise ApiDocumentOld(str(file))


def _write(session: Session, file: Path, text: str, *, dry_run: bool) -> None:
    from prefiq.scaffold import FilePlan

    plan = FilePlan(file.parent)
    # Only a document of an API is replaced: no person writes one, and its history stands in the repository.
    before = _read(file)
    same = before is not None and _lines(before) == text
    plan.edit(file.name, before or "", (before or "") if same else text)
    if not dry_run:
        plan.apply()

    def show() -> None:
        if dry_run:
            click.echo(plan.diff(), nl=False)
        else:
            click.echo(f"{file}: nothing changed" if same else f"wrote {file}")

    session.answer({"files": plan.as_data(), "written": not dry_run}, show)


def _read(file: Path) -> str | None:
    """The document's text; None where there is no file.

    Raises:
        NoApiDocument: There is something else.
    """
    try:
        text = file.read_bytes().decode("utf-8")
        found = json.loads(text)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NoApiDocument(str(file), error.strerror or type(error).__name__) from error
    except (ValueError, RecursionError) as error:
        raise NoApiDocument(str(file), "it is not JSON") from error
    if not isinstance(found, dict) or not str(found.get("openapi", "")).startswith("3."):
        raise NoApiDocument(str(file), "it does not begin with a version of OpenAPI 3")
    return text


def _lines(text: str) -> str:
    # A checkout on Windows has other ends of line, which change nothing.
    return text.replace("\r\n", "\n")
