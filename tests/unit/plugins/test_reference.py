"""The page of hooks names every extension point, and says when it is called."""

from __future__ import annotations

import re

from prefiq.foundation.hooks import on
from prefiq.plugins.hookspecs import MODEL_HOOKS, Hookspecs
from prefiq.plugins.reference import hooks_page


def test_every_extension_point_has_its_row() -> None:
    """With what a provider writes, and when it is called."""
    rows = re.findall(r"^\| `(prefiq_\w+)` \| `\w+(?:\(…\))?` \| \S.+ \|$", hooks_page(), re.MULTILINE)
    specs = {name for name in vars(Hookspecs) if name.startswith("prefiq_")}
    assert set(rows) == specs - set(MODEL_HOOKS)


def test_every_mark_has_its_row() -> None:
    """Marks and the names that pluggy has for them belong together."""
    rows = dict(re.findall(r"^\| `@on\.(\w+)\([\w.]+\)` \| `(\w+)` \| \S.+ \|$", hooks_page(), re.MULTILINE))
    assert set(rows) == {name for name in vars(on) if not name.startswith("_")}
    assert sorted(rows.values()) == sorted(MODEL_HOOKS)
