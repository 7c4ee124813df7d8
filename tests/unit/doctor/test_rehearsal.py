"""A module that never ends, or ends the process, is named before this process loads it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from prefiq.doctor import examine_boot, exit_code_of
from prefiq.doctor.rehearsal import rehearse
from prefiq.settings import load

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")

HEAD = "import os, time, threading, signal\nfrom prefiq import ProviderBase\n"


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ENV", "test")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("APPS", raising=False)
    (tmp_path / "prefiq.toml").write_text('apps = ["rehearsed_good:Provider", "rehearsed_bad:Provider"]\n')
    (tmp_path / "rehearsed_good.py").write_text(HEAD + "class Provider(ProviderBase): pass\n")
    return tmp_path


def module(folder: Path, code: str) -> Path:
    file = folder / "rehearsed_bad.py"
    file.write_text(HEAD + code)
    return file


HANGS = {
    "import": "time.sleep(60)\nclass Provider(ProviderBase): pass\n",
    "bind": "class Provider(ProviderBase):\n    def bind(self, to):\n        threading.Event().wait(60)\n",
    "attributes": "class Provider(ProviderBase):\n    @property\n    def models(self):\n        while True: pass\n",
}


@pytest.mark.parametrize(("step", "row"), [("import", 3), ("bind", 5), ("attributes", 6)])
def test_a_module_that_hangs_is_named_with_its_line(application: Path, step: str, row: int) -> None:
    """Module, step, time allowed, and the line of the module where it stands."""
    file = module(application, HANGS[step])
    found = examine_boot(lambda: load(application, os.environ), seconds=0.5)
    finding = found.findings[0]
    assert finding.id == "PFQ-D105"
    assert finding.what == f"The module rehearsed_bad did not end its {step} within 0.5 seconds"
    assert finding.where == f"module rehearsed_bad, {file}:{row}"
    assert exit_code_of(found.findings) == 3
    assert found.app is None


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("os._exit(7)", "exit code 7"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "signal SIGSEGV"),
    ],
)
def test_a_module_that_ends_the_process_is_named(application: Path, code: str, how: str) -> None:
    """No ``except`` catches that."""
    module(application, f"{code}\nclass Provider(ProviderBase): pass\n")
    (finding,) = rehearse(load(application, os.environ), 10)
    assert finding.id == "PFQ-D106"
    assert finding.what == f"The module rehearsed_bad ended the process in its import ({how})"


@pytest.mark.parametrize(
    "code",
    [
        "class Provider(ProviderBase): pass\n",
        "raise ValueError\n",
        "raise SystemExit\n",
        # Output, threads that go on and a closed stdin keep nobody.
        (
            "print('x' * 100_000)\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
            "try: input()\nexcept EOFError: pass\nclass Provider(ProviderBase): pass\n"
        ),
    ],
)
def test_everything_else_is_left_to_the_start_itself(application: Path, code: str) -> None:
    """What raises is told by the start, with all other faults."""
    module(application, code)
    assert list(rehearse(load(application, os.environ), 10)) == []


def test_a_rehearsal_that_cannot_begin_is_a_finding(
    application: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends before any module is asked is no success."""
    module(application, "class Provider(ProviderBase): pass\n")
    settings = load(application, os.environ)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    (finding,) = rehearse(settings, 10)
    assert (finding.id, finding.what) == ("PFQ-D106", "Composing ended the process (exit code 1)")


def test_without_time_nothing_is_tried(application: Path) -> None:
    """Callers that know their modules need no second process."""
    module(application, "class Provider(ProviderBase): pass\n")
    found = examine_boot(lambda: load(application, os.environ))
    assert found.app is not None
