"""``prefiq apps remove``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from prefiq.cli.session import Session, pass_session

if TYPE_CHECKING:
    from prefiq.doctor.app_plan import AppPlan
    from prefiq.migrations.removal import Belongings, Kept

__all__ = ["command"]


@click.command("remove")
@click.argument("name")
@click.option(
    "--keep", "how", flag_value="keep", default="keep", help="Leave its rows as they are (the default)."
)
@click.option("--archive", "how", flag_value="archive", help="Rename its tables and columns to archived_….")
@click.option("--drop", "how", flag_value="drop", help="Drop its tables and columns with their rows.")
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@pass_session
def command(session: Session, name: str, *, how: Literal["keep", "archive", "drop"], dry_run: bool) -> None:
    """Take a module from the list in prefiq.toml; its rows stay unless told.

    It is refused while another module requires it, or where the rest would not fit together without it.  With
    --archive and --drop its migrations are forgotten: listing it again begins with empty tables.
    """
    from prefiq.cli.app_changes import place_of, plan_data, required_by, show_plan
    from prefiq.cli.apps_file import check_editable, read, without_app, write
    from prefiq.cli.errors import CannotRemoveRows, StillRequired
    from prefiq.doctor.app_plan import plan_apps
    from prefiq.errors import Faults

    settings = session.settings()
    path = check_editable(settings)
    place = place_of(settings, name)
    edited = without_app(read(path), place)
    plan = plan_apps(settings, [*settings.apps[:place], *settings.apps[place + 1 :]])
    module = _module(plan, name, settings.apps[place])
    if plan.before is not None and (needing := required_by(plan.before, module)):
        raise StillRequired(module, needing)
    if plan.conflicts:
        raise Faults(f"The application does not fit together without {module}", plan.conflicts)
    held: list[Kept] = []
    done: list[str] = []
    if plan.before is not None and plan.after is not None:
        held, done = _rows(plan, module, "keep" if dry_run else how)
    elif how != "keep":
        raise CannotRemoveRows(module)
    if not dry_run:
        write(path, edited)

    def show() -> None:
        if dry_run:
            show_plan(plan)
        for one in held if not done else ():
            target = f"{one.table}.{one.column}" if one.column else one.table
            click.echo(f"{_FATE[how, dry_run]} {target} ({one.rows} rows)")
        for line in done:
            click.echo(line)
        click.echo(f"{name} {'would be' if dry_run else 'is'} no longer listed in {path.name}")

    session.answer(
        {
            **plan_data(plan, name, "remove"),
            "how": how,
            "dry_run": dry_run,
            "held": [{"table": one.table, "column": one.column, "rows": one.rows} for one in held],
            "done": done,
        },
        show,
    )


_FATE = {
    ("keep", False): "kept",
    ("keep", True): "would keep",
    ("archive", True): "would rename",
    ("drop", True): "would drop",
}


def _module(plan: AppPlan, name: str, ref: Any) -> str:
    """The module's own name, which a provider listed by import path may say."""
    if plan.before is not None and ref.path:
        for module in plan.before.host.modules:
            kind = type(module.provider)
            if f"{kind.__module__}:{kind.__qualname__}" == ref.path:
                return module.name
    return str(ref.name or name)


def _rows(
    plan: AppPlan, module: str, how: Literal["keep", "archive", "drop"]
) -> tuple[list[Kept], list[str]]:
    """What the database holds of the module, and what was done to it."""
    from prefiq.cli.database_state import migrating
    from prefiq.migrations.removal import belongings, kept, remove

    assert plan.before is not None
    assert plan.after is not None
    what: Belongings = belongings(plan.before.catalog, plan.after.catalog, module)
    path = plan.before.settings.database.path
    if path is not None and not path.exists():
        return [], []  # no database was made yet, and looking must not make one
    with plan.before.container, migrating(plan.before) as connection:
        held = kept(connection, what)
        if how == "keep":
            return held, []
        return held, remove(connection, what, how)
