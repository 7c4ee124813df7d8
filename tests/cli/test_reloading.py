"""What makes a development server start anew."""

from __future__ import annotations

from pathlib import Path

from prefiq.cli.reloading import stamps


def test_python_files_and_the_composition_are_watched(tmp_path: Path) -> None:
    """Not what is hidden, cached or installed, nor data."""
    watched = ["invoice.py", "tests/test_invoice.py", "prefiq.toml", ".env"]
    others = ["demo.db", ".venv/x.py", "a/__pycache__/x.py", "env/lib/site-packages/x.py", "a/prefiq.toml"]
    for name in (*watched, *others):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert {path.relative_to(tmp_path).as_posix() for path in stamps([tmp_path])} == set(watched)


def test_a_new_file_is_a_change_and_so_is_one_that_went(tmp_path: Path) -> None:
    """Unlike with uvicorn's own watcher."""
    before = stamps([tmp_path])
    (tmp_path / "invoice.py").write_text("")
    assert stamps([tmp_path]) != before
    (tmp_path / "invoice.py").unlink()
    assert stamps([tmp_path]) == before
