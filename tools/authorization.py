"""The chart's ValidatingAdmissionPolicies: the author of an AppStack must hold the rights that the AppStack uses.

`RULES` is the table: it has a rule for each kind of object that the operator creates beside the workload.
`tools.generate` writes the chart template from it. The decision is docs/decisions/0030.

In the CEL expressions of this module, `@spec` is the spec and `@name` another value that `_SHARED_VALUES` computes
from it. Each expression is evaluated for the new spec and for the old one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import yaml

from appstack.api import AppStackSpec
from appstack.api.workloads import WorkloadKindName
from appstack.client.resource_kinds import WATCHED_KINDS
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest

TEMPLATE: Final = Path("deploy/appstack/templates/authorization.yaml")

NOT_IN_PODS: Final = (
    "replicas",
    "paused",
    "service",
    "ingress",
    "httpRoute",
    "autoscaling",
    "podDisruptionBudget",
    "networkPolicy",
)
"""Fields of the spec that are not part of the pods. A change of any other field changes pods, even of an unknown one."""

MAX_SECRET_NAMES: Final = 20
"""Secrets that are authorized by name. An authorizer check costs 350,000 of the 10,000,000 cost units of a policy."""

MAX_SECRET_REFERENCES: Final = 128
"""References among which equal names are merged. The cost of that grows with the square of their number."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The author needs `create` of a kind if `field` creates or changes an object of that kind."""

    kind: str
    field: str
    entries: str
    """CEL list of the values that objects of this kind are rendered from. An entry that the old spec does not have
    needs the right; removing one does not."""


def _one(condition: str, *values: str) -> str:
    """Return CEL for the entries of a rule with at most one object, rendered from these values."""
    entry = values[0] if len(values) == 1 else f"[{', '.join(f'dyn({value})' for value in values)}]"
    return f"{condition} ? [{entry}] : []"


_SHARED_VALUES: Final = {
    "kind": "@spec.?workload.?kind.orValue('Deployment')",
    "backendPorts": "@spec.?backend.?ports.orValue([])",
    "servicePorts": "@spec.?service.?ports.orValue([])",
    "hasService": (
        "@spec.?service.?enabled.orValue(true) && (has(@spec.proxy) || size(@backendPorts) > 0"
        " || size(@servicePorts) > 0 || @spec.?service.?externalName.hasValue())"
    ),
    "firstServicePort": (
        "!@hasService ? dyn(80) : size(@servicePorts) > 0 ? @servicePorts[0].port"
        " : has(@spec.proxy) || size(@backendPorts) == 0 ? dyn(80) : @backendPorts[0].containerPort"
    ),
}
_NGINX_FIELDS: Final = (
    *(
        f"@spec.proxy.?{name}.orValue(null)"
        for name in ("port", "healthPort", "upstream", "static", "clientMaxBodySize", "readTimeoutSeconds", "server")
    ),
    "@spec.proxy.?config.orValue(null)",
    *(
        f"@spec.backend.?{name}.orValue(null)"
        for name in ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle")
    ),
)
"""Values that nginx.conf is rendered from: a change of the proxy's image, for example, does not change it."""

_OPEN_PORTS: Final = (
    "@hasService",
    "@kind == 'StatefulSet'",
    "@servicePorts",
    "@backendPorts",
    "@spec.?proxy.?port.orValue(null)",
    "@spec.?proxy.?ports.orValue(null)",
    "@spec.?initContainers.orValue([]).filter(c, has(c.restartPolicy)).map(c, c.?ports.orValue(null))",
    "@spec.?sidecars.orValue([]).map(c, c.?ports.orValue(null))",
)
"""Values that the ports of the NetworkPolicy are rendered from: the target ports of the Services, and host ports."""

