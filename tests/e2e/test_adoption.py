"""An AppStack takes over a running Deployment by the commands that `appstack convert --adopt` prints."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.manifests import BACKEND_IMAGE
from tests.e2e.namespace import MEASUREMENT, Manifest, Namespace
from tests.e2e.test_zero_downtime import MIN_REQUESTS, least_used_node, load_client, load_report
from tools.cluster import programs, shell, state

NAME = "shop"
REPLICAS = 2


def deployment() -> list[Manifest]:
    """Return a Deployment and its Service, as they are before AppStack."""
    container = {
        "name": "backend",
        "image": BACKEND_IMAGE,
        "ports": [{"name": "http", "containerPort": 8000}],
        "env": [{"name": "LISTEN", "value": ":8000"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
    }
    labels = {"app": NAME}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 10},
    }
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}
    spec = {
        "replicas": REPLICAS,
        "selector": {"matchLabels": labels},
        "template": template,
        "strategy": strategy,
    }
    ports = [{"port": 80, "targetPort": "http"}]
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME},
            "spec": {"selector": labels, "ports": ports},
        },
    ]


def environment(directory: Path) -> dict[str, str]:
    """Return an environment in which kubectl and appstack run as in the shell of a user."""
    (directory / "kubectl").symlink_to(programs.path("kubectl"))
    source = str(state.ROOT / "operator")
    return {
        "PATH": f"{directory}:{os.environ['PATH']}",
        "KUBECONFIG": str(state.KUBECONFIG),
        "PYTHONPATH": source,
    }


def replica_sets(namespace: Namespace) -> dict[str, dict[str, Any]]:
    """Return the ReplicaSets by name."""
    return {each["metadata"]["name"]: each for each in namespace.list_objects("replicasets")}


def test_deployment_is_adopted_and_loses_no_request(
    namespace: Namespace, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    namespace.apply(*deployment())
    namespace.kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=120s")
    namespace.page(f"http://{NAME}/")
    (old,) = replica_sets(namespace)
    address = namespace.get("service", NAME)["spec"]["clusterIP"]
    namespace.apply(load_client("load", f"{address}:80", least_used_node(namespace, NAME)))
    namespace.kubectl("wait", "--for=condition=Ready", "pod/load", "--timeout=120s")
    env = environment(tmp_path)

    convert = [sys.executable, "-m", "appstack", "convert", f"deployment/{NAME}", "--namespace", namespace.name]
    steps = shell.run([*convert, "--adopt", "--output", str(tmp_path / "stacks")], env=env, timeout=60)
    shell.run(["sh", "-e"], input=steps, env=env, timeout=300)
    namespace.kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=120s")
    adopted = replica_sets(namespace)
    namespace.wait_for("only new pods run", lambda: len(namespace.pods(NAME)) == REPLICAS)
    report = load_report(namespace, "load")

    record_property(MEASUREMENT, f"adoption: {json.dumps(report)}")
    owner = namespace.get("deployment", NAME)["metadata"]["uid"]
    assert {each["metadata"]["ownerReferences"][0]["uid"] for each in adopted.values()} == {owner}
    assert adopted[old]["spec"]["replicas"] == 0
    assert namespace.get("service", NAME)["spec"]["selector"] == {"appstack.dev/stack": NAME}
    assert min(result["requests"] for result in report.values()) > MIN_REQUESTS
    assert report["new"]["failures"] == 0
    assert report["kept"]["failures"] <= REPLICAS  # a pod of before closes its kept connections when it ends
