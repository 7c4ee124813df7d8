"""Progress of seeds: a bar on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prefiq.cli.session import Session

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from prefiq.foundation.seeds import Progress

__all__ = ["progress"]


@contextmanager
def progress(session: Session) -> Iterator[Progress]:
    """Whom seeds tell how far they are; bars go to stderr, so that stdout holds the answer alone."""
    from prefiq.foundation.seeds import NoProgress

    if session.json or not sys.stderr.isatty():
        yield NoProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        shown = _OnTerminal(bars)
        yield shown
        shown.finish()


class _OnTerminal:
    """One bar for each piece of work.

    Args:
        bars: Where they are drawn.
    """

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: Any = None
        self._count = 0

    def start(self, title: str, total: int | None = None) -> None:
        """A new bar; one that has not moved is given the new title."""
        if self._task is not None and not self._count:
            self._bars.update(self._task, description=title, total=total)
            return
        self.finish()
        self._task = self._bars.add_task(title, total=total)

    def advance(self, count: int = 1) -> None:
        """Move the last bar."""
        if self._task is None:
            self.start("rows")
        self._count += count
        self._bars.advance(self._task, count)

    def finish(self) -> None:
        """The last bar is complete, also where nobody knew how long it would be; one that never moved is gone."""
        if self._task is not None and self._count:
            self._bars.update(self._task, total=self._count, completed=self._count)
        elif self._task is not None:
            self._bars.remove_task(self._task)
        self._task, self._count = None, 0
