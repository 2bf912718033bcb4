"""The chart's admission policies: a rule for each kind, and the values that switch and bypass them."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any, get_args

import pytest
import yaml

from appstack.api import AppStackSpec
from appstack.api.size import UNCOUNTED_FIELDS
from appstack.api.workloads import WorkloadKindName
from appstack.client import resource_kinds
from appstack.k8s.metadata import Manifest
from tests import authorization
from tools import admission_policy, chart, generate
from tools.authorization import NOT_IN_PODS, RULES
from tools.cluster import programs

APPLIED = [kind for kind in resource_kinds.WATCHED_KINDS if kind.applied]


def policy(**values: Any) -> Manifest:
    """Return the first policy that the chart renders with these values."""
    spec: Manifest = authorization.policies(**values)[0]["spec"]
    return spec


@pytest.mark.parametrize("kind", [kind.kind for kind in APPLIED])
def test_every_applied_kind_has_a_rule(kind: str) -> None:
    assert kind in {rule.kind for rule in RULES} | {*get_args(WorkloadKindName)}, "add a row to tools/authorization.py"


def test_template_is_generated_from_the_rules() -> None:
    path = chart.CHART / "templates" / admission_policy.TEMPLATE.name

    assert path.read_text() == admission_policy.template(generate.NOTE), "run: make generate"


def test_fields_outside_the_pods_have_a_rule_or_need_none() -> None:
    fields = {field.alias or name for name, field in AppStackSpec.model_fields.items()}

    assert {*NOT_IN_PODS} <= fields
    assert {*NOT_IN_PODS} - {rule.field for rule in RULES} == {"replicas", "paused", "dependsOn"}


def test_expression_has_at_most_one_authorizer_check() -> None:
    for document in authorization.policies(secrets=True):
        for validation in document["spec"].get("validations", ()):
            assert validation["expression"].count("authorizer.") == 1
            assert "authorizer" not in validation["messageExpression"]


def test_checks_fit_in_the_cost_of_a_policy() -> None:
    checks = {
        document["metadata"]["name"]: len(document["spec"]["validations"])
        for document in authorization.policies(secrets=True)
        if document["kind"] == "ValidatingAdmissionPolicy"
    }

    assert checks == {"appstack-authorization": 2 + len(RULES), "appstack-authorization-secrets": 21}
    assert max(checks.values()) * 350_000 < 8_000_000, "the limit is 10,000,000; expressions need the rest"


def test_policy_denies_writes_of_the_main_resource_when_it_cannot_be_evaluated() -> None:
    spec = policy()
    (rule,) = spec["matchConstraints"]["resourceRules"]
    binding = authorization.policies()[1]

    assert spec["failurePolicy"] == "Fail"
    assert rule["resources"] == ["appstacks"]
    assert rule["operations"] == ["CREATE", "UPDATE"]
    assert binding["spec"] == {"policyName": "appstack-authorization", "validationActions": ["Deny"]}


def test_releases_have_policies_of_their_own() -> None:
    names = [
        {document["metadata"]["name"] for document in authorization.policies(release, secrets=True)}
        for release in ("shard-a-appstack", "shard-b-appstack")
    ]

    assert names[0].isdisjoint(names[1])


def test_authorization_can_be_switched_off() -> None:
    assert authorization.policies(authorize=False, secrets=True) == []


def test_secrets_are_authorized_only_on_request() -> None:
    kinds = [document["kind"] for document in authorization.policies()]

    assert kinds == ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
    assert "secrets" not in json.dumps(authorization.policies())
    assert len(authorization.policies(secrets=True)) == 4


def test_bypass_names_users_and_groups() -> None:
    user, group = "system:serviceaccount:argocd:controller", 'a "quoted" group: # 1'
    conditions = {each["name"]: each["expression"] for each in policy(users=[user], groups=[group])["matchConditions"]}

    assert conditions["user-is-not-bypassed"] == f'!(request.userInfo.username in ["{user}"])'
    assert conditions["groups-are-not-bypassed"].endswith(f"group in {json.dumps([group])})")


def test_values_of_admission_have_a_schema() -> None:
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text())["admission"]
    schema = json.loads(chart.SCHEMA.read_text())["properties"]["admission"]

    switches = {"authorize": True, "authorizeSecrets": False, "specSize": True, "leases": True}
    assert values == switches | {"bypass": {"users": [], "groups": []}}
    assert schema["properties"].keys() == values.keys()
    assert schema["properties"]["bypass"]["properties"].keys() == values["bypass"].keys()
    assert schema["additionalProperties"] is False
    assert schema["properties"]["bypass"]["additionalProperties"] is False


@pytest.mark.skipif(not programs.path("helm").exists(), reason="Helm is not built: run `make helm-lint`")
def test_helm_renders_the_same_policies() -> None:
    names = {"users": ["system:serviceaccount:argocd:controller"], "groups": ['a "quoted" group: # 1']}
    values = json.dumps({"admission": {"authorizeSecrets": True, "bypass": names}})
    command = [str(programs.path("helm")), "template", "appstack", str(chart.CHART), "--values", "-"]
    output = subprocess.run(command, input=values, capture_output=True, text=True, check=True).stdout
    documents = [document for document in yaml.safe_load_all(output) if re.match("Validating", document["kind"])]

    rendered = {(each["kind"], each["metadata"]["name"]): each["spec"] for each in documents}
    expected = authorization.policies(secrets=True, users=names["users"], groups=names["groups"])
    expected += authorization.bounds("appstack", spec_size=True, leases=True)
    assert rendered == {(each["kind"], each["metadata"]["name"]): each["spec"] for each in expected}


def test_spec_size_leaves_out_every_text_that_the_operator_does_not_count() -> None:
    spec_size, _ = authorization.bounds("appstack", spec_size=True)
    (contents,) = (each["expression"] for each in spec_size["spec"]["variables"] if each["name"] == "contents")

    assert set(UNCOUNTED_FIELDS) == set(re.findall(r"\.\?(\w+)\.orValue\(''\)", contents))
