"""The timer around the callbacks of an instrumented event loop."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path

import pytest

from bench.slow_callbacks import read
from bench.systems.instrumented import CallbackTimer


async def busy() -> None:
    """Block the event loop for 20 ms of CPU time."""
    begun = time.thread_time()
    while time.thread_time() - begun < 0.02:
        pass
    await asyncio.sleep(0)


async def test_callback_that_blocks_the_loop_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "callbacks.jsonl"
    with file.open("ab", buffering=0) as sink, monkeypatch.context() as patched:
        patched.setattr(asyncio.Handle, "_run", CallbackTimer(sink).wrap(asyncio.Handle._run))
        await asyncio.create_task(busy())

    (record,) = [one for one in read(file) if "busy" in one.description]
    assert "callback" == record.kind
    assert record.milliseconds >= 20


async def test_short_callback_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "callbacks.jsonl"
    with file.open("ab", buffering=0) as sink, monkeypatch.context() as patched:
        patched.setattr(asyncio.Handle, "_run", CallbackTimer(sink).wrap(asyncio.Handle._run))
        await asyncio.create_task(asyncio.sleep(0.05))

    assert not [one for one in read(file) if "sleep" in one.description]


def test_full_garbage_collection_is_recorded_and_a_young_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "callbacks.jsonl"
    with file.open("ab", buffering=0) as sink:
        timer = CallbackTimer(sink)
        gc.callbacks.append(timer.on_collection)
        try:
            gc.collect(0)
            gc.collect()
        finally:
            gc.callbacks.remove(timer.on_collection)

    assert ["collection"] == [one.kind for one in read(file)]
