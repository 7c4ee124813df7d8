"""``prefiq lowcode docs``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.document_errors import PageOld
from prefiq.cli.errors import UnknownModule
from prefiq.cli.extras import needs_extra
from prefiq.cli.session import Session, pass_session

if TYPE_CHECKING:
    from prefiq.application import Application

__all__ = ["command"]


@click.command("docs")
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("docs"),
    show_default=True,
    help="Folder of the pages.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail (exit code 5) if a page is old.")
@click.option("--dry-run", is_flag=True, help="Show the difference and write nothing.")
@pass_session
def command(session: Session, modules: tuple[str, ...], out: Path, *, check: bool, dry_run: bool) -> None:
    """Write a reference page for each module, from its declarations; no database is needed.

    Models, fields, actions, permissions, requests, hooks and settings, with the life cycle and the relations
    as pictures in Mermaid.  A page that somebody edited is left alone and told.
    """
    if check and dry_run:
        raise click.UsageError("--check writes nothing; leave out --dry-run.")
    from prefiq.errors import Faults
    from prefiq.nearest import nearest
    from prefiq.scaffold import FilePlan

    app = session.prepared()
    listed = [module.name for module in app.host.modules if module.name != "prefiq"]
    for name in modules:
        if name not in listed:
            raise UnknownModule(name, tuple(listed), nearest(name, listed))
    plan = FilePlan(session.folder / out)
    for name, text in _pages(app, list(dict.fromkeys(modules)) or listed):
        plan.generate(f"{name}.md", text)
    old = [change for change in plan.changes if change.deed != "unchanged"]
    if check and old:
        raise Faults("The pages are not what the declarations say", [PageOld(str(out / c.path)) for c in old])
    if not (check or dry_run):
        plan.apply()

    def show() -> None:
        if dry_run:
            click.echo(plan.diff(), nl=False)
            return
        for change in old:
            click.echo(f"wrote {out / change.path}")
        if not old:
            click.echo("nothing changed")

    session.answer({"files": plan.as_data(), "written": not (check or dry_run)}, show)


def _pages(app: Application, names: list[str]) -> list[tuple[str, str]]:
    from prefiq.scaffold.module_page import HookLine, Operation, module_page

    with needs_extra("server"):
        from prefiq.web import openapi_document
    paths: dict[str, dict[str, Any]] = openapi_document(app)["paths"]
    pages = []
    for name in names:
        loaded = app.host[name]
        operations = [
            Operation(method.upper(), path, str(operation.get("summary", "")))
            for path, methods in paths.items()
            if path.startswith(f"/api/{name}/")
            for method, operation in methods.items()
            if isinstance(operation, dict)
        ]
        hooks = [
            HookLine(hook.name, hook.mark.event, hook.mark.model.__name__, _first_line(hook.function))
            for hook in app.host.hooks()
            if hook.module.name == name
        ]
        page = module_page(
            name,
            _first_line(type(loaded.provider)),
            app.catalog,
            operations=operations,
            hooks=hooks,
            settings=loaded.provider.settings,
        )
        pages.append((name, page))
    return pages


def _first_line(thing: Any) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]
