"""HTTP servers for the health endpoints and for metrics, and the probe of the event loop's scheduling delay."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from appstack.errors import OperatorError
from appstack.settings import Settings
from appstack.telemetry import metrics

_LOOP_LAG_INTERVAL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """Checks of the health endpoints. Each returns the failure, or an empty string."""

    live: Callable[[], str]
    ready: Callable[[], str]


class HealthServer:
    """Serves /livez and /readyz on the health port and /metrics on the metrics port."""

    def __init__(self, settings: Settings, checks: HealthChecks) -> None:
        self._settings = settings
        self._runners = (
            (self._runner({"/livez": _probe(checks.live), "/readyz": _probe(checks.ready)}), "healthPort"),
            (self._runner({"/metrics": _metrics}), "metricsPort"),
        )
        self._loop_lag_probe: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen on both ports. Raise OperatorError if a port is in use."""
        self._loop_lag_probe = asyncio.create_task(_observe_loop_lag())
        ports = (self._settings.health_port, self._settings.metrics_port)
        for (runner, setting), port in zip(self._runners, ports, strict=True):
            await runner.setup()
            try:
                await web.TCPSite(runner, self._settings.listen, port).start()
            except OSError as error:
                raise self._port_error(error, port=port, setting=setting) from error

    async def stop(self) -> None:
        """Close both ports."""
        if self._loop_lag_probe is not None:
            self._loop_lag_probe.cancel()
        for runner, _ in self._runners:
            await runner.cleanup()

    def _port_error(self, error: OSError, *, port: int, setting: str) -> OperatorError:
        cause = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be opened: {error.strerror}"
        return OperatorError(
            f"Port {port} on {self._settings.listen} {cause}", f"Stop the process that uses it, or set `{setting}`"
        )

    @staticmethod
    def _runner(routes: dict[str, Callable[[web.Request], object]]) -> web.AppRunner:
        app = web.Application()
        app.add_routes([web.get(path, handler) for path, handler in routes.items()])  # type: ignore[arg-type]
        return web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)


async def _observe_loop_lag() -> None:
    """Observe the delay of a timer every second, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LOOP_LAG_INTERVAL_SECONDS
        await asyncio.sleep(_LOOP_LAG_INTERVAL_SECONDS)
        metrics.LOOP_LAG.observe(max(0.0, loop.time() - due))


def _probe(check: Callable[[], str]) -> Callable[[web.Request], object]:
    async def respond(_: web.Request) -> web.Response:
        failure = check()
        return _closing(web.Response(text=f"{failure or 'ok'}\n", status=503 if failure else 200))

    return respond


async def _metrics(_: web.Request) -> web.Response:
    return _closing(web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}))


def _closing(response: web.Response) -> web.Response:
    """Close the connection after the response: kopf waits at its end for every task, also for idle connections."""
    response.force_close()
    return response
