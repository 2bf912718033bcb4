"""Which AppStacks a list of kopf's puts in doubt, which wait until it is over, and when."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from yarl import URL

from appstack.client.resource_kinds import STACK
from appstack.informers.object_store import Key
from appstack.kopf_adapter.relist import BREATH, LONGEST, QUIET, RelistTracker
from tests.unit.test_queue import Clock

SHOP, OTHER = Key("team", "shop"), Key("team", "other")
LIST, PAGE, WATCH = "limit=500", "limit=500&continue=more", "watch=true&resourceVersion=1"


class Request:
    """What a sweep sees of a request."""

    def __init__(self, query: str) -> None:
        self.url = URL(f"https://server{STACK.path()}?{query}")


class Kopf:
    """Sends kopf's requests past a sweep, and hands out what they bring."""

    def __init__(self) -> None:
        self.clock, self.doubted, self.resumed = Clock(), list[frozenset[Key]](), list[Key]()
        self.sweep = RelistTracker(
            self.clock, known=lambda: [SHOP, OTHER], doubt=self.doubted.append, resume=self.resumed.append
        )

    async def asks(self, query: str, *brought: Key, fails: bool = False) -> None:
        """Send a request, and hand out what it brings if it is a page of a list."""

        async def server(_: Any) -> Any:
            if fails:
                raise aiohttp.ClientConnectionError("nobody there")

        try:
            await self.sweep.watch(Request(query), server)  # type: ignore[arg-type]
        except aiohttp.ClientConnectionError:
            return
        for key in brought:
            self.sweep.saw(key, listing=True)

    def waits(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.pass_to(self.clock.now + seconds)


@pytest.fixture
def kopf() -> Kopf:
    """Give one that has asked for nothing yet."""
    return Kopf()


async def test_a_list_that_does_not_bring_a_stack_puts_it_in_doubt(kopf: Kopf) -> None:
    kopf.sweep.saw(OTHER, listing=False)
    await kopf.asks(LIST)
    await kopf.asks(WATCH)
    kopf.waits(QUIET - 1)
    kopf.sweep.saw(SHOP, listing=True)  # handed out late
    kopf.waits(QUIET - 1)
    assert [] == kopf.doubted

    kopf.waits(1)

    assert [frozenset({OTHER})] == kopf.doubted


async def test_a_list_that_brings_nothing_at_all_puts_every_stack_in_doubt(kopf: Kopf) -> None:
    await kopf.asks(LIST)
    await kopf.asks(WATCH)
    kopf.waits(QUIET)

    assert [frozenset({SHOP, OTHER})] == kopf.doubted


async def test_what_happens_during_a_list_is_there(kopf: Kopf) -> None:
    await kopf.asks(LIST, SHOP)
    kopf.sweep.saw(OTHER, listing=False)
    await kopf.asks(WATCH)
    kopf.waits(QUIET)

    assert [] == kopf.doubted


async def test_a_list_is_not_over_while_the_server_keeps_its_next_page_back(kopf: Kopf) -> None:
    await kopf.asks(LIST, SHOP)
    for _ in range(3):
        kopf.waits(2 * QUIET)
        await kopf.asks(PAGE, fails=True)
    kopf.waits(2 * QUIET)
    await kopf.asks(PAGE, OTHER)
    kopf.waits(2 * QUIET)
    await kopf.asks(WATCH)
    kopf.waits(QUIET)

    assert [] == kopf.doubted


async def test_a_list_that_is_begun_anew_counts_alone(kopf: Kopf) -> None:
    await kopf.asks(LIST, SHOP)
    await kopf.asks(WATCH)
    kopf.waits(QUIET - 1)
    await kopf.asks(LIST, OTHER)
    kopf.waits(2 * QUIET)
    assert [] == kopf.doubted, "the former has nothing more to say"

    await kopf.asks(WATCH)
    kopf.waits(QUIET)

    assert [frozenset({SHOP})] == kopf.doubted


async def test_watches_that_follow_without_a_list_say_nothing_of_what_is_not_there(kopf: Kopf) -> None:
    await kopf.asks(LIST, SHOP, OTHER)
    for _ in range(3):  # the first ones while the list is handed out
        await kopf.asks(WATCH)
        kopf.waits(QUIET - 1)
    kopf.sweep.saw(SHOP, listing=False)
    kopf.waits(2 * QUIET)

    assert [] == kopf.doubted


async def test_what_the_first_list_brings_is_handed_out_for_as_long_as_it_comes(kopf: Kopf) -> None:
    assert not kopf.sweep.handing_out
    await kopf.asks(LIST)
    await kopf.asks(WATCH)
    kopf.sweep.saw(SHOP, listing=True)
    assert kopf.sweep.handing_out

    kopf.waits(BREATH)
    assert not kopf.sweep.handing_out

    kopf.waits(QUIET)
    await kopf.asks(LIST, SHOP)
    assert not kopf.sweep.handing_out, "a later one brings what is known"


async def test_what_can_wait_is_put_off_for_as_long_as_a_list_is_handed_out(kopf: Kopf) -> None:
    kopf.sweep.saw(SHOP, listing=True)
    kopf.sweep.put_off(SHOP)
    for _ in range(5):
        kopf.waits(0.75 * BREATH)
        kopf.sweep.saw(OTHER, listing=True)
        kopf.sweep.put_off(OTHER)
    assert [] == kopf.resumed

    kopf.waits(BREATH)
    assert [SHOP, OTHER] == kopf.resumed, "each once, in the order in which they came"

    kopf.sweep.put_off(SHOP)  # as one that takes over at any time does
    kopf.waits(BREATH)
    assert [SHOP, OTHER, SHOP] == kopf.resumed


async def test_what_can_wait_waits_for_the_pages_that_are_still_to_come(kopf: Kopf) -> None:
    await kopf.asks(LIST, SHOP)
    kopf.sweep.put_off(SHOP)
    kopf.waits(10 * BREATH)
    await kopf.asks(PAGE, OTHER)
    kopf.waits(10 * BREATH)
    assert [] == kopf.resumed

    await kopf.asks(WATCH)
    kopf.waits(BREATH)
    assert [SHOP] == kopf.resumed
    assert 0 == len(kopf.sweep)


async def test_nothing_is_put_off_for_ever(kopf: Kopf) -> None:
    await kopf.asks(LIST, SHOP)
    kopf.sweep.put_off(SHOP)
    kopf.sweep.put_off(OTHER)
    assert 2 == len(kopf.sweep)

    kopf.waits(LONGEST - 1)
    assert [] == kopf.resumed, "its next page is kept back"
    kopf.waits(1)
    assert [SHOP, OTHER] == kopf.resumed

    kopf.sweep.put_off(SHOP)
    for _ in range(120):
        kopf.waits(BREATH / 2)
        await kopf.asks(LIST, OTHER)
        await kopf.asks(WATCH)
    assert [SHOP, OTHER, SHOP] == kopf.resumed, "lists that follow each other"
