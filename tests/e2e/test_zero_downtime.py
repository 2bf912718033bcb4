"""Rolling updates under steady load from the other node, through the Service: no request is lost.

The load client never tries a request twice. It tells what became of new connections and of kept ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.e2e.harness import SHOWN, Example, Manifest, Space

LOAD_IMAGE = "appstack.dev/load-client:1.0.0"
ROLL_OUTS = 3
EXAMPLES = {"09-multi-nginx": 80, "01-release-app": 80}


def client(name: str, target: str, node: str) -> Manifest:
    """Return the pod that sends the load, on a node of its own."""
    container = {"name": "load", "image": LOAD_IMAGE, "args": [target]}
    spec = {"containers": [container], "nodeName": node, "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def report(space: Space, name: str) -> dict[str, Manifest]:
    """Return what became of the requests so far."""
    address = space.get("pod", name)["status"]["podIP"]
    return dict(json.loads(space.page(f"http://{address}:8080/")))


def other_node(space: Space, stack: str) -> str:
    """Return a node on which the stack has the fewest pods: that of the load."""
    nodes = [node["metadata"]["name"] for node in space.items("nodes")]
    used = [pod["spec"]["nodeName"] for pod in space.pods(stack)]
    return str(min(nodes, key=used.count))


@pytest.mark.parametrize("folder", EXAMPLES)
def test_three_rolling_updates_lose_no_request(
    space: Space, folder: str, record_property: Callable[[str, object], None]
) -> None:
    example = Example(folder)
    name, load = example.name, f"load-{example.name}"
    stack = example.stack
    space.apply(*example.manifests)
    space.ready(name)
    space.page(f"http://{name}/")
    address = space.get("service", name)["spec"]["clusterIP"]
    node = other_node(space, name)
    if folder == "01-release-app":  # its claim and its cache are of one node, which is not the client's
        stack["spec"].setdefault("pod", {})["nodeSelector"] = {
            "kubernetes.io/hostname": space.pod(name)["spec"]["nodeName"]
        }
    space.apply(client(load, f"{address}:{EXAMPLES[folder]}", node))
    space.kubectl("wait", "--for=condition=Ready", f"pod/{load}", "--timeout=120s")

    for number in range(ROLL_OUTS):
        stack["spec"].setdefault("pod", {})["metadata"] = {"annotations": {"roll-out": str(number)}}
        space.apply(stack)
        space.ready(name)
        space.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")
    space.until("the last old pod is gone", lambda: gone(space, stack))
    told = report(space, load)
    space.kubectl("delete", "pod", load, "--wait=false")

    record_property(SHOWN, f"{name}: {json.dumps(told)}")
    assert min(each["requests"] for each in told.values()) > 500
    assert {way: each["errors"] for way, each in told.items()} == {"new": [], "kept": []}
    assert {way: each["failures"] for way, each in told.items()} == {"new": 0, "kept": 0}


def gone(space: Space, stack: Manifest) -> bool:
    """Tell whether there are just as many pods as replicas, those on their way out counted."""
    return len(space.every("pods", stack["metadata"]["name"])) == int(stack["spec"]["replicas"])
