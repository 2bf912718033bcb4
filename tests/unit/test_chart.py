"""The chart and the operator say the same: what it may do, what can be set, how it is started."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import yaml

import appstack
from appstack.client import requests
from appstack.client import resource_kinds as kinds
from appstack.k8s.metadata import API_VERSION, GROUP, KIND, Manifest, Ref
from tools import chart

TEMPLATES = chart.CHART / "templates"
PACKAGE = Path(appstack.__file__).parent

Rules = dict[tuple[str, str], set[str]]


def documents(name: str) -> Iterator[dict[str, Any]]:
    """Yield a template's objects without what Helm fills in: rules are written out, without a template in them."""
    lines = (TEMPLATES / name).read_text().splitlines()
    yield from yaml.safe_load_all("\n".join(line for line in lines if "{{" not in line))


def rules(kind: str) -> Rules:
    """Return the verbs that the operator's ClusterRole or Role has, by API group and resource."""
    (role,) = (each for each in documents("rbac.yaml") if each["kind"] == kind)
    found: Rules = {}
    for rule in role["rules"]:
        for group, resource in product(rule["apiGroups"], rule["resources"]):
            found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def permission(request: requests.Request) -> tuple[str, str, str]:
    """Return the API group, the resource and the verb that Kubernetes' authorization asks for."""
    below = request.path.removeprefix(request.kind.path(request.ref.namespace))
    name, _, subresource = below.removeprefix("/").partition("/")
    resource = f"{request.kind.plural}/{subresource}" if subresource else request.kind.plural
    if request.method != "GET":
        verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[request.method]
    elif "watch" in request.query:
        verb = "watch"
    else:
        verb = "get" if name else "list"
    return request.kind.api_version.rpartition("/")[0], resource, verb


def needed(sent: Iterable[requests.Request]) -> Rules:
    """Return the rules that let these requests pass, and nothing else."""
    found: Rules = {}
    for request in sent:
        group, resource, verb = permission(request)
        found.setdefault((group, resource), set()).add(verb)
    return found


def anywhere() -> Iterator[requests.Request]:
    """Yield each request that the operator sends about the namespaces that it reconciles."""
    stack = Ref(API_VERSION, KIND, "team", "shop")
    yield requests.get(stack)
    yield requests.apply_status(stack, uid="1", status={})
    for kind in (kinds.STACK, *kinds.WATCHED):
        yield requests.list_page(kind)
        yield requests.watch(kind, version="1", seconds=1)
    for kind in kinds.WATCHED:
        if kind.applied:
            child = of_kind(kind)
            yield requests.get_metadata(Ref.of(child))
            yield requests.create(child)
            yield requests.apply(child, uid="1")
            yield requests.keep_replicas(Ref.of(child), uid="1", replicas=1)
            yield requests.dry_run_create(child)
            yield requests.delete(Ref.of(child), uid="1")
    yield requests.list_appstacks("team")
    yield requests.create_event(of_kind(requests.EVENTS))
    yield requests.leases("label")


def at_home() -> Iterator[requests.Request]:
    """Yield each request about the operator's own Lease."""
    lease = of_kind(requests.LEASES)
    yield requests.lease(Ref.of(lease))
    yield requests.watch_lease(Ref.of(lease), version="1")
    yield requests.create_lease(lease)
    yield requests.update_lease(lease)


def of_kind(kind: kinds.Kind) -> Manifest:
    """Return an object of a kind."""
    metadata = {"name": "shop", "namespace": "team"}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


def test_the_operator_may_send_what_it_sends_and_nothing_else() -> None:
    children = needed(requests.create(of_kind(kind)) for kind in kinds.WATCHED if kind.applied)
    no_request_shows = {resource: {"create"} for resource in children}  # an apply that makes an object asks for both
    no_request_shows[GROUP, "appstacks/finalizers"] = {"update"}  # asked about owner references

    wanted = needed(anywhere())
    for resource, verbs in no_request_shows.items():
        wanted[resource] = wanted.get(resource, set()) | verbs

    assert rules("ClusterRole") == wanted
    assert rules("Role") == needed(at_home())


def test_every_request_that_the_operator_sends_is_looked_at() -> None:
    code = "".join(source.read_text() for source in PACKAGE.rglob("*.py"))
    here = inspect.getsource(anywhere) + inspect.getsource(at_home)
    built = {name for name, each in vars(requests).items() if get_return(each) == "Request"}

    sent = {name for name in built if f"requests.{name}(" in code}

    assert sent - {"discover"} == {name for name in built if f"requests.{name}(" in here}  # everybody may discover


def get_return(value: object) -> object:
    """Return the annotation of what a public function returns."""
    return value.__annotations__.get("return") if inspect.isfunction(value) else None


def test_secrets_wildcards_and_escalation_are_nowhere() -> None:
    for kind in ("ClusterRole", "Role"):
        for (group, resource), verbs in rules(kind).items():
            assert "*" not in {group, resource, *verbs}
            assert resource != "secrets"
            assert not verbs & {"escalate", "bind", "impersonate", "deletecollection"}


def test_leases_of_other_namespaces_are_only_read() -> None:
    assert rules("ClusterRole")["coordination.k8s.io", "leases"] == {"list"}
    assert set(rules("Role")) == {("coordination.k8s.io", "leases")}


def test_of_its_own_namespace_it_reads_and_writes_its_own_lease_alone() -> None:
    (role,) = (each for each in documents("rbac.yaml") if each["kind"] == "Role")
    named = '    resourceNames: [{{ include "appstack.identity" . | quote }}]\n    verbs: [get, watch, update]\n'

    assert [["create"], ["get", "watch", "update"]] == [rule["verbs"] for rule in role["rules"]]
    assert named in (TEMPLATES / "rbac.yaml").read_text()


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
