"""The status writer: which statuses are written, and the effect of a write that succeeds or fails."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from appstack.controller.status_writer import STATUS_DEBOUNCE_SECONDS
from appstack.k8s.metadata import Key, Ref
from appstack.planning.changes import Applied
from appstack.planning.reconcile_state import NEVER
from appstack.settings import Settings
from appstack.telemetry import logs
from appstack.workqueue.queue import DONE, Result
from tests.unit.background import eventually, run_ready_tasks
from tests.unit.status_writing import SHOP, STATUS_RESOURCE, StatusWriting, status

SERVICE = Ref("v1", "Service", "team", "shop")
JOB_ENTRY = {"apiVersion": "batch/v1", "kind": "Job", "name": "shop", "rendered": "r", "fields": "f"}
STALLED = {"type": "Stalled", "status": "True", "reason": "InvalidSpec", "message": "spec.backend: is required"}


async def test_status_that_differs_is_written_to_the_api_server_and_the_store(writing: StatusWriting) -> None:
    assert Result(keep_backoff=True) == await writing.reconciled(status(1))
    await writing.finish()

    assert status(1) == writing.stored().manifest["status"]
    assert status(1) == (writing.api_server.get(SHOP.ref) or {})["status"]
    assert writing.clock.now == writing.stored().state.last_status_write


async def test_status_that_does_not_differ_is_not_written(writing: StatusWriting) -> None:
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T08:00:00Z"}
    writing.add(status=status(1, conditions=[condition]))

    later = condition | {"lastTransitionTime": "2026-11-21T09:00:00Z"}
    assert DONE == await writing.reconciled(status(1, conditions=[later]))

    assert [] == writing.writer.tasks()
    assert [] == writing.requests()


async def test_status_that_the_store_shows_as_written_meanwhile_is_not_written(writing: StatusWriting) -> None:
    state = writing.stored().state
    state.last_status_write = writing.clock.now
    await writing.reconciled(status(1))
    writing.add(status=status(1))

    writing.clock.advance(STATUS_DEBOUNCE_SECONDS)
    await writing.finish()

    assert [] == writing.requests()
    assert (None, None) == (state.pending_status, state.outdated_since)


async def test_reconcile_that_builds_the_written_status_ends_its_outdated_time(writing: StatusWriting) -> None:
    writing.writer.close()
    await writing.reconciled(status(1))
    assert 0 == writing.stored().state.outdated_since

    writing.add(status=status(1))
    await writing.reconciled(status(1))

    assert writing.stored().state.outdated_since is None


async def test_status_of_an_appstack_that_is_being_deleted_is_not_written(writing: StatusWriting) -> None:
    writing.writer.close()
    await writing.reconciled(status(1))
    deleting = writing.stored().manifest
    deleting["metadata"] |= {"deletionTimestamp": "2026-11-21T08:00:00Z", "resourceVersion": "100000"}
    writing.appstacks.update(deleting)

    assert DONE == await writing.writer._write(SHOP)
    assert [] == writing.requests()


async def test_status_of_a_former_appstack_of_the_same_name_is_dropped(writing: StatusWriting) -> None:
    former = writing.stored()
    writing.api_server.remove(SHOP.ref)
    writing.add()

    assert DONE == await writing.writer.submit(SHOP, former, status(1), DONE)

    assert writing.stored().state.pending_status is None
    assert [] == writing.writer.tasks()


async def test_appstack_that_does_not_exist_is_dropped_from_the_store(writing: StatusWriting) -> None:
    writing.api_server.remove(SHOP.ref)

    await writing.reconciled(status(1))
    await writing.finish()

    assert writing.appstacks.get(SHOP) is None
    writing.clock.advance(300)
    assert SHOP not in writing.queue, "nothing to retry"


@pytest.mark.parametrize(("consecutive_outages", "written"), [(0, [1]), (1, []), (2, []), (3, [1])])
async def test_short_outage_of_the_api_server_needs_no_status(
    writing: StatusWriting, consecutive_outages: int, written: list[int]
) -> None:
    writing.stored().state.consecutive_outages = consecutive_outages

    await writing.reconciled(status(1), Result(failed=True))
    await writing.finish()

    assert written == writing.written()


async def test_failed_write_retries_the_appstack_with_backoff_and_a_success_ends_it(writing: StatusWriting) -> None:
    writing.api_server.fail("apply", STATUS_RESOURCE, 500, times=2)
    delays = []
    for replicas in (1, 2):
        await writing.reconciled(status(replicas))
        await writing.finish()
        delays.append(writing.seconds_until_retry())
        await writing.queue.get()
        writing.queue.done(SHOP, Result(keep_backoff=True))
    await writing.reconciled(status(3))
    await writing.finish()
    assert [0.5, 1.0] == delays
    assert [1, 2, 3] == writing.written()

    writing.queue.retry(SHOP)
    assert 0.5 == writing.seconds_until_retry(), "the back-off starts again"


@pytest.mark.parametrize(("code", "retry_after", "delay"), [(429, 7.0, 7.0), (422, None, 0.5)])
async def test_refused_write_is_retried_as_the_server_asks(
    writing: StatusWriting, code: int, retry_after: float | None, delay: float, caplog: pytest.LogCaptureFixture
) -> None:
    writing.api_server.fail("apply", STATUS_RESOURCE, code, retry_after=retry_after, times=1)

    await writing.reconciled(status(1))
    await writing.finish()

    assert delay == writing.seconds_until_retry()
    assert "Status not written: AppStack team/shop: failure of the test" in caplog.text


async def test_status_of_a_failed_reconcile_does_not_end_its_backoff(writing: StatusWriting) -> None:
    writing.queue.retry(SHOP)
    writing.queue.retry(SHOP)

    assert Result(failed=True, keep_backoff=True) == await writing.reconciled(status(1), Result(failed=True))
    await writing.finish()
    assert [1] == writing.written()
    writing.seconds_until_retry()
    await writing.queue.get()
    writing.queue.done(SHOP, Result(failed=True))

    assert 2.0 == writing.seconds_until_retry(), "the third failure in a row"


async def test_record_of_run_once_work_is_written_before_submit_returns(writing: StatusWriting) -> None:
    writing.stored().state.last_status_write = writing.clock.now
    writing.stored().state.consecutive_outages = 1

    result = await writing.reconciled(status(1, resources=[JOB_ENTRY | {"specHash": "h"}]))

    assert DONE == result
    assert [1] == writing.written()
    assert status(1, resources=[JOB_ENTRY | {"specHash": "h"}]) == writing.stored().manifest["status"]


async def test_record_of_run_once_work_follows_the_write_in_flight_before_submit_returns(
    writing: StatusWriting,
) -> None:
    gate = writing.api_server.hold("apply", STATUS_RESOURCE)
    await writing.reconciled(status(1))
    await eventually(lambda: gate.waiting)
    submitted = asyncio.create_task(writing.reconciled(status(2, resources=[JOB_ENTRY | {"specHash": "h"}])))
    await run_ready_tasks()
    assert [1] == writing.written()

    gate.let_pass()
    await eventually(lambda: gate.waiting and writing.written() == [1, 2])
    assert not submitted.done()
    gate.let_pass()

    assert DONE == await submitted
    assert 2 == writing.stored().manifest["status"]["replicas"]


async def test_failed_write_of_run_once_work_after_the_write_in_flight_fails_the_reconcile(
    writing: StatusWriting,
) -> None:
    gate = writing.api_server.hold("apply", STATUS_RESOURCE)
    await writing.reconciled(status(1))
    await eventually(lambda: gate.waiting)
    submitted = asyncio.create_task(writing.reconciled(status(2, resources=[JOB_ENTRY | {"specHash": "h"}])))
    await run_ready_tasks()
    gate.let_pass()
    await eventually(lambda: gate.waiting and writing.written() == [1, 2])
    writing.api_server.fail("apply", STATUS_RESOURCE, 503, retry_after=3.0, times=1)
    gate.open()

    assert Result(requeue_after=3.0, failed=True) == await submitted
    assert status(1) == writing.stored().manifest["status"], "the record was not written"


async def test_failed_write_of_run_once_work_fails_the_reconcile(writing: StatusWriting) -> None:
    writing.api_server.fail("apply", STATUS_RESOURCE, 503, retry_after=3.0)

    result = await writing.reconciled(status(1, resources=[JOB_ENTRY | {"specHash": "h"}]))

    assert Result(requeue_after=3.0, failed=True) == result


async def test_field_name_of_the_former_release_is_rewritten_only_with_another_change(writing: StatusWriting) -> None:
    writing.add(status=status(1, resources=[JOB_ENTRY | {"wish": "h"}]))
    present = JOB_ENTRY | {"specHash": "h"}

    assert DONE == await writing.reconciled(status(1, resources=[present]))
    await writing.finish()
    assert [] == writing.requests()

    await writing.reconciled(status(2, resources=[present]))
    await writing.finish()
    (request,) = writing.requests()
    assert [present] == request.body["status"]["resources"]


async def test_written_status_forgets_the_children_it_covers_and_none_that_was_applied_since(
    writing: StatusWriting,
) -> None:
    recorded, later = Applied(SERVICE, "r1", "f1"), Applied(Ref("v1", "ConfigMap", "team", "shop"), "r2", "f2")
    removed = Applied(Ref("networking.k8s.io/v1", "NetworkPolicy", "team", "shop"), "r3", "f3")
    entry = {"apiVersion": "v1", "kind": "Service", "name": "shop", "rendered": "r1", "fields": "f1"}
    state = writing.stored().state
    gate = writing.api_server.hold("apply", STATUS_RESOURCE)
    state.record_applied({SERVICE: recorded, removed.ref: removed})
    await writing.reconciled(status(1, resources=[entry]))
    await eventually(lambda: gate.waiting)
    state.record_applied({later.ref: later})
    assert [recorded, removed, later] == list(state.unrecorded)

    gate.open()
    await writing.finish()

    assert [later] == list(state.unrecorded)


async def test_failed_write_leaves_the_applied_children_unrecorded(writing: StatusWriting) -> None:
    state = writing.stored().state
    state.record_applied({SERVICE: Applied(SERVICE, "r1", "f1")})
    writing.api_server.fail("apply", STATUS_RESOURCE, 500)

    await writing.reconciled(status(1))
    await writing.finish()

    assert (Applied(SERVICE, "r1", "f1"),) == state.unrecorded
    assert NEVER == state.last_status_write


@pytest.mark.parametrize("writing", [1], indirect=True)
async def test_log_line_of_a_status_write_has_the_context_of_its_own_appstack(
    writing: StatusWriting, capsys: pytest.CaptureFixture[str], root_logger: logging.Logger
) -> None:
    logs.configure(Settings(log_format="json"))
    gate = writing.api_server.hold("apply", STATUS_RESOURCE)
    keys = Key("team", "first"), Key("team", "second")
    for key in keys:
        writing.add(key)
        with logs.stack_context(key.namespace, key.name):
            await writing.reconciled(status(1), key=key)
    await eventually(lambda: gate.waiting)
    writing.api_server.fail("apply", STATUS_RESOURCE, 422)

    gate.open()  # the end of the first write starts the second
    await writing.finish()

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(key.name, f"team/{key.name}") for key in keys] == [(line["name"], line["appstack"]) for line in lines]


async def test_transition_is_recorded_as_an_event_after_the_status(writing: StatusWriting) -> None:
    await writing.reconciled(status(1, conditions=[STALLED]))
    await writing.finish()
    writing.clock.advance(10)
    await writing.reconciled(status(2, conditions=[STALLED]))
    await writing.finish()

    assert [STATUS_RESOURCE, "events", STATUS_RESOURCE] == [one.resource for one in writing.api_server.requests]
    (event,) = writing.api_server.received("create", "events")
    assert ("InvalidSpec", "shop") == (event.body["reason"], event.body["regarding"]["name"])
