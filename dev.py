"""Everything a developer runs, on a machine that has only Python and pip: ``python3 dev.py COMMAND``.

    demo [--check]              install wheels into .demo and run "prefiq try"; --check proves it
    test [--require-engines] [--again] [ARGUMENTS]
                                run the suite; the arguments go to pytest (--full: the long tests, too).
                                Without a server its tests are skipped; --require-engines lets them fail.
                                --again: a few that failed are tried once more, alone, and told
    lint                        ruff, the formatter's check, and the rules of the rooms
    types                       mypy and pyright, both strict
    docs                        write the generated pages of docs/ again
    bench [NAME] [--json FILE]  measure benchmarks/NAME.py, or all of them

Standard library only.  Each command first makes the environment it needs, and skips that while the
``pyproject.toml`` files (for ``demo``: the sources) are the ones it was made from.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said in syntax that an old Python can still read
    sys.exit("dev.py needs Python 3.11 or newer; this is %d.%d." % sys.version_info[:2])  # noqa: UP031

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
MODULES = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
BIN = "Scripts" if os.name == "nt" else "bin"
NOT_SOURCES = (".*", "build", "dist", "__pycache__", "*.egg-info")
PAGES = {
    "docs/errors.md": ("prefiq.doctor.error_reference", "errors_page"),
    "docs/reference/cli.md": ("prefiq.cli.reference", "cli_page"),
    "docs/reference/hooks.md": ("prefiq.plugins.reference", "hooks_page"),
    "docs/reference/settings.md": ("prefiq.settings.reference", "settings_page"),
    ".env.example": ("prefiq.settings.reference", "env_example"),
}
UNSTEADY = 3
"""More tests than this that fail are no matter of a busy machine."""
ROW_KEYS = {"what", "measured", "unit", "target", "peer", "holds"}


def main(arguments: Sequence[str]) -> int:
    """Run one command; its exit code."""
    commands = {"demo": demo, "test": test, "lint": lint, "types": types, "docs": docs, "bench": bench}
    if not arguments or arguments[0] not in commands:
        asked = bool(arguments) and arguments[0] in {"-h", "--help", "help"}
        print(__doc__, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    try:
        return commands[arguments[0]](list(arguments[1:]))
    except subprocess.CalledProcessError as error:
        print(f"dev.py: failed with exit code {error.returncode}: {' '.join(error.cmd)}", file=sys.stderr)
        return exit_code(error.returncode)
    except KeyboardInterrupt:
        return 130


def demo(arguments: Sequence[str]) -> int:
    """The product as its users get it: wheels of the core and of every module, no editable install."""
    environment = Environment(ROOT / ".demo")
    packages = [ROOT, *MODULES]
    wanted = fingerprint(sources(packages))
    if not environment.has("wheels", wanted):
        shutil.rmtree(ROOT / "dist", ignore_errors=True)
        wheels = build_wheels(environment, packages, ROOT / "dist")
        core = next(wheel for wheel in wheels if wheel.name.startswith("prefiq-"))
        # pip leaves an installed version alone when the new wheel carries the same number.
        installed = [wheel.name.split("-")[0] for wheel in (ROOT / ".demo").rglob("prefiq*.dist-info")]
        if installed:
            environment.pip("uninstall", "--yes", *installed)
        environment.pip("install", f"{core}[server]", *(str(w) for w in wheels if w != core))
        environment.remember("wheels", wanted)
    return environment.run("prefiq", "try", *arguments)


def test(arguments: Sequence[str]) -> int:
    """The suite, on two processes unless the arguments say otherwise."""
    own = {"--require-engines", "--again"}
    asked = own.intersection(arguments)
    arguments = [argument for argument in arguments if argument not in own]
    if "--require-engines" in asked:
        os.environ["PREFIQ_REQUIRE_ENGINES"] = "all"
    spread = [] if any(argument.startswith(("-n", "-p", "--pdb")) for argument in arguments) else ["-n", "2"]
    environment = development()
    failed = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
    failed.unlink(missing_ok=True)
    code = environment.run("pytest", *spread, *arguments)
    names = list(json.loads(text(failed) or "{}"))
    if code != 1 or "--again" not in asked or not 0 < len(names) <= UNSTEADY:
        return code
    # Two processes beside servers on a busy machine: what fails alone as well is broken, the rest is unsteady.
    code = environment.run("pytest", "-n0", *names)
    if code == 0:
        print(f"unsteady, to be mended ({len(names)}):", *names, sep="\n    ", flush=True)
    return code


def lint(_: Sequence[str]) -> int:
    """Every check of the text; all run, so that one visit shows everything."""
    environment = development()
    codes = [
        environment.run("ruff", "check", "."),
        environment.run("ruff", "format", "--check", "."),
        environment.run("lint-imports", "--no-logo"),
    ]
    ruled = [module for module in MODULES if "importlinter" in text(module / "setup.cfg")]
    return max(codes + [environment.run("lint-imports", "--no-logo", cwd=module) for module in ruled])


def types(_: Sequence[str]) -> int:
    """Both type checkers; a module is checked in its own folder, with the sources of all beside it."""
    environment = development()
    config = ["--config-file", str(ROOT / "pyproject.toml")]
    os.environ["MYPYPATH"] = os.pathsep.join(str(package / "src") for package in [ROOT, *MODULES])
    codes = [environment.run("mypy", *config, "dev.py", "src/prefiq", *holding("typing_tests"))]
    for module in MODULES:
        parts = [*holding("src", module), *holding("typing_tests", module)]
        codes.append(environment.run("mypy", *config, *parts, cwd=module))
    python = ["--pythonpath", str(environment.program("python"))]
    strict = [p for p in [ROOT, *MODULES] if "[tool.pyright]" in text(p / "pyproject.toml")]
    checked = [package for package in strict if holding("typing_tests", package)]
    return max(
        codes + [environment.run("pyright", "--warnings", *python, cwd=package) for package in checked]
    )


def docs(_: Sequence[str]) -> int:
    """The pages that are generated from the declarations; the suite fails while one of them is old."""
    environment = development()
    code = (
        "import importlib, pathlib, sys; _, page, module, function = sys.argv; "
        "text = getattr(importlib.import_module(module), function)(); "
        "pathlib.Path(page).write_text(text, encoding='utf-8', newline='\\n')"
    )
    for page, (module, function) in PAGES.items():
        say(f"write {page}")
        (ROOT / page).parent.mkdir(parents=True, exist_ok=True)
        subprocess.check_call(
            [str(environment.program("python")), "-c", code, page, module, function], cwd=ROOT
        )
    return 0


def bench(arguments: Sequence[str]) -> int:
    """Measure, print a table, and write the rows as JSON when a file is named."""
    names, target = list(arguments), None
    if "--json" in names:
        at = names.index("--json")
        if at + 1 == len(names):
            print("dev.py bench: --json needs the name of a file", file=sys.stderr)
            return 2
        target = Path(names[at + 1])
        del names[at : at + 2]
    known = sorted(p.stem for p in ROOT.glob("benchmarks/*.py") if not p.stem.startswith("_"))
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"dev.py bench: no {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    environment, rows = development("bench"), []
    for name in names or known:
        print(f"… {name}", file=sys.stderr, flush=True)
        rows += measure(environment, name)
    print_table(rows)
    if target:
        target.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


class Environment:
    """A virtual environment of this repository, and what it was last filled with.

    Args:
        path: Where it lies, or shall lie.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stamps = path / "installed.json"

    def has(self, what: str, wanted: str) -> bool:
        """Whether ``what`` was installed from exactly this state."""
        return self.program("python").exists() and self._read().get(what) == wanted

    def remember(self, what: str, state: str) -> None:
        """Note what ``what`` was installed from."""
        self.stamps.write_text(json.dumps({**self._read(), what: state}, indent=2), encoding="utf-8")

    def program(self, name: str) -> Path:
        """The path of an installed program."""
        return self.path / BIN / (f"{name}.exe" if os.name == "nt" else name)

    def pip(self, *arguments: str) -> None:
        """Run pip inside; the environment is made first when it is absent or incomplete."""
        pip = [str(self.program("python")), "-m", "pip"]
        if not self.program("python").exists() or subprocess.call([*pip, "-V"], stdout=subprocess.DEVNULL):
            self._make()
        say(f"pip {' '.join(arguments)}")
        subprocess.run([*pip, "--disable-pip-version-check", *arguments, "--quiet"], cwd=ROOT, check=True)

    def run(self, name: str, *arguments: str, cwd: Path = ROOT) -> int:
        """Run an installed program in the foreground; its exit code."""
        say(" ".join([name, *arguments]) + (f"   (in {cwd.relative_to(ROOT)})" if cwd != ROOT else ""))
        child = subprocess.Popen([str(self.program(name)), *arguments], cwd=cwd)
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        while True:
            try:
                return exit_code(child.wait())
            except KeyboardInterrupt:  # the terminal told the child as well: let it clean up
                continue

    def _make(self) -> None:
        say(f"making {self.path.name}")
        # Some distributions ship Python without ensurepip; their pip can then fill the environment.
        bare = importlib.util.find_spec("ensurepip") is None
        options = ["--clear", *(["--without-pip"] if bare else [])]
        subprocess.check_call([sys.executable, "-m", "venv", *options, str(self.path)])
        if bare:
            outer = [sys.executable, "-m", "pip", "--python", str(self.program("python"))]
            subprocess.check_call([*outer, "install", "--quiet", "pip"])

    def _read(self) -> dict[str, str]:
        stamps: dict[str, str] = json.loads(text(self.stamps) or "{}")
        return stamps


