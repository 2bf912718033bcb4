"""Updates under the chart's admission policies: a user needs the rights of the objects that the update changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appstack.api import parse
from appstack.client.resource_kinds import kind_of
from appstack.k8s.metadata import Manifest, Ref
from appstack.render import render
from appstack.settings import Settings
from tests.api.cluster import APPLY, Cluster, Namespace, appstack
from tests.api.tenants import (
    CREATE_RIGHTS,
    FULL_SPEC,
    User,
    add_user,
    create_rules,
    protected_namespace,
    update_denial,
)

POD_CHANGE = {"deployments", "pods"}
CLAIM = FULL_SPEC["volumes"][0]["claim"]
FILE = FULL_SPEC["files"][0]
STACK = appstack("shop") | {"spec": FULL_SPEC}

UPDATES: dict[str, tuple[Manifest, set[str]]] = {
    "image": ({"backend": {"image": "shop:2"}}, set()),
    "ports": ({"backend": {"ports": [{"containerPort": 9000}]}}, {"services", "networkpolicies"}),
    "probe": ({"backend": {"livenessProbe": {"httpGet": {"path": "/live"}}}}, set()),
    "handler": ({"backend": {"lifecycle": {"preStop": {"httpGet": {"path": "/stop"}}}}}, set()),
    "proxy image": ({"proxy": {"image": "nginx:2"}}, set()),
    "proxy server": ({"proxy": {"serverSnippet": "gzip on;"}}, set()),
    "proxy config": ({"proxy": {"config": "events {}"}}, set()),
    "proxy port": ({"proxy": {"port": 8081}}, set()),
    "proxy health port": ({"proxy": {"healthPort": 15081}}, set()),
    "proxy timeout": ({"proxy": {"readTimeoutSeconds": 5}}, set()),
    "proxy body size": ({"proxy": {"clientMaxBodySize": "2Mi"}}, set()),
    "proxy static": ({"proxy": {"static": [{"path": "/static/", "from": "/app/static"}]}}, set()),
    "proxy upstream": ({"proxy": {"upstream": 9000}}, set()),
    "proxy host port": ({"proxy": {"ports": [{"containerPort": 9443, "hostPort": 443}]}}, set()),
    "file content": ({"files": [FILE | {"content": "debug = true\n"}]}, set()),
    "file mode": ({"files": [FILE | {"mode": 384}]}, set()),
    "file path": ({"files": [FILE | {"path": "/etc/app/other.toml"}]}, set()),
    "file as base64": ({"files": [{"path": FILE["path"], "base64": "eA=="}]}, set()),
    "claim size": (
        {"volumes": [{"name": "data", "claim": CLAIM | {"resources": {"requests": {"storage": "2Gi"}}}}]},
        POD_CHANGE,
    ),
    "second claim": ({"volumes": [*FULL_SPEC["volumes"], {"name": "more", "claim": CLAIM}]}, set()),
    "empty directory": ({"volumes": [*FULL_SPEC["volumes"], {"name": "tmp", "emptyDir": {}}]}, set()),
    "account name": ({"serviceAccount": {"name": "other"}}, set()),
    "account annotation": ({"serviceAccount": {"metadata": {"annotations": {"role": "x"}}}}, POD_CHANGE),
    "foreign account": ({"serviceAccount": {"create": False, "name": "admin"}}, set()),
    "service type": ({"service": {"type": "LoadBalancer"}}, set()),
    "service annotation": ({"service": {"metadata": {"annotations": {"a": "b"}}}}, set()),
    "service port": ({"service": {"ports": [{"port": 443}]}}, {"networkpolicies"}),
    "second service": (
        {"services": [{"name": "lb", "type": "LoadBalancer", "ports": [{"port": 81}]}]},
        {"networkpolicies"},
    ),
    "service name": ({"service": {"name": "other"}}, set()),
    "ingress host": ({"ingress": {"hosts": ["other.example.com"]}}, set()),
    "ingress without hosts": ({"ingress": {"hosts": []}}, set()),
    "ingress class": ({"ingress": {"ingressClassName": "public"}}, set()),
    "route": ({"httpRoute": {"parentRefs": [{"name": "private"}]}}, set()),
    "monitor": ({"serviceMonitor": {"endpoints": [{"port": "http", "path": "/other"}]}}, set()),
    "monitor label": ({"serviceMonitor": {"metadata": {"labels": {"release": "a"}}}}, set()),
    "autoscaling": ({"autoscaling": {"maxReplicas": 4}}, set()),
    "budget": ({"podDisruptionBudget": {"minAvailable": 2}}, set()),
    "open network": ({"networkPolicy": {"from": [{"podSelector": {}}]}}, set()),
    "sidecar": ({"sidecars": [{"name": "log", "image": "i"}]}, set()),
    "sidecar with a host port": (
        {"sidecars": [{"name": "log", "image": "i", "ports": [{"containerPort": 1, "hostPort": 1}]}]},
        set(),
    ),
    "init container": ({"initContainers": [{"name": "init", "image": "i"}]}, set()),
    "host namespace": ({"pod": {"hostPID": True}}, set()),
    "pod label": ({"pod": {"metadata": {"labels": {"a": "b"}}}}, set()),
    "workload label": ({"workload": {"metadata": {"labels": {"a": "b"}}}}, {"pods"}),
    "strategy": ({"workload": {"deployment": {"minReadySeconds": 5}}}, set()),
    "kind": ({"workload": {"kind": "StatefulSet"}}, {"networkpolicies"}),
}
"""Merge patches of the spec, and rights that they need although no object of that kind changes: a change of the spec
next to it decides, where CEL cannot repeat the rendering."""

REMOVALS: dict[str, Manifest] = {
    "ingress": {"ingress": None},
    "http route": {"httpRoute": None},
    "service monitor": {"serviceMonitor": None},
    "autoscaling": {"autoscaling": None},
    "budget": {"podDisruptionBudget": None},
    "network policy": {"networkPolicy": None},
    "all of them": {"ingress": None, "httpRoute": None, "networkPolicy": {"enabled": False}},
    "replicas": {"replicas": 3},
    "pause": {"paused": True},
}
"""Merge patches that need no right."""


@pytest.fixture(scope="module")
def protected(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace to which the policies are bound, with the AppStack `shop` of an administrator."""
    with protected_namespace(cluster, "updates") as namespace:
        namespace.create(STACK)
        yield namespace


