"""Processes and progress messages; no other module of this package but engine.py starts processes."""

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
    """An error for the user: one sentence with the cause and the next step."""


class CommandFailed(Failure):
    """A program ended with an error."""

    def __init__(self, argv: Sequence[str], code: int, output: str, log: Path | None = None) -> None:
        message = last_line(log.read_text(errors="replace") if log else output)
        more = f" (more in {log})" if log else ""
        super().__init__(f"`{shorten(argv)}` exited with code {code}: {message}{more}")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0


class Options(TypedDict, total=False):
    """Options for a process."""

    env: Mapping[str, str] | None
    """Variables added to the environment."""
    cwd: Path | None
    input: str | None
    stdin: IO[bytes] | None
    log: Path | None
    """File for all output."""
    timeout: float | None
    """Seconds."""


def run(argv: Sequence[str | Path], **options: Unpack[Options]) -> str:
    """Return standard output, or "" with `log`; raise CommandFailed for an exit code other than 0."""
    result = attempt(argv, **options)
    if not result.ok:
        raise CommandFailed([str(a) for a in argv], result.code, result.err or result.out, options.get("log"))
    return result.out


def attempt(argv: Sequence[str | Path], **options: Unpack[Options]) -> Result:
    """Return the result of a command that may fail; a missing program and a timeout are results as well."""
    command = [str(a) for a in argv]
    text, log, timeout = options.get("input"), options.get("log"), options.get("timeout")
    with ExitStack() as stack:
        sink: IO[bytes] | int = subprocess.PIPE
        if log is not None:
            sink = stack.enter_context(log.open("ab"))
            sink.write(f"$ {' '.join(command)}\n".encode())
            sink.flush()
        try:
            process = stack.enter_context(
                subprocess.Popen(
                    command,
                    env={**os.environ, **(options.get("env") or {})},
                    cwd=options.get("cwd"),
                    stdin=options.get("stdin") or (subprocess.DEVNULL if text is None else subprocess.PIPE),
                    stdout=sink,
                    stderr=sink,
                )
            )
        except FileNotFoundError:
            return Result(127, "", f"{command[0]}: not found")
        try:
            out, err = process.communicate(text.encode() if text is not None else None, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            return Result(124, "", f"no end within {timeout:.0f} s")
    return Result(process.returncode, _text(out), _text(err))


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")


def pipe(
    producer: Sequence[str | Path], consumer: Sequence[str | Path], *, env: Mapping[str, str] | None = None
) -> None:
    """Stream one program's output into another, for archives too large for memory."""
    environment = {**os.environ, **(env or {})}
    with subprocess.Popen([str(a) for a in producer], stdout=subprocess.PIPE, env=environment) as source:
        sink = attempt(consumer, stdin=source.stdout, env=env)
        if source.stdout is not None:
            source.stdout.close()
    for argv, code in ((producer, source.returncode), (consumer, sink.code)):
        if code != 0:
            raise CommandFailed([str(a) for a in argv], code, sink.err)


def progress(text: str) -> None:
    """Print a line of progress to standard error."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(description: str) -> Iterator[None]:
    """Print the beginning of a long step, a sign of life each minute, and the duration."""
    progress(f"  {description} ...")
    begun = time.monotonic()
    ended = threading.Event()

    def heartbeat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            progress(f"  {description}: still running after {time.monotonic() - begun:.0f} s")

    threading.Thread(target=heartbeat, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
    progress(f"  {description}: done in {time.monotonic() - begun:.1f} s")


def wait_until(ready: Callable[[], bool], seconds: float, interval: float = 0.1) -> bool:
    """Poll until `ready` returns True; return False after so many seconds."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def shorten(argv: Sequence[str]) -> str:
    command = " ".join(argv)
    return command if len(command) <= 120 else command[:117] + "..."
