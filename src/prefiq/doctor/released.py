"""What a module shows, found in a process of its own from a wheel or a checkout; nothing is installed.

The module's package comes first on the import path of that process; what it requires comes from where this
process has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any, cast

from packaging.utils import canonicalize_name

from prefiq.doctor.errors import ModuleUnreadable, NoRelease
from prefiq.doctor.surface import Surface, surface_of

__all__ = ["Package", "checkout", "download", "surfaces", "wheel"]

_CHILD = """\
import json, sys
given = json.loads(sys.argv[1])
sys.path[:] = given["path"]
from prefiq.doctor.released import show
show(given["apps"], given["folder"], given["first"])
"""
SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Package:
    """A module's package, ready to be imported.

    Args:
        name: The package.
        version: Its version.
        apps: Names of the apps that it offers.
        paths: What comes first on the import path.
        origin: Where it is from, for people.
    """

    name: str
    version: str
    apps: tuple[str, ...]
    paths: tuple[str, ...]
    origin: str


@contextmanager
def checkout(folder: Path) -> Iterator[Package]:
    """A folder with a ``pyproject.toml``, as it stands.

    Raises:
        ModuleUnreadable: It declares no name, version or app.
    """
    folder = folder.resolve()  # the other process stands elsewhere
    file = folder / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
        name, version = project["name"], project["version"]
        points = project["entry-points"]["prefiq.apps"]
    except (OSError, ValueError, KeyError):
        why = "pyproject.toml there declares no name, version and prefiq.apps"
        raise ModuleUnreadable(str(folder), why) from None
    with tempfile.TemporaryDirectory(prefix="prefiq-") as temporary:
        # Metadata as an installer would write it, before any that an earlier install left.
        info = Path(temporary) / f"{canonicalize_name(name).replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        requires = "".join(f"Requires-Dist: {text}\n" for text in project.get("dependencies", ()))
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}\n", encoding="utf-8"
        )
        lines = "".join(f"{app} = {reference}\n" for app, reference in points.items())
        (info / "entry_points.txt").write_text(f"[prefiq.apps]\n{lines}", encoding="utf-8")
        source = folder / "src" if (folder / "src").is_dir() else folder
        yield Package(name, version, tuple(points), (temporary, str(source)), str(folder))


@contextmanager
def wheel(file: Path) -> Iterator[Package]:
    """A wheel, unpacked for the time of the ``with`` block.

    Raises:
        ModuleUnreadable: It is no wheel, or offers no app.
    """
    with tempfile.TemporaryDirectory(prefix="prefiq-") as temporary:
        try:
            with zipfile.ZipFile(file) as archive:
                archive.extractall(temporary)
        except (OSError, zipfile.BadZipFile):
            raise ModuleUnreadable(str(file), "it is no wheel") from None
        from importlib import metadata

        found = [
            (
                distribution,
                [point.name for point in distribution.entry_points if point.group == "prefiq.apps"],
            )
            for distribution in metadata.distributions(path=[temporary])
        ]
        for distribution, apps in found:
            if apps:
                name, version = distribution.metadata["Name"], distribution.version
                yield Package(name, version, tuple(apps), (temporary,), file.name)
                return
        raise ModuleUnreadable(str(file), "it offers no app (entry point group prefiq.apps)")


@contextmanager
def download(name: str, version: str) -> Iterator[Package]:
    """A released version, fetched with pip from wherever pip is told to look.

    Raises:
        NoRelease: pip does not find it.
    """
    with tempfile.TemporaryDirectory(prefix="prefiq-") as temporary:
        wanted = f"{name}=={version}"
        run = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--only-binary", ":all:"]
        done = subprocess.run(  # noqa: S603  this interpreter's own pip
            [*run, "--dest", temporary, wanted],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        wheels = list(Path(temporary).glob("*.whl"))
        if done.returncode or not wheels:
            raise NoRelease(wanted)
        with wheel(wheels[0]) as package:
            yield package


def surfaces(package: Package) -> Mapping[str, Surface]:
    """What each app of a package shows, by name; found in a process of its own.

    Raises:
        ModuleUnreadable: It cannot be composed with what is installed here.
    """
    path = [*package.paths, *(entry for entry in sys.path if entry)]
    with tempfile.TemporaryDirectory(prefix="prefiq-") as folder:
        given = json.dumps({"path": path, "apps": package.apps, "folder": folder, "first": package.paths})
        environ = {key: value for key, value in os.environ.items() if key in _KEPT}
        try:
            done = subprocess.run(  # noqa: S603  this interpreter, with arguments of ours
                [sys.executable, "-c", _CHILD, given],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
                cwd=folder,
                env={**environ, "PREFIQ_INDEX": "0"},
            )
        except subprocess.TimeoutExpired:
            raise ModuleUnreadable(package.origin, f"it is not composed after {SECONDS:g} s") from None
        result = Path(folder) / _RESULT
        if not result.exists():
            raise ModuleUnreadable(package.origin, f"its process ended with exit code {done.returncode}")
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    if "fault" in found:
        raise ModuleUnreadable(package.origin, found["fault"])
    return cast("dict[str, Surface]", found["surfaces"])


_KEPT = {"PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV"}
_RESULT = "surfaces.json"


class _First:
    """Finds modules in some directories before anything else does, an editable install's own finder too."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, self.paths, target) if path is None else None


def show(apps: list[str], folder: str, paths: list[str]) -> None:
    """What the other process does: compose these apps and what they require, and write what they show.

    Args:
        apps: Names of the apps.
        folder: Where an application may stand, and the answer goes.
        paths: Where their package stands.
    """
    from prefiq.application import Application
    from prefiq.errors import PrefiqError
    from prefiq.settings import Settings

    sys.meta_path.insert(0, _First(paths))
    try:
        listed = [*_required(apps), *apps]
        app = Application.prepare(Settings.for_test(Path(folder), APPS=listed))
        found: dict[str, Any] = {"surfaces": {name: surface_of(app, name) for name in apps}}
        for name in apps:
            place = app.host[name].path.resolve()
            if not any(place.is_relative_to(Path(path).resolve()) for path in paths):
                found = {"fault": f"another copy was imported: {place}"}
    except PrefiqError as error:
        found = {"fault": str(error)}
    (Path(folder) / _RESULT).write_text(json.dumps(found), encoding="utf-8")


def _required(apps: list[str]) -> list[str]:
    """The apps of every package that these require, directly or not."""
    from packaging.requirements import InvalidRequirement, Requirement

    from prefiq.plugins.entry_points import installed_apps

    index = installed_apps()
    found: dict[str, None] = {}
    waiting = [entry for app in apps for entry in index.by_name.get(app, ())[:1]]
    while waiting:
        for text in waiting.pop().requires:
            try:
                package = canonicalize_name(Requirement(text).name)
            except InvalidRequirement:
                continue
            for entry in index.by_distribution.get(package, ()):
                if entry.name not in found and entry.name not in apps:
                    found[entry.name] = None
                    waiting.append(entry)
    return list(found)
