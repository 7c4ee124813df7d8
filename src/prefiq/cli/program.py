"""``program``: the root of the command line, its groups, and what every command has in common."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from prefiq.cli.failure import EXIT_CODES, Unread, end
from prefiq.cli.session import Session
from prefiq.cli.table import Entry, below

__all__ = ["Group", "Program", "program"]


def _set(name: str, *, absolute: bool = False) -> Any:
    def remember(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value:  # given behind any of the words; the last one holds
            setattr(ctx.ensure_object(Session), name, value.absolute() if absolute else value)

    return remember


def common_options() -> list[click.Parameter]:
    """The options that stand behind every word of a command."""
    folder = click.Path(path_type=Path, file_okay=False)
    return [
        click.Option(
            ["--folder", "-C"],
            type=folder,
            metavar="PATH",
            expose_value=False,
            is_eager=True,
            callback=_set("folder", absolute=True),
            help="The application's folder; the working directory where left out.",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_set("json"),
            help="Answer with one JSON document.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_set("debug"),
            help="Show the traceback of an error.",
        ),
    ]


def with_common_options(command: click.Command) -> click.Command:
    """The command, understanding the options that every command has."""
    known = {option for param in command.params for option in param.opts}
    command.params.extend(option for option in common_options() if option.opts[0] not in known)
    return command


class ModuleGroup(click.Group):
    """The commands of one module.

    Args:
        name: The module's name.
        commands: By name.
    """

    def __init__(self, name: str, commands: dict[str, click.Command]) -> None:
        shown = {word: with_common_options(command) for word, command in commands.items()}
        super().__init__(name, commands=shown, help=f"Commands of the module {name}.")
        self.params.extend(common_options())


class Group(click.Group):
    """Commands behind some words; each is imported when it is asked for.

    Args:
        path: The words before, without ``prefiq``; empty for the first level.
    """

    def __init__(self, path: str, help: str, **attrs: Any) -> None:
        super().__init__(path.rpartition(" ")[2] or "prefiq", help=help, **attrs)
        self.path = path
        self.params.extend(common_options())

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The words that may follow."""
        return list(below(self.path))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command behind a word, imported now."""
        found = below(self.path).get(cmd_name)
        if found is None:
            return None
        if isinstance(found, str):
            return Group(f"{self.path} {cmd_name}".strip(), found)
        return with_common_options(import_module(f"prefiq.cli.commands.{found.module}").command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that arguments name.

        Raises:
            UnknownCommand: There is none; with what was probably meant.
        """
        if ctx.resilient_parsing or args[0] in below(self.path) or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        if not self.path:
            from prefiq.cli.module_commands import module_group

            commands = module_group(ctx.ensure_object(Session), args[0])
            if commands:
                return args[0], ModuleGroup(args[0], commands), args[1:]
        from prefiq.cli.foreign_words import unknown_command  # brings the settings' room

        raise unknown_command(args[0], args[1:], self.path)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands, without importing any."""
        rows = [(name, e.help if isinstance(e, Entry) else e) for name, e in below(self.path).items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class Program(Group):
    """The first level; it turns every error into one block and an exit code."""

    def __init__(self) -> None:
        super().__init__(
            "", "Modular, multi-tenant business software: declare, install, list, migrate, serve."
        )
        self.params.append(
            click.Option(
                ["--version"],
                is_flag=True,
                expose_value=False,
                is_eager=True,
                callback=_version,
                help="Show the version.",
            )
        )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the exit codes."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), says) for code, says in EXIT_CODES.items()])

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the arguments; help and version are printed here."""
        with _readers_that_leave():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _readers_that_leave():
            return super().invoke(ctx)

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> None:
        """Run a command and exit.

        Args:
            args: The arguments; the process's where left out.
            prog_name: What the program is called in texts.
            extra: As click's own ``main``.
        """
        extra.pop("standalone_mode", None)
        arguments = list(sys.argv[1:] if args is None else args)
        session = Session(json="--json" in arguments, debug="--debug" in arguments)
        try:
            code = super().main(arguments, prog_name or "prefiq", standalone_mode=False, obj=session, **extra)
            sys.stdout.flush()
        except SystemExit:
            raise
        except click.exceptions.NoArgsIsHelpError as help:
            click.echo(help.format_message())
            code = 2
        except BaseException as error:  # noqa: BLE001  this is where a command ends, whatever happened
            code = end(error, session)
        sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def _readers_that_leave() -> Iterator[None]:
    # click ends a command itself on this error, with a code that says nothing.
    try:
        yield
    except BrokenPipeError as error:
        raise Unread from error


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        import prefiq

        session = ctx.ensure_object(Session)
        session.answer({"version": prefiq.__version__}, lambda: click.echo(f"prefiq {prefiq.__version__}"))
        ctx.exit()


program = Program()
