"""Serving: ``prefiq server start`` and uvicorn under its own command, as real processes on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.servers import SERVERS, Database

pytestmark = pytest.mark.slow

SECONDS = 30.0


class Server:
    """A server process, and what it has said on stderr so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.said = threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self.said:
                self.lines.append(line)
                self.said.notify_all()
        with self.said:
            self.said.notify_all()

    def wait_for(self, pattern: str, count: int = 1) -> re.Match[str]:
        """Wait until a line says something so many times."""

        def found() -> list[re.Match[str]]:
            return [match for line in self.lines if (match := re.search(pattern, line))]

        with self.said:
            assert self.said.wait_for(lambda: len(found()) >= count, SECONDS), "".join(self.lines)
            return found()[count - 1]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


@contextmanager
def started(*argv: str, cwd: Path, **environ: str) -> Iterator[Server]:
    """A server process; killed at the end if it still runs, with the workers that it started."""
    process = subprocess.Popen(
        [sys.executable, "-m", *argv],
        cwd=cwd,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    server = Server(process)
    try:
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):  # all of them have ended by themselves
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        server.thread.join(SECONDS)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()


def get(url: str, token: str = "") -> tuple[int, Any]:
    """Status and JSON of a GET."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def until_it_listens(port: int) -> None:
    """Wait for the moment between a worker's last line and its listening."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.02)
    pytest.fail("nobody listens")


def begin_post(port: int, path: str, token: str, body: bytes) -> tuple[socket.socket, bytes]:
    """A POST of which the last byte is still to come, and that byte."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    connection.sendall(head.encode() + body[:-1])
    # The server says 100 when the application reads the body: from then on the request is in its hands.
    assert connection.recv(1024).startswith(b"HTTP/1.1 100")
    return connection, body[-1:]


def token_for(within) -> str:
    """A token for acme."""
    return within("token", "--tenant", "acme").stdout.strip()


@pytest.mark.parametrize(
    ("mode", "workers", "loop"),
    [
        ("sync", 1, "auto"),
        ("sync", 2, "auto"),
        ("async", 1, "asyncio"),
        ("async", 1, "uvloop"),
        ("async", 4, "uvloop"),
    ],
)
def test_uvicorns_own_command_serves_and_ends_in_good_order(
    within, application: Path, mode: str, workers: int, loop: str
) -> None:
    """Workers each make the app; a request in flight at SIGTERM is answered before the end."""
    token = token_for(within)
    argv = ["uvicorn", "prefiq.cli.core.server:app", "--port", "0", "--workers", str(workers), "--loop", loop]
    with started(*argv, cwd=application, DB_MODE=mode) as server:
        port = int(server.wait_for(r"http://127\.0\.0\.1:(\d+)")[1])
        server.wait_for("Application startup complete", workers)
        until_it_listens(port)
        assert get(f"http://127.0.0.1:{port}/livez") == (200, {"status": "ok"})
        assert get(f"http://127.0.0.1:{port}/readyz") == (200, {"status": "ok"})
        status, countries = get(f"http://127.0.0.1:{port}/api/masters/countries?count=exact&limit=1", token)
        assert (status, countries["total"]) == (200, 249)
        body = json.dumps({"code": "LATE-1", "name": "In flight"}).encode()
        connection, rest = begin_post(port, "/api/projects/projects", token, body)
        with connection:
            server.process.send_signal(signal.SIGTERM)
            server.wait_for("Shutting down", workers)
            connection.sendall(rest)
            answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 201")
        assert server.process.wait(SECONDS) in {0, -signal.SIGTERM}
    assert "Traceback" not in "".join(server.lines)
    code = "print([p.code for p in scope[IDomain[Project]].list().items])"
    assert within("shell", "--tenant", "acme", "-c", code).stdout == "['LATE-1']\n"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_gunicorn_serves_and_ends_in_good_order(within, application: Path, mode: str) -> None:
    """With uvicorn's workers: each makes the app, lines have our form, a request in flight at SIGTERM is answered."""
    token = token_for(within)
    argv = ["gunicorn", "prefiq.cli.core.server:app", "-k", "uvicorn_worker.UvicornWorker", "-w", "2"]
    environ = {"ENV": "production", "LOG_FORMAT": "json", "DB_MODE": mode}
    with started(*argv, "-b", "127.0.0.1:0", cwd=application, **environ) as server:
        port = int(server.wait_for(r"Listening at: http://127\.0\.0\.1:(\d+)")[1])
        server.wait_for("Application startup complete", 2)
        assert get(f"http://127.0.0.1:{port}/readyz") == (200, {"status": "ok"})
        status, countries = get(f"http://127.0.0.1:{port}/api/masters/countries?count=exact&limit=1", token)
        assert (status, countries["total"]) == (200, 249)
        line = json.loads(server.wait_for("/api/masters/countries").string)
        assert (line["logger"], line["tenant"], line["actor"]) == ("prefiq.access", "acme", "developer")
        body = json.dumps({"code": "LATE-1", "name": "In flight"}).encode()
        connection, rest = begin_post(port, "/api/projects/projects", token, body)
        with connection:
            server.process.send_signal(signal.SIGTERM)
            server.wait_for("Handling signal: term")
            connection.sendall(rest)
            answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 201")
        assert server.process.wait(SECONDS) == 0
    assert "Traceback" not in "".join(server.lines)
    code = "print([p.code for p in scope[IDomain[Project]].list().items])"
    assert within("shell", "--tenant", "acme", "-c", code).stdout == "['LATE-1']\n"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_start_in_development_needs_nothing_before(run, tmp_path: Path, mode: str) -> None:
    """From a fresh folder: the database is made, two tenants, their seeds and a token that works."""
    run("new", "demo", "--apps", "projects,masters")
    argv = ["prefiq.cli", "server", "start", "--port", "0", "--json"]
    with started(*argv, cwd=tmp_path / "demo", DB_MODE=mode) as server:
        server.wait_for("Application startup complete")
        assert server.process.stdout is not None
        lines = []
        for line in server.process.stdout:
            lines.append(line)
            if line == "}\n":
                break
        welcome = json.loads("".join(lines))
        status, me = get(f"{welcome['url']}/api/me", welcome["token"])
        assert (status, me["tenant"]) == (200, welcome["tenant"])
        assert get(f"{welcome['url']}/api/masters/countries?count=exact", welcome["token"])[1]["total"] == 249
        with urllib.request.urlopen(welcome["docs"], timeout=SECONDS) as page:
            assert b"<html" in page.read()
        tenants = json.loads(run("-C", "demo", "tenants", "list", "--json").stdout)
        assert [tenant["key"] for tenant in tenants] == ["demo", "demo-two"]
        assert server.end() in {0, -signal.SIGTERM}
    assert "Traceback" not in "".join(server.lines)


