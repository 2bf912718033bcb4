"""How soon a request of kopf's is let through after the server asked to be left alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import cast

import aiohttp
import pytest
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, web
from aiohttp.test_utils import TestServer

from appstack.client.client import Client
from appstack.client.credentials import ClusterConfig, Credentials
from appstack.client.resource_kinds import STACK
from appstack.kopf_adapter.source import KopfSource, _Heard

ASKED = 1.0  # seconds
LIST, PAGE, WATCH = "limit=500", "limit=500&continue=more", "watch=true"


class Server:
    """An API server that turns away what it is told to, and notes when it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.turns_away: list[int] = []  # the codes with which it answers next
        self.asks = ASKED
        self.came: list[float] = []

    async def answer(self, _: web.Request) -> web.Response:
        """Turn it away, or answer."""
        self.came.append(time.monotonic())
        if self.turns_away:
            return web.Response(status=self.turns_away.pop(0), headers={"Retry-After": str(self.asks)})
        return web.json_response({"metadata": {}, "items": []})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server that listens."""
    made, app = Server(), web.Application()
    app.router.add_get(STACK.path(), made.answer)
    async with TestServer(app) as at:
        made.url = str(at.make_url("")).rstrip("/")
        yield made


class Kopf:
    """Asks as kopf does: again, until it has an answer."""

    def __init__(self, session: aiohttp.ClientSession, server: Server) -> None:
        self.server = server
        self._session = session

    async def asks(self, query: str, *, patience: float = 30.0) -> None:
        """Ask until there is an answer."""
        timeout = aiohttp.ClientTimeout(total=patience)
        async with asyncio.timeout(10):
            while True:
                with suppress(aiohttp.ClientConnectionError, TimeoutError):
                    response = await self._session.get(f"{self.server.url}{STACK.path()}?{query}", timeout=timeout)
                    async with response:
                        if response.ok:
                            return


@pytest.fixture
async def kopf(server: Server) -> AsyncIterator[Kopf]:
    """Give one that asks through a session of the feed's."""
    client = Client(Credentials(ClusterConfig(server.url, None, None, None, lambda: None)), in_flight=4)
    feed = KopfSource(client, seen=lambda *_: None, served=_served, beside=_beside)
    async with feed._session() as session:
        yield Kopf(session, server)
    await client.close()


async def _served() -> None:
    """Know AppStacks."""


async def _beside(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    return await handler(request)


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("query", [LIST, PAGE, WATCH])
async def test_the_server_is_left_alone_for_as_long_as_it_asks(kopf: Kopf, code: int, query: str) -> None:
    kopf.server.turns_away = [code]

    await kopf.asks(query)

    turned_away, answered = kopf.server.came
    assert ASKED <= answered - turned_away


async def test_what_was_waited_for_one_page_is_not_waited_again(kopf: Kopf) -> None:
    kopf.server.turns_away, kopf.server.asks = [429], 2.5  # much more than the watch's own pace
    await kopf.asks(PAGE)

    await kopf.asks(WATCH)

    *_, page, watch = kopf.server.came
    assert 2.5 > watch - page


async def test_whoever_gives_up_waiting_does_not_wait_anew(kopf: Kopf) -> None:
    kopf.server.turns_away, kopf.server.asks = [429], 2.5

    await kopf.asks(LIST, patience=2.0)  # more than the pace itself may ask for by then

    turned_away, answered = kopf.server.came
    assert 2.5 <= answered - turned_away


class Page:
    """The body of an answer that is here already."""

    async def read(self) -> bytes:
        return b"{}"


async def test_others_have_their_turn_before_a_page_is_handed_out() -> None:
    had: list[str] = []
    asyncio.get_running_loop().call_soon(had.append, "a turn")

    page = await _Heard(cast(aiohttp.StreamReader, Page())).read()

    assert (b"{}", ["a turn"]) == (page, had)
