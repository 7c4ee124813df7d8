"""The socket that a server listens on, made before anything else so that a taken address is told at once."""

from __future__ import annotations

import ipaddress
import socket

from prefiq.cli.errors import AddressTaken

__all__ = ["listen", "url_of"]


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; uvicorn starts to listen on it.

    Args:
        host: Name or address.
        port: 0 takes a free one.

    Raises:
        AddressTaken: It cannot be bound.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressTaken(host, port, error.strerror or "unknown host") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.set_inheritable(True)  # workers are other processes
    except OSError as error:
        bound.close()
        raise AddressTaken(host, port, error.strerror or type(error).__name__) from error
    return bound


def url_of(bound: socket.socket) -> str:
    """How a browser on this machine reaches a bound socket."""
    host, port = bound.getsockname()[:2]
    address = ipaddress.ip_address(host.partition("%")[0])
    if address.is_unspecified:
        return f"http://localhost:{port}"
    return f"http://[{host}]:{port}" if address.version == 6 else f"http://{host}:{port}"
