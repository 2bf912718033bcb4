"""When a status is told: with nothing lost, and not too often."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from appstack.client.client import Client
from appstack.client.credentials import Credentials, Login
from appstack.controller import status_writer as publish
from appstack.controller.status_writer import Publisher
from appstack.informers.appstack_store import Stacks
from appstack.informers.object_store import Key
from appstack.workqueue.queue import DONE, Again

KEY = Key("team", "shop")
METADATA = {"name": "shop", "namespace": "team", "uid": "u1", "resourceVersion": "5", "generation": 1}
DOC: dict[str, Any] = {"metadata": METADATA, "spec": {}}
STATUS = {"observedGeneration": 1}


@pytest.fixture
def stacks() -> Stacks:
    """Give one stack, of which nothing was ever told."""
    found = Stacks()
    found.show(DOC)
    return found


@pytest.fixture
async def publisher(stacks: Stacks) -> AsyncIterator[Publisher]:
    """Give one that has nobody to talk to: what is only kept is not sent."""
    client = Client(Credentials(Login("http://127.0.0.1:1", None, None, None, lambda: None)), in_flight=1)
    yield Publisher(client=client, stacks=stacks, instance="test")
    await client.close()


def just_told(stacks: Stacks) -> None:
    stacks.reported(KEY, {"metadata": METADATA}, status={}, at=time.monotonic())


async def test_what_differs_is_told_and_what_does_not_is_not(publisher: Publisher) -> None:
    assert Again(tell=True) == publisher.keep(KEY, DOC, STATUS, DONE)
    assert DONE == publisher.keep(KEY, DOC | {"status": STATUS}, STATUS, DONE)


async def test_a_second_write_within_a_second_waits(publisher: Publisher, stacks: Stacks) -> None:
    just_told(stacks)

    again = publisher.keep(KEY, DOC, STATUS, DONE)

    assert not again.tell
    assert again.after is not None
    assert 0 < again.after <= 1


async def test_after_a_failure_it_does_not_wait_for_the_next_look_that_may_be_minutes_away(
    publisher: Publisher, stacks: Stacks
) -> None:
    just_told(stacks)

    assert Again(failed=True, tell=True) == publisher.keep(KEY, DOC, STATUS, Again(failed=True))


async def test_who_is_looked_at_again_and_again_is_told_of_some_day(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.keep(KEY, DOC, STATUS, DONE, since=publisher.drop(KEY))
    first = publisher.drop(KEY)
    assert first is not None
    monkeypatch.setattr(publish, "_OVERDUE", 60.0)
    publisher.keep(KEY, DOC, STATUS, DONE, since=first)
    assert not publisher.urgent(KEY)

    again = publisher.drop(KEY)
    assert first == again, "each look finds it anew, and keeps in mind since when"
    publisher.keep(KEY, DOC, STATUS, DONE, since=first - 61.0)
    assert publisher.urgent(KEY)


async def test_news_of_work_that_runs_once_waits_for_nothing(publisher: Publisher, stacks: Stacks) -> None:
    record = {"apiVersion": "batch/v1", "kind": "Job", "name": "shop", "rendered": "r", "fields": "f", "wish": "w"}
    told, ended = ({"resources": [entry]} for entry in (record, record | {"ended": "Completed"}))
    just_told(stacks)
    stacks.struck(KEY, uid="u1", available=False)

    assert Again(tell=True) == publisher.keep(KEY, DOC | {"status": told}, ended, DONE)
    assert publisher.urgent(KEY)


async def test_other_news_waits_for_its_turn(publisher: Publisher) -> None:
    publisher.keep(KEY, DOC, STATUS, DONE)

    assert not publisher.urgent(KEY)
