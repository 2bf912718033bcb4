"""The chart and the operator say the same: what it may do, what can be set, how it is started."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from appstack.cluster import kinds
from tools import chart

TEMPLATES = chart.CHART / "templates"
READ = {"get", "list", "watch"}
WRITE = {*READ, "create", "patch", "delete"}

Rules = dict[tuple[str, str], set[str]]


def documents(name: str) -> Iterator[dict[str, Any]]:
    """Yield a template's objects without what Helm fills in: rules are written out, without a template in them."""
    lines = (TEMPLATES / name).read_text().splitlines()
    yield from yaml.safe_load_all("\n".join(line for line in lines if "{{" not in line))


def rules(kind: str) -> Rules:
    """Return the verbs that the operator's ClusterRole or Role has, by API group and resource."""
    (role,) = (each for each in documents("rbac.yaml") if each["kind"] == kind)
    return {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def group_of(kind: kinds.Kind) -> str:
    """Return the API group of a kind; the core group is the empty string."""
    return kind.api_version.rpartition("/")[0]


@pytest.mark.parametrize("kind", kinds.WATCHED, ids=lambda kind: kind.plural)
def test_the_operator_may_do_what_it_does_and_no_more(kind: kinds.Kind) -> None:
    allowed = rules("ClusterRole")[group_of(kind), kind.plural]

    assert allowed == (WRITE if kind.applied else READ)


def test_there_is_no_permission_that_nobody_needs() -> None:
    watched = {(group_of(kind), kind.plural) for kind in (*kinds.WATCHED, kinds.STACK)}
    others = {
        ("appstack.dev", "appstacks/status"),
        ("appstack.dev", "appstacks/finalizers"),
        ("events.k8s.io", "events"),
        ("coordination.k8s.io", "leases"),
    }

    assert set(rules("ClusterRole")) == watched | others


def test_secrets_wildcards_and_escalation_are_nowhere() -> None:
    for kind in ("ClusterRole", "Role"):
        for (group, resource), verbs in rules(kind).items():
            assert "*" not in {group, resource, *verbs}
            assert resource != "secrets"
            assert not verbs & {"escalate", "bind", "impersonate", "deletecollection"}


def test_leases_of_other_namespaces_are_only_read() -> None:
    assert rules("ClusterRole")["coordination.k8s.io", "leases"] == {"get", "list"}
    assert set(rules("Role")) == {("coordination.k8s.io", "leases")}


def test_the_values_schema_knows_the_operators_settings() -> None:
    assert chart.SCHEMA.read_text() == chart.values_schema(), "run: make generate"


def test_every_value_is_in_the_schema_and_every_one_of_the_schema_is_a_value() -> None:
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text())
    schema = yaml.safe_load(chart.SCHEMA.read_text())

    assert set(schema["properties"]) - {"global"} == set(values)


def test_every_value_is_used() -> None:
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text())
    used = "".join(path.read_text() for path in TEMPLATES.iterdir())

    assert {name for name in values if not re.search(rf"\.Values\.{name}\b", used)} == set()


def test_the_pod_satisfies_the_restricted_profile() -> None:
    (deployment,) = documents("deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_definition_stays_when_the_chart_goes() -> None:
    assert "helm.sh/resource-policy: keep" in (TEMPLATES / "crd.yaml").read_text()
