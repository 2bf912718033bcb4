"""Whoever may write an object may nest its managedFields 10,000 deep: it is one more object, and stops nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import SYSTEM, WORKER, namespace
from tests.api.harness import Cluster, Manifest, Operator, Space, eventually, stack

DEPTHS = (300, 1_500, 9_900)  # where pydantic's reader gives up, where Python's does, and nearly what a server takes


@pytest.fixture
def place(cluster: Cluster, system: Space) -> Iterator[Space]:
    """Give a namespace whose operator has yet to start."""
    with namespace(cluster, f"apideep-{WORKER}") as space:
        yield space


@pytest.fixture
def late(place: Space, kubeconfig: Path, tmp_path: Path) -> Iterator[Operator]:
    """Give that operator."""
    made = Operator(tmp_path, kubeconfig, operatorNamespace=SYSTEM, namespaces=[place.name])
    yield made
    if made.running():
        assert 0 == made.stop(), made.words()
    assert "Traceback" not in made.words()


def nested(manifest: Manifest, depth: int, *, manager: str = "somebody", how: str = "Update") -> bytes:
    """Return a manifest of which somebody else, so it says, has set what lies that deep."""
    entry = {"manager": manager, "operation": how, "apiVersion": manifest["apiVersion"], "fieldsType": "FieldsV1"}
    entries = [entry | {"time": "2026-01-01T00:00:00Z", "fieldsV1": "HERE"}]
    text = json.dumps(manifest | {"metadata": manifest["metadata"] | {"managedFields": entries}})
    return text.replace('"HERE"', '{"f:a":' * depth + '{"f:b":{}}' + "}" * depth).encode()


def send(space: Space, method: str, manifest: Manifest, depth: int, **kept: Any) -> None:
    """Write it, and make sure that the API server keeps it as it is."""
    name = manifest["metadata"]["name"]
    single = space.path(manifest["kind"], name if method == "PUT" else "")
    url = f"{space.cluster.server}{single}"
    pool, headers = space.cluster._pool, {"Content-Type": "application/json", "Accept": "application/json"}
    answer = pool.request(method, url, body=nested(manifest, depth, **kept), headers=headers)
    assert answer.status < 300, answer.data
    assert answer.data.count(b'{"f:a":') >= depth


def config(name: str, of: str) -> Manifest:
    """Return a ConfigMap that says that it is a stack's."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"appstack.dev/stack": of}}}


def test_a_list_with_such_objects_is_read(place: Space, late: Operator) -> None:
    for depth in DEPTHS:
        send(place, "POST", config(f"deep-{depth}", "shop"), depth)
        send(place, "POST", stack(f"deep-{depth}"), depth)
    place.stack()

    late.start()

    for name in ("shop", *(f"deep-{depth}" for depth in DEPTHS)):
        place.ready(name)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_watch_that_brings_one_goes_on(space: Space, operator: Operator, depth: int) -> None:
    send(space, "POST", config("deep", "shop"), depth)
    send(space, "POST", stack("deep"), depth)
    space.stack()

    space.ready("shop")
    space.ready("deep")
    space.delete("ConfigMap", "deep")
    space.delete("Service", "shop")
    eventually(lambda: space.exists("Service", "shop"))


@pytest.mark.parametrize("manager", ["appstack", "somebody"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_child_that_is_written_over_so_is_put_right(
    space: Space, operator: Operator, depth: int, manager: str
) -> None:
    space.stack()
    space.ready()
    found = space.get("Service", "shop")
    ports = found["spec"]["ports"]
    found["spec"]["ports"] = [ports[0] | {"targetPort": 9999}]

    send(space, "PUT", found, depth, manager=manager, how="Apply" if manager == "appstack" else "Update")

    eventually(lambda: space.get("Service", "shop")["spec"]["ports"] == ports)
    space.ready()
