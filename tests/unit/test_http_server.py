"""Attacks on the ports of the operator: the kubelet's probes are answered meanwhile, at little cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from appstack.settings import Settings
from appstack.telemetry import health, http_server, metrics
from appstack.telemetry.health import HealthChecks, HealthServer
from tests.unit.background import DEADLINE_SECONDS, eventually

IDLE_CONNECTIONS = 1_000
BATCH = 200
LARGE_PAGE = b"x" * (64 << 20)
"""More than the buffers of a socket hold."""


@pytest.fixture
async def settings() -> AsyncIterator[Settings]:
    """Yield the settings of a running server."""
    settings = Settings(listen="127.0.0.1", health_port=unused_port(), metrics_port=unused_port())
    server = HealthServer(settings, HealthChecks(live=str, ready=str))
    await server.start()
    yield settings
    await server.stop()


@pytest.fixture
def short_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a connection last for half a second."""
    monkeypatch.setattr(http_server, "CONNECTION_SECONDS", 0.5)


async def exchange(port: int, request: str) -> bytes:
    """Return the response to a request, empty if the server closes the connection without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def probe(port: int) -> float:
    """Probe as the kubelet does; return the seconds until the answer."""
    started = time.monotonic()
    response = await exchange(port, "GET /livez HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 200 OK")
    return time.monotonic() - started


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connections(port: int, number: int, *, data: bytes = b"") -> AsyncIterator[list[Connection]]:
    """Yield open connections, each of which has sent the data."""
    opened: list[Connection] = []
    try:
        for _ in range(number // BATCH or 1):
            batch = (asyncio.open_connection("127.0.0.1", port) for _ in range(min(number, BATCH)))
            for reader, writer in await asyncio.gather(*batch):
                writer.write(data)
                opened.append((reader, writer))
        yield opened
    finally:
        for _, writer in opened:
            writer.transport.abort()


def accepted() -> set[int]:
    """Return the local ports of the established connections of this machine."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "01"}


def open_connections(opened: list[Connection]) -> int:
    """Return the number of connections that the server has not closed."""
    return sum(not reader.at_eof() and reader.exception() is None for reader, _ in opened)


@pytest.fixture
def long_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the limit on connections alone end them."""
    monkeypatch.setattr(http_server, "CONNECTION_SECONDS", 3600.0)


@pytest.mark.usefixtures("long_connections")
@pytest.mark.parametrize("data", [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "], ids=["idle", "half a header"])
@pytest.mark.parametrize("port", ["health_port", "metrics_port"])
async def test_probe_is_answered_beside_a_thousand_connections(settings: Settings, port: str, data: bytes) -> None:
    async with connections(getattr(settings, port), IDLE_CONNECTIONS, data=data) as opened:
        for _ in range(3):
            await probe(settings.health_port)
        await eventually(lambda: open_connections(opened) <= http_server.MAX_CONNECTIONS)
        assert open_connections(opened), "the newest are kept"


@pytest.mark.usefixtures("short_connections")
async def test_header_that_arrives_byte_by_byte_ends_the_connection(settings: Settings) -> None:
    async with connections(settings.health_port, 1) as [(reader, writer)]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while open_connections([(reader, writer)]):
                writer.write(b"G")
                await asyncio.sleep(0.01)


@pytest.mark.usefixtures("short_connections")
async def test_client_that_reads_nothing_ends_with_its_connection(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "exposition", lambda: LARGE_PAGE)
    async with connections(settings.metrics_port, 1) as [(reader, writer)]:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await eventually(lambda: settings.metrics_port not in accepted())
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        received = 0
        with suppress(ConnectionResetError):
            received = len(await asyncio.wait_for(reader.read(), DEADLINE_SECONDS))
        assert received < len(LARGE_PAGE)


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", b"405"),
        ("POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n", b"405"),
        ("POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", b"405"),
        ("GET /secret HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        ("GET /livez/../metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        ("GET /livez HTTP/1.1\r\nHost: x\r\n" + "X: y\r\n" * 1000 + "\r\n", b"400"),
        ("GET /livez HTTP/1.1\r\nHost: x\r\nX: " + "y" * 20000 + "\r\n\r\n", b"400"),
        ("GET /" + "y" * 20000 + " HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        ("nonsense\r\n\r\n", b"400"),
    ],
)
async def test_other_requests_are_refused_and_not_logged(
    settings: Settings, request_text: str, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    response = await exchange(settings.health_port, request_text)

    assert response[9:12] == status
    assert response.count(b"HTTP/1.") == 1
    assert "" == caplog.text, "a client cannot fill the log"


async def test_pipelined_requests_have_one_answer(settings: Settings) -> None:
    response = await exchange(settings.health_port, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 100)

    assert 1 == response.count(b"HTTP/1.1 200 OK")


async def test_scrapes_of_an_interval_cost_one_rendering(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    renderings: list[bytes] = []

    def render() -> bytes:
        renderings.append(b"appstack_up 1\n")
        return renderings[-1]

    monkeypatch.setattr(metrics, "exposition", render)
    monkeypatch.setattr(health, "SCRAPE_INTERVAL_SECONDS", 3600.0)

    request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    responses = await asyncio.gather(*(exchange(settings.metrics_port, request) for _ in range(50)))

    assert {True} == {response.endswith(b"appstack_up 1\n") for response in responses}
    assert 1 == len(renderings)
    monkeypatch.setattr(health, "SCRAPE_INTERVAL_SECONDS", 0.0)
    await exchange(settings.metrics_port, request)
    assert 2 == len(renderings)


async def test_error_of_a_handler_is_logged_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metrics, "exposition", lambda: int("x"))

    response = await exchange(settings.metrics_port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")

    assert b"500" == response[9:12]
    assert ["Unhandled error in GET /metrics"] == caplog.messages
