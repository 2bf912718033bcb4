"""Two replicas as Helm installs them: who works, what a rolling update costs, evictions, nodes, Prometheus' way in.

Who wrote what is read from the API server's audit log, which notes the pod of every request.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

import pytest

from tests.api.harness import Cluster, Failure
from tests.e2e import harness
from tests.e2e.harness import SHOWN, Manifest, Space, condition, uid_of
from tests.e2e.pair import ANOTHER, LEASE, NAME, SCOPE, Audit, Pair, Sent, Stream, pod_of, streaming, turns
from tests.e2e.stacks import open_backend
from tools import install
from tools.cluster import state

MONITORS = "servicemonitors.monitoring.coreos.com"
MONITOR_CRD = state.ROOT / "tests/e2e/servicemonitor-crd.yaml"
STEADY = "steady"
STATUS = "appstacks/status"
LATE = 10.0  # seconds that a watch may be behind on a busy machine
VALUE = ".spec.template.spec.containers[0].env[0].value"
Show = Callable[[str, object], None]


@pytest.fixture(scope="module", autouse=True)
def _counted() -> None:
    if not state.AUDIT_LOG.exists():
        pytest.skip("not run: this cluster gives no .cluster/audit.log that tells who sent what")


@pytest.fixture(scope="module")
def monitors(operator: None) -> Iterator[None]:
    """Let the cluster know ServiceMonitors, as one with the Prometheus Operator does."""
    whole = Space("default")
    there = whole.find("crd", MONITORS) is not None
    if not there:
        whole.kubectl("apply", "--server-side", "--filename", str(MONITOR_CRD))
        whole.kubectl("wait", "--for=condition=Established", f"crd/{MONITORS}", "--timeout=120s")
    yield
    if not there:
        whole.kubectl("delete", "crd", MONITORS, "--wait=false")


@pytest.fixture(scope="module")
def pair(monitors: None) -> Iterator[Pair]:
    """Install it."""
    values = {
        "replicas": "2",
        "image.tag": install.TAG,
        "crds.install": "false",  # the first operator has brought it
        "settings.namespaces": f"{{{SCOPE}}}",
        "settings.leaseDuration": str(LEASE),
        "metrics.serviceMonitor.enabled": "true",
    }
    with harness.namespace("system", owner="pair") as home:
        made = Pair(home)
        try:
            made.upgrade(values)
            harness.wait_for_client(home)
            yield made
        finally:
            made.uninstall()


@pytest.fixture(scope="module")
def stacks(pair: Pair) -> Iterator[Space]:
    """Give a namespace in which the two work, with one stack that has a pod."""
    with harness.namespace("stacks", owner="pair") as space:
        space.apply(open_backend(STEADY))
        space.ready(STEADY)
        yield space


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Give the API server's own words, codes and all."""
    made = Cluster()
    yield made
    made.close()


def nodes(pair: Pair) -> list[str]:
    """Return the nodes that take pods like these."""
    free = (node for node in pair.home.items("nodes") if not node["spec"].get("unschedulable"))
    return [
        node["metadata"]["name"]
        for node in free
        if not [taint for taint in node["spec"].get("taints", []) if taint["effect"] != "PreferNoSchedule"]
    ]


def assert_spread(pods: Mapping[str, Manifest], over: list[str]) -> None:
    """Hold that two pods share no node where there are two: it is a wish only, and one node takes both."""
    assert len({pod["spec"]["nodeName"] for pod in pods.values()}) == min(2, len(over))


def test_both_are_ready_with_warm_caches_and_one_leads(pair: Pair, stacks: Space, record_property: Show) -> None:
    pods, leader = pair.whole(), pair.leader()
    known = 'appstack_stacks{condition="Ready",status="True"}'

    def told() -> dict[str, dict[str, float]]:
        found = {pod: pair.metrics(pod) for pod in pods}
        return found if all(one[known] == 1 for one in found.values()) else {}

    counted = pair.home.until("both know the stack", told)

    assert {pod: float(pod == leader) for pod in pods} == {pod: one["appstack_leader"] for pod, one in counted.items()}
    record_property(SHOWN, f"two replicas on {[pod['spec']['nodeName'] for pod in pods.values()]} of {nodes(pair)}")
    assert_spread(pods, nodes(pair))


