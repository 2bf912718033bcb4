"""The policy of a namespace: the labels and namespace policies that select it, warnings, and the issues' texts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from appstack.errors import Severity
from appstack.planning.desired import compute_desired_state
from appstack.policy.effective import PolicySource
from appstack.policy.pod_security import Level
from appstack.settings import Settings
from tests.unit.policies import desired_state, fields
from tests.unit.stacks import stack

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(ROOT.glob("examples/*/appstack.yaml"))
HOST_PORT = "backend: {image: x, ports: [{containerPort: 80, hostPort: 80}]}"
ENFORCE, WARN = (f"pod-security.kubernetes.io/{mode}" for mode in ("enforce", "warn"))

NAMESPACE_POLICIES = """
policy: {hostPorts: [{min: 1, max: 1}], services: {types: [ClusterIP]}}
namespacePolicies:
  - namespaceSelector: {matchLabels: {team: a}}
    policy: {hostPorts: [{min: 80, max: 80}], services: {externalIPs: true}}
  - namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [a, b]}]}
    policy: {enforcement: Warn}
  - namespaceSelector: {matchExpressions: [{key: team, operator: Exists}, {key: team, operator: NotIn, values: [c]}]}
    policy: {statusLogs: false}
"""


def source(text: str) -> PolicySource:
    """Return the source of policies for settings that are written as YAML."""
    settings = Settings.model_validate(yaml.safe_load(text))
    return PolicySource(settings.policy, settings.namespace_policies)


@pytest.mark.parametrize(
    ("labels", "ports", "types", "external_ips", "enforcement", "status_logs"),
    [
        ({}, 1, 1, False, "Enforce", True),
        ({"team": "a"}, 80, 1, True, "Enforce", True),
        ({"team": "b"}, 1, 1, False, "Warn", True),
        ({"team": "d"}, 1, 1, False, "Enforce", False),
        ({"team": "c"}, 1, 1, False, "Enforce", True),
    ],
)
def test_first_namespace_policy_that_matches_is_laid_over_the_policy(
    labels: dict[str, str], ports: int, types: int, external_ips: bool, enforcement: str, status_logs: bool
) -> None:
    policy = source(NAMESPACE_POLICIES).find(labels).policy

    assert [each.max for each in policy.host_ports] == [ports]
    assert len(policy.services.types) == types, "objects are merged field by field"
    assert policy.services.external_ips is external_ips
    assert policy.enforcement == enforcement
    assert policy.status_logs is status_logs


@pytest.mark.parametrize(
    ("labels", "from_labels", "enforce", "warn"),
    [
        ({}, True, Level.BASELINE, Level.RESTRICTED),
        ({ENFORCE: "privileged"}, True, Level.PRIVILEGED, Level.RESTRICTED),
        ({ENFORCE: "restricted", WARN: "baseline"}, True, Level.RESTRICTED, Level.BASELINE),
        ({ENFORCE: "unknown"}, True, Level.RESTRICTED, Level.RESTRICTED),
        ({ENFORCE: "privileged"}, False, Level.BASELINE, Level.RESTRICTED),
    ],
)
def test_pod_security_labels_of_the_namespace_win(
    labels: dict[str, str], from_labels: bool, enforce: Level, warn: Level
) -> None:
    effective = source(f"policy: {{podSecurity: {{fromNamespaceLabels: {str(from_labels).lower()}}}}}").find(labels)

    assert (effective.enforce, effective.warn) == (enforce, warn)


def test_every_pair_of_levels_has_a_key_of_its_own() -> None:
    policies = source("policy: {}")
    labels = [{}, *({ENFORCE: enforce, WARN: warn} for enforce in Level for warn in Level)]

    assert len({policies.find(each).key for each in labels}) == len(labels)


def test_only_labels_that_a_policy_depends_on_are_kept() -> None:
    assert source("policy: {}").label_keys == {ENFORCE, WARN}
    assert source(NAMESPACE_POLICIES).label_keys == {ENFORCE, WARN, "team"}
    assert source("policy: {podSecurity: {fromNamespaceLabels: false}}").label_keys == set()


@pytest.mark.parametrize(
    ("labels", "hint"),
    [
        (
            {},
            "allowed by policy.hostPorts: 1-1; it differs for namespaces with team=a; "
            f"the namespace label {ENFORCE}=privileged allows it",
        ),
        ({"team": "a"}, f"allowed by namespacePolicies[0].policy.hostPorts: 80-80; the namespace label {ENFORCE}="),
        ({"team": "b"}, "allowed by policy.hostPorts: 1-1; it differs for namespaces with team=a; "),
    ],
)
def test_hint_names_the_setting_and_the_labels_that_open_it(labels: dict[str, str], hint: str) -> None:
    settings = yaml.safe_load(NAMESPACE_POLICIES)
    found = desired_state(
        HOST_PORT.replace("hostPort: 80", "hostPort: 81"),
        yaml.safe_dump(settings["policy"]),
        labels=labels,
        namespace_policies=yaml.safe_dump(settings["namespacePolicies"]),
    )

    (issue,) = found.issues
    assert issue.hint.startswith(hint)


def test_label_that_closes_a_namespace_is_named() -> None:
    (issue, *_) = desired_state("pod: {securityContext: {runAsUser: 0}}", labels={ENFORCE: "restricted"}).issues
    assert (
        f"Pod Security level restricted of the namespace label {ENFORCE}; the namespace label {ENFORCE}=baseline"
        in (issue.hint)
    )


def test_refused_appstack_has_no_objects_and_a_warned_one_has_all() -> None:
    refused, warned = (desired_state(HOST_PORT, f"enforcement: {mode}") for mode in ("Enforce", "Warn"))

    assert refused.invalid
    assert refused.manifests == ()
    assert refused.violations == (("hostPorts", "Enforce"),)
    assert not warned.invalid
    assert warned.manifests != ()
    assert [(issue.field, issue.severity) for issue in warned.issues] == [
        ("spec.backend.ports[0].hostPort", Severity.WARNING)
    ]
    assert warned.violations == (("hostPorts", "Warn"),)


def test_level_of_warnings_refuses_nothing_and_has_one_line_for_each_container() -> None:
    spec = "sidecars: [{name: s, image: x}]"
    found = desired_state(spec, "podSecurity: {warn: restricted}")
    checks = "allowPrivilegeEscalation, capabilities, runAsNonRoot, seccompProfile"

    assert found.manifests != ()
    assert found.violations == (("podSecurity.warn", "Warn"),)
    assert [f"{issue}" for issue in found.issues if issue.policy] == [
        f"{field}: does not meet the Pod Security level restricted: {checks} "
        "(spec.podSecurity: restricted sets the missing fields; warned of by policy.podSecurity.warn)"
        for field in ("spec.sidecars[0]", "spec.backend")
    ]


def test_violation_is_not_repeated_by_the_level_of_warnings() -> None:
    found = desired_state("pod: {hostPID: true}", "podSecurity: {warn: restricted}").issues
    assert [issue.policy for issue in found if issue.policy] == ["hostNamespaces", "podSecurity.warn"]
    assert not any("hostNamespaces" in issue.message for issue in found)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_examples_need_no_other_policy_than_the_default_except_cadvisor(example: Path) -> None:
    own = example.with_name("settings.yaml")
    policies = [Settings(), *([Settings.model_validate(yaml.safe_load(own.read_text()))] if own.exists() else [])]
    for document in yaml.safe_load_all(example.read_text()):
        if document["kind"] == "AppStack":
            spec = document["spec"]
            written = stack(yaml.safe_dump(spec))
            errors = [
                any(
                    issue.severity is Severity.ERROR
                    for issue in compute_desired_state(
                        written,
                        settings=settings,
                        policy=PolicySource(settings.policy, settings.namespace_policies).find({}),
                        spec=spec,
                    ).issues
                )
                for settings in policies
            ]
            assert errors == ([True, False] if example.parent.name == "11-cadvisor" else [False])


def test_violations_of_one_field_are_counted_beyond_the_maximum() -> None:
    ports = ", ".join(f"{{name: p{number}, containerPort: {number}, hostPort: {number}}}" for number in range(1, 56))
    found = fields(f"backend: {{image: x, ports: [{ports}]}}")

    assert len(found) == 51
    assert found[-1] == "spec.backend.ports[50].hostPort hostPorts"
