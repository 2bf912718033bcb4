"""Authorization of Secrets by name, and the cost of the chart's admission policies at the largest spec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from appstack.k8s.metadata import Manifest
from tests.api.cluster import Cluster, Namespace, appstack
from tests.api.tenants import CREATE_RIGHTS, User, add_user, create_rules, denial, protected_namespace, update_denial
from tools.admission_policy import MAX_SECRET_NAMES
from tools.authorization import MAX_SECRET_REFERENCES

READABLE = "readable"
SECRET_VOLUMES: dict[str, Manifest] = {
    "secret": {"secret": {"secretName": "other"}},
    "projected": {"projected": {"sources": [{"configMap": {"name": "a"}}, {"secret": {"name": "other"}}]}},
    "azureFile": {"azureFile": {"secretName": "other", "shareName": "a"}},
    "csi": {"csi": {"driver": "d", "nodePublishSecretRef": {"name": "other"}}},
    "cephfs": {"cephfs": {"monitors": ["a"], "secretRef": {"name": "other"}}},
    "cinder": {"cinder": {"volumeID": "a", "secretRef": {"name": "other"}}},
    "flexVolume": {"flexVolume": {"driver": "d", "secretRef": {"name": "other"}}},
    "iscsi": {"iscsi": {"iqn": "a", "lun": 0, "targetPortal": "a", "secretRef": {"name": "other"}}},
    "rbd": {"rbd": {"image": "a", "monitors": ["a"], "secretRef": {"name": "other"}}},
    "scaleIO": {"scaleIO": {"gateway": "a", "system": "a", "secretRef": {"name": "other"}}},
    "storageos": {"storageos": {"secretRef": {"name": "other"}}},
}
CONTAINER = {"name": "side", "image": "i"}
ENV = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}}]}
ENV_FROM = {"envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "other"}}]}
REFERENCES: dict[str, Manifest] = {
    "env of the backend": {"backend": {"image": "i", **ENV}},
    "envFrom of the backend": {"backend": {"image": "i", **ENV_FROM}},
    "tls of the proxy": {"proxy": {"tls": {"secretName": "other"}}},
    "env of the proxy": {"proxy": ENV},
    "env of a sidecar": {"sidecars": [CONTAINER | ENV]},
    "envFrom of an init container": {"initContainers": [CONTAINER | ENV_FROM]},
    "file": {"files": [{"path": "/a", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}}]},
    "pull secret": {"pod": {"imagePullSecrets": [{"name": READABLE}, {"name": "other"}]}},
    **{f"volume {name}": {"volumes": [{"name": "v", **volume}]} for name, volume in SECRET_VOLUMES.items()},
}
"""Specs with a reference to the Secret `other`."""


@pytest.fixture(scope="module")
def protected(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace with both policies, whose cost has 1,400,000 units to spare."""
    with protected_namespace(cluster, "limits", secrets=True, extra_validations=4) as namespace:
        yield namespace


@pytest.fixture(scope="module")
def reader(protected: Namespace) -> User:
    """Return a user with every right to create, and the right to read one Secret."""
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [READABLE], "verbs": ["get"]}
    return add_user(protected, "reader", [*create_rules(*CREATE_RIGHTS), rule])


@pytest.fixture(scope="module")
def reader_of_all(protected: Namespace) -> User:
    """Return a user with every right to create, and the right to read every Secret."""
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    return add_user(protected, "reader-of-all", [*create_rules(*CREATE_RIGHTS), rule])


def stack(**spec: Any) -> Manifest:
    """Return an AppStack that refers to the Secret that `reader` may read."""
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": READABLE, "key": "k"}}}]
    return appstack("shop", **({"backend": {"image": "i", "env": env}} | spec))


