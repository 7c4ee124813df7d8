"""``prefiq doctor boot``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from prefiq.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("boot")
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@click.option("--bindings", is_flag=True, help="List every binding and the module that bound it.")
@click.option("--explain", "contract", metavar="CONTRACT", help="Say how a contract comes to be answered.")
@click.option("--graph", type=click.Choice(["mermaid", "svg"]), help="Draw the modules.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File for the drawing.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Seconds that one step of one module may take; 0 waits for ever.",
)
@pass_session
def command(
    session: Session,
    *,
    strict: bool,
    bindings: bool,
    contract: str | None,
    graph: Literal["mermaid", "svg"] | None,
    output: Path | None,
    timeout: float,
) -> int:
    """Validate settings, modules, declarations and bindings.

    The application is composed as for serving, without a database.  Everything that is wrong is reported
    together; exit code 3 says that the application cannot start.  CONTRACT is a name as [replace] writes it:
    projects.IProject, "projects.IDomain[Project]".
    """
    from prefiq.cli.app_changes import explain_contract, show_graph

    if contract and graph:
        raise click.UsageError("--explain and --graph exclude each other.")
    if contract:
        explain_contract(session, contract)
        return 0
    if graph:
        show_graph(session, graph, output)
        return 0
    from prefiq.cli.database_state import check_files_to_be_deployed
    from prefiq.cli.findings import findings_data, show_findings
    from prefiq.cli.output import print_table
    from prefiq.doctor import examine_boot, exit_code_of

    found = examine_boot(session.settings, check_files_to_be_deployed, seconds=timeout)
    secrets = dict(found.settings.secret_sources) if found.settings is not None else {}
    code = exit_code_of(found.findings, strict=strict)
    modules: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    if found.app is not None:
        modules = [
            {"name": m.name, "package": m.package, "models": len(found.app.catalog.of_module(m.name))}
            for m in found.app.host.modules
        ]
        entries = [
            {
                "name": entry.name,
                "module": entry.module,
                "implementation": entry.implementation,
                "lifetime": entry.lifetime,
                "opens": entry.opens,
                "role": entry.role,
                "source": entry.source,
                "unused": entry.unused,
            }
            for entry in found.app.report.entries
        ]

    def show() -> None:
        if found.app is not None:
            click.echo(f"{len(modules)} modules, {len(found.app.catalog)} models, {len(entries)} bindings")
        for name, source in secrets.items():
            click.echo(f"{name} comes from: {source}")
        if bindings:
            columns = ("name", "module", "implementation", "lifetime", "opens", "role", "source", "unused")
            print_table(columns, [[entry[column] for column in columns] for entry in entries])
        show_findings(found.findings)

    answer = {"modules": modules, "bindings": entries, "secrets": secrets}
    session.answer({**findings_data(found.findings, code), **answer}, show)
    return code
