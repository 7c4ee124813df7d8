"""``prefiq apps show``."""

from __future__ import annotations

from typing import Any

import click

from prefiq.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("show")
@click.argument("name")
@pass_session
def command(session: Session, name: str) -> None:
    """Show what a module is and brings; it need not be listed.

    Package, requirements, models, routes, permissions, hooks and bindings, as the application composes them.
    """
    from prefiq.cli.app_changes import listed_place, ref_of, required_by
    from prefiq.doctor.app_plan import plan_apps
    from prefiq.doctor.surface import surface_of
    from prefiq.errors import Faults

    settings = session.settings()
    listed = listed_place(settings, name) is not None
    ref = None if listed else ref_of(name)
    plan = plan_apps(settings, settings.apps if ref is None else [*settings.apps, ref])
    app = plan.before if listed else plan.after
    if app is None:
        raise Faults(f"The application does not fit together with {name}", plan.present or plan.conflicts)
    module = next(
        module
        for module in app.host.modules
        if name in {module.name, f"{type(module.provider).__module__}:{type(module.provider).__qualname__}"}
        or (ref is not None and module.name == ref.name)
    )
    surface = surface_of(app, module.name)
    data: dict[str, Any] = {
        "name": module.name,
        "listed": listed,
        "distribution": module.distribution,
        "version": module.version,
        "provider": f"{type(module.provider).__module__}:{type(module.provider).__qualname__}",
        "requires": list(module.requires),
        "required_by": required_by(app, module.name),
        **surface,
    }

    def show() -> None:
        click.echo(
            f"{module.name}: {module.package or 'listed by import path'}" + ("" if listed else ", not listed")
        )
        click.echo(f"provider: {data['provider']}")
        for title in ("requires", "required_by"):
            if data[title]:
                click.echo(f"{title.replace('_', ' ')}: {', '.join(data[title])}")
        for kind in (
            "models",
            "actions",
            "routes",
            "permissions",
            "contracts",
            "bindings",
            "hooks",
            "subscribers",
            "seeds",
        ):
            if surface[kind]:
                click.echo(f"{kind}:")
            for entry, facts in surface[kind].items():
                made = facts.get("implementation")
                click.echo(f"  {entry}" + (f" = {made}" if made else ""))

    session.answer(data, show)
