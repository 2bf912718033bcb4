"""`appstack run` with a timer around each event-loop callback: `python -m bench.systems.instrumented FILE run …`.

A callback is one step of a task or one read of a socket. asyncio runs each through `Handle._run`, including those of
tasks that are written in C. Callbacks of one millisecond or more of thread CPU time are appended to FILE. A full
garbage collection is recorded separately, and also counts as time of the callback in which it happens.
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
from bench.slow_callbacks import MIN_MILLISECONDS, SlowCallback

_OLDEST_GENERATION: Final = 2


class CallbackTimer:
    """Writes a line for each slow callback at once, because the process may be killed at any time."""

    def __init__(self, sink: FileIO) -> None:
        self._sink = sink
        self._collection_begun = 0.0

    def wrap(self, run: Callable[[asyncio.Handle], None]) -> Callable[[asyncio.Handle], None]:
        """Return Handle._run with the timer around it."""
        now = time.thread_time

        def timed(handle: asyncio.Handle) -> None:
            callback = getattr(handle, "_callback", None)  # None after the run, if the handle cancels itself
            begun = now()
            run(handle)
            milliseconds = (now() - begun) * 1000
            if milliseconds >= MIN_MILLISECONDS:
                self._write("callback", milliseconds, _describe(callback))

        return timed

    def on_collection(self, phase: str, info: dict[str, int]) -> None:
        """Time a full collection: a function for `gc.callbacks`."""
        if info["generation"] < _OLDEST_GENERATION:
            return
        if phase == "start":
            self._collection_begun = time.thread_time()
        else:
            milliseconds = (time.thread_time() - self._collection_begun) * 1000
            self._write("collection", milliseconds, f"{info['collected']} collected")

    def _write(self, kind: Literal["callback", "collection"], milliseconds: float, description: str) -> None:
        record = SlowCallback(kind, time.time(), round(milliseconds, 3), description)
        self._sink.write(record.json_line.encode())


def _describe(callback: Any) -> str:
    """Return a callback's name; of a task, its coroutine, the innermost coroutine and the line it has reached."""
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return getattr(callback, "__qualname__", "") or reprlib.repr(callback)
    outer: Any = task.get_coro()
    inner = outer
    while getattr(getattr(inner, "cr_await", None), "cr_code", None) is not None:
        inner = inner.cr_await
    frame = getattr(inner, "cr_frame", None)
    position = f"to {inner.__qualname__}:{frame.f_lineno}" if frame else "to its end"
    return f"{outer.__qualname__} {position}"


def main() -> int:
    """Run the `appstack` command with the timer installed."""
    file, *arguments = sys.argv[1:]
    with Path(file).open("ab", buffering=0) as sink:
        timer = CallbackTimer(sink)
        asyncio.Handle._run = timer.wrap(asyncio.Handle._run)  # type: ignore[method-assign, assignment]
        gc.callbacks.append(timer.on_collection)
        return appstack(arguments)


if __name__ == "__main__":
    sys.exit(main())