def test_every_object_of_the_chart_satisfies_the_servers_schema(pair: Pair) -> None:
    strictly = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts")

    checked = pair.home.kubectl(*strictly, "--filename", "-", stdin=pair.manifest())

    assert f"servicemonitor.monitoring.coreos.com/{NAME} serverside-applied" in checked


def test_prometheus_finds_both_behind_the_service_monitor(pair: Pair) -> None:
    """As the Prometheus Operator does: the Services by label, their endpoints, and of these the port by name."""
    pods, home = pair.whole(), pair.home
    monitor = home.get("servicemonitor", NAME)["spec"]
    (endpoint,) = monitor["endpoints"]
    labels = ",".join("=".join(label) for label in monitor["selector"]["matchLabels"].items())

    services = home.kubectl("get", "services", "--selector", labels, "--output", "jsonpath={.items[*].metadata.name}")
    (service,) = services.split()
    slices = [
        each for each in home.items("endpointslices") if each["metadata"]["ownerReferences"][0]["name"] == service
    ]
    found = {
        (address, port["port"])
        for each in slices
        for one in each["endpoints"]
        for address in one["addresses"]
        for port in each["ports"]
        if port["name"] == endpoint["port"]
    }

    assert {pod["status"]["podIP"] for pod in pods.values()} == {address for address, _ in found}
    for address, port in found:
        assert "\nappstack_leader " in home.page(f"http://{address}:{port}{endpoint.get('path', '/metrics')}")


def test_a_rolling_update_hands_over_while_stacks_come_and_change(
    pair: Pair, stacks: Space, record_property: Show
) -> None:
    former, steady = pair.whole(), uid_of(stacks.pod(STEADY))
    audit = Audit.since_now(pair.home)
    with (
        pair.home.follow(f"lease/{NAME}", ".spec.holderIdentity") as holders,
        stacks.follow("deployments", ".metadata.name", ".metadata.generation", VALUE) as versions,
    ):
        with streaming(stacks.name, "rolled") as stream:
            pair.upgrade({"settings.workers": "32"})
            pair.home.until("the former are gone", lambda: not former.keys() & pair.pods(ending=True).keys())
        stacks.until("every stack is Ready as it was edited", lambda: settled(stacks, stream))
        present, written = pair.whole(), audit.written(stacks.name)
        stacks.until("each edit has been seen", lambda: edited(versions()) >= stream.edited.keys())
        pair.home.until("the leader has been seen", lambda: pod_of(holders()[-1]) == pair.leader())
        leaders, history = turns([pod_of(holder) for holder in holders()]), versions()

    record_property(SHOWN, f"a rolling update: {told(stream, written)}")
    assert not former.keys() & present.keys()
    assert steady == uid_of(stacks.pod(STEADY))
    assert 0 == restarts(present)
    assert_one_after_the_other(leaders, written)
    assert_each_version_once(stream, history)
    assert {} == written_again(stream, written)
    assert max(waits(stream, written)) < LEASE / 4
    assert_spread(present, nodes(pair))


def test_an_evicted_leader_is_followed_at_once_and_the_other_stays_until_it_is_replaced(
    pair: Pair, stacks: Space, cluster: Cluster, record_property: Show
) -> None:
    pods, leader = pair.whole(), pair.leader()
    (other,) = pods.keys() - {leader}
    pair.home.until("one may be evicted", lambda: allowed(pair) == 1)
    audit = Audit.since_now(pair.home)
    with streaming(stacks.name, "evicted") as stream:
        at = time.time()
        evict(cluster, pair, leader)
        with pytest.raises(Failure, match="violate the pod's disruption budget") as refused:
            evict(cluster, pair, other)
        pair.home.until("the other leads", lambda: pair.leader() == other, LEASE / 2)
    stacks.until("every stack is Ready as it was edited", lambda: settled(stacks, stream))
    written, took_over = audit.written(stacks.name), audit.took_over(other)
    pair.home.until("one may be evicted again", lambda: allowed(pair) == 1)

    record_property(SHOWN, f"an evicted leader: followed after {took_over - at:.2f} s; {told(stream, written)}")
    assert refused.value.status == 429
    assert took_over - at < LEASE / 4
    assert [leader, other] == turns([one.pod for one in written])
    assert {} == written_again(stream, written)
    assert other in pair.whole()
    evict(cluster, pair, other)


