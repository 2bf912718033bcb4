"""The two ports on which the operator answers: whether it lives, is ready and is in time, and what it has counted."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from appstack.errors import OperatorError
from appstack.settings import Settings
from appstack.telemetry import metrics

_BEAT: Final = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Health:
    """What is wrong at this moment: empty where nothing is."""

    live: Callable[[], str]
    ready: Callable[[], str]


class Server:
    """Listens on both ports, and to how late the event loop comes to what is due."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self._settings = settings
        self._runners = (
            (self._runner({"/livez": _probe(health.live), "/readyz": _probe(health.ready)}), "healthPort"),
            (self._runner({"/metrics": _metrics}), "metricsPort"),
        )
        self._heart: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; raise OperatorError where a port is taken."""
        self._heart = asyncio.create_task(_beat())
        ports = (self._settings.health_port, self._settings.metrics_port)
        for (runner, setting), port in zip(self._runners, ports, strict=True):
            await runner.setup()
            try:
                await web.TCPSite(runner, self._settings.listen, port).start()
            except OSError as error:
                raise self._no_port(error, port=port, setting=setting) from error

    async def stop(self) -> None:
        """Listen no more."""
        if self._heart is not None:
            self._heart.cancel()
        for runner, _ in self._runners:
            await runner.cleanup()

    def _no_port(self, error: OSError, *, port: int, setting: str) -> OperatorError:
        what = "is in use" if error.errno == errno.EADDRINUSE else f"can't be listened on: {error.strerror}"
        return OperatorError(f"Port {port} on {self._settings.listen} {what}", f"Stop what uses it, or set `{setting}`")

    @staticmethod
    def _runner(routes: dict[str, Callable[[web.Request], object]]) -> web.AppRunner:
        app = web.Application()
        app.add_routes([web.get(path, handler) for path, handler in routes.items()])  # type: ignore[arg-type]
        return web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)


async def _beat() -> None:
    """Find out for ever, each second, how long somebody who comes just then would wait."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _BEAT
        await asyncio.sleep(_BEAT)
        metrics.LOOP_LAG.observe(max(0.0, loop.time() - due))


def _probe(wrong: Callable[[], str]) -> Callable[[web.Request], object]:
    async def answer(_: web.Request) -> web.Response:
        what = wrong()
        return _closing(web.Response(text=f"{what or 'ok'}\n", status=503 if what else 200))

    return answer


async def _metrics(_: web.Request) -> web.Response:
    kind = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    return _closing(web.Response(body=metrics.exposition(), headers=kind))


def _closing(response: web.Response) -> web.Response:
    """Return a response after which the connection ends: kopf waits at its end for every task, idle ones too."""
    response.force_close()
    return response
