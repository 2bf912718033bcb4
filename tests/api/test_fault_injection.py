"""Fault injection between an operator and the API server: no change is missed and no server is overloaded."""

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

from appstack.kopf_adapter.relist import LIST_QUIET_SECONDS
from tests.api.cluster import Cluster, Namespace, eventually
from tests.api.conftest import OPERATOR_NAMESPACE, RUN_ID, temporary_namespace
from tests.api.fault_proxy import (
    ALL_VERBS,
    READS,
    Fault,
    FaultProxy,
    HeldRequests,
    ProxiedRequest,
    close_connection,
    error_event,
    respond_late,
    respond_with,
    stream_lines,
    truncate_event,
)
from tests.api.operator_process import OperatorProcess, replace_constants

FAULTS = [
    Fault("a connection that ends in the middle of a line", truncate_event),
    Fault("a connection that ends without a response", close_connection, READS),
    Fault("410 Gone in the stream", stream_lines(error_event(410))),
    Fault("410 Gone as a response", respond_with(410), READS),
    Fault("another error in the stream", stream_lines(error_event(500))),
    Fault("500 to every request", respond_with(500), ALL_VERBS),
    Fault("503 to every request", respond_with(503, Retry_After="1"), ALL_VERBS),
    Fault("429 to every request", respond_with(429, Retry_After="1"), ALL_VERBS),
    Fault("a watch that ends at once", stream_lines()),
    Fault("a line that is not JSON", stream_lines(b"<html>go away</html>\n")),
    Fault("an event with an empty object", stream_lines(b'{"type": "ADDED", "object": {}}\n')),
    Fault("a list that is not JSON", respond_with(200, "go away"), READS),
    Fault("a list without items", respond_with(200, {"status": "ok"}), READS),
    Fault("a deleted definition", respond_with(404), READS, frozenset({"appstacks"})),
    Fault("late responses", respond_late, ALL_VERBS, min_hits=1),
]
MAX_READS_PER_SECOND = 4  # lists, or watches, of one resource

SHORT_WATCH_TIMEOUTS = "; ".join(
    [
        replace_constants("appstack.client.requests", WATCH_SILENCE_SECONDS="9.0"),
        replace_constants("appstack.informers.watch_health", STALE_SECONDS="20.0"),
    ]
)
"""Replaces intervals of minutes: a watch round with its back-off then takes at most 17 seconds."""
MIN_OPEN_WATCHES = 18


class InterruptedPagination:
    """Ends a watch with 410, then returns one object per page and answers the second page with 503 for a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._first_page_at = math.inf
        self.refused_pages = 0
        self.watch_resumed = False  # after the interruption
        self.object_paths: list[str] = []  # single objects that were requested

    async def respond(self, proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
        """Respond to a request for AppStacks."""
        if ProxiedRequest.parse(request).verb == "get":
            self.object_paths.append(request.path)
            return await proxy.forward(request)
        if "watch" in request.query:
            self.watch_resumed = self.is_over
            if self.is_over:
                return await proxy.forward(request)
            return await stream_lines(error_event(410))(proxy, request)
        if "continue" not in request.query:
            self._first_page_at = time.monotonic()
        elif not self.is_over:
            self.refused_pages += 1
            return await respond_with(503)(proxy, request)
        return await proxy.forward(request, limit="1")

    @property
    def is_over(self) -> bool:
        """Whether the second page is available."""
        return time.monotonic() > self._first_page_at + self._seconds


@dataclass
class ProxiedOperator:
    """An operator that reaches the API server through a fault proxy."""

    process: OperatorProcess
    proxy: FaultProxy
    cluster: Cluster
    namespace_prefix: str

    def metric(self, name: str, **labels: str) -> int:
        """Return the sum of a metric's series that have these labels."""
        text = self.process.fetch(self.process.metrics_port, "/metrics")
        samples = [sample for family in parse(text) for sample in family.samples if sample.name == name]
        return int(sum(sample.value for sample in samples if labels.items() <= sample.labels.items()))

    def health(self, path: str) -> str:
        """Return the body of a health endpoint."""
        return self.process.fetch(self.process.health_port, path)


def run_operator(
    cluster: Cluster, kubeconfig: Path, folder: Path, name: str, *, setup_code: str = ""
) -> Iterator[ProxiedOperator]:
    """Yield a running operator behind a proxy; stop it and check its log afterwards."""
    with FaultProxy(cluster) as proxy:
        prefix = f"{name}-{RUN_ID}-"
        process = OperatorProcess(
            folder,
            proxy.kubeconfig(kubeconfig, folder),
            setup_code=setup_code,
            identity=name,
            operatorNamespace=OPERATOR_NAMESPACE,
            namespaces=[f"{prefix}*"],
        )
        process.start()
        yield ProxiedOperator(process, proxy, cluster, prefix)
        assert 0 == process.stop(), process.log_text()[-3000:]
        assert "Traceback" not in process.log_text()


@pytest.fixture(scope="module")
def proxied(cluster: Cluster, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxiedOperator]:
    """Return an operator behind a proxy."""
    yield from run_operator(cluster, kubeconfig, tmp_path_factory.mktemp("proxied"), "fault")


@pytest.fixture(scope="module")
def impatient(
    cluster: Cluster, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProxiedOperator]:
    """Return an operator behind a proxy, with watch timeouts of seconds instead of minutes."""
    folder = tmp_path_factory.mktemp("impatient")
    yield from run_operator(cluster, kubeconfig, folder, "impatient", setup_code=SHORT_WATCH_TIMEOUTS)


@pytest.fixture
def namespace(proxied: ProxiedOperator) -> Iterator[Namespace]:
    """Return a namespace that the operator behind the proxy reconciles."""
    with temporary_namespace(proxied.cluster, f"{proxied.namespace_prefix}{secrets.token_hex(3)}") as namespace:
        yield namespace


