"""Assignment of objects to the workload that they belong to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from appstack.convert.notes import Note, NoteKind
from appstack.convert.source import WORKLOAD_KINDS, Source
from appstack.k8s import selectors
from appstack.k8s.metadata import Manifest

TEMPLATE_PATHS: Final[Mapping[str, str]] = {
    "CronJob": "spec.jobTemplate.spec.template",
    "Pod": "",
}
"""Path of the pod template in a workload; `spec.template` for every other kind."""

_BY_SELECTOR: Final = ("Service", "PodDisruptionBudget", "NetworkPolicy")
_BY_SERVICE: Final = ("Ingress", "HTTPRoute", "ServiceMonitor")


@dataclass
class Group:
    """A workload with the objects that belong to it."""

    workload: Source
    members: dict[str, list[Source]] = field(default_factory=lambda: defaultdict(list))  # by kind
    selecting: list[Source] = field(default_factory=list)  # objects outside the group that select its pods or Services

    @property
    def template_path(self) -> str:
        """The path of the pod template in the workload."""
        return TEMPLATE_PATHS.get(self.workload.kind, "spec.template")

    def path(self, name: str) -> str:
        """Return the path of a field of the pod, for example `spec.template.spec.containers`."""
        return f"{self.template_path}.{name}".lstrip(".")

    def get(self, name: str) -> Any:
        """Return a field of the pod, without taking it."""
        return self.workload.get(self.path(name))

    def take(self, name: str) -> Any:
        """Take a field of the pod."""
        return self.workload.take(self.path(name))

    @property
    def pod_labels(self) -> dict[str, str]:
        """The labels of the pods."""
        return dict(self.get("metadata.labels") or {})

    def only(self, kind: str) -> Source | None:
        """Return the member of a kind if there is exactly one."""
        members = self.members[kind]
        return members[0] if len(members) == 1 else None


@dataclass
class _Index:
    """The groups by the names that other objects refer to; all names include the namespace."""

    groups: list[Group]
    by_claim: dict[tuple[str, str], list[Group]] = field(default_factory=lambda: defaultdict(list))
    by_config_map: dict[tuple[str, str], list[Group]] = field(default_factory=lambda: defaultdict(list))
    by_account: dict[tuple[str, str], list[Group]] = field(default_factory=lambda: defaultdict(list))
    by_target: dict[tuple[str, str, str], list[Group]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for group in self.groups:
            workload = group.workload
            namespace = workload.namespace
            for name in _references(group.get("spec"), "persistentVolumeClaim", "claimName"):
                self.by_claim[namespace, name].append(group)
            for name in _config_map_names(group.get("spec")):
                self.by_config_map[namespace, name].append(group)
            account = group.get("spec.serviceAccountName") or group.get("spec.serviceAccount")
            if account:
                self.by_account[namespace, account].append(group)
            self.by_target[namespace, workload.kind, workload.name].append(group)

    def referring(self, source: Source) -> list[Group]:
        """Return the groups that refer to an object by its name, or that it refers to."""
        key = (source.namespace, source.name)
        if source.kind == "HorizontalPodAutoscaler":
            target = source.get("spec.scaleTargetRef") or {}
            return self.by_target[source.namespace, str(target.get("kind")), str(target.get("name"))]
        by_kind = {"PersistentVolumeClaim": self.by_claim, "ConfigMap": self.by_config_map}
        return by_kind.get(source.kind, self.by_account)[key]


def assign(sources: Iterable[Source], *, only: tuple[str, str] | None) -> tuple[list[Group], list[Note]]:
    """Return a group for each workload, and a note for each object that belongs to none.

    `only` limits both to a workload, given by kind and name; the others still own their objects.
    """
    sources = list(sources)
    groups = [Group(each) for each in sources if each.is_convertible and each.kind in WORKLOAD_KINDS]
    index = _Index(groups)
    services: dict[tuple[str, str], Group] = {}
    notes: list[Note] = []
    others = [each for each in sources if not (each.is_convertible and each.kind in WORKLOAD_KINDS)]
    for source in sorted(others, key=lambda each: each.kind in _BY_SERVICE):  # the Services before their Ingresses
        owners, reason = _owners(source, index, services)
        if len(owners) == 1 and not reason:
            owners[0].members[source.kind].append(source)
            if source.kind == "Service":
                services[source.namespace, source.name] = owners[0]
            continue
        for group in owners:
            group.selecting.append(source)
        if only is None or any(_identity(group) == only for group in owners):
            notes.append(Note(_kind(source), str(source), "", reason or _shared(owners)))
    return [group for group in groups if only in (None, _identity(group))], notes


def _identity(group: Group) -> tuple[str, str]:
    return group.workload.kind, group.workload.name


def _kind(source: Source) -> NoteKind:
    return NoteKind.KEPT if source.is_convertible else NoteKind.UNSUPPORTED


def _shared(owners: list[Group]) -> str:
    if not owners:
        return "belongs to no workload of the input; continue to apply it"
    names = ", ".join(str(group.workload) for group in owners[:5])
    return f"belongs to several workloads ({names}); continue to apply it"


def _owners(source: Source, index: _Index, services: Mapping[tuple[str, str], Group]) -> tuple[list[Group], str]:
    """Return the groups that an object belongs to or selects, and the reason why it stays outside, if there is one."""
    if not source.is_convertible:
        return _selected_by_any(source, index), _reason(source)
    if source.kind in _BY_SELECTOR:
        return _selected(source, index), ""
    if source.kind == "ServiceMonitor":
        return _monitored(source, index)
    if source.kind in ("Ingress", "HTTPRoute"):
        names = sorted(_backend_services(source))
        found = {id(group): group for name in names if (group := services.get((source.namespace, name)))}
        missing = sorted(name for name in names if (source.namespace, name) not in services)
        reason = f"refers to Service {', '.join(missing)}, which is in no AppStack of the input" if missing else ""
        return list(found.values()), reason
    return index.referring(source), ""


def _reason(source: Source) -> str:
    if source.kind == "AppStack":
        return "is an AppStack already"
    if source.kind in WORKLOAD_KINDS:
        return f"{source.api_version} is not an API version of {source.kind}"
    return "no AppStack contains this kind; continue to apply it"


def _selected(source: Source, index: _Index) -> list[Group]:
    if source.kind == "Service" and source.get("spec.type") == "ExternalName":
        return []
    selector = source.get("spec.podSelector" if source.kind == "NetworkPolicy" else "spec.selector")
    if source.kind == "Service":
        requirements = equality(selector or {})
        if not requirements:
            return []
    else:
        parsed = label_selector(selector)
        if parsed is None:
            return []
        requirements = parsed
    return _matching(requirements, source.namespace, index)


def _matching(requirements: selectors.Selector, namespace: str, index: _Index) -> list[Group]:
    return [
        group
        for group in index.groups
        if group.workload.namespace == namespace and selectors.matches(requirements, group.pod_labels)
    ]


def _selected_by_any(source: Source, index: _Index) -> list[Group]:
    """Return the groups whose pods a custom resource selects, for example a PodMonitor: their labels must stay."""
    found: dict[int, Group] = {}
    for selector in label_selectors(source.original.get("spec")):
        parsed = label_selector(selector)
        if parsed:
            found |= {id(group): group for group in index.groups if selectors.matches(parsed, group.pod_labels)}
    return list(found.values())


def _monitored(source: Source, index: _Index) -> tuple[list[Group], str]:
    """Return the groups whose Services a ServiceMonitor selects."""
    if source.get("spec.namespaceSelector"):
        return [], "selects Services of other namespaces; continue to apply it"
    parsed = label_selector(source.get("spec.selector"))
    if parsed is None:
        return [], ""
    owners = [
        group
        for group in index.groups
        if any(
            each.namespace == source.namespace and selectors.matches(parsed, each.get("metadata.labels") or {})
            for each in group.members["Service"]
        )
    ]
    return owners, ""


def equality(labels: Mapping[str, Any]) -> selectors.Selector:
    """Return the selector of an object with exactly these labels."""
    return tuple(
        selectors.Requirement(str(key), frozenset({str(value)}), included=True) for key, value in labels.items()
    )


def label_selector(selector: Any) -> selectors.Selector | None:
    """Return the requirements of a LabelSelector; None if it is not set or invalid, which selects nothing."""
    if not isinstance(selector, Mapping):
        return None
    labels, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or []
    if not (isinstance(labels, Mapping) and _are_mappings(expressions)):
        return None
    requirements = list(equality(labels))
    for expression in expressions:
        key, values = str(expression.get("key")), frozenset[str | None](expression.get("values") or ())
        match expression.get("operator"):
            case "In":
                requirements.append(selectors.Requirement(key, values, included=True))
            case "NotIn":
                requirements.append(selectors.Requirement(key, values, included=False))
            case "Exists":
                requirements.append(selectors.Requirement(key, frozenset({None}), included=False))
            case "DoesNotExist":
                requirements.append(selectors.Requirement(key, frozenset({None}), included=True))
            case _:
                return None
    return tuple(requirements)


def _are_mappings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def label_selectors(value: Any) -> Iterator[Manifest]:
    """Yield each LabelSelector inside a value, at any depth."""
    if isinstance(value, dict):
        if ("matchLabels" in value or "matchExpressions" in value) and label_selector(value) is not None:
            yield value
        for inner in value.values():
            yield from label_selectors(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from label_selectors(inner)


def _references(value: Any, kind: str, key: str) -> Iterator[str]:
    """Yield the names in each object of this kind inside a value: `persistentVolumeClaim: {claimName: data}`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == kind and isinstance(inner, dict) and isinstance(inner.get(key), str):
                yield inner[key]
            else:
                yield from _references(inner, kind, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner, kind, key)


def _config_map_names(pod: Any) -> set[str]:
    return {
        name
        for field_name in ("configMap", "configMapRef", "configMapKeyRef")
        for name in _references(pod, field_name, "name")
    }


def _backend_services(source: Source) -> set[str]:
    """Return the names of the Services that an Ingress or HTTPRoute sends requests to."""
    if source.kind == "Ingress":
        return set(_references(source.get("spec"), "service", "name"))
    backends = [
        backend
        for rule in source.get("spec.rules") or ()
        for backend in rule.get("backendRefs") or ()
        if backend.get("kind", "Service") == "Service"
    ]
    return {str(backend.get("name")) for backend in backends}
