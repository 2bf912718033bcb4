"""Autoscaling: CPU that is really used, as metrics-server tells it, and replicas handed over without a dip."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Manifest, Space, uid_of
from tests.e2e.stacks import open_backend

METRICS = "v1beta1.metrics.k8s.io"
BURN = "timeout 600 sh -c 'while :; do :; done' > /dev/null 2>&1 &"
# Where pods may use five times what they ask for, one that is busy is far above any target, and takes little of a core.
BACKEND = {"resources": {"requests": {"cpu": "20m"}, "limits": {"cpu": "100m"}}}


@pytest.fixture(scope="module", autouse=True)
def measured(space: Space) -> None:
    """Wait until the cluster tells what pods use."""
    if space.find("apiservice", METRICS) is None:
        pytest.skip("the cluster has no metrics-server, as that of `make e2e` has")
    space.kubectl("wait", "--for=condition=Available", f"apiservice/{METRICS}", "--timeout=150s")


def scaled(name: str, least: int) -> Manifest:
    """Return a stack that an autoscaler scales by CPU."""
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    metrics = [{"type": "Resource", "resource": cpu}]
    autoscaling = {"minReplicas": least, "maxReplicas": 3, "metrics": metrics}
    stack = open_backend(name, backend=BACKEND, autoscaling=autoscaling)
    del stack["spec"]["replicas"]
    return stack


def test_pods_that_are_busy_become_more(space: Space) -> None:
    space.apply(scaled("busy", least=1))
    space.ready("busy")
    space.exec(space.pod("busy")["metadata"]["name"], "backend", "sh", "-c", BURN)

    autoscaler = space.until("the autoscaler wants more", lambda: wanting_more(space, "busy"), 240)

    space.kubectl("wait", "--for=condition=ScalingActive", "horizontalpodautoscaler/busy", "--timeout=120s")
    (metric,) = autoscaler["status"]["currentMetrics"]
    assert metric["resource"]["current"]["averageUtilization"] > 50
    space.until("there are more pods", lambda: len(space.pods("busy")) > 1)
    assert space.ready("busy")["status"]["readyReplicas"] > 1


def wanting_more(space: Space, name: str) -> Manifest | None:
    """Return the autoscaler, once it wants more than one pod."""
    autoscaler = space.get("horizontalpodautoscaler", name)
    return autoscaler if autoscaler.get("status", {}).get("desiredReplicas", 0) > 1 else None


def test_replicas_are_handed_over_and_back_without_a_dip(space: Space) -> None:
    space.apply(open_backend("handed", backend=BACKEND, replicas=3))
    space.ready("handed")
    pods = {uid_of(pod) for pod in space.pods("handed")}

    with space.follow("deployment/handed", ".spec.replicas") as numbers:
        space.apply(scaled("handed", least=2))
        space.until("the autoscaler has three", lambda: counted(space, "handed") == 3, 120)
        space.ready("handed")
        assert set(numbers()) == {"3"}
        assert {uid_of(pod) for pod in space.pods("handed")} == pods

        space.apply(open_backend("handed", backend=BACKEND, replicas=2))
        space.gone("horizontalpodautoscaler", "handed")
        space.until("there are two", lambda: len(space.pods("handed")) == 2)
        assert set(numbers()) == {"3", "2"}


def counted(space: Space, name: str) -> int:
    """Return how many pods the autoscaler has found."""
    found = space.find("horizontalpodautoscaler", name) or {}
    return int(found.get("status", {}).get("currentReplicas", 0))