class Changes:
    """Changes to AppStacks and children that are made during a fault, and their expected result."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        for name in ("edited", "deleted"):
            namespace.create_stack(name)
        for name in ("edited", "deleted"):
            namespace.wait_until_ready(name)

    def make(self) -> None:
        """Edit one AppStack, create one, delete one, and delete a child."""
        self.namespace.edit_stack("edited", backend={"image": "busybox:1.36.0"})
        self.namespace.create_stack("created")
        self.namespace.delete("AppStack", "deleted")
        self.namespace.delete("Service", "edited")

    def wait_until_reconciled(self) -> None:
        """Wait until every change is reconciled."""
        self.namespace.wait_until_ready("created")
        eventually(lambda: "busybox:1.36.0" in self._images("edited"))
        eventually(lambda: self.namespace.exists("Service", "edited"))
        eventually(lambda: not self.namespace.exists("Deployment", "deleted"))

    def _images(self, name: str) -> list[str]:
        pod = self.namespace.get("Deployment", name)["spec"]["template"]["spec"]
        return [container["image"] for container in pod["containers"]]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_changes_during_a_fault_are_reconciled(proxied: ProxiedOperator, namespace: Namespace, fault: Fault) -> None:
    changes, since = Changes(namespace), time.monotonic()

    with proxied.proxy.inject(fault):
        changes.make()
        resources = ("appstacks", *(() if fault.resources else ("deployments",)))
        proxied.proxy.wait_for_hits(*resources, min_hits=fault.min_hits)
        assert proxied.health("/livez") == "ok\n"
    changes.wait_until_reconciled()

    assert proxied.proxy.max_reads_per_second(since) <= MAX_READS_PER_SECOND
    assert not proxied.process.exited()


def test_changes_while_the_api_server_is_unreachable_are_reconciled(
    proxied: ProxiedOperator, namespace: Namespace
) -> None:
    changes, since = Changes(namespace), time.monotonic()
    failed_watches = partial(proxied.metric, "appstack_requests_total", verb="watch", resource="appstacks", code="none")
    before = failed_watches()

    with proxied.proxy.unreachable():
        changes.make()
        eventually(lambda: failed_watches() > before)
    changes.wait_until_reconciled()

    assert proxied.proxy.max_reads_per_second(since) <= MAX_READS_PER_SECOND


def test_status_writes_that_hang_in_two_namespaces_delay_no_other_namespace(
    proxied: ProxiedOperator, namespace: Namespace
) -> None:
    busy_name, first_name, second_name = (f"{proxied.namespace_prefix}{secrets.token_hex(3)}" for _ in range(3))
    with (
        temporary_namespace(proxied.cluster, busy_name) as busy,
        temporary_namespace(proxied.cluster, first_name) as first,
        temporary_namespace(proxied.cluster, second_name) as second,
    ):
        status_paths = [f"{hung.path('AppStack', 'shop')}/status" for hung in (first, second)]
        held = HeldRequests(lambda path: f"/{busy_name}/" in path or path in status_paths)
        fault = Fault("writes that hang", held.respond, frozenset({"write"}))
        with proxied.proxy.inject(fault, cut_watches=False):
            busy.create_stack()
            eventually(lambda: held.paths)
            first.create_stack()
            second.create_stack()
            eventually(lambda: set(status_paths) <= set(held.paths))

            namespace.create_stack()
            namespace.wait_until_ready()

            hanging = [path for path in held.paths if path in status_paths]
            assert sorted(status_paths) == sorted(hanging), "the third status is written while two still hang"
        for hung in (busy, first, second):
            hung.wait_until_ready()


def test_list_interrupted_between_two_pages_marks_no_stack_stale(
    proxied: ProxiedOperator, namespace: Namespace
) -> None:
    names = ("first", "second", "third")
    for name in names:
        namespace.create_stack(name)
    for name in names:
        namespace.wait_until_ready(name)
    pagination = InterruptedPagination(LIST_QUIET_SECONDS + 3)
    fault = Fault("an interrupted list", pagination.respond, READS | {"get"}, frozenset({"appstacks"}))

    with proxied.proxy.inject(fault):
        eventually(lambda: pagination.is_over)
        eventually(lambda: pagination.watch_resumed)

    assert pagination.refused_pages > 0
    assert [] == [path for path in pagination.object_paths if path.startswith(namespace.path("AppStack"))]
    namespace.edit_stack("third", backend={"image": "busybox:1.36.0"})
    namespace.wait_until_ready("third")


def test_stacks_deleted_during_faults_are_removed_from_the_metrics(proxied: ProxiedOperator) -> None:
    eventually(lambda: proxied.metric("appstack_stacks", condition="Ready") == 0, within=60)


def test_silent_watch_is_reestablished_and_readyz_names_it_meanwhile(impatient: ProxiedOperator) -> None:
    proxy = impatient.proxy
    reads_fail = Fault("503", respond_with(503), READS, frozenset({"appstacks"}))

    with temporary_namespace(impatient.cluster, f"{impatient.namespace_prefix}half-open") as namespace:
        changes, since = Changes(namespace), time.monotonic()
        with proxy.inject(reads_fail, cut_watches=False):
            assert proxy.freeze_watches() >= MIN_OPEN_WATCHES
            changes.make()
            eventually(lambda: "appstacks" in impatient.health("/readyz"))
            assert impatient.health("/livez") == "ok\n"
        eventually(lambda: "appstacks" not in impatient.health("/readyz"))
        changes.wait_until_reconciled()

        assert proxy.max_reads_per_second(since) <= MAX_READS_PER_SECOND
