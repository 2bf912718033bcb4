"""The last thing before the network: while the fence is shut, no byte leaves this process."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any


class FencedSocket(socket.socket):
    """Asks before each piece of data, when nothing but the system call is left to do.

    A check any earlier leaves a gap: a process may be paused while a request waits for a slot, for a connection or
    for a handshake, and would send it when it wakes. asyncio writes with `send` and `sendmsg` alone.
    """

    def __init__(self, family: int, kind: int, protocol: int, *, passes: Callable[[], bool]) -> None:
        super().__init__(family, kind, protocol)
        self._passes = passes

    def send(self, *args: Any) -> int:
        """Send data, or raise an OSError: to asyncio a connection that broke."""
        self._check()
        return super().send(*args)

    def sendmsg(self, *args: Any) -> int:
        """Send several pieces of data, or raise an OSError."""
        self._check()
        return super().sendmsg(*args)

    def _check(self) -> None:
        if not self._passes():
            raise ConnectionAbortedError("nothing may be sent any more")
