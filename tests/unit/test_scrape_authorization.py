"""Authorization of scrapes: which answer a token gets, and how many reviews tokens cost."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import pytest

from appstack.client import scrape_authorization
from appstack.client.client import Client
from appstack.client.scrape_authorization import (
    ALLOWED_SECONDS,
    DENIED_SECONDS,
    MAX_WAITING,
    ScrapeAuthorizer,
)
from appstack.k8s.metadata import Manifest
from tests.unit.api_server import FakeApiServer
from tests.unit.clock import ManualClock

USER = {"username": "prometheus", "groups": ["monitoring"], "uid": "1", "extra": {"a": ["b"]}}


@pytest.fixture
def reviewer(
    api_server: FakeApiServer, client: Client, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> ScrapeAuthorizer:
    """Return an authorizer. `good` belongs to a user that may scrape, `other` to one that may not."""
    monkeypatch.setattr(scrape_authorization, "REVIEW_INTERVAL_SECONDS", 0.0)

    def answer(review: Manifest) -> Manifest:
        if review["kind"] == "TokenReview":
            token = review["spec"]["token"]
            user = USER if token == "good" else {"username": "other"}
            return {"authenticated": token in ("good", "other"), "user": user}
        allowed = review["spec"] == {
            "user": "prometheus",
            "groups": ["monitoring"],
            "uid": "1",
            "extra": {"a": ["b"]},
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
        }
        return {"allowed": allowed}

    api_server.review = answer
    return ScrapeAuthorizer(client, now=clock.time)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer good", HTTPStatus.OK),
        ("bearer good", HTTPStatus.OK),
        ("Bearer other", HTTPStatus.FORBIDDEN),
        ("Bearer stolen", HTTPStatus.UNAUTHORIZED),
        ("Basic good", HTTPStatus.UNAUTHORIZED),
        ("good", HTTPStatus.UNAUTHORIZED),
        ("Bearer ", HTTPStatus.UNAUTHORIZED),
        ("", HTTPStatus.UNAUTHORIZED),
        ("Bearer " + "x" * 10_000, HTTPStatus.UNAUTHORIZED),
    ],
)
async def test_token_is_answered_as_its_user_may(reviewer: ScrapeAuthorizer, header: str, status: HTTPStatus) -> None:
    assert status is await reviewer.authorize(header)


async def test_decision_is_kept_for_a_while(
    reviewer: ScrapeAuthorizer, api_server: FakeApiServer, clock: ManualClock
) -> None:
    for header, seconds, reviews in (("Bearer good", ALLOWED_SECONDS, 2), ("Bearer stolen", DENIED_SECONDS, 1)):
        api_server.requests.clear()
        await asyncio.gather(*(reviewer.authorize(header) for _ in range(10)))
        clock.advance(seconds - 1)
        await reviewer.authorize(header)
        assert reviews == len(api_server.requests)
        clock.advance(1)
        await reviewer.authorize(header)
        assert 2 * reviews == len(api_server.requests)


async def test_unknown_tokens_wait_in_a_bounded_queue(reviewer: ScrapeAuthorizer, api_server: FakeApiServer) -> None:
    gate = api_server.hold("create", "tokenreviews")
    waiting = [asyncio.create_task(reviewer.authorize(f"Bearer {number}")) for number in range(100)]
    refused, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    assert {HTTPStatus.TOO_MANY_REQUESTS} == {task.result() for task in refused}
    gate.open()
    statuses = await asyncio.gather(*waiting)
    assert MAX_WAITING == statuses.count(HTTPStatus.UNAUTHORIZED) == len(api_server.received("create", "tokenreviews"))
    assert 100 - MAX_WAITING == statuses.count(HTTPStatus.TOO_MANY_REQUESTS)


async def test_refused_tokens_do_not_displace_an_allowed_one(
    reviewer: ScrapeAuthorizer, api_server: FakeApiServer
) -> None:
    await reviewer.authorize("Bearer good")
    for number in range(300):
        await reviewer.authorize(f"Bearer {number}")
    api_server.requests.clear()

    assert HTTPStatus.OK is await reviewer.authorize("Bearer good")
    assert [] == api_server.requests
    assert len(reviewer._decisions) <= 100


@pytest.mark.parametrize("status", [403, 500])
async def test_scrape_is_refused_while_the_api_server_cannot_decide(
    reviewer: ScrapeAuthorizer, api_server: FakeApiServer, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    api_server.fail("create", "tokenreviews", status, message="no")

    assert HTTPStatus.SERVICE_UNAVAILABLE is await reviewer.authorize("Bearer good")
    assert ("metrics.authorization" in caplog.text) == (status == 403)
    assert "good" not in caplog.text
    api_server.recover()
    assert HTTPStatus.OK is await reviewer.authorize("Bearer good")
