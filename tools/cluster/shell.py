"""Run programs and tell about it: the only module here that starts processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypedDict, Unpack

HEARTBEAT_SECONDS = 60.0


class Failure(Exception):
    """Something the user can act on: one sentence that says what is wrong and what to do."""


class CommandFailed(Failure):
    """A program ended badly."""

    def __init__(self, argv: Sequence[str], code: int, output: str, log: Path | None = None) -> None:
        said = last_line(log.read_text(errors="replace") if log else output)
        more = f" (more in {log})" if log else ""
        super().__init__(f"`{shorten(argv)}` ended with {code} and said: {said}{more}")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0


class Options(TypedDict, total=False):
    """How a program is run."""

    env: Mapping[str, str] | None
    """Added to the environment."""
    cwd: Path | None
    input: str | None
    stdin: IO[bytes] | None
    log: Path | None
    """Takes all output."""
    timeout: float | None
    """Seconds."""


def run(argv: Sequence[str | Path], **options: Unpack[Options]) -> str:
    """Run to a good end and return standard output; with `log`, output goes there and "" comes back."""
    result = attempt(argv, **options)
    if not result.ok:
        raise CommandFailed([str(a) for a in argv], result.code, result.err or result.out, options.get("log"))
    return result.out


def attempt(argv: Sequence[str | Path], **options: Unpack[Options]) -> Result:
    """Like run(), for commands that may fail: a program that is missing or late is a result, too."""
    words = [str(a) for a in argv]
    text, log, timeout = options.get("input"), options.get("log"), options.get("timeout")
    with ExitStack() as stack:
        sink: IO[bytes] | int = subprocess.PIPE
        if log is not None:
            sink = stack.enter_context(log.open("ab"))
            sink.write(f"$ {' '.join(words)}\n".encode())
            sink.flush()
        try:
            process = stack.enter_context(
                subprocess.Popen(
                    words,
                    env={**os.environ, **(options.get("env") or {})},
                    cwd=options.get("cwd"),
                    stdin=options.get("stdin") or (subprocess.DEVNULL if text is None else subprocess.PIPE),
                    stdout=sink,
                    stderr=sink,
                )
            )
        except FileNotFoundError:
            return Result(127, "", f"{words[0]}: not found")
        try:
            out, err = process.communicate(text.encode() if text is not None else None, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            return Result(124, "", f"no answer within {timeout:.0f} s")
    return Result(process.returncode, _text(out), _text(err))


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")


def pipe(
    producer: Sequence[str | Path], consumer: Sequence[str | Path], *, env: Mapping[str, str] | None = None
) -> None:
    """Stream one program's output into another, for archives too large to hold."""
    environment = {**os.environ, **(env or {})}
    with subprocess.Popen([str(a) for a in producer], stdout=subprocess.PIPE, env=environment) as source:
        sink = attempt(consumer, stdin=source.stdout, env=env)
        if source.stdout is not None:
            source.stdout.close()
    for argv, code in ((producer, source.returncode), (consumer, sink.code)):
        if code != 0:
            raise CommandFailed([str(a) for a in argv], code, sink.err)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Tell that a long step begins, that it is still alive each minute, and how long it took."""
    say(f"  {what} ...")
    begun = time.monotonic()
    over = threading.Event()

    def heartbeat() -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            say(f"  {what}: still at it after {time.monotonic() - begun:.0f} s")

    threading.Thread(target=heartbeat, daemon=True).start()
    try:
        yield
    finally:
        over.set()
    say(f"  {what}: done in {time.monotonic() - begun:.1f} s")


def wait_until(ready: Callable[[], bool], seconds: float, interval: float = 0.1) -> bool:
    """Ask again until the answer is yes or the time is over; the last answer is returned."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"


def shorten(argv: Sequence[str]) -> str:
    words = " ".join(argv)
    return words if len(words) <= 120 else words[:117] + "..."
