"""``uvicorn prefiq.cli.core.server:app --workers 4``: the ASGI app of the application in the working directory.

Importing this module does nothing.  The app is made when it is first asked for, once in each worker.
"""

from __future__ import annotations


def __getattr__(name: str) -> object:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from prefiq.cli.serving import make_app

    app = globals()["app"] = make_app()
    return app
