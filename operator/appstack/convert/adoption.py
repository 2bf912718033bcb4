"""Steps by which an AppStack takes over a workload that runs, without an interruption where Kubernetes permits it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any, Final

from appstack.convert.result import Result
from appstack.convert.source import Source
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render import render
from appstack.settings import Settings

_DEPENDENTS: Final[Mapping[str, str]] = {
    "Deployment": "pods,replicasets",
    "StatefulSet": "pods,controllerrevisions",
    "DaemonSet": "pods,controllerrevisions",
}
"""The objects that a workload leaves behind, and that the new one of the same name takes over by their labels."""

_READ_BY_PODS: Final = "ConfigMap"
_CONTROLS: Final = "HorizontalPodAutoscaler"


def held_replicas(result: Result) -> Manifest | None:
    """Return the AppStack to apply first where an autoscaler sets the replicas; None if there is none.

    A new Deployment would begin with one replica and stop the others before the autoscaler acts.
    """
    source = result.sources[0]
    replicas = (source.original.get("spec") or {}).get("replicas")
    if "autoscaling" not in result.document["spec"] or source.kind not in _DEPENDENTS or replicas is None:
        return None
    spec = {key: value for key, value in result.document["spec"].items() if key != "autoscaling"}
    return {**result.document, "spec": {**spec, "replicas": replicas}}


def adoption_steps(result: Result, *, settings: Settings, file: str, first_file: str) -> Iterator[str]:
    """Yield the lines of a shell script; `file` holds the AppStack, `first_file` that with the held replicas."""
    workload = result.sources[0]
    namespace = f" --namespace {quote(result.namespace)}" if result.namespace else ""
    target = quote(f"{workload.kind.lower()}/{workload.name}")
    yield "set -e"
    if workload.kind in _DEPENDENTS:
        yield "# The AppStack selects by this label: the pods stay in their Services while the selectors change."
        selector = _selector((workload.original.get("spec") or {}).get("selector") or {})
        label = f"{meta.STACK_LABEL}={result.name}"
        yield f"kubectl label {_DEPENDENTS[workload.kind]} --selector {quote(selector)} {label} --overwrite{namespace}"
    else:
        yield from _interruption(workload)
    yield from _handover(result, settings, namespace)
    option = " --cascade=orphan" if workload.kind != "Pod" else ""
    yield f"kubectl delete {target}{option}{namespace}"
    wait = f"kubectl wait appstack/{result.name} --for=condition=Ready --timeout=10m{namespace}"
    if held_replicas(result) is not None:
        yield "# An autoscaler sets the replicas: they are held until the new workload has taken over the pods."
        yield f"kubectl apply --server-side --filename {quote(first_file)}{namespace}"
        yield wait
        yield from _annotate(result, settings, namespace, kinds=(_CONTROLS,))
    yield f"kubectl apply --server-side --filename {quote(file)}{namespace}"
    yield wait
    yield from _renamed(result, settings, namespace)


def _interruption(workload: Source) -> Iterator[str]:
    if workload.kind == "Job":
        yield "# A Job runs again under the AppStack: wait until it has completed, and make sure that it may run twice."
    elif workload.kind == "CronJob":
        yield "# Jobs that run are left to end; the AppStack starts the next ones."
    else:
        yield "# No controller replaces a Pod: requests fail until the new one is ready."


def _selector(selector: Mapping[str, Any]) -> str:
    """Return a LabelSelector as the text that kubectl accepts."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or ():
        values = ",".join(each.get("values") or ())
        texts = {"In": f"{each['key']} in ({values})", "NotIn": f"{each['key']} notin ({values})"}
        texts |= {"Exists": each["key"], "DoesNotExist": f"!{each['key']}"}
        parts.append(texts[each["operator"]])
    return ",".join(parts)


def _rendered(result: Result, settings: Settings) -> set[tuple[str, str]]:
    objects = render(result.stack, settings=settings) if result.stack else ()
    return {(each["kind"], each["metadata"]["name"]) for each in objects}


def _handover(result: Result, settings: Settings, namespace: str) -> Iterator[str]:
    """Yield the annotations of the objects that keep their names, except an autoscaler that has to wait."""
    waits = held_replicas(result) is not None
    kinds = tuple({each.kind for each in result.sources[1:]} - ({_CONTROLS} if waits else set()))
    lines = list(_annotate(result, settings, namespace, kinds=kinds))
    if lines:
        yield "# Permission to take over objects of the same name."
        yield from lines
    if not waits:
        yield from (
            f"kubectl delete {_CONTROLS.lower()}/{each.name}{namespace}"
            for each in result.sources[1:]
            if each.kind == _CONTROLS and (each.kind, each.name) not in _rendered(result, settings)
        )


def _annotate(result: Result, settings: Settings, namespace: str, *, kinds: tuple[str, ...]) -> Iterator[str]:
    rendered = _rendered(result, settings)
    for each in result.sources[1:]:
        if each.kind in kinds and (each.kind, each.name) in rendered:
            target = quote(f"{each.kind.lower()}/{each.name}")
            yield f"kubectl annotate {target} {meta.ADOPT_ANNOTATION}=true --overwrite{namespace}"


def _renamed(result: Result, settings: Settings, namespace: str) -> Iterator[str]:
    """Yield the deletion of objects that the AppStack has under another name."""
    rendered = _rendered(result, settings)
    old = [
        each
        for each in result.sources[1:]
        if (each.kind, each.name) not in rendered and each.kind not in (_READ_BY_PODS, "PersistentVolumeClaim")
    ]
    if old:
        yield "# The AppStack has these under its own name."
    for each in old:
        target = quote(f"{each.kind.lower()}/{each.name}")
        yield f"kubectl delete {target} --ignore-not-found{namespace}"
