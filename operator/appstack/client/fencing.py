"""Fencing of a former leader at the socket: it can send no byte once its send deadline has passed."""

from __future__ import annotations

import socket
import time
from typing import Any, Final

_CLOCK: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """Return the seconds of a monotonic clock that continues while the process is paused or the machine suspended."""
    return time.clock_gettime(_CLOCK)


class Fence:
    """The send deadline of a leader, which the Lease extends with each renewal.

    A process without a deadline, such as a standby, may send requests: it only reads.
    """

    def __init__(self) -> None:
        self._deadline: float | None = None

    def may_send(self) -> bool:
        """Return whether a request may be sent at this moment."""
        return self._deadline is None or elapsed() < self._deadline

    def set_deadline(self, deadline: float) -> None:
        """Forbid requests from this time of the `elapsed` clock on."""
        self._deadline = deadline

    def clear_deadline(self) -> None:
        """Permit requests without a deadline."""
        self._deadline = None


class FencedSocket(socket.socket):
    """A TCP socket that checks the fence immediately before every `send` system call.

    An earlier check leaves a gap: the process may be suspended while a request waits for a slot, a connection or a
    TLS handshake, and would send the request after it resumes. asyncio writes with `send` and `sendmsg` only.
    """

    def __init__(self, family: int, kind: int, protocol: int, *, fence: Fence) -> None:
        super().__init__(family, kind, protocol)
        self._fence = fence

    def send(self, *args: Any) -> int:
        """Send data. Raise ConnectionAbortedError when fenced; asyncio closes the connection."""
        self._check()
        return super().send(*args)

    def sendmsg(self, *args: Any) -> int:
        """Send several buffers. Raise ConnectionAbortedError when fenced."""
        self._check()
        return super().sendmsg(*args)

    def _check(self) -> None:
        if not self._fence.may_send():
            raise ConnectionAbortedError("fenced: this process is no longer the leader")