@pytest.fixture(scope="module")
def users(protected: Namespace) -> dict[str, User]:
    """Return for each right a user with all rights but that one."""
    return {
        right: add_user(protected, f"without-{right}", create_rules(*(CREATE_RIGHTS.keys() - {right})))
        for right in CREATE_RIGHTS
    }


@pytest.fixture(scope="module")
def tenant(protected: Namespace) -> User:
    """Return a user with the right to write AppStacks and their status only."""
    status = {"apiGroups": ["appstack.dev"], "resources": ["appstacks/status"], "verbs": ["patch"]}
    return add_user(protected, "tenant", [status])


def merged(spec: Manifest, patch: Manifest) -> Manifest:
    """Return the result of a merge patch."""
    result = {key: value for key, value in spec.items() if key not in patch}
    for key, value in patch.items():
        if isinstance(value, dict):
            result[key] = merged(spec.get(key, {}), value)
        elif value is not None:
            result[key] = value
    return result


def rendered(spec: Manifest) -> dict[Ref, Manifest]:
    """Return the objects of the AppStack `shop` with this spec."""
    return {Ref.of(one): one for one in render(parse(appstack("shop") | {"spec": spec}), settings=Settings())}


@pytest.mark.parametrize(("patch", "additional"), UPDATES.values(), ids=UPDATES.keys())
def test_update_needs_the_rights_of_the_objects_that_it_changes(
    protected: Namespace, users: dict[str, User], patch: Manifest, additional: set[str]
) -> None:
    before, after = rendered(FULL_SPEC), rendered(merged(FULL_SPEC, patch))
    changed = {kind_of(ref).plural for ref, manifest in after.items() if before.get(ref) != manifest}
    workloads = changed & {"deployments", "statefulsets"}

    refused = {right for right, user in users.items() if update_denial(user, protected, "shop", {"spec": patch})}

    assert refused == changed | ({"pods"} if workloads else set()) | additional


@pytest.mark.parametrize("patch", REMOVALS.values(), ids=REMOVALS.keys())
def test_removal_and_scaling_need_no_right(protected: Namespace, tenant: User, patch: Manifest) -> None:
    assert update_denial(tenant, protected, "shop", {"spec": patch}) == ""


