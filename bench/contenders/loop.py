"""The bare loop: applies what a stack becomes and, if asked to, its status; it reads, compares and repairs nothing.

It sends through the operator's own HTTP client. What is sent was rendered once and is copied from there, so its time
is that of the requests. A list brings the backlog; a watch brings what is written or edited later.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from appstack.client import requests
from appstack.client.client import Client
from appstack.client.credentials import Credentials, load
from appstack.client.requests import Request
from appstack.client.resource_kinds import STACK
from appstack.errors import ApiUnavailable
from appstack.k8s.metadata import Manifest, Ref
from bench.contenders import appstack

_NAME, _NAMESPACE, _UID = "stack-itself", "its-space", "its-uid"
_IMAGE: Final = "registry.example/the-image"


class Template:
    """What a stack becomes, with places for what differs from stack to stack."""

    def __init__(self, *, pods: int) -> None:
        stack = appstack.manifest(_NAMESPACE, _NAME, pods=pods)
        stack["metadata"]["uid"] = _UID
        stack["spec"]["backend"]["image"] = _IMAGE
        objects = appstack.rendered(stack)
        self._objects = [json.dumps(one) for one in objects]
        self._status = json.dumps(_status(objects))

    def objects(self, stack: Manifest) -> list[Manifest]:
        """Return all objects of a stack, or its Deployment alone where it was written before: what an edit changes."""
        fresh = stack["metadata"]["generation"] == 1
        return [_filled(text, stack) for text in (self._objects if fresh else self._objects[-1:])]

    def status(self, stack: Manifest) -> Manifest:
        """Return a status of about the size of AppStack's."""
        status: Manifest = _filled(self._status, stack)
        return status | {"observedGeneration": stack["metadata"]["generation"]}


def _filled(text: str, stack: Manifest) -> Any:
    meta = stack["metadata"]
    places = {
        _NAME: meta["name"],
        _NAMESPACE: meta["namespace"],
        _UID: meta["uid"],
        _IMAGE: stack["spec"]["backend"]["image"],
    }
    for place, value in places.items():
        text = text.replace(place, value)
    return json.loads(text)


def _status(objects: Iterable[Manifest]) -> Manifest:
    now = "2026-01-01T00:00:00Z"
    condition = {"observedGeneration": 1, "lastTransitionTime": now, "reason": "Progressing"}
    message = f"Deployment {_NAME} was just written"
    return {
        "conditions": [
            condition | {"type": "Ready", "status": "False", "message": message},
            condition | {"type": "Reconciling", "status": "True", "message": message},
        ],
        "replicas": 0,
        "readyReplicas": 0,
        "selector": f"appstack.dev/stack={_NAME}",
        "resources": [
            {
                "apiVersion": one["apiVersion"],
                "kind": one["kind"],
                "name": one["metadata"]["name"],
                "rendered": "0123456789abcdef",
                "fields": "0123456789abcdef",
            }
            for one in objects
        ],
        "endpoints": [
            {"name": "http", "url": f"http://{_NAME}.{_NAMESPACE}.svc:80", "scope": "Cluster"},
        ],
    }


class Loop:
    """Writes every stack that it is shown, so many requests at once."""

    def __init__(self, client: Client, *, template: Template, stacks_at_once: int, status: bool) -> None:
        self._client = client
        self._template = template
        self._slots = asyncio.Semaphore(stacks_at_once)
        self._with_status = status
        self._generations: dict[str, int] = {}

    async def run(self) -> None:
        """Write what is there, then what comes."""
        backlog, version = await self._list()
        print("ready", flush=True)
        async with asyncio.TaskGroup() as group:
            for stack in backlog:
                await self._slots.acquire()
                group.create_task(self._write(stack))
            while True:
                async for stack in self._watch(version):
                    version = stack["metadata"]["resourceVersion"]
                    await self._slots.acquire()
                    group.create_task(self._write(stack))

    async def _list(self) -> tuple[list[Manifest], str]:
        found: list[Manifest] = []
        after = ""
        while True:
            page = await self._client.send(_whole(requests.list_page(STACK, after=after)))
            found += [stack for stack in page["items"] if self._is_new(stack)]
            after = page["metadata"].get("continue", "")
            if not after:
                return found, page["metadata"]["resourceVersion"]

    async def _watch(self, version: str) -> AsyncIterator[Manifest]:
        try:
            watch = _whole(requests.watch(STACK, version=version, seconds=7200))
            async with aclosing(self._client.lines(watch)) as lines:
                async for line in lines:
                    event = json.loads(line)
                    if event["type"] in ("ADDED", "MODIFIED") and self._is_new(event["object"]):
                        yield event["object"]
        except ApiUnavailable as error:
            print(error, flush=True)

    def _is_new(self, stack: Manifest) -> bool:
        """Tell whether this generation was not written yet."""
        meta = stack["metadata"]
        written = (stack.get("status") or {}).get("observedGeneration", 0)
        if max(self._generations.get(meta["uid"], 0), written) >= meta["generation"]:
            return False
        self._generations[meta["uid"]] = meta["generation"]
        return True

    async def _write(self, stack: Manifest) -> None:
        """Write a stack: all its objects at once, then its status."""
        try:
            objects = self._template.objects(stack)
            await asyncio.gather(*(self._client.send(requests.apply(one)) for one in objects))
            if self._with_status:
                meta = stack["metadata"]
                ref = Ref(stack["apiVersion"], stack["kind"], meta["namespace"], meta["name"])
                status = self._template.status(stack)
                await self._client.send(requests.apply_status(ref, uid=meta["uid"], status=status))
        finally:
            self._slots.release()


def _whole(request: Request) -> Request:
    """Return the request for whole stacks, not for their metadata alone."""
    return replace(request, accept=requests.JSON)


async def _main(given: argparse.Namespace) -> None:
    os.environ["KUBECONFIG"] = given.kubeconfig
    client = Client(Credentials(load()), in_flight=given.in_flight)
    try:
        template = Template(pods=given.pods)
        await Loop(client, template=template, stacks_at_once=2 * given.in_flight, status=given.status).run()
    finally:
        await client.close()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.contenders.loop", description=__doc__)
    parser.add_argument("--kubeconfig", required=True, metavar="FILE")
    parser.add_argument("--in-flight", required=True, type=int, metavar="N", help="how many requests at once")
    parser.add_argument("--pods", default=0, type=int, metavar="N", help="how many a Deployment wants")
    parser.add_argument("--status", action="store_true", help="apply the status, too")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(_main(_parse()))
