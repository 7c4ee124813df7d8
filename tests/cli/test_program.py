"""The program: help, unknown words, options, errors and exit codes."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from prefiq.cli.failure import EXIT_CODES
from prefiq.cli.foreign_words import FOREIGN
from prefiq.cli.program import program
from prefiq.cli.table import COMMANDS, GROUPS

HEAVY = {
    "sqlalchemy",
    "alembic",
    "starlette",
    "uvicorn",
    "dependency_injector",
    "pluggy",
    "rich",
    "jinja2",
    "msgspec",
}
PATHS = [entry.path for entry in COMMANDS]


def command_of(path: str) -> click.Command:
    """The command behind some words."""
    context = click.Context(program)
    command: click.Command = program
    for word in path.split():
        assert isinstance(command, click.Group)
        found = command.get_command(context, word)
        assert found is not None
        command = found
    return command


def test_help_lists_every_command_and_exit_code(run) -> None:
    """The first page names the first words and what exit codes mean."""
    result = run("--help")
    assert result.exit_code == 0
    for word in {path.split()[0] for path in PATHS}:
        assert f"\n  {word} " in result.stdout
    for code, says in EXIT_CODES.items():
        assert f"{code} " in result.stdout
        assert says.split(";")[0] in result.stdout


@pytest.mark.parametrize("path", PATHS)
def test_help_of_a_command_begins_with_its_line_in_the_list(path: str) -> None:
    """The line that a list shows, without importing the command, is the command's own."""
    entry = next(entry for entry in COMMANDS if entry.path == path)
    lines = (command_of(path).help or "").splitlines()
    assert lines[0] == entry.help
    assert command_of(path).name == entry.name


def test_every_command_file_is_listed() -> None:
    """A file in ``commands`` that the table forgets could not be reached."""
    folder = Path(importlib.import_module("prefiq.cli.commands").__file__ or "").parent
    files = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    assert files == {entry.module for entry in COMMANDS}
    assert {entry.group for entry in COMMANDS} - {""} == set(GROUPS)


@pytest.mark.parametrize("path", ["", *GROUPS, *PATHS])
def test_common_options_stand_behind_every_word(path: str) -> None:
    """--json, --folder and --debug are understood everywhere."""
    known = {option for param in command_of(path).params for option in param.opts}
    assert {"--json", "--folder", "-C", "--debug"} <= known


