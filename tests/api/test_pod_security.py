"""The Pod Security checks against the PodSecurity admission of a real API server, over generated pods."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from appstack.k8s.metadata import Manifest
from appstack.policy.effective import PolicySource
from appstack.policy.evaluation import CHECKS
from appstack.policy.model import PodSecurityPolicy, Policy
from appstack.policy.pod_security import VERSION, Level, violations
from appstack.policy.subject import Subject
from tests.api import generated_pods
from tests.api.cluster import PARALLEL_REQUESTS, STRATEGIC, ApiError, Cluster, Namespace, eventually
from tests.api.conftest import RUN_ID, temporary_namespace
from tests.unit.test_rendered_pod_security import rendered_pod

COMBINATIONS = 700
LEVELS = (Level.BASELINE, Level.RESTRICTED)
REASONS = {
    "host namespaces": ["hostNamespaces"],
    "privileged": ["privileged"],
    "non-default capabilities": ["capabilities_baseline"],
    "unrestricted capabilities": ["capabilities_restricted"],
    "hostPath volumes": ["hostPathVolumes"],
    "restricted volume types": ["restrictedVolumes"],
    "hostPort": ["hostPorts"],
    "probe or lifecycle host": ["hostProbesAndHostLifecycle"],
    "forbidden AppArmor profile": ["appArmorProfile"],
    "forbidden AppArmor profiles": ["appArmorProfile"],
    "seLinuxOptions": ["seLinuxOptions"],
    "procMount": ["procMount", "procMount_restricted"],
    "forbidden sysctls": ["sysctls"],
    "seccompProfile": ["seccompProfile_baseline", "seccompProfile_restricted"],
    "hostProcess": ["windowsHostProcess"],
    "allowPrivilegeEscalation != false": ["allowPrivilegeEscalation"],
    "runAsNonRoot != true": ["runAsNonRoot"],
    "runAsUser=0": ["runAsUser"],
}
"""Checks of each reason in a refusal of the API server; a check of `restricted` has the reason of its predecessor."""

UNREACHABLE = {"procMount"}
"""The API server's validation refuses an unmasked /proc without a user namespace before PodSecurity sees it."""


@pytest.fixture(scope="module")
def namespaces(cluster: Cluster) -> Iterator[dict[Level, Namespace]]:
    """Return a namespace for each level, which enforces the version of the checks."""
    with ExitStack() as stack:
        created = {}
        for level in LEVELS:
            name = f"pod-security-{RUN_ID}-{level}"
            created[level] = stack.enter_context(temporary_namespace(cluster, name))
            label = "pod-security.kubernetes.io/enforce"
            patch = {"metadata": {"labels": {label: str(level), f"{label}-version": VERSION}}}
            cluster.request("PATCH", f"/api/v1/namespaces/{name}", patch, content_type=STRATEGIC)
        eventually(lambda: all(namespace.exists("ServiceAccount", "default") for namespace in created.values()))
        yield created


def reasons(error: ApiError, level: Level) -> set[str] | None:
    """Return the checks that refused a pod; None if the API server's validation refused it before."""
    if error.status == 422:
        return None
    found = re.search(rf'violates PodSecurity \\"{level}:{VERSION}\\": (.*?)","', str(error))
    assert found, str(error)
    texts = re.sub(r" \([^()]*\)", "", found.group(1).encode().decode("unicode_escape")).split(", ")
    predecessor_first = 0 if level is Level.BASELINE else -1
    return {REASONS[text][predecessor_first] for text in texts}


def refusals(level: Level, cluster: Cluster, method: str, path: str, body: Manifest, **options: str) -> set[str] | None:
    """Return the checks that refuse a dry run of a request; None if its pod is not valid."""
    try:
        cluster.request(method, path, body, dryRun="All", **options)
    except ApiError as error:
        return reasons(error, level)
    return set()


def creation_refusals(namespace: Namespace, pod: Manifest, level: Level) -> set[str] | None:
    """Return the checks that refuse the creation of a pod; None if it is not valid."""
    return refusals(level, namespace.cluster, "POST", namespace.path("Pod"), pod)


def checks_of_table(pod: Manifest, level: Level) -> set[str]:
    """Return the checks that AppStack's table reports; a pod with the host's network has its ports on the host."""
    found = {violation.check for violation in violations(pod, level)}
    containers = [pod["spec"][name][index] for name, index in generated_pods.PLACES]
    if pod["spec"].get("hostNetwork") and any(container.get("ports") for container in containers):
        found.add("hostPorts")
    return found


