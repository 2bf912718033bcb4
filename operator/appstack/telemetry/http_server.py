"""HTTP server for small responses to any client that reaches the port: short connections, of a bounded number."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

logger = logging.getLogger(__name__)

Handler = Callable[[web.BaseRequest], Awaitable[web.Response]]

CONNECTION_SECONDS: Final = 10.0
"""Longest duration of a connection: for the headers, the response, and a client that reads slowly."""

MAX_CONNECTIONS: Final = 100
"""Connections of a port. A further one closes the oldest, so idle connections keep no probe out."""

_SILENT: Final = logging.getLogger(f"{__name__}.aiohttp")
"""Logger of aiohttp, which writes a traceback for each malformed request: any client could fill the log."""

_SILENT.disabled = True
_MAX_HEADER_BYTES: Final = 8190
_MAX_HEADERS: Final = 64


class BoundedServer:
    """Serves GET and HEAD of fixed paths on one port. Each connection has one request."""

    def __init__(self, routes: Mapping[str, Handler]) -> None:
        self._routes = routes
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen on a port. Raise OSError if that is not possible."""
        server = _Connections(
            self._handle,
            logger=_SILENT,
            access_log=None,
            keepalive_timeout=CONNECTION_SECONDS,
            lingering_time=0.0,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            max_headers=_MAX_HEADERS,
        )
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        handler = self._routes.get(request.path)
        if handler is None:
            response = web.Response(status=HTTPStatus.NOT_FOUND)
        elif request.method not in ("GET", "HEAD"):
            response = web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        else:
            try:
                response = await handler(request)
            except Exception:
                logger.exception("Unhandled error in GET %s", request.path)
                response = web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        response.force_close()  # kopf waits at its end for every task, also for those of idle connections
        return response


class _Connections(web.Server):
    """Ends each connection after `CONNECTION_SECONDS`, and the oldest one where there are too many."""

    def __init__(self, handler: Handler, **options: Any) -> None:
        super().__init__(handler, **options)
        self._opened: dict[asyncio.Transport, float] = {}  # and the time of its start, the oldest first
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Start the time of a connection."""
        super().connection_made(handler, transport)
        self._opened[transport] = asyncio.get_running_loop().time()
        self._end_old()

    def _end_old(self) -> None:
        """End the connections that are too old or too many, and do so again when the oldest is too old."""
        loop = asyncio.get_running_loop()
        self._opened = {transport: since for transport, since in self._opened.items() if not transport.is_closing()}
        for transport, since in tuple(self._opened.items()):
            if len(self._opened) <= MAX_CONNECTIONS and loop.time() - since < CONNECTION_SECONDS:
                break
            transport.abort()
            del self._opened[transport]
        if self._timer is not None:
            self._timer.cancel()
        oldest = next(iter(self._opened.values()), None)
        self._timer = None if oldest is None else loop.call_at(oldest + CONNECTION_SECONDS, self._end_old)
