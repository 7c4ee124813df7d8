"""``Session``: what one run of the program was asked for, and the application it works on."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from prefiq.cli.errors import NotAnApplication

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.settings import Settings

__all__ = ["Session", "pass_session", "run_in_mode"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Session:
    """One run of the program.

    Args:
        folder: The application's folder, absolute.
        json: Whether the answer is one JSON document on stdout.
        debug: Whether an error shows its traceback.
        environ: The environment.
        server: Whether this process serves, so that every record counts.
        loaded: The settings, once they are loaded.
    """

    folder: Path = field(default_factory=Path.cwd)
    json: bool = False
    debug: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    server: bool = False
    loaded: Settings | None = None

    def settings(self) -> Settings:
        """The application's settings, loaded once; logs are configured with them.

        Raises:
            NotAnApplication: The folder holds nothing that makes one.
            prefiq.errors.Faults: Everything that is wrong with the settings.
        """
        if self.loaded is not None:
            return self.loaded
        from prefiq.settings import configure_logging, load

        marks = any((self.folder / name).exists() for name in ("prefiq.toml", ".env"))
        if self.folder.is_dir() and not marks and not self.environ.get("APPS"):
            raise NotAnApplication(str(self.folder))
        self.loaded = load(self.folder, self.environ)
        configure_logging(self.loaded)
        own = self.loaded.replace or any(app.path for app in self.loaded.apps)
        if own and str(self.folder) not in sys.path:
            sys.path.insert(0, str(self.folder))  # code that stands in the application's own folder
        if not (self.loaded.is_production or self.debug or self.server):
            # On a developer's terminal a command's answer stands alone; production keeps its records.
            root = logging.getLogger()
            root.setLevel(max(root.level, logging.WARNING))
        return self.loaded

    def prepared(self) -> Application:
        """The application, composed; no database is touched."""
        settings = self.settings()  # first: its errors need no other room
        from prefiq.application import Application

        return Application.prepare(settings)

    def run(self, work: Callable[Concatenate[Application, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function with the application, its resources open; they are closed at the end.

        This is the one way from a command to the application's services: with ``DB_MODE=async`` the function
        runs in the bridge, on an event loop of its own, and is written as for ``sync``.

        Args:
            work: Takes the application, and what follows here.
            args: Its further arguments.
            kwargs: Its further arguments by name.

        Returns:
            What it returns.
        """
        settings = self.settings()
        from prefiq.application import Application

        def within() -> T:
            with Application.boot(settings) as app:
                return work(app, *args, **kwargs)

        return run_in_mode(settings, within)

    def answer(self, data: Any, show: Callable[[], None]) -> None:
        """Give the command's answer.

        Args:
            data: What ``--json`` prints.
            show: Prints it for people.
        """
        if self.json:
            from prefiq.cli.output import print_json

            print_json(data)
        else:
            show()


def run_in_mode(settings: Settings, work: Callable[[], T]) -> T:
    """Call a function where the drivers of ``DB_MODE`` work: in the bridge, or right here."""
    if settings.database.mode != "async":
        return work()
    from prefiq.bridge import run

    with _interrupted_at_once():
        return run(work)


@contextmanager
def _interrupted_at_once() -> Iterator[None]:
    """Let Ctrl+C mean on an event loop what it means elsewhere.

    The loop's own handler would only cancel the task at its next await, which a prompt or a long statement of
    a blocking driver puts off; it leaves a handler of others alone.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """As the default handler, and not the same object, which the loop would take for nobody's."""
    signal.default_int_handler(number, frame)


pass_session = click.make_pass_decorator(Session, ensure=True)
