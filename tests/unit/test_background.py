"""Errors of background tasks and callbacks fail the unit test that started them."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.background import run_ready_tasks, running


async def crash() -> None:
    """Raise an error."""
    raise RuntimeError("the informer has crashed")


async def time_out_beside_a_crash() -> None:
    """Raise TimeoutError in the block of a background task that crashes."""
    async with running(crash()):
        await run_ready_tasks()
        raise TimeoutError("nothing happened")


async def wait_forever() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()


async def test_error_of_a_background_task_is_raised_when_the_block_ends() -> None:
    with pytest.raises(RuntimeError, match="the informer has crashed"):
        async with running(wait_forever(), crash()):
            await run_ready_tasks()


async def test_error_of_a_background_task_is_raised_beside_that_of_the_block() -> None:
    with pytest.raises(RuntimeError, match="the informer has crashed") as raised:
        await time_out_beside_a_crash()

    assert isinstance(raised.value.__context__, TimeoutError)


async def test_background_tasks_are_cancelled_when_the_block_ends() -> None:
    async with running(wait_forever()) as tasks:
        await run_ready_tasks()

    assert [True] == [task.cancelled() for task in tasks]


async def test_error_in_a_callback_fails_the_test(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await run_ready_tasks()

    assert ["asyncio"] == [record.name for record in caplog.records]
    caplog.clear()  # else the fixture `no_unhandled_errors` would fail this test as well
