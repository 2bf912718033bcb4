"""Objects of a workload in a cluster, read with kubectl and thus with its contexts and credentials."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from appstack.errors import OperatorError

Document = dict[str, Any]

KINDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("deployment", "deployments", "deploy"), "Deployment"),
    **dict.fromkeys(("statefulset", "statefulsets", "sts"), "StatefulSet"),
    **dict.fromkeys(("daemonset", "daemonsets", "ds"), "DaemonSet"),
    **dict.fromkeys(("job", "jobs"), "Job"),
    **dict.fromkeys(("cronjob", "cronjobs", "cj"), "CronJob"),
    **dict.fromkeys(("pod", "pods", "po"), "Pod"),
}
"""The kind of a workload by its names in kubectl."""

_RESOURCES: Final = (
    *("deployments.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch", "cronjobs.batch", "services"),
    *("serviceaccounts", "persistentvolumeclaims", "ingresses.networking.k8s.io"),
    *("horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy", "networkpolicies.networking.k8s.io"),
)
_OPTIONAL_RESOURCES: Final = ("httproutes.gateway.networking.k8s.io", "servicemonitors.monitoring.coreos.com")
_TIMEOUT_SECONDS: Final = 60


def parse_workload(text: str) -> tuple[str, str]:
    """Return kind and name of `deployment/NAME`. Raise OperatorError for other text."""
    resource, slash, name = text.partition("/")
    kind = KINDS.get(resource.lower().partition(".")[0])
    if kind is None or not slash or not name:
        raise OperatorError(f"{text!r} is no workload", "Write deployment/NAME, statefulset/NAME, daemonset/NAME, …")
    return kind, name


def read(kind: str, name: str, *, namespace: str | None) -> list[Document]:
    """Return the objects of a namespace among which those of a workload are, without Secrets.

    Raise OperatorError if kubectl fails.
    """
    options = ["--namespace", namespace] if namespace else []
    resources = [*_RESOURCES, *(["pods"] if kind == "Pod" else [])]
    objects = _get([",".join(resources)], options)
    found = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    if not found:
        raise OperatorError(f"There is no {kind} {name}", "Check the name, the namespace and the context of kubectl")
    for resource in _OPTIONAL_RESOURCES:
        objects += _get([resource], options, optional=True)
    names = sorted(set(_config_maps(found[0].get("spec"))))
    if names:
        objects += _get(["configmaps", *names], [*options, "--ignore-not-found"])
    others = (each for each in objects if each is not found[0])
    return [found[0], *(each for each in others if not _is_controlled(each))]


def _get(what: Sequence[str], options: Sequence[str], *, optional: bool = False) -> list[Document]:
    program = shutil.which("kubectl")
    if program is None:
        raise OperatorError("kubectl is not installed", "Install kubectl, or pass the manifests with --filename")
    command = [program, "get", *what, *options, "--output", "json"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise OperatorError(f"kubectl did not answer within {_TIMEOUT_SECONDS} s", "Check the cluster") from None
    if result.returncode and optional and "doesn't have a resource type" in result.stderr:
        return []
    if result.returncode:
        raise OperatorError(f"kubectl get failed: {' '.join(result.stderr.split())}", "Check the context of kubectl")
    document = json.loads(result.stdout) if result.stdout.strip() else {}
    return list(document.get("items", [document] if document else []))


def _is_controlled(document: Document) -> bool:
    """Return whether a controller owns the object, for example a Job of a CronJob: it is no workload of its own."""
    owners = document["metadata"].get("ownerReferences") or []
    return document["kind"] in ("Job", "Pod") and any(each.get("controller") for each in owners)


def _config_maps(value: Any) -> Iterator[str]:
    """Yield the names of the ConfigMaps in a spec."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("configMap", "configMapRef", "configMapKeyRef") and isinstance(inner, dict) and "name" in inner:
                yield inner["name"]
            else:
                yield from _config_maps(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _config_maps(inner)
