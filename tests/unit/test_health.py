"""Whether the operator lives and is ready, as a kubelet asks."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.request
from collections.abc import AsyncIterator
from urllib.error import HTTPError

import pytest

from appstack.settings import Settings
from appstack.telemetry import health, metrics
from appstack.telemetry.health import Health, Server
from tests.api.harness import free_port

WRONG = {"live": "", "ready": ""}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Give the port on which it answers."""
    settings = Settings(listen="127.0.0.1", health_port=free_port(), metrics_port=free_port())
    server = Server(settings, Health(live=lambda: WRONG["live"], ready=lambda: WRONG["ready"]))
    await server.start()
    yield settings.health_port
    await server.stop()
    WRONG.update(live="", ready="")


def ask(port: int, path: str, *, patience: float = 5.0) -> tuple[int, str]:
    """Return the code of the answer, and what it says."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=patience) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def test_what_is_wrong_is_said(port: int) -> None:
    assert (200, "ok\n") == await asyncio.to_thread(ask, port, "/livez")

    WRONG.update(live="the watch of pods is stuck", ready="the cache of pods is not up to date")

    assert (503, "the watch of pods is stuck\n") == await asyncio.to_thread(ask, port, "/livez")
    assert (503, "the cache of pods is not up to date\n") == await asyncio.to_thread(ask, port, "/readyz")


async def test_a_stuck_loop_answers_nobody(port: int) -> None:
    """Hold the loop up from within while a kubelet asks: it must not be told that all is well."""
    asked = threading.Event()
    told: list[object] = []

    def kubelet() -> None:
        try:
            told.append(ask(port, "/livez", patience=0.5))
        except TimeoutError as error:
            told.append(error)
        asked.set()

    threading.Thread(target=kubelet).start()
    asked.wait(10)  # the loop waits here, and does nothing else

    assert [TimeoutError] == [type(each) for each in told]
    assert (200, "ok\n") == await asyncio.to_thread(ask, port, "/livez")


async def test_whoever_holds_the_loop_up_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_BEAT", 0.01)
    settings = Settings(listen="127.0.0.1", health_port=free_port(), metrics_port=free_port())
    server = Server(settings, Health(live=str, ready=str))
    await server.start()
    late, beats = _late("0.1"), _beats()
    async with asyncio.timeout(5):
        while _beats() < beats + 5:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    time.sleep(0.3)  # noqa: ASYNC251  # as a callback that works for so long
    await asyncio.sleep(0.05)
    await server.stop()

    assert 1 <= _late("0.1") - late
    beats = _beats()
    await asyncio.sleep(0.05)
    assert beats == _beats(), "it ends with the server"


def _beats() -> float:
    return metrics.REGISTRY.get_sample_value("appstack_event_loop_lag_seconds_count") or 0.0


def _late(bound: str) -> float:
    """Return how many beats came later than this."""
    within = metrics.REGISTRY.get_sample_value("appstack_event_loop_lag_seconds_bucket", {"le": bound})
    return _beats() - (within or 0.0)
