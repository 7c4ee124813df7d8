"""``FairSemaphore``: a line in which greenlets of the bridge and threads wait alike."""

from __future__ import annotations

import math
import threading
from typing import Protocol

from prefiq.bridge.greenlets import NoBridge, await_, has_loop, in_bridge

__all__ = ["FairSemaphore"]


class FairSemaphore:
    """So many may hold it at once; those that come later wait in line, greenlets and threads alike.

    In the bridge the loop goes on meanwhile; elsewhere the thread waits.  What is released goes to the first in
    the line and to nobody else, and one that is cancelled gives way.  It belongs to no loop, and may be
    released from any thread, also by the garbage collection.

    Args:
        count: How many may hold it.
    """

    __slots__ = ("_free", "_line", "_mutex", "_released")

    def __init__(self, count: int = 1) -> None:
        self._free = count
        self._line: list[Waiter] = []  # an empty deque takes ten times the room, and there are many of these
        self._mutex = threading.Lock()
        self._released: list[None] = []

    @property
    def free(self) -> int:
        """How many more could hold it now."""
        return self._free

    def acquire(self, timeout: float = math.inf) -> bool:
        """Wait for it.

        Args:
            timeout: Seconds; 0 does not wait.

        Returns:
            Whether it was had in time.

        Raises:
            NoBridge: This is the thread of a running loop, outside of the bridge, and who holds it may need the
                loop to let go: waiting without an end would be for ever.
        """
        if self._take(None):
            return True
        if timeout <= 0:
            return False
        waiter: Waiter = LoopWaiter() if in_bridge() else ThreadWaiter()
        if timeout == math.inf and isinstance(waiter, ThreadWaiter) and has_loop():
            raise NoBridge("what another task is at work on")
        if self._take(waiter):
            return True
        try:
            waiter.wait(timeout)
        except BaseException:
            if self._leave(waiter):  # cancelled with it in hand
                self.release()
            raise
        return self._leave(waiter)

    def release(self) -> None:
        """Hand it to the first in the line."""
        # The garbage collection may come here in the middle of anything, even while this thread holds the lock.
        self._released.append(None)
        self._settle()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _take(self, waiter: Waiter | None) -> bool:
        with self._mutex:
            taken = self._free > 0  # then nobody is in line
            if taken:
                self._free -= 1
            elif waiter is not None:
                self._line.append(waiter)
        if self._released:
            self._settle()
        return taken

    def _settle(self) -> None:
        while self._released and self._mutex.acquire(blocking=False):  # who holds it comes by here afterwards
            try:
                while self._released:
                    self._released.pop()
                    while self._line:
                        waiter = self._line.pop(0)
                        waiter.handed = True
                        if waiter.wake():
                            break
                    else:
                        self._free += 1
            finally:
                self._mutex.release()

    def _leave(self, waiter: Waiter) -> bool:
        """Whether it was handed to the waiter, which waits no longer either way."""
        with self._mutex:
            if not waiter.handed:
                self._line.remove(waiter)
        if self._released:
            self._settle()
        return waiter.handed


class Waiter(Protocol):
    """One that stands in a line.

    Attributes:
        handed: Whether it has what it waits for.
    """

    handed: bool

    def wait(self, timeout: float) -> None:
        """Return when woken, or after so many seconds."""
        ...

    def wake(self) -> bool:
        """End ``wait``; false where nobody can wait any more."""
        ...


class ThreadWaiter:
    """A thread that waits."""

    def __init__(self) -> None:
        self.handed = False
        self._woken = threading.Event()

    def wait(self, timeout: float) -> None:
        """See ``Waiter``."""
        self._woken.wait(None if timeout == math.inf else timeout)

    def wake(self) -> bool:
        """See ``Waiter``."""
        self._woken.set()
        return True


class LoopWaiter:
    """A greenlet of the bridge that waits."""

    def __init__(self) -> None:
        import asyncio

        self.handed = False
        self._running = asyncio._get_running_loop
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] = self._loop.create_future()

    def wait(self, timeout: float) -> None:
        """See ``Waiter``."""
        timer = None if timeout == math.inf else self._loop.call_later(timeout, self._end)
        try:
            await_(self._woken)
        finally:
            if timer is not None:
                timer.cancel()

    def wake(self) -> bool:
        """See ``Waiter``."""
        if self._running() is self._loop:
            self._end()
            return True
        try:
            self._loop.call_soon_threadsafe(self._end)
        except RuntimeError:  # the loop is closed
            return False
        return True

    def _end(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)
