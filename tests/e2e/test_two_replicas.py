"""Two replicas as Helm installs them: election, rolling update, eviction, node spread and Prometheus discovery.

The audit log of the API server attributes each write to a pod.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

import pytest

from tests.api.cluster import ApiError, Cluster
from tests.e2e.manifests import public_backend
from tests.e2e.namespace import (
    MEASUREMENT,
    Manifest,
    Namespace,
    condition_status,
    temporary_namespace,
    uid_of,
    wait_for_client,
)
from tests.e2e.release import (
    EDITED_VALUE,
    FIRST_VALUE,
    LEASE_DURATION_SECONDS,
    NAME,
    NAMESPACE_PATTERN,
    AppStackStream,
    PodAuditLog,
    PodRequest,
    Release,
    pod_of,
    streaming,
    without_repeats,
)
from tools import install
from tools.cluster import state

MONITOR_CRD = "servicemonitors.monitoring.coreos.com"
MONITOR_CRD_FILE = state.ROOT / "tests/e2e/servicemonitor-crd.yaml"
STEADY = "steady"
STATUS = "appstacks/status"
MAX_WATCH_LAG_SECONDS = 10.0  # of a watch on a busy machine
MAX_HANDOVER_SECONDS = LEASE_DURATION_SECONDS / 4  # far less than the expiry of a Lease that is not released
READY_STACKS = 'appstack_stacks{condition="Ready",status="True"}'
ENV_VALUE = ".spec.template.spec.containers[0].env[0].value"
RecordProperty = Callable[[str, object], None]


@pytest.fixture(scope="module", autouse=True)
def _audit_log_exists() -> None:
    if not state.AUDIT_LOG.exists():
        pytest.skip("not run: this cluster has no .cluster/audit.log to attribute requests to a pod")


@pytest.fixture(scope="module")
def monitors_served(operator: None) -> Iterator[None]:
    """Define ServiceMonitors in the cluster, as the Prometheus Operator does."""
    cluster_wide = Namespace("default")
    exists = cluster_wide.find("crd", MONITOR_CRD) is not None
    if not exists:
        cluster_wide.kubectl("apply", "--server-side", "--filename", str(MONITOR_CRD_FILE))
        cluster_wide.kubectl("wait", "--for=condition=Established", f"crd/{MONITOR_CRD}", "--timeout=120s")
    yield
    if not exists:
        cluster_wide.kubectl("delete", "crd", MONITOR_CRD, "--wait=false")


@pytest.fixture(scope="module")
def release(monitors_served: None) -> Iterator[Release]:
    """Install the release of two replicas."""
    values = {
        "replicas": "2",
        "image.tag": install.TAG,
        "crds.install": "false",  # the first operator has installed them
        "settings.namespaces": f"{{{NAMESPACE_PATTERN}}}",
        "settings.leaseDuration": str(LEASE_DURATION_SECONDS),
        "metrics.serviceMonitor.enabled": "true",
    }
    with temporary_namespace("system", prefix="pair") as namespace:
        release = Release(namespace)
        try:
            release.upgrade(values)
            wait_for_client(namespace)
            yield release
        finally:
            release.uninstall()


@pytest.fixture(scope="module")
def stacks(release: Release) -> Iterator[Namespace]:
    """Return a namespace that the release reconciles, with one AppStack that has a pod."""
    with temporary_namespace("stacks", prefix="pair") as namespace:
        namespace.apply(public_backend(STEADY))
        namespace.wait_until_ready(STEADY)
        yield namespace


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Return a client of the API server, for responses with their status codes."""
    client = Cluster()
    yield client
    client.close()


def schedulable_nodes(release: Release) -> list[str]:
    """Return the names of the nodes that accept pods without tolerations."""
    nodes = (node for node in release.namespace.list_objects("nodes") if not node["spec"].get("unschedulable"))
    return [
        node["metadata"]["name"]
        for node in nodes
        if not [taint for taint in node["spec"].get("taints", []) if taint["effect"] != "PreferNoSchedule"]
    ]


def assert_spread(pods: Mapping[str, Manifest], nodes: list[str]) -> None:
    """Assert that the pods run on two nodes where the cluster has two; the spread is only preferred."""
    assert len({pod["spec"]["nodeName"] for pod in pods.values()}) == min(2, len(nodes))


def test_both_replicas_are_ready_with_synced_caches_and_one_leads(
    release: Release, stacks: Namespace, record_property: RecordProperty
) -> None:
    pods, leader = release.wait_until_ready(), release.leader()

    def metrics_of_both() -> dict[str, dict[str, float]]:
        metrics = {pod: release.metrics(pod) for pod in pods}
        return metrics if all(series[READY_STACKS] == 1 for series in metrics.values()) else {}

    metrics = release.namespace.wait_for("both replicas count the AppStack", metrics_of_both)

    expected = {pod: float(pod == leader) for pod in pods}
    assert expected == {pod: series["appstack_leader"] for pod, series in metrics.items()}
    nodes = schedulable_nodes(release)
    record_property(MEASUREMENT, f"two replicas on {[pod['spec']['nodeName'] for pod in pods.values()]} of {nodes}")
    assert_spread(pods, nodes)


