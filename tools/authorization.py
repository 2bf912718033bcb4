"""The rights that the author of an AppStack must hold, as CEL expressions for the chart's admission policies.

`RULES` is the table: it has a rule for each kind of object that the operator creates beside the workload. The chart
template is written by `tools.admission_policy`; the decision is docs/decisions/0030.

In the expressions, `@spec` is the spec, and `@name` is the value of `SHARED_VALUES` with that name. `of_new` and
`of_old` make them expressions about the new and the old spec.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, get_args

from appstack.api import AppStackSpec
from appstack.api.containers import Container
from appstack.api.proxy import Proxy
from appstack.api.workloads import WorkloadKindName
from appstack.client.resource_kinds import WATCHED_KINDS

NOT_IN_PODS: Final = (
    "replicas",
    "paused",
    "dependsOn",
    "service",
    "services",
    "ingress",
    "httpRoute",
    "autoscaling",
    "podDisruptionBudget",
    "networkPolicy",
    "serviceMonitor",
)
"""Fields of the spec that are not part of the pods. Every other field is, including fields that are unknown here."""

MAX_SECRET_REFERENCES: Final = 128
"""References among which equal names are merged. The cost of that grows with the square of their number."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The author needs `create` of a kind if `field` creates or changes an object of that kind."""

    kind: str
    field: str
    entries: str
    """CEL list of the values that objects of this kind are rendered from. An entry that the old spec does not have
    needs the right; removing an entry does not."""


def _one(condition: str, *values: str) -> str:
    """Return CEL for the entries of a rule with at most one object, which is rendered from these values."""
    entry = values[0] if len(values) == 1 else f"[{', '.join(f'dyn({value})' for value in values)}]"
    return f"{condition} ? [{entry}] : []"


SHARED_VALUES: Final = {
    "kind": "@spec.?workload.?kind.orValue('Deployment')",
    "backendPorts": "@spec.?backend.?ports.orValue([])",
    "servicePorts": "@spec.?service.?ports.orValue([])",
    "hasService": (
        "@spec.?service.?enabled.orValue(true) && (has(@spec.proxy) || size(@backendPorts) > 0"
        " || size(@servicePorts) > 0 || @spec.?service.?externalName.hasValue()"
        " || @spec.?service.?clusterIP.orValue('') == 'None')"
    ),
    "furtherServices": "@spec.?services.orValue([])",
    "firstServicePort": (
        "!@hasService ? dyn(80) : size(@servicePorts) > 0 ? @servicePorts[0].port"
        " : has(@spec.proxy) || size(@backendPorts) == 0 ? dyn(80) : @backendPorts[0].containerPort"
    ),
}
"""Values that several rules use, by the name of their variable in the policy; each may use those before it."""

_NGINX_FIELDS: Final = sorted(
    field.alias or name
    for name, field in Proxy.model_fields.items()
    if name not in Container.model_fields and name != "image"
)
_NGINX_FILES: Final = (
    *(f"@spec.proxy.?{name}" for name in _NGINX_FIELDS),
    "@spec.backend.?ports",
    "@spec.backend.?volumeMounts",
    "@spec.backend.?livenessProbe",
    "@spec.backend.?readinessProbe",
    "@spec.backend.?startupProbe",
    "@spec.backend.?lifecycle",
)
"""Fields that the configuration of nginx is rendered from. The proxy's image, for example, is not one of them."""

_OPEN_PORTS: Final = (
    "@hasService",
    "@kind == 'StatefulSet'",
    "@servicePorts",
    "@furtherServices",
    "@backendPorts",
    "@spec.?proxy.?port",
    "@spec.?proxy.?ports",
    "@spec.?initContainers.orValue([]).filter(c, has(c.restartPolicy) && has(c.ports)).map(c, c.ports)",
    "@spec.?sidecars.orValue([]).filter(c, has(c.ports)).map(c, c.ports)",
)
"""Values that the ports of the NetworkPolicy are rendered from: target ports of the Services, and host ports."""


def _service_entries(is_created: str, is_monitored: str) -> str:
    """Return CEL for the entries of the Service; a ServiceMonitor adds a label to it."""
    service = _one(
        is_created,
        "@spec.?service",
        "has(@spec.proxy)",
        "@backendPorts",
        "@kind",
        "@spec.?workload.?statefulSet.?serviceName",
        "@kind == 'StatefulSet' ? @furtherServices.map(s, s.name) : []",
    )
    return f"({service}) + ({is_monitored} ? [[dyn('monitored')]] : [])"


RULES: Final = (
    Rule("PersistentVolumeClaim", "volumes", "@spec.?volumes.orValue([]).filter(v, has(v.claim))"),
    Rule(
        "ConfigMap",
        "files",
        "@spec.?files.orValue([]).filter(f, !has(f.valueFrom)).map(f, [f.?container, f.?path, f.?content, f.?base64])",
    ),
    Rule("ConfigMap", "proxy", _one("has(@spec.proxy)", *_NGINX_FILES)),
    Rule(
        "Service",
        "service",
        _service_entries("@hasService || @kind == 'StatefulSet'", "@hasService && has(@spec.serviceMonitor)"),
    ),
    Rule(
        "Service",
        "services",
        "size(@furtherServices) == 0 ? []"
        " : @furtherServices.map(s, dyn(s)) + [dyn([dyn(has(@spec.proxy)), dyn(@backendPorts)])]",
    ),
    Rule(
        "ServiceAccount",
        "serviceAccount",
        _one("has(@spec.serviceAccount) && @spec.serviceAccount.?create.orValue(true)", "@spec.serviceAccount"),
    ),
    Rule(
        "Ingress", "ingress", _one("has(@spec.ingress)", "@spec.ingress", "@firstServicePort", "@spec.?service.?name")
    ),
    Rule(
        "HTTPRoute",
        "httpRoute",
        _one("has(@spec.httpRoute)", "@spec.httpRoute", "@firstServicePort", "@spec.?service.?name"),
    ),
    Rule("ServiceMonitor", "serviceMonitor", _one("has(@spec.serviceMonitor)", "@spec.serviceMonitor")),
    Rule("HorizontalPodAutoscaler", "autoscaling", _one("has(@spec.autoscaling)", "@spec.autoscaling", "@kind")),
    Rule(
        "PodDisruptionBudget",
        "podDisruptionBudget",
        _one("has(@spec.podDisruptionBudget)", "@spec.podDisruptionBudget"),
    ),
    Rule(
        "NetworkPolicy",
        "networkPolicy",
        _one(
            "has(@spec.networkPolicy) && @spec.networkPolicy.?enabled.orValue(true)",
            "@spec.networkPolicy",
            *_OPEN_PORTS,
        ),
    ),
)

