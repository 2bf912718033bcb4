"""Conversion of Services and of the objects that send requests to them: Ingress, HTTPRoute and ServiceMonitor."""

from __future__ import annotations

from typing import Any, Final

from appstack.convert import api_defaults
from appstack.convert.draft import Draft
from appstack.convert.grouping import label_selector
from appstack.convert.labels import take_metadata
from appstack.convert.notes import NoteKind
from appstack.convert.source import Source
from appstack.k8s import metadata as meta
from appstack.k8s import selectors
from appstack.k8s.metadata import Manifest

_HEADLESS: Final = "None"


def convert_services(draft: Draft) -> None:
    """Convert the Services of the workload: one to `service`, the others to `services`."""
    services = draft.group.members["Service"]
    governing = _governing_service(draft, services)
    main = _main_service(draft, services, governing)
    if main is None:
        if draft.spec["backend"].get("ports") or draft.spec.get("proxy"):
            draft.set("service.enabled", value=False)
    else:
        fields = _service_fields(draft, main)
        if main.name != draft.name:
            fields = {"name": main.name, **fields}
        _drop_default_ports(draft, fields)
        draft.set("service", fields)
    others = [each for each in services if each is not main]
    draft.set("services", [{"name": each.name, **_service_fields(draft, each)} for each in others])


def _governing_service(draft: Draft, services: list[Source]) -> Source | None:
    """Return the headless Service of a StatefulSet; write its name where AppStack would choose another one."""
    workload = draft.group.workload
    if workload.kind != "StatefulSet":
        return None
    name = workload.take("spec.serviceName")
    if name:
        draft.set("workload.statefulSet.serviceName", name)
        if not any(each.name == name for each in services):
            draft.governing_service = name
            message = f"AppStack creates the headless Service {name!r}, which the input does not contain"
            draft.note(NoteKind.ADDED, f"{workload} spec.serviceName", "spec.workload.statefulSet.serviceName", message)
    return next((each for each in services if each.name == name), None)


def _main_service(draft: Draft, services: list[Source], governing: Source | None) -> Source | None:
    """Return the Service that becomes `spec.service`: that of the stack's name, else the first with an address."""
    candidates = [each for each in services if each is not governing] or services
    named = [each for each in candidates if each.name == draft.name]
    addressed = [each for each in candidates if each.get("spec.clusterIP") != _HEADLESS]
    routed = _routed_service(draft)
    return next(iter([*(each for each in candidates if each.name == routed), *named, *addressed, *candidates]), None)


def _routed_service(draft: Draft) -> str | None:
    """Return the name of the Service that an Ingress or HTTPRoute of the group refers to first."""
    text = [each.original.get("spec") for kind in ("Ingress", "HTTPRoute") for each in draft.group.members[kind]]
    return next((name for spec in text for name in _service_names(spec)), None)


def _service_names(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in _service_names(item)]
    if not isinstance(value, dict):
        return []
    service = value.get("service")
    if isinstance(service, dict) and "name" in service:
        return [str(service["name"])]
    backends = [str(each["name"]) for each in value.get("backendRefs") or [] if "name" in each]
    return [*backends, *(name for inner in value.values() for name in _service_names(inner))]


def _service_fields(draft: Draft, source: Source) -> Manifest:
    metadata = take_metadata(draft, source)
    source.take("metadata.name")
    source.take("metadata.namespace")
    source.take("spec.selector")
    message = f"AppStack selects its pods by the label {meta.STACK_LABEL}"
    draft.note(NoteKind.CHANGED, f"{source} spec.selector", "", message)
    spec = api_defaults.without_defaults(source.take("spec") or {}, api_defaults.SERVICE)
    for port in spec.get("ports", []):
        if port.get("targetPort") in draft.port_aliases:
            port["targetPort"] = draft.port_aliases[port["targetPort"]]
        if port.get("targetPort", port.get("port")) in draft.proxied_ports:
            port.pop("targetPort", None)
            continue
        if port.get("targetPort") == port.get("port"):
            del port["targetPort"]
        if port.get("targetPort") in (0, ""):
            del port["targetPort"]
    return {**({"metadata": metadata} if metadata else {}), **spec}


def _drop_default_ports(draft: Draft, fields: Manifest) -> None:
    """Remove the ports of the Service if they are those of the backend, AppStack's default."""
    backend = draft.spec["backend"].get("ports") or []
    keys = ("name", "protocol")
    defaults = [{**{key: each[key] for key in keys if key in each}, "port": each["containerPort"]} for each in backend]
    if draft.spec.get("proxy") is None and _comparable(fields.get("ports")) == _comparable(defaults):
        fields.pop("ports", None)


def _comparable(ports: Any) -> list[tuple[str, ...]]:
    return [tuple(sorted(f"{key}={value}" for key, value in port.items())) for port in ports or []]


def convert_routes(draft: Draft) -> None:
    """Convert an Ingress, an HTTPRoute and a ServiceMonitor, where AppStack's fields can express them."""
    for kind, convert in (("Ingress", _ingress), ("HTTPRoute", _http_route), ("ServiceMonitor", _service_monitor)):
        members = draft.group.members[kind]
        for position, source in enumerate(list(members)):
            reason = "an AppStack has one" if position else convert(draft, source)
            if reason:
                draft.keep(source, reason)
                members.remove(source)


def _ports_of_main(draft: Draft) -> list[Manifest]:
    ports: list[Manifest] = draft.spec.get("service", {}).get("ports") or [
        {"name": each.get("name"), "port": each.get("containerPort")} for each in draft.spec["backend"].get("ports", [])
    ]
    return ports


def _is_first_port(draft: Draft, port: Any) -> bool:
    first = next(iter(_ports_of_main(draft)), {})
    return port is not None and port in (first.get("name"), first.get("port"))


