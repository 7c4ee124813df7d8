"""SIGTERM while requests are in flight loses none of them, whoever runs the workers."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cli.test_server import SECONDS, begin_post, get, started, token_for, until_it_listens

pytestmark = pytest.mark.slow

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
IN_FLIGHT = 12


class Posts:
    """Requests that the application has begun to read, and whose last byte is still to come.

    Args:
        port: The server's.
        token: Of acme.
    """

    def __init__(self, port: int, token: str) -> None:
        self.codes = [f"LATE-{number}" for number in range(IN_FLIGHT)]
        self._begun: list[tuple[socket.socket, bytes]] = []
        for code in self.codes:
            body = json.dumps({"code": code, "name": "In flight"}).encode()
            self._begun.append(begin_post(port, "/api/projects/projects", token, body))

    def finish(self) -> list[bytes]:
        """Send what is left of each, all at once; the first line of each answer."""

        def end(begun: tuple[socket.socket, bytes]) -> bytes:
            connection, rest = begun
            with connection:
                connection.sendall(rest)
                return connection.recv(65536).partition(b"\r\n")[0]

        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            return list(pool.map(end, self._begun))


def stored(within) -> list[str]:
    code = "print(sorted(p.code for p in scope[IDomain[Project]].list().items))"
    listed: list[str] = json.loads(within("shell", "--tenant", "acme", "-c", code).stdout.replace("'", '"'))
    return listed


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


UVICORN = ("uvicorn", "prefiq.cli.core.server:app", "--workers")
GUNICORN = ("gunicorn", "-c", str(DEPLOY / "gunicorn.conf.py"))
OURS = ("prefiq.cli", "server", "start", "--workers")


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    ("argv", "workers"),
    [((*UVICORN, "1"), 1), ((*UVICORN, "4"), 4), (GUNICORN, 4), ((*OURS, "4"), 4)],
    ids=["uvicorn-1", "uvicorn-4", "gunicorn", "prefiq-4"],
)
def test_no_request_in_flight_is_lost(
    within, application: Path, mode: str, argv: tuple[str, ...], workers: int
) -> None:
    """Twelve are answered after the signal and stored; then nobody listens any more, and nothing is left."""
    token, port = token_for(within), free_port()
    where = ("-b", f"127.0.0.1:{port}") if argv[0] == "gunicorn" else ("--port", str(port))
    with started(*argv, *where, cwd=application, ENV="production", DB_MODE=mode) as server:
        server.wait_for("Application startup complete", workers)
        until_it_listens(port)
        posts = Posts(port, token)
        server.process.send_signal(signal.SIGTERM)
        if argv[0] == "gunicorn":
            server.wait_for("Handling signal: term")
        else:
            server.wait_for("Shutting down", workers)
        answers = posts.finish()
        assert answers == [b"HTTP/1.1 201 Created"] * IN_FLIGHT
        assert server.process.wait(SECONDS) in {0, -signal.SIGTERM}
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert "Traceback" not in "".join(server.lines)
    assert stored(within) == sorted(posts.codes)


@pytest.fixture
def supervised(within, application: Path, tmp_path: Path) -> tuple[int, str, Path]:
    """A port, a token, and supervisord's configuration with the program of deploy/ for this application."""
    port, token = free_port(), token_for(within)
    program = (DEPLOY / "supervisord.conf").read_text(encoding="utf-8")
    key = re.search(r"JWT_SECRET_KEY=(\S+)", (application / ".env").read_text(encoding="utf-8"))
    assert key is not None
    (tmp_path / "jwt").write_text(key[1], encoding="utf-8")
    for old, new in (
        ("/srv/prefiq/.venv/bin/prefiq server", f"{sys.executable} -m prefiq.cli server"),
        ("directory=/srv/prefiq", f"directory={application}"),
        ("--port 8080", f"--port {port}"),
        ("/etc/prefiq/credentials/JWT_SECRET_KEY", str(tmp_path / "jwt")),
        ("user=prefiq\n", ""),
        ("/dev/fd/1", "/dev/fd/2"),  # which the test reads
    ):
        assert old in program
        program = program.replace(old, new)
    configuration = tmp_path / "supervisord.conf"
    configuration.write_text(
        f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={tmp_path}/pid\n"
        f"[unix_http_server]\nfile={tmp_path}/sock\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
        f"[supervisorctl]\nserverurl=unix://{tmp_path}/sock\n{program}",
        encoding="utf-8",
    )
    return port, token, configuration


def test_supervisord_serves_and_stops_without_loss(
    within, application: Path, supervised: tuple[int, str, Path]
) -> None:
    """With the program of deploy/: started, ready, and stopped while twelve requests are in flight."""
    port, token, configuration = supervised
    with started("supervisor.supervisord", "-c", str(configuration), cwd=application) as server:
        until_it_listens(port)
        assert get(f"http://127.0.0.1:{port}/readyz")[0] == 200
        posts = Posts(port, token)
        control = [
            sys.executable,
            "-m",
            "supervisor.supervisorctl",
            "-c",
            str(configuration),
            "stop",
            "prefiq",
        ]
        with subprocess.Popen(control, stdout=subprocess.PIPE, text=True) as stop:
            server.wait_for("Shutting down", 4)
            answers = posts.finish()
            assert stop.wait(SECONDS) == 0
        assert answers == [b"HTTP/1.1 201 Created"] * IN_FLIGHT
        assert server.end() == 0
    assert stored(within) == sorted(posts.codes)