def allowed(pair: Pair) -> int:
    """Return how many evictions the budget allows at this moment."""
    return int(pair.home.get("poddisruptionbudget", NAME)["status"]["disruptionsAllowed"])


def evict(cluster: Cluster, pair: Pair, pod: str) -> None:
    """Evict a pod as `kubectl drain` does; raise Failure."""
    metadata = {"name": pod, "namespace": pair.home.name}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    cluster.request("POST", f"/api/v1/namespaces/{pair.home.name}/pods/{pod}/eviction", eviction)


def restarts(pods: Mapping[str, Manifest]) -> int:
    """Return how often a container of these pods was started again."""
    return sum(each["restartCount"] for pod in pods.values() for each in pod["status"]["containerStatuses"])


def settled(stacks: Space, stream: Stream) -> bool:
    """Tell whether every stack of the stream is Ready in the generation that its edit made."""
    found = {each["metadata"]["name"]: each for each in stacks.items("appstacks")}
    mine = [found[name] for name in stream.created]
    return all(one["metadata"]["generation"] == 2 and condition(one, "Ready") == "True" for one in mine)


def assert_one_after_the_other(leaders: list[str], written: list[Sent]) -> None:
    """Hold that nobody who had led came back once another did, and that nobody wrote in another's time."""
    writers = turns([one.pod for one in written])
    rest = iter(leaders)

    assert len(leaders) == len(set(leaders))
    assert len(writers) > 1
    assert all(writer in rest for writer in writers), (writers, leaders)


def edited(versions: list[str]) -> set[str]:
    """Return the Deployments that were seen as their edit made them."""
    return {name for name, _, value in (version.split("|") for version in versions) if value == ANOTHER}


def assert_each_version_once(stream: Stream, versions: list[str]) -> None:
    """Hold that each Deployment went from the first value to the other, one generation each, and never back."""
    seen = [version.split("|") for version in versions]
    for name in stream.created:
        history = turns([f"{generation}: {value}" for each, generation, value in seen if each == name])
        values = ["first", ANOTHER][-len(history) :]  # an edit may come before the first look
        assert [f"{number}: {value}" for number, value in enumerate(values, 1)] == history


def written_again(stream: Stream, written: list[Sent]) -> dict[str, int]:
    """Return the children that were written more often than they were rendered otherwise; what was settled never is.

    What one pod has written and not told of in the status is written once more by the next one, which changes nothing;
    so is what it wrote just before, where the next one's watches have not shown it yet.
    """
    again: dict[str, int] = {}
    for stack in {one.stack for one in written}:
        mine = [one for one in written if one.stack == stack]
        untold = sum(
            one.pod != after.pod and (one.resource != STATUS or after.at - one.at < LATE)
            for one, after in pairwise(mine)
        )
        for child, times in Counter(f"{one.resource}/{one.name}" for one in mine if one.resource != STATUS).items():
            rendered = 1 + child.startswith("deployments/") if stack in stream.created else 0
            if times > rendered + untold:
                again[child] = times
    return again


def waits(stream: Stream, written: list[Sent]) -> list[float]:
    """Return for how long each creation and each edit waited for the write of its Deployment."""
    applied: dict[str, list[float]] = {}
    for one in written:
        if one.resource == "deployments":
            applied.setdefault(one.name, []).append(one.at)
    asked = [*stream.created.items(), *stream.edited.items()]
    return [min(at for at in applied[name] if at > since) - since for name, since in asked]


def told(stream: Stream, written: list[Sent]) -> str:
    """Say what a hand-over cost."""
    silent = [f"{after.at - before.at:.2f}" for before, after in pairwise(written) if before.pod != after.pod]
    waited = sorted(waits(stream, written))
    return (
        f"{len(stream.created)} stacks, nothing written for {' and '.join(silent) or 'no'} s at a hand-over, "
        f"a change waited {waited[len(waited) // 2]:.2f} s in the middle and {waited[-1]:.2f} s at most"
    )
