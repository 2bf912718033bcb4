"""Further Services of an AppStack on a real API server: their life cycle, ownership and immutable fields."""

from __future__ import annotations

import pytest

from tests.api.cluster import ApiError, Manifest, Namespace, eventually
from tests.api.operator_process import OperatorProcess

ADMIN = {"name": "admin", "ports": [{"name": "web", "port": 9000, "targetPort": 8000}]}
PEERS = {"name": "peers", "clusterIP": "None", "publishNotReadyAddresses": True}
BACKEND = {"image": "busybox:1.35.0", "ports": [{"name": "http", "containerPort": 8000}]}
FOREIGN = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "admin"},
    "spec": {"ports": [{"port": 1}], "selector": {"a": "b"}},
}


def _endpoints(namespace: Namespace) -> dict[str, str]:
    return {one["name"]: one["url"] for one in namespace.status()["endpoints"]}


def _services(namespace: Namespace) -> set[str]:
    return {service["metadata"]["name"] for service in namespace.list("Service")}


def _stalled_message(namespace: Namespace) -> str:
    return str(eventually(lambda: namespace.condition("Stalled"))["message"])


def test_further_services_are_created_repaired_and_pruned(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(backend=BACKEND, services=[ADMIN, PEERS])
    namespace.wait_until_ready()

    assert {"shop", "admin", "peers"} == _services(namespace)
    host = f"{namespace.name}.svc"
    assert {"http": f"http://shop.{host}:8000", "admin:web": f"tcp://admin.{host}:9000"} == _endpoints(namespace)

    namespace.patch("Service", "admin", {"spec": {"selector": {"appstack.dev/stack": "other"}}})
    eventually(lambda: namespace.get("Service", "admin")["spec"]["selector"] == {"appstack.dev/stack": "shop"})

    namespace.edit_stack(services=[PEERS])
    eventually(lambda: _services(namespace) == {"shop", "peers"})
    namespace.wait_until_ready()
    assert {"http"} == _endpoints(namespace).keys()
    namespace.delete("AppStack", "shop")
    eventually(lambda: not _services(namespace))


def test_service_of_another_owner_is_reported_and_not_changed(namespace: Namespace, operator: OperatorProcess) -> None:
    before = namespace.create(FOREIGN)

    namespace.create_stack(backend=BACKEND, services=[ADMIN])

    assert f"Service {namespace.name}/admin exists and is not controlled" in _stalled_message(namespace)
    version = before["metadata"]["resourceVersion"]
    assert namespace.get("Service", "admin")["metadata"]["resourceVersion"] == version


def test_service_becomes_a_further_one_and_back(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(backend=BACKEND)
    namespace.wait_until_ready()
    uid = namespace.get("Service", "shop")["metadata"]["uid"]

    namespace.edit_stack(service={"enabled": False}, services=[{"name": "shop", "ports": [{"port": 8000}]}])
    namespace.wait_until_ready()
    namespace.edit_stack(service=None, services=None)
    namespace.wait_until_ready()

    assert namespace.get("Service", "shop")["metadata"]["uid"] == uid


def test_cluster_ip_of_a_further_service_is_immutable(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(backend=BACKEND, services=[ADMIN])
    namespace.wait_until_ready()

    namespace.edit_stack(services=[{**ADMIN, "clusterIP": "None"}])

    message = _stalled_message(namespace)
    assert "spec.services[0].clusterIP: cannot change from" in message
    assert "run `kubectl delete service admin`" in message
    namespace.delete("Service", "admin")
    namespace.wait_until_ready()
    assert namespace.get("Service", "admin")["spec"]["clusterIP"] == "None"


def test_message_of_the_api_server_names_the_field(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(backend=BACKEND, services=[PEERS, {**ADMIN, "type": "NodePort", "loadBalancerClass": "a"}])

    assert "spec.services[1].loadBalancerClass" in _stalled_message(namespace)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"ports": [{"port": 1}]}, "spec.services[0].name: Required value"),
        ({**ADMIN, "selector": {"a": "b"}}, 'unknown field "spec.services[0].selector"'),
        ({**ADMIN, "name": "a.b"}, "spec.services[0].name: Invalid value"),
    ],
)
def test_entry_that_the_definition_does_not_admit(
    namespace: Namespace, operator: OperatorProcess, entry: Manifest, message: str
) -> None:
    with pytest.raises(ApiError) as error:
        namespace.create_stack(services=[entry])

    assert message in str(error.value).replace('\\"', '"')
