"""What importing the room costs."""

from __future__ import annotations

import subprocess
import sys


def test_importing_settings_loads_no_heavy_library():
    """python-dotenv comes with a ``.env``, everything else not at all."""
    code = "import prefiq.settings, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {
        "dotenv",
        "asyncio",
        "sqlalchemy",
        "msgspec",
        "starlette",
        "difflib",
        "hashlib",
        "_hashlib",
        "_ssl",
    }
    assert heavy.isdisjoint(loaded)


def test_all_is_what_can_be_imported():
    """Every public name exists, once and in order."""
    import prefiq.settings

    names = prefiq.settings.__all__
    assert all(hasattr(prefiq.settings, name) for name in names)
    assert len(set(names)) == len(names)
