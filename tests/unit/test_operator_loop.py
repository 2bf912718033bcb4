"""The exception handler of the operator's event loop: errors that no task receives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from appstack import operator
from tests.unit.background import eventually


@pytest.fixture
async def loop() -> AsyncIterator[asyncio.AbstractEventLoop]:
    """Yield the event loop with the exception handler of the operator."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(operator._handle_loop_error)
    yield loop
    loop.set_exception_handler(None)


async def test_error_in_a_callback_is_logged_with_its_traceback(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.call_soon(int, "x")
    await eventually(lambda: caplog.records)

    (record,), text = tuple(caplog.records), caplog.text
    caplog.clear()  # this test causes the error that others must not have
    assert ("asyncio", logging.ERROR) == (record.name, record.levelno)
    assert record.getMessage().startswith("Exception in callback int('x')")
    assert isinstance(record.exc_info, tuple)
    assert ValueError is record.exc_info[0]
    assert "Traceback (most recent call last)" in text


async def test_abandoned_async_generator_is_no_error(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="appstack")
    message = "an error occurred during closing of asynchronous generator"

    loop.call_exception_handler({"message": message, "asyncgen": None})

    assert [f"Ignored event-loop error: {message}"] == caplog.messages
