"""The chart's admission policies on a real API server: a user needs the rights that an AppStack uses."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from appstack.api import parse
from appstack.api.workloads import WorkloadKindName
from appstack.client.resource_kinds import kind_of
from appstack.k8s.metadata import Manifest, Ref
from appstack.render import render
from appstack.settings import Settings
from tests.api.cluster import KUBECONFIG, ROOT, ApiError, Cluster, Namespace, appstack
from tests.api.conftest import RUN_ID, temporary_namespace
from tests.api.tenants import (
    CREATE_RIGHTS,
    FULL_SPEC,
    User,
    add_user,
    chart_user_rules,
    create_rules,
    denial,
    protected_namespace,
    update_denial,
)
from tools.cluster import programs

ATTACKS: dict[str, tuple[Manifest, str]] = {
    "root on a node": ({"pod": {"hostPID": True}}, "pods"),
    "token of another account": ({"serviceAccount": {"create": False, "name": "admin"}}, "pods"),
    "Secret": ({"backend": {"image": "i", "envFrom": [{"secretRef": {"name": "db-password"}}]}}, "pods"),
    "files of a node": ({"volumes": [{"name": "v", "hostPath": {"path": "/etc/kubernetes"}}]}, "pods"),
    "account of a cloud role": ({"serviceAccount": {"metadata": {"annotations": {"role": "x"}}}}, "serviceaccounts"),
    "traffic by external IPs": ({"service": {"externalIPs": ["192.0.2.1"]}}, "services"),
    "second Service": ({"services": [{"name": "lb", "type": "LoadBalancer", "ports": [{"port": 80}]}]}, "services"),
    "hosts of another team": ({"ingress": {"hosts": ["shop.example.com"]}}, "ingresses"),
    "storage": ({"volumes": FULL_SPEC["volumes"]}, "persistentvolumeclaims"),
}
"""Specs with which an author gets more than the author's own rights, and the right that each needs."""

FIELDS = {
    "pods": "spec.backend",
    "deployments": "spec.workload",
    "configmaps": "spec.files",
    "services": "spec.service",
    "serviceaccounts": "spec.serviceAccount",
    "persistentvolumeclaims": "spec.volumes",
    "ingresses": "spec.ingress",
    "networkpolicies": "spec.networkPolicy",
    "httproutes": "spec.httpRoute",
    "servicemonitors": "spec.serviceMonitor",
    "horizontalpodautoscalers": "spec.autoscaling",
    "poddisruptionbudgets": "spec.podDisruptionBudget",
    **dict.fromkeys(("statefulsets", "daemonsets", "jobs", "cronjobs"), "spec.workload"),
}
WORKLOADS = {
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "jobs": "Job",
    "cronjobs": "CronJob",
}
EXAMPLES = sorted((ROOT / "examples").glob("*/appstack.yaml"))
WITHOUT_OPTIONAL_KINDS: Manifest = {"httpRoute": None, "serviceMonitor": None}
BYPASSED_USER, BYPASSED_GROUP = "system:serviceaccount:argocd:controller", "gitops"


