"""Requests that the fake API server has received, and the failures and delays that a test configures for some."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from appstack.k8s.metadata import Manifest


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request, parsed as the API server does it for RBAC."""

    verb: str  # get, list, watch, create, apply, update, delete
    resource: str  # for example `services` or `appstacks/status`; empty for discovery
    namespace: str
    name: str
    query: Mapping[str, str]
    accept: str
    body: Any
    at: float  # seconds of the monotonic clock


@dataclass(frozen=True, slots=True)
class Selector:
    """Matches requests; an empty field matches all."""

    verb: str
    resource: str
    namespace: str = ""

    def matches(self, request: ReceivedRequest) -> bool:
        """Return whether the request has each value that is not empty."""
        return (
            self.verb in ("", request.verb)
            and self.resource in ("", request.resource)
            and self.namespace in ("", request.namespace)
        )


@dataclass(slots=True)
class Failure:
    """The answer to the next matching requests."""

    selector: Selector
    status: int
    message: str
    retry_after: float | None
    remaining: int


@dataclass(slots=True)
class Gate:
    """Holds matching requests back until the test lets them pass."""

    selector: Selector
    waiting: int = 0
    _passes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    _is_open: bool = False

    def let_pass(self, number: int = 1) -> None:
        """Let this many requests pass, those that wait first."""
        for _ in range(number):
            self._passes.release()

    def open(self) -> None:
        """Let every request pass from now on."""
        self._is_open = True
        self.let_pass(self.waiting)

    async def enter(self) -> None:
        """Wait for permission to pass."""
        if self._is_open:
            return
        self.waiting += 1
        try:
            await self._passes.acquire()
        finally:
            self.waiting -= 1


async def parse(request: web.Request) -> ReceivedRequest:
    """Return a request with its verb and its object."""
    parts = request.path.split("/")[1:]
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if len(parts) > 2 and parts[0] == "namespaces":
        namespace, parts = parts[1], parts[2:]
    resource, name, subresource = (*parts, "", "", "")[:3]
    verb = {"POST": "create", "PATCH": "apply", "PUT": "update", "DELETE": "delete", "GET": "get"}[request.method]
    if verb == "get" and resource and not name:
        verb = "watch" if "watch" in request.query else "list"
    return ReceivedRequest(
        verb=verb,
        resource=f"{resource}/{subresource}" if subresource else resource,
        namespace=namespace,
        name=name,
        query=dict(request.query),
        accept=request.headers.get("Accept", ""),
        body=await request.json() if request.can_read_body else None,
        at=time.monotonic(),
    )


def selects(request: ReceivedRequest, resource: str, manifest: Manifest) -> bool:
    """Return whether a list or watch includes an object of this resource."""
    metadata = manifest["metadata"]
    label, name = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "").rpartition("=")[2]
    return (
        resource == request.resource
        and request.namespace in ("", metadata.get("namespace", ""))
        and (not label or label in (metadata.get("labels") or {}))
        and name in ("", metadata["name"])
    )
