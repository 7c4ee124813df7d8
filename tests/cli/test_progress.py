"""Bars for seeds, on a terminal of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")


def on_terminal(*args: str, cwd: Path) -> tuple[str, str]:
    """What a command says on stdout, and what its stderr draws on a terminal."""
    ours, theirs = os.openpty()
    drawn: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(ours, 65536):
                drawn.append(part)
        except OSError:
            pass  # how Linux says that the other side is closed

    reader = threading.Thread(target=read)
    reader.start()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "prefiq.cli", *args],
            cwd=cwd,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)
    return done.stdout, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", b"".join(drawn).decode())


def test_seeds_draw_bars(application: Path) -> None:
    """Each seed has one with its title and how many rows of how many are done; stdout holds the answer alone."""
    said, drawn = on_terminal("tenants", "create", "globex", cwd=application)
    assert said == "Created the tenant globex; 33 seeds ran\n"
    for title, total in (("currencies", 178), ("countries", 249), ("subdivisions", 5046), ("units", 26)):
        assert re.search(rf"{title} +━+ +{total}/{total}", drawn)


def test_nothing_to_seed_leaves_no_bar(application: Path) -> None:
    """A piece of work that never began is not drawn as done."""
    said, drawn = on_terminal("run", "migrate", cwd=application)
    assert said == "Nothing to apply: the database is at head\n"
    assert "0/0" not in drawn