@pytest.fixture(scope="module")
def protected(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace to which the policies of the chart's default values are bound."""
    with protected_namespace(cluster, "defaults") as namespace:
        yield namespace


@pytest.fixture(scope="module")
def unprotected(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace to which no policy is bound."""
    bindings = cluster.request("GET", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings")
    if any("matchResources" not in item["spec"] for item in bindings["items"]):
        pytest.skip("a release in this cluster protects every namespace")
    with temporary_namespace(cluster, f"authorship-{RUN_ID}-unprotected") as namespace:
        yield namespace


@pytest.fixture(scope="module")
def tenant(protected: Namespace) -> User:
    """Return a user with the right to write AppStacks only."""
    return add_user(protected, "tenant", [])


@pytest.fixture(scope="module")
def unprotected_tenant(unprotected: Namespace) -> User:
    """Return a user with the right to write AppStacks only, where no policy is bound."""
    return add_user(unprotected, "tenant", [])


@pytest.fixture(scope="module")
def editor(protected: Namespace) -> User:
    """Return a user with Kubernetes' role `edit` and the chart's roles."""
    return add_user(protected, "editor", chart_user_rules("view"), cluster_role="edit")


@pytest.fixture(scope="module")
def users(protected: Namespace) -> dict[str, User]:
    """Return for each right a user with all rights but that one."""
    return {
        right: add_user(protected, f"without-{right}", create_rules(*(CREATE_RIGHTS.keys() - {right})))
        for right in CREATE_RIGHTS
    }


def full_stack(kind: str = "Deployment", **spec: Any) -> Manifest:
    """Return an AppStack with an object of every kind."""
    workload = {"kind": kind, **({"cronJob": {"schedule": "0 3 * * *"}} if kind == "CronJob" else {})}
    stack = appstack("shop")
    return stack | {"spec": FULL_SPEC | {"workload": workload} | spec}


@pytest.mark.parametrize(("spec", "right"), ATTACKS.values(), ids=ATTACKS.keys())
def test_attack_needs_the_right_of_its_object(
    protected: Namespace, users: dict[str, User], tenant: User, spec: Manifest, right: str
) -> None:
    stack = appstack("attack", **({"files": None, "serviceAccount": None} | spec))

    assert f'"without-{right}" may not create {right} in namespace' in denial(users[right], protected, stack)
    assert '"tenant" may not create pods' in denial(tenant, protected, stack)


@pytest.mark.parametrize(("spec", "right"), ATTACKS.values(), ids=ATTACKS.keys())
def test_attack_succeeds_without_the_policy(
    unprotected: Namespace, unprotected_tenant: User, spec: Manifest, right: str
) -> None:
    assert denial(unprotected_tenant, unprotected, appstack("attack", **spec)) == ""


def test_command_of_a_colleague_can_be_changed_without_the_policy(
    unprotected: Namespace, unprotected_tenant: User
) -> None:
    unprotected.create_stack("shop")

    assert update_denial(unprotected_tenant, unprotected, "shop", {"spec": {"backend": {"command": ["evil"]}}}) == ""


def test_command_of_a_colleague_cannot_be_changed(protected: Namespace, tenant: User) -> None:
    protected.create_stack("colleague")

    with pytest.raises(ApiError, match=r"may not create pods in namespace .* \(spec.backend\)"):
        Namespace(tenant, protected.name).edit_stack("colleague", backend={"command": ["evil"]})
    assert protected.get("AppStack", "colleague")["spec"]["backend"]["command"] == ["sleep", "infinity"]


@pytest.mark.parametrize("right", CREATE_RIGHTS)
def test_author_without_a_right_is_refused(protected: Namespace, users: dict[str, User], right: str) -> None:
    stack = full_stack(WORKLOADS.get(right, "Deployment"))

    expected = f'user "without-{right}" may not create {right} in namespace "{protected.name}" ({FIELDS[right]})'
    assert denial(users[right], protected, stack) == expected


@pytest.mark.parametrize("kind", get_args(WorkloadKindName))
def test_author_with_all_other_rights_is_admitted(protected: Namespace, users: dict[str, User], kind: str) -> None:
    unused = "cronjobs" if kind != "CronJob" else "jobs"

    assert denial(users[unused], protected, full_stack(kind)) == ""


def test_configuration_of_the_proxy_is_a_config_map(protected: Namespace, users: dict[str, User]) -> None:
    stack = full_stack(files=[])

    assert denial(users["configmaps"], protected, stack).endswith("(spec.proxy)")
    assert denial(users["configmaps"], protected, full_stack(files=[], proxy=None)) == ""


@pytest.mark.parametrize(
    ("spec", "is_needed"),
    [
        ({"backend": {"image": "i"}}, False),
        ({"backend": {"image": "i", "ports": [{"containerPort": 80}]}}, True),
        ({"backend": {"image": "i", "ports": [{"containerPort": 80}]}, "service": {"enabled": False}}, False),
        ({"backend": {"image": "i"}, "proxy": {}}, True),
        ({"backend": {"image": "i"}, "service": {"ports": [{"port": 80}]}}, True),
        ({"backend": {"image": "i"}, "service": {"type": "ExternalName", "externalName": "example.com"}}, True),
        ({"backend": {"image": "i"}, "service": {"clusterIP": "None"}}, True),
        ({"backend": {"image": "i"}, "workload": {"kind": "StatefulSet"}, "service": {"enabled": False}}, True),
    ],
    ids=["no port", "backend port", "disabled", "proxy", "service port", "external name", "headless", "pod names"],
)
def test_service_right_is_needed_where_a_service_is_created(
    protected: Namespace, users: dict[str, User], spec: Manifest, is_needed: bool
) -> None:
    stack = appstack("shop") | {"spec": spec}

    expected = f'user "without-services" may not create services in namespace "{protected.name}" (spec.service)'
    assert denial(users["services"], protected, stack) == (expected if is_needed else "")
    rendered = render(parse(stack), settings=Settings())
    assert is_needed == any(manifest["kind"] == "Service" for manifest in rendered)


def test_further_service_needs_the_right_and_changes_the_pods_of_an_unexposed_stack(
    protected: Namespace, users: dict[str, User]
) -> None:
    stack = appstack("unexposed") | {"spec": {"backend": {"image": "i"}}}
    further = {"services": [{"name": "admin", "ports": [{"port": 81}]}]}
    protected.create(stack)

    expected = f'user "without-services" may not create services in namespace "{protected.name}" (spec.services)'
    assert denial(users["services"], protected, stack | {"spec": stack["spec"] | further}) == expected
    assert update_denial(users["services"], protected, "unexposed", {"spec": further}) == expected
    pods = update_denial(users["pods"], protected, "unexposed", {"spec": further})
    assert pods == f'user "without-pods" may not create pods in namespace "{protected.name}" (spec)', "a preStop delay"


def test_target_port_of_a_service_changes_the_readiness_of_the_pods(
    protected: Namespace, users: dict[str, User]
) -> None:
    def stack(port: int, **backend: Any) -> Manifest:
        spec = {"backend": {"image": "i", **backend}, "service": {"ports": [{"port": 80, "targetPort": port}]}}
        return appstack("probed") | {"spec": spec}

    protected.create(stack(80))
    checked = {"readinessProbe": {"exec": {"command": ["ready"]}}}

    expected = f'user "without-pods" may not create pods in namespace "{protected.name}" (spec)'
    assert update_denial(users["pods"], protected, "probed", stack(81)) == expected
    protected.edit_stack("probed", backend={"image": "i", **checked})
    assert update_denial(users["pods"], protected, "probed", stack(81, **checked)) == ""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_example_needs_exactly_the_rights_of_its_objects(
    protected: Namespace, users: dict[str, User], example: Path
) -> None:
    for document in yaml.safe_load_all(example.read_text()):
        if not document or document["kind"] != "AppStack":
            continue
        objects = render(parse(document), settings=Settings())
        needed = {kind_of(Ref.of(manifest)).plural for manifest in objects} | {"pods"}
        if any("volumeClaimTemplates" in manifest.get("spec", {}) for manifest in objects):
            needed.add("persistentvolumeclaims")
        document["metadata"].pop("namespace", None)

        refused = {right for right, user in users.items() if denial(user, protected, document)}

        assert refused == needed


@pytest.mark.parametrize("kind", get_args(WorkloadKindName))
def test_edit_role_suffices_for_kinds_of_kubernetes(protected: Namespace, editor: User, kind: str) -> None:
    message = f'user "editor" may not create {{}} in namespace "{protected.name}" ({{}})'

    assert denial(editor, protected, full_stack(kind, **WITHOUT_OPTIONAL_KINDS)) == ""
    without_route, without_monitor = full_stack(kind, httpRoute=None), full_stack(kind, serviceMonitor=None)
    assert denial(editor, protected, without_route) == message.format("servicemonitors", "spec.serviceMonitor")
    assert denial(editor, protected, without_monitor) == message.format("httproutes", "spec.httpRoute")


def test_kubectl_dry_run_reports_the_missing_right(protected: Namespace, tenant: User, editor: User) -> None:
    def apply(user: User) -> str:
        command = [str(programs.path("kubectl")), "--kubeconfig", str(KUBECONFIG), "--namespace", protected.name]
        command += ["apply", "--dry-run=server", "--as", user.name, "--filename", "-"]
        stack = json.dumps(full_stack(**WITHOUT_OPTIONAL_KINDS) | {"metadata": {"name": "dry"}})
        result = subprocess.run(command, input=stack, capture_output=True, text=True, check=False)
        return result.stdout + result.stderr

    assert "appstack.appstack.dev/dry created (server dry run)" in apply(editor)
    add_user(protected, "reader", chart_user_rules("view"))
    message = f'user "reader" may not create pods in namespace "{protected.name}" (spec.backend)'
    assert message in apply(User(tenant, "reader"))


def test_bypassed_users_and_groups_need_no_right(cluster: Cluster) -> None:
    with protected_namespace(cluster, "bypass", users=[BYPASSED_USER], groups=[BYPASSED_GROUP]) as namespace:
        controller = add_user(namespace, BYPASSED_USER, [])
        member = add_user(namespace, "member", [], groups=("staff", BYPASSED_GROUP))
        other = add_user(namespace, "other", [], groups=("staff",))

        assert denial(controller, namespace, full_stack()) == ""
        assert denial(member, namespace, full_stack()) == ""
        assert '"other" may not create pods' in denial(other, namespace, full_stack())
