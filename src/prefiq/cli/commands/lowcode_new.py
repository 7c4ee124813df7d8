"""``prefiq lowcode new``."""

from __future__ import annotations

import click

from prefiq.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("new")
@click.argument("words", nargs=-1, required=True, metavar="[model] NAME")
@click.option(
    "--fields",
    required=True,
    metavar="TEXT",
    help='For example "number:str! total:decimal(12,2) status:draft>sent>paid".',
)
@click.option("--dry-run", is_flag=True, help="Show the difference and write nothing.")
@pass_session
def command(session: Session, words: tuple[str, ...], *, fields: str, dry_run: bool) -> None:
    """Write a module with one model into the application, and list it.

    NAME is that of one row, such as invoice.  One file is made in the application's folder, and one line is
    added to prefiq.toml; a file that is there with another text is never replaced.  A field is name:type;
    behind the type, ! means unique, ? may be empty, =value a default.
    """
    from prefiq.cli.apps_file import check_editable, read, with_app
    from prefiq.scaffold import FilePlan
    from prefiq.scaffold.model_file import check_model, class_name, model_source, module_name
    from prefiq.scaffold.shorthand import read_fields

    if len(words) > 2 or (len(words) == 2 and words[0] != "model"):
        raise click.UsageError('One name is wanted: prefiq lowcode new invoice --fields "…"')
    settings = session.settings()
    toml = check_editable(settings)
    app = session.prepared()
    own = {ref.path: ref.name for ref in settings.apps}
    others: dict[str, list[type]] = {}
    for spec in app.catalog:
        others.setdefault(spec.module, []).append(spec.cls)
    name = module_name(words[-1], {ref.name for ref in settings.apps}, session.folder)
    entry = f"{name}:{class_name(name)}Provider"
    source = model_source(name, read_fields(fields))
    others.pop(name, None)
    path = check_model(source, name, others)
    plan = FilePlan(session.folder)
    before = read(toml)
    # The list first: a server that starts anew on the new file reads it.
    plan.edit(toml.name, before, before if entry in own else with_app(before, entry))
    plan.create(f"{name}.py", source)
    difference = plan.diff()
    if not dry_run:
        plan.check()
    written = [] if dry_run else plan.apply()
    data = {"module": name, "path": path, "dry_run": dry_run, "files": plan.as_data()}

    def show() -> None:
        click.echo(difference or f"{name}: nothing changed", nl=not difference)
        for change in written:
            click.echo(f"{'made' if change.deed == 'create' else 'changed'} {change.path}")
        if written:
            click.echo(f"next: prefiq server start; the API is at {path}")

    session.answer(data, show)
