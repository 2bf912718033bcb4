"""Consistency of the Helm chart with the operator: RBAC rules, settings, and the security context of the pod."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, get_args

import yaml

import appstack
from appstack.client import requests
from appstack.client import resource_kinds as kinds
from appstack.k8s.metadata import API_VERSION, GROUP, KIND, Manifest, Ref
from appstack.settings import DisabledKind
from tests import chart_rbac
from tools import chart

TEMPLATES = chart.CHART / "templates"
PACKAGE = Path(appstack.__file__).parent
NAMESPACES = next(kind for kind in kinds.WATCHED_KINDS if kind.role is kinds.ResourceRole.NAMESPACE)

Rules = dict[tuple[str, str], set[str]]


def documents(name: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a template without the lines that hold Helm expressions; RBAC rules hold none."""
    lines = (TEMPLATES / name).read_text().splitlines()
    yield from yaml.safe_load_all("\n".join(line for line in lines if "{{" not in line))


def by_resource(rules: Iterable[Manifest]) -> Rules:
    """Return the verbs of rules by API group and resource."""
    found: Rules = {}
    for rule in rules:
        for group, resource in product(rule["apiGroups"], rule["resources"]):
            found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def permission(request: requests.Request) -> tuple[str, str, str]:
    """Return the API group, the resource and the verb for which Kubernetes authorizes a request."""
    suffix = request.path.removeprefix(request.kind.path(request.ref.namespace))
    name, _, subresource = suffix.removeprefix("/").partition("/")
    resource = f"{request.kind.plural}/{subresource}" if subresource else request.kind.plural
    if request.method != "GET":
        verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[request.method]
    elif "watch" in request.query:
        verb = "watch"
    else:
        verb = "get" if name else "list"
    return request.kind.api_version.rpartition("/")[0], resource, verb


def required_rules(sent: Iterable[requests.Request]) -> Rules:
    """Return the minimal rules that permit these requests."""
    found: Rules = {}
    for request in sent:
        group, resource, verb = permission(request)
        found.setdefault((group, resource), set()).add(verb)
    return found


def cluster_requests() -> Iterator[requests.Request]:
    """Yield one request of each type that the operator sends for the cluster."""
    yield requests.list_page(NAMESPACES, limit=500)
    yield requests.watch(NAMESPACES, resource_version="1", timeout_seconds=1)
    yield requests.list_leases("label", "", limit=500)


def namespace_requests() -> Iterator[requests.Request]:
    """Yield one request of each type that the operator sends for a namespace that it reconciles."""
    stack = Ref(API_VERSION, KIND, "team", "shop")
    yield requests.get(stack)
    yield requests.apply_status(stack, uid="1", status={})
    for kind in (kinds.APPSTACKS, *(kind for kind in kinds.WATCHED_KINDS if kind is not NAMESPACES)):
        yield requests.list_page(kind, limit=500)
        yield requests.watch(kind, resource_version="1", timeout_seconds=1)
    for kind in kinds.WATCHED_KINDS:
        if kind.applied:
            child = example(kind)
            yield requests.get_metadata(Ref.of(child))
            yield requests.create(child)
            yield requests.apply(child, uid="1")
            yield requests.hold_replicas(Ref.of(child), uid="1", replicas=1)
            yield requests.dry_run_create(child)
            yield requests.delete(Ref.of(child), uid="1")
    yield requests.list_appstacks("team", limit=500)
    yield requests.create_event(example(requests.EVENTS))
    yield requests.list_warnings("team", limit=1)


def scrape_requests() -> Iterator[requests.Request]:
    """Yield the requests that authorize a scrape."""
    yield requests.review_token("token")
    yield requests.review_scrape({"username": "prometheus"})


def lease_requests() -> Iterator[requests.Request]:
    """Yield one request of each type that the operator sends for its own Lease."""
    lease = example(requests.LEASES)
    yield requests.get_lease(Ref.of(lease))
    yield requests.watch_lease(Ref.of(lease), resource_version="1")
    yield requests.create_lease(lease)
    yield requests.update_lease(lease)


def example(kind: kinds.Kind) -> Manifest:
    """Return a minimal object of a kind."""
    metadata = {"name": "shop", "namespace": "team"}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


