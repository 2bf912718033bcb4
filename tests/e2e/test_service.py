"""Every form of `spec.service`, requested from another pod."""

from __future__ import annotations

import pytest

from tests.e2e.manifests import public_backend
from tests.e2e.namespace import Manifest, Namespace, condition_status, uid_of

NODE_PORT = {"type": "NodePort", "ports": [{"port": 80, "targetPort": "http"}]}
FORMS: dict[str, Manifest] = {
    "plain": {},
    "several": {
        "ports": [
            {"name": "web", "port": 80, "targetPort": "http"},
            {"name": "again", "port": 8080, "targetPort": 8000},
        ]
    },
    "headless": {"clusterIP": "None"},
    "node-port": NODE_PORT,
    "balanced": {"type": "LoadBalancer", "ports": [{"port": 80, "targetPort": "http"}]},
    "sticky": {"sessionAffinity": "ClientIP"},
    "elsewhere": {"type": "ExternalName", "externalName": "kubernetes.default.svc.cluster.local"},
    "none": {"enabled": False},
}


def with_service(name: str, form: Manifest) -> Manifest:
    """Return an AppStack of two pods, which respond with their names."""
    return public_backend(name, service=form, replicas=2)


@pytest.fixture(scope="module")
def served(namespace: Namespace) -> Namespace:
    """Deploy an AppStack for each form and return the namespace."""
    namespace.apply(*(with_service(name, form) for name, form in FORMS.items()))
    for name in FORMS:
        namespace.wait_until_ready(name)
    return namespace


def responding_pods(namespace: Namespace, url: str) -> set[str]:
    """Return the names of the pods that respond to twenty requests of one client."""
    namespace.page(url)
    command = f"for each in $(seq 20); do timeout 15 wget -q -O - {url}; done"
    return {line.split()[2] for line in namespace.exec("client", "client", "sh", "-c", command).splitlines()}


@pytest.mark.parametrize(
    ("name", "port"), [("plain", 8000), ("several", 80), ("several", 8080), ("node-port", 80), ("balanced", 80)]
)
def test_service_reaches_every_pod(served: Namespace, name: str, port: int) -> None:
    pods = {f"{pod['metadata']['name']}," for pod in served.pods(name)}

    served.wait_for("every pod responds", lambda: responding_pods(served, f"http://{name}:{port}/") == pods)


def test_session_affinity_keeps_a_client_on_one_pod(served: Namespace) -> None:
    assert len(responding_pods(served, "http://sticky:8000/")) == 1


def test_headless_service_resolves_to_the_pods(served: Namespace) -> None:
    output = served.exec("client", "client", "nslookup", f"headless.{served.name}.svc.cluster.local")

    for pod in served.pods("headless"):
        assert pod["status"]["podIP"] in output


def test_external_name_resolves_to_its_target(served: Namespace) -> None:
    output = served.exec("client", "client", "nslookup", f"elsewhere.{served.name}.svc.cluster.local")

    assert Namespace("default").get("service", "kubernetes")["spec"]["clusterIP"] in output


def test_node_port_responds_on_every_node(served: Namespace) -> None:
    (port,) = served.get("service", "node-port")["spec"]["ports"]

    for node in served.list_objects("nodes"):
        addresses = {address["type"]: address["address"] for address in node["status"]["addresses"]}
        assert served.page(f"http://{addresses['InternalIP']}:{port['nodePort']}/").startswith("Hello from node-port-")


def test_load_balancer_is_ready_without_an_address(served: Namespace) -> None:
    assert served.get("service", "balanced")["spec"]["type"] == "LoadBalancer"
    assert condition_status(served.appstack("balanced"), "Ready") == "True"


def test_further_services_reach_the_pods_of_the_same_stack(served: Namespace) -> None:
    admin = {"name": "plain-admin", "ports": [{"port": 81, "targetPort": "http"}]}
    peers = {"name": "plain-peers", "clusterIP": "None"}
    pods = {uid_of(pod) for pod in served.pods("plain")}

    served.apply(public_backend("plain", replicas=2, services=[admin, peers]))
    served.wait_for("it is served", lambda: served.find("service", "plain-peers"))

    names = {f"{pod['metadata']['name']}," for pod in served.pods("plain")}
    served.wait_for("every pod responds", lambda: responding_pods(served, "http://plain-admin:81/") == names)
    served.wait_for("the own Service responds", lambda: responding_pods(served, "http://plain:8000/") == names)
    output = served.exec("client", "client", "nslookup", f"plain-peers.{served.name}.svc.cluster.local")
    assert all(pod["status"]["podIP"] in output for pod in served.pods("plain"))
    assert {uid_of(pod) for pod in served.pods("plain")} == pods


def test_disabled_service_is_absent_and_the_pods_respond(served: Namespace) -> None:
    assert served.find("service", "none") is None
    assert served.page(f"http://{served.pods('none')[0]['status']['podIP']}:8000/").startswith("Hello from none-")


def test_change_of_the_service_type_keeps_the_cluster_ip_and_the_pods(served: Namespace) -> None:
    address = served.get("service", "plain")["spec"]["clusterIP"]
    pods = {uid_of(pod) for pod in served.pods("plain")}

    served.apply(with_service("plain", NODE_PORT))
    served.wait_until_ready("plain")
    assert served.get("service", "plain")["spec"]["ports"][0]["nodePort"]
    served.apply(public_backend("plain", replicas=2))  # without `service`: an apply of {} would keep its fields
    served.wait_until_ready("plain")

    after = served.get("service", "plain")["spec"]
    assert (after["type"], after["clusterIP"]) == ("ClusterIP", address)
    assert "nodePort" not in after["ports"][0]
    assert {uid_of(pod) for pod in served.pods("plain")} == pods


def test_change_of_the_immutable_cluster_ip_is_refused_until_the_service_is_deleted(served: Namespace) -> None:
    served.apply(with_service("several", {"clusterIP": "None"}))

    assert "spec.service.clusterIP" in served.wait_until_stalled("several")
    assert served.page("http://several/").startswith("Hello from several-")

    served.kubectl("delete", "service", "several")
    served.wait_until_ready("several")
    assert served.get("service", "several")["spec"]["clusterIP"] == "None"
