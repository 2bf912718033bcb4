"""Checks of pods: Pod Security, the node's namespaces, directories and ports, ServiceAccounts and scheduling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from appstack.k8s.metadata import RESERVED_PREFIX, Manifest
from appstack.policy.model import HostNamespace, HostPathRule
from appstack.policy.pod_security import Level, Violation
from appstack.policy.pod_templates import PodTemplate
from appstack.policy.subject import KeyPatterns, Subject
from appstack.policy.violation import PolicyViolation

CACHE_CONTAINER: Final = f"{RESERVED_PREFIX}cache"
"""The init container that prepares node caches, as root."""

_HOST_NAMESPACES: Final = {
    "spec.hostNetwork": HostNamespace.NETWORK,
    "spec.hostPID": HostNamespace.PID,
    "spec.hostIPC": HostNamespace.IPC,
}
_INIT_CONTAINER: Final = "spec.initContainers["
_CONTAINERS: Final = (_INIT_CONTAINER, "spec.containers[")
_OWN_CHECKS: Final = frozenset({"hostPorts", "hostPathVolumes"})  # of Pod Security, which the functions below repeat
_CREATING_TYPES: Final = ("DirectoryOrCreate", "FileOrCreate")
_SYSTEM_PREFIX: Final = "system-"


def pod_security_level(subject: Subject) -> Iterator[PolicyViolation]:
    """Yield the violations of the level `podSecurity.enforce`, and of `hostNamespaces`."""
    level = subject.effective.enforce
    for pod in subject.pods:
        baseline = {each.field for each in _violations(subject, pod, Level.BASELINE)} if level == "restricted" else None
        for each in _violations(subject, pod, level):
            if each.check == "hostNamespaces":
                name = "hostNamespaces"
                hint = subject.allowed_on_node(name, subject.effective.policy.host_namespaces)
                yield pod.violation(each.field, name, "shares a namespace of the node", hint)
            else:
                needed = Level.PRIVILEGED if baseline is None or each.field in baseline else Level.BASELINE
                yield pod.violation(each.field, "podSecurity.enforce", each.message, subject.level_hint(needed))


def pod_security_warnings(subject: Subject) -> Iterator[PolicyViolation]:
    """Yield one violation of the level `podSecurity.warn` for each container, and one for the pod itself."""
    level = subject.effective.warn
    for pod in subject.pods:
        enforced = {each.field for each in _violations(subject, pod, subject.effective.enforce)}
        checks: dict[str, dict[str, None]] = {}
        for each in _violations(subject, pod, level):
            if each.field not in enforced:
                owner = each.field.partition("]")[0] + "]" if each.field.startswith(_CONTAINERS) else "spec"
                checks.setdefault(owner, {})[each.check.partition("_")[0]] = None
        for owner, names in checks.items():
            path = f"{owner}.securityContext" if owner == "spec" else owner
            message = f"does not meet the Pod Security level {level}: {', '.join(names)}"
            yield pod.violation(path, "podSecurity.warn", message, subject.warn_hint())


def _violations(subject: Subject, pod: PodTemplate, level: Level) -> Iterator[Violation]:
    """Yield the violations of a level, without node caches and fields that other parts of the policy decide about."""
    own = tuple(f"{path}." for path, container in pod.containers if _prepares_caches(subject, path, container))
    allowed = subject.effective.policy.host_namespaces
    for each in pod.violations(level):
        is_host_path = each.check == "restrictedVolumes" and each.field.endswith(".hostPath")
        is_open = each.check == "hostNamespaces" and _HOST_NAMESPACES[each.field] in allowed
        is_own = each.field.startswith(own)
        if not (each.check in _OWN_CHECKS or is_host_path or is_open or is_own):
            yield each


def _prepares_caches(subject: Subject, path: str, container: Manifest) -> bool:
    """Return whether a container is AppStack's own init container for node caches."""
    return bool(subject.node_caches) and path.startswith(_INIT_CONTAINER) and container["name"] == CACHE_CONTAINER


def node_caches(subject: Subject) -> Iterator[PolicyViolation]:
    """Yield a violation for each node cache if they are not allowed."""
    if subject.effective.policy.node_cache:
        return
    for pod in subject.pods:
        for index, volume in enumerate(pod.spec.get("volumes") or ()):
            if volume["name"] in subject.node_caches:
                hint = subject.set_by("nodeCache")
                yield pod.violation(f"spec.volumes[{index}].nodeCache", "nodeCache", "is not allowed", hint)


@dataclass(frozen=True)
class _HostPaths:
    """The directories of the node that a policy allows."""

    rules: Sequence[HostPathRule]
    keys: Sequence[tuple[str, bool]] = field(init=False)  # with whether it is read-only

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", [(path_key(rule.path_prefix), rule.read_only) for rule in self.rules])

    def are_read_only(self, path: str) -> bool | None:
        """Return whether every mount of a path without `..` must be read-only; None if the path is not allowed."""
        key = path_key(path)
        matching = [read_only for prefix, read_only in self.keys if key.startswith(prefix)]
        return all(matching) if matching else None