def test_every_object_of_the_chart_satisfies_the_schema_of_the_api_server(release: Release) -> None:
    arguments = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts")

    output = release.namespace.kubectl(*arguments, "--filename", "-", stdin=release.manifest())

    assert f"servicemonitor.monitoring.coreos.com/{NAME} serverside-applied" in output


def test_service_monitor_selects_the_metrics_of_both_replicas(release: Release) -> None:
    """Follows the Prometheus Operator: Services by label, their endpoints, and of these the port by name."""
    pods, namespace = release.wait_until_ready(), release.namespace
    monitor = namespace.get("servicemonitor", NAME)["spec"]
    (endpoint,) = monitor["endpoints"]
    labels = ",".join("=".join(label) for label in monitor["selector"]["matchLabels"].items())

    output = namespace.kubectl(
        "get", "services", "--selector", labels, "--output", "jsonpath={.items[*].metadata.name}"
    )
    (service,) = output.split()
    slices = [
        endpoint_slice
        for endpoint_slice in namespace.list_objects("endpointslices")
        if endpoint_slice["metadata"]["ownerReferences"][0]["name"] == service
    ]
    targets = {
        (address, port["port"])
        for endpoint_slice in slices
        for slice_endpoint in endpoint_slice["endpoints"]
        for address in slice_endpoint["addresses"]
        for port in endpoint_slice["ports"]
        if port["name"] == endpoint["port"]
    }

    assert {pod["status"]["podIP"] for pod in pods.values()} == {address for address, _ in targets}
    for address, port in targets:
        assert "\nappstack_leader " in namespace.page(f"http://{address}:{port}{endpoint.get('path', '/metrics')}")


def test_rolling_update_changes_the_leader_while_stacks_are_created_and_edited(
    release: Release, stacks: Namespace, record_property: RecordProperty
) -> None:
    former, steady = release.wait_until_ready(), uid_of(stacks.only_pod(STEADY))
    audit_log = PodAuditLog.from_now(release.namespace)
    with (
        release.namespace.watch(f"lease/{NAME}", ".spec.holderIdentity") as holders,
        stacks.watch("deployments", ".metadata.name", ".metadata.generation", ENV_VALUE) as versions,
    ):
        with streaming(stacks.name, "rolled") as stream:
            release.upgrade({"settings.workers": "32"})
            release.namespace.wait_for(
                "the former pods are deleted", lambda: not former.keys() & release.pods(with_terminating=True).keys()
            )
        stacks.wait_for("every edited AppStack is Ready", lambda: all_edited_and_ready(stacks, stream))
        pods, writes = release.wait_until_ready(), audit_log.writes(stacks.name)
        stacks.wait_for("each edit is observed", lambda: edited_deployments(versions()) >= stream.edited.keys())
        release.namespace.wait_for("the leader is observed", lambda: pod_of(holders()[-1]) == release.leader())
        leaders, observed = without_repeats([pod_of(holder) for holder in holders()]), versions()

    record_property(MEASUREMENT, f"a rolling update: {handover_summary(stream, writes)}")
    assert not former.keys() & pods.keys()
    assert steady == uid_of(stacks.only_pod(STEADY))
    assert 0 == restart_count(pods)
    assert_writes_follow_leadership(leaders, writes)
    assert_each_version_once(stream, observed)
    assert {} == superfluous_writes(stream, writes)
    assert max(delays(stream, writes)) < MAX_HANDOVER_SECONDS
    assert_spread(pods, schedulable_nodes(release))


def test_standby_takes_over_from_an_evicted_leader_and_its_eviction_is_refused_meanwhile(
    release: Release, stacks: Namespace, cluster: Cluster, record_property: RecordProperty
) -> None:
    pods, leader = release.wait_until_ready(), release.leader()
    (standby,) = pods.keys() - {leader}
    release.namespace.wait_for("one eviction is allowed", lambda: disruptions_allowed(release) == 1)
    audit_log = PodAuditLog.from_now(release.namespace)
    with streaming(stacks.name, "evicted") as stream:
        evicted_at = time.time()
        evict(cluster, release, leader)
        with pytest.raises(ApiError, match="violate the pod's disruption budget") as refused:
            evict(cluster, release, standby)
        release.namespace.wait_for("the standby leads", lambda: release.leader() == standby, LEASE_DURATION_SECONDS / 2)
    stacks.wait_for("every edited AppStack is Ready", lambda: all_edited_and_ready(stacks, stream))
    writes, elected_at = audit_log.writes(stacks.name), audit_log.elected_at(standby)
    release.namespace.wait_for("one eviction is allowed again", lambda: disruptions_allowed(release) == 1)

    duration, summary = elected_at - evicted_at, handover_summary(stream, writes)
    record_property(MEASUREMENT, f"an evicted leader: followed after {duration:.2f} s; {summary}")
    assert refused.value.status == 429
    assert duration < MAX_HANDOVER_SECONDS
    assert [leader, standby] == without_repeats([write.pod for write in writes])
    assert {} == superfluous_writes(stream, writes)
    assert standby in release.wait_until_ready()
    evict(cluster, release, standby)


