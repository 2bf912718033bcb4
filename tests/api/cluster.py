"""REST client of the API tests: the API server with an administrator's credentials, and one namespace of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import urllib3
from kubernetes import config
from kubernetes.client import Configuration

from appstack.k8s.lenient_json import loads

ROOT = Path(__file__).parents[2]
CLUSTER = Path(os.environ.get("APPSTACK_TEST_CLUSTER", ROOT / ".cluster"))
"""Folder with the kubeconfig and the audit log of the test cluster; a control plane without nodes is enough."""
KUBECONFIG = CLUSTER / "kubeconfig"
AUDIT_LOG = CLUSTER / "audit.log"

Manifest = dict[str, Any]
T = TypeVar("T")

PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ConfigMap": "/api/v1/namespaces/{ns}/configmaps",
    "Service": "/api/v1/namespaces/{ns}/services",
    "ServiceAccount": "/api/v1/namespaces/{ns}/serviceaccounts",
    "PersistentVolumeClaim": "/api/v1/namespaces/{ns}/persistentvolumeclaims",
    "ResourceQuota": "/api/v1/namespaces/{ns}/resourcequotas",
    "Deployment": "/apis/apps/v1/namespaces/{ns}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{ns}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{ns}/daemonsets",
    "ControllerRevision": "/apis/apps/v1/namespaces/{ns}/controllerrevisions",
    "Pod": "/api/v1/namespaces/{ns}/pods",
    "Job": "/apis/batch/v1/namespaces/{ns}/jobs",
    "CronJob": "/apis/batch/v1/namespaces/{ns}/cronjobs",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{ns}/httproutes",
    "ServiceMonitor": "/apis/monitoring.coreos.com/v1/namespaces/{ns}/servicemonitors",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets",
    "ReplicaSet": "/apis/apps/v1/namespaces/{ns}/replicasets",
    "AppStack": "/apis/appstack.dev/v1alpha1/namespaces/{ns}/appstacks",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases",
    "Event": "/apis/events.k8s.io/v1/namespaces/{ns}/events",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings",
}
APPLY, MERGE, STRATEGIC, JSON_PATCH = (
    "application/apply-patch+yaml",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
)
OTHER_MANAGER = "another-client"
"""Field manager of the changes that the tests make to objects of the operator."""

DEFAULT_TIMEOUT_SECONDS = 60.0
"""Deadline of a wait; generous, because a CI machine has little CPU and a wait that succeeds ends early."""
POLL_SECONDS = 0.05
PARALLEL_REQUESTS = 8
"""Connections that are kept open; a test with threads needs no more of them."""

CHILD_COUNT = 4
"""Children of the AppStack that `appstack()` returns: ServiceAccount, ConfigMap of files, Service, Deployment."""


class ApiError(Exception):
    """Response of the API server with a status code of 400 or above."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status


def eventually(condition: Callable[[], T], *, within: float = DEFAULT_TIMEOUT_SECONDS) -> T:
    """Poll a condition until it is true and return its value; raise AssertionError after `within` seconds.

    An ApiError, AssertionError, KeyError or IndexError of the condition counts as false.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            value = condition()
            result: object = value
        except (AssertionError, ApiError, KeyError, IndexError) as error:
            value, result = None, error
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"condition not met within {within} s; last result: {result!r}")
        time.sleep(POLL_SECONDS)


class Cluster:
    """The API server, with an administrator's credentials."""

    def __init__(self) -> None:
        loaded = Configuration()
        config.load_kube_config(config_file=str(KUBECONFIG), client_configuration=loaded)  # type: ignore[no-untyped-call]
        self.server, self.ca = loaded.host, loaded.ssl_ca_cert
        token = loaded.get_api_key_with_prefix("BearerToken")
        self.credentials = {"Authorization": token} if token else {}
        """Header of a kubeconfig with a token; kind's has a client certificate."""
        self.pool = urllib3.PoolManager(
            maxsize=PARALLEL_REQUESTS,
            ca_certs=loaded.ssl_ca_cert,
            cert_file=loaded.cert_file,
            key_file=loaded.key_file,
        )

    def close(self) -> None:
        """Close the connections."""
        self.pool.clear()

    def request(
        self, method: str, path: str, body: object = None, *, content_type: str = "application/json", **query: str
    ) -> Manifest:
        """Send a request and return the decoded body of the response; raise ApiError."""
        response = self.pool.request(
            method,
            f"{self.server}{path}?{urlencode(query)}",
            body=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": content_type, "Accept": "application/json", **self.credentials},
        )
        if response.status >= 400:
            raise ApiError(response.status, response.data.decode())
        decoded: Manifest = loads(response.data)
        return decoded