def test_uvicorns_own_command_needs_nothing_before_in_development(run, tmp_path: Path) -> None:
    """Two workers at once make the database, a tenant and its seeds, as ``prefiq server start`` does."""
    run("new", "demo", "--apps", "projects,masters")
    argv = ["uvicorn", "prefiq.cli.core.server:app", "--port", "0", "--workers", "2"]
    with started(*argv, cwd=tmp_path / "demo") as server:
        port = int(server.wait_for(r"http://127\.0\.0\.1:(\d+)")[1])
        server.wait_for("Application startup complete", 2)
        until_it_listens(port)
        token = run("-C", "demo", "token", "--tenant", "demo").stdout.strip()
        countries = get(f"http://127.0.0.1:{port}/api/masters/countries?count=exact", token)[1]
        assert countries["total"] == 249
        server.end()
    assert "Traceback" not in "".join(server.lines)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_start_ends_well_on_interrupt(application: Path, mode: str) -> None:
    """Ctrl+C is how a developer ends a server: exit code 0, no traceback."""
    argv = ["prefiq.cli", "server", "start", "--port", "0"]
    with started(*argv, cwd=application, DB_MODE=mode) as server:
        server.wait_for("Application startup complete")
        assert server.end(signal.SIGINT) == 0
    assert "Traceback" not in "".join(server.lines)


def test_start_with_workers_from_another_folder(within, application: Path, tmp_path: Path) -> None:
    """--folder reaches the workers, which are processes of their own."""
    token = token_for(within)
    (tmp_path / "elsewhere").mkdir()
    argv = ["prefiq.cli", "-C", str(application), "server", "start", "--port", "0", "--workers", "2"]
    with started(*argv, cwd=tmp_path / "elsewhere", ENV="production") as server:
        server.wait_for("Application startup complete", 2)
        assert server.process.stdout is not None
        url = server.process.stdout.readline().split()[1]
        assert get(f"{url}/api/me", token)[0] == 200
        assert get(f"{url}/docs")[0] == 404
        assert server.end() in {0, -signal.SIGTERM}


