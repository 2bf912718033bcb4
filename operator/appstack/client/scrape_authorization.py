"""Authorization of scrapes by the API server: TokenReview and SubjectAccessReview, as kube-rbac-proxy does it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from typing import Final

from appstack.client import requests
from appstack.client.client import Client
from appstack.errors import ApiRejected, ApiUnavailable

logger = logging.getLogger(__name__)

ALLOWED_SECONDS: Final = 60.0
"""Seconds for which a token that may scrape needs no further review."""

DENIED_SECONDS: Final = 10.0
"""Seconds for which a token that may not scrape is refused without a review."""

REVIEW_INTERVAL_SECONDS: Final = 0.1
"""Seconds between the starts of two reviews: unknown tokens cost the API server at most this much."""

MAX_WAITING: Final = 20
"""Requests that wait for a review; further ones are refused."""

_MAX_DECISIONS: Final = 100
_MAX_TOKEN_CHARACTERS: Final = 8_192


class ScrapeAuthorizer:
    """Decides whether the bearer token of a client may `get` the non-resource URL `/metrics`."""

    def __init__(self, client: Client, *, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._now = now
        self._decisions: dict[bytes, tuple[HTTPStatus, float]] = {}  # by the hash of the token, with the time of expiry
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._next_review = float("-inf")

    async def authorize(self, header: str) -> HTTPStatus:
        """Return OK, or the status with which to refuse a request that has this Authorization header."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > _MAX_TOKEN_CHARACTERS:
            return HTTPStatus.UNAUTHORIZED
        key = sha256(token.encode("utf-8", "replace")).digest()
        known = self._known(key)
        if known is not None:
            return known
        if self._waiting >= MAX_WAITING:
            return HTTPStatus.TOO_MANY_REQUESTS
        self._waiting += 1
        try:
            async with self._lock:
                return self._known(key) or await self._decide(key, token)
        finally:
            self._waiting -= 1

    def _known(self, key: bytes) -> HTTPStatus | None:
        status, expires_at = self._decisions.get(key, (None, 0.0))
        return status if self._now() < expires_at else None

    async def _decide(self, key: bytes, token: str) -> HTTPStatus:
        await asyncio.sleep(self._next_review - self._now())
        self._next_review = self._now() + REVIEW_INTERVAL_SECONDS
        try:
            status = await self._review(token)
        except ApiUnavailable as error:
            logger.debug("Scrape not authorized: %s", error)
            return HTTPStatus.SERVICE_UNAVAILABLE
        except ApiRejected as error:
            logger.warning("Scrapes cannot be authorized: %s. Set `metrics.authorization` of the Helm chart", error)
            return HTTPStatus.SERVICE_UNAVAILABLE
        seconds = ALLOWED_SECONDS if status is HTTPStatus.OK else DENIED_SECONDS
        self._decisions.pop(key, None)
        if len(self._decisions) >= _MAX_DECISIONS:
            del self._decisions[self._oldest()]
        self._decisions[key] = (status, self._now() + seconds)
        return status

    def _oldest(self) -> bytes:
        """Return the key to forget: of a token that was refused, if there is one."""
        refused = (key for key, (status, _) in self._decisions.items() if status is not HTTPStatus.OK)
        return next(refused, next(iter(self._decisions)))

    async def _review(self, token: str) -> HTTPStatus:
        review = (await self._client.send(requests.review_token(token))).get("status") or {}
        if not review.get("authenticated"):
            return HTTPStatus.UNAUTHORIZED
        access = (await self._client.send(requests.review_scrape(review.get("user") or {}))).get("status") or {}
        return HTTPStatus.OK if access.get("allowed") and not access.get("denied") else HTTPStatus.FORBIDDEN
