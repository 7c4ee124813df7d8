"""Serving anew whenever a source file changes, comes or goes; development only.

uvicorn's own watcher takes no notice of new files, nor of what is no Python, and looks into every environment
that stands in the application's folder.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.supervisors.basereload import BaseReload

__all__ = ["SourceReload", "serve_and_reload", "stamps"]

SECONDS = 0.1
COMPOSITION = frozenset({"prefiq.toml", ".env"})


def stamps(folders: Sequence[Path]) -> dict[Path, int]:
    """Every watched file with the time of its last change, in nanoseconds.

    Watched are Python files, and what an application is composed of at the top of each folder.  Hidden folders
    are left out, and what pip installed.

    Args:
        folders: Where to look.
    """
    found: dict[Path, int] = {}
    for folder in folders:
        for root, below, names in os.walk(folder):
            below[:] = [one for one in below if not one.startswith(".") and one not in _ELSEWHERE]
            composition = COMPOSITION if Path(root) == folder else frozenset()
            for name in names:
                if name.endswith(".py") or name in composition:
                    path = Path(root, name)
                    try:
                        found[path] = path.stat().st_mtime_ns
                    except OSError:  # gone since it was listed
                        continue
    return found


_ELSEWHERE = frozenset({"__pycache__", "site-packages", "node_modules"})


class SourceReload(BaseReload):
    """uvicorn's supervisor, with the eyes of ``stamps``."""

    def __init__(self, config: uvicorn.Config, folders: Sequence[Path], sockets: list[socket.socket]) -> None:
        super().__init__(config, uvicorn.Server(config).run, sockets)
        self.reloader_name = "prefiq"
        self._folders = folders
        self._seen = stamps(folders)  # before the first process reads them

    def should_restart(self) -> list[Path] | None:
        """The files that are not as they were."""
        self.pause()
        now = stamps(self._folders)
        changed = [path for path, _ in now.items() ^ self._seen.items()]
        self._seen = now
        return list(dict.fromkeys(changed)) or None


def serve_and_reload(
    app: str, bound: socket.socket, folders: Sequence[Path], options: Mapping[str, Any]
) -> None:
    """Serve until a signal ends it, in a process that is replaced when a source changes.

    Args:
        app: Import string of the ASGI app.
        bound: What to listen on; it stays open meanwhile, so that no request is refused.
        folders: What to watch.
        options: Further options of ``uvicorn.Config``.
    """
    config = uvicorn.Config(app, reload_delay=SECONDS, **options)
    SourceReload(config, folders, [bound]).run()