@pytest.mark.parametrize("path", ["", *GROUPS, *PATHS])
def test_help_loads_nothing_heavy(path: str) -> None:
    """Help of any command costs neither database nor web libraries."""
    code = (
        "import json, sys; from prefiq.cli.__main__ import main\n"
        f"sys.argv = ['prefiq', *{path.split()!r}, '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(json.dumps(sorted({n.partition('.')[0] for n in sys.modules})))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(json.loads(result.stdout.splitlines()[-1])) & HEAVY == set()


def test_help_costs_little() -> None:
    """``prefiq --help`` takes at most 150 ms of CPU; the best of five, since the machine is shared."""

    def cost() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-m", "prefiq.cli", "--help"], stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(cost() for _ in range(5)) <= 0.150


def test_words_of_others_lead_to_commands_that_exist() -> None:
    """Every suggestion can be typed as it stands."""
    for command, _ in FOREIGN.values():
        words = [word for word in command.split() if not word.startswith("-")]
        if words:
            command_of(" ".join(words))


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        (["runserver"], "`prefiq server start`"),
        (["runserver", "0.0.0.0:8000", "--noreload"], "`prefiq server start`"),
        (["createsuperuser"], "`prefiq token`"),
        (["startapp", "crm"], "`prefiq new`"),
        (["makemigrations"], "`prefiq lowcode makemigrations`"),
        (["migrate"], "`prefiq run migrate`"),
        (["inspectdb"], "`prefiq doctor database`"),
        (["shell_plus"], "`prefiq shell`"),
        (["bench", "migrate"], "`prefiq run migrate`"),
        (["artisan", "serve"], "`prefiq server start`"),
        (["manage.py", "migrate"], "`prefiq run migrate`"),
        (["Migrate"], "`prefiq run migrate`"),
        (["run", "migrat"], "`prefiq run migrate`"),
        (["boot"], "`prefiq doctor boot`"),
        (["doctr"], "`prefiq doctor`"),
        (["doctor", "sanity"], "`prefiq run sanity`"),
        (["list"], "`prefiq apps list` or `prefiq tenants list` or `prefiq tenants domains list`"),
        (["tenants", "domain", "list"], "`prefiq tenants domains`"),
    ],
)
def test_unknown_word_says_what_was_meant(run, args: list[str], meant: str) -> None:
    """Words of other frameworks and misspelt ones are answered with the command for them."""
    result = run(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"did you mean {meant}?" in result.stderr
    assert "[PFQ802]" in result.stderr


def test_word_without_a_guess_leads_to_help(run) -> None:
    """A word like none says where the commands are listed."""
    assert run("xylophone").stderr == (
        'Error: "xylophone" is no command of prefiq [PFQ802]\n  Try: prefiq --help lists the commands\n'
    )


def test_unknown_word_cannot_speak_to_the_terminal(run) -> None:
    """Control characters of a word are not repeated."""
    assert "\x1b" not in run("\x1b]0;owned\x07").stderr


@pytest.mark.parametrize(
    "args", [["--nope"], ["run", "migrate", "--nope"], ["tenants", "create"], ["token", "--expires"]]
)
def test_wrong_usage_is_one_block(run, args: list[str]) -> None:
    """Wrong options and missing arguments end with 2 and lead to the command's help."""
    result = run(*args)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert "[PFQ801]" in result.stderr
    assert "--help" in result.stderr
    assert len(result.stderr.splitlines()) == 2


def test_error_as_json(run) -> None:
    """With --json the error is one document on stderr; stdout stays empty."""
    result = run("apps", "list", "--json")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert json.loads(result.stderr)["error"]["code"] == "PFQ803"


def test_folder_without_application(run, tmp_path: Path) -> None:
    """A command outside an application says so, and makes nothing there."""
    result = run("run", "migrate")
    assert result.exit_code == 3
    assert "This folder holds no application" in result.stderr
    assert "in a module's checkout, APPS=MODULE before the command is one" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_five_wrong_settings_are_told_together(run, tmp_path: Path) -> None:
    """Every mistake is reported at once, each with its source, and no value of a secret."""
    (tmp_path / ".env").write_text(
        "ENV=prod\nDB_ENGINE=oracle\nDB_PORT=abc\nLOG_FORMAT=xml\nJWT_SECRET_KEY=tooshort\n"
    )
    result = run("doctor", "boot", "--json")
    found = json.loads(result.stdout)["findings"]
    assert result.exit_code == 3
    assert {row["what"].partition(":")[0] for row in found} == {
        "ENV", "DB_ENGINE", "DB_PORT", "LOG_FORMAT", "JWT_SECRET_KEY"
    }  # fmt: skip
    assert "tooshort" not in result.output
    shown = run("apps", "list")
    assert shown.exit_code == 3
    assert "The settings are wrong: 5 faults" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_unexpected_error_is_short_and_tells_no_value(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is not ours ends with 1, without its text and without a traceback."""
    module = importlib.import_module("prefiq.cli.installed")

    def fails() -> None:
        raise RuntimeError("canary-4711")

    monkeypatch.setattr(module, "installed_modules", fails)
    result = run("new", "demo")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: Unexpected RuntimeError (")
    assert "canary-4711" not in result.output
    assert "Traceback" not in result.stderr
    assert "Traceback" in run("new", "demo", "--debug").stderr


def test_interrupt_ends_with_130(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl+C is no error to be explained."""
    module = importlib.import_module("prefiq.cli.installed")

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "installed_modules", interrupted)
    result = run("new", "demo")
    assert (result.exit_code, result.stderr.lstrip()) == (130, "Interrupted\n")


def test_broken_pipe_is_quiet(tmp_path: Path) -> None:
    """A reader that goes away early causes no complaint."""
    script = f'"{sys.executable}" -m prefiq.cli --help; echo "code $?" >&2'
    # The reader has gone before the first byte is written.
    result = subprocess.run(
        ["bash", "-c", f"exec 3> >(exit 0); sleep 0.3; ({script}) >&3"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert result.stderr == "code 141\n"


def test_version(run) -> None:
    """``--version`` tells the distribution's."""
    from importlib.metadata import version

    assert run("--version").stdout == f"prefiq {version('prefiq')}\n"
    assert json.loads(run("--version", "--json").stdout) == {"version": version("prefiq")}
