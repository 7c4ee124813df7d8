"""dev.py runs on a bare Python, explains itself, and repeats nothing that is done."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = (ROOT / "dev.py").read_text(encoding="utf-8")


@pytest.fixture
def dev() -> types.ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What ``python dev.py …`` answers."""
    return subprocess.run(
        [sys.executable, "dev.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", [[], ["deploy"], ["--check"]])
def test_unknown_command_gets_the_usage(arguments: list[str]) -> None:
    """No command, or one that does not exist: the list of commands, and exit code 2."""
    result = call(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert all(
        f"\n    {name} " in result.stderr for name in ("demo", "test", "lint", "types", "docs", "bench")
    )


def test_help_is_no_mistake() -> None:
    """Asked for, the usage goes to stdout with exit code 0."""
    result = call("--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert "demo [--check]" in result.stdout


def test_old_python_gets_one_sentence() -> None:
    """Before 3.11 the script says what it needs, in one line and nothing else."""
    code = "import sys; sys.version_info = (3, 9, 2); exec(compile(open('dev.py').read(), 'dev.py', 'exec'))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr == "dev.py needs Python 3.11 or newer; this is 3.9.\n"


def test_old_python_can_read_it() -> None:
    """The syntax is one that Python 3.7 parses, so that the sentence is reached."""
    ast.parse(SOURCE, feature_version=(3, 7))


def test_needs_the_standard_library_alone() -> None:
    """A fresh machine has nothing else."""
    imported = {
        ((node.module or "") if isinstance(node, ast.ImportFrom) else alias.name).partition(".")[0]
        for node in ast.walk(ast.parse(SOURCE))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= sys.stdlib_module_names


def test_environment_remembers_what_it_was_made_from(dev: types.ModuleType, tmp_path: Path) -> None:
    """An install is repeated when the state differs or the interpreter is gone, and only then."""
    environment = dev.Environment(tmp_path)
    python = environment.program("python")
    python.parent.mkdir()
    python.touch()
    assert not environment.has("dev", "a")
    environment.remember("dev", "a")
    environment.remember("bench", "b")
    assert environment.has("dev", "a")
    assert environment.has("bench", "b")
    assert not environment.has("dev", "b")
    python.unlink()
    assert not environment.has("dev", "a")


def test_changed_file_changes_the_fingerprint(
    dev: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content and place of each file count; one that does not exist is passed over."""
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("x")
    first = dev.fingerprint([one, two])
    assert dev.fingerprint([two, one]) == first
    two.write_text("x")
    both = dev.fingerprint([one, two])
    one.write_text("y")
    assert len({first, both, dev.fingerprint([one, two]), dev.fingerprint([two])}) == 4


def test_only_sources_go_into_a_wheel_copy(
    dev: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier build left behind is not built again."""
    package = tmp_path / "package"
    for name in ("build/lib/old.py", "src/p/__init__.py", "src/p.egg-info/SOURCES.txt", ".venv/x.py"):
        (package / name).parent.mkdir(parents=True)
        (package / name).touch()
    seen = []

    def look(*arguments: str) -> None:
        copy = Path(arguments[-1])
        seen.extend(sorted(p.relative_to(copy).as_posix() for p in copy.rglob("*") if p.is_file()))

    environment = dev.Environment(tmp_path / "none")
    monkeypatch.setattr(environment, "pip", look)
    dev.build_wheels(environment, [package], tmp_path / "dist")
    assert seen == ["src/p/__init__.py"]


def test_table_marks_what_misses_its_target(
    dev: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows are aligned, a miss is visible, and counted at the end."""
    row = {"what": "get", "measured": 1.4567, "unit": "x", "target": "<= 1.45", "peer": 25, "holds": False}
    dev.print_table([row, {**row, "what": "list", "measured": 1, "peer": None, "holds": True}])
    assert capsys.readouterr().out.splitlines() == [
        "      what  measured  target   best peer",
        "MISS  get   1.46 x    <= 1.45  25",
        "ok    list  1 x       <= 1.45  -",
        "1 of 2 miss their target",
    ]


def test_bench_refuses_an_unknown_name() -> None:
    """A misspelt benchmark is named, with those that exist, before anything is installed."""
    result = call("bench", "nothing")
    assert result.returncode == 2
    assert result.stderr.startswith("dev.py bench: no nothing; there are:")


def test_bench_needs_a_file_after_json() -> None:
    """``--json`` alone is a mistake of the command line."""
    result = call("bench", "--json")
    assert (result.returncode, result.stderr) == (2, "dev.py bench: --json needs the name of a file\n")


@pytest.mark.parametrize(
    ("arguments", "required", "passed"),
    [
        (["-x"], None, ["-n", "2", "-x"]),
        (["--require-engines", "--full"], "all", ["-n", "2", "--full"]),
        (["-n0", "--require-engines"], "all", ["-n0"]),
    ],
)
def test_engines_are_required_by_a_switch(
    dev: types.ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    required: str | None,
    passed: list[str],
) -> None:
    """The switch is the script's own; everything else goes to pytest."""
    ran: list[str] = []
    environment = types.SimpleNamespace(run=lambda *words: ran.extend(words) or 0)
    monkeypatch.setattr(dev, "development", lambda: environment)
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setenv("PREFIQ_REQUIRE_ENGINES", "")
    monkeypatch.delenv("PREFIQ_REQUIRE_ENGINES")

    assert dev.test(arguments) == 0

    assert ran == ["pytest", *passed]
    assert dev.os.environ.get("PREFIQ_REQUIRE_ENGINES") == required


@pytest.mark.parametrize(
    ("failing", "codes", "code", "runs"),
    [
        (["a", "b"], [1, 0], 0, 2),  # unsteady: both pass alone
        (["a", "b"], [1, 1], 1, 2),  # one of them fails alone, too
        (["a", "b", "c", "d"], [1], 1, 1),  # more than a busy machine explains
        (["a"], [3], 3, 1),  # pytest itself broke
        ([], [0], 0, 1),
    ],
)
def test_few_that_failed_are_tried_once_more(
    dev: types.ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    failing: list[str],
    codes: list[int],
    code: int,
    runs: int,
) -> None:
    """Alone, by name; what then passes is told, so that somebody mends it."""
    ran: list[tuple[str, ...]] = []
    cache = tmp_path / ".pytest_cache/v/cache/lastfailed"
    cache.parent.mkdir(parents=True)
    cache.write_text('{"of an earlier run": true}', encoding="utf-8")

    def run(*words: str) -> int:
        ran.append(words)
        if len(ran) == 1 and failing:
            cache.write_text(json.dumps(dict.fromkeys(failing, True)), encoding="utf-8")
        return codes[len(ran) - 1]

    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "development", lambda: types.SimpleNamespace(run=run))
    assert dev.test(["--again"]) == code
    assert len(ran) == runs
    assert ran[1:] == [("pytest", "-n0", *failing)] * (runs - 1)
    told = capsys.readouterr().out
    assert all(name in told for name in failing) == (code == 0)
