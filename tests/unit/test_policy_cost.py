"""The cost of the policy: linear in the spec, also with the longest lists that the settings can have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appstack.planning.desired import DesiredStateCache
from appstack.planning.policy_issues import MAX_VIOLATIONS
from appstack.policy.model import MAX_ENTRIES
from appstack.settings import MAX_NAMESPACE_POLICIES, Settings
from bench.worst_cases import Spec, document, inheriting, largest
from bench.worst_cases.spec import make_backend
from tests.unit.test_spec_cost import MAX_GROWTH, MAX_WORK, work

ENTRIES = range(MAX_ENTRIES)
PATTERNS = [f"a{number}.org/*" for number in ENTRIES]
POLICY: dict[str, Any] = {
    "podSecurity": {"enforce": "restricted"},
    "hostPaths": [*({"pathPrefix": f"/a/{number}/b"} for number in ENTRIES[1:]), {"pathPrefix": "/node"}],
    "hostPorts": [{"min": 60_000 + number, "max": 60_000 + number} for number in ENTRIES],
    "hostnames": [f"*.a{number}.example.com" for number in ENTRIES],
    "gateways": [{"namespace": "gateways", "name": f"a{number}"} for number in ENTRIES],
    "annotations": {"deny": PATTERNS},
    "serviceAccounts": "Own",
    "serviceAccountAnnotations": PATTERNS,
    "services": {"types": ["ExternalName"]},
    "scheduling": {"priorityClasses": [f"a{number}" for number in ENTRIES], "tolerations": PATTERNS},
}
NAMESPACE_POLICIES = [
    {"namespaceSelector": {"matchLabels": {"team": f"a{number}"}}, "policy": POLICY | {"nodeCache": False}}
    for number in range(MAX_NAMESPACE_POLICIES)
]
SETTINGS = Settings.model_validate({"policy": POLICY, "namespacePolicies": NAMESPACE_POLICIES})


def writable_mounts(n: int) -> Spec:
    """Mounts of a directory of the node that is read-only, which 64 containers inherit."""
    mounts = [{"name": "node", "mountPath": f"/m{number}"} for number in range(n % 1000)]
    volumes = [{"name": "node", "hostPath": {"path": "/node"}}]
    return {"backend": make_backend(volumeMounts=mounts), "volumes": volumes, **inheriting()}


def host_ports(n: int) -> Spec:
    """Ports of the node that are not allowed."""
    ports = [{"name": f"p{number}", "containerPort": number + 1, "hostPort": number + 1} for number in range(n)]
    return {"backend": make_backend(ports=ports), "service": {"enabled": False}}


def denied_annotations(n: int) -> Spec:
    """Annotations that are not allowed, on several objects."""
    metadata = {"annotations": {f"a{number}.org/b": "" for number in range(n)}}
    owners = {
        "pod": {"metadata": metadata},
        "serviceAccount": {"metadata": metadata},
        "service": {"metadata": metadata},
    }
    return {"backend": make_backend(ports=[{"containerPort": 80}]), **owners}


def tolerations(n: int) -> Spec:
    """Tolerations that are not allowed."""
    return {"backend": make_backend(), "pod": {"tolerations": [{"key": f"k{number}"} for number in range(n)]}}


@pytest.mark.parametrize(
    ("generator", "size"), [(writable_mounts, 600), (host_ports, 1200), (denied_annotations, 700), (tolerations, 1600)]
)
def test_work_grows_in_proportion_to_the_spec(generator: Callable[[int], Spec], size: int) -> None:
    assert largest(generator) >= size
    desired = DesiredStateCache(SETTINGS).get(document(generator(size)), namespace_uid="n")
    assert [issue.field for issue in desired.issues if issue.policy], "the policy is evaluated"
    assert len(desired.issues) < 300

    work_of_half = work(generator(size // 2), SETTINGS)

    assert work_of_half < MAX_GROWTH * work(generator(size // 4), SETTINGS)
    assert work_of_half < MAX_WORK


def test_number_of_counted_violations_is_bounded() -> None:
    issues = DesiredStateCache(SETTINGS).get(document(writable_mounts(600)), namespace_uid="n").issues
    assert [f"and {MAX_VIOLATIONS - 50} more errors of this kind"] == [
        issue.message for issue in issues if issue.policy == "hostPaths" and issue.message.startswith("and")
    ]
