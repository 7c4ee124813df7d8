"""Composes an application in a process of its own first, so that a module that never ends can be named.

The other process tells each step of each module as it begins and ends.  Where one takes longer than it may,
or ends the process, the last step that began names the module; its own stack says where it stands.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from prefiq.doctor.finding import Finding

if TYPE_CHECKING:
    from prefiq.settings import Settings

__all__ = ["rehearse"]

_CHILD = """\
import json, sys
given = json.loads(sys.argv[1])
sys.path[:] = given["path"]
from prefiq.doctor.rehearsal import compose
compose(given["folder"], given["events"])
"""
_STACK_SECONDS = 2.0


@dataclass(slots=True)
class _Step:
    app: str = ""
    package: str = ""
    step: str = "composing"

    @property
    def place(self) -> str:
        return f"module {self.app}" + (f" of {self.package}" if self.package else "") if self.app else ""


def rehearse(settings: Settings, seconds: float) -> Iterator[Finding]:
    """What keeps a start from coming to an end; nothing where it succeeds or fails in any other way.

    Args:
        settings: As loaded; the other process loads the same folder with this process's environment.
        seconds: What one step of one module may take.
    """
    if not settings.apps or not hasattr(os, "fork"):
        return
    reading, writing = os.pipe()
    given = {"path": sys.path, "folder": str(settings.folder), "events": writing}
    process = subprocess.Popen(  # noqa: S603  this interpreter, with arguments of ours
        [sys.executable, "-c", _CHILD, json.dumps(given)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(writing,),
        start_new_session=True,
        cwd=settings.folder,
    )
    assert process.stderr is not None
    os.close(writing)
    with process, process.stderr as errors, open(reading, "rb") as events:  # noqa: PTH123  a descriptor
        try:
            step, ended = _follow(events, seconds)
            if not ended:
                yield _hangs(step, seconds, _stack(process, errors))
            elif (code := process.wait()) or step.app:
                yield _gone(step, code)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def _follow(events: IO[bytes], seconds: float) -> tuple[_Step, bool]:
    """The step that stands at the end, and whether the process closed its side before the time was up."""
    step, rest = _Step(), b""
    deadline = time.monotonic() + seconds + 5.0  # the first step waits for the interpreter to start
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([events], [], [], left)[0]:
            return step, False
        part = os.read(events.fileno(), 1 << 16)
        if not part:
            return step, True
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            told: dict[str, Any] = json.loads(line)
            begins = told.pop("moment") == "begins"
            step = _Step(**told) if begins else _Step()
        deadline = time.monotonic() + seconds


def _stack(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    """``file:line`` where the process stands, or empty."""
    process.send_signal(signal.SIGUSR1)
    deadline, text = time.monotonic() + _STACK_SECONDS, b""
    while (left := deadline - time.monotonic()) > 0 and select.select([errors], [], [], left)[0]:
        part = os.read(errors.fileno(), 1 << 16)
        text += part
        if not part or text.endswith(b"<module>\n"):
            break
    # The innermost frame that is nobody's standard library: the module's own line.
    frames = re.findall(r'File "([^"]+)", line (\d+) in', text.decode("utf-8", "replace"))
    own = [frame for frame in frames if "<" not in frame[0] and not frame[0].startswith(_LIBRARY)]
    return f"{own[0][0]}:{own[0][1]}" if own else ""


_LIBRARY = str(Path(os.__file__).parent)


def _hangs(step: _Step, seconds: float, stack: str) -> Finding:
    what = f"The module {step.app} did not end its {step.step}" if step.app else "Composing did not end"
    return Finding(
        "PFQ-D105",
        "error",
        f"{what} within {seconds:g} seconds",
        ", ".join(part for part in (step.place, stack) if part),
        "do at boot what may take long: a resource is opened when everything is bound",
        exit_code=3,
    )


def _gone(step: _Step, code: int) -> Finding:
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    who = (
        f"The module {step.app} ended the process in its {step.step}"
        if step.app
        else "Composing ended the process"
    )
    return Finding(
        "PFQ-D106",
        "error",
        f"{who} ({how})",
        step.place,
        "nothing of a module may end the process; look for os._exit and for native code",
        exit_code=3,
    )


class _Telling(logging.Handler):
    """Writes each step as one line of JSON."""

    def __init__(self, events: int) -> None:
        super().__init__(logging.DEBUG)
        self.events = events

    def emit(self, record: logging.LogRecord) -> None:
        told = {key: getattr(record, key, "") for key in ("app", "package", "step", "moment")}
        if told["moment"]:
            os.write(self.events, json.dumps(told).encode() + b"\n")


def compose(folder: str, events: int) -> None:
    """What the other process does: compose, tell each step, and say nothing else.

    Args:
        folder: The application's folder.
        events: Descriptor that the steps are written to.
    """
    import faulthandler

    from prefiq.application import Application
    from prefiq.errors import PrefiqError
    from prefiq.settings import load

    os.set_inheritable(events, False)
    faulthandler.register(signal.SIGUSR1, file=os.dup(2), all_threads=False)
    os.dup2(1, 2)
    logger = logging.getLogger("prefiq.modules")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(_Telling(events))
    with contextlib.suppress(PrefiqError):  # the first process will say so itself
        Application.prepare(load(Path(folder), os.environ))
    os._exit(0)  # threads that modules left behind do not keep it