def development(extra: str = "dev") -> Environment:
    """The environment to work in: core and modules editable, with their tools."""
    environment = Environment(ROOT / ".venv")
    packages = [ROOT, *MODULES]
    wanted = fingerprint(package / "pyproject.toml" for package in packages)
    if not environment.has(extra, wanted):
        editable = [f"{ROOT}[{extra}]", *(str(module) for module in MODULES)]
        environment.pip("install", *(word for path in editable for word in ("--editable", path)))
        environment.remember(extra, wanted)
    return environment


def build_wheels(environment: Environment, packages: Sequence[Path], target: Path) -> list[Path]:
    """Build each package from a clean copy: setuptools puts leftovers of ``build/`` into wheels.

    The same sources give the same bytes: times are those of the last commit (or what ``SOURCE_DATE_EPOCH``
    says), and the rights of files do not depend on who checked them out.
    """
    os.environ.setdefault("SOURCE_DATE_EPOCH", committed_at())
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / package.name for package in packages]
        for package, copy in zip(packages, copies, strict=True):
            shutil.copytree(package, copy, ignore=shutil.ignore_patterns(*NOT_SOURCES))
            for path in copy.rglob("*"):
                path.chmod(0o755 if path.is_dir() else 0o644)
        mask = os.umask(0o022)
        try:
            environment.pip("wheel", "--no-deps", "--wheel-dir", str(target), *map(str, copies))
        finally:
            os.umask(mask)
    return sorted(target.glob("*.whl"))


