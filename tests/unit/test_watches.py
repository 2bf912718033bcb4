"""Watches of named namespaces: permission in one of them is no condition for the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from appstack.client.resource_kinds import WATCHED_KINDS
from appstack.errors import OperatorError
from appstack.informers.watch_health import STALE_SECONDS
from appstack.kopf_adapter import watches
from appstack.kopf_adapter.source import KopfSource
from appstack.operator import Operator
from appstack.settings import Settings
from appstack.telemetry import metrics
from tests.unit.api_server import FakeApiServer
from tests.unit.background import eventually
from tests.unit.clock import ManualClock

SETTINGS = Settings(namespaces=("team-a", "team-b"), disabled_kinds=("HTTPRoute",))
PLURALS = {kind.plural for kind in WATCHED_KINDS} - {"namespaces", "httproutes"}


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the namespaces whose AppStacks are watched; kopf itself needs a real API server."""
    started: list[str] = []

    async def run(self: KopfSource, stop: asyncio.Event, *, on_start: object) -> None:
        started.append(self._health.namespace)
        self._health.synced()
        await stop.wait()

    monkeypatch.setattr(KopfSource, "run", run)
    return started


@pytest.fixture
async def operator(
    api_server: FakeApiServer, watch_clock: ManualClock, sources: list[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Operator]:
    """Yield an operator of two namespaces, not started, that retries soon after a missing permission."""
    monkeypatch.setattr(watches, "FORBIDDEN_RETRY_SECONDS", 0.01)
    operator = Operator(SETTINGS, api_server.credentials())
    yield operator
    await operator.close()


def watched(api_server: FakeApiServer) -> set[tuple[str, str]]:
    """Return the namespace and resource of each open watch."""
    return {(request.namespace, request.resource) for request in api_server.received("watch")}


async def test_each_namespace_has_its_watches_and_disabled_kinds_have_none(
    api_server: FakeApiServer, operator: Operator, sources: list[str]
) -> None:
    run = asyncio.create_task(operator.run())
    expected = {(name, plural) for name in SETTINGS.namespaces for plural in PLURALS} | {("", "namespaces")}
    await eventually(lambda: expected == watched(api_server))
    await eventually(lambda: set(SETTINGS.namespaces) == set(sources))

    operator.stop()
    await run


async def test_namespace_without_permission_is_watched_once_it_is_granted(
    api_server: FakeApiServer,
    operator: Operator,
    watch_clock: ManualClock,
    sources: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="appstack")
    api_server.fail("list", "services", 403, message="no role", namespace="team-b")
    run = asyncio.create_task(operator.run())
    await eventually(lambda: sources == ["team-a"])
    assert float("inf") == metrics.REGISTRY.get_sample_value("appstack_watch_age_seconds", {"resource": "services"})
    assert "Namespace team-b is not reconciled until its Role permits it" in caplog.text

    await eventually(lambda: "" == operator.readiness_error())
    api_server.fail("list", "appstacks", 403, message="no role", namespace="team-b")
    attempts = partial(api_server.received, "list", "appstacks", namespace="team-b")
    for _ in range(3):
        before = len(attempts())
        watch_clock.advance(STALE_SECONDS / 2)
        await eventually(lambda before=before: len(attempts()) > before + 1)  # type: ignore[misc]
        api_server.send_bookmarks()
        operator._watches.sets[0].appstack_health.synced()
        await eventually(lambda: "" == operator.liveness_error())

    assert ["team-a"] == sources, "AppStacks whose children are unknown are not delivered"
    assert ("team-b", "services") not in watched(api_server)
    api_server.recover()
    await eventually(lambda: sources == ["team-a", "team-b"])
    await eventually(lambda: ("team-b", "services") in watched(api_server))
    assert "Namespace team-b is reconciled" in caplog.text
    operator.stop()
    await run


async def test_operator_without_permission_in_any_namespace_ends(api_server: FakeApiServer, operator: Operator) -> None:
    api_server.fail("list", "services", 403, message="no role")

    with pytest.raises(OperatorError, match="The operator may not read the objects that it manages: no role"):
        await operator.run()
