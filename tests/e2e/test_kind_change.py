"""Another kind of workload: the old one goes only after the new one is accepted."""

from __future__ import annotations

from tests.e2e.harness import Manifest, Space, condition, uid_of
from tests.e2e.stacks import open_backend

DATA = "/data/mark"


def of_kind(name: str, kind: str, **options: object) -> Manifest:
    """Return a stack with a claim, under one kind of workload."""
    backend = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    volumes = [{"name": "data", "claim": {"resources": {"requests": {"storage": "10Mi"}}}}]
    return open_backend(name, backend=backend, volumes=volumes, workload={"kind": kind, **options})


def test_a_deployment_becomes_a_stateful_set_and_keeps_claim_and_service(space: Space) -> None:
    space.apply(of_kind("changed", "Deployment"))
    space.ready("changed")
    space.page("http://changed:8000/")
    space.http(f"http://changed:8000/files?path={DATA}", data="still here")
    service = space.get("service", "changed")

    space.apply(of_kind("changed", "StatefulSet"))
    space.gone("deployment", "changed")
    stateful = space.get("statefulset", "changed")
    space.ready("changed")

    pod = space.pod("changed")
    assert pod["metadata"]["name"] == "changed-0"
    assert pod["metadata"]["ownerReferences"][0]["uid"] == uid_of(stateful)
    assert uid_of(space.get("service", "changed")) == uid_of(service)
    assert space.page(f"http://changed:8000/files?path={DATA}") == "still here"


def test_the_old_one_stays_while_the_new_one_is_refused(space: Space) -> None:
    space.apply(of_kind("refused", "Deployment"))
    space.ready("refused")
    former = space.pod("refused")
    # Only the API server knows that no StatefulSet may have this name: a stranger's has it already.
    space.kubectl("create", "--filename", "-", stdin=strangers("refused"))

    space.apply(of_kind("refused", "StatefulSet"))
    space.until("it is Stalled", lambda: condition(space.stack("refused"), "Stalled") == "True")

    assert space.find("deployment", "refused") is not None
    assert uid_of(former) in {uid_of(pod) for pod in space.pods("refused")}
    assert space.page("http://refused:8000/").startswith("Hello from refused-")

    space.kubectl("delete", "statefulset", "refused")
    space.gone("deployment", "refused")
    space.ready("refused")


def strangers(name: str) -> str:
    """Return a StatefulSet that is not AppStack's."""
    return f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: {name}}}
spec:
  replicas: 0
  serviceName: stranger
  selector: {{matchLabels: {{app: stranger}}}}
  template:
    metadata: {{labels: {{app: stranger}}}}
    spec: {{containers: [{{name: stranger, image: "busybox:1.35.0"}}]}}
"""


def test_and_back_to_a_deployment(space: Space) -> None:
    space.apply(of_kind("back", "StatefulSet"))
    space.ready("back")

    space.apply(of_kind("back", "Deployment"))
    space.gone("statefulset", "back")
    space.ready("back")

    assert space.pod("back")["metadata"]["name"].startswith("back-")
    assert space.find("service", "back-pods") is None
