"""Coverage counts what runs in the bridge."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import asyncio
from prefiq import await_, call


def use_case():
    first = 1
    await_(asyncio.sleep(0))
    second = 2
    await_(asyncio.sleep(0))
    return first + second


async def main():
    await asyncio.gather(*(call(use_case) for _ in range(3)))


asyncio.run(main())
"""


def missing(folder: Path, concurrency: list[str]) -> list[int]:
    """Lines of the script that coverage has not seen."""
    pytest.importorskip("coverage")
    (folder / "script.py").write_text(SCRIPT)
    names = ", ".join(concurrency)
    (folder / "rc").write_text(f"[run]\nconcurrency = {names}\nsource = {folder}\n")

    def coverage(verb: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "coverage", verb, "--rcfile=rc", *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    coverage("run", "script.py")
    coverage("json", "-o", "found.json")
    found: Any = json.loads((folder / "found.json").read_text())
    lines: list[int] = found["files"]["script.py"]["missing_lines"]
    return lines


def test_lines_in_greenlets_are_counted(tmp_path: Path) -> None:
    """With what ``pyproject.toml`` says of concurrency; without it they are missed."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert missing(tmp_path, config["tool"]["coverage"]["run"]["concurrency"]) == []
    assert missing(tmp_path, ["thread"]) != []
