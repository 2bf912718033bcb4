"""Change of the workload kind: the old workload is deleted only after the API server has accepted the new one."""

from __future__ import annotations

from tests.e2e.manifests import public_backend
from tests.e2e.namespace import Manifest, Namespace, uid_of

FILE = "/data/mark"


def of_kind(name: str, kind: str, **options: object) -> Manifest:
    """Return an AppStack with a claim and this workload kind."""
    backend = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    volumes = [{"name": "data", "claim": {"perReplica": False, "resources": {"requests": {"storage": "10Mi"}}}}]
    return public_backend(name, backend=backend, volumes=volumes, workload={"kind": kind, **options})


def test_deployment_becomes_a_stateful_set_and_keeps_its_claim_and_service(namespace: Namespace) -> None:
    namespace.apply(of_kind("changed", "Deployment"))
    namespace.wait_until_ready("changed")
    namespace.page("http://changed:8000/")
    namespace.http(f"http://changed:8000/files?path={FILE}", data="still here")
    service = namespace.get("service", "changed")

    namespace.apply(of_kind("changed", "StatefulSet"))
    namespace.wait_until_deleted("deployment", "changed")
    stateful = namespace.get("statefulset", "changed")
    namespace.wait_until_ready("changed")

    pod = namespace.only_pod("changed")
    assert pod["metadata"]["name"] == "changed-0"
    assert pod["metadata"]["ownerReferences"][0]["uid"] == uid_of(stateful)
    assert uid_of(namespace.get("service", "changed")) == uid_of(service)
    assert namespace.page(f"http://changed:8000/files?path={FILE}") == "still here"


def test_old_workload_is_kept_while_the_new_one_is_refused(namespace: Namespace) -> None:
    namespace.apply(of_kind("refused", "Deployment"))
    namespace.wait_until_ready("refused")
    former = namespace.only_pod("refused")
    # A foreign StatefulSet has the name already, which only the API server knows.
    namespace.kubectl("create", "--filename", "-", stdin=foreign_stateful_set("refused"))

    namespace.apply(of_kind("refused", "StatefulSet"))
    namespace.wait_until_stalled("refused")

    assert namespace.find("deployment", "refused") is not None
    assert uid_of(former) in {uid_of(pod) for pod in namespace.pods("refused")}
    assert namespace.page("http://refused:8000/").startswith("Hello from refused-")

    namespace.kubectl("delete", "statefulset", "refused")
    namespace.wait_until_deleted("deployment", "refused")
    namespace.wait_until_ready("refused")


def foreign_stateful_set(name: str) -> str:
    """Return a StatefulSet that no AppStack owns."""
    return f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: {name}}}
spec:
  replicas: 0
  serviceName: foreign
  selector: {{matchLabels: {{app: foreign}}}}
  template:
    metadata: {{labels: {{app: foreign}}}}
    spec: {{containers: [{{name: foreign, image: "busybox:1.35.0"}}]}}
"""


def test_stateful_set_becomes_a_deployment_without_a_headless_service(namespace: Namespace) -> None:
    namespace.apply(of_kind("back", "StatefulSet"))
    namespace.wait_until_ready("back")

    namespace.apply(of_kind("back", "Deployment"))
    namespace.wait_until_deleted("statefulset", "back")
    namespace.wait_until_ready("back")

    assert namespace.only_pod("back")["metadata"]["name"].startswith("back-")
    assert namespace.find("service", "back-pods") is None
