"""`appstack run` with a clock at each callback of its event loop; what takes a millisecond or more goes into a file.

A callback is what the loop does without a break: a step of a task, the reading of a socket. asyncio runs each through
`Handle._run`, also for tasks that are written in C. The clock is that of the thread's CPU. A full garbage collection
is told by itself, and counts as the time of the callback in which it happens.
"""

from __future__ import annotations

import asyncio
import gc
import reprlib
import sys
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any, Final, Literal

from appstack.cli.__main__ import main as appstack
from bench.callbacks import LEAST, Turn

_FULL: Final = 2  # the oldest of Python's three generations


class Clock:
    """Writes down what takes long; each line at once, for the process may be killed."""

    def __init__(self, sink: FileIO) -> None:
        self._sink = sink
        self._collecting = 0.0

    def wrap(self, run: Callable[[asyncio.Handle], None]) -> Callable[[asyncio.Handle], None]:
        """Return Handle._run with a clock around it."""
        now = time.thread_time

        def timed(handle: asyncio.Handle) -> None:
            callback = getattr(handle, "_callback", None)  # gone afterwards, if the handle cancels itself
            begun = now()
            run(handle)
            ms = (now() - begun) * 1000
            if ms >= LEAST:
                self._write("callback", ms, _named(callback))

        return timed

    def collect(self, phase: str, info: dict[str, int]) -> None:
        """Take the time of a full collection: for gc.callbacks."""
        if info["generation"] < _FULL:
            return
        if phase == "start":
            self._collecting = time.thread_time()
        else:
            ms = (time.thread_time() - self._collecting) * 1000
            self._write("collection", ms, f"{info['collected']} collected")

    def _write(self, kind: Literal["callback", "collection"], ms: float, what: str) -> None:
        self._sink.write(Turn(kind, time.time(), round(ms, 3), what).line.encode())


def _named(callback: Any) -> str:
    """Return what a callback is: of a task, its coroutine and the innermost one, with the line that it has come to."""
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return getattr(callback, "__qualname__", "") or reprlib.repr(callback)
    outer: Any = task.get_coro()
    inner = outer
    while getattr(getattr(inner, "cr_await", None), "cr_code", None) is not None:
        inner = inner.cr_await
    frame = getattr(inner, "cr_frame", None)
    place = f"to {inner.__qualname__}:{frame.f_lineno}" if frame else "to its end"
    return f"{outer.__qualname__} {place}"


def main() -> int:
    """Run `appstack` with the clock on."""
    file, *words = sys.argv[1:]
    with Path(file).open("ab", buffering=0) as sink:
        clock = Clock(sink)
        asyncio.Handle._run = clock.wrap(asyncio.Handle._run)  # type: ignore[method-assign, assignment]
        gc.callbacks.append(clock.collect)
        return appstack(words)


if __name__ == "__main__":
    sys.exit(main())
