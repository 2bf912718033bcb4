"""The policy in statuses and metrics: no output of containers with `statusLogs: false`, and the count of violations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appstack.errors import Severity, ValidationIssue
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Observed, TerminalState
from appstack.planning.desired import DesiredStateCache
from appstack.settings import Settings
from appstack.status.events import transition_events
from appstack.telemetry import metrics
from tests.unit.status_fixtures import POD, appstack, child, message, observed_deployment, status_of
from tests.unit.test_diagnostics import terminated, waiting

SECRET = "password: s3cret"
JOB = Ref("batch/v1", "Job", "team-a", "shop")
FAILED_JOB = {"conditions": [{"type": "Failed", "status": "True", "message": "Too often"}]}
SPEC: dict[str, Any] = {"proxy": {"static": [{"path": "/s/", "from": "/s"}]}, "initContainers": [{"name": "first"}]}


@pytest.mark.parametrize(
    "container",
    [
        terminated("backend", exitCode=1, reason="Error", message=SECRET),
        terminated("backend", exitCode=128, reason="StartError", message=SECRET),
        waiting("backend", "CrashLoopBackOff", "back-off", exitCode=1, reason="Error", message=SECRET),
        waiting("backend", "CrashLoopBackOff", "back-off", exitCode=128, reason="ContainerCannotRun", message=SECRET),
        waiting("backend", "PostStartHookError", f"Exec lifecycle hook failed, message: {SECRET}"),
        terminated("first", exitCode=1, reason="Error", message=SECRET),
        terminated("appstack-nginx-check", exitCode=1, reason="Error", message=f"nginx: [emerg] {SECRET}"),
        terminated("appstack-static-0", exitCode=1, reason="Error", message=SECRET),
    ],
)
def test_status_and_events_contain_no_output_of_containers(container: dict[str, Any]) -> None:
    observed = observed_deployment({}, pods=(child(POD, status={"containerStatuses": [container]}),))
    with_logs, without_logs = (
        status_of(appstack(**SPEC), observed, status_logs=status_logs) for status_logs in (True, False)
    )

    assert SECRET in f"{with_logs}{transition_events({}, with_logs)}"
    assert SECRET not in f"{without_logs}{transition_events({}, without_logs)}"
    (problem,) = without_logs["problems"]
    assert problem["reason"]
    assert problem["message"]


@pytest.mark.parametrize("reason", ["Error", "StaticCopyFailed", "NginxConfigRefused", "RunContainerError"])
def test_recorded_problems_lose_the_output(reason: str) -> None:
    message = "The container exited with code 1" if reason == "Error" else SECRET
    problem = {"container": "backend", "reason": reason, "exitCode": 1, "message": message, "log": SECRET}
    failed = Observed({JOB: child(JOB, owner_uid="u", status=FAILED_JOB, ended=TerminalState.FAILED)})
    stack = appstack({"problems": [problem]}, workload={"kind": "Job"})

    assert SECRET in f"{status_of(stack, failed)}"
    status = status_of(stack, failed, status_logs=False)
    assert SECRET not in f"{status}"
    (kept,) = status["problems"]
    assert kept == {key: value for key, value in problem.items() if key != "log"} | (
        {} if reason == "Error" else {"message": "The container failed"}
    )


def test_messages_that_are_not_output_stay() -> None:
    missing = waiting("backend", "CreateContainerConfigError", 'configmap "a" not found')
    observed = observed_deployment({}, pods=(child(POD, status={"containerStatuses": [missing]}),))

    (problem,) = status_of(appstack(), observed, status_logs=False)["problems"]
    assert problem["message"] == 'configmap "a" not found'


@pytest.mark.parametrize(("labels", "expected"), [({}, True), ({"logs": "no"}, False)])
def test_policy_of_the_namespace_decides_about_output(labels: dict[str, str], expected: bool) -> None:
    entry = {"namespaceSelector": {"matchLabels": {"logs": "no"}}, "policy": {"statusLogs": False}}
    cache = DesiredStateCache(Settings.model_validate({"namespacePolicies": [entry]}))

    assert cache.get(appstack(), namespace_uid="n", namespace_labels=labels).status_logs is expected
    assert cache.get(appstack(proxy=1), namespace_uid="n", namespace_labels=labels).status_logs is expected


def test_label_of_the_namespace_is_part_of_the_key_of_desired_states() -> None:
    cache = DesiredStateCache(Settings())
    privileged = {"pod-security.kubernetes.io/enforce": "privileged"}
    manifest = appstack(pod={"hostPID": True})

    refused = cache.get(manifest, namespace_uid="n")
    allowed = cache.get(manifest, namespace_uid="n", namespace_labels=privileged)

    assert (refused.invalid, allowed.invalid) == (True, False)
    assert cache.get(manifest, namespace_uid="n") is refused
    assert cache.get(manifest, namespace_uid="n", namespace_labels=privileged | {"other": "label"}) is allowed
    again = manifest | {"metadata": manifest["metadata"] | {"generation": 8}}
    assert cache.get(again, namespace_uid="n").issues == refused.issues, "the refusal is remembered for each policy"
    assert not cache.get(again, namespace_uid="n", namespace_labels=privileged).invalid


@pytest.mark.parametrize(("setting", "is_shown"), [("podSecurity.warn", False), ("hostPorts", True)])
def test_level_of_warnings_is_part_of_no_message_but_that_of_a_ready_stack(setting: str, is_shown: bool) -> None:
    issues = (ValidationIssue("spec.backend", "is odd", severity=Severity.WARNING, policy=setting),)

    assert "Warning: spec.backend: is odd" in message(status_of(issues=issues))
    assert is_shown is ("Warning: spec.backend: is odd" in message(status_of(appstack(paused=True), issues=issues)))


def test_appstacks_are_counted_by_violated_field_and_enforcement() -> None:
    collector = metrics.ViolationCollector()
    enforced, warned = ("hostPorts", "Enforce"), ("podSecurity.warn", "Warn")
    collector.set_function(lambda: [(enforced, warned), (warned,), ()])

    (family,) = collector.collect()

    counts = {(sample.labels["field"], sample.labels["enforcement"]): sample.value for sample in family.samples}
    assert {labels: value for labels, value in counts.items() if value} == {enforced: 1, warned: 2}
    assert len(counts) == 32


def test_violations_of_many_appstacks_share_one_value() -> None:
    cache = DesiredStateCache(Settings())
    manifests = [appstack(pod={"hostPID": True}), appstack(pod={"hostPID": True}, replicas=2)]
    first, second = (cache.get(each, namespace_uid="n") for each in manifests)

    assert first.violations is second.violations
    assert replace(first, issues=()).violations == ()
