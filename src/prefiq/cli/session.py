"""``Session``: what one run of the program was asked for, and the application it works on."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefiq.cli.errors import NotAnApplication

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.settings import Settings

__all__ = ["Session", "pass_session"]


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

    @contextmanager
    def booted(self) -> Iterator[Application]:
        """The application, with its resources open; closed at the end."""
        settings = self.settings()
        from prefiq.application import Application

        with Application.boot(settings) as app:
            yield app

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


pass_session = click.make_pass_decorator(Session, ensure=True)
