"""The command line: ``prefiq …`` and ``python -m prefiq.cli``; the topmost room, imported by nobody.

``program.py`` is the root command, ``commands/`` holds one command a file, ``table.py`` lists them so that
``prefiq --help`` imports none.  Heavy rooms are imported inside the functions that need them.  A module's own
commands take the ``Session`` by ``pass_session``.
"""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from prefiq.cli.session import Session, pass_session

__all__ = ["Session", "pass_session"]


def __getattr__(name: str) -> object:
    # Late, so that uvicorn's workers do not load click for the shim below this room.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from prefiq.cli import session

    return getattr(session, name)
