"""Forged managedFields, which the API server stores as written: they stop neither the operator nor other tenants."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from string import ascii_lowercase, digits

import pytest

from tests.api.cluster import OTHER_MANAGER, Cluster, Manifest, Namespace, appstack, eventually
from tests.api.conftest import OPERATOR_NAMESPACE, RUN_ID, temporary_namespace
from tests.api.operator_process import OperatorProcess


def nested(depth: int) -> bytes:
    """Return a fieldsV1 value of that depth."""
    return b'{"f:a":' * depth + b'{"f:b":{}}' + b"}" * depth


WIDE = b"{" + b",".join(b'"f:%d":%s' % (number, nested(150)) for number in range(500)) + b"}"
FORGED_FIELDS = {
    "deep": nested(300),  # too deep for pydantic's JSON parser
    "deeper": nested(1_500),  # too deep for Python's
    "deepest": nested(9_900),  # nearly the limit of the API server
    "wide": WIDE,
    "bytes": b'{"f:\xff":{}}',
}
STORED_PARTS = FORGED_FIELDS | {"wide": nested(150), "bytes": b"\xff"}  # what a response contains of each


@pytest.fixture
def new_namespace(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace that no operator reconciles yet."""
    with temporary_namespace(cluster, f"zforged-{RUN_ID}-{secrets.token_hex(2)}") as namespace:
        yield namespace


@pytest.fixture
def new_operator(new_namespace: Namespace, kubeconfig: Path, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Return the operator of that namespace, not started."""
    process = OperatorProcess(
        tmp_path, kubeconfig, operatorNamespace=OPERATOR_NAMESPACE, namespaces=[new_namespace.name]
    )
    yield process
    if process.running():
        assert 0 == process.stop(), process.log_text()
    assert "Traceback" not in process.log_text()


def with_managed_fields(
    manifest: Manifest, fields: bytes, *, manager: str = OTHER_MANAGER, operation: str = "Update"
) -> bytes:
    """Return a manifest as JSON, with a forged managedFields entry."""
    entry = {"manager": manager, "operation": operation, "apiVersion": manifest["apiVersion"], "fieldsType": "FieldsV1"}
    entries = [entry | {"time": "2026-01-01T00:00:00Z", "fieldsV1": "HERE"}]
    text = json.dumps(manifest | {"metadata": manifest["metadata"] | {"managedFields": entries}})
    return text.encode().replace(b'"HERE"', fields)


def send(namespace: Namespace, method: str, kind: str, name: str, body: bytes) -> bytes:
    """Send a request with these bytes as its body and return the body of the response."""
    path = namespace.path(kind, name if method == "PUT" else "")
    pool, headers = namespace.cluster.pool, {"Content-Type": "application/json", "Accept": "application/json"}
    response = pool.request(method, f"{namespace.cluster.server}{path}", body=body, headers=headers)
    assert response.status < 300, response.data
    data: bytes = response.data
    return data


def create_forged(namespace: Namespace, manifest: Manifest, case: str) -> None:
    """Create an object with forged managedFields."""
    body = with_managed_fields(manifest, FORGED_FIELDS[case])
    created = send(namespace, "POST", manifest["kind"], manifest["metadata"]["name"], body)
    if manifest["kind"] != "AppStack" or case != "bytes":  # the API server drops these bytes from custom resources
        assert STORED_PARTS[case] in created


def config_map(name: str, stack: str) -> Manifest:
    """Return a ConfigMap with the label of an AppStack's children."""
    labels = {"appstack.dev/stack": stack}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


def stateful_set(name: str, stack: str, fields: bytes) -> bytes:
    """Return a StatefulSet with that label, as JSON, with forged managedFields in its volumeClaimTemplate."""
    claim: Manifest = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}}
    claim["metadata"]["managedFields"] = [{"fieldsV1": "HERE"}]
    claim["spec"] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    labels = {"a": "b"}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 0, "serviceName": name, "selector": {"matchLabels": labels}, "template": pods}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "labels": {"appstack.dev/stack": stack}},
        "spec": spec | {"volumeClaimTemplates": [claim]},
    }
    return json.dumps(manifest).encode().replace(b'"HERE"', fields)


