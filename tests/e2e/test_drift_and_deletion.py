"""Drift repair and deletion of an AppStack with real pods."""

from __future__ import annotations

from typing import Any

from tests.e2e.manifests import BACKEND_IMAGE, private_backend
from tests.e2e.namespace import Manifest, Namespace, backend_of, uid_of

READINESS_PROBE = {"httpGet": {"path": "/ready"}, "periodSeconds": 1}
CLAIM = {"resources": {"requests": {"storage": "10Mi"}}}
TEMPORARY_CLAIM = {**CLAIM, "retentionPolicy": {"whenDeleted": "Delete"}}


def probed_backend(name: str, **spec: Any) -> Manifest:
    """Return an AppStack of a private backend with a readiness probe."""
    return private_backend(name, backend={"readinessProbe": READINESS_PROBE}, **spec)


def test_changed_image_is_repaired(namespace: Namespace) -> None:
    namespace.apply(probed_backend("drift"))
    namespace.wait_until_ready("drift")

    namespace.kubectl("set", "image", "deployment/drift", "backend=busybox:1.35.0")

    namespace.wait_for("the image is repaired", lambda: image_of(namespace, "drift") == BACKEND_IMAGE)
    namespace.wait_until_ready("drift")


def test_changed_scale_is_repaired(namespace: Namespace) -> None:
    namespace.apply(probed_backend("scaled"))
    namespace.wait_until_ready("scaled")

    namespace.kubectl("scale", "deployment/scaled", "--replicas=3")

    namespace.wait_for("the scale is repaired", lambda: namespace.get("deployment", "scaled")["spec"]["replicas"] == 1)
    namespace.only_pod("scaled")


def test_deleted_child_is_recreated(namespace: Namespace) -> None:
    namespace.apply(probed_backend("deleted"))
    namespace.wait_until_ready("deleted")
    former = namespace.get("service", "deleted")

    namespace.kubectl("delete", "service", "deleted")

    recreated = namespace.wait_for("the Service is recreated", lambda: namespace.find("service", "deleted"))
    assert uid_of(recreated) != uid_of(former)


def test_additions_of_other_clients_are_kept(namespace: Namespace) -> None:
    namespace.apply(probed_backend("added"))
    namespace.wait_until_ready("added")

    namespace.kubectl("label", "service/added", "team=blue")
    namespace.kubectl("rollout", "restart", "deployment/added")
    namespace.kubectl("rollout", "status", "deployment/added", "--timeout=120s")
    namespace.apply(probed_backend("added", proxy={"clientMaxBodySize": "5Mi"}))
    namespace.wait_until_ready("added")

    assert namespace.get("service", "added")["metadata"]["labels"]["team"] == "blue"
    template = namespace.get("deployment", "added")["spec"]["template"]
    assert "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"]


def image_of(namespace: Namespace, name: str) -> str:
    """Return the image of the backend in a Deployment."""
    return str(backend_of(namespace.get("deployment", name)["spec"]["template"])["image"])


def with_claims(name: str) -> Manifest:
    """Return an AppStack with a retained claim and a claim that is deleted with it."""
    mounts = [{"name": "kept", "mountPath": "/kept"}, {"name": "temporary", "mountPath": "/temporary"}]
    volumes = [{"name": "kept", "claim": CLAIM}, {"name": "temporary", "claim": TEMPORARY_CLAIM}]
    return private_backend(name, backend={"volumeMounts": mounts}, volumes=volumes)


def test_deletion_keeps_only_the_retained_claim_and_a_new_stack_reuses_it(namespace: Namespace) -> None:
    namespace.apply(with_claims("data"))
    namespace.wait_until_ready("data")
    assert namespace.page("http://data/")
    namespace.http("http://data/files?path=/kept/mark", data="still here")

    namespace.kubectl("delete", "appstack", "data", "--timeout=120s")
    namespace.wait_until_deleted("deployment", "data")
    namespace.wait_until_deleted("service", "data")
    namespace.wait_until_deleted("persistentvolumeclaim", "data-temporary")
    namespace.wait_for("the pods are deleted", lambda: not namespace.children("pods", "data"))
    kept = namespace.get("persistentvolumeclaim", "data-kept")

    namespace.apply(with_claims("data"))
    namespace.wait_until_ready("data")

    assert uid_of(namespace.get("persistentvolumeclaim", "data-kept")) == uid_of(kept)
    assert namespace.page("http://data/files?path=/kept/mark") == "still here"


def test_stack_with_an_invalid_spec_can_be_deleted(namespace: Namespace) -> None:
    invalid = probed_backend("invalid", volumes=[{"name": "twice", "emptyDir": {}, "nodeCache": {}}])
    namespace.apply(invalid)
    namespace.wait_until_stalled("invalid")

    namespace.kubectl("delete", "appstack", "invalid", "--timeout=120s")

    assert namespace.find("appstack", "invalid") is None
