"""Changes of a volume claim: growth is applied, immutable fields are refused before any write."""

from __future__ import annotations

import pytest

from tests.api.audit_log import AuditLog
from tests.api.cluster import Manifest, Namespace, eventually
from tests.api.operator_process import OperatorProcess
from tests.api.pods import SERVER

CLAIM = {"resources": {"requests": {"storage": "2Gi"}}, "storageClassName": "none"}
STORAGE_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
PERSISTENT_VOLUMES = "/api/v1/persistentvolumes"


def _with_claim(claim: Manifest) -> Manifest:
    """Return the fields of an AppStack that mounts a claim."""
    backend = SERVER | {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    return {"backend": backend, "volumes": [{"name": "data", "claim": claim}]}


def _storage(size: str) -> Manifest:
    return {"resources": {"requests": {"storage": size}}}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (_storage("1Gi"), "spec.volumes[0].claim.resources.requests.storage"),
        ({"storageClassName": "other"}, "spec.volumes[0].claim.storageClassName"),
        ({"accessModes": ["ReadWriteMany"]}, "spec.volumes[0].claim.accessModes"),
    ],
)
def test_change_of_an_immutable_claim_field_is_refused_before_any_write(
    namespace: Namespace, operator: OperatorProcess, audit_log: AuditLog, change: Manifest, field: str
) -> None:
    namespace.create_stack(**_with_claim(CLAIM))
    namespace.wait_until_ready()

    with audit_log.counting(namespace.name) as counts:
        namespace.edit_stack(**_with_claim(CLAIM | change), replicas=0)
        stalled = eventually(lambda: namespace.condition("Stalled"))

    assert field in stalled["message"]
    patches = {request for request in counts if request.startswith("patch") and "status" not in request}
    assert patches <= {"patch appstacks 200"}
    assert not [request for request in counts if "persistentvolumeclaims" in request or "deployments" in request]


def test_growth_of_a_claim_is_applied(namespace: Namespace, operator: OperatorProcess) -> None:
    name = namespace.name  # StorageClasses and PersistentVolumes have no namespace
    base = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    storage_class = base | {"provisioner": "none", "allowVolumeExpansion": True}
    namespace.cluster.request("POST", STORAGE_CLASSES, storage_class)
    spec = {
        "capacity": {"storage": "2Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": name,
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": "/nowhere"},
    }
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
    namespace.cluster.request("POST", PERSISTENT_VOLUMES, volume)
    try:
        claim = CLAIM | {"storageClassName": name}
        namespace.create_stack(**_with_claim(claim))
        eventually(lambda: namespace.get("PersistentVolumeClaim", "shop-data")["status"]["phase"] == "Bound")
        namespace.edit_stack(**_with_claim(claim | _storage("3Gi")))
        namespace.wait_until_ready()
        requested = namespace.get("PersistentVolumeClaim", "shop-data")["spec"]["resources"]["requests"]["storage"]
    finally:
        namespace.cluster.request("DELETE", f"{PERSISTENT_VOLUMES}/{name}")
        namespace.cluster.request("DELETE", f"{STORAGE_CLASSES}/{name}")

    assert requested == "3Gi"


def test_growth_of_a_claim_per_replica_requires_a_new_stateful_set(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    claim = CLAIM | {"perReplica": True}
    namespace.create_stack(**_with_claim(claim), workload={"kind": "StatefulSet"})
    namespace.wait_until_ready()

    namespace.edit_stack(**_with_claim(claim | _storage("3Gi")))

    stalled = eventually(lambda: namespace.condition("Stalled"))
    assert "spec.volumes[0].claim.resources.requests.storage: cannot change from 2Gi to 3Gi" in stalled["message"]
    namespace.cluster.request("DELETE", namespace.path("StatefulSet", "shop"), propagationPolicy="Orphan")
    namespace.wait_until_ready()
    (template,) = namespace.get("StatefulSet", "shop")["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "3Gi"
