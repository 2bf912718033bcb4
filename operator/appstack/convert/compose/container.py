"""Image, command, environment, resources and security of a service."""

from __future__ import annotations

import re
from typing import Any, Final

from appstack.convert.compose.draft import ServiceDraft
from appstack.convert.compose.model import ResourceSet
from appstack.k8s.metadata import Manifest

_SECRET_NAME: Final = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIALS?)$", re.IGNORECASE)
_SWITCHES: Final = frozenset({"", "0", "1", "yes", "no", "true", "false"})
_PULL_POLICIES: Final = {
    "always": "Always",
    "never": "Never",
    "missing": "IfNotPresent",
    "if_not_present": "IfNotPresent",
}
_ARCHITECTURES: Final = {
    "linux/amd64": "amd64",
    "linux/arm64": "arm64",
    "linux/arm64/v8": "arm64",
    "linux/arm/v7": "arm",
}
_UNITS: Final = ((1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki"))


def convert_container(draft: ServiceDraft) -> None:
    """Convert the fields of the service that are fields of a container."""
    service = draft.service
    _image(draft)
    draft.set("backend.command", [_literal(each) for each in service.entrypoint or []])
    draft.set("backend.args", [_literal(each) for each in service.command or []])
    if service.entrypoint == [] and "entrypoint" in service.model_fields_set:
        draft.unsupported("entrypoint", "an AppStack cannot remove the entrypoint of an image; write the command")
    draft.set("backend.workingDir", service.working_dir)
    draft.set("backend.env", _environment(draft))
    draft.set("backend.tty", service.tty)
    draft.set("backend.stdin", service.stdin_open)
    if service.pull_policy in _PULL_POLICIES:
        draft.set("backend.imagePullPolicy", _PULL_POLICIES[service.pull_policy])
    elif service.pull_policy not in (None, "build"):
        draft.unsupported("pull_policy", f"Kubernetes has no pull policy {service.pull_policy!r}")
    _resources(draft)
    _security(draft)


def _image(draft: ServiceDraft) -> None:
    service = draft.service
    image = service.image
    if service.build is not None:
        image = image or f"registry.example/{draft.name}"
        context = service.build.get("context", ".")
        message = f"build the image from {context}, push it, and write its name; it is {image} here"
        draft.required("build", "spec.backend.image", message)
    elif image is None:
        image = f"registry.example/{draft.name}"
        draft.required("image", "spec.backend.image", "the service has no image")
    draft.set("backend.image", image)


def _literal(text: str) -> str:
    """Return an argument that Kubernetes does not expand: `$(NAME)` would be replaced by a variable."""
    return text.replace("$(", "$$(")


def _environment(draft: ServiceDraft) -> list[Manifest]:
    """Return the variables: those of the env files, and over them those of `environment`."""
    variables: dict[str, str | None] = {}
    origin: dict[str, str] = {}
    for each in draft.service.env_file:
        found = draft.files.variables(each.path)
        if found is None:
            if each.required:
                draft.required("env_file", "spec.backend.env", f"{each.path} does not exist")
            continue
        draft.changed("env_file", "spec.backend.env", f"the variables of {each.path} are part of the AppStack")
        variables |= dict(found)
        origin |= dict.fromkeys(found, "env_file")
    variables |= draft.service.environment
    origin |= dict.fromkeys(draft.service.environment, "environment")
    entries = (_variable(draft, name, value, f"{origin[name]}.{name}") for name, value in variables.items())
    return [entry for entry in entries if entry]


def _variable(draft: ServiceDraft, name: str, value: str | None, path: str) -> Manifest | None:
    if value is None:
        value = draft.environment.get(name)
        if value is None:
            draft.required(path, "spec.backend.env", "is not set in the environment, and left out")
            return None
        draft.changed(path, "spec.backend.env", "has the value of the environment of this command")
    if _SECRET_NAME.search(name) and value.lower() not in _SWITCHES:
        command = f"kubectl create secret generic {draft.name} --from-literal={name}=…"
        draft.required(path, "spec.backend.env", f"becomes a key of the Secret {draft.name}: {command}")
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": draft.name, "key": name}}}
    return {"name": name, "value": _literal(value)} if value else {"name": name}


def _resources(draft: ServiceDraft) -> None:
    service = draft.service
    resources = service.deploy.resources
    limits = {"cpu": resources.limits.cpus or service.cpus, "memory": resources.limits.memory or service.mem_limit}
    requests = {
        "cpu": resources.reservations.cpus,
        "memory": resources.reservations.memory or service.mem_reservation,
    }
    for kind, amounts in (("limits", limits), ("requests", requests)):
        memory = amounts["memory"]
        quantities = {"cpu": amounts["cpu"], "memory": quantity(int(memory)) if memory else None}
        draft.set(f"backend.resources.{kind}", {key: value for key, value in quantities.items() if value})
    for name, resource_set in (("limits", resources.limits), ("reservations", resources.reservations)):
        _devices(draft, f"deploy.resources.{name}", resource_set)


def _devices(draft: ServiceDraft, path: str, resource_set: ResourceSet) -> None:
    if resource_set.pids is not None:
        draft.unsupported(f"{path}.pids", "the kubelet limits the processes of pods")
    if resource_set.devices:
        hint = "write spec.backend.resources.limits, for example nvidia.com/gpu: 1"
        draft.unsupported(f"{path}.devices", hint)


def quantity(size: int) -> str:
    """Return a number of bytes as a quantity, with the largest unit that divides it."""
    return next((f"{size // unit}{name}" for unit, name in _UNITS if size and size % unit == 0), str(size))


def _security(draft: ServiceDraft) -> None:
    service = draft.service
    context: dict[str, Any] = {}
    if service.user is not None:
        user, _, group = service.user.partition(":")
        if user.isdecimal() and (not group or group.isdecimal()):
            context |= {"runAsUser": int(user), **({"runAsGroup": int(group)} if group else {})}
        else:
            message = f"{service.user!r} is a name: write its numbers as runAsUser and runAsGroup"
            draft.required("user", "spec.backend.securityContext", message)
    if service.read_only:
        context["readOnlyRootFilesystem"] = True
    if service.privileged:
        context["privileged"] = True
    capabilities = {
        key: [each.removeprefix("CAP_") for each in names]
        for key, names in (("add", service.cap_add), ("drop", service.cap_drop))
        if names
    }
    if capabilities:
        context["capabilities"] = capabilities
    for option in service.security_opt:
        _security_option(draft, context, option.replace("=", ":"))
    draft.set("backend.securityContext", context)
    groups = [group for group in service.group_add if group.isdecimal()]
    draft.set("pod.securityContext.supplementalGroups", [int(group) for group in groups])
    if len(groups) < len(service.group_add):
        draft.required("group_add", "spec.pod.securityContext.supplementalGroups", "write the numbers of the groups")
    sysctls = [{"name": name, "value": value or ""} for name, value in service.sysctls.items()]
    draft.set("pod.securityContext.sysctls", sysctls)
    if service.platform:
        architecture = _ARCHITECTURES.get(service.platform)
        if architecture:
            draft.set("pod.nodeSelector", {"kubernetes.io/arch": architecture})
        else:
            draft.unsupported("platform", f"{service.platform} is no platform of a node")


def _security_option(draft: ServiceDraft, context: dict[str, Any], option: str) -> None:
    name, _, value = option.partition(":")
    if name == "no-new-privileges" and value in ("", "true"):
        context["allowPrivilegeEscalation"] = False
    elif name in ("seccomp", "apparmor") and value == "unconfined":
        context["seccompProfile" if name == "seccomp" else "appArmorProfile"] = {"type": "Unconfined"}
    else:
        draft.unsupported("security_opt", f"{option} has no place in a pod")
