"""Words that people bring from other frameworks, and what they are called here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from prefiq.cli.errors import UnknownCommand
from prefiq.cli.table import COMMANDS, below
from prefiq.nearest import nearest

__all__ = ["FOREIGN", "unknown_command"]

_MODULE = "A module is a pip package with a provider; the README shows its twenty lines."
_INSTALL = "A module is installed with pip, and listed in prefiq.toml."
_TOKEN = "There are no users in the core: a token says who acts, prefiq token makes one in development."  # noqa: S105
_RAW = "The database is reached through the scope: scope[Executor].query(…) in the shell."
_TESTS = "Tests run with pytest; prefiq.testing has the fixtures."

FOREIGN: dict[str, tuple[str, str]] = {
    # Django
    "runserver": ("server start", ""),
    "createsuperuser": ("token", _TOKEN),
    "changepassword": ("token", _TOKEN),
    "startproject": ("new", ""),
    "startapp": ("new", _MODULE),
    "makemigrations": ("lowcode makemigrations", ""),
    "migrate": ("run migrate", ""),
    "showmigrations": ("run migrate --status", ""),
    "sqlmigrate": ("run migrate --sql", ""),
    "squashmigrations": ("lowcode makemigrations", ""),
    "inspectdb": ("doctor database", "Models are declared in Python; existing tables are not read."),
    "check": ("doctor boot", ""),
    "shell_plus": ("shell", ""),
    "dbshell": ("shell", _RAW),
    "loaddata": ("run migrate", "Seeds are part of a module and run after its migrations."),
    "dumpdata": ("shell", ""),
    "flush": ("tenants create", "Nothing empties a database at once; make a new tenant."),
    "test": ("", _TESTS),
    "collectstatic": ("", "Assets are served from the installed packages; nothing is collected."),
    "manage.py": ("", ""),
    "django-admin": ("", ""),
    # Frappe
    "bench": ("", ""),
    "new-site": ("tenants create", ""),
    "new-app": ("new", _MODULE),
    "get-app": ("apps add", _INSTALL),
    "install-app": ("apps add", _INSTALL),
    "uninstall-app": ("apps remove", ""),
    "remove-app": ("apps remove", ""),
    "list-apps": ("apps list", ""),
    "console": ("shell", ""),
    "start": ("server start", ""),
    "mariadb": ("shell", _RAW),
    "doctor": ("doctor boot", ""),
    # Laravel
    "artisan": ("", ""),
    "serve": ("server start", ""),
    "tinker": ("shell", ""),
    "db:seed": ("run migrate", "Seeds run after the migrations, once for each tenant."),
    "make:migration": ("lowcode makemigrations", ""),
    "make:model": ("new", _MODULE),
    "migrate:status": ("run migrate --status", ""),
    "migrate:fresh": ("run migrate", ""),
    "key:generate": ("new", "prefiq new writes a random key into .env."),
    "route:list": ("apps show", "The routes stand in the API's documentation page, too."),
    "about": ("doctor boot", ""),
    # Rails, FastAPI, Flask and others
    "server": ("server start", ""),
    "s": ("server start", ""),
    "dev": ("server start --reload", ""),
    "db:migrate": ("run migrate", ""),
    "upgrade": ("run migrate", ""),
    "seed": ("run migrate", "Seeds run after the migrations, once for each tenant."),
    "init": ("new", ""),
    "demo": ("try", ""),
    "users": ("token", _TOKEN),
    "status": ("doctor boot", ""),
}
"""Word → command as it is typed behind ``prefiq`` (or empty), and a sentence (or empty)."""

_PROGRAMS = {"manage.py", "django-admin", "bench", "artisan"}


def unknown_command(word: str, rest: Sequence[str], group: str) -> UnknownCommand:
    """The error for a word that is no command, with the best guess of what was meant.

    Args:
        word: The word.
        rest: What stood behind it.
        group: The words before it, without ``prefiq``; empty for the first level.
    """
    name = f"prefiq {group}".rstrip()
    if word.lower() in _PROGRAMS and rest and not rest[0].startswith("-"):
        inner = _meant(rest[0], "")
        return UnknownCommand(word, name, *inner)
    return UnknownCommand(_shown(word), name, *_meant(word, group))


def _meant(word: str, group: str) -> tuple[tuple[str, ...], str]:
    written = word.lower()
    if written in FOREIGN:
        command, note = FOREIGN[written]
        return ((f"prefiq {command}",) if command else ()), note
    if near := nearest(written, below(group)):
        return (f"prefiq {group} {near}".replace("  ", " "),), ""
    # A command may have been meant without its group, or behind another one.
    if near := nearest(written, [entry.name for entry in COMMANDS], cutoff=0.75):
        return tuple(f"prefiq {entry.path}" for entry in COMMANDS if entry.name == near), ""
    if near := nearest(written, FOREIGN, cutoff=0.8):
        command, note = FOREIGN[near]
        return ((f"prefiq {command}",) if command else ()), note
    return (), ""


def _shown(word: str) -> str:
    """A word as it may be repeated: short, and without what speaks to a terminal."""
    return re.sub(r"[^ -~]", "?", word)[:40]