def test_logs_of_the_server_are_json_and_without_colour_in_production(within, application: Path) -> None:
    """Every line, uvicorn's too, has the form that LOG_FORMAT names."""
    argv = ["prefiq.cli", "server", "start", "--port", "0"]
    with started(*argv, cwd=application, ENV="production", LOG_FORMAT="json") as server:
        server.wait_for("Application startup complete")
        assert server.process.stdout is not None
        url = server.process.stdout.readline().split()[1]
        get(f"{url}/api/me?secret=canary")
        server.wait_for("/api/me")
        server.end()
    records = [json.loads(line) for line in server.lines]
    assert "uvicorn.error" in {record["logger"] for record in records}
    (line,) = [record for record in records if "/api/me" in record["message"]]
    assert (line["logger"], line["message"], line["status"]) == ("prefiq.access", "GET /api/me", 401)
    assert {"ms", "bytes", "request_id"} <= line.keys()
    assert "canary" not in "".join(server.lines)
    assert "\x1b" not in "".join(server.lines)


def test_reload_follows_a_declaration(run, shop: Path, tmp_path: Path) -> None:
    """A changed declaration in a checkout, wherever it lies, is a table and an API a moment later."""
    argv = ["prefiq.cli", "server", "start", "--port", "0", "--reload", "--json"]
    with started(*argv, cwd=tmp_path / "store") as server:
        server.wait_for("Application startup complete")
        assert server.process.stdout is not None
        lines = []
        for line in server.process.stdout:
            lines.append(line)
            if line == "}\n":
                break
        welcome = json.loads("".join(lines))
        path = f"{welcome['url']}/api/shop/items?price=5"
        assert get(path, welcome["token"])[0] == 422
        source = (shop / "models.py").read_text()
        (shop / "models.py").write_text(source + "    price: int = field(default=1, index=True)\n")
        server.wait_for("Application startup complete", 2)
        assert get(path, welcome["token"]) == (200, {"items": [], "next": None})
        assert server.end() in {0, -signal.SIGTERM}
    assert "Traceback" not in "".join(server.lines)


def test_start_refuses_a_database_that_is_behind(run, process, tmp_path: Path) -> None:
    """In production the server never migrates: it says what to run, and makes no database."""
    run("new", "demo", "--apps", "projects")
    result = process(
        "server", "start", "--port", "0", cwd=tmp_path / "demo", ENV="production", LOG_LEVEL="ERROR"
    )
    assert result.returncode == 5
    assert "prefiq run migrate" in result.stderr
    assert not (tmp_path / "demo/demo.db").exists()


