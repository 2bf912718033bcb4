"""Generator of the chart template with the ValidatingAdmissionPolicies that authorize the authors of AppStacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import yaml

from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from tools import authorization
from tools.authorization import RULES, old

TEMPLATE: Final = Path("deploy/appstack/templates/authorization.yaml")

MAX_SECRET_NAMES: Final = 20
"""Secrets that are authorized by name. An authorizer check costs 350,000 of the 10,000,000 cost units of a policy."""

_FULLNAME, _LABELS, _BYPASS_USERS, _BYPASS_GROUPS = "FULLNAME", "LABELS", "BYPASS_USERS", "BYPASS_GROUPS"
_HELM: Final = {
    _FULLNAME: '{{ include "appstack.fullname" . }}',
    f" {_LABELS}": '\n    {{- include "appstack.labels" . | nindent 4 }}',
    _BYPASS_USERS: "{{ .Values.admission.bypass.users | toJson }}",
    _BYPASS_GROUPS: "{{ .Values.admission.bypass.groups | toJson }}",
}
"""Placeholders of Helm's expressions until the YAML is written."""


def template(note: str) -> str:
    """Return the chart template; `note` names the command that generates it."""
    return (
        f"{{{{- /* {note} */ -}}}}\n"
        "{{- /* The author of an AppStack needs the rights that it uses: docs/security.md. */ -}}\n"
        "{{- if .Values.admission.authorize }}\n"
        f"{_dump(_authorization())}"
        "{{- if .Values.admission.authorizeSecrets }}\n"
        f"---\n{_dump(_secret_authorization())}"
        "{{- end }}\n{{- end }}\n"
    )


def _authorization() -> tuple[Manifest, Manifest]:
    """Return the policy for the objects of an AppStack, and its binding."""
    variables = {
        "podsChange": authorization.PODS_CHANGE,
        "podFields": authorization.CHANGED_POD_FIELDS,
        "workload": f"{authorization.workload_resources()}[variables.kind]",
    }
    validations = [
        _validation(
            "!variables.podsChange",
            _check("''", "'pods'"),
            action="create pods",
            field="spec' + (size(variables.podFields) == 0 ? '' : '.' + variables.podFields[0]) + '",
        ),
        _validation(
            "!variables.podsChange || variables.kind == 'Pod'",
            _check("variables.workload[0]", "variables.workload[1]"),
            action="create ' + variables.workload[1] + '",
            field="spec.workload",
        ),
    ]
    for rule in RULES:
        group, resource = authorization.resource(rule.kind)
        variables[rule.field] = authorization.of_new(rule.entries)
        variables[old(rule.field)] = authorization.of_old(rule.entries)
        unchanged = f"variables.{rule.field}.all(entry, entry in variables.{old(rule.field)})"
        check = _check(f"'{group}'", f"'{resource}'")
        validations.append(_validation(unchanged, check, action=f"create {resource}", field=f"spec.{rule.field}"))
    return _policy("authorization", variables, validations)


def _secret_authorization() -> tuple[Manifest, Manifest]:
    """Return the policy for the Secrets that an AppStack refers to by name, and its binding.

    Any change of the pods needs `get` of every Secret, because changed pods can also read those of the old spec.
    """
    distinct = "transformList(i, name, variables.references.indexOf(name) == i, name)"
    variables = {
        "podsChange": authorization.PODS_CHANGE,
        "references": authorization.of_new(authorization.secret_references()),
        "countable": f"size(variables.references) <= {authorization.MAX_SECRET_REFERENCES}",
        "names": f"variables.countable ? variables.references.{distinct} : []",
    }
    validations = [
        _validation(
            f"!variables.podsChange || size(variables.names) <= {index}",
            _check("''", "'secrets'", f".name(variables.names[{index}])", verb="get"),
            action=f"get secrets \"' + (size(variables.names) <= {index} ? '' : variables.names[{index}]) + '\"",
            field="spec",
        )
        for index in range(MAX_SECRET_NAMES)
    ]
    few = f"variables.countable && size(variables.names) <= {MAX_SECRET_NAMES}"
    every_secret = _check("''", "'secrets'", verb="get")
    validations.append(_validation(f"!variables.podsChange || {few}", every_secret, action="get secrets", field="spec"))
    return _policy("authorization-secrets", variables, validations)


def _check(group: str, resource: str, name: str = "", *, verb: str = "create") -> str:
    """Return CEL for whether the user may do this in the namespace of the AppStack; the arguments are CEL."""
    return (
        f"authorizer.group({group}).resource({resource}).namespace(request.namespace){name}.check('{verb}').allowed()"
    )


def _validation(permitted: str, check: str, *, action: str, field: str) -> Manifest:
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
    for shared, expression in authorization.SHARED_VALUES.items():
        common[shared] = authorization.of_new(expression)
        common[old(shared)] = authorization.of_old(expression)
    rule = {
        "apiGroups": [meta.GROUP],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [meta.PLURAL],  # not `scale` and `status`, which change no other field of the spec
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


def _head(kind: str, name: str) -> Manifest:
    metadata = {"name": name, "labels": _LABELS}
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata}


class _CEL(str):
    """A CEL expression. It is written as a folded block, in which the JSON that Helm inserts needs no quotes."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Dumper of the template."""


def _represent_cel(dumper: yaml.SafeDumper, expression: _CEL) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", expression, style=">")


_Dumper.add_representer(_CEL, _represent_cel)


def _dump(documents: Iterable[Manifest]) -> str:
    text = "---\n".join(yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=110) for each in documents)
    for placeholder, expression in _HELM.items():
        text = text.replace(placeholder, expression)
    return text
