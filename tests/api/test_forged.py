"""Whoever may write an object may make up its managedFields, which the API server keeps: it stops nobody else."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from string import ascii_lowercase, digits

import pytest

from tests.api.conftest import SYSTEM, WORKER, namespace
from tests.api.harness import Cluster, Manifest, Operator, Space, eventually, stack


def nested(depth: int) -> bytes:
    """Return fields that lie that deep."""
    return b'{"f:a":' * depth + b'{"f:b":{}}' + b"}" * depth


WIDE = b"{" + b",".join(b'"f:%d":%s' % (number, nested(150)) for number in range(500)) + b"}"
FORGED = {
    "deep": nested(300),  # where pydantic's reader gives up
    "deeper": nested(1_500),  # where Python's does
    "deepest": nested(9_900),  # nearly what a server takes
    "wide": WIDE,
    "bytes": b'{"f:\xff":{}}',
}
KEPT = FORGED | {"wide": nested(150), "bytes": b"\xff"}  # what of it shows that the server took it


@pytest.fixture
def place(cluster: Cluster, system: Space) -> Iterator[Space]:
    """Give a namespace whose operator has yet to start."""
    with namespace(cluster, f"zforged-{WORKER}-{secrets.token_hex(2)}") as space:
        yield space


@pytest.fixture
def late(place: Space, kubeconfig: Path, tmp_path: Path) -> Iterator[Operator]:
    """Give that operator."""
    made = Operator(tmp_path, kubeconfig, operatorNamespace=SYSTEM, namespaces=[place.name])
    yield made
    if made.running():
        assert 0 == made.stop(), made.words()
    assert "Traceback" not in made.words()


def forged(manifest: Manifest, fields: bytes, *, manager: str = "somebody", how: str = "Update") -> bytes:
    """Return a manifest of which somebody else, so it says, has set these fields."""
    entry = {"manager": manager, "operation": how, "apiVersion": manifest["apiVersion"], "fieldsType": "FieldsV1"}
    entries = [entry | {"time": "2026-01-01T00:00:00Z", "fieldsV1": "HERE"}]
    text = json.dumps(manifest | {"metadata": manifest["metadata"] | {"managedFields": entries}})
    return text.encode().replace(b'"HERE"', fields)


def send(space: Space, method: str, kind: str, name: str, body: bytes) -> bytes:
    """Write an object as these bytes; return what the API server made of it."""
    single = space.path(kind, name if method == "PUT" else "")
    pool, headers = space.cluster._pool, {"Content-Type": "application/json", "Accept": "application/json"}
    answer = pool.request(method, f"{space.cluster.server}{single}", body=body, headers=headers)
    assert answer.status < 300, answer.data
    data: bytes = answer.data
    return data


def make(space: Space, manifest: Manifest, what: str) -> None:
    """Create an object with made-up fields."""
    made = send(space, "POST", manifest["kind"], manifest["metadata"]["name"], forged(manifest, FORGED[what]))
    if manifest["kind"] != "AppStack" or what != "bytes":  # of custom resources it keeps no such bytes
        assert KEPT[what] in made


def config(name: str, of: str) -> Manifest:
    """Return a ConfigMap that says that it is a stack's."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"appstack.dev/stack": of}}}


def stateful_set(name: str, of: str, fields: bytes) -> bytes:
    """Return a StatefulSet that says so, with fields that are made up in its template of claims."""
    claim: Manifest = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}}
    claim["metadata"]["managedFields"] = [{"fieldsV1": "HERE"}]
    claim["spec"] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    labels = {"a": "b"}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 0, "serviceName": name, "selector": {"matchLabels": labels}, "template": pods}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "labels": {"appstack.dev/stack": of}},
        "spec": spec | {"volumeClaimTemplates": [claim]},
    }
    return json.dumps(manifest).encode().replace(b'"HERE"', fields)


def test_a_list_with_such_objects_is_read(place: Space, late: Operator) -> None:
    for what in FORGED:
        make(place, config(what, "shop"), what)
        make(place, stack(what), what)
    assert b"\\ud800" in send(place, "POST", "StatefulSet", "half", stateful_set("half", "shop", b'{"f:\\ud800":{}}'))
    place.stack()

    late.start()

    for name in ("shop", *FORGED):
        place.ready(name)


@pytest.mark.parametrize("what", FORGED)
def test_a_watch_that_brings_one_goes_on(space: Space, operator: Operator, what: str) -> None:
    make(space, config("forged", "shop"), what)
    make(space, stack("forged"), what)
    space.stack()

    space.ready("shop")
    space.ready("forged")
    space.delete("ConfigMap", "forged")
    space.delete("Service", "shop")
    eventually(lambda: space.exists("Service", "shop"))


@pytest.mark.parametrize("fields", [b'{"f:\\ud800":{}}', b'{"f:\xff":{}}', nested(1_500)])
def test_a_template_may_be_made_up_as_well(space: Space, operator: Operator, fields: bytes) -> None:
    assert fields in send(space, "POST", "StatefulSet", "forged", stateful_set("forged", "shop", fields))
    space.stack()

    space.ready("shop")
    space.delete("Service", "shop")
    eventually(lambda: space.exists("Service", "shop"))


@pytest.mark.parametrize("manager", ["appstack", "somebody"])
@pytest.mark.parametrize("what", FORGED)
def test_a_child_that_is_written_over_so_is_put_right(
    space: Space, operator: Operator, what: str, manager: str
) -> None:
    space.stack()
    space.ready()
    found = space.get("Service", "shop")
    ports = found["spec"]["ports"]
    found["spec"]["ports"] = [ports[0] | {"targetPort": 9999}]
    how = "Apply" if manager == "appstack" else "Update"

    made = send(space, "PUT", "Service", "shop", forged(found, FORGED[what], manager=manager, how=how))

    assert KEPT[what] in made
    eventually(lambda: space.get("Service", "shop")["spec"]["ports"] == ports)
    space.ready()


@pytest.mark.parametrize("said", ["[" * 100_000, '["' + "a" * 5_000 + '*"]', '[["a"]]', "7", "\\"])
def test_a_lease_that_means_nothing_keeps_no_operator_from_work(place: Space, late: Operator, said: str) -> None:
    lease: Manifest = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "forged"}}
    excluded = json.dumps([f"{first}*" for first in (ascii_lowercase + digits).replace("z", "")])  # operators of others
    annotations = {"appstack.dev/namespaces": said, "appstack.dev/exclude-namespaces": excluded}
    lease["metadata"] |= {"labels": {"appstack.dev/operator": ""}, "annotations": annotations}
    lease["spec"] = {"holderIdentity": "nobody", "renewTime": "2026-01-01T00:00:00.000000Z"}
    place.create(lease)
    place.stack()

    late.start()

    place.ready()