def test_start_tells_a_taken_port(process, application: Path) -> None:
    """A port in use is one block, before the database is touched."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = process("server", "start", "--port", str(port), cwd=application)
    assert result.returncode == 1
    assert result.stderr == (
        f"Error: Cannot listen on this address: Address already in use (127.0.0.1:{port}) [PFQ806]\n"
        "  Try: stop what listens there, or choose another with --port (0 takes a free one)\n"
    )


def test_app_that_cannot_start_says_why_once(tmp_path: Path) -> None:
    """Under uvicorn's own command wrong settings are one block, not a traceback."""
    (tmp_path / ".env").write_text("ENV=prod\nDB_PORT=abc\n")
    result = subprocess.run(
        [sys.executable, "-m", "uvicorn", "prefiq.cli.core.server:app", "--port", "0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 3
    assert result.stderr.startswith("Error: The settings are wrong: 2 faults")
    assert "Traceback" not in result.stderr


def test_module_that_raises_is_not_taken_for_a_missing_app(shop: Path, tmp_path: Path) -> None:
    """An AttributeError of somebody's code at boot is shown with its traceback, without secrets."""
    source = (shop / "provider.py").read_text()
    (shop / "provider.py").write_text(
        f"{source}\n    def boot(self, app):\n        getattr(app, app.settings.jwt_keys[0].reveal())\n"
    )
    (tmp_path / "store/.env").write_text(
        "ENV=development\nJWT_SECRET_KEY=canary-0123456789-0123456789-0123456789\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "uvicorn", "prefiq.cli.core.server:app", "--port", "0"],
        cwd=tmp_path / "store",
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode not in {0, None}
    assert "provider.py" in result.stderr
    assert "canary" not in result.stderr


BOOT = """
    def boot(self, app):
        from prefiq.sql.errors import ServerDatabaseMissing
        raise ServerDatabaseMissing("ledger", "3D000")
"""


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    "argv",
    [
        ["uvicorn", "prefiq.cli.core.server:app", "--port", "0"],
        ["gunicorn", "prefiq.cli.core.server:app", "-k", "uvicorn_worker.UvicornWorker", "-b", "127.0.0.1:0"],
    ],
    ids=lambda argv: argv[0],
)
def test_application_that_does_not_open_says_why_once(
    shop: Path, tmp_path: Path, argv: list[str], mode: str
) -> None:
    """It opens when the server starts: one block says what is missing, and the server ends."""
    (shop / "provider.py").write_text((shop / "provider.py").read_text() + BOOT)
    result = subprocess.run(
        [sys.executable, "-m", *argv],
        cwd=tmp_path / "store",
        env={**os.environ, "DB_MODE": mode},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 3
    told = "The app shop failed in boot: ServerDatabaseMissing: The server has no database of this name (module shop"
    assert result.stderr.count("Error: The application cannot start: 1 fault\n") == 1, result.stderr
    assert result.stderr.count(told) == 1
    assert "Traceback" not in result.stderr


def test_server_that_tells_no_start_is_told_what_it_lacks(application: Path) -> None:
    """Without lifespan nothing is open: every answer is 503, and the log names the option."""
    argv = ["uvicorn", "prefiq.cli.core.server:app", "--port", "0", "--lifespan", "off"]
    with started(*argv, cwd=application) as server:
        port = int(server.wait_for(r"http://127\.0\.0\.1:(\d+)")[1])
        until_it_listens(port)
        status, problem = get(f"http://127.0.0.1:{port}/api/me")
        assert (status, problem["code"]) == (503, "PFQ715")
        server.wait_for("--lifespan on")
        server.end()


@pytest.mark.parametrize("engine", SERVERS, scope="session")
@pytest.mark.parametrize("mode", ["async"], scope="session")
def test_workers_on_a_server_fill_it_and_serve_together(run, database: Database, tmp_path: Path) -> None:
    """In development four workers at once make tables, a tenant and seeds; what one writes all of them read."""
    run("new", "demo", "--apps", "projects,masters")
    argv = ["uvicorn", "prefiq.cli.core.server:app", "--port", "0", "--workers", "4"]
    environ = {**database.variables(), "DB_POOL_SIZE": "2", "DB_POOL_WARMUP": "true"}
    with started(*argv, cwd=tmp_path / "demo", **environ) as server:
        port = int(server.wait_for(r"http://127\.0\.0\.1:(\d+)")[1])
        server.wait_for("Application startup complete", 4)
        until_it_listens(port)
        token = run("-C", "demo", "token", "--tenant", "demo").stdout.strip()
        base = f"http://127.0.0.1:{port}/api"
        assert get(f"{base}/masters/countries?count=exact", token)[1]["total"] == 249
        body = json.dumps({"code": "LATE-1", "name": "In flight"}).encode()
        connection, rest = begin_post(port, "/api/projects/projects", token, body)
        with connection:
            connection.sendall(rest)
            assert connection.recv(65536).startswith(b"HTTP/1.1 201")
        for _ in range(12):  # whichever worker answers
            assert get(f"{base}/projects/projects?count=exact", token)[1]["total"] == 1
        server.end()
    assert "Traceback" not in "".join(server.lines)


def test_readiness_follows_the_database(within, application: Path) -> None:
    """A server whose migrations wait is alive and not ready."""
    import sqlite3

    with sqlite3.connect(application / "demo.db") as connection:
        connection.execute("DELETE FROM prefiq_migration WHERE module = 'projects'")
    connection.close()
    argv = ["uvicorn", "prefiq.cli.core.server:app", "--port", "0"]
    with started(*argv, cwd=application, ENV="production") as server:
        port = int(server.wait_for(r"http://127\.0\.0\.1:(\d+)")[1])
        assert get(f"http://127.0.0.1:{port}/livez")[0] == 200
        assert get(f"http://127.0.0.1:{port}/readyz")[0] == 503
        server.end()


def test_importing_the_shim_does_nothing() -> None:
    """The app is made when it is asked for; another name is an AttributeError."""
    code = (
        "import sys, prefiq.cli.core.server as server\n"
        "assert 'prefiq.cli.serving' not in sys.modules\n"
        "try: server.application\n"
        "except AttributeError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "module 'prefiq.cli.core.server' has no attribute 'application'\n"
