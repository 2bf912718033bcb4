"""Every fault between the operator and the API server is survived: nothing is missed, and nobody is stormed."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families as parse

from appstack.kopf_adapter.relist import QUIET
from tests.api.conftest import SYSTEM, WORKER, namespace
from tests.api.faults import (
    ALL,
    READS,
    Asked,
    Hanging,
    Proxy,
    ValidationIssue,
    answers_late,
    cuts_lines,
    error_event,
    hangs_up,
    says,
    streams,
)
from tests.api.harness import Cluster, Operator, Space, eventually

FAULTS = [
    ValidationIssue("a connection ends in the middle of a line", cuts_lines),
    ValidationIssue("a connection ends without an answer", hangs_up, READS),
    ValidationIssue("410 Gone in the stream", streams(error_event(410))),
    ValidationIssue("410 Gone as an answer", says(410), READS),
    ValidationIssue("another error in the stream", streams(error_event(500))),
    ValidationIssue("500 to everything", says(500), ALL),
    ValidationIssue("503 to everything", says(503, Retry_After="1"), ALL),
    ValidationIssue("429 to everything", says(429, Retry_After="1"), ALL),
    ValidationIssue("a watch that ends at once", streams()),
    ValidationIssue("a line that is no JSON", streams(b"<html>go away</html>\n")),
    ValidationIssue("an event of nothing", streams(b'{"type": "ADDED", "object": {}}\n')),
    ValidationIssue("a list that is no JSON", says(200, "go away"), READS),
    ValidationIssue("a list of nothing", says(200, {"status": "ok"}), READS),
    ValidationIssue("a definition that is gone", says(404), READS, frozenset({"appstacks"})),
    ValidationIssue("slow answers", answers_late, ALL, times=1),
]
MOST_A_SECOND = 4  # lists, or watches, of one resource


class Gap:
    """Ends a watch, brings each object of the list in a page of its own, and has the second one wait."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = math.inf  # when the first page was asked for
        self.waited = 0  # how often the second page was asked for in vain
        self.watched = False  # after it
        self.single: list[str] = []  # the paths of single objects that were asked for

    async def answer(self, proxy: Proxy, request: web.Request) -> web.StreamResponse:
        """Answer who reads AppStacks."""
        if Asked.of(request).verb == "get":
            self.single.append(request.path)
            return await proxy.forward(request)
        if "watch" in request.query:
            self.watched = self.over
            return await (proxy.forward(request) if self.over else streams(error_event(410))(proxy, request))
        if "continue" not in request.query:
            self._began = time.monotonic()
        elif not self.over:
            self.waited += 1
            return await says(503)(proxy, request)
        return await proxy.forward(request, limit="1")

    @property
    def over(self) -> bool:
        """Whether the second page may come."""
        return time.monotonic() > self._began + self._seconds


@dataclass
class Proxied:
    """An operator, and its way to the API server."""

    operator: Operator
    proxy: Proxy
    cluster: Cluster
    pattern: str

    def count(self, metric: str, **labels: str) -> int:
        """Return the sum of a metric's series that bear these labels."""
        text = self.operator.fetch(self.operator.metrics, "/metrics")
        samples = [sample for family in parse(text) for sample in family.samples if sample.name == metric]
        return int(sum(sample.value for sample in samples if labels.items() <= sample.labels.items()))


def running(cluster: Cluster, kubeconfig: Path, folder: Path, name: str, *, before: str = "") -> Iterator[Proxied]:
    """Give an operator at work behind a proxy."""
    with Proxy(cluster) as proxy:
        pattern = f"{name}-{WORKER}-"
        operator = Operator(
            folder,
            proxy.kubeconfig(kubeconfig, folder),
            before=before,
            identity=name,
            operatorNamespace=SYSTEM,
            namespaces=[f"{pattern}*"],
        )
        operator.start()
        yield Proxied(operator, proxy, cluster, pattern)
        assert 0 == operator.stop(), operator.words()[-3000:]
        assert "Traceback" not in operator.words()


