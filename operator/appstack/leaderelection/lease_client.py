"""Requests for Leases, with errors that state the permission or the namespace that is missing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from appstack.client import requests
from appstack.client.client import Client
from appstack.client.responses import decode_watch_event
from appstack.errors import ApiRejected, ApiUnavailable, OperatorError
from appstack.k8s.metadata import Manifest, Ref
from appstack.leaderelection.lease_record import LABEL, LeaseRecord

logger = logging.getLogger(__name__)

T = TypeVar("T")


class LeaseClient:
    """Reads and writes the Lease of this operator, and lists those of all operators."""

    def __init__(self, client: Client, ref: Ref, *, retry_interval: float, listed_namespace: str) -> None:
        self._client = client
        self._ref = ref
        self._retry_interval = retry_interval
        self._listed_namespace = listed_namespace  # empty: all

    async def retry_until_available(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the result of a call, repeated for as long as it raises ApiUnavailable."""
        while True:
            try:
                return await call()
            except ApiUnavailable as error:
                logger.debug("Lease %s: retrying: %s", self._ref.name, error)
            await asyncio.sleep(self._retry_interval)

    async def get(self) -> Manifest | None:
        """Return the Lease; None if it does not exist. Raise OperatorError if the operator may not read it."""
        try:
            return await self._client.send(requests.get_lease(self._ref))
        except ApiRejected as error:
            if error.status == 404:
                return None
            raise self.denied(error) from error

    async def write(self, lease: Manifest) -> Manifest:
        """Replace the Lease if it still has the resourceVersion of `lease`; create it if `lease` has none."""
        update = "resourceVersion" in lease["metadata"]
        return await self._client.send(requests.update_lease(lease) if update else requests.create_lease(lease))

    async def records(self) -> AsyncGenerator[LeaseRecord, None]:
        """Yield the records of the Leases of operators. Raise OperatorError if this one may not list them."""
        leases = self._client.objects(partial(requests.list_leases, LABEL, self._listed_namespace))
        try:
            async for lease in leases:
                yield LeaseRecord.of(lease)
        except ApiRejected as error:
            if error.status == 410:  # the continue token has expired: the list starts again
                raise ApiUnavailable(error.message) from error
            raise self.denied(error) from error

    async def wait_for_change(self, record: LeaseRecord, *, within: float) -> None:
        """Wait until the Lease changes after this record, at most so many seconds.

        Return after one retry interval if it cannot be watched: the caller reads the Lease again.
        """
        request = requests.watch_lease(self._ref, resource_version=record.resource_version)
        try:
            async with asyncio.timeout(within), aclosing(self._client.lines(request)) as lines:
                async for line in lines:
                    if decode_watch_event(line).type not in ("ERROR", "DELETED"):
                        return
                    break  # an expired resourceVersion, or a deleted Lease: a new watch would bring the same event
        except TimeoutError:
            return
        except (ApiRejected, ApiUnavailable) as error:
            logger.debug("Lease %s: watch failed: %s", self._ref.name, error)
        await asyncio.sleep(min(within, self._retry_interval))

    def denied(self, error: ApiRejected) -> OperatorError:
        """Return the error for a rejected request, with the permission or the namespace to create."""
        namespace = self._ref.namespace
        if error.status == 404:
            return OperatorError(
                f"Namespace {namespace} of the operator's Lease does not exist",
                f"Run `kubectl create namespace {namespace}`, or set `operatorNamespace`",
            )
        return OperatorError(
            f"The operator is not permitted to use its Lease: {error.message}",
            f"Grant get, watch, create and update of leases in {namespace}, and list of leases in the cluster",
        )
