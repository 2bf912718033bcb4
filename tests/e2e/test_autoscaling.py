"""Autoscaling by CPU usage from metrics-server, and hand-over of replicas without a dip."""

from __future__ import annotations

import pytest

from tests.e2e.manifests import public_backend
from tests.e2e.namespace import Manifest, Namespace, uid_of

METRICS_API = "v1beta1.metrics.k8s.io"
SCALE_UP_SECONDS = 240
BURN_CPU = "timeout 600 sh -c 'while :; do :; done' > /dev/null 2>&1 &"
# The limit is five times the request: a busy pod is far above any target, yet uses little of a core.
BACKEND = {"resources": {"requests": {"cpu": "20m"}, "limits": {"cpu": "100m"}}}


@pytest.fixture(scope="module", autouse=True)
def _metrics_available(namespace: Namespace) -> None:
    """Wait until the metrics API is available."""
    if namespace.find("apiservice", METRICS_API) is None:
        pytest.skip("not run: the cluster has no metrics-server, which `make e2e` installs")
    namespace.kubectl("wait", "--for=condition=Available", f"apiservice/{METRICS_API}", "--timeout=150s")


def autoscaled(name: str, *, min_replicas: int) -> Manifest:
    """Return an AppStack with an autoscaler for CPU."""
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    metrics = [{"type": "Resource", "resource": cpu}]
    autoscaling = {"minReplicas": min_replicas, "maxReplicas": 3, "metrics": metrics}
    stack = public_backend(name, backend=BACKEND, autoscaling=autoscaling)
    del stack["spec"]["replicas"]
    return stack


def test_autoscaler_adds_pods_under_cpu_load(namespace: Namespace) -> None:
    namespace.apply(autoscaled("busy", min_replicas=1))
    namespace.wait_until_ready("busy")
    namespace.exec(namespace.only_pod("busy")["metadata"]["name"], "backend", "sh", "-c", BURN_CPU)

    autoscaler = namespace.wait_for("the autoscaler scales up", lambda: scaling_up(namespace, "busy"), SCALE_UP_SECONDS)

    namespace.kubectl("wait", "--for=condition=ScalingActive", "horizontalpodautoscaler/busy", "--timeout=120s")
    (metric,) = autoscaler["status"]["currentMetrics"]
    assert metric["resource"]["current"]["averageUtilization"] > 50
    namespace.wait_for("a second pod exists", lambda: len(namespace.pods("busy")) > 1)
    assert namespace.wait_until_ready("busy")["status"]["readyReplicas"] > 1


def scaling_up(namespace: Namespace, name: str) -> Manifest | None:
    """Return the autoscaler when it desires more than one replica, else None."""
    autoscaler = namespace.get("horizontalpodautoscaler", name)
    return autoscaler if autoscaler.get("status", {}).get("desiredReplicas", 0) > 1 else None


def test_replicas_are_handed_over_to_an_autoscaler_and_back_without_a_dip(namespace: Namespace) -> None:
    namespace.apply(public_backend("handed", backend=BACKEND, replicas=3))
    namespace.wait_until_ready("handed")
    pods = {uid_of(pod) for pod in namespace.pods("handed")}

    with namespace.watch("deployment/handed", ".spec.replicas") as replicas:
        namespace.apply(autoscaled("handed", min_replicas=2))
        namespace.wait_for("the autoscaler counts three pods", lambda: current_replicas(namespace, "handed") == 3)
        namespace.wait_until_ready("handed")
        assert set(replicas()) == {"3"}
        assert {uid_of(pod) for pod in namespace.pods("handed")} == pods

        namespace.apply(public_backend("handed", backend=BACKEND, replicas=2))
        namespace.wait_until_deleted("horizontalpodautoscaler", "handed")
        namespace.wait_for("two pods exist", lambda: len(namespace.pods("handed")) == 2)
        assert set(replicas()) == {"3", "2"}


def current_replicas(namespace: Namespace, name: str) -> int:
    """Return the number of pods that the autoscaler has counted."""
    autoscaler = namespace.find("horizontalpodautoscaler", name) or {}
    return int(autoscaler.get("status", {}).get("currentReplicas", 0))
