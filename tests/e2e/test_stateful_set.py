"""How a StatefulSet's pods come, and how far a roll-out goes."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Manifest, Space, backend_of, uid_of
from tests.e2e.stacks import open_backend


def stateful(name: str, backend: Manifest | None = None, **options: object) -> Manifest:
    """Return a StatefulSet of three pods."""
    workload = {"kind": "StatefulSet", "statefulSet": options}
    quick = {"terminationGracePeriodSeconds": 2}  # nobody asks them, so they need not wait until everybody forgot them
    return open_backend(name, backend=backend or {}, replicas=3, workload=workload, pod=quick)


def partition(number: int) -> Manifest:
    """Return what keeps the pods below a number as they are."""
    return {"podManagementPolicy": "Parallel", "updateStrategy": {"rollingUpdate": {"partition": number}}}


def versions(space: Space, name: str) -> list[str]:
    """Return the image's version of each pod, in order."""
    pods = sorted(space.pods(name), key=lambda pod: str(pod["metadata"]["name"]))
    return [backend_of(pod)["image"].rpartition(":")[2] for pod in pods]


def test_a_partition_keeps_the_pods_below_it_and_goes_down_when_it_is_told(space: Space) -> None:
    space.apply(stateful("parted", **partition(2)))
    space.ready("parted")
    former = [uid_of(space.get("pod", f"parted-{number}")) for number in (0, 1)]
    newer = {"image": "appstack.dev/demo-backend:1.1.0"}

    space.apply(stateful("parted", newer, **partition(2)))
    space.until("the last one is new", lambda: versions(space, "parted")[2:] == ["1.1.0"])
    status = space.ready("parted")["status"]

    assert versions(space, "parted") == ["1.0.0", "1.0.0", "1.1.0"]
    assert [uid_of(space.get("pod", f"parted-{number}")) for number in (0, 1)] == former
    assert status["currentRevision"] != status["updateRevision"]

    space.apply(stateful("parted", newer, **partition(0)))
    space.until("all are new", lambda: versions(space, "parted") == ["1.1.0"] * 3)
    status = space.ready("parted")["status"]
    assert status["currentRevision"] == status["updateRevision"]


@pytest.mark.parametrize(("policy", "pods"), [("OrderedReady", 1), ("Parallel", 3)])
def test_a_pod_that_is_not_ready_holds_up_the_next_one_or_does_not(space: Space, policy: str, pods: int) -> None:
    name = policy.lower()
    never = {"readinessProbe": {"httpGet": {"path": "/nowhere"}, "periodSeconds": 1}}
    space.apply(stateful(name, never, podManagementPolicy=policy))

    space.until("its pods run", lambda: len(running(space, name)) == pods)

    assert [pod["metadata"]["name"] for pod in space.pods(name)] == [f"{name}-{number}" for number in range(pods)]


def running(space: Space, name: str) -> list[Manifest]:
    """Return the pods whose containers run."""
    return [pod for pod in space.pods(name) if pod["status"].get("phase") == "Running"]