def test_rbac_rules_permit_exactly_the_requests_of_the_operator() -> None:
    children = required_rules(requests.create(example(kind)) for kind in kinds.WATCHED_KINDS if kind.applied)
    implicit = {resource: {"create"} for resource in children}  # an apply that creates needs `create` and `patch`
    implicit[GROUP, "appstacks/finalizers"] = {"update"}  # for blockOwnerDeletion in owner references

    expected = required_rules(namespace_requests())
    for resource, verbs in implicit.items():
        expected[resource] = expected.get(resource, set()) | verbs

    assert by_resource(chart_rbac.cluster_rules()) == required_rules(cluster_requests())
    assert by_resource(chart_rbac.namespaced_rules()) == expected
    admission = {(GROUP, "appstacks/status"): {"patch"}}  # by which the policy of the chart recognizes operators
    assert by_resource(chart_rbac.lease_rules()) == required_rules(lease_requests()) | admission


def test_rbac_has_no_rule_for_a_disabled_kind() -> None:
    every = by_resource(chart_rbac.namespaced_rules())
    for value in chart_rbac.optional_kinds():
        removed = every.keys() - by_resource(chart_rbac.namespaced_rules([value])).keys()

        assert [value.lower()] == [resource for _, resource in removed]


def test_kinds_can_be_disabled_that_the_settings_can_disable() -> None:
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text())["rbac"]["kinds"]
    schema = json.loads(chart.SCHEMA.read_text())["properties"]["rbac"]["properties"]["kinds"]
    plurals = {kind.kind: kind.plural for kind in kinds.WATCHED_KINDS}

    assert dict.fromkeys(chart_rbac.optional_kinds(), True) == values
    assert schema["properties"].keys() == values.keys()
    assert {plurals[kind] for kind in get_args(DisabledKind)} == {value.lower() for value in values}


def test_every_request_of_the_operator_is_compared_with_the_rbac_rules() -> None:
    code = "".join(source.read_text() for source in PACKAGE.rglob("*.py"))
    senders = (cluster_requests, namespace_requests, lease_requests, scrape_requests)
    compared = "".join(map(inspect.getsource, senders))
    builders = {name for name, value in vars(requests).items() if return_type(value) == "Request"}

    sent, listed = ({name for name in builders if re.search(rf"requests\.{name}\b", text)} for text in (code, compared))

    assert sent - {"discover"} == listed  # every client may discover


def return_type(value: object) -> object:
    """Return the annotation of the return value of a function; None for other objects."""
    return value.__annotations__.get("return") if inspect.isfunction(value) else None


def test_rbac_rules_hold_no_secrets_wildcards_or_escalation() -> None:
    for rules in (chart_rbac.cluster_rules(), chart_rbac.namespaced_rules(), chart_rbac.lease_rules()):
        for (group, resource), verbs in by_resource(rules).items():
            assert "*" not in {group, resource, *verbs}
            assert resource != "secrets"
            assert not verbs & {"escalate", "bind", "impersonate", "deletecollection"}


def test_leases_of_other_namespaces_can_only_be_listed() -> None:
    assert by_resource(chart_rbac.cluster_rules())["coordination.k8s.io", "leases"] == {"list"}
    assert ("coordination.k8s.io", "leases") not in by_resource(chart_rbac.namespaced_rules())
    own = {("coordination.k8s.io", "leases"), (GROUP, "appstacks/status")}
    assert set(by_resource(chart_rbac.lease_rules())) == own


def test_role_permits_only_the_lease_of_this_release() -> None:
    rule_for_own_lease = (
        '    resourceNames: [{{ include "appstack.identity" . | quote }}]\n    verbs: [get, watch, update]\n'
    )

    verbs = [rule["verbs"] for rule in chart_rbac.lease_rules() if "leases" in rule["resources"]]
    assert [["create"], ["get", "watch", "update"]] == verbs
    assert rule_for_own_lease in (TEMPLATES / "rbac.yaml").read_text()


def test_values_schema_is_generated_from_the_settings() -> None:
    assert chart.SCHEMA.read_text() == chart.values_schema(), "run: make generate"


def test_values_schema_describes_exactly_the_values() -> None:
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text())
    schema = yaml.safe_load(chart.SCHEMA.read_text())

    assert set(schema["properties"]) - {"global"} == set(values)


def test_every_value_is_used_in_a_template() -> None:
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text())
    used = "".join(path.read_text() for path in TEMPLATES.iterdir())

    assert {name for name in values if not re.search(rf"\.Values\.{name}\b", used)} == set()


def test_pod_satisfies_the_restricted_pod_security_profile() -> None:
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


def test_crd_is_kept_when_the_release_is_uninstalled() -> None:
    assert "helm.sh/resource-policy: keep" in (TEMPLATES / "crd.yaml").read_text()
