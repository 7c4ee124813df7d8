"""A PgBouncer of a test's own, in transaction mode: ``with pooler(database, users) as pooled``.

It runs as the user ``postgres`` where the tests run as root, which it refuses.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.servers import Database, give_up

__all__ = ["pooler"]

_SECONDS = 20


@contextmanager
def pooler(database: Database, users: Sequence[str], size: int = 1) -> Iterator[Database]:
    """The same database through a pooler.

    Args:
        database: On the server itself.
        users: Who may connect, without a password.
        size: Connections to the server, for each user.
    """
    program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        give_up("postgres", "PgBouncer is not installed (Debian: apt install pgbouncer)")
    with tempfile.TemporaryDirectory(prefix="prefiq-pooler-") as made:
        folder = Path(made)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        (folder / "users.txt").write_text("".join(f'"{user}" ""\n' for user in users))
        (folder / "pgbouncer.ini").write_text(
            "[databases]\n"
            f"{database.name} = host={database.host} port={database.port} pool_size={size}\n"
            "[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users.txt\n"
            f"pool_mode = transaction\nlogfile = {folder}/log\nquery_wait_timeout = 20\n"
        )
        command = [program, str(folder / "pgbouncer.ini")]
        if os.geteuid() == 0:
            command[1:1] = ["-u", "postgres"]
            account = pwd.getpwnam("postgres")
            for path in (folder, *folder.iterdir()):
                os.chown(path, account.pw_uid, account.pw_gid)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait(port, process, folder)
            yield replace(database, host="127.0.0.1", port=port)
        finally:
            process.terminate()
            process.wait(_SECONDS)


def _wait(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    log = folder / "log"
    raise AssertionError(f"PgBouncer does not answer: {log.read_text() if log.exists() else 'no log'}")
