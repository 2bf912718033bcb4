"""Guarantees of the API server on which the operator relies, each verified on a real one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appstack.client import requests
from appstack.client.requests import Request
from appstack.client.resource_kinds import WATCHED_KINDS, Kind
from appstack.informers.transform import child_of
from appstack.k8s.metadata import Manifest
from tests.api.cluster import ApiError, Cluster, Namespace, eventually
from tests.api.conftest import RUN_ID, temporary_namespace

CONTAINERS = {"containers": [{"name": "c", "image": "i"}]}
UNSCHEDULABLE = {"nodeSelector": {"no": "where"}}
POD = {"metadata": {"labels": {"a": "b"}}, "spec": CONTAINERS | UNSCHEDULABLE}
SELECTED = {"selector": {"matchLabels": {"a": "b"}}, "template": POD}
RUN = {"template": {"spec": CONTAINERS | UNSCHEDULABLE | {"restartPolicy": "Never"}}}
SPECS: dict[str, Manifest] = {
    "ConfigMap": {"data": {"a": "1"}},
    "ServiceAccount": {"automountServiceAccountToken": False},
    "PersistentVolumeClaim": {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    },
    "Service": {"spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}},
    "Deployment": {"spec": {"replicas": 0, **SELECTED}},
    "StatefulSet": {"spec": {"replicas": 0, "serviceName": "x", **SELECTED}},
    "DaemonSet": {"spec": SELECTED},
    "Job": {"spec": RUN},
    "CronJob": {"spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": RUN}}},
    "NetworkPolicy": {"spec": {"podSelector": {}}},
    "Ingress": {"spec": {"defaultBackend": {"service": {"name": "x", "port": {"number": 80}}}}},
    "HorizontalPodAutoscaler": {
        "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}}
    },
    "PodDisruptionBudget": {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}},
    "Pod": {"spec": CONTAINERS | UNSCHEDULABLE},
}
APPLIED = [kind for kind in WATCHED_KINDS if kind.applied and not kind.optional]


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """Return a namespace that no operator reconciles."""
    with temporary_namespace(cluster, f"guarantees-{RUN_ID}") as namespace:
        yield namespace


def manifest(namespace: Namespace, kind: Kind, name: str) -> Manifest:
    """Return a minimal object of a kind."""
    meta = {"name": name, "namespace": namespace.name, "labels": {"x": "y"}}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **SPECS[kind.kind]}


def send(namespace: Namespace, request: Request) -> Manifest:
    """Send a request of the operator and return the decoded response."""
    query = dict(request.query)
    return namespace.cluster.request(
        request.method, request.path, request.body, content_type=request.content_type, **query
    )


def error_code(namespace: Namespace, request: Request) -> int:
    """Return the status code with which the API server refuses a request."""
    with pytest.raises(ApiError) as caught:
        send(namespace, request)
    return caught.value.status


@pytest.mark.parametrize("kind", APPLIED, ids=lambda kind: kind.kind)
def test_create_only_apply_fails_when_the_object_exists(namespace: Namespace, kind: Kind) -> None:
    desired = manifest(namespace, kind, "free")

    created = send(namespace, requests.create(desired))
    (entry,) = [entry for entry in created["metadata"]["managedFields"] if entry["manager"] == "appstack"]
    assert "Apply" == entry["operation"], "no Update entry, which later applies would not remove"
    assert "f:resourceVersion" not in str(entry["fieldsV1"])

    assert 409 == error_code(namespace, requests.create(desired)), "even when nothing would change"
    assert namespace.get(kind.kind, "free")["metadata"]["uid"] == created["metadata"]["uid"]


@pytest.mark.parametrize("kind", APPLIED, ids=lambda kind: kind.kind)
def test_apply_with_a_uid_changes_that_object_only(namespace: Namespace, kind: Kind) -> None:
    created = send(namespace, requests.create(manifest(namespace, kind, "known")))
    uid, version = created["metadata"]["uid"], created["metadata"]["resourceVersion"]
    changed = manifest(namespace, kind, "known")
    changed["metadata"]["labels"] = {"x": "z"}

    assert error_code(namespace, requests.apply(changed, uid="00000000-0000-0000-0000-000000000000")) in (409, 422)
    assert 409 == error_code(namespace, requests.apply(manifest(namespace, kind, "absent"), uid=uid)), (
        "it creates no object either"
    )
    assert namespace.get(kind.kind, "known")["metadata"]["labels"] == {"x": "y"}
    assert send(namespace, requests.apply(changed, uid=uid))["metadata"]["labels"] == {"x": "z"}
    assert version.isdecimal()


def test_resource_versions_of_a_kind_increase(namespace: Namespace) -> None:
    versions = []
    kind = next(kind for kind in APPLIED if kind.kind == "ConfigMap")
    for number in range(12):
        created = send(namespace, requests.create(manifest(namespace, kind, f"version-{number}")))
        versions.append(int(created["metadata"]["resourceVersion"]))

    assert versions == sorted(versions)
    assert len(set(versions)) == len(versions)


def test_repeated_apply_keeps_the_managed_fields(namespace: Namespace) -> None:
    kind = next(kind for kind in APPLIED if kind.kind == "Deployment")
    created = send(namespace, requests.create(manifest(namespace, kind, "same")))
    eventually(lambda: namespace.get(kind.kind, "same").get("status", {}).get("observedGeneration"))

    applied = send(namespace, requests.apply(manifest(namespace, kind, "same"), uid=created["metadata"]["uid"]))

    assert child_of(kind, created).fields == child_of(kind, applied).fields
