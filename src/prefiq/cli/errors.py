"""What a command itself can refuse; the codes are PFQ80x.

The tree::

    PrefiqError
    ├── Unexpected             anything that is not a PrefiqError; the fault is ours or a module's
    ├── WrongUsage             arguments that the command does not understand
    ├── UnknownCommand         a word that is no command, with the one that was probably meant
    ├── NotAnApplication       the folder holds none
    ├── OnlyInDevelopment      refused where the rules of production hold
    ├── MissingExtra           a package of an extra is not installed
    ├── AddressTaken           the server cannot listen there
    ├── NoModules              nothing to try
    ├── ServerDidNotStart      the server that a command started did not answer
    ├── UnknownModule          a name that is none of the listed modules
    ├── ScriptFailed           what was typed for ``prefiq shell`` raised
    ├── SingleTenant           an installation for one tenant takes no second
    ├── NotWritable            a module's package is no place for a new file
    ├── UnusableCommand        what a module brings as a command is none
    ├── AppsElsewhere          the list of apps does not come from prefiq.toml
    ├── CannotEdit             prefiq.toml is not understood well enough to be edited
    ├── StillRequired          other modules need the one that is to be removed
    └── CannotRemoveRows       what a module has in the database cannot be told
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import ClassVar, Self

from prefiq.errors import PrefiqError

__all__ = [
    "AddressTaken",
    "AppsElsewhere",
    "CannotEdit",
    "CannotRemoveRows",
    "MissingExtra",
    "NoModules",
    "NotAnApplication",
    "NotWritable",
    "OnlyInDevelopment",
    "ScriptFailed",
    "ServerDidNotStart",
    "SingleTenant",
    "StillRequired",
    "Unexpected",
    "UnknownCommand",
    "UnknownModule",
    "UnusableCommand",
    "WrongUsage",
]


class Unexpected(PrefiqError):
    """Something failed that no error of Prefiq stands for; the fault is Prefiq's or a module's.

    The command with ``--debug`` shows the traceback.  The text of the original error is not repeated, since
    it may hold values.

    Args:
        kind: Class of the original error.
        place: File and line that raised it.
        detail: What the operating system said, for its own errors; else empty.
    """

    code: ClassVar[str] = "PFQ800"
    fix = "run the command again with --debug to see where; report it if it is not your code"

    def __init__(self, kind: str, place: str, detail: str = "") -> None:
        self.kind = kind
        self.place = place
        self.detail = detail
        self.what = f"Unexpected {kind}" + (f": {detail}" if detail else "")
        self.where = place


class WrongUsage(PrefiqError):
    """The arguments are not those that the command takes.

    ``--help`` behind the command shows them.

    Args:
        message: What is wrong, one sentence.
        command: The command's full name.
    """

    code: ClassVar[str] = "PFQ801"
    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, command: str) -> None:
        self.message = message
        self.command = command
        self.what = message.rstrip(".")
        self.where = command
        self.fix = f"{command} --help"


class UnknownCommand(PrefiqError):
    """The word is no command; words of other frameworks are recognised and the command for them is named.

    Args:
        word: What was written.
        group: The command that it stood behind, ``"prefiq"`` for the first word.
        meant: Commands that were probably meant, each as it would be typed.
        note: One sentence on a word that has no single command; else empty.
    """

    code: ClassVar[str] = "PFQ802"
    exit_code: ClassVar[int] = 2

    def __init__(self, word: str, group: str, meant: Sequence[str] = (), note: str = "") -> None:
        self.word = word
        self.group = group
        self.meant = tuple(meant)
        self.note = note
        self.what = f'"{word}" is no command of {group}'
        wanted = " or ".join(f"`{command}`" for command in self.meant)
        parts = [f"did you mean {wanted}?" if wanted else "", note]
        self.fix = " ".join(part for part in parts if part) or f"{group} --help lists the commands"


class NotAnApplication(PrefiqError):
    """The folder has neither ``prefiq.toml`` nor ``.env``, and ``APPS`` is not set: there is nothing to run.

    Run the command inside an application's folder, or name it with ``--folder``.  In the checkout of a module
    ``APPS=module`` in the environment is an application.

    Args:
        folder: The folder looked at.
    """

    code: ClassVar[str] = "PFQ803"
    exit_code: ClassVar[int] = 3
    what = "This folder holds no application: no prefiq.toml, no .env, and APPS is not set"
    fix = (
        "prefiq new NAME makes one; --folder PATH names another folder; "
        "in a module's checkout, APPS=MODULE before the command is one"
    )

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.where = folder


class OnlyInDevelopment(PrefiqError):
    """The command is refused where the rules of production hold (``ENV`` unset means production).

    Args:
        command: The command.
        instead: What serves the purpose in production.
    """

    code: ClassVar[str] = "PFQ804"
    exit_code: ClassVar[int] = 4

    def __init__(self, command: str, instead: str) -> None:
        self.command = command
        self.what = f"{command} works in development and test only"
        self.where = "ENV"
        self.fix = instead


class MissingExtra(PrefiqError):
    """A package that this command needs belongs to an extra that is not installed.

    Args:
        package: The package.
        extra: The extra of ``prefiq`` that brings it.
    """

    code: ClassVar[str] = "PFQ805"

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        self.what = f"The package {package} is not installed"
        self.fix = f"pip install 'prefiq[{extra}]'"


class AddressTaken(PrefiqError):
    """The server cannot listen on this address: another process does, or it is not this machine's.

    Args:
        host: Host name or address.
        port: The port.
        reason: What the operating system said.
    """

    code: ClassVar[str] = "PFQ806"

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host = host
        self.port = port
        self.reason = reason
        self.what = f"Cannot listen on this address: {reason}"
        self.where = f"{host}:{port}"
        self.fix = "stop what listens there, or choose another with --port (0 takes a free one)"


class NoModules(PrefiqError):
    """``prefiq try`` shows installed modules, and none that it knows is installed."""

    code: ClassVar[str] = "PFQ807"
    what = "There is no module to try"
    fix = "pip install prefiq-projects prefiq-masters"


class ServerDidNotStart(PrefiqError):
    """A server that the command started ended, or gave no answer in time; its last lines stand above.

    Args:
        seconds: How long it was given.
        exit_code_seen: How it ended; None where it still ran.
    """

    code: ClassVar[str] = "PFQ808"
    fix = "prefiq doctor boot and prefiq doctor database look for the cause"

    def __init__(self, seconds: float, exit_code_seen: int | None) -> None:
        self.seconds = seconds
        self.exit_code_seen = exit_code_seen
        if exit_code_seen is None:
            self.what = f"The server gave no answer within {seconds:g} seconds"
        else:
            self.what = f"The server ended with exit code {exit_code_seen}"


class UnknownModule(PrefiqError):
    """The name is none of the modules that the application lists.

    Args:
        name: What was written.
        known: The listed modules.
        nearest: The one most like it, or empty.
    """

    code: ClassVar[str] = "PFQ809"
    exit_code: ClassVar[int] = 2

    def __init__(self, name: str, known: Sequence[str], nearest: str = "") -> None:
        self.name = name
        self.known = tuple(known)
        self.nearest = nearest
        self.what = f'No module "{name}" is listed'
        meant = f'did you mean "{nearest}"? ' if nearest else ""
        self.fix = f"{meant}listed are: {', '.join(self.known) or 'none'}"


class ScriptFailed(PrefiqError):
    """The code given to ``prefiq shell`` raised; what it had not committed is gone.

    Args:
        kind: Class of what it raised.
        text: Its text, which is the caller's own.
        line: Line of the code, 0 where unknown.
    """

    code: ClassVar[str] = "PFQ810"
    fix = "mend the code; --debug shows the whole traceback"

    def __init__(self, kind: str, text: str, line: int = 0) -> None:
        self.kind = kind
        self.text = text
        self.line = line
        self.what = f"{kind}: {text}" if text else kind
        self.where = f"line {line}" if line else ""

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """From what the code raised."""
        if isinstance(error, SyntaxError):
            return cls("SyntaxError", error.msg or "", error.lineno or 0)
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == "<shell>"]
        return cls(type(error).__name__, str(error), (frames[-1].lineno or 0) if frames else 0)


class SingleTenant(PrefiqError):
    """``TENANCY=single`` is an installation for one tenant; a second one would see its rows.

    ``TENANCY=row`` serves many; a new application begins with it.

    Args:
        tenant: The one tenant.
    """

    code: ClassVar[str] = "PFQ811"
    exit_code: ClassVar[int] = 3
    what = "This application has one tenant and takes no other"
    fix = "use TENANCY=row for several tenants"

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.where = f"TENANCY=single, TENANT={tenant}"


class NotWritable(PrefiqError):
    """A migration belongs into its module's own package, and that is not a place to write to.

    Make migrations where the module is developed: in its checkout, installed with ``pip install -e``.

    Args:
        module: The module.
        reason: Why its package does not serve.
    """

    code: ClassVar[str] = "PFQ812"
    exit_code: ClassVar[int] = 3
    fix = "run this in the module's checkout: pip install -e PATH"

    def __init__(self, module: str, reason: str) -> None:
        self.module = module
        self.reason = reason
        self.what = f"No migration can be written for this module: {reason}"
        self.where = f"module {module}"


class UnusableCommand(PrefiqError):
    """What a module's ``commands`` returns has to be click commands with names.

    Args:
        module: The module.
        command: What it returned.
    """

    code: ClassVar[str] = "PFQ813"
    exit_code: ClassVar[int] = 3
    fix = "return functions marked by click.command from the provider's commands()"

    def __init__(self, module: str, command: str) -> None:
        self.module = module
        self.command = command
        self.what = f"{command} is no command"
        self.where = f"module {module}"


class AppsElsewhere(PrefiqError):
    """``APPS`` is set, so the list in ``prefiq.toml`` does not count and editing it would change nothing.

    Args:
        source: Where ``APPS`` comes from.
    """

    code: ClassVar[str] = "PFQ815"
    exit_code: ClassVar[int] = 3
    what = "The list of apps comes from APPS, not from prefiq.toml"
    fix = "change APPS there, or unset it and use the list of prefiq.toml"

    def __init__(self, source: str) -> None:
        self.source = source
        self.where = source


class CannotEdit(PrefiqError):
    """The list of apps stands in a form that cannot be edited without risk for the rest of the file.

    Args:
        file: The file.
    """

    code: ClassVar[str] = "PFQ816"
    exit_code: ClassVar[int] = 3
    what = "The list of apps cannot be edited here without risk for the rest of the file"
    fix = "edit the list by hand"

    def __init__(self, file: str) -> None:
        self.file = file
        self.where = file


class StillRequired(PrefiqError):
    """Other listed modules need the one that is to be removed.

    Args:
        module: The module.
        by: The modules whose packages require it.
    """

    code: ClassVar[str] = "PFQ817"
    exit_code: ClassVar[int] = 3

    def __init__(self, module: str, by: Sequence[str]) -> None:
        self.module = module
        self.by = tuple(by)
        self.what = f"{module} is required by {', '.join(self.by)}"
        self.where = f"module {module}"
        self.fix = f"remove {', '.join(self.by)} first"


class CannotRemoveRows(PrefiqError):
    """The application cannot be composed, so nobody knows which tables and columns the module has.

    ``--keep``, which is the default, needs no tables: it takes the module from the list alone.

    Args:
        module: The module.
    """

    code: ClassVar[str] = "PFQ818"
    exit_code: ClassVar[int] = 3
    fix = "mend what prefiq doctor boot finds, or use --keep"

    def __init__(self, module: str) -> None:
        self.module = module
        self.what = f"It is not known what {module} has in the database: the application cannot be composed"
        self.where = f"module {module}"
