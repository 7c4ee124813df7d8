"""``prefiq apps add``."""

from __future__ import annotations

import click

from prefiq.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("add")
@click.argument("name")
@pass_session
def command(session: Session, name: str) -> None:
    """List a module in prefiq.toml, if the application can be composed with it.

    NAME is an entry point's name or an import path.  Comments and layout of the file stay; the database is
    not touched.  It is refused where APPS replaces the list.
    """
    from prefiq.cli.app_changes import listed_place, plan_data, ref_of, show_plan
    from prefiq.cli.apps_file import check_editable, read, with_app, write
    from prefiq.doctor.app_plan import plan_apps
    from prefiq.errors import Faults
    from prefiq.plugins.lock import FILE_NAME

    settings = session.settings()
    path = check_editable(settings)
    if listed_place(settings, name) is not None:
        session.answer({"name": name, "added": False}, lambda: click.echo(f"{name} is listed already"))
        return
    ref = ref_of(name)
    edited = with_app(read(path), ref.path or ref.name)
    plan = plan_apps(settings, [*settings.apps, ref])
    if plan.conflicts:
        raise Faults(f"The application does not fit together with {name}", plan.conflicts)
    write(path, edited)
    locked = (settings.folder / FILE_NAME).exists()

    def show() -> None:
        show_plan(plan)
        click.echo(f"{name} is listed in {path.name}")
        if locked:
            click.echo("next: prefiq apps lock")
        if any(change.kind in {"tables", "columns", "indexes"} for change in plan.differences):
            click.echo("next: prefiq run migrate")

    session.answer({**plan_data(plan, name, "add"), "added": True, "locked": locked}, show)
