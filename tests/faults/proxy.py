"""A TCP proxy on loopback that stands for a bad network between an application and its database.

It forwards everything until it is told to misbehave: slow (``latency``), silent (``black_hole``), cut off
(``cut_all``), cut off where a certain word goes by (``cut_before``, ``cut_after``), or in the middle of an
answer (``cut_inside_answer``).  What is cut is cut with a reset, as a crashed machine or a firewall does.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Proxy", "proxy_to"]

_PIECE = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends a reset


class Proxy:
    """One server behind a network that can be broken; ``proxy_to`` makes and ends it.

    Args:
        host: The server's.
        port: The server's.
    """

    def __init__(self, host: str, port: int) -> None:
        self.latency = 0.0
        """Seconds that every piece waits, in both directions."""
        self.black_hole = False
        """Whether everything disappears; connections are still accepted."""
        self.cuts = 0
        """How often a word or an answer has cut a connection."""
        self.port: int
        self._target = (host, port)
        self._before: bytes | None = None
        self._after: bytes | None = None
        self._answer: int | None = None
        self._lock = threading.Lock()
        self._links: list[_Link] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._thread.start()

    @property
    def connections(self) -> int:
        """How many connections are open through it now."""
        with self._lock:
            return sum(not link.closed for link in self._links)

    def cut_before(self, word: bytes) -> None:
        """Cut the first connection whose client sends the word; the server does not get to see it."""
        self._before = word

    def cut_after(self, word: bytes) -> None:
        """Cut the first connection whose client sends the word, once the server has answered it."""
        self._after = word

    def cut_inside_answer(self, length: int) -> None:
        """Let so many bytes of the next answer pass, and cut that connection."""
        self._answer = length

    def cut_all(self) -> None:
        """Cut every connection that is open."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.cut()

    def close(self) -> None:
        """Cut everything and accept no more."""
        self._listener.close()
        self.cut_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, timeout=5)
            except OSError:  # the server is down: so it is for the client
                client.close()
                continue
            server.settimeout(None)
            link = _Link(self, client, server)
            with self._lock:
                self._links = [known for known in self._links if not known.closed]
                self._links.append(link)
            link.start()

    def _is_cut_before(self, piece: bytes) -> bool:
        with self._lock:
            if self._before is None or self._before not in piece:
                return False
            self._before = None
            self.cuts += 1
            return True

    def _is_cut_after(self, piece: bytes) -> bool:
        with self._lock:
            if self._after is None or self._after not in piece:
                return False
            self._after = None
            self.cuts += 1
            return True

    def _part_of_answer(self) -> int | None:
        with self._lock:
            length, self._answer = self._answer, None
            self.cuts += length is not None
            return length


class _Link:
    """One connection through the proxy, with a thread for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server
        self.closed = False
        self._last = False
        """Whether the next answer is the one that the client shall not get."""

    def start(self) -> None:
        for pump in (self._ask, self._answer):
            threading.Thread(target=pump, name="proxy-link", daemon=True).start()

    def cut(self) -> None:
        self.closed = True
        for side in (self.client, self.server):
            with contextlib.suppress(OSError):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            with contextlib.suppress(OSError):  # wakes the thread that reads from it
                side.shutdown(socket.SHUT_RD)
            side.close()

    def _pieces(self, side: socket.socket) -> Iterator[bytes]:
        """What arrives, as it shall be passed on."""
        with contextlib.suppress(OSError):
            while piece := side.recv(_PIECE):
                if self.proxy.latency:
                    time.sleep(self.proxy.latency)
                if not self.proxy.black_hole:
                    yield piece
        self.cut()

    def _ask(self) -> None:
        for piece in self._pieces(self.client):
            if self.proxy._is_cut_before(piece):
                return self.cut()
            self._last = self._last or self.proxy._is_cut_after(piece)
            with contextlib.suppress(OSError):
                self.server.sendall(piece)
        return None

    def _answer(self) -> None:
        for piece in self._pieces(self.server):
            if self._last:
                return self.cut()
            part = self.proxy._part_of_answer()
            with contextlib.suppress(OSError):
                self.client.sendall(piece[:part])
            if part is not None:
                return self.cut()
        return None


@contextmanager
def proxy_to(host: str, port: int) -> Iterator[Proxy]:
    """A proxy to a server, closed afterwards."""
    proxy = Proxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()
