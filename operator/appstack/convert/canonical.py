"""Canonical form of Kubernetes objects: fields by path, with defaults, resolved references and numeric quantities."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from appstack.convert import api_defaults
from appstack.convert.source import Source, without_nulls
from appstack.k8s.metadata import Manifest
from appstack.k8s.quantity import parse_quantity

Contents = Mapping[str, Mapping[str, str]]
"""The files of ConfigMaps, by name of the ConfigMap and key."""

_QUANTITY_MAPS: Final = frozenset({"requests", "limits", "overhead"})
_QUANTITIES: Final = frozenset({"sizeLimit", "divisor", "averageValue"})
_DEFAULT_MODE: Final = 0o644


def canonical(document: Manifest, contents: Contents, *, kind: str) -> dict[str, Any]:
    """Return the fields of an object by path; two objects mean the same if these are equal.

    Selectors are left out, because an AppStack has its own.
    """
    source = Source(document)
    metadata = source.take("metadata") or {}
    flat = {f"metadata.{path}": value for path, value in _flatten(_labels_and_annotations(metadata))}
    if kind == "Pod":
        pod = _pod(source.take("spec") or {}, contents)
        return {**flat, **{f"spec.{path}": value for path, value in _flatten(pod)}}
    spec = source.take("spec") or {}
    rest = dict(source.untaken())
    return {**flat, **{f"spec.{path}": value for path, value in _flatten(_spec(kind, spec, contents))}, **rest}


def _labels_and_annotations(metadata: Manifest) -> Manifest:
    return {key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)}


def _spec(kind: str, spec: Manifest, contents: Contents) -> Manifest:
    if kind in ("Deployment", "StatefulSet", "DaemonSet"):
        return _workload(kind, spec, contents)
    if kind in ("Job", "CronJob"):
        return _job(spec, contents) if kind == "Job" else _cron_job(spec, contents)
    convert = _CONVERSIONS.get(kind)
    return convert(spec) if convert else spec


def _cron_job(spec: Manifest, contents: Contents) -> Manifest:
    full = api_defaults.with_defaults(spec, api_defaults.WORKLOADS["CronJob"])
    template = full.pop("jobTemplate", {})
    metadata = _labels_and_annotations(template.get("metadata") or {})
    return {**full, "jobTemplate": {"metadata": metadata, "spec": _job(template.get("spec") or {}, contents)}}


def _workload(kind: str, spec: Manifest, contents: Contents) -> Manifest:
    full = api_defaults.with_defaults(spec, api_defaults.WORKLOADS[kind])
    for field in ("strategy", "updateStrategy"):
        if field in full and full[field].get("type") != "RollingUpdate":
            full[field].pop("rollingUpdate", None)
    full.pop("selector", None)
    templates = full.pop("volumeClaimTemplates", [])
    claims = {
        each["metadata"]["name"]: {
            "metadata": _labels_and_annotations(each["metadata"]),
            "spec": _claim(each.get("spec") or {}),
        }
        for each in templates
    }
    template = _template(full.get("template") or {}, contents, claims=tuple(claims))
    return {**full, "template": template, "volumeClaimTemplates": claims}


def _job(spec: Manifest, contents: Contents) -> Manifest:
    full = api_defaults.full_job(spec)
    full.pop("selector", None)
    return {**full, "template": _template(full.get("template") or {}, contents)}


def _template(template: Manifest, contents: Contents, *, claims: tuple[str, ...] = ()) -> Manifest:
    metadata = _labels_and_annotations(template.get("metadata") or {})
    return {"metadata": metadata, "spec": _pod(template.get("spec") or {}, contents, claims=claims)}


def _pod(pod: Manifest, contents: Contents, *, claims: tuple[str, ...] = ()) -> Manifest:
    """Return the canonical fields of a PodSpec; a claim per replica replaces a volume of its name."""
    full = api_defaults.with_defaults(pod, api_defaults.POD)
    account = full.pop("serviceAccount", None)
    full["serviceAccountName"] = full.get("serviceAccountName") or account or "default"
    volumes = {
        each["name"]: api_defaults.with_defaults(each, api_defaults.VOLUME) for each in full.pop("volumes", None) or []
    }
    volumes |= {name: {"volumeClaimTemplate": name} for name in claims}
    host_network = bool(full.get("hostNetwork"))
    mounted: set[str] = set()
    for field in ("initContainers", "containers"):
        views = {}
        for container in full.get(field) or []:
            mounted |= {mount.get("name") for mount in container.get("volumeMounts") or []}
            views[str(container.get("name"))] = _container(container, volumes, contents, host_network=host_network)
        full[field] = views
        full[f"{field}Order"] = ", ".join(views)
    unused = [_without_name(each) for name, each in volumes.items() if name not in mounted]
    return {**full, "unusedVolumes": sorted(json.dumps(each, sort_keys=True) for each in unused)}


def _container(
    container: Manifest, volumes: Mapping[str, Manifest], contents: Contents, *, host_network: bool
) -> Manifest:
    full = api_defaults.full_container(container)
    ports = {str(each.get("name")): each.get("containerPort") for each in full["ports"]}
    for handler in (*(full.get(name) for name in _PROBES), *(full.get("lifecycle") or {}).values()):
        for action in ("httpGet", "tcpSocket"):
            target = (handler or {}).get(action)
            if isinstance(target, dict):
                target["port"] = ports.get(str(target.get("port")), target.get("port"))
    full["env"] = {str(each.get("name")): _without_name(each) for each in full["env"]}
    full["ports"] = {f"{each.get('containerPort')}/{each.get('protocol')}": each for each in full["ports"]}
    if host_network:
        for port in full["ports"].values():
            port.setdefault("hostPort", port.get("containerPort"))
    full["volumeMounts"] = {
        str(each.get("mountPath")): _mount(each, volumes, contents) for each in full["volumeMounts"]
    }
    return full


_PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")


def _mount(mount: Manifest, volumes: Mapping[str, Manifest], contents: Contents) -> Manifest:
    """Return a mount with the source of its volume, or with the content of its file if a known ConfigMap holds it."""
    volume = volumes.get(str(mount.get("name")), {"missing": mount.get("name")})
    config_map = volume.get("configMap") or {}
    files = contents.get(str(config_map.get("name")))
    if files is not None and mount.get("subPath"):
        items = {each["path"]: each for each in config_map.get("items") or []}
        item = items.get(mount["subPath"], {"key": mount["subPath"]})
        if item["key"] in files:
            mode = item.get("mode", config_map.get("defaultMode", _DEFAULT_MODE))
            return {"content": files[item["key"]], "mode": mode}
    return {**_without_name(mount), "volume": _without_name(volume)}


def _without_name(value: Manifest) -> Manifest:
    return {key: inner for key, inner in value.items() if key != "name"}


def _service(spec: Manifest) -> Manifest:
    full = api_defaults.with_defaults(spec, api_defaults.SERVICE)
    full.pop("selector", None)
    ports = [{"targetPort": each.get("port"), **each} for each in full.get("ports") or []]
    if full.get("type") == "ClusterIP":
        full.pop("allocateLoadBalancerNodePorts", None)
        full.pop("externalTrafficPolicy", None)
    return {**full, "ports": {f"{each.get('port')}/{each.get('protocol')}": each for each in ports}}


def _claim(spec: Manifest) -> Manifest:
    return api_defaults.with_defaults(spec, api_defaults.CLAIM)


def _autoscaler(spec: Manifest) -> Manifest:
    full = api_defaults.with_defaults(spec, api_defaults.AUTOSCALER)
    full.pop("scaleTargetRef", None)
    percentage = full.pop("targetCPUUtilizationPercentage", None)
    if percentage is not None:
        target = {"type": "Utilization", "averageUtilization": percentage}
        full["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    return full


def _network_policy(spec: Manifest) -> Manifest:
    full = {key: value for key, value in spec.items() if key != "podSelector"}
    types = full.pop("policyTypes", None) or ["Ingress", *(["Egress"] if "egress" in full else [])]
    for field in ("ingress", "egress"):
        rules = [_policy_rule(rule) for rule in full.pop(field, None) or []]
        if field.capitalize() in types:
            full[field] = rules or "none"
    return full


def _policy_rule(rule: Manifest) -> Manifest:
    ports = [{"protocol": "TCP", **port} for port in rule.get("ports") or []]
    rest = {key: value for key, value in rule.items() if value not in ([], None)}
    return {**rest, **({"ports": ports} if ports else {})} or {"everything": True}


def _route_rule(rule: Manifest) -> Manifest:
    matches = rule.get("matches") or [{"path": {"type": "PathPrefix", "value": "/"}}]
    backends = [
        {
            key: value
            for key, value in each.items()
            if (key, value) not in (("kind", "Service"), ("group", ""), ("weight", 1))
        }
        for each in rule.get("backendRefs") or []
    ]
    return {**rule, "matches": matches, "backendRefs": backends}


def _route(spec: Manifest) -> Manifest:
    return {**spec, "rules": [_route_rule(rule) for rule in spec.get("rules", [])]}


def _without_selector(spec: Manifest) -> Manifest:
    return {key: value for key, value in spec.items() if key != "selector"}


_CONVERSIONS: Final[Mapping[str, Callable[[Manifest], Manifest]]] = {
    "Service": _service,
    "PersistentVolumeClaim": _claim,
    "HorizontalPodAutoscaler": _autoscaler,
    "NetworkPolicy": _network_policy,
    "PodDisruptionBudget": _without_selector,
    "ServiceMonitor": _without_selector,
    "HTTPRoute": _route,
}


def _flatten(value: Any, path: str = "", name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and value of each field; empty objects and lists are left out where they mean unset."""
    if isinstance(value, dict):
        keyed = name in _KEYED
        for key, inner in without_nulls(value).items():
            child = f"{path}[{key}]" if keyed else f"{path}.{key}".lstrip(".")
            if name in _QUANTITY_MAPS:
                yield child, _quantity(inner)
            elif inner in ({}, []) and key in _EMPTY_MEANS_SET:
                yield child, inner
            else:
                yield from _flatten(inner, child, str(key) if not keyed else "")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _flatten(inner, f"{path}[{index}]")
    else:
        yield path, _quantity(value) if name in _QUANTITIES else value


_KEYED: Final = frozenset(
    {"labels", "annotations", "containers", "initContainers", "env", "ports", "volumeMounts", "volumeClaimTemplates"}
)
_EMPTY_MEANS_SET: Final = frozenset(
    {"emptyDir", "podSelector", "namespaceSelector", "labelSelector", "everything", "ingress", "egress"}
)


def _quantity(value: Any) -> Any:
    parsed = parse_quantity(str(value)) if isinstance(value, str | int | float) else None
    return value if parsed is None else str(parsed.normalize())