@pytest.fixture(scope="module")
def proxied(cluster: Cluster, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Give an operator behind a proxy."""
    yield from running(cluster, kubeconfig, tmp_path_factory.mktemp("proxied"), "fault")


@pytest.fixture(scope="module")
def impatient(cluster: Cluster, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Give one that waits for seconds where others wait for minutes; a round with its pause takes 17 at most."""
    before = (
        "from appstack.client import requests; requests.SILENCE = 9.0; "
        "from appstack.informers import watch_health; watch_health.STALE = 20.0"
    )
    yield from running(cluster, kubeconfig, tmp_path_factory.mktemp("impatient"), "impatient", before=before)


@pytest.fixture
def behind(proxied: Proxied) -> Iterator[Space]:
    """Give a namespace of the operator behind the proxy."""
    with namespace(proxied.cluster, f"{proxied.pattern}{secrets.token_hex(3)}") as space:
        yield space


class Happening:
    """What happens to AppStacks and their children while the way is broken, and how it should end."""

    def __init__(self, space: Space) -> None:
        self.space = space
        for name in ("edited", "deleted"):
            space.stack(name)
        for name in ("edited", "deleted"):
            space.ready(name)

    def happen(self) -> None:
        """Edit one, create one, delete one, and take a child away."""
        self.space.edit("edited", backend={"image": "busybox:1.36.0"})
        self.space.stack("created")
        self.space.delete("AppStack", "deleted")
        self.space.delete("Service", "edited")

    def ends_well(self) -> None:
        """Wait until all is as it should be."""
        self.space.ready("created")
        eventually(lambda: "busybox:1.36.0" in self._images("edited"))
        eventually(lambda: self.space.exists("Service", "edited"))
        eventually(lambda: not self.space.exists("Deployment", "deleted"))

    def _images(self, name: str) -> list[str]:
        pod = self.space.get("Deployment", name)["spec"]["template"]["spec"]
        return [container["image"] for container in pod["containers"]]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_what_happens_meanwhile_is_carried_out(proxied: Proxied, behind: Space, fault: ValidationIssue) -> None:
    happening, since = Happening(behind), time.monotonic()

    with proxied.proxy.broken(fault):
        happening.happen()
        proxied.proxy.befallen("appstacks", *(() if fault.resources else ("deployments",)), times=fault.times)
        assert proxied.operator.fetch(proxied.operator.health, "/livez") == "ok\n"
    happening.ends_well()

    assert proxied.proxy.busiest(since) <= MOST_A_SECOND
    assert not proxied.operator.exited()


def test_an_api_server_that_is_away(proxied: Proxied, behind: Space) -> None:
    happening, since = Happening(behind), time.monotonic()
    in_vain = partial(proxied.count, "appstack_requests_total", verb="watch", resource="appstacks", code="none")
    before = in_vain()

    with proxied.proxy.away():
        happening.happen()
        eventually(lambda: in_vain() > before)
    happening.ends_well()

    assert proxied.proxy.busiest(since) <= MOST_A_SECOND


def test_statuses_that_hang_in_two_namespaces_hold_up_no_other_while_there_is_work(
    proxied: Proxied, behind: Space
) -> None:
    busy, one, two = (f"{proxied.pattern}{secrets.token_hex(3)}" for _ in range(3))
    with (
        namespace(proxied.cluster, busy) as work,
        namespace(proxied.cluster, one) as first,
        namespace(proxied.cluster, two) as second,
    ):
        told = [f"{space.path('AppStack', 'shop')}/status" for space in (first, second)]
        hanging = Hanging(lambda path: f"/{busy}/" in path or path in told)
        with proxied.proxy.broken(ValidationIssue("writes that hang", hanging.answer, frozenset({"write"})), cut=False):
            work.stack()
            eventually(lambda: hanging.kept)
            first.stack()
            second.stack()
            eventually(lambda: set(told) <= set(hanging.kept))

            behind.stack()
            behind.ready()

            sent = [path for path in hanging.kept if path in told]
            assert sorted(told) == sorted(sent), "the third is told while these hang, and not after"
        for space in (work, first, second):
            space.ready()


def test_a_server_that_fails_between_two_pages_puts_no_stack_in_doubt(proxied: Proxied, behind: Space) -> None:
    names = ("one", "two", "three")
    for name in names:
        behind.stack(name)
    for name in names:
        behind.ready(name)
    gap = Gap(QUIET + 3)

    with proxied.proxy.broken(
        ValidationIssue("a gap in a list", gap.answer, READS | {"get"}, frozenset({"appstacks"}))
    ):
        eventually(lambda: gap.over)
        eventually(lambda: gap.watched)

    assert gap.waited > 0
    assert [] == [path for path in gap.single if path.startswith(behind.path("AppStack"))]
    behind.edit("three", backend={"image": "busybox:1.36.0"})
    behind.ready("three")


def test_what_was_deleted_meanwhile_is_forgotten(proxied: Proxied) -> None:
    eventually(lambda: proxied.count("appstack_stacks", condition="Ready") == 0, within=60)


def test_a_watch_that_falls_silent_is_begun_anew_and_ready_tells_the_truth(impatient: Proxied) -> None:
    operator, proxy = impatient.operator, impatient.proxy
    down = ValidationIssue("503", says(503), READS, frozenset({"appstacks"}))

    with namespace(impatient.cluster, f"{impatient.pattern}half-open") as space:
        happening, since = Happening(space), time.monotonic()
        with proxy.broken(down, cut=False):
            assert proxy.freeze() >= 18
            happening.happen()
            eventually(lambda: "appstacks" in operator.fetch(operator.health, "/readyz"))
            assert operator.fetch(operator.health, "/livez") == "ok\n"
        eventually(lambda: "appstacks" not in operator.fetch(operator.health, "/readyz"))
        happening.ends_well()

        assert proxy.busiest(since) <= MOST_A_SECOND
