"""StatefulSet: pod management policies and partitioned rolling updates."""

from __future__ import annotations

import pytest

from tests.e2e.manifests import public_backend
from tests.e2e.namespace import Manifest, Namespace, backend_of, uid_of


def stateful(name: str, backend: Manifest | None = None, **options: object) -> Manifest:
    """Return a StatefulSet of three pods."""
    workload = {"kind": "StatefulSet", "statefulSet": options}
    pod = {"terminationGracePeriodSeconds": 2}  # no client sends requests, so the preStop delay may be short
    return public_backend(name, backend=backend or {}, replicas=3, workload=workload, pod=pod)


def partition(number: int) -> Manifest:
    """Return the options of a StatefulSet whose pods below an ordinal are not updated."""
    return {"podManagementPolicy": "Parallel", "updateStrategy": {"rollingUpdate": {"partition": number}}}


def image_versions(namespace: Namespace, name: str) -> list[str]:
    """Return the image tag of each pod in the order of the ordinals."""
    pods = sorted(namespace.pods(name), key=lambda pod: str(pod["metadata"]["name"]))
    return [backend_of(pod)["image"].rpartition(":")[2] for pod in pods]


def test_partition_keeps_the_pods_below_it_until_it_is_lowered(namespace: Namespace) -> None:
    namespace.apply(stateful("parted", **partition(2)))
    namespace.wait_until_ready("parted")
    former = [uid_of(namespace.get("pod", f"parted-{number}")) for number in (0, 1)]
    newer = {"image": "appstack.dev/demo-backend:1.1.0"}

    namespace.apply(stateful("parted", newer, **partition(2)))
    namespace.wait_for("the last pod is updated", lambda: image_versions(namespace, "parted")[2:] == ["1.1.0"])
    status = namespace.wait_until_ready("parted")["status"]

    assert image_versions(namespace, "parted") == ["1.0.0", "1.0.0", "1.1.0"]
    assert [uid_of(namespace.get("pod", f"parted-{number}")) for number in (0, 1)] == former
    assert status["currentRevision"] != status["updateRevision"]

    namespace.apply(stateful("parted", newer, **partition(0)))
    namespace.wait_for("all pods are updated", lambda: image_versions(namespace, "parted") == ["1.1.0"] * 3)
    status = namespace.wait_until_ready("parted")["status"]
    assert status["currentRevision"] == status["updateRevision"]


@pytest.mark.parametrize(("policy", "pods"), [("OrderedReady", 1), ("Parallel", 3)])
def test_unready_pod_blocks_the_next_one_only_with_ordered_ready(namespace: Namespace, policy: str, pods: int) -> None:
    name = policy.lower()
    never_ready = {"readinessProbe": {"httpGet": {"path": "/nowhere"}, "periodSeconds": 1}}
    namespace.apply(stateful(name, never_ready, podManagementPolicy=policy))

    namespace.wait_for("the expected pods run", lambda: len(running_pods(namespace, name)) == pods)

    assert [pod["metadata"]["name"] for pod in namespace.pods(name)] == [f"{name}-{number}" for number in range(pods)]


def running_pods(namespace: Namespace, name: str) -> list[Manifest]:
    """Return the pods in the phase Running."""
    return [pod for pod in namespace.pods(name) if pod["status"].get("phase") == "Running"]
