"""The clock that the bench puts at an event loop."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path

import pytest

from bench.callbacks import read
from bench.contenders.timed import Clock


async def busy() -> None:
    """Hold the loop up for 20 ms."""
    begun = time.thread_time()
    while time.thread_time() - begun < 0.02:
        pass
    await asyncio.sleep(0)


async def test_it_tells_what_holds_the_loop_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "callbacks.jsonl"
    with file.open("ab", buffering=0) as sink, monkeypatch.context() as patched:
        patched.setattr(asyncio.Handle, "_run", Clock(sink).wrap(asyncio.Handle._run))
        await asyncio.create_task(busy())

    (turn,) = [one for one in read(file) if "busy" in one.what]
    assert "callback" == turn.kind
    assert turn.ms >= 20


async def test_it_says_nothing_of_what_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "callbacks.jsonl"
    with file.open("ab", buffering=0) as sink, monkeypatch.context() as patched:
        patched.setattr(asyncio.Handle, "_run", Clock(sink).wrap(asyncio.Handle._run))
        await asyncio.create_task(asyncio.sleep(0.05))

    assert not [one for one in read(file) if "sleep" in one.what]


def test_it_tells_a_full_collection_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "callbacks.jsonl"
    with file.open("ab", buffering=0) as sink:
        clock = Clock(sink)
        gc.callbacks.append(clock.collect)
        try:
            gc.collect(0)
            gc.collect()
        finally:
            gc.callbacks.remove(clock.collect)

    assert ["collection"] == [one.kind for one in read(file)]
