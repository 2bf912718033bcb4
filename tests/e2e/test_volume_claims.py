"""Volume claims: shared by pods on two nodes, retained and reused, and expanded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.manifests import node_names, public_backend
from tests.e2e.namespace import Manifest, Namespace, uid_of

FILE = "/data/mark"


def with_claim(name: str, claim: Manifest, **spec: Any) -> Manifest:
    """Return an AppStack that mounts one claim."""
    backend = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    return public_backend(name, backend=backend, volumes=[{"name": "data", "claim": claim}], **spec)


def claim_of(size: str, **fields: object) -> Manifest:
    """Return a claim of a size."""
    return {"resources": {"requests": {"storage": size}}, **fields}


def size_of(namespace: Namespace, claim: str) -> str:
    """Return the requested size of a claim."""
    return str(namespace.get("persistentvolumeclaim", claim)["spec"]["resources"]["requests"]["storage"])


def test_pods_on_two_nodes_share_a_claim(namespace: Namespace) -> None:
    shared = claim_of("10Mi", accessModes=["ReadWriteMany"], storageClassName="shared")
    apart = {
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"appstack.dev/stack": "shared"}},
            }
        ]
    }
    namespace.apply(with_claim("shared", shared, replicas=2, pod=apart))
    namespace.wait_until_ready("shared")
    writer, reader = namespace.pods("shared")
    assert sorted(pod["spec"]["nodeName"] for pod in (writer, reader)) == node_names(namespace.list_objects("nodes"))

    result = namespace.http(f"http://{writer['status']['podIP']}:8000/files?path={FILE}", data="from the other node")

    assert result.ok, result.stderr
    assert namespace.page(f"http://{reader['status']['podIP']}:8000/files?path={FILE}") == "from the other node"


def test_retained_claim_survives_its_stack_and_is_reused(namespace: Namespace) -> None:
    namespace.apply(with_claim("kept", claim_of("10Mi")))
    namespace.wait_until_ready("kept")
    namespace.page("http://kept:8000/")
    namespace.http(f"http://kept:8000/files?path={FILE}", data="still here")
    claim = namespace.get("persistentvolumeclaim", "kept-data")

    namespace.kubectl("delete", "appstack", "kept", "--timeout=120s")
    namespace.wait_until_deleted("deployment", "kept")
    namespace.wait_for("its pods are deleted", lambda: not namespace.children("pods", "kept"))
    assert "ownerReferences" not in namespace.get("persistentvolumeclaim", "kept-data")["metadata"]
    namespace.apply(with_claim("kept", claim_of("10Mi")))
    namespace.wait_until_ready("kept")

    assert uid_of(namespace.get("persistentvolumeclaim", "kept-data")) == uid_of(claim)
    assert namespace.page(f"http://kept:8000/files?path={FILE}") == "still here"


@pytest.fixture
def expandable_class(namespace: Namespace) -> Iterator[None]:
    """Allow expansion in the default StorageClass; its provisioner expands nothing, but the API server accepts it."""
    patch = '{{"allowVolumeExpansion": {}}}'
    namespace.kubectl("patch", "storageclass", "standard", "--patch", patch.format("true"))
    yield
    namespace.kubectl("patch", "storageclass", "standard", "--patch", patch.format("false"))


@pytest.mark.usefixtures("expandable_class")
def test_expansion_of_a_claim_is_applied_and_reduction_is_refused(namespace: Namespace) -> None:
    namespace.apply(with_claim("grown", claim_of("10Mi")))
    namespace.wait_until_ready("grown")

    namespace.apply(with_claim("grown", claim_of("20Mi")))
    namespace.wait_for("the claim requests more", lambda: size_of(namespace, "grown-data") == "20Mi")

    namespace.apply(with_claim("grown", claim_of("5Mi")))
    message = namespace.wait_until_stalled("grown")
    assert "spec.volumes[0].claim.resources.requests.storage" in message
    assert size_of(namespace, "grown-data") == "20Mi"


def test_change_of_the_storage_class_is_refused(namespace: Namespace) -> None:
    namespace.apply(with_claim("moved", claim_of("10Mi")))
    namespace.wait_until_ready("moved")

    namespace.apply(with_claim("moved", claim_of("10Mi", storageClassName="shared")))

    assert "storageClassName" in namespace.wait_until_stalled("moved")
    assert namespace.pods("moved")
