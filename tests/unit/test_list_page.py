"""Pages of lists: their size, and the decoding of their objects one after the other."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

import pytest

from appstack.client import list_page, requests
from appstack.client.client import Client
from appstack.client.list_page import LARGE_PAGE_BYTES, MAX_OBJECTS, ListPage, PageLimit
from appstack.errors import ApiUnavailable
from appstack.k8s.metadata import Manifest
from tests.unit.api_server import FakeApiServer
from tests.unit.owned_objects import KINDS

METADATA = {"continue": "next", "resourceVersion": "7"}


def item(number: int, **spec: Any) -> Manifest:
    """Return an object of a list."""
    return {"metadata": {"name": f"object-{number}", "labels": {"a": '}],"items":[{"'}}, "spec": spec}


def body(*items: object, before: bool = True) -> bytes:
    """Return a list as the API server writes it: the metadata of typed lists is before the items, else after them."""
    metadata, content = {"metadata": METADATA}, {"items": list(items)}
    whole = {"kind": "List", **metadata, **content} if before else {**content, "kind": "List", **metadata}
    return json.dumps(whole, separators=(",", ":")).encode() + b"\n"


async def decoded(page: ListPage) -> list[Manifest]:
    """Return the objects of a page."""
    return [one async for one in page]


@pytest.mark.parametrize("before", [True, False], ids=["typed", "custom resources"])
@pytest.mark.parametrize(
    "items",
    [
        [],
        [item(0)],
        [item(0), item(1, a=[]), item(2, b={"c": [{"metadata": {}}, {"metadata": {"name": "x"}}]})],
        [item(number, items=[{"metadata": number}] * number) for number in range(5)],
        [{"metadata": {"name": "a"}}, {"kind": "B", "metadata": {"name": "other order"}}, {"metadata": {}}],
    ],
    ids=range(5),
)
async def test_objects_are_those_of_the_whole_list(items: list[Manifest], before: bool) -> None:
    page = ListPage(body(*items, before=before))

    assert ("7", "next") == (page.resource_version, page.continue_token)
    assert items == await decoded(page)


@pytest.mark.parametrize(
    "text",
    [
        b'{"kind": "List", "metadata": {}, "items": [ {"metadata": {"name": "a"}} ]}',
        b'{"kind":"List","items":[{"metadata":{"name":"a"}}],"metadata":{"x":[1]}}',
        b'{"kind":"List","items":[{"metadata":{"name":"a"}}]}',
    ],
    ids=["spaces", "a list behind the items", "no metadata"],
)
async def test_list_of_another_form_is_decoded_at_once(text: bytes) -> None:
    assert [{"metadata": {"name": "a"}}] == await decoded(ListPage(text))


async def test_list_without_objects_may_be_null() -> None:
    assert [] == await decoded(ListPage(b'{"kind":"List","metadata":{},"items":null}'))


@pytest.mark.parametrize("forged", ["[" * 300 + "]" * 300, '"\\ud800"', "9" * 5_000], ids=["depth", "text", "integer"])
async def test_object_that_python_refuses_does_not_change_the_others(forged: str) -> None:
    text = body(item(0), item(1, a="FORGED"), item(2)).replace(b'"FORGED"', forged.encode())

    names = [one["metadata"]["name"] async for one in ListPage(text)]

    assert ["object-0", "object-1", "object-2"] == names


@pytest.mark.parametrize("text", [b"", b"<html>", b"[]", b'{"items": []}', b'{"kind":"List"}', body(item(0))[:-9]])
def test_other_documents_are_no_lists(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        ListPage(text)


async def test_list_with_malformed_objects_is_an_error() -> None:
    with pytest.raises(ApiUnavailable, match="the list is not JSON"):
        await decoded(ListPage(body(item(0), item(1)).replace(b'"spec"', b"spec")))


async def test_other_tasks_run_between_large_objects() -> None:
    page = ListPage(body(*(item(number, text="x" * 100_000) for number in range(10))))
    steps = 0

    async def count_steps() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_steps())
    await decoded(page)
    counting.cancel()

    assert 9 <= steps


def test_page_after_a_large_one_has_half_as_many_objects_until_pages_are_small() -> None:
    limit = PageLimit()
    sizes = [LARGE_PAGE_BYTES, LARGE_PAGE_BYTES + 1, 1 << 30, LARGE_PAGE_BYTES // 2, 0, 0, 0]
    objects = []
    for size in sizes:
        limit.record(size)
        objects.append(limit.objects)

    assert [500, 250, 125, 125, 250, 500, 500] == objects
    for _ in range(20):
        limit.record(1 << 30)
    assert 1 == limit.objects
    assert limit.max_bytes is None, "a single object cannot be divided"


async def test_page_that_is_too_large_is_requested_again(
    api_server: FakeApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_page, "MAX_PAGE_BYTES", 50_000)
    api_server.honours_limit = True
    for number in range(20):
        metadata = {"name": f"shop-{number:02}", "namespace": "team", "labels": {"appstack.dev/stack": "shop"}}
        api_server.add({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"a": "x" * 5_000}})
    limit = PageLimit()

    page = await client.list_page(partial(requests.list_page, KINDS["Service"]), limit)

    assert 7 == len(await decoded(page))
    assert [str(MAX_OBJECTS), "62", "7"] == [request.query["limit"] for request in api_server.requests]