def with_secrets(references: int, distinct: int) -> Manifest:
    """Return an AppStack with references to Secrets with names of the maximum length."""
    names = [f"{number % distinct:0253d}" for number in range(references)]
    env = [{"name": f"E{i}", "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}} for i, name in enumerate(names)]
    return stack(backend={"image": "i", "env": env})


def test_readable_secret_is_admitted(protected: Namespace, reader: User) -> None:
    assert denial(reader, protected, stack()) == ""


@pytest.mark.parametrize("spec", REFERENCES.values(), ids=REFERENCES.keys())
def test_secret_must_be_readable(protected: Namespace, reader: User, reader_of_all: User, spec: Manifest) -> None:
    expected = f'user "reader" may not get secrets "other" in namespace "{protected.name}" (spec)'

    assert denial(reader, protected, stack(**spec)) == expected
    assert denial(reader_of_all, protected, stack(**spec)) == ""


def test_changed_pods_need_the_secrets_of_the_old_spec(protected: Namespace, reader: User) -> None:
    protected.create(stack(**REFERENCES["file"]) | {"metadata": {"name": "colleague"}})
    command = {"spec": {"backend": {"command": ["cat", "/a"]}}}
    service = {"spec": {"service": {"ports": [{"port": 80}]}, "replicas": 2}}

    assert '"other"' in update_denial(reader, protected, "colleague", command)
    assert '"other"' in update_denial(reader, protected, "colleague", service), "pods get a preStop delay"
    assert update_denial(reader, protected, "colleague", {"spec": {"replicas": 2, "ingress": {}}}) == ""


@pytest.mark.parametrize(
    ("references", "distinct"),
    [(MAX_SECRET_NAMES + 1, MAX_SECRET_NAMES + 1), (MAX_SECRET_REFERENCES + 1, 1)],
    ids=["names", "references"],
)
def test_many_secrets_need_the_right_to_get_all(
    protected: Namespace, reader: User, reader_of_all: User, references: int, distinct: int
) -> None:
    names = [f"{number:0253d}" for number in range(distinct)]
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": names, "verbs": ["get"]}
    named = add_user(protected, f"named-{distinct}", [*create_rules(*CREATE_RIGHTS), rule])

    refused = denial(named, protected, with_secrets(references, distinct))

    assert refused == f'user "named-{distinct}" may not get secrets in namespace "{protected.name}" (spec)'
    assert denial(named, protected, with_secrets(MAX_SECRET_NAMES, min(distinct, MAX_SECRET_NAMES))) == ""
    assert denial(reader_of_all, protected, with_secrets(references, distinct)) == ""


def largest_spec(number: int) -> Manifest:
    """Return a spec at the bounds of the CRD, about half of the size that the API server accepts.

    Specs with different numbers have no entry of any list in common.
    """

    def ports(first: int, count: int) -> list[Manifest]:
        return [{"containerPort": first + i, "name": f"p{number}-{first + i}"} for i in range(count)]

    names = [f"{number * 1000 + i:0253d}" for i in range(MAX_SECRET_REFERENCES)]
    env = [{"name": f"E{i}", "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}} for i, name in enumerate(names)]
    annotations = {f"example.com/{i}": str(number) for i in range(20)}
    claim = {"resources": {"requests": {"storage": f"{number}Gi"}}, "metadata": {"annotations": annotations}}
    containers = [
        {"ports": ports(4000 + 100 * i, 30), "env": [{"name": f"E{j}"} for j in range(30)]} for i in range(64)
    ]
    return {
        "backend": {"image": f"shop:{number}", "ports": ports(1000, 500), "env": env},
        "proxy": {"serverSnippet": f"# {number}".ljust(65_000), "ports": ports(2000, 100)},
        "initContainers": [{"name": f"i{i}", "restartPolicy": "Always", **containers[i]} for i in range(32)],
        "sidecars": [{"name": f"s{i}", **containers[32 + i]} for i in range(32)],
        "files": [{"path": f"/etc/{number}/{i}", "content": "x" * 3000} for i in range(128)],
        "volumes": [{"name": f"v{i}", "claim": claim} for i in range(64)],
        "service": {"ports": [{"name": f"p{i}", "port": i} for i in range(number, 200)]},
        "services": [
            {"name": f"s{i}", "ports": [{"name": f"p{j}", "port": number + j} for j in range(50)]} for i in range(32)
        ],
        "serviceAccount": {"name": f"account-{number}"},
        "ingress": {"hosts": [f"{number}-{i}.example.com" for i in range(64)]},
        "httpRoute": {"parentRefs": [{"name": f"{number}-{i}"} for i in range(32)]},
        "serviceMonitor": {
            "endpoints": [
                {"port": f"p{number}-{i}", "relabelings": [{"regex": f"{number}{j}"} for j in range(32)]}
                for i in range(32)
            ]
        },
        "autoscaling": {"maxReplicas": number},
        "podDisruptionBudget": {"minAvailable": number},
        "networkPolicy": {"from": [{"ipBlock": {"cidr": f"10.{number}.{i}.0/24"}} for i in range(64)]},
        "pod": {"nodeSelector": {"number": str(number)}},
    }


def test_largest_spec_costs_less_than_the_limit(protected: Namespace, reader_of_all: User, reader: User) -> None:
    largest = appstack("largest") | {"spec": largest_spec(1)}

    assert denial(reader_of_all, protected, largest) == ""
    protected.create(largest)
    assert update_denial(reader_of_all, protected, "largest", {"spec": largest_spec(2)}) == ""
    assert "may not get secrets" in update_denial(reader, protected, "largest", {"spec": largest_spec(2)})