def _main_name(draft: Draft) -> str | None:
    service = draft.spec.get("service", {})
    return None if service.get("enabled") is False else str(service.get("name", draft.name))


def _ingress(draft: Draft, source: Source) -> str:
    """Convert an Ingress; return the reason why AppStack's `ingress` cannot express it, empty if it can."""
    rules = source.get("spec.rules") or []
    paths = [path for rule in rules for path in (rule.get("http") or {}).get("paths") or []]
    tls = source.get("spec.tls") or []
    hosts = [rule["host"] for rule in rules if rule.get("host")]
    reason = _path_reason(source, rules, paths) or _target_reason(draft, paths) or _host_reason(rules, hosts, tls)
    if reason:
        return reason
    source.take("spec.rules")
    source.take("spec.tls")
    path = paths[0].get("path", "/")
    fields: Manifest = {
        "ingressClassName": source.take("spec.ingressClassName"),
        "hosts": hosts,
        "path": None if path == "/" else path,
        "tls": {"secretName": tls[0]["secretName"]} if tls else None,
    }
    _set_child(draft, source, "ingress", fields)
    return ""


def _path_reason(source: Source, rules: list[Manifest], paths: list[Manifest]) -> str:
    if source.get("spec.defaultBackend") or not paths:
        return "spec.ingress has no defaultBackend"
    if len(paths) != len(rules) or len({path.get("path", "/") for path in paths}) > 1:
        return "spec.ingress has one path"
    if any(path.get("pathType") != "Prefix" for path in paths):
        return f"spec.ingress has pathType Prefix, not {paths[0].get('pathType')}"
    return ""


def _target_reason(draft: Draft, paths: list[Manifest]) -> str:
    services = [(path.get("backend") or {}).get("service") or {} for path in paths]
    if any(service.get("name") != _main_name(draft) for service in services):
        return "it sends requests to another Service than spec.service"
    ports = [(service.get("port") or {}) for service in services]
    if not all(_is_first_port(draft, port.get("number", port.get("name"))) for port in ports):
        return "it sends requests to another port than the first of spec.service"
    return ""


def _host_reason(rules: list[Manifest], hosts: list[str], tls: list[Manifest]) -> str:
    if len(hosts) not in (0, len(rules)) or len(set(hosts)) < len(hosts):
        return "some of its rules have no host of their own"
    if len(tls) > 1 or (tls and (set(tls[0].get("hosts") or []) != set(hosts) or not tls[0].get("secretName"))):
        return "spec.ingress has one Secret for all hosts"
    return ""


def _set_child(draft: Draft, source: Source, field: str, fields: Manifest) -> None:
    """Set the field of the spec for an object that gets the stack's name."""
    metadata = take_metadata(draft, source)
    draft.spec[field] = {
        key: value for key, value in {"metadata": metadata, **fields}.items() if value not in (None, {}, [])
    }
    take_name(draft, source, field)


def take_name(draft: Draft, source: Source, field: str) -> None:
    """Take name and namespace of an object that gets the stack's name, with a note if that is another one."""
    if source.name != draft.name:
        message = f"is renamed {draft.name!r}"
        draft.note(NoteKind.CHANGED, f"{source} metadata.name", f"spec.{field}", message)
    source.take("metadata.name")
    source.take("metadata.namespace")


def _http_route(draft: Draft, source: Source) -> str:
    """Convert an HTTPRoute; return the reason why AppStack's `httpRoute` cannot express it, empty if it can."""
    rules = source.get("spec.rules") or []
    if len(rules) != 1 or rules[0].keys() - {"backendRefs", "matches"}:
        return "spec.httpRoute has one rule without filters"
    if rules[0].get("matches") not in (None, [], [{"path": {"type": "PathPrefix", "value": "/"}}]):
        return "spec.httpRoute routes every path"
    backends = rules[0].get("backendRefs") or []
    if len(backends) != 1 or backends[0].keys() - {"name", "port", "kind", "group", "weight"}:
        return "spec.httpRoute sends requests to one Service"
    if backends[0].get("name") != _main_name(draft) or not _is_first_port(draft, backends[0].get("port")):
        return "it sends requests to another port than the first of spec.service"
    source.take("spec.rules")
    fields = {"parentRefs": source.take("spec.parentRefs"), "hostnames": source.take("spec.hostnames")}
    _set_child(draft, source, "httpRoute", fields)
    return ""


def _files_of_prometheus(endpoints: Any) -> list[str]:
    """Return the fields that name files of Prometheus, which an AppStack must not use."""
    fields = {
        name
        for endpoint in endpoints or []
        for block in (endpoint, endpoint.get("tlsConfig") or {})
        for name in ("bearerTokenFile", "caFile", "certFile", "keyFile")
        if block.get(name)
    }
    return sorted(fields)


def _service_monitor(draft: Draft, source: Source) -> str:
    """Convert a ServiceMonitor; return the reason why it stays outside, empty if it is converted."""
    if _main_name(draft) is None:
        return "the AppStack has no Service"
    selector = label_selector(source.get("spec.selector")) or ()
    selected = [
        each.name
        for each in draft.group.members["Service"]
        if selectors.matches(selector, (each.original.get("metadata") or {}).get("labels") or {})
    ]
    if selected != [_main_name(draft)]:
        return f"it selects {', '.join(selected)}, and spec.serviceMonitor selects spec.service"
    if files := _files_of_prometheus(source.get("spec.endpoints")):
        return f"spec.serviceMonitor has no {', '.join(files)}, which names a file of Prometheus"
    source.take("spec.selector")
    _set_child(draft, source, "serviceMonitor", source.take("spec") or {})
    return ""