def test_list_with_forged_objects_is_decoded(new_namespace: Namespace, new_operator: OperatorProcess) -> None:
    for case in FORGED_FIELDS:
        create_forged(new_namespace, config_map(case, "shop"), case)
        create_forged(new_namespace, appstack(case), case)
    surrogate = stateful_set("half", "shop", b'{"f:\\ud800":{}}')
    assert b"\\ud800" in send(new_namespace, "POST", "StatefulSet", "half", surrogate)
    new_namespace.create_stack()

    new_operator.start()

    for name in ("shop", *FORGED_FIELDS):
        new_namespace.wait_until_ready(name)


@pytest.mark.parametrize("case", FORGED_FIELDS)
def test_watch_continues_after_a_forged_object(namespace: Namespace, operator: OperatorProcess, case: str) -> None:
    create_forged(namespace, config_map("forged", "shop"), case)
    create_forged(namespace, appstack("forged"), case)
    namespace.create_stack()

    namespace.wait_until_ready("shop")
    namespace.wait_until_ready("forged")
    namespace.delete("ConfigMap", "forged")
    namespace.delete("Service", "shop")
    eventually(lambda: namespace.exists("Service", "shop"))


@pytest.mark.parametrize("fields", [b'{"f:\\ud800":{}}', b'{"f:\xff":{}}', nested(1_500)])
def test_watch_continues_after_a_forged_template(
    namespace: Namespace, operator: OperatorProcess, fields: bytes
) -> None:
    body = stateful_set("forged", "shop", fields)
    assert fields in send(namespace, "POST", "StatefulSet", "forged", body)
    namespace.create_stack()

    namespace.wait_until_ready("shop")
    namespace.delete("Service", "shop")
    eventually(lambda: namespace.exists("Service", "shop"))


@pytest.mark.parametrize("manager", ["appstack", OTHER_MANAGER])
@pytest.mark.parametrize("case", FORGED_FIELDS)
def test_child_overwritten_with_forged_managed_fields_is_repaired(
    namespace: Namespace, operator: OperatorProcess, case: str, manager: str
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()
    service = namespace.get("Service", "shop")
    ports = service["spec"]["ports"]
    service["spec"]["ports"] = [ports[0] | {"targetPort": 9999}]
    operation = "Apply" if manager == "appstack" else "Update"
    body = with_managed_fields(service, FORGED_FIELDS[case], manager=manager, operation=operation)

    updated = send(namespace, "PUT", "Service", "shop", body)

    assert STORED_PARTS[case] in updated
    eventually(lambda: namespace.get("Service", "shop")["spec"]["ports"] == ports)
    namespace.wait_until_ready()


@pytest.mark.parametrize("scope", ["[" * 100_000, '["' + "a" * 5_000 + '*"]', '[["a"]]', "7", "\\"])
def test_malformed_lease_stops_no_operator(new_namespace: Namespace, new_operator: OperatorProcess, scope: str) -> None:
    lease: Manifest = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "forged"}}
    # The namespaces of every other operator in the cluster, whose names do not start with z.
    excluded = json.dumps([f"{first}*" for first in (ascii_lowercase + digits).replace("z", "")])
    annotations = {"appstack.dev/namespaces": scope, "appstack.dev/exclude-namespaces": excluded}
    lease["metadata"] |= {"labels": {"appstack.dev/operator": ""}, "annotations": annotations}
    lease["spec"] = {"holderIdentity": "another-holder", "renewTime": "2026-01-01T00:00:00.000000Z"}
    new_namespace.create(lease)
    new_namespace.create_stack()

    new_operator.start()

    new_namespace.wait_until_ready()