def host_paths(subject: Subject) -> Iterator[PolicyViolation]:
    """Yield a violation for each hostPath that is not allowed, and for each mount of one that is not read-only."""
    if subject.effective.enforce is Level.PRIVILEGED:
        return
    allowed = _HostPaths(subject.effective.policy.host_paths)
    for pod in subject.pods:
        read_only: dict[str, str] = {}
        for index, volume in enumerate(pod.spec.get("volumes") or ()):
            source = volume.get("hostPath")
            if source is None or volume["name"] in subject.node_caches:
                continue
            path, type_ = source["path"], source.get("type") or ""
            restricted = allowed.are_read_only(path)
            field_path = f"spec.volumes[{index}].hostPath"
            if restricted is None:
                message = f"{path!r} is not below a directory that the administrator allows{_exposure(subject, path)}"
                yield pod.violation(f"{field_path}.path", "hostPaths", message, _host_paths_hint(subject))
            elif restricted and type_ in _CREATING_TYPES:
                message = f"{type_} would create {path!r} on the node, which is read-only"
                yield pod.violation(f"{field_path}.type", "hostPaths", message, _host_paths_hint(subject))
            elif restricted:
                read_only[volume["name"]] = path
        yield from _writable_mounts(subject, pod, read_only)


def _writable_mounts(subject: Subject, pod: PodTemplate, read_only: dict[str, str]) -> Iterator[PolicyViolation]:
    for path, container in pod.containers if read_only else ():
        for index, mount in enumerate(container.get("volumeMounts") or ()):
            if mount["name"] in read_only and not mount.get("readOnly"):
                message = f"must be true: {read_only[mount['name']]!r} of the node is read-only"
                field_path = f"{path}.volumeMounts[{index}].readOnly"
                yield pod.violation(field_path, "hostPaths", message, _host_paths_hint(subject))


def _exposure(subject: Subject, path: str) -> str:
    key, cache = path_key(path), path_key(subject.cache_root)
    return ", and would expose node caches" if key.startswith(cache) or cache.startswith(key) else ""


def _host_paths_hint(subject: Subject) -> str:
    rules = subject.effective.policy.host_paths
    return subject.allowed_on_node(
        "hostPaths", (f"{rule.path_prefix} ({'read-only' if rule.read_only else 'writable'})" for rule in rules)
    )


def path_key(path: str) -> str:
    """Return a path with a slash after each name: a path inside a directory begins with the directory's key."""
    return "".join(f"{name}/" for name in path.split("/") if name not in ("", "."))


def host_ports(subject: Subject) -> Iterator[PolicyViolation]:
    """Yield a violation for each port of the node that is not allowed.

    With an allowed `hostNetwork`, a container listens on any port of the node, whether it declares it or not.
    """
    effective = subject.effective
    if effective.enforce is Level.PRIVILEGED:
        return
    ranges = effective.policy.host_ports
    hint = subject.allowed_on_node("hostPorts", (f"{each.min}-{each.max}" for each in ranges))
    for pod in subject.pods:
        if pod.spec.get("hostNetwork") and HostNamespace.NETWORK in effective.policy.host_namespaces:
            continue
        for path, container in pod.containers:
            for index, port in enumerate(container.get("ports") or ()):
                number = port.get("hostPort")
                if number and not any(each.min <= number <= each.max for each in ranges):
                    message = f"{number} is not a port of the node that the administrator allows"
                    yield pod.violation(f"{path}.ports[{index}].hostPort", "hostPorts", message, hint)


def service_accounts(subject: Subject) -> Iterator[PolicyViolation]:
    """Yield a violation for each ServiceAccount that the AppStack does not create, if only its own are allowed."""
    if subject.effective.policy.service_accounts == "Any":
        return
    own = {"", "default", *(account["metadata"]["name"] for account in subject.of_kind("ServiceAccount"))}
    for pod in subject.pods:
        name = pod.spec.get("serviceAccountName") or ""
        if name not in own:
            message = f"{name!r} is not created by this AppStack"
            hint = f"{subject.set_by('serviceAccounts')}: Own allows an account that the AppStack creates, and default"
            yield pod.violation("spec.serviceAccountName", "serviceAccounts", message, hint)


def scheduling(subject: Subject) -> Iterator[PolicyViolation]:
    """Yield a violation for each node, priority class and toleration that is not allowed."""
    rules = subject.effective.policy.scheduling
    for pod in subject.pods:
        if pod.spec.get("nodeName") and not rules.node_name:
            name = "scheduling.nodeName"
            message = "bypasses the scheduler"
            hint = f"use nodeSelector or affinity; {subject.set_by(name)}"
            yield pod.violation("spec.nodeName", name, message, hint)
        priority_class = pod.spec.get("priorityClassName") or ""
        if priority_class and not _is_allowed_class(priority_class, rules.priority_classes):
            name = "scheduling.priorityClasses"
            hint = subject.allowed(name, rules.priority_classes or ("* except system-*",))
            yield pod.violation("spec.priorityClassName", name, f"{priority_class!r} is not allowed", hint)
        if rules.tolerations != "Any":
            yield from _tolerations(subject, pod, rules.tolerations)


def _is_allowed_class(name: str, allowed: Sequence[str]) -> bool:
    return name in allowed or ((not allowed or "*" in allowed) and not name.startswith(_SYSTEM_PREFIX))


def _tolerations(subject: Subject, pod: PodTemplate, allowed: Sequence[str]) -> Iterator[PolicyViolation]:
    patterns, name = KeyPatterns(allowed), "scheduling.tolerations"
    tolerations: Sequence[Manifest] = pod.spec.get("tolerations") or ()
    for index, toleration in enumerate(tolerations):
        key = toleration.get("key") or ""
        if not (key and patterns.match(key)):
            message = f"the taint {key!r} may not be tolerated" if key else "tolerates every taint"
            yield pod.violation(f"spec.tolerations[{index}]", name, message, subject.allowed(name, allowed))
