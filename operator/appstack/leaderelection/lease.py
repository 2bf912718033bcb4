"""Lease of this operator: leader election among operators of one identity, and the send deadline of the leader.

Operators with the same `identity` share a Lease: one is the leader, the others are standbys. Operators with different
identities must have scopes that cannot overlap; the one that starts later refuses to start otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from appstack.client import requests
from appstack.client.client import Client, describe
from appstack.client.fencing import Fence, elapsed
from appstack.errors import ApiRejected, ApiUnavailable, OperatorError
from appstack.k8s.metadata import Manifest, Ref
from appstack.k8s.text import micro_time
from appstack.leaderelection.conflict_check import ConflictCheck
from appstack.leaderelection.identity import HolderIdentity
from appstack.leaderelection.lease_client import LeaseClient
from appstack.leaderelection.lease_record import (
    LABEL,
    LeaseObserver,
    LeaseRecord,
    LeaseTimings,
    scope_annotations,
)
from appstack.leaderelection.scope import Scope
from appstack.settings import Settings

logger = logging.getLogger(__name__)


class Lease:
    """Acquires, renews and releases the Lease, in this order and once: a process that loses its Lease exits."""

    def __init__(self, settings: Settings, client: Client, fence: Fence) -> None:
        self.scope = Scope(settings.namespaces, settings.exclude_namespaces, settings.namespace_selector)
        self.identity = HolderIdentity.current()
        name = settings.identity or _slug(f"run-{socket.gethostname()}")
        self.ref = Ref(requests.LEASES.api_version, "Lease", settings.operator_namespace, name)
        self._may_be_standby = bool(settings.identity)
        self._timings = LeaseTimings(settings.lease_duration)
        self._fence = fence
        listed = settings.operator_namespace if settings.conflict_check == "OperatorNamespace" else ""
        self._client = LeaseClient(
            client, self.ref, retry_interval=self._timings.retry_interval, listed_namespace=listed
        )
        self._conflicts = ConflictCheck(self._client, ref=self.ref, scope=self.scope, identity=self.identity)
        self._observer = LeaseObserver(self.identity)
        self._lease: Manifest | None = None  # as last read or written; its resourceVersion guards the next write
        self._is_unopposed = False
        self._renewed_at = float("-inf")

    def is_leader(self) -> bool:
        """Return whether no other process can hold the Lease at this moment."""
        return elapsed() - self._renewed_at < self._timings.send_deadline

    async def acquire(self) -> None:
        """Wait until this process is the leader. Raise OperatorError if that is impossible."""
        is_standby = False
        while (record := await self._client.retry_until_available(self._try_acquire)) is not None:
            if not is_standby:
                logger.info("Standby: Lease %s is held by %s", self.ref.name, record.holder)
                await self._conflicts.observe()
                is_standby = True
            if not self._may_be_standby and self._observer.was_renewed(self.ref):
                raise _already_running(record)
            await self._client.wait_for_change(record, within=max(self._observer.remaining(record), 0))

    async def check_conflicts(self) -> None:
        """Check that no other operator reconciles a namespace of this one. Raise OperatorError if one may."""
        await self._conflicts.run(self._timings)
        self._is_unopposed = True

    async def renew_forever(self, loop_responds: Callable[[], bool] = lambda: True) -> None:
        """Renew the Lease until cancelled, while `loop_responds` returns True. Raise OperatorError when it is lost."""
        while True:
            is_fresh = elapsed() - self._renewed_at < self._timings.renew_after
            await asyncio.sleep(self._timings.renew_after if is_fresh else self._timings.retry_interval)
            if not self.is_leader():
                raise self._end_leadership("was not renewed in time")
            if not loop_responds():
                logger.warning("Lease %s: not renewed, because the event loop does not respond", self.ref.name)
                continue
            try:
                async with asyncio.timeout(self._timings.request_timeout):
                    await self._renew()
            except (ApiUnavailable, TimeoutError) as error:
                logger.warning("Lease %s: renewal failed, retrying: %s", self.ref.name, describe(error))

    async def release(self) -> None:
        """Release the Lease, so that a standby becomes leader without waiting for its expiry."""
        if not self.is_leader():
            return
        try:
            await self._release()
            logger.log(logging.INFO if self._is_unopposed else logging.DEBUG, "Lease %s is released", self.ref.name)
        except (ApiRejected, ApiUnavailable) as error:
            logger.warning("Lease %s: release failed, it expires by itself: %s", self.ref.name, error)
        self._renewed_at = float("-inf")
        self._fence.clear_deadline()

    async def _release(self) -> None:
        """Write an empty holder. A conflict may be a renewal of this process that timed out and succeeded later."""
        try:
            await self._write(None)
        except ApiRejected as error:
            lease = await self._client.get() if error.status == 409 else None
            if lease is None or LeaseRecord.of(lease).holder != str(self.identity):
                raise
            self._lease = lease
            await self._write(None)

    async def _try_acquire(self) -> LeaseRecord | None:
        """Acquire the Lease if it is free or expired. Return its record if it is held by another process.

        A deleted Lease counts as held until it would have expired, because its holder may still send requests.
        """
        while True:
            lease = await self._client.get()
            record = self._observer.latest(self.ref) if lease is None else LeaseRecord.of(lease)
            if record is not None:
                self._observer.observe([record])
                if record.holder and not self._observer.is_expired(record):
                    return record
            self._lease = lease
            try:
                await self._write(self.identity)
            except ApiRejected as error:
                if error.status != 409:  # a 409 means that another process was faster: read the Lease again
                    raise self._client.denied(error) from error
            else:
                return None

    async def _renew(self) -> None:
        try:
            await self._write(self.identity)
        except ApiRejected as error:
            if error.status not in (404, 409):
                logger.warning("Lease %s: renewal rejected, retrying: %s", self.ref.name, error)
                return
            lease = await self._client.get()
            if lease is not None and (holder := LeaseRecord.of(lease).holder) != str(self.identity):
                cause = f"was taken over by {holder}" if holder else "was released by another client"
                raise self._end_leadership(cause) from error
            self._lease = lease

    async def _write(self, holder: HolderIdentity | None) -> None:
        """Write the Lease with this holder, on condition that it has not changed since it was last read or written."""
        sent_at = elapsed()
        self._lease = await self._client.write(self._manifest(holder))
        if holder is not None:
            self._renewed_at = sent_at
            self._fence.set_deadline(sent_at + self._timings.send_deadline)

    def _manifest(self, holder: HolderIdentity | None) -> Manifest:
        now = micro_time(datetime.now(UTC))
        previous: Mapping[str, Any] = (self._lease or {}).get("spec") or {}
        is_transition = holder is not None and previous.get("holderIdentity") != str(holder)
        metadata: Manifest = {
            "name": self.ref.name,
            "namespace": self.ref.namespace,
            "labels": {LABEL: self.ref.name},
            "annotations": scope_annotations(self.scope),
        }
        if self._lease is not None:
            metadata["resourceVersion"] = self._lease["metadata"]["resourceVersion"]
        spec: Manifest = {
            "holderIdentity": str(holder) if holder else "",
            "leaseDurationSeconds": self._timings.duration,
            "acquireTime": now if is_transition else previous.get("acquireTime"),
            "renewTime": now,
            "leaseTransitions": (previous.get("leaseTransitions") or 0) + int(is_transition),
        }
        return {"apiVersion": self.ref.api_version, "kind": "Lease", "metadata": metadata, "spec": spec}

    def _end_leadership(self, cause: str) -> OperatorError:
        """Forbid further requests, also the release of the Lease, and return the error to raise."""
        self._renewed_at = float("-inf")
        self._fence.set_deadline(float("-inf"))
        return OperatorError(f"{self.ref} {cause}: this operator has stopped writing", "Restart the operator")


def _already_running(record: LeaseRecord) -> OperatorError:
    return OperatorError(
        f"This operator is already running: {record.ref} is held by {record.holder}",
        "Stop the other process, or give both the same `identity` to run one of them as standby",
    )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower())[:63].strip("-.")
