"""Objects beside the workload: PodDisruptionBudget, ServiceAccount, NetworkPolicy and Ingress."""

from __future__ import annotations

import base64
import json

from tests.e2e.manifests import private_backend, public_backend
from tests.e2e.namespace import Manifest, Namespace
from tools.cluster import shell

TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"


def evict(namespace: Namespace, pod: Manifest) -> shell.Result:
    """Evict a pod as `kubectl drain` does, and return the result."""
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace.name}}
    path = f"/api/v1/namespaces/{namespace.name}/pods/{name}/eviction"
    return namespace.try_kubectl("create", "--raw", path, "--filename", "-", stdin=json.dumps(eviction))


def disruptions_allowed(namespace: Namespace, name: str) -> int:
    """Return the number of evictions that a budget allows; -1 before its controller has counted the pods."""
    return int(namespace.get("poddisruptionbudget", name).get("status", {}).get("disruptionsAllowed", -1))


def test_disruption_budget_refuses_an_eviction_until_it_allows_one(namespace: Namespace) -> None:
    namespace.apply(public_backend("guarded", replicas=2, podDisruptionBudget={"minAvailable": 2}))
    namespace.wait_until_ready("guarded")
    pod = namespace.pods("guarded")[0]
    namespace.wait_for("the budget allows no eviction", lambda: disruptions_allowed(namespace, "guarded") == 0)

    refused = evict(namespace, pod)

    assert "(TooManyRequests)" in refused.err  # 429: a drain retries
    assert "Cannot evict pod as it would violate the pod's disruption budget" in refused.err

    namespace.apply(public_backend("guarded", replicas=2, podDisruptionBudget={"maxUnavailable": 1}))
    namespace.wait_for("the budget allows one eviction", lambda: disruptions_allowed(namespace, "guarded") == 1)
    assert evict(namespace, pod).ok
    namespace.wait_until_deleted("pod", pod["metadata"]["name"])
    namespace.wait_for("two pods exist", lambda: len(namespace.pods("guarded")) == 2)
    namespace.wait_until_ready("guarded")


def test_pods_run_under_the_created_service_account_and_nginx_has_no_token(namespace: Namespace) -> None:
    namespace.apply(private_backend("known", serviceAccount={"metadata": {"labels": {"team": "a"}}}))
    namespace.wait_until_ready("known")
    pod = namespace.only_pod("known")["metadata"]["name"]

    assert namespace.get("serviceaccount", "known")["metadata"]["labels"]["team"] == "a"
    assert token_subject(namespace, pod) == f"system:serviceaccount:{namespace.name}:known"
    assert namespace.exec(pod, "proxy", "ls", TOKEN_FILE.rpartition("/")[0]) == ""


def token_subject(namespace: Namespace, pod: str) -> str:
    """Return the subject of the backend's ServiceAccount token."""
    claims = namespace.exec(pod, "backend", "cat", TOKEN_FILE).split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"])


def test_existing_service_account_is_used_and_its_token_is_not_mounted_without_automount(namespace: Namespace) -> None:
    namespace.kubectl("create", "serviceaccount", "existing")
    account = {"create": False, "name": "existing"}
    namespace.apply(public_backend("using", serviceAccount=account, pod={"automountServiceAccountToken": False}))
    namespace.wait_until_ready("using")
    pod = namespace.only_pod("using")

    assert pod["spec"]["serviceAccountName"] == "existing"
    assert not namespace.try_kubectl("exec", pod["metadata"]["name"], "--", "cat", TOKEN_FILE).ok
    assert namespace.find("serviceaccount", "using") is None
    assert "ownerReferences" not in namespace.get("serviceaccount", "existing")["metadata"]


def test_network_policy_admits_peers_to_the_target_port_of_the_service_only(namespace: Namespace) -> None:
    peers: list[Manifest] = [{"podSelector": {}}]
    namespace.apply(private_backend("walled", networkPolicy={"from": peers}))
    namespace.wait_until_ready("walled")

    spec = namespace.get("networkpolicy", "walled")["spec"]

    # The network of `make cluster` does not enforce policies, so the test reads the object only.
    assert spec["podSelector"] == {"matchLabels": {"appstack.dev/stack": "walled"}}
    assert spec["ingress"] == [{"from": peers, "ports": [{"port": 8080, "protocol": "TCP"}]}]
    assert namespace.page("http://walled/").startswith("Hello from walled-")


def test_ingress_routes_to_the_port_of_the_service(namespace: Namespace) -> None:
    ingress = {"hosts": ["shop.example"], "path": "/shop", "tls": {"secretName": "shop"}}
    namespace.apply(public_backend("shown", ingress=ingress))
    stack = namespace.wait_until_ready("shown")

    # The cluster has no Ingress controller, so the test reads the object and the endpoints of status only.
    (rule,) = namespace.get("ingress", "shown")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    port = namespace.get("service", "shown")["spec"]["ports"][0]["port"]
    assert (rule["host"], path["path"]) == ("shop.example", "/shop")
    assert path["backend"]["service"] == {"name": "shown", "port": {"number": port}}
    assert "https://shop.example/shop" in [endpoint["url"] for endpoint in stack["status"]["endpoints"]]
