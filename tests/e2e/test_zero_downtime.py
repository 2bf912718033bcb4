"""Rolling updates under load from another node, through the Service: no request is lost.

The load client never retries a request. It reports new connections and keep-alive connections separately.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.e2e.namespace import MEASUREMENT, Example, Manifest, Namespace

LOAD_IMAGE = "appstack.dev/load-client:1.0.0"
ROLLOUT_COUNT = 3
MIN_REQUESTS = 500
PORTS = {"09-multi-nginx": 80, "01-release-app": 80}


def load_client(name: str, target: str, node: str) -> Manifest:
    """Return the pod that sends requests to a target, on a node."""
    container = {"name": "load", "image": LOAD_IMAGE, "args": [target]}
    spec = {"containers": [container], "nodeName": node, "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def load_report(namespace: Namespace, name: str) -> dict[str, Manifest]:
    """Return the results of the requests so far by the kind of connection."""
    address = namespace.get("pod", name)["status"]["podIP"]
    return dict(json.loads(namespace.page(f"http://{address}:8080/")))


def least_used_node(namespace: Namespace, stack: str) -> str:
    """Return the node with the fewest pods of an AppStack."""
    nodes = [node["metadata"]["name"] for node in namespace.list_objects("nodes")]
    used = [pod["spec"]["nodeName"] for pod in namespace.pods(stack)]
    return str(min(nodes, key=used.count))


@pytest.mark.parametrize("folder", PORTS)
def test_rolling_updates_lose_no_request(
    namespace: Namespace, folder: str, record_property: Callable[[str, object], None]
) -> None:
    example = Example(folder)
    name, load = example.name, f"load-{example.name}"
    stack = example.stack
    namespace.apply(*example.manifests)
    namespace.wait_until_ready(name)
    namespace.page(f"http://{name}/")
    address = namespace.get("service", name)["spec"]["clusterIP"]
    node = least_used_node(namespace, name)
    if folder == "01-release-app":  # keep the pod on the node of its claim and its cache
        stack["spec"].setdefault("pod", {})["nodeSelector"] = {
            "kubernetes.io/hostname": namespace.only_pod(name)["spec"]["nodeName"]
        }
    namespace.apply(load_client(load, f"{address}:{PORTS[folder]}", node))
    namespace.kubectl("wait", "--for=condition=Ready", f"pod/{load}", "--timeout=120s")

    for number in range(ROLLOUT_COUNT):
        stack["spec"].setdefault("pod", {})["metadata"] = {"annotations": {"rollout": str(number)}}
        namespace.apply(stack)
        namespace.wait_until_ready(name)
        namespace.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")
    namespace.wait_for("the last old pod is deleted", lambda: has_no_old_pod(namespace, stack))
    report = load_report(namespace, load)
    namespace.kubectl("delete", "pod", load, "--wait=false")

    record_property(MEASUREMENT, f"{name}: {json.dumps(report)}")
    assert min(result["requests"] for result in report.values()) > MIN_REQUESTS
    assert {connection: result["errors"] for connection, result in report.items()} == {"new": [], "kept": []}
    assert {connection: result["failures"] for connection, result in report.items()} == {"new": 0, "kept": 0}


def has_no_old_pod(namespace: Namespace, stack: Manifest) -> bool:
    """Return whether the number of pods, terminating ones included, equals the replicas."""
    return len(namespace.children("pods", stack["metadata"]["name"])) == int(stack["spec"]["replicas"])