@dataclass(frozen=True)
class Namespace:
    """One namespace and the requests that tests send to it."""

    cluster: Cluster
    name: str

    def path(self, kind: str, name: str = "") -> str:
        """Return the path of an object, or of the collection when no name is given."""
        return PATHS[kind].format(ns=self.name) + (f"/{name}" if name else "")

    def get(self, kind: str, name: str) -> Manifest:
        """Return an object; raise ApiError."""
        return self.cluster.request("GET", self.path(kind, name))

    def list(self, kind: str, **query: str) -> list[Manifest]:
        """Return the objects of a kind."""
        items: list[Manifest] = self.cluster.request("GET", self.path(kind), **query)["items"]
        return items

    def exists(self, kind: str, name: str) -> bool:
        """Return whether an object exists."""
        try:
            self.get(kind, name)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object in this namespace and return it."""
        placed = manifest | {"metadata": manifest["metadata"] | {"namespace": self.name}}
        return self.cluster.request("POST", self.path(manifest["kind"]), placed, fieldValidation="Strict")

    def patch(
        self, kind: str, name: str, patch: object, *, content_type: str = MERGE, subresource: str = ""
    ) -> Manifest:
        """Patch an object under the field manager of another client and return it."""
        path = self.path(kind, name) + (f"/{subresource}" if subresource else "")
        return self.cluster.request("PATCH", path, patch, content_type=content_type, fieldManager=OTHER_MANAGER)

    def delete(self, kind: str, name: str) -> None:
        """Delete an object."""
        self.cluster.request("DELETE", self.path(kind, name))

    def create_stack(self, name: str = "shop", **spec: Any) -> Manifest:
        """Create the AppStack that `appstack()` returns."""
        return self.create(appstack(name, **spec))

    def edit_stack(self, name: str = "shop", **spec: Any) -> Manifest:
        """Merge fields into the spec of an AppStack."""
        return self.patch("AppStack", name, {"spec": spec})

    def status(self, name: str = "shop") -> Manifest:
        """Return the status of an AppStack."""
        status: Manifest = self.get("AppStack", name).get("status") or {}
        return status

    def condition(self, condition_type: str, name: str = "shop") -> Manifest:
        """Return a condition of an AppStack that is True for its current generation, or an empty dict."""
        stack = self.get("AppStack", name)
        for condition in stack.get("status", {}).get("conditions", ()):
            current = condition["observedGeneration"] == stack["metadata"]["generation"]
            if current and condition["type"] == condition_type and condition["status"] == "True":
                return dict(condition)
        return {}

    def wait_until_ready(self, name: str = "shop", *, within: float = DEFAULT_TIMEOUT_SECONDS) -> Manifest:
        """Wait until an AppStack is Ready in its current generation and return it."""
        eventually(lambda: self.condition("Ready", name), within=within)
        return self.get("AppStack", name)


def appstack(name: str = "shop", **spec: Any) -> Manifest:
    """Return an AppStack whose Deployment has no replicas, so that the API server alone can serve it.

    Keyword arguments replace fields of its spec; None removes a field.
    """
    backend = {"image": "busybox:1.35.0", "command": ["sleep", "infinity"], "ports": [{"containerPort": 8000}]}
    files = [{"path": "/etc/app/settings.toml", "content": "debug = false\n"}]
    merged = {"replicas": 0, "backend": backend, "files": files, "serviceAccount": {}} | spec
    return {
        "apiVersion": "appstack.dev/v1alpha1",
        "kind": "AppStack",
        "metadata": {"name": name},
        "spec": {key: value for key, value in merged.items() if value is not None},
    }