def disruptions_allowed(release: Release) -> int:
    """Return the number of evictions that the disruption budget allows."""
    return int(release.namespace.get("poddisruptionbudget", NAME)["status"]["disruptionsAllowed"])


def evict(cluster: Cluster, release: Release, pod: str) -> None:
    """Evict a pod as `kubectl drain` does; raise ApiError."""
    metadata = {"name": pod, "namespace": release.namespace.name}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    cluster.request("POST", f"/api/v1/namespaces/{release.namespace.name}/pods/{pod}/eviction", eviction)


def restart_count(pods: Mapping[str, Manifest]) -> int:
    """Return the number of container restarts of the pods."""
    return sum(status["restartCount"] for pod in pods.values() for status in pod["status"]["containerStatuses"])


def all_edited_and_ready(stacks: Namespace, stream: AppStackStream) -> bool:
    """Return whether every AppStack of the stream is Ready in the generation of its edit."""
    by_name = {stack["metadata"]["name"]: stack for stack in stacks.list_objects("appstacks")}
    streamed = [by_name[name] for name in stream.created]
    return all(
        stack["metadata"]["generation"] == 2 and condition_status(stack, "Ready") == "True" for stack in streamed
    )


def assert_writes_follow_leadership(leaders: list[str], writes: list[PodRequest]) -> None:
    """Assert that no former leader leads again, and that the pods write in the order in which they led."""
    writers = without_repeats([write.pod for write in writes])
    remaining = iter(leaders)

    assert len(leaders) == len(set(leaders))
    assert len(writers) > 1
    assert all(writer in remaining for writer in writers), (writers, leaders)


def edited_deployments(versions: list[str]) -> set[str]:
    """Return the names of the Deployments that were observed with the edited value."""
    return {name for name, _, value in (version.split("|") for version in versions) if value == EDITED_VALUE}


def assert_each_version_once(stream: AppStackStream, versions: list[str]) -> None:
    """Assert that each Deployment went from the first to the edited value, one generation each, and never back."""
    observed = [version.split("|") for version in versions]
    for stack in stream.created:
        history = without_repeats([f"{generation}: {value}" for name, generation, value in observed if name == stack])
        values = [FIRST_VALUE, EDITED_VALUE][-len(history) :]  # the edit may precede the first observation
        assert [f"{number}: {value}" for number, value in enumerate(values, 1)] == history


def superfluous_writes(stream: AppStackStream, writes: list[PodRequest]) -> dict[str, int]:
    """Return the number of writes of each child that was written more often than its rendering changed.

    At a hand-over the new leader may repeat two kinds of writes, which then change nothing: one that no status
    records, and a status write that its watch has not shown yet.
    """
    superfluous: dict[str, int] = {}
    for stack in {write.stack for write in writes}:
        stack_writes = [write for write in writes if write.stack == stack]
        repeatable = sum(
            write.pod != following.pod
            and (write.resource != STATUS or following.received_at - write.received_at < MAX_WATCH_LAG_SECONDS)
            for write, following in pairwise(stack_writes)
        )
        counts = Counter(f"{write.resource}/{write.name}" for write in stack_writes if write.resource != STATUS)
        for child, number in counts.items():
            renderings = 1 + child.startswith("deployments/") if stack in stream.created else 0
            if number > renderings + repeatable:
                superfluous[child] = number
    return superfluous


def delays(stream: AppStackStream, writes: list[PodRequest]) -> list[float]:
    """Return the seconds from each creation and each edit to the write of its Deployment."""
    written_at: dict[str, list[float]] = {}
    for write in writes:
        if write.resource == "deployments":
            written_at.setdefault(write.name, []).append(write.received_at)
    changes = [*stream.created.items(), *stream.edited.items()]
    return [min(at for at in written_at[name] if at > changed_at) - changed_at for name, changed_at in changes]


def handover_summary(stream: AppStackStream, writes: list[PodRequest]) -> str:
    """Return the pause and the delays of a hand-over as text."""
    pauses = [
        f"{following.received_at - write.received_at:.2f}"
        for write, following in pairwise(writes)
        if write.pod != following.pod
    ]
    ordered = sorted(delays(stream, writes))
    return (
        f"{len(stream.created)} AppStacks, no write for {' and '.join(pauses) or 'no'} s at a hand-over, "
        f"delay of a change {ordered[len(ordered) // 2]:.2f} s in the median and {ordered[-1]:.2f} s at most"
    )
