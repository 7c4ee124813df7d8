"""The repository is about the product: no path of a developer's machine, no package index, no leftovers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# The samples are put together at run time, so that this file is not its own first finding.
SLASH = "/"
FORBIDDEN = {
    "a path of somebody's machine": (
        r"(?<![\w.~$}>/-])/(?:work/|root/|home/[a-z]|Users/[A-Za-z])",
        [SLASH + "work/main", f"({SLASH}root/.cache)", SLASH + "home/ann", f'"{SLASH}Users/Ann"'],
    ),
    "a drive of somebody's machine": (
        r"\b[A-Z]:\\{1,2}Users\\",
        ["C:" + r"\Users\ann", "C:" + r"\\Users\\ann"],
    ),
    "a package index": (
        r"--?(?:extra-)?index[-]url|find[-]links|trusted[-]host",
        ["--extra-index" + "-url https://x", "find" + "-links = x", "--trusted" + "-host x"],
    ),
    "a merge that was not finished": (
        r"^(?:<{7}|>{7})(?: |$)",
        ["<" * 7 + " HEAD", ">" * 7 + " branch"],
    ),
}


def findings(text: str) -> list[tuple[int, str]]:
    """Line number and kind of everything in the text that does not belong."""
    return [
        (number, kind)
        for number, line in enumerate(text.splitlines(), 1)
        for kind, (pattern, _) in FORBIDDEN.items()
        if re.search(pattern, line)
    ]


def tracked_files() -> list[Path]:
    """Every file that git knows, as it is on disk now."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = [ROOT / name for name in names.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_file_speaks_of_a_machine() -> None:
    """No tracked text file holds a developer's path, a package index or a conflict marker."""
    found = {}
    for path in tracked_files():
        data = path.read_bytes()
        if b"\0" not in data and (lines := findings(data.decode("utf-8"))):
            found[path.relative_to(ROOT).as_posix()] = lines
    assert found == {}


@pytest.mark.parametrize(
    ("kind", "sample"), [(kind, sample) for kind, (_, samples) in FORBIDDEN.items() for sample in samples]
)
def test_sample_is_found(kind: str, sample: str) -> None:
    """Each pattern sees what it is for, wherever it stands in a file."""
    assert findings(f"first\n{sample}\nlast") == [(2, kind)]


@pytest.mark.parametrize(
    "line",
    ["https://example.org/work/1", "POST /api/work", "docs/root/x", "~/work/x", "the root / work ratio"],
)
def test_ordinary_text_is_left_alone(line: str) -> None:
    """Addresses and words that only resemble a path are fine."""
    assert findings(line) == []


def test_no_generated_file_is_tracked() -> None:
    """What tools write stays out of the repository."""
    generated = re.compile(
        r"(^|/)(__pycache__|build|dist|\.venv|\.demo|[^/]+\.egg-info)/|\.pyc$|(^|/)\.env$|\.db$"
    )
    names = [path.relative_to(ROOT).as_posix() for path in tracked_files()]
    assert [name for name in names if generated.search(name)] == []
