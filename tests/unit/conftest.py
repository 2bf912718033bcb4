"""Fixtures of the unit tests: the fake API server, the manual clock, and the check for unhandled errors."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest

from appstack.client.client import Client
from appstack.controller.namespace_filter import LabelledNamespaceFilter
from appstack.informers import informer
from appstack.informers.object_store import ObjectStore
from appstack.informers.watch_health import WatchHealth
from appstack.kopf_adapter import watches
from appstack.settings import Settings
from appstack.workqueue.queue import WorkQueue
from appstack.workqueue.timing import Backoff, RateLimit
from tests.unit.api_server import FakeApiServer
from tests.unit.clock import ManualClock
from tests.unit.handlers import RecordingNamespaceHandler
from tests.unit.owned_objects import EXCLUDED_NAMESPACE
from tests.unit.status_writing import StatusWriting

_LOOP_LOGGERS = frozenset({"asyncio", "aiohttp.server"})


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still until the test advances it."""
    return ManualClock()


@pytest.fixture
async def api_server() -> AsyncIterator[FakeApiServer]:
    """Yield a fake API server without objects."""
    async with FakeApiServer.started() as server:
        yield server


@pytest.fixture
async def client(api_server: FakeApiServer) -> AsyncIterator[Client]:
    """Yield a client of the fake API server."""
    client = Client(api_server.credentials(), in_flight=32)
    yield client
    await client.close()


@pytest.fixture
def namespaces(clock: ManualClock) -> LabelledNamespaceFilter:
    """Return a filter that selects every namespace except one."""
    settings = Settings(exclude_namespaces=(EXCLUDED_NAMESPACE,))
    return LabelledNamespaceFilter(settings, clock, RecordingNamespaceHandler())


@pytest.fixture
def objects(namespaces: LabelledNamespaceFilter) -> ObjectStore:
    """Return an empty object store."""
    return ObjectStore(namespaces)


@pytest.fixture
def closed_queue(clock: ManualClock) -> WorkQueue[str]:
    """Return a queue that is not open yet, for eight workers; its keys are `tenant/name`."""
    return WorkQueue(
        clock,
        tenant=lambda key: key.partition("/")[0],
        workers=8,
        backoff=Backoff(first=1, longest=8, jitter=0.5),
        rate_limit=RateLimit(burst=3, interval=2),
        chance=lambda: 0.5,
    )


@pytest.fixture
def queue(closed_queue: WorkQueue[str]) -> WorkQueue[str]:
    """Return an open queue."""
    closed_queue.open()
    return closed_queue


@pytest.fixture
def watch_clock(monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> ManualClock:
    """Return the clock by which watches count as fresh, stable and alive."""
    for module in (informer, watches):
        monkeypatch.setattr(module, "WatchHealth", partial(WatchHealth, now=clock.time))
    return clock


@pytest.fixture
async def writing(
    request: pytest.FixtureRequest, clock: ManualClock, api_server: FakeApiServer, client: Client
) -> AsyncIterator[StatusWriting]:
    """Yield a status writer and one AppStack. The parameter is the maximum of writes in flight, by default 16."""
    writing = StatusWriting(clock, api_server, client, max_in_flight=getattr(request, "param", 16))
    writing.add()
    yield writing
    await writing.stop()


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """Yield the root logger, which the test may configure."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)


@pytest.fixture(autouse=True)
def no_unhandled_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test with an error that no task received: one in a callback, or in a handler of the fake API server."""
    yield
    logged = [record for phase in ("setup", "call", "teardown") for record in caplog.get_records(phase)]
    errors = [record for record in logged if record.name in _LOOP_LOGGERS and record.levelno >= logging.ERROR]
    assert [] == [f"{record.getMessage()}: {record.exc_info}" for record in errors]
