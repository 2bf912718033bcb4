"""What the engine takes for granted of the API server: each fact is held here, on a real one."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.client import requests
from appstack.client.requests import Request
from appstack.client.resource_kinds import WATCHED, Kind
from appstack.informers.transform import child_of
from appstack.k8s.metadata import Manifest
from tests.api.conftest import WORKER, namespace
from tests.api.harness import Cluster, Failure, Space, eventually

CONTAINERS = {"containers": [{"name": "c", "image": "i"}]}
NOWHERE = {"nodeSelector": {"no": "where"}}
POD = {"metadata": {"labels": {"a": "b"}}, "spec": CONTAINERS | NOWHERE}
SELECTED = {"selector": {"matchLabels": {"a": "b"}}, "template": POD}
RUN = {"template": {"spec": CONTAINERS | NOWHERE | {"restartPolicy": "Never"}}}
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
    "Pod": {"spec": CONTAINERS | NOWHERE},
}
APPLIED = [kind for kind in WATCHED if kind.applied and not kind.optional]


@pytest.fixture(scope="module")
def bare(cluster: Cluster) -> Any:
    """Give a namespace that no operator owns."""
    with namespace(cluster, f"guard-{WORKER}") as space:
        yield space


def manifest(space: Space, kind: Kind, name: str) -> Manifest:
    meta = {"name": name, "namespace": space.name, "labels": {"x": "y"}}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **SPECS[kind.kind]}


def send(space: Space, request: Request) -> Manifest:
    """Send what the operator would send."""
    query = dict(request.query)
    return space.cluster.request(request.method, request.path, request.body, kind=request.content_type, **query)


def code(space: Space, request: Request) -> int:
    """Return how the API server refuses it."""
    with pytest.raises(Failure) as caught:
        send(space, request)
    return caught.value.status


@pytest.mark.parametrize("kind", APPLIED, ids=lambda kind: kind.kind)
def test_an_apply_that_only_a_free_name_takes(bare: Space, kind: Kind) -> None:
    wanted = manifest(bare, kind, "free")

    made = send(bare, requests.create(wanted))
    (entry,) = [one for one in made["metadata"]["managedFields"] if one["manager"] == "appstack"]
    assert "Apply" == entry["operation"], "no Update entry, which later applies would not remove"
    assert "f:resourceVersion" not in str(entry["fieldsV1"])

    assert 409 == code(bare, requests.create(wanted)), "not even the same again"
    assert bare.get(kind.kind, "free")["metadata"]["uid"] == made["metadata"]["uid"]


@pytest.mark.parametrize("kind", APPLIED, ids=lambda kind: kind.kind)
def test_an_apply_that_only_one_object_takes(bare: Space, kind: Kind) -> None:
    made = send(bare, requests.create(manifest(bare, kind, "known")))
    uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    changed = manifest(bare, kind, "known")
    changed["metadata"]["labels"] = {"x": "z"}

    assert code(bare, requests.apply(changed, uid="00000000-0000-0000-0000-000000000000")) in (409, 422)
    assert 409 == code(bare, requests.apply(manifest(bare, kind, "absent"), uid=uid)), "nor does it make one"
    assert bare.get(kind.kind, "known")["metadata"]["labels"] == {"x": "y"}
    assert send(bare, requests.apply(changed, uid=uid))["metadata"]["labels"] == {"x": "z"}
    assert version.isdecimal()


def test_versions_of_a_kind_grow(bare: Space) -> None:
    versions = []
    for number in range(12):
        kind = next(kind for kind in APPLIED if kind.kind == "ConfigMap")
        made = send(bare, requests.create(manifest(bare, kind, f"grow-{number}")))
        versions.append(int(made["metadata"]["resourceVersion"]))

    assert versions == sorted(versions)
    assert len(set(versions)) == len(versions)


def test_a_rendering_that_says_the_same_keeps_the_fields(bare: Space) -> None:
    kind = next(kind for kind in APPLIED if kind.kind == "Deployment")
    made = send(bare, requests.create(manifest(bare, kind, "same")))
    eventually(lambda: bare.get(kind.kind, "same").get("status", {}).get("observedGeneration"))

    again = send(bare, requests.apply(manifest(bare, kind, "same"), uid=made["metadata"]["uid"]))

    assert child_of(kind, made).fields == child_of(kind, again).fields