def committed_at() -> str:
    """Seconds since 1970 at which the last commit was made; outside of a checkout the first day that zip knows."""
    git = shutil.which("git")
    command = [str(git), "log", "-1", "--format=%ct"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False) if git else None
    return done.stdout.strip() if done is not None and done.returncode == 0 else "315532800"


def sources(packages: Iterable[Path]) -> list[Path]:
    """The files that a wheel is made from."""
    found = [file for package in packages for file in (package / "src").rglob("*") if file.is_file()]
    kept = [file for file in found if not {"__pycache__"} & set(file.parts) and ".egg-info" not in str(file)]
    return kept + [package / name for package in packages for name in ("pyproject.toml", "README.md")]


def fingerprint(files: Iterable[Path]) -> str:
    """A digest of names and contents, and of the Python that runs this."""
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(files):
        if file.exists():
            digest.update(f"\0{file.relative_to(ROOT).as_posix()}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def measure(environment: Environment, name: str) -> list[dict[str, object]]:
    """Rows of one benchmark, measured in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        code = (
            "import importlib, json, pathlib, sys; sys.path.insert(0, '.'); "
            f"rows = importlib.import_module('benchmarks.{name}').rows(); "
            "pathlib.Path(sys.argv[1]).write_text(json.dumps(rows), encoding='utf-8')"
        )
        subprocess.run([str(environment.program("python")), "-c", code, str(file)], cwd=ROOT, check=True)
        rows: list[dict[str, object]] = json.loads(text(file))
    for row in rows:
        if row.keys() != ROW_KEYS:
            sys.exit(f"dev.py bench: a row of {name} has {sorted(row)}, wanted are {sorted(ROW_KEYS)}")
    return rows


def print_table(rows: Sequence[dict[str, object]]) -> None:
    """The rows, aligned; what misses its target is marked and counted."""
    lines = [("", "what", "measured", "target", "best peer")]
    for row in rows:
        measured, unit = row["measured"], row["unit"]
        figure = f"{measured:.3g}" if isinstance(measured, float) else str(measured)
        mark = {True: "ok", False: "MISS"}.get(row["holds"], "")  # type: ignore[call-overload]
        others = (str(row["target"]), str(row["peer"] or "-"))
        lines.append((mark, str(row["what"]), f"{figure} {unit}", *others))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print(f"{sum(row['holds'] is False for row in rows)} of {len(rows)} miss their target")


def holding(name: str, folder: Path = ROOT) -> list[str]:
    """``[name]`` when that folder has Python files, else nothing: mypy refuses an empty one."""
    return [name] if any((folder / name).rglob("*.py")) else []


def text(file: Path) -> str:
    """What the file says; nothing when there is none."""
    return file.read_text(encoding="utf-8") if file.exists() else ""


def exit_code(returned: int) -> int:
    """A shell's exit code: a signal is 128 and its number."""
    return returned if returned >= 0 else 128 - returned


def say(what: str) -> None:
    """Tell what is about to run."""
    print(f"$ {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
