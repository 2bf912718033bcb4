"""Users of the API server with few permissions, and namespaces to which the chart's admission policies are bound."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml

from appstack.k8s.lenient_json import loads
from tests import authorization
from tests.api.cluster import MERGE, ROOT, ApiError, Cluster, Manifest, Namespace, appstack, eventually
from tests.api.conftest import RUN_ID, temporary_namespace

RBAC_GROUP = "rbac.authorization.k8s.io"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CREATE_RIGHTS = {
    "pods": "",
    "configmaps": "",
    "services": "",
    "serviceaccounts": "",
    "persistentvolumeclaims": "",
    "deployments": "apps",
    "statefulsets": "apps",
    "daemonsets": "apps",
    "jobs": "batch",
    "cronjobs": "batch",
    "ingresses": "networking.k8s.io",
    "networkpolicies": "networking.k8s.io",
    "httproutes": "gateway.networking.k8s.io",
    "servicemonitors": "monitoring.coreos.com",
    "horizontalpodautoscalers": "autoscaling",
    "poddisruptionbudgets": "policy",
}
"""Resources that an AppStack may need `create` for, with their API group."""

FULL_SPEC: Manifest = {
    "backend": {"image": "shop:1", "ports": [{"containerPort": 8000}]},
    "proxy": {},
    "files": [{"path": "/etc/app/settings.toml", "content": "debug = false\n"}],
    "volumes": [{"name": "data", "claim": {"resources": {"requests": {"storage": "1Gi"}}}}],
    "serviceAccount": {},
    "ingress": {"hosts": ["shop.example.com"]},
    "httpRoute": {"parentRefs": [{"name": "public"}]},
    "serviceMonitor": {"endpoints": [{"port": "http"}]},
    "autoscaling": {"maxReplicas": 3},
    "podDisruptionBudget": {"minAvailable": 1},
    "networkPolicy": {},
}
"""A spec with an object of every kind but the kinds of workload other than Deployment."""


class User(Cluster):
    """The API server with the permissions of a user that an administrator impersonates."""

    def __init__(self, cluster: Cluster, name: str, *groups: str) -> None:
        self.server, self.ca, self.pool = cluster.server, cluster.ca, cluster.pool
        self.credentials = cluster.credentials
        self.name, self.groups = name, ("system:authenticated", *groups)

    def request(
        self, method: str, path: str, body: object = None, *, content_type: str = "application/json", **query: str
    ) -> Manifest:
        """Send a request as this user and return the decoded body of the response; raise ApiError."""
        base = {"Content-Type": content_type, "Accept": "application/json", **self.credentials}
        headers = urllib3.HTTPHeaderDict(base)
        headers.add("Impersonate-User", self.name)
        for group in self.groups:
            headers.add("Impersonate-Group", group)
        encoded = None if body is None else json.dumps(body).encode()
        url = f"{self.server}{path}?{urlencode(query)}"
        response = self.pool.request(method, url, body=encoded, headers=headers)
        if response.status >= 400:
            raise ApiError(response.status, response.data.decode())
        decoded: Manifest = loads(response.data)
        return decoded


def chart_user_rules(suffix: str) -> list[Manifest]:
    """Return the rules of the chart's ClusterRole for users, `view` or `edit`."""
    text = (ROOT / "deploy/appstack/templates/user-roles.yaml").read_text()
    document = next(part for part in text.split("\n---\n") if f"}}}}-{suffix}\n" in part)
    rules: list[Manifest] = yaml.safe_load(document[document.index("\nrules:") :])["rules"]
    return rules


def create_rules(*resources: str) -> list[Manifest]:
    """Return rules that permit to create objects of these resources."""
    return [{"apiGroups": [CREATE_RIGHTS[name]], "resources": [name], "verbs": ["create"]} for name in resources]


def add_user(
    namespace: Namespace, name: str, rules: list[Manifest], *, cluster_role: str = "", groups: tuple[str, ...] = ()
) -> User:
    """Return a user with the chart's right to write AppStacks in a namespace, the rules and the ClusterRole."""
    user = User(namespace.cluster, name, *groups)
    role = {"apiVersion": f"{RBAC_GROUP}/v1", "kind": "Role", "metadata": {"name": name}}
    namespace.create({**role, "rules": [*chart_user_rules("edit"), *rules]})
    references = {name: ("Role", name), **({f"{name}-cluster": ("ClusterRole", cluster_role)} if cluster_role else {})}
    for binding, (kind, role_name) in references.items():
        namespace.create(
            {
                "apiVersion": f"{RBAC_GROUP}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": binding},
                "roleRef": {"apiGroup": RBAC_GROUP, "kind": kind, "name": role_name},
                "subjects": [{"apiGroup": RBAC_GROUP, "kind": "User", "name": name}],
            }
        )
    last_rule = {"group": "appstack.dev", "resource": "appstacks", "verb": "create"}
    eventually(lambda: _may(user, namespace.name, last_rule))
    if cluster_role:
        eventually(lambda: _may(user, namespace.name, {"group": "", "resource": "pods", "verb": "create"}))
    return user


