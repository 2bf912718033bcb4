"""A fake API server for unit tests: real HTTP, with the objects, failures and delays that a test configures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from aiohttp import web

from appstack.client.credentials import ClusterConfig, Credentials
from appstack.client.requests import EVENTS, LEASES
from appstack.client.resource_kinds import APPSTACKS, WATCHED_KINDS
from appstack.k8s.metadata import API_VERSION, Manifest, Ref
from tests.unit.received_request import Failure, Gate, ReceivedRequest, Selector, parse, selects

_PLURALS: Final = {(kind.api_version, kind.kind): kind.plural for kind in (*WATCHED_KINDS, APPSTACKS, LEASES, EVENTS)}
_IDENTITY: Final = frozenset({"name", "namespace", "uid", "resourceVersion"})
_ENDLESS: Final = 1 << 30

_Key: TypeAlias = "tuple[str, str, str]"  # plural, namespace and name


class _Rejected(Exception):
    """A request that the present objects do not permit."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _LoggedEvent:
    resource: str
    event: Manifest | None  # None ends the watches of the resource
    version: int | None  # None: only for watches that are open at the time


class FakeApiServer:
    """Stores objects, lists them in pages, sends their changes to watches, and records every request."""

    def __init__(self) -> None:
        self.url = ""
        self.page_size = 500
        self.honours_limit = False  # the limit of a request, in addition to the page size
        self.version = 100  # the latest resourceVersion
        self.oldest_version = 0  # a watch from an earlier resourceVersion gets the error event 410
        self.not_served: set[str] = set()  # plurals
        self.proxy_response = ""  # the body with which a proxy answers every request in place of the API server
        self.review: Callable[[Manifest], Manifest] = lambda _: {}  # returns the status of a TokenReview and so on
        self.requests: list[ReceivedRequest] = []
        self._objects: dict[_Key, Manifest] = {}
        self._failures: list[Failure] = []
        self._gates: list[Gate] = []
        self._log: list[_LoggedEvent] = []
        self._open_watches: dict[asyncio.Event, str] = {}

    @classmethod
    @asynccontextmanager
    async def started(cls) -> AsyncIterator[FakeApiServer]:
        """Yield a server that listens on a free port of 127.0.0.1."""
        server, app = cls(), web.Application()
        app.router.add_route("*", "/{path:.*}", server._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield server
        finally:
            await runner.cleanup()

    def credentials(self) -> Credentials:
        """Return credentials for a client of this server."""
        return Credentials(ClusterConfig(self.url, None, None, None, lambda: None))

    def add(self, manifest: Manifest) -> Manifest:
        """Create or replace an object; return it as it is stored."""
        ref = Ref.of(manifest)
        return self._store((_PLURALS[ref.api_version, ref.kind], ref.namespace, ref.name), manifest)

    def get(self, ref: Ref) -> Manifest | None:
        """Return a stored object, or None."""
        return self._objects.get((_PLURALS[ref.api_version, ref.kind], ref.namespace, ref.name))

    def remove(self, ref: Ref) -> None:
        """Delete an object."""
        self._remove((_PLURALS[ref.api_version, ref.kind], ref.namespace, ref.name))

    def received(self, verb: str = "", resource: str = "", *, namespace: str = "") -> list[ReceivedRequest]:
        """Return the matching requests so far; an empty argument matches all."""
        selector = Selector(verb, resource, namespace)
        return [request for request in self.requests if selector.matches(request)]

    def fail(
        self,
        verb: str,
        resource: str,
        status: int,
        *,
        message: str = "failure of the test",
        retry_after: float | None = None,
        times: int = _ENDLESS,
        namespace: str = "",
    ) -> None:
        """Answer the next matching requests with an error."""
        self._failures.append(Failure(Selector(verb, resource, namespace), status, message, retry_after, times))

    def recover(self) -> None:
        """Answer every request as usual again."""
        self._failures.clear()

    def hold(self, verb: str, resource: str, *, namespace: str = "") -> Gate:
        """Hold matching requests back, after they are recorded, until the test lets them pass."""
        gate = Gate(Selector(verb, resource, namespace))
        self._gates.append(gate)
        return gate

    def watched(self) -> set[str]:
        """Return the resources with an open watch."""
        return set(self._open_watches.values())

    def send_bookmarks(self) -> None:
        """Send a bookmark to every open watch."""
        event = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(self.version)}}}
        for resource in self.watched():
            self._publish(_LoggedEvent(resource, event, None))

    def end_watches(self, resource: str) -> None:
        """End the open watches of a resource."""
        self._publish(_LoggedEvent(resource, None, None))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        received = await parse(request)
        self.requests.append(received)
        for gate in self._gates:
            if gate.selector.matches(received):
                await gate.enter()
        replaced = self._replaced_response(received)
        if replaced is not None:
            return replaced
        return await self._watch(request, received) if received.verb == "watch" else self._respond(received)

    def _replaced_response(self, received: ReceivedRequest) -> web.Response | None:
        """Return the response to a request for which the objects do not matter, or None."""
        for failure in self._failures:
            if failure.remaining and failure.selector.matches(received):
                failure.remaining -= 1
                return _error(failure.status, failure.message, retry_after=failure.retry_after)
        if self.proxy_response:
            return web.Response(text=self.proxy_response)
        if not received.resource:
            return web.json_response({"kind": "APIResourceList", "resources": [{"name": APPSTACKS.plural}]})
        if received.resource in self.not_served:
            return web.Response(status=404, text="404 page not found")
        return None

    def _respond(self, received: ReceivedRequest) -> web.Response:
        key = (received.resource.partition("/")[0], received.namespace, received.name)
        handlers = {
            "list": self._list,
            "get": self._get,
            "create": self._create,
            "apply": self._apply_status if received.resource.endswith("/status") else self._apply,
            "update": self._update,
            "delete": self._delete,
        }
        try:
            return web.json_response(handlers[received.verb](key, received))
        except _Rejected as error:
            return _error(error.status, str(error))

    def _list(self, _: _Key, request: ReceivedRequest) -> Manifest:
        keys = [key for key in sorted(self._objects) if selects(request, key[0], self._objects[key])]
        start = int(request.query.get("continue", 0))
        end = start + (min(self.page_size, int(request.query["limit"])) if self.honours_limit else self.page_size)
        metadata = {"resourceVersion": str(self.version)} | ({"continue": str(end)} if end < len(keys) else {})
        items = [_shaped(self._objects[key], request.accept) for key in keys[start:end]]
        return {"kind": "List", "metadata": metadata, "items": items}

    def _get(self, key: _Key, request: ReceivedRequest) -> Manifest:
        return _shaped(self._live(key), request.accept)

    def _create(self, key: _Key, request: ReceivedRequest) -> Manifest:
        if request.body["kind"].endswith("Review"):
            return {**request.body, "status": self.review(request.body)}
        metadata = request.body["metadata"]
        name = metadata.get("name") or f"{metadata['generateName']}1"
        manifest: Manifest = request.body | {"metadata": metadata | {"name": name}}
        if "dryRun" in request.query:
            return manifest
        if (*key[:2], name) in self._objects:
            raise _Rejected(409, "already exists")
        return self._store((*key[:2], name), manifest)

    def _apply(self, key: _Key, request: ReceivedRequest) -> Manifest:
        live, metadata = self._objects.get(key), request.body["metadata"]
        uid = live["metadata"]["uid"] if live is not None else ""
        if metadata.get("uid", uid) != uid or (live is not None and "resourceVersion" in metadata):
            raise _Rejected(409, "a precondition failed")
        entry = {"manager": request.query["fieldManager"], "operation": "Apply", "fieldsV1": _fields(request.body)}
        merged = {**(live or {}).get("metadata", {}), **metadata, "managedFields": [entry]}
        return _shaped(self._store(key, {**(live or {}), **request.body, "metadata": merged}), request.accept)

    def _apply_status(self, key: _Key, request: ReceivedRequest) -> Manifest:
        live = self._live(key, uid=request.body["metadata"]["uid"])
        return _shaped(self._store(key, live | {"status": request.body["status"]}), request.accept)

    def _update(self, key: _Key, request: ReceivedRequest) -> Manifest:
        if request.body["metadata"].get("resourceVersion") != self._live(key)["metadata"]["resourceVersion"]:
            raise _Rejected(409, "the object has been modified")
        return self._store(key, request.body)

    def _delete(self, key: _Key, request: ReceivedRequest) -> Manifest:
        self._live(key, uid=request.body["preconditions"]["uid"])
        self._remove(key)
        return {"kind": "Status", "status": "Success"}

    def _live(self, key: _Key, *, uid: str = "") -> Manifest:
        live = self._objects.get(key)
        if live is None:
            raise _Rejected(404, "not found")
        if uid and uid != live["metadata"]["uid"]:
            raise _Rejected(409, "the uid differs")
        return live

    def _store(self, key: _Key, manifest: Manifest) -> Manifest:
        live = self._objects.get(key)
        self.version += 1
        before: Manifest = live["metadata"] if live is not None else {}
        metadata = manifest["metadata"]
        generation = before.get("generation", 0) + (live is None or live.get("spec") != manifest.get("spec"))
        stored = manifest | {
            "metadata": metadata
            | {
                "uid": before.get("uid") or metadata.get("uid") or f"uid-{self.version}",
                "resourceVersion": str(self.version),
                "generation": generation,
            }
        }
        self._objects[key] = stored
        self._log_change("ADDED" if live is None else "MODIFIED", key[0], stored)
        return stored

    def _remove(self, key: _Key) -> None:
        live = self._objects.pop(key)
        self.version += 1
        deleted = live | {"metadata": live["metadata"] | {"resourceVersion": str(self.version)}}
        self._log_change("DELETED", key[0], deleted)

    def _log_change(self, event: str, resource: str, manifest: Manifest) -> None:
        self._publish(_LoggedEvent(resource, {"type": event, "object": manifest}, self.version))

    def _publish(self, entry: _LoggedEvent) -> None:
        self._log.append(entry)
        for wakeup in self._open_watches:
            wakeup.set()

    async def _watch(self, request: web.Request, received: ReceivedRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        since = int(received.query["resourceVersion"])
        if since < self.oldest_version:
            expired = {"kind": "Status", "code": 410, "message": "too old resource version"}
            await response.write(_line({"type": "ERROR", "object": expired}))
            return response
        backlog = [entry for entry in self._log if entry.version is not None and entry.version > since]
        position, wakeup = len(self._log), asyncio.Event()
        self._open_watches[wakeup] = received.resource
        try:
            while True:
                for entry in (*backlog, *self._log[position:]):
                    if entry.event is None and entry.resource == received.resource:
                        return response
                    if entry.event is not None and _is_wanted(received, entry.resource, entry.event):
                        shaped = entry.event | {"object": _shaped(entry.event["object"], received.accept)}
                        await response.write(_line(shaped))
                backlog, position = [], len(self._log)
                wakeup.clear()
                await wakeup.wait()
        finally:
            del self._open_watches[wakeup]


def _is_wanted(request: ReceivedRequest, resource: str, event: Manifest) -> bool:
    if event["type"] == "BOOKMARK":
        return resource == request.resource
    return selects(request, resource, event["object"])


def _shaped(manifest: Manifest, accept: str) -> Manifest:
    """Return the object, or its metadata where the client asks for no more."""
    if "PartialObjectMetadata" not in accept:
        return manifest
    return {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": manifest["metadata"]}


def _fields(manifest: Manifest) -> Manifest:
    """Return `fieldsV1` of an apply."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _IDENTITY}
    rest = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "metadata")}
    return _field_set(rest | {"metadata": metadata})


def _field_set(value: Any) -> Manifest:
    return {f"f:{key}": _field_set(member) for key, member in value.items()} if isinstance(value, dict) else {}


def _line(event: Manifest) -> bytes:
    return json.dumps(event).encode() + b"\n"


def _error(status: int, message: str, *, retry_after: float | None = None) -> web.Response:
    body = {"kind": "Status", "apiVersion": API_VERSION, "code": status, "message": message}
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return web.json_response(body, status=status, headers=headers)