_POD_FIELDS: Final = sorted(
    {field.alias or name for name, field in AppStackSpec.model_fields.items()} - set(NOT_IN_PODS)
)

_IS_EXPOSED: Final = "(variables.hasService || size(variables.furtherServices) > 0)"
_WAS_EXPOSED: Final = "(variables.oldHasService || size(variables.oldFurtherServices) > 0)"

PODS_CHANGE: Final = (
    f"variables.spec.exists(f, !(f in {[*NOT_IN_PODS]})"
    " && !(f in variables.oldSpec && variables.spec[f] == variables.oldSpec[f]))"
    f" || variables.oldSpec.exists(f, !(f in {[*NOT_IN_PODS]}) && !(f in variables.spec))"
    f" || {_IS_EXPOSED} != {_WAS_EXPOSED}"  # pods behind a Service have a preStop delay
    " || !(has(variables.spec.proxy) || variables.spec.?backend.?readinessProbe.hasValue())"  # its port is probed
    " && (variables.servicePorts != variables.oldServicePorts"
    " || variables.furtherServices != variables.oldFurtherServices)"
)
"""CEL: whether the pods of the new spec differ from those of the old one."""

CHANGED_POD_FIELDS: Final = (
    f"{_POD_FIELDS}.filter(f, f in variables.spec"
    " ? !(f in variables.oldSpec && variables.spec[f] == variables.oldSpec[f]) : f in variables.oldSpec)"
)
"""CEL: the known fields of the pods that differ."""

_CONTAINERS: Final = (
    "((has(@spec.proxy) ? [@spec.backend, @spec.proxy] : [@spec.backend])"
    " + @spec.?initContainers.orValue([]) + @spec.?sidecars.orValue([]))"
)
_VOLUMES: Final = "@spec.?volumes.orValue([])"
_VOLUME_SECRETS: Final = (
    "secret.?secretName",
    "azureFile.?secretName",
    "csi.?nodePublishSecretRef.?name",
    "cephfs.?secretRef.?name",
    "cinder.?secretRef.?name",
    "flexVolume.?secretRef.?name",
    "iscsi.?secretRef.?name",
    "rbd.?secretRef.?name",
    "scaleIO.?secretRef.?name",
    "storageos.?secretRef.?name",
)


def secret_references() -> str:
    """Return CEL for the names of the Secrets that pods refer to. Names are joined and split to flatten lists."""
    names = [
        _joined(_CONTAINERS, "c", _joined("c.?env.orValue([])", "e", _name("e.?valueFrom.?secretKeyRef.?name"))),
        _joined(_CONTAINERS, "c", _joined("c.?envFrom.orValue([])", "e", _name("e.?secretRef.?name"))),
        f"string({_name('@spec.?proxy.?tls.?secretName')})",
        _joined("@spec.?files.orValue([])", "f", _name("f.?valueFrom.?secretKeyRef.?name")),
        _joined(_VOLUMES, "v", _joined("v.?projected.?sources.orValue([])", "s", _name("s.?secret.?name"))),
        *(_joined(_VOLUMES, "v", _name(f"v.?{path}")) for path in _VOLUME_SECRETS),
        _joined("@spec.?pod.?imagePullSecrets.orValue([])", "s", _name("s.?name")),
    ]
    return f"[{', '.join(names)}].join('\\n').split('\\n').filter(name, name != '')"


def _joined(values: str, variable: str, text: str) -> str:
    return f"{values}.map({variable}, {text}).join('\\n')"


def _name(optional: str) -> str:
    return f"{optional}.orValue('')"


def resource(kind: str) -> tuple[str, str]:
    """Return the API group and the plural of a kind that the operator applies."""
    (found,) = (each for each in WATCHED_KINDS if each.kind == kind)
    return found.api_version.rpartition("/")[0], found.plural


def workload_resources() -> str:
    """Return CEL for a map from the kind of a workload to its API group and plural."""
    resources = {kind: resource(kind) for kind in get_args(WorkloadKindName)}
    return "{" + ", ".join(f"'{kind}': ['{group}', '{name}']" for kind, (group, name) in resources.items()) + "}"


def old(name: str) -> str:
    """Return the name of the variable with a value of the old spec."""
    return f"old{name[0].upper()}{name[1:]}"


def of_new(expression: str) -> str:
    """Return an expression for the new spec."""
    return re.sub(r"@(\w+)", r"variables.\1", expression)


def of_old(expression: str) -> str:
    """Return an expression for the old spec, which is empty when an AppStack is created."""
    return re.sub(r"@(\w+)", lambda match: f"variables.{old(match[1])}", expression)