RULES: Final = (
    Rule("PersistentVolumeClaim", "volumes", "@spec.?volumes.orValue([]).filter(v, has(v.claim))"),
    Rule("ConfigMap", "files", "@spec.?files.orValue([]).filter(f, !has(f.valueFrom))"),
    Rule("ConfigMap", "proxy", _one("has(@spec.proxy)", *_NGINX_FIELDS)),
    Rule(
        "Service",
        "service",
        _one(
            "@hasService || @kind == 'StatefulSet'",
            "@spec.?service.orValue(null)",
            "has(@spec.proxy)",
            "@backendPorts",
            "@kind",
        ),
    ),
    Rule(
        "ServiceAccount",
        "serviceAccount",
        _one("has(@spec.serviceAccount) && @spec.serviceAccount.?create.orValue(true)", "@spec.serviceAccount"),
    ),
    Rule("Ingress", "ingress", _one("has(@spec.ingress)", "@spec.ingress", "@firstServicePort")),
    Rule("HTTPRoute", "httpRoute", _one("has(@spec.httpRoute)", "@spec.httpRoute", "@firstServicePort")),
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

_IGNORED: Final = str([*NOT_IN_PODS])
_PODS_CHANGE: Final = (
    f"variables.spec.exists(f, !(f in {_IGNORED})"
    " && !(f in variables.oldSpec && variables.spec[f] == variables.oldSpec[f]))"
    f" || variables.oldSpec.exists(f, !(f in {_IGNORED}) && !(f in variables.spec))"
    " || variables.hasService != variables.oldHasService"  # a pod behind a Service has a preStop delay
)
_CHANGED_POD_FIELDS: Final = (
    "{fields}.filter(f, f in variables.spec ? !(f in variables.oldSpec && variables.spec[f] == variables.oldSpec[f])"
    " : f in variables.oldSpec)"
)
_VOLUME_SECRETS: Final = (
    "secret.?secretName",
    "azureFile.?secretName",
    "csi.?nodePublishSecretRef.?name",
    *(
        f"{source}.?secretRef.?name"
        for source in ("cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos")
    ),
)


def template(note: str) -> str:
    """Return the chart template; `note` names the command that generates it."""
    return (
        f"{{{{- /* {note} */ -}}}}\n{{{{- if .Values.admission.authorize }}}}\n"
        f"{_dump(authorization())}{{{{- if .Values.admission.authorizeSecrets }}}}\n---\n"
        f"{_dump(secret_authorization())}{{{{- end }}}}\n{{{{- end }}}}\n"
    )


def authorization() -> tuple[Manifest, Manifest]:
    """Return the policy for the objects of an AppStack, and its binding."""
    fields = [field.alias or name for name, field in AppStackSpec.model_fields.items()]
    pod_fields = str(sorted(field for field in fields if field not in NOT_IN_PODS))
    variables = {
        "podsChange": _PODS_CHANGE,
        "podFields": _CHANGED_POD_FIELDS.format(fields=pod_fields),
        "workload": f"{_workload_resources()}[variables.kind]",
    }
    validations = [
        _validation(
            "!variables.podsChange",
            _check("''", "'pods'"),
            "create pods",
            "spec' + (size(variables.podFields) == 0 ? '' : '.' + variables.podFields[0]) + '",
        ),
        _validation(
            "!variables.podsChange || variables.kind == 'Pod'",
            _check("variables.workload[0]", "variables.workload[1]"),
            "create ' + variables.workload[1] + '",
            "spec.workload",
        ),
    ]
    for rule in RULES:
        group, resource = _resource(rule.kind)
        old = _old(rule.field)
        variables |= {rule.field: _of_new(rule.entries), old: _of_old(rule.entries)}
        unchanged = f"variables.{rule.field}.all(entry, entry in variables.{old})"
        validations.append(
            _validation(unchanged, _check(f"'{group}'", f"'{resource}'"), f"create {resource}", f"spec.{rule.field}")
        )
    return _policy("authorization", variables, validations)


def secret_authorization() -> tuple[Manifest, Manifest]:
    """Return the policy for the Secrets that an AppStack refers to by name, and its binding.

    Any change of the pods needs `get` of every Secret, because changed pods can also read those of the old spec.
    """
    distinct = "transformList(i, name, variables.references.indexOf(name) == i, name)"
    variables = {
        "podsChange": _PODS_CHANGE,
        "references": _of_new(_secret_references()),
        "countable": f"size(variables.references) <= {MAX_SECRET_REFERENCES}",
        "names": f"variables.countable ? variables.references.{distinct} : []",
    }
    validations = [
        _validation(
            f"!variables.podsChange || size(variables.names) <= {index}",
            _check("''", "'secrets'", f".name(variables.names[{index}])", verb="get"),
            f"get secrets ' + (size(variables.names) <= {index} ? '' : '\"' + variables.names[{index}] + '\"') + '",
            "spec",
        )
        for index in range(MAX_SECRET_NAMES)
    ]
    few = f"variables.countable && size(variables.names) <= {MAX_SECRET_NAMES}"
    every_secret = _check("''", "'secrets'", verb="get")
    validations.append(_validation(f"!variables.podsChange || {few}", every_secret, "get secrets", "spec"))
    return _policy("authorization-secrets", variables, validations)


def _workload_resources() -> str:
    resources = {kind: _resource(kind) for kind in get_args(WorkloadKindName)}
    return "{" + ", ".join(f"'{kind}': ['{group}', '{name}']" for kind, (group, name) in resources.items()) + "}"


def _resource(kind: str) -> tuple[str, str]:
    """Return the API group and the plural of a kind that the operator applies."""
    (found,) = (each for each in WATCHED_KINDS if each.kind == kind)
    return found.api_version.rpartition("/")[0], found.plural


def _secret_references() -> str:
    """Return CEL for the names of the Secrets that the pods refer to. Names are joined and split to flatten lists."""
    containers = (
        "((has(@spec.proxy) ? [@spec.backend, @spec.proxy] : [@spec.backend])"
        " + @spec.?initContainers.orValue([]) + @spec.?sidecars.orValue([]))"
    )
    volumes = "@spec.?volumes.orValue([])"
    names = [
        _joined(containers, "c", _joined("c.?env.orValue([])", "e", _name("e.?valueFrom.?secretKeyRef.?name"))),
        _joined(containers, "c", _joined("c.?envFrom.orValue([])", "e", _name("e.?secretRef.?name"))),
        _joined("@spec.?files.orValue([])", "f", _name("f.?valueFrom.?secretKeyRef.?name")),
        _joined(volumes, "v", _joined("v.?projected.?sources.orValue([])", "s", _name("s.?secret.?name"))),
        *(_joined(volumes, "v", _name(f"v.?{path}")) for path in _VOLUME_SECRETS),
        _joined("@spec.?pod.?imagePullSecrets.orValue([])", "s", _name("s.?name")),
    ]
    return f"[{', '.join(names)}].join('\\n').split('\\n').filter(name, name != '')"


def _joined(values: str, variable: str, text: str) -> str:
    return f"{values}.map({variable}, {text}).join('\\n')"


def _name(optional: str) -> str:
    return f"{optional}.orValue('')"


def _check(group: str, resource: str, name: str = "", *, verb: str = "create") -> str:
    return (
        f"authorizer.group({group}).resource({resource}).namespace(request.namespace){name}.check('{verb}').allowed()"
    )


def _validation(permitted: str, check: str, action: str, field: str) -> Manifest:
    """Return a validation with one authorizer check. Two checks are the most that fit in the cost of an expression.

    `messageExpression` has no authorizer, and neither have the variables in it. Hence each right has its own message.
    """
    user = "'user \"' + request.userInfo.username + '\""
    return {
        "expression": _CEL(f"{permitted} || {check}"),
        "messageExpression": _CEL(f"{user} may not {action} in namespace \"' + request.namespace + '\" ({field})'"),
        "reason": "Forbidden",
    }


def _policy(suffix: str, variables: Mapping[str, str], validations: Iterable[Manifest]) -> tuple[Manifest, Manifest]:
    """Return a policy and its binding. They cover the cluster: a namespace may come into a release's scope later."""
    name = f"{_FULLNAME}-{suffix}"
    conditions = {
        "spec-changes": "request.operation == 'CREATE' || object.spec != oldObject.spec",
        "user-is-not-bypassed": f"!(request.userInfo.username in {_BYPASS_USERS})",
        "groups-are-not-bypassed": f"!request.userInfo.?groups.orValue([]).exists(group, group in {_BYPASS_GROUPS})",
    }
    common = {"spec": "object.spec", "oldSpec": "request.operation == 'CREATE' ? {} : oldObject.spec"}
    for shared, expression in _SHARED_VALUES.items():
        common |= {shared: _of_new(expression), _old(shared): _of_old(expression)}
    rule = {
        "apiGroups": [meta.GROUP],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [meta.PLURAL],  # without `scale` and `status`, which change no other field of the spec
    }
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": _named(conditions),
        "variables": _named({**common, **variables}),
        "validations": list(validations),
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    return (
        {**_head("ValidatingAdmissionPolicy", name), "spec": spec},
        {**_head("ValidatingAdmissionPolicyBinding", name), "spec": binding},
    )


def _named(expressions: Mapping[str, str]) -> list[Manifest]:
    return [{"name": name, "expression": _CEL(expression)} for name, expression in expressions.items()]


def _old(name: str) -> str:
    return f"old{name[0].upper()}{name[1:]}"


def _of_new(expression: str) -> str:
    return re.sub(r"@(\w+)", r"variables.\1", expression)


def _of_old(expression: str) -> str:
    return re.sub(r"@(\w+)", lambda match: f"variables.{_old(match[1])}", expression)


def _head(kind: str, name: str) -> Manifest:
    metadata = {"name": name, "labels": _LABELS}
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata}


_FULLNAME, _LABELS, _BYPASS_USERS, _BYPASS_GROUPS = "FULLNAME", "LABELS", "BYPASS_USERS", "BYPASS_GROUPS"
_HELM: Final = {
    _FULLNAME: '{{ include "appstack.fullname" . }}',
    f" {_LABELS}": '\n    {{- include "appstack.labels" . | nindent 4 }}',
    _BYPASS_USERS: "{{ .Values.admission.bypass.users | toJson }}",
    _BYPASS_GROUPS: "{{ .Values.admission.bypass.groups | toJson }}",
}
"""Expressions of Helm, and the words that stand for them until the YAML is written."""


class _CEL(str):
    """A CEL expression. It is written as a folded block, in which the JSON that Helm inserts needs no quotes."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Dumper of the template."""

    def ignore_aliases(self, data: object) -> bool:
        """Return True: a value that occurs twice is written twice."""
        return True


_Dumper.add_representer(
    _CEL, lambda dumper, expression: dumper.represent_scalar("tag:yaml.org,2002:str", expression, style=">")
)


def _dump(documents: Iterable[Manifest]) -> str:
    text = "---\n".join(yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=110) for each in documents)
    for word, expression in _HELM.items():
        text = text.replace(word, expression)
    return text
