"""`service` in all its forms, each asked from another pod."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Manifest, Space, condition, uid_of
from tests.e2e.stacks import open_backend

NODE_PORT = {"type": "NodePort", "ports": [{"port": 80, "targetPort": "http"}]}
FORMS: dict[str, Manifest] = {
    "plain": {},
    "several": {"ports": [{"name": "web", "port": 80, "targetPort": "http"}, {"name": "again", "port": 8080}]},
    "headless": {"clusterIP": "None"},
    "node-port": NODE_PORT,
    "balanced": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    "sticky": {"sessionAffinity": "ClientIP"},
    "elsewhere": {"type": "ExternalName", "externalName": "kubernetes.default.svc.cluster.local"},
    "none": {"enabled": False},
}


def serving(name: str, form: Manifest) -> Manifest:
    """Return a stack of two pods, to see which of them answers."""
    return open_backend(name, service=form, replicas=2)


@pytest.fixture(scope="module")
def served(space: Space) -> Space:
    """Deploy a stack for each form, all at once."""
    space.apply(*(serving(name, form) for name, form in FORMS.items()))
    for name in FORMS:
        space.ready(name)
    return space


def answering(space: Space, url: str) -> set[str]:
    """Return the names of those who answer twenty requests of one client."""
    space.page(url)
    asking = f"for each in $(seq 20); do timeout 15 wget -q -O - {url}; done"
    return {line.split()[2] for line in space.exec("client", "client", "sh", "-c", asking).splitlines()}


@pytest.mark.parametrize(
    ("name", "port"), [("plain", 8000), ("several", 80), ("several", 8080), ("node-port", 80), ("balanced", 80)]
)
def test_it_leads_to_every_pod(served: Space, name: str, port: int) -> None:
    pods = {f"{pod['metadata']['name']}," for pod in served.pods(name)}

    served.until("every pod answers", lambda: answering(served, f"http://{name}:{port}/") == pods)


def test_a_sticky_one_leads_a_client_to_one_pod(served: Space) -> None:
    assert len(answering(served, "http://sticky:8000/")) == 1


def test_a_headless_one_names_the_pods_themselves(served: Space) -> None:
    told = served.exec("client", "client", "nslookup", f"headless.{served.name}.svc.cluster.local")

    for pod in served.pods("headless"):
        assert pod["status"]["podIP"] in told


def test_an_external_name_is_another_name_for_it(served: Space) -> None:
    told = served.exec("client", "client", "nslookup", f"elsewhere.{served.name}.svc.cluster.local")

    assert Space("default").get("service", "kubernetes")["spec"]["clusterIP"] in told


def test_a_node_port_answers_at_every_node(served: Space) -> None:
    (port,) = served.get("service", "node-port")["spec"]["ports"]

    for node in served.items("nodes"):
        address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
        assert served.page(f"http://{address}:{port['nodePort']}/").startswith("Hello from node-port-")


def test_a_load_balancers_address_is_not_waited_for(served: Space) -> None:
    assert served.get("service", "balanced")["spec"]["type"] == "LoadBalancer"
    assert condition(served.stack("balanced"), "Ready") == "True"


def test_none_is_none_and_the_pods_answer_for_themselves(served: Space) -> None:
    assert served.find("service", "none") is None
    assert served.page(f"http://{served.pods('none')[0]['status']['podIP']}:8000/").startswith("Hello from none-")


def test_one_form_becomes_another_and_keeps_its_address(served: Space) -> None:
    address = served.get("service", "plain")["spec"]["clusterIP"]
    pods = {uid_of(pod) for pod in served.pods("plain")}

    served.apply(serving("plain", NODE_PORT))
    served.ready("plain")
    assert served.get("service", "plain")["spec"]["ports"][0]["nodePort"]
    served.apply(open_backend("plain", replicas=2))  # without `service`, as the API server can't empty it to {}
    served.ready("plain")

    after = served.get("service", "plain")["spec"]
    assert (after["type"], after["clusterIP"]) == ("ClusterIP", address)
    assert "nodePort" not in after["ports"][0]
    assert {uid_of(pod) for pod in served.pods("plain")} == pods


def test_an_address_that_kubernetes_never_changes_is_refused_until_the_service_is_deleted(served: Space) -> None:
    served.apply(serving("several", {"clusterIP": "None"}))

    served.until("it is Stalled", lambda: condition(served.stack("several"), "Stalled") == "True")
    (told,) = [each for each in served.stack("several")["status"]["conditions"] if each["type"] == "Stalled"]
    assert "spec.service.clusterIP" in told["message"]
    assert served.page("http://several/").startswith("Hello from several-")

    served.kubectl("delete", "service", "several")
    served.ready("several")
    assert served.get("service", "several")["spec"]["clusterIP"] == "None"
