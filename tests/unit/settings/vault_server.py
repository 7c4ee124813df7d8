"""A stand-in for Vault: the few requests of a key/value engine, version 2, and of AppRole, over its HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hvs.CAESIJtheTokenOfTheApplication"
ROLE = {"role_id": "app-role", "secret_id": "0f6a6f4e-of-the-role"}


@dataclass
class Vault:
    """What it holds, and what it was asked.

    Args:
        address: For ``VAULT_ADDR``.
        secrets: ``"mount/path"`` → fields.
        status: Answers everything with this, where it is not 0.
        asked: Every request's method and path.
    """

    address: str = ""
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: int = 0
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, token: str, body: Any) -> tuple[int, Any]:
        """Status and document."""
        self.asked.append(f"{method} {path}")
        if self.status:
            return self.status, {"errors": [f"echo of {token}"]}
        if path == "/v1/auth/approle/login":
            if body != ROLE:
                return 400, {"errors": ["invalid role or secret ID"]}
            return 200, {"auth": {"client_token": TOKEN}}
        if token != TOKEN:
            return 403, {"errors": [f"permission denied for {token}"]}
        mount, _, rest = path.removeprefix("/v1/").partition("/data/")
        data = self.secrets.get(f"{mount}/{rest}")
        if data is None:
            return 404, {"errors": []}
        return 200, {"data": {"data": data, "metadata": {"version": 1}}}


@contextmanager
def vault_server() -> Iterator[Vault]:
    """One that serves until the block ends."""
    vault = Vault()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.respond(None)

        def do_POST(self) -> None:
            self.respond(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def respond(self, body: Any) -> None:
            path = self.path.partition("?")[0]
            status, document = vault.answer(self.command, path, self.headers.get("X-Vault-Token", ""), body)
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    vault.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield vault
    finally:
        server.shutdown()
        server.server_close()
