"""The client of the API server: responses of a proxy, requests that are not sent, and the end of the client."""

from __future__ import annotations

import pytest

from appstack.client import requests
from appstack.client.client import Client
from appstack.controller.namespace_filter import LabelledNamespaceFilter
from appstack.errors import ApiRejected, ApiUnavailable
from appstack.k8s.metadata import Ref
from tests.unit.api_server import FakeApiServer
from tests.unit.background import eventually, running
from tests.unit.owned_objects import EXCLUDED_NAMESPACE, KINDS

REF = Ref("v1", "Service", "team", "shop")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<html>Bad gateway</html>", "the response is not JSON"),
        ('{"status": "ok"}', "the response is not a Kubernetes object"),
        ("[]", "the response is not a Kubernetes object"),
    ],
)
async def test_response_of_a_proxy_is_an_error(
    api_server: FakeApiServer, client: Client, body: str, message: str
) -> None:
    api_server.proxy_response = body

    with pytest.raises(ApiUnavailable, match=message):
        await client.send(requests.get(REF))


async def test_error_has_the_message_of_the_server_and_its_retry_after(
    api_server: FakeApiServer, client: Client
) -> None:
    api_server.fail("get", "services", 503, message="shutting down", retry_after=7.0, times=1)

    with pytest.raises(ApiUnavailable, match="Service team/shop: shutting down") as raised:
        await client.send(requests.get(REF))
    assert 7.0 == raised.value.retry_after

    with pytest.raises(ApiRejected, match="Service team/shop: not found"):
        await client.send(requests.get(REF))


async def test_namespace_that_is_not_selected_is_read_and_not_written(
    api_server: FakeApiServer, namespaces: LabelledNamespaceFilter
) -> None:
    client = Client(api_server.credentials(), in_flight=4, namespaces=namespaces)
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop", "namespace": EXCLUDED_NAMESPACE}}
    api_server.add(service)

    await client.send(requests.get(Ref.of(service)))
    with pytest.raises(ApiUnavailable, match="another operator reconciles the namespace"):
        await client.send(requests.apply(service))
    await client.close()

    assert ["get"] == [request.verb for request in api_server.requests]


async def test_client_that_drains_refuses_requests_and_waits_for_those_in_flight(
    api_server: FakeApiServer, client: Client
) -> None:
    gate = api_server.hold("list", "services")
    async with running(client.send(requests.list_page(KINDS["Service"], limit=500))):
        await eventually(lambda: gate.waiting)
        assert not await client.drain(within=0)
        with pytest.raises(ApiUnavailable, match="the operator is shutting down"):
            await client.send(requests.get(REF))

        gate.open()
        assert await client.drain(within=30)

    assert ["list"] == [request.verb for request in api_server.requests]


@pytest.mark.parametrize("size", [1_000, 300_000])
async def test_error_is_not_read_to_its_end(api_server: FakeApiServer, client: Client, size: int) -> None:
    message = f'Deployment "shop" is invalid: {"x" * size}'
    api_server.fail("get", "services", 422, message=message, times=1)

    with pytest.raises(ApiRejected) as raised:
        await client.send(requests.get(REF))

    assert raised.value.message.startswith('Deployment "shop" is invalid: xxx')
    assert len(raised.value.message) < 10_000
    with pytest.raises(ApiRejected, match="Service team/shop: not found"):
        await client.send(requests.get(REF))


@pytest.mark.parametrize("size", [1_000, 300_000])
async def test_body_of_any_size_is_sent(api_server: FakeApiServer, client: Client, size: int) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop", "namespace": "team"}}

    await client.send(requests.apply(manifest | {"data": {"a": "x" * size}}))

    stored = api_server.get(Ref.of(manifest))
    assert stored is not None
    assert size == len(stored["data"]["a"])
