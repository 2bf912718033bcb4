"""What stands around the pods: a disruption budget, an account, a policy, an Ingress."""

from __future__ import annotations

import base64
import json

from tests.e2e.harness import Manifest, Space
from tests.e2e.stacks import open_backend, private_backend
from tools.cluster import shell

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"


def evict(space: Space, pod: Manifest) -> shell.Result:
    """Ask for a pod to go, as a drain does."""
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": space.name}}
    path = f"/api/v1/namespaces/{space.name}/pods/{name}/eviction"
    return space.try_kubectl("create", "--raw", path, "--filename", "-", stdin=json.dumps(eviction))


def allowed(space: Space, name: str) -> int:
    """Return how many pods may go at present."""
    return int(space.get("poddisruptionbudget", name).get("status", {}).get("disruptionsAllowed", -1))


def test_a_budget_refuses_a_drain_what_it_does_not_allow(space: Space) -> None:
    space.apply(open_backend("guarded", replicas=2, podDisruptionBudget={"minAvailable": 2}))
    space.ready("guarded")
    pod = space.pods("guarded")[0]
    space.until("the budget counts", lambda: allowed(space, "guarded") == 0)

    refused = evict(space, pod)

    assert "(TooManyRequests)" in refused.err  # 429: a drain tries again
    assert "Cannot evict pod as it would violate the pod's disruption budget" in refused.err

    space.apply(open_backend("guarded", replicas=2, podDisruptionBudget={"maxUnavailable": 1}))
    space.until("the budget allows one", lambda: allowed(space, "guarded") == 1)
    assert evict(space, pod).ok
    space.gone("pod", pod["metadata"]["name"])
    space.until("there are two again", lambda: len(space.pods("guarded")) == 2)
    space.ready("guarded")


def test_pods_run_under_the_account_that_is_made_and_nginx_has_no_token(space: Space) -> None:
    space.apply(private_backend("known", serviceAccount={"metadata": {"labels": {"team": "a"}}}))
    space.ready("known")
    pod = space.pod("known")["metadata"]["name"]

    assert space.get("serviceaccount", "known")["metadata"]["labels"]["team"] == "a"
    assert subject(space, pod) == f"system:serviceaccount:{space.name}:known"
    assert space.exec(pod, "proxy", "ls", TOKEN.rpartition("/")[0]) == ""


def subject(space: Space, pod: str) -> str:
    """Return who a backend is, by its token."""
    claims = space.exec(pod, "backend", "cat", TOKEN).split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"])


def test_an_account_that_exists_is_used_and_its_token_left_out_where_nobody_wants_it(space: Space) -> None:
    space.kubectl("create", "serviceaccount", "there")
    account = {"create": False, "name": "there"}
    space.apply(open_backend("using", serviceAccount=account, pod={"automountServiceAccountToken": False}))
    space.ready("using")
    pod = space.pod("using")

    assert pod["spec"]["serviceAccountName"] == "there"
    assert not space.try_kubectl("exec", pod["metadata"]["name"], "--", "cat", TOKEN).ok
    assert space.find("serviceaccount", "using") is None
    assert "ownerReferences" not in space.get("serviceaccount", "there")["metadata"]


def test_a_policy_admits_to_the_port_that_the_service_leads_to_and_to_no_other(space: Space) -> None:
    peers: list[Manifest] = [{"podSelector": {}}]
    space.apply(private_backend("walled", networkPolicy={"from": peers}))
    space.ready("walled")

    spec = space.get("networkpolicy", "walled")["spec"]

    # The cluster of `make cluster` has no network that enforces it: what it says is all that can be seen here.
    assert spec["podSelector"] == {"matchLabels": {"appstack.dev/stack": "walled"}}
    assert spec["ingress"] == [{"from": peers, "ports": [{"port": 8080, "protocol": "TCP"}]}]
    assert space.page("http://walled/").startswith("Hello from walled-")


def test_an_ingress_leads_to_the_services_port(space: Space) -> None:
    written = {"hosts": ["shop.example"], "path": "/shop", "tls": {"secretName": "shop"}}
    space.apply(open_backend("shown", ingress=written))
    shown = space.ready("shown")

    # No controller serves it here: the API server has taken it, and status tells its address.
    (rule,) = space.get("ingress", "shown")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    port = space.get("service", "shown")["spec"]["ports"][0]["port"]
    assert (rule["host"], path["path"]) == ("shop.example", "/shop")
    assert path["backend"]["service"] == {"name": "shown", "port": {"number": port}}
    assert "https://shop.example/shop" in [each["url"] for each in shown["status"]["endpoints"]]