def _may(user: User, namespace: str, attributes: Mapping[str, str]) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": namespace, **attributes}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    return bool(user.request("POST", path, review)["status"]["allowed"])


@contextmanager
def protected_namespace(
    cluster: Cluster, purpose: str, *, extra_validations: int = 0, **values: Any
) -> Iterator[Namespace]:
    """Create a namespace to which the chart's policies are bound; `values` are the arguments of `policies()`.

    `extra_validations` are added to each policy, with one authorizer check each: 350,000 units of its cost.
    """
    name = f"authorship-{RUN_ID}-{purpose}"
    created: list[str] = []
    with temporary_namespace(cluster, name) as namespace:
        try:
            for document in authorization.policies(name, **values):
                created.append(_create_policy_object(cluster, document, name, extra_validations))
            if created:
                _wait_for_denial(namespace)
            yield namespace
        finally:
            for path in reversed(created):
                cluster.request("DELETE", path)


@contextmanager
def bounded(namespace: Namespace, probe: Callable[[], object], **values: bool) -> Iterator[None]:
    """Bind the chart's bounds to a namespace; `probe` is true once they are effective."""
    created = [
        _create_policy_object(namespace.cluster, document, namespace.name, 0)
        for document in authorization.bounds(namespace.name, **values)
    ]
    try:
        eventually(probe)
        yield
    finally:
        for path in reversed(created):
            namespace.cluster.request("DELETE", path)


def _create_policy_object(cluster: Cluster, document: Manifest, namespace: str, extra_validations: int) -> str:
    """Create a policy, or a binding of it to one namespace only, and return its path."""
    spec = document["spec"]
    if document["kind"] == "ValidatingAdmissionPolicy":
        check = "authorizer.group('').resource('pods').namespace(request.namespace).check('create').allowed() || true"
        spec["validations"] += [{"expression": check}] * extra_validations
        collection = f"{ADMISSION}/validatingadmissionpolicies"
    else:
        labels = {"kubernetes.io/metadata.name": namespace}
        spec["matchResources"] = {"namespaceSelector": {"matchLabels": labels}}
        collection = f"{ADMISSION}/validatingadmissionpolicybindings"
    cluster.request("POST", collection, document, fieldValidation="Strict")
    return f"{collection}/{document['metadata']['name']}"


def _wait_for_denial(namespace: Namespace) -> None:
    """Wait until every policy of the namespace denies a probe: the API server reads new policies with a delay.

    Each user is denied by one policy only: of several denials, the API server reports any.
    """
    probe = add_user(namespace, "probe", [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}])
    with_pods = add_user(namespace, "probe-with-pods", create_rules("pods", "deployments"))
    secret = {"imagePullSecrets": [{"name": "probe"}]}
    refused = {probe: "may not create pods"}
    if any("secrets" in name for name in _policy_names(namespace)):
        refused[with_pods] = "may not get secrets"
    spec = {"backend": {"image": "i", "ports": None}, "files": None, "serviceAccount": None, "pod": secret}
    stack = appstack("probe", **spec)
    eventually(lambda: all(message in denial(user, namespace, stack) for user, message in refused.items()))


def _policy_names(namespace: Namespace) -> list[str]:
    items = namespace.cluster.request("GET", f"{ADMISSION}/validatingadmissionpolicies")["items"]
    names = [item["metadata"]["name"] for item in items]
    return [name for name in names if name.startswith(namespace.name)]


def denial(user: Cluster, namespace: Namespace, manifest: Manifest) -> str:
    """Return the message with which the API server refuses to create an object, or the empty string; a dry run."""
    try:
        user.request("POST", namespace.path(manifest["kind"]), manifest, dryRun="All")
    except ApiError as error:
        return message_of(error)
    return ""


def update_denial(user: Cluster, namespace: Namespace, name: str, patch: object, *, subresource: str = "") -> str:
    """Return the message with which the API server refuses a merge patch of an AppStack; a dry run."""
    path = namespace.path("AppStack", name) + (f"/{subresource}" if subresource else "")
    try:
        user.request("PATCH", path, patch, content_type=MERGE, dryRun="All")
    except ApiError as error:
        return message_of(error)
    return ""


def message_of(error: ApiError) -> str:
    """Return the message of a denial without the names of policy and binding; other refusals are returned whole."""
    assert error.status == 403, error
    message = str(json.loads(str(error).partition(": ")[2])["message"])
    return re.sub(r"^.* denied request: ", "", message)
