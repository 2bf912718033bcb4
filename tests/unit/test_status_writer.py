"""When a status is told: with nothing lost, and not too often."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from appstack.client.client import Client
from appstack.client.credentials import ClusterConfig, Credentials
from appstack.controller import status_writer as publish
from appstack.controller.status_writer import StatusWriter
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.object_store import Key
from appstack.workqueue.queue import DONE, Result

KEY = Key("team", "shop")
METADATA = {"name": "shop", "namespace": "team", "uid": "u1", "resourceVersion": "5", "generation": 1}
DOC: dict[str, Any] = {"metadata": METADATA, "spec": {}}
STATUS = {"observedGeneration": 1}


@pytest.fixture
def stacks() -> AppStackStore:
    """Give one stack, of which nothing was ever told."""
    found = AppStackStore()
    found.show(DOC)
    return found


@pytest.fixture
async def status_writer(stacks: AppStackStore) -> AsyncIterator[StatusWriter]:
    """Give one that has nobody to talk to: what is only kept is not sent."""
    client = Client(Credentials(ClusterConfig("http://127.0.0.1:1", None, None, None, lambda: None)), in_flight=1)
    yield StatusWriter(client=client, stacks=stacks, instance="test")
    await client.close()


def just_told(stacks: AppStackStore) -> None:
    stacks.reported(KEY, {"metadata": METADATA}, status={}, at=time.monotonic())


async def test_what_differs_is_told_and_what_does_not_is_not(status_writer: StatusWriter) -> None:
    assert Result(tell=True) == status_writer.keep(KEY, DOC, STATUS, DONE)
    assert DONE == status_writer.keep(KEY, DOC | {"status": STATUS}, STATUS, DONE)


async def test_a_second_write_within_a_second_waits(status_writer: StatusWriter, stacks: AppStackStore) -> None:
    just_told(stacks)

    again = status_writer.keep(KEY, DOC, STATUS, DONE)

    assert not again.tell
    assert again.after is not None
    assert 0 < again.after <= 1


async def test_after_a_failure_it_does_not_wait_for_the_next_look_that_may_be_minutes_away(
    status_writer: StatusWriter, stacks: AppStackStore
) -> None:
    just_told(stacks)

    assert Result(failed=True, tell=True) == status_writer.keep(KEY, DOC, STATUS, Result(failed=True))


async def test_who_is_looked_at_again_and_again_is_told_of_some_day(
    status_writer: StatusWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    status_writer.keep(KEY, DOC, STATUS, DONE, since=status_writer.drop(KEY))
    first = status_writer.drop(KEY)
    assert first is not None
    monkeypatch.setattr(publish, "_OVERDUE", 60.0)
    status_writer.keep(KEY, DOC, STATUS, DONE, since=first)
    assert not status_writer.urgent(KEY)

    again = status_writer.drop(KEY)
    assert first == again, "each look finds it anew, and keeps in mind since when"
    status_writer.keep(KEY, DOC, STATUS, DONE, since=first - 61.0)
    assert status_writer.urgent(KEY)


async def test_news_of_work_that_runs_once_waits_for_nothing(
    status_writer: StatusWriter, stacks: AppStackStore
) -> None:
    record = {"apiVersion": "batch/v1", "kind": "Job", "name": "shop", "rendered": "r", "fields": "f", "wish": "w"}
    told, ended = ({"resources": [entry]} for entry in (record, record | {"ended": "Completed"}))
    just_told(stacks)
    stacks.struck(KEY, uid="u1", available=False)

    assert Result(tell=True) == status_writer.keep(KEY, DOC | {"status": told}, ended, DONE)
    assert status_writer.urgent(KEY)


async def test_other_news_waits_for_its_turn(status_writer: StatusWriter) -> None:
    status_writer.keep(KEY, DOC, STATUS, DONE)

    assert not status_writer.urgent(KEY)
