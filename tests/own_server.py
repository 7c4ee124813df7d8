"""A database server of a test's own, to be killed, paused, filled up or set up strangely.

``with own_server("postgres") as server`` starts one on a free port of loopback, with its data in a temporary
folder; both are gone afterwards.  Servers refuse to run as root: there they run as the user that their package
made.  A test skips, with the reason, where that cannot be.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pymysql
from tests.servers import TITLES, Database, give_up

__all__ = ["OwnServer", "own_server"]

_ACCOUNTS = {"postgres": "postgres", "mariadb": "mysql"}
_PATTERNS = {"postgres": "/usr/lib/postgresql/*/bin", "mariadb": "/usr/sbin"}
_SECONDS = 60
_PREFIX = "prefiq-own-"
_NAME = "prefiq"


class OwnServer:
    """One server; ``own_server`` makes and ends it.

    Args:
        engine: ``"postgres"`` or ``"mariadb"``.
        folder: Where everything of it lies.
        port: Its port on loopback.
        options: What its command line says besides.
    """

    def __init__(self, engine: str, folder: Path, port: int, options: Sequence[str]) -> None:
        self.engine = engine
        self.folder = folder
        self.port = port
        self.options = tuple(options)
        self.process: subprocess.Popen[Any] | None = None

    @property
    def database(self) -> Database:
        """An empty database on it, for one who may do everything."""
        user = "postgres" if self.engine == "postgres" else "root"
        return Database(engine=self.engine, name=_NAME, host="127.0.0.1", port=self.port, user=user)

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / "log").read_text(errors="replace")

    def start(self, *options: str) -> None:
        """Start it and wait until it answers; it must be down.

        Args:
            options: For this time only, after its own.
        """
        assert self.process is None, "it runs"
        with (self.folder / "log").open("ab") as log:
            started: subprocess.Popen[Any] = subprocess.Popen(
                [*_command(self.engine, self.folder, self.port), *self.options, *options],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                start_new_session=True,
                **_as_its_user(self.engine),
            )
        self.process = started
        (self.folder / "pid").write_text(str(started.pid))
        self._wait()

    def stop(self) -> None:
        """Let it end in good order; what is connected is cut off."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT if self.engine == "postgres" else signal.SIGTERM)
            self._ended()

    def kill(self) -> None:
        """End it and all of its own processes at once, as a failing machine does."""
        if self.process is not None:
            # Once it is known to have ended, its number may be another's.
            ended = self.process.poll() is not None
            for pid in () if ended else (self.process.pid, *_children(self.process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._ended()

    def restart(self, *options: str) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start(*options)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It and its processes stand still: connections stay open, nothing answers."""
        assert self.process is not None
        mine = [self.process.pid, *_children(self.process.pid)]
        for pid in mine:
            os.kill(pid, signal.SIGSTOP)
        while not all(map(_stands_still, mine)):  # a thread that runs may answer once more
            time.sleep(0.001)
        try:
            yield
        finally:
            for pid in mine:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Nothing more can be written; it must have been made with ``disk``."""
        assert self.folder.is_mount(), "it shares a disk with others"
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            for piece in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while file.write(bytes(piece)) == piece:
                        continue
        try:
            yield
        finally:
            filler.unlink()

    def _ended(self) -> None:
        assert self.process is not None
        try:
            self.process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not stop:\n{self.log[-2000:]}") from None
        self.process = None

    def _wait(self) -> None:
        assert self.process is not None
        end = time.monotonic() + _SECONDS
        while True:
            try:
                self._create_database()
            except (psycopg.OperationalError, pymysql.err.OperationalError) as error:
                code = self.process.poll()
                if code is not None or time.monotonic() > end:
                    if code is not None:
                        self.process = None
                    raise AssertionError(f"the server did not start: {error}\n{self.log[-2000:]}") from None
                time.sleep(0.05)
            else:
                return

    def _create_database(self) -> None:
        first = "postgres" if self.engine == "postgres" else "mysql"
        with contextlib.closing(replace(self.database, name=first).connect()) as connection:
            cursor = connection.cursor()
            if self.engine == "mariadb":
                cursor.execute(f"CREATE DATABASE IF NOT EXISTS {_NAME}")
                return
            # A standby takes no new one.
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s OR pg_is_in_recovery()", [_NAME])
            if not cursor.fetchone():
                cursor.execute(f"CREATE DATABASE {_NAME}")


@contextmanager
def own_server(
    engine: str,
    *options: str,
    initial: Sequence[str] = (),
    files: Mapping[str, str | bytes] | None = None,
    disk: str = "",
) -> Iterator[OwnServer]:
    """A running server of one's own.

    Args:
        engine: ``"postgres"`` or ``"mariadb"``.
        options: More of its command line: ``"-c", "max_connections=5"``, ``"--max-connections=5"``.
        initial: More of the command that makes its data: ``"--locale-provider=icu"``.
        files: More files in its folder, readable to it alone: ``data/pg_hba.conf``, ``server.crt``.
        disk: A size such as ``"120m"``: its folder is a file system of that size, which can be filled.
    """
    prepared = _prepared(engine, tuple(initial))
    _remove_left_over()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    server = OwnServer(engine, folder, _free_port(), options)
    try:
        if disk:
            _mount(engine, folder, disk)
        (folder / "owner").write_text(str(os.getpid()))
        subprocess.run(["cp", "-a", str(prepared / "data"), str(folder / "data")], check=True)
        for name, content in (files or {}).items():
            file = folder / name
            file.write_bytes(content.encode() if isinstance(content, str) else content)
            file.chmod(0o600)
            _give(engine, file)
        _give(engine, folder)
        server.start()
        yield server
    finally:
        if server.process is not None and server.process.poll() is not None:
            sys.stderr.write(f"the server ended by itself:\n{server.log[-8000:]}")
        try:
            server.kill()
        finally:
            _remove(folder)


def _command(engine: str, folder: Path, port: int) -> list[str]:
    data = folder / "data"
    if engine == "postgres":
        settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}"]
        return [
            _program(engine, "postgres"),
            "-D",
            str(data),
            *(word for s in settings for word in ("-c", s)),
        ]
    return [
        _program(engine, "mariadbd", "mysqld"),
        "--no-defaults",
        f"--datadir={data}",
        f"--tmpdir={folder}",  # a server that starts removes temporary tables of others that share a folder
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={folder / 'socket'}",
        f"--pid-file={folder / 'server.pid'}",
        "--skip-name-resolve",
        "--skip-log-bin",
        "--innodb-log-file-size=8M",  # a small disk must hold it
    ]


@cache
def _prepared(engine: str, initial: tuple[str, ...]) -> Path:
    """A folder with the data of a new server, made once in a process: it takes seconds, copying does not."""
    if os.name != "posix":
        give_up(engine, "servers of a test's own need a POSIX system")
    holder = tempfile.TemporaryDirectory(prefix=_PREFIX)
    _keep.append(holder)
    folder = Path(holder.name)
    (folder / "owner").write_text(str(os.getpid()))
    _give(engine, folder)
    data = str(folder / "data")
    if engine == "postgres":
        make = [_program(engine, "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8"]
        make += ["--no-sync", "--locale=C", "--wal-segsize=1"]
    else:
        make = [_program(engine, "mariadb-install-db", "mysql_install_db"), "--no-defaults"]
        make += [f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"]
        make += ["--skip-name-resolve", "--innodb-log-file-size=4M", f"--tmpdir={folder}"]
    try:
        done = subprocess.run(
            [*make, *initial],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
            **_as_its_user(engine),
        )
    except PermissionError as error:
        give_up(engine, f"a server of a test's own cannot run as its user: {error}")
    assert done.returncode == 0, done.stdout
    return folder


_keep: list[tempfile.TemporaryDirectory[str]] = []


def _as_its_user(engine: str) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    account = _account(engine)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _account(engine: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_ACCOUNTS[engine])
    except KeyError:
        give_up(engine, f"{TITLES[engine]} does not run as root, and there is no user {_ACCOUNTS[engine]!r}")


def _give(engine: str, path: Path) -> None:
    if os.geteuid() == 0:
        account = _account(engine)
        os.chown(path, account.pw_uid, account.pw_gid)


@cache
def _program(engine: str, *names: str) -> str:
    folders = sorted(Path("/").glob(_PATTERNS[engine].lstrip("/")), reverse=True)
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")])
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    return found or give_up(engine, f"the program {names[0]} of {TITLES[engine]} is not installed")


def _stands_still(pid: int) -> bool:
    """Whether each thread of a process is stopped, or it has ended; where nobody can tell, it is."""
    for task in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            if task.read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "TtZX":
                return False
    return True


def _children(pid: int) -> list[int]:
    """Processes that this one started; servers have one for each connection, or none."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in listed.stdout.split()]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _mount(engine: str, folder: Path, size: str) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        give_up(engine, f"a small file system cannot be mounted: {mounted.stderr.strip()}")


def _remove(folder: Path) -> None:
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    shutil.rmtree(folder, ignore_errors=True)


def _remove_left_over() -> None:
    """End servers of runs that were killed, and remove their folders."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, ValueError):
            if _runs(int((folder / "owner").read_text())):
                continue
            pid = int((folder / "pid").read_text()) if (folder / "pid").exists() else 0
            # A number is used again by and by: only a process that names the folder is that server.
            if pid and str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
            _remove(folder)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
