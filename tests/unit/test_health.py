"""Health endpoints as a kubelet requests them, and the event loop's scheduling delay."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.request
from collections.abc import AsyncIterator
from urllib.error import HTTPError

import pytest
from aiohttp.test_utils import unused_port

from appstack.settings import Settings
from appstack.telemetry import health, metrics
from appstack.telemetry.health import HealthChecks, HealthServer

FAILURES = {"live": "", "ready": ""}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Yield the health port."""
    settings = Settings(listen="127.0.0.1", health_port=unused_port(), metrics_port=unused_port())
    server = HealthServer(settings, HealthChecks(live=lambda: FAILURES["live"], ready=lambda: FAILURES["ready"]))
    await server.start()
    yield settings.health_port
    await server.stop()
    FAILURES.update(live="", ready="")


def get(port: int, path: str, *, timeout: float = 5.0) -> tuple[int, str]:
    """Return the status code and the text of the response."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def test_failed_check_is_a_503_with_its_message(port: int) -> None:
    assert (200, "ok\n") == await asyncio.to_thread(get, port, "/livez")

    FAILURES.update(live="the watch of pods is stuck", ready="the cache of pods is not up to date")

    assert (503, "the watch of pods is stuck\n") == await asyncio.to_thread(get, port, "/livez")
    assert (503, "the cache of pods is not up to date\n") == await asyncio.to_thread(get, port, "/readyz")


async def test_probe_times_out_while_the_event_loop_is_blocked(port: int) -> None:
    """Block the event loop while a kubelet probes: a response from another thread would be wrong."""
    probed = threading.Event()
    results: list[object] = []

    def kubelet() -> None:
        try:
            results.append(get(port, "/livez", timeout=0.5))
        except TimeoutError as error:
            results.append(error)
        probed.set()

    threading.Thread(target=kubelet).start()
    probed.wait(10)  # blocks the event loop

    assert [TimeoutError] == [type(each) for each in results]
    assert (200, "ok\n") == await asyncio.to_thread(get, port, "/livez")


async def test_blocking_callback_is_observed_as_scheduling_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_LOOP_LAG_INTERVAL_SECONDS", 0.01)
    settings = Settings(listen="127.0.0.1", health_port=unused_port(), metrics_port=unused_port())
    server = HealthServer(settings, HealthChecks(live=str, ready=str))
    await server.start()
    late, samples = _samples_above("0.1"), _samples()
    async with asyncio.timeout(5):
        while _samples() < samples + 5:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    time.sleep(0.3)  # noqa: ASYNC251  # a callback that blocks the event loop
    await asyncio.sleep(0.05)
    await server.stop()

    assert 1 <= _samples_above("0.1") - late
    samples = _samples()
    await asyncio.sleep(0.05)
    assert samples == _samples(), "sampling ends with the server"


def _samples() -> float:
    return metrics.REGISTRY.get_sample_value("appstack_event_loop_lag_seconds_count") or 0.0


def _samples_above(bound: str) -> float:
    """Return the number of samples above a bound in seconds."""
    within = metrics.REGISTRY.get_sample_value("appstack_event_loop_lag_seconds_bucket", {"le": bound})
    return _samples() - (within or 0.0)