@pytest.mark.parametrize(
    "patch",
    [{"proxy": None}, {"files": None}, {"volumes": None}, {"serviceAccount": None}, {"service": {"enabled": False}}],
    ids=lambda patch: next(iter(patch)),
)
def test_removal_from_the_pods_needs_the_right_to_create_pods(
    protected: Namespace, tenant: User, patch: Manifest
) -> None:
    (field,) = patch
    expected = "spec" if field == "service" else f"spec.{field}"

    assert update_denial(tenant, protected, "shop", {"spec": patch}).endswith(
        f'may not create pods in namespace "{protected.name}" ({expected})'
    )


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"backend": {"securityContext": None}}, "backend"),
        ({"pod": {"securityContext": None}}, "pod"),
        ({"podSecurity": None}, "podSecurity"),
    ],
    ids=["backend", "pod", "podSecurity"],
)
def test_removed_hardening_needs_the_right_to_create_pods(
    protected: Namespace, tenant: User, patch: Manifest, field: str
) -> None:
    context = {"securityContext": {"runAsNonRoot": True}}
    backend = FULL_SPEC["backend"] | context
    spec = FULL_SPEC | {"backend": backend, "pod": context, "podSecurity": "restricted"}
    protected.create(appstack(f"hardened-{field.lower()}") | {"spec": spec})

    denied = update_denial(tenant, protected, f"hardened-{field.lower()}", {"spec": patch})

    assert denied == f'user "tenant" may not create pods in namespace "{protected.name}" (spec.{field})'


def test_removed_files_and_claims_need_no_right_of_their_own(protected: Namespace, users: dict[str, User]) -> None:
    second = {"path": "/etc/app/more.toml", "content": "x"}
    volumes = [*FULL_SPEC["volumes"], {"name": "more", "claim": CLAIM}]
    protected.create(appstack("many") | {"spec": FULL_SPEC | {"files": [FILE, second], "volumes": volumes}})
    patch = {"spec": {"files": [second], "volumes": volumes[:1]}}

    assert update_denial(users["configmaps"], protected, "many", patch) == ""
    assert update_denial(users["persistentvolumeclaims"], protected, "many", patch) == ""


def test_removed_further_service_needs_no_right_and_a_changed_one_does(
    protected: Namespace, users: dict[str, User]
) -> None:
    services = [{"name": name, "ports": [{"port": 81}]} for name in ("a", "b")]
    protected.create(appstack("several") | {"spec": FULL_SPEC | {"services": services, "networkPolicy": None}})
    changed = [services[0] | {"type": "LoadBalancer"}]

    assert update_denial(users["services"], protected, "several", {"spec": {"services": services[1:]}}) == ""
    refused = update_denial(users["services"], protected, "several", {"spec": {"services": changed}})
    assert refused.endswith("(spec.services)")


def test_default_service_in_place_of_a_removed_one_needs_the_right(
    protected: Namespace, users: dict[str, User]
) -> None:
    protected.create(appstack("balanced") | {"spec": FULL_SPEC | {"service": {"type": "LoadBalancer"}}})
    removal = update_denial(users["services"], protected, "balanced", {"spec": {"service": None}})

    assert removal.endswith("(spec.service)")


def test_scale_subresource_and_metadata_need_no_right(protected: Namespace, tenant: User) -> None:
    metadata = {"labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["example.com/hold"]}

    assert update_denial(tenant, protected, "shop", {"spec": {"replicas": 5}}, subresource="scale") == ""
    assert update_denial(tenant, protected, "shop", {"metadata": metadata}) == ""


def test_status_subresource_changes_no_spec(protected: Namespace, tenant: User) -> None:
    patch = {"spec": {"backend": {"command": ["evil"]}}, "status": {"replicas": 1}}

    changed = Namespace(tenant, protected.name).patch("AppStack", "shop", patch, subresource="status")

    assert changed["status"]["replicas"] == 1
    assert "command" not in protected.get("AppStack", "shop")["spec"]["backend"]


def test_apply_of_an_equal_spec_needs_no_right(protected: Namespace, tenant: User) -> None:
    path = protected.path("AppStack", "shop")
    query = {"dryRun": "All", "fieldManager": "gitops", "force": "true"}

    applied = tenant.request("PATCH", path, STACK, content_type=APPLY, **query)

    assert applied["spec"] == protected.get("AppStack", "shop")["spec"]


def test_paused_appstack_is_protected(protected: Namespace, tenant: User) -> None:
    protected.create(appstack("paused") | {"spec": FULL_SPEC | {"paused": True}})

    change = update_denial(tenant, protected, "paused", {"spec": {"ingress": {"path": "/admin"}}})
    assert "may not create ingresses" in change
    assert update_denial(tenant, protected, "paused", {"spec": {"paused": False}}) == ""
