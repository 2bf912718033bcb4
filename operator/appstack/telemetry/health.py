"""HTTP servers for the health endpoints and for metrics, and the probe of the event loop's scheduling delay."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from appstack.errors import OperatorError
from appstack.settings import Settings
from appstack.telemetry import metrics
from appstack.telemetry.http_server import BoundedServer, Handler

Authorize = Callable[[str], Awaitable[HTTPStatus]]
"""Returns OK for the Authorization header of a client that may scrape, else the status to refuse it with."""

SCRAPE_INTERVAL_SECONDS: Final = 1.0
"""Seconds for which all scrapes get the same rendering of the metrics."""

_LOOP_LAG_INTERVAL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """Checks of the health endpoints. Each returns the failure, or an empty string."""

    live: Callable[[], str]
    ready: Callable[[], str]


class HealthServer:
    """Serves /livez and /readyz on the health port and /metrics on the metrics port."""

    def __init__(self, settings: Settings, checks: HealthChecks, authorize: Authorize | None = None) -> None:
        self._settings = settings
        self._servers = (
            (BoundedServer({"/livez": _probe(checks.live), "/readyz": _probe(checks.ready)}), "healthPort"),
            (BoundedServer({"/metrics": _metrics(authorize)}), "metricsPort"),
        )
        self._loop_lag_probe: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen on both ports. Raise OperatorError if a port is in use."""
        self._loop_lag_probe = asyncio.create_task(_observe_loop_lag())
        ports = (self._settings.health_port, self._settings.metrics_port)
        for (server, setting), port in zip(self._servers, ports, strict=True):
            try:
                await server.start(self._settings.listen, port)
            except OSError as error:
                raise self._port_error(error, port=port, setting=setting) from error

    async def stop(self) -> None:
        """Close both ports."""
        if self._loop_lag_probe is not None:
            self._loop_lag_probe.cancel()
        for server, _ in self._servers:
            await server.stop()

    def _port_error(self, error: OSError, *, port: int, setting: str) -> OperatorError:
        cause = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be opened: {error.strerror}"
        return OperatorError(
            f"Port {port} on {self._settings.listen} {cause}", f"Stop the process that uses it, or set `{setting}`"
        )


async def _observe_loop_lag() -> None:
    """Observe the delay of a timer every second, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LOOP_LAG_INTERVAL_SECONDS
        await asyncio.sleep(_LOOP_LAG_INTERVAL_SECONDS)
        metrics.LOOP_LAG.observe(max(0.0, loop.time() - due))


def _probe(check: Callable[[], str]) -> Handler:
    async def respond(_: web.BaseRequest) -> web.Response:
        failure = check()
        return web.Response(text=f"{failure or 'ok'}\n", status=503 if failure else 200)

    return respond


def _metrics(authorize: Authorize | None) -> Handler:
    rendered, rendered_at = b"", float("-inf")

    async def respond(request: web.BaseRequest) -> web.Response:
        nonlocal rendered, rendered_at
        if authorize is not None:
            status = await authorize(request.headers.get("Authorization", ""))
            if status is not HTTPStatus.OK:
                headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else {}
                return web.Response(status=status, headers=headers)
        now = time.monotonic()
        if now - rendered_at >= SCRAPE_INTERVAL_SECONDS:
            rendered, rendered_at = metrics.exposition(), now
        return web.Response(body=rendered, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    return respond
