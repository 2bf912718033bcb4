"""Detection of other operators that reconcile the same namespaces."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from appstack.client.fencing import elapsed
from appstack.errors import OperatorError
from appstack.k8s.metadata import Ref
from appstack.k8s.text import truncate
from appstack.leaderelection.identity import HolderIdentity
from appstack.leaderelection.lease_client import LeaseClient
from appstack.leaderelection.lease_record import LeaseObserver, LeaseRecord, LeaseTimings
from appstack.leaderelection.scope import Scope, overlap


class ConflictCheck:
    """Compares the scope of this operator with the scopes on the Leases of all other operators."""

    def __init__(self, client: LeaseClient, *, ref: Ref, scope: Scope, identity: HolderIdentity) -> None:
        self._client = client
        self._ref = ref
        self._scope = scope
        self._identity = identity
        self._standby_observer = LeaseObserver(identity)

    async def observe(self) -> None:
        """Observe conflicting Leases as a standby. `run` ignores those that have expired since."""
        self._standby_observer.observe(await self._client.retry_until_available(self._conflicting))

    async def run(self, timings: LeaseTimings) -> None:
        """Return once every conflicting Lease is known to be unused. Raise OperatorError if one is in use.

        A Lease is in use if its renewTime is recent or it is renewed during the check. It is unused if it has expired,
        or if it was not renewed within the renewal interval that it declares.
        """
        observer = LeaseObserver(self._identity)
        started_at = elapsed()
        while True:
            conflicting = await self._client.retry_until_available(self._conflicting)
            records = [record for record in conflicting if not self._standby_observer.is_expired(record)]
            observer.observe(records)
            undecided = [record for record in records if not observer.is_expired(record)]
            for record in undecided:
                if record.was_renewed_recently(datetime.now(UTC)) or observer.was_renewed(record.ref):
                    raise self._error(record)
            if all(elapsed() - started_at > record.timings.renew_after + 1 for record in undecided):
                return
            await asyncio.sleep(timings.retry_interval)

    async def _conflicting(self) -> list[LeaseRecord]:
        return [
            record
            async for record in self._client.records()
            if record.ref != self._ref and record.holder and overlap(self._scope, record.scope)
        ]

    def _error(self, record: LeaseRecord) -> OperatorError:
        return OperatorError(
            f"Another operator reconciles {truncate(str(record.scope))} ({record.ref}, held by "
            f"{truncate(record.holder)}), which overlaps with the scope of this operator: {self._scope}",
            "Set `namespaces` or `excludeNamespaces` so that the scopes are disjoint, or give both operators a "
            "`namespaceSelector` with different values of one label, or stop the other operator; "
            f"if it has crashed, wait {record.timings.duration} seconds",
        )
