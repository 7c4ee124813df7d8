"""What a proxy says about the request that it passes on; believed only of those in ``TRUSTED_PROXIES``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["BehindProxies"]

UNIX = "unix"
"""In ``TRUSTED_PROXIES``: whoever connects by a Unix socket, which has no address."""
MOST_REMEMBERED = 1000

_FORWARDED_HOST = re.compile(rb'(?:^|[;,])\s*host\s*=\s*(?:"([^"\\]*)"|([^\s;,"]*))', re.IGNORECASE)


class BehindProxies:
    """An ASGI application that sees the host and the scheme which the first trusted proxy saw.

    A request of anybody else passes unchanged, whatever its ``X-Forwarded-*`` say.  Where what a proxy says
    cannot be read in one way alone (two hosts, or two that differ), the host becomes empty, which is nobody's.

    Args:
        app: What is served.
        proxies: Addresses and networks, or ``"unix"``.
    """

    def __init__(self, app: Any, proxies: Sequence[str]) -> None:
        self._app = app
        self._unix = UNIX in proxies
        self._networks = [ipaddress.ip_network(each) for each in proxies if each != UNIX]
        self._known: dict[str, bool] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve."""
        if scope["type"] in {"http", "websocket"} and self._trusts(scope.get("client")):
            scope = _as_forwarded(scope)
        await self._app(scope, receive, send)

    def _trusts(self, client: Sequence[Any] | None) -> bool:
        if not client or not client[0]:
            return self._unix
        name = str(client[0])
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            known = self._known[name] = self._is_listed(name)
        return known

    def _is_listed(self, name: str) -> bool:
        try:
            address: Any = ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address  # ::ffff:10.0.0.1 of a socket for both
        return any(address in network for network in self._networks)


def _as_forwarded(scope: Any) -> Any:
    fields: list[tuple[bytes, bytes]] = scope["headers"]
    hosts = {host.strip().lower() for host in _forwarded_hosts(fields)}
    protocols = {value.strip().lower() for name, value in fields if name == b"x-forwarded-proto"}
    changed = dict(scope)
    if hosts:
        host = hosts.pop() if len(hosts) == 1 else b""
        if sum(name == b"host" for name, _ in fields) <= 1:  # two of them are refused further on
            changed["headers"] = [*(field for field in fields if field[0] != b"host"), (b"host", host)]
    if len(protocols) == 1 and (protocol := protocols.pop()) in {b"http", b"https"}:
        secure = protocol == b"https"
        web = scope["type"] == "http"
        changed["scheme"] = ("https" if secure else "http") if web else ("wss" if secure else "ws")
    return changed


def _forwarded_hosts(fields: Iterable[tuple[bytes, bytes]]) -> Iterable[bytes]:
    """Every host that is named; a list in one field is several.

    Source: RFC 7239, sections 4 and 5.3.
    """
    for name, value in fields:
        if name == b"x-forwarded-host":
            yield from value.split(b",")
        elif name == b"forwarded":
            for quoted, plain in _FORWARDED_HOST.findall(value):
                yield quoted or plain
