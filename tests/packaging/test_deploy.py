"""What stands in deploy/ refers to settings, commands and options that exist, and to nothing else."""

from __future__ import annotations

import configparser
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest
from gunicorn.config import KNOWN_SETTINGS

from prefiq.cli.program import program
from prefiq.settings import TABLE

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "prefiq.service"
KNOWN = {setting.name for setting in TABLE} | {f"{setting.name}_FILE" for setting in TABLE if setting.secret}
OTHERS = {"PATH", "PYTHONDONTWRITEBYTECODE"}
"""Variables of the Dockerfile that are not ours."""


def text(name: str) -> str:
    """The lines of a file; those that go on are put together."""
    return re.sub(r"\\\n#?\s*", " ", (DEPLOY / name).read_text(encoding="utf-8"))


def unit() -> list[tuple[str, str]]:
    """Each assignment of the unit, commented ones too."""
    return re.findall(r"^(?:# )?([A-Z]\w+)=(.*)$", text("prefiq.service"), re.MULTILINE)


def program_section() -> dict[str, str]:
    """What supervisord is told of the program."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(DEPLOY / "supervisord.conf")
    return dict(parser["program:prefiq"])


def variables() -> Iterator[tuple[str, str]]:
    """Every variable that a file sets or names, with the file."""
    for key, value in unit():
        if key in {"Environment", "LoadCredential"}:
            yield "prefiq.service", re.split("[=:]", value)[0]
    for name in re.findall(r'(\w+)="', program_section()["environment"]):
        yield "supervisord.conf", name
    (assigned,) = re.findall(r"^ENV (.*)$", text("Dockerfile"), re.MULTILINE)
    for name in [*re.findall(r"(\w+)=", assigned), *re.findall(r" -e (\w+)=", text("Dockerfile"))]:
        yield "Dockerfile", name
    for file in DEPLOY.iterdir():
        for name in re.findall(r"\b(?:TRUSTED|REQUEST|DB|JWT)_[A-Z_]+\b", file.read_text(encoding="utf-8")):
            yield file.name, name


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every call of ``prefiq``, with the file."""
    called = re.compile(
        r"(?:^|[\s/=\"\[`])(?<!lib/)(?<!srv/)prefiq((?: [a-z][a-z-]+)+(?: --?[a-z][^\n#;`,]*)?)", re.MULTILINE
    )
    for file in sorted(DEPLOY.iterdir()):
        for words in called.findall(text(file.name)):
            yield file.name, shlex.split(words)
    for words in re.findall(r"^CMD (\[.*\])$", text("Dockerfile"), re.MULTILINE):
        yield "Dockerfile", json.loads(words)[1:]


def test_every_variable_is_a_setting() -> None:
    """Set, given as a credential, or named in a comment."""
    found = set(variables())
    assert {name for _, name in found} >= {
        "ENV",
        "JWT_SECRET_KEY",
        "JWT_SECRET_KEY_FILE",
        "DB_NAME",
        "DB_PASS",
    }
    assert {(file, name) for file, name in found if name not in KNOWN | OTHERS} == set()


def test_every_command_exists_with_its_options() -> None:
    """Each is parsed as the program would, without being run."""
    found = list(commands())
    calls = {(file, *words[:2]) for file, words in found}
    assert calls >= {
        ("prefiq.service", "run", "migrate"),
        ("prefiq.service", "server", "start"),
        ("supervisord.conf", "server", "start"),
        ("supervisord.conf", "run", "migrate"),
        ("gunicorn.conf.py", "run", "migrate"),
        ("Dockerfile", "server", "start"),
        ("Dockerfile", "run", "migrate"),
    }
    for file, words in found:
        group, name, *rest = words
        context = click.Context(program, info_name="prefiq")
        room = program.get_command(context, group)
        assert isinstance(room, click.Group), (file, words)
        command = room.get_command(context, name)
        assert command is not None, (file, words)
        command.make_context(name, rest, parent=context)


def test_a_command_that_is_none_is_noticed() -> None:
    """The check above can fail: an option that the program does not have is refused."""
    context = click.Context(program, info_name="prefiq")
    room = program.get_command(context, "server")
    assert isinstance(room, click.Group)
    command = room.get_command(context, "start")
    assert command is not None
    with pytest.raises(click.NoSuchOption):
        command.make_context("start", ["--threads", "4"], parent=context)


def test_the_unit_is_hardened() -> None:
    """systemd itself rates it, without running it; 0 is best, 10 worst."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    command = [analyze, "security", "--offline=true", "--no-pager", "--threshold=20", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rated = re.search(r"Overall exposure level for prefiq.service: ([\d.]+)", done.stdout)
    assert rated is not None, done.stdout
    assert float(rated[1]) <= 2.0


def test_systemd_understands_the_unit() -> None:
    """Nothing but the programs, which are not here, is missing."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    command = [analyze, "verify", "--man=no", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if line.startswith(("prefiq.service", str(UNIT)))]
    assert [line for line in ours if "is not executable" not in line] == []


def test_everybody_waits_longer_than_a_request_may_take() -> None:
    """A request that is running at SIGTERM has the whole REQUEST_TIMEOUT, everywhere."""
    (request,) = (float(setting.default) for setting in TABLE if setting.name == "REQUEST_TIMEOUT")
    (gunicorn, waits) = (runpy.run_path(str(DEPLOY / "gunicorn.conf.py")), dict(unit())["TimeoutStopSec"])
    (docker,) = re.findall(r"--stop-timeout (\d+)", text("Dockerfile"))
    for seconds in (waits, docker, program_section()["stopwaitsecs"], gunicorn["graceful_timeout"]):
        assert float(seconds) > request
    assert gunicorn["timeout"] > request


def test_gunicorn_knows_every_name_of_its_configuration() -> None:
    """It would ignore one that it does not know."""
    configured = {
        name for name in runpy.run_path(str(DEPLOY / "gunicorn.conf.py")) if not name.startswith("__")
    }
    assert configured <= {setting.name for setting in KNOWN_SETTINGS}
    assert "wsgi_app" in configured


def test_the_image_serves_as_nobody_in_particular() -> None:
    """The last USER before CMD is a number that is not root's, and HEALTHCHECK is Python that compiles."""
    lines = [line.split(" ", 1) for line in text("Dockerfile").splitlines() if re.match("[A-Z]+ ", line)]
    last = len(lines) - 1 - [word for word, _ in reversed(lines)].index("FROM")
    stage = lines[last:]
    words = [word for word, _ in stage]
    (user,) = (rest for word, rest in stage if word == "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert words.index("USER") < words.index("CMD")
    assert words.index("USER") > max(index for index, word in enumerate(words) if word in {"RUN", "COPY"})
    compile(healthcheck(), "HEALTHCHECK", "exec")


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_of_the_image_asks_whether_it_lives(status: int, code: int) -> None:
    """Run as it stands, against a server that answers only /livez."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        program = healthcheck().replace(":8080/", f":{server.server_port}/")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
        server.shutdown()
    assert done.returncode == code


def healthcheck() -> str:
    """The Python of the image's health check."""
    (words,) = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", text("Dockerfile"), re.MULTILINE)
    python, option, code = json.loads(words)
    assert (python, option) == ("python", "-c")
    return str(code)
