"""Conversion of objects as the API server stores them: with all its defaults, and with the fields that it assigns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.api.cluster import KUBECONFIG, ROOT, Manifest, Namespace
from tests.unit.manifests_to_convert import differences, spec
from tools.cluster import programs

POD = """
      containers:
      - name: web
        image: shop:1
        ports: [{name: http, containerPort: 8000}]
        env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: EMPTY, value: ""}]
        resources: {requests: {cpu: 100m, memory: 64Mi}}
        livenessProbe: {httpGet: {path: /live, port: http}}
        readinessProbe: {exec: {command: [check]}, periodSeconds: 5}
        startupProbe: {grpc: {port: 8000}}
        lifecycle: {preStop: {httpGet: {port: http}}}
        volumeMounts: [{name: settings, mountPath: /etc/app.toml, subPath: app.toml}, {name: all, mountPath: /all}]
      initContainers: [{name: migrate, image: "shop:1", command: [migrate]}]
      volumes:
      - {name: settings, configMap: {name: settings}}
      - name: all
        projected: {sources: [{secret: {name: s}}, {serviceAccountToken: {path: t}},
          {downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}]}
"""
TEMPLATE = f"template:\n    metadata: {{labels: {{app: shop}}}}\n    spec:{POD}"
CONFIG_MAP = "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {app.toml: debug}}"
SERVICE = """
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: http}]}
"""
FURTHER = """
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: shop}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shop}
spec: {podSelector: {matchLabels: {app: shop}}, ingress: [{ports: [{port: 8000}]}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  rules:
  - host: shop.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}]}
"""


def workload(api_version: str, kind: str, fields: str) -> str:
    """Return a workload with its ConfigMap and its Service."""
    head = f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: shop}}\n"
    return f"{head}spec:\n  {fields}\n{CONFIG_MAP}\n{SERVICE}"


SELECTOR = "selector: {matchLabels: {app: shop}}"
CLAIMS = """volumeClaimTemplates:
  - {metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}"""
JOB = TEMPLATE.replace("spec:\n", "spec:\n      restartPolicy: Never\n", 1)
CASES = {
    "deployment": workload("apps/v1", "Deployment", f"replicas: 2\n  {SELECTOR}\n  {TEMPLATE}") + FURTHER,
    "statefulset": workload(
        "apps/v1", "StatefulSet", f"serviceName: shop\n  replicas: 1\n  {SELECTOR}\n  {CLAIMS}\n  {TEMPLATE}"
    ).replace("{selector: {app: shop}, ports", "{clusterIP: None, selector: {app: shop}, ports"),
    "daemonset": workload("apps/v1", "DaemonSet", f"{SELECTOR}\n  {TEMPLATE}"),
    "job": workload("batch/v1", "Job", JOB),
    "cronjob": workload(
        "batch/v1", "CronJob", 'schedule: "0 3 * * *"\n  jobTemplate:\n    spec:\n      ' + JOB.replace("\n", "\n    ")
    ),
}


def environment(directory: Path) -> dict[str, str]:
    """Return an environment with kubectl and the kubeconfig of the test cluster."""
    (directory / "kubectl").symlink_to(programs.path("kubectl"))
    path = f"{directory}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "KUBECONFIG": str(KUBECONFIG), "PYTHONPATH": str(ROOT / "operator")}


def run(env: dict[str, str], *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command and return its result."""
    return subprocess.run(arguments, env=env, input=stdin, capture_output=True, text=True, check=False)


def without_storage_class(document: Manifest) -> Manifest:
    """Return a spec without the storage class of its claims, which the API server sets if the cluster has a default."""
    for volume in document.get("volumes", []):
        volume.get("claim", {}).pop("storageClassName", None)
    return document


@pytest.mark.parametrize("kind", CASES)
def test_stored_objects_become_the_same_appstack_as_their_manifests(
    namespace: Namespace, tmp_path: Path, kind: str
) -> None:
    env = environment(tmp_path)
    assert differences(CASES[kind]) == []
    applied = run(env, "kubectl", "--namespace", namespace.name, "apply", "--filename", "-", stdin=CASES[kind])
    assert applied.returncode == 0, applied.stderr

    command = [sys.executable, "-m", "appstack", "convert", f"{kind}/shop", "--namespace", namespace.name]
    converted = run(env, *command)
    checked = run(env, *command, "--check")
    run(env, "kubectl", "--namespace", namespace.name, "delete", "--wait=false", "--filename", "-", stdin=CASES[kind])

    assert converted.returncode == 0, converted.stderr
    assert without_storage_class(yaml.safe_load(converted.stdout)["spec"]) == spec(CASES[kind])
    assert (checked.returncode, checked.stdout) == (0, "AppStack/shop: renders the same\n")


def test_missing_workload_is_an_error(namespace: Namespace, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "appstack", "convert", "deploy/missing", "--namespace", namespace.name]
    result = run(environment(tmp_path), *command)

    assert result.returncode == 1
    assert "There is no Deployment missing" in result.stderr
