"""``prefiq apps plan``."""

from __future__ import annotations

import click

from prefiq.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("plan")
@click.argument("name")
@click.option("--remove", is_flag=True, help="Show what removing it would change.")
@pass_session
def command(session: Session, name: str, *, remove: bool) -> int:
    """Show what listing a module would change; nothing is changed.

    NAME is an entry point's name or an import path.  The application is composed both ways, without a
    database; what would not fit together ends the command with exit code 3.
    """
    from prefiq.cli.app_changes import listed_place, place_of, plan_data, ref_of, show_plan
    from prefiq.doctor.app_plan import plan_apps

    settings = session.settings()
    apps = list(settings.apps)
    if remove:
        del apps[place_of(settings, name)]
    elif listed_place(settings, name) is None:
        apps.append(ref_of(name))
    else:
        session.answer(
            {"name": name, "deed": "none", "ok": True, "differences": [], "conflicts": [], "present": []},
            lambda: click.echo(f"{name} is listed already; --remove shows what removing it would change"),
        )
        return 0
    plan = plan_apps(settings, apps)
    session.answer(plan_data(plan, name, "remove" if remove else "add"), lambda: show_plan(plan))
    return max((fault.exit_code for fault in plan.conflicts), default=0)
