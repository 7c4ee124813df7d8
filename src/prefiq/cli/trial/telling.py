"""The story of a trial, told against a server that runs meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from prefiq.cli.trial.client import Client
from prefiq.cli.trial.server import serve_beside
from prefiq.cli.trial.story import Story, Told

if TYPE_CHECKING:
    from prefiq.cli.session import Session
    from prefiq.cli.trial.application import Trial

__all__ = ["tell", "token_for"]


def tell(trial: Trial, bound: socket.socket, session: Session) -> Iterator[Told]:
    """Serve the trial, and take every step of the story.

    Args:
        trial: Filled.
        bound: What to listen on.
        session: For whom a failure at start is told.
    """
    host, port = bound.getsockname()[:2]
    with (
        serve_beside(trial.app, bound, session),
        closing(Client(host, port)) as anonymous,
        closing(anonymous.using(token_for(trial, "acme"))) as acme,
        closing(anonymous.using(token_for(trial, "globex"))) as globex,
        closing(anonymous.using(token_for(trial, "acme", "*.*.read"))) as reader,
    ):
        story = Story(anonymous, acme, globex, reader, modules=trial.modules, demo=trial.projects)
        yield from story.run()


def token_for(trial: Trial, tenant: str, *permissions: str) -> str:
    """A token of the trial's developer; with every permission where none is named."""
    from prefiq.web import make_token

    return make_token(trial.app.settings, tenant, "developer", permissions or ("*",), 8 * 3600)
