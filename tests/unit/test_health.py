"""Whether the operator lives and is ready, as a kubelet asks."""

from __future__ import annotations

import asyncio
import threading
import urllib.request
from collections.abc import AsyncIterator
from urllib.error import HTTPError

import pytest

from appstack.health import Health, Server
from appstack.settings import Settings
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
