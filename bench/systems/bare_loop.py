"""A bare request loop: applies the children of each AppStack and, with --status, its status, and nothing else.

Requests go through the operator's own HTTP client. Their bodies are rendered once and copied for each stack, so the
time measured is that of the requests. An initial list yields the existing stacks, a watch every later change.
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
from appstack.client.resource_kinds import APPSTACKS
from appstack.errors import ApiUnavailable
from appstack.k8s.metadata import Manifest, Ref
from bench.systems import appstack

# Placeholders in the template, and the fields of a stack that replace them.
_NAME, _NAMESPACE, _UID = "stack-placeholder", "namespace-placeholder", "uid-placeholder"
_IMAGE: Final = "registry.example/image-placeholder"


class Template:
    """The children and the status of a stack, with placeholders for the fields that differ between stacks."""

    def __init__(self, *, pods: int) -> None:
        stack = appstack.manifest(_NAMESPACE, _NAME, pods=pods)
        stack["metadata"]["uid"] = _UID
        stack["spec"]["backend"]["image"] = _IMAGE
        objects = appstack.rendered(stack)
        self._objects = [json.dumps(one) for one in objects]
        self._status = json.dumps(_status(objects))

    def objects(self, stack: Manifest) -> list[Manifest]:
        """Return all children of a new stack; of an edited one only the Deployment, which alone has changed."""
        created = stack["metadata"]["generation"] == 1
        return [_substitute(text, stack) for text in (self._objects if created else self._objects[-1:])]

    def status(self, stack: Manifest) -> Manifest:
        """Return a status of about the size of AppStack's."""
        status: Manifest = _substitute(self._status, stack)
        return status | {"observedGeneration": stack["metadata"]["generation"]}


def _substitute(text: str, stack: Manifest) -> Any:
    metadata = stack["metadata"]
    values = {
        _NAME: metadata["name"],
        _NAMESPACE: metadata["namespace"],
        _UID: metadata["uid"],
        _IMAGE: stack["spec"]["backend"]["image"],
    }
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
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
    """Writes the children of every stack that a list or a watch yields, a limited number of stacks at a time."""

    def __init__(self, client: Client, *, template: Template, max_stacks: int, status: bool) -> None:
        self._client = client
        self._template = template
        self._semaphore = asyncio.Semaphore(max_stacks)
        self._writes_status = status
        self._written_generations: dict[str, int] = {}

    async def run(self) -> None:
        """Write the existing stacks, then every change."""
        existing, version = await self._list()
        print("ready", flush=True)
        async with asyncio.TaskGroup() as group:
            for stack in existing:
                await self._semaphore.acquire()
                group.create_task(self._write(stack))
            while True:
                async for stack in self._watch(version):
                    version = stack["metadata"]["resourceVersion"]
                    await self._semaphore.acquire()
                    group.create_task(self._write(stack))

    async def _list(self) -> tuple[list[Manifest], str]:
        found: list[Manifest] = []
        token = ""
        while True:
            page = await self._client.send(
                _full_objects(requests.list_page(APPSTACKS, limit=500, continue_token=token))
            )
            found += [stack for stack in page["items"] if self._is_new_generation(stack)]
            token = page["metadata"].get("continue", "")
            if not token:
                return found, page["metadata"]["resourceVersion"]

    async def _watch(self, version: str) -> AsyncIterator[Manifest]:
        try:
            watch = _full_objects(requests.watch(APPSTACKS, resource_version=version, timeout_seconds=7200))
            async with aclosing(self._client.lines(watch)) as lines:
                async for line in lines:
                    event = json.loads(line)
                    if event["type"] in ("ADDED", "MODIFIED") and self._is_new_generation(event["object"]):
                        yield event["object"]
        except ApiUnavailable as error:
            print(error, flush=True)

    def _is_new_generation(self, stack: Manifest) -> bool:
        """Return whether this generation is still to be written, and record it as written."""
        metadata = stack["metadata"]
        observed = (stack.get("status") or {}).get("observedGeneration", 0)
        if max(self._written_generations.get(metadata["uid"], 0), observed) >= metadata["generation"]:
            return False
        self._written_generations[metadata["uid"]] = metadata["generation"]
        return True

    async def _write(self, stack: Manifest) -> None:
        """Apply all children of a stack concurrently, then its status."""
        try:
            objects = self._template.objects(stack)
            await asyncio.gather(*(self._client.send(requests.apply(one)) for one in objects))
            if self._writes_status:
                metadata = stack["metadata"]
                ref = Ref(stack["apiVersion"], stack["kind"], metadata["namespace"], metadata["name"])
                status = self._template.status(stack)
                await self._client.send(requests.apply_status(ref, uid=metadata["uid"], status=status))
        finally:
            self._semaphore.release()


def _full_objects(request: Request) -> Request:
    """Return the request for full objects instead of their metadata."""
    return replace(request, accept=requests.JSON)


async def _main(given: argparse.Namespace) -> None:
    os.environ["KUBECONFIG"] = given.kubeconfig
    client = Client(Credentials(load()), in_flight=given.in_flight)
    try:
        template = Template(pods=given.pods)
        await Loop(client, template=template, max_stacks=2 * given.in_flight, status=given.status).run()
    finally:
        await client.close()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.systems.bare_loop", description=__doc__)
    parser.add_argument("--kubeconfig", required=True, metavar="FILE")
    parser.add_argument("--in-flight", required=True, type=int, metavar="N", help="concurrent requests")
    parser.add_argument("--pods", default=0, type=int, metavar="N", help="replicas of each Deployment")
    parser.add_argument("--status", action="store_true", help="apply the status as well")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(_main(_parse()))