def policy_refuses(pod: Manifest, level: Level) -> bool:
    """Return whether the administrator's policy refuses a pod, with nothing allowed beyond a level."""
    policy = Policy(pod_security=PodSecurityPolicy(enforce=level), node_cache=False)
    subject = Subject([pod], "team-a", PolicySource(policy, ()).find({}))
    return any(violation for check in CHECKS for violation in check(subject))


def test_the_table_the_policy_and_the_admission_plugin_refuse_the_same_pods(namespaces: dict[Level, Namespace]) -> None:
    pods = [*generated_pods.single_edits(), *generated_pods.combined_edits(COMBINATIONS)]
    cases = [(pod, level) for pod in pods for level in LEVELS]
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        answers = list(pool.map(lambda case: creation_refusals(namespaces[case[1]], *case), cases))
    compared = [(*case, answer) for case, answer in zip(cases, answers, strict=True) if answer is not None]
    for pod, level, answer in compared:
        assert checks_of_table(pod, level) == answer, (level, pod)
        assert policy_refuses(pod, level) == bool(answer), (level, pod)
    found = {check for _, _, answer in compared for check in answer}
    assert found == {check for checks in REASONS.values() for check in checks} - UNREACHABLE
    assert len(compared) > 0.9 * len(cases)
    assert len([answer for _, _, answer in compared if not answer]) > 0.2 * len(cases)


@pytest.mark.parametrize("level", LEVELS)
def test_ephemeral_containers_are_checked_alike(namespaces: dict[Level, Namespace], level: Level) -> None:
    namespace = namespaces[level]
    pod = generated_pods.base() | {"metadata": {"name": "debugged"}}
    namespace.create(pod)
    path = namespace.path("Pod", "debugged") + "/ephemeralcontainers"
    found = set()
    for edits in generated_pods.CONTAINER_EDITS:
        if all(field.startswith("securityContext") for field in edits):
            changed = copy.deepcopy(pod)
            changed["spec"]["ephemeralContainers"] = [generated_pods.container("debug")]
            generated_pods.edit(changed, ("ephemeralContainers", 0), edits)
            patch = {"spec": {"ephemeralContainers": changed["spec"]["ephemeralContainers"]}}
            answer = refusals(level, namespace.cluster, "PATCH", path, patch, content_type=STRATEGIC)
            assert answer is None or answer == checks_of_table(changed, level), edits
            found |= answer or set()
    assert len(found) >= 5


OWN_CONTAINERS = """
proxy: {static: [{path: /a/, from: /srv}]}
initContainers: [{name: migrate, command: [migrate]}]
sidecars: [{name: agent, image: agent:1}]
pod: {automountServiceAccountToken: false}
"""
RENDERED: dict[str, tuple[str, set[str]]] = {
    "option": ("podSecurity: restricted", set()),
    "root": (
        "{podSecurity: restricted, backend: {image: a, securityContext: {runAsUser: 0}}}",
        {"runAsNonRoot", "runAsUser"},
    ),
    "privileged": (
        "{podSecurity: restricted, backend: {image: a, securityContext: {privileged: true}}}",
        {"privileged", "allowPrivilegeEscalation"},
    ),
    "own values": (
        "{backend: {image: a, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}, "
        "sidecars: [], pod: {securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}}}",
        set(),
    ),
    "Windows": ("{podSecurity: restricted, proxy: null, pod: {os: {name: windows}}}", set()),
}


@pytest.mark.parametrize(("text", "checks"), RENDERED.values(), ids=RENDERED)
def test_rendered_pods_are_admitted(namespaces: dict[Level, Namespace], text: str, checks: set[str]) -> None:
    level = Level.RESTRICTED
    pod = rendered_pod(OWN_CONTAINERS, text)
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": pod["spec"]}
    assert creation_refusals(namespaces[level], manifest, level) == checks


def test_a_pod_without_the_option_is_refused(namespaces: dict[Level, Namespace]) -> None:
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": rendered_pod()["spec"]}
    found = creation_refusals(namespaces[Level.RESTRICTED], manifest, Level.RESTRICTED)
    assert found == {
        "allowPrivilegeEscalation",
        "capabilities_restricted",
        "runAsNonRoot",
        "seccompProfile_restricted",
    }
