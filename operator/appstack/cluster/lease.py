"""The operator's claim: a Lease of its own that says what it reconciles, so that no two ever meet.

Operators of one identity share a Lease: one works, the others stand by. Operators of different identities must have
scopes that can't overlap; who comes later and does not fit is refused with a sentence.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from appstack.cluster import requests
from appstack.cluster.claims import DURATION, LABEL, Claim, Watched, notes
from appstack.cluster.client import Client
from appstack.cluster.holder import Holder
from appstack.errors import OperatorError, Refused, Unavailable
from appstack.meta import Manifest, Ref
from appstack.scope import Scope, overlap
from appstack.settings import Settings

logger = logging.getLogger(__name__)

_RENEW: Final = 5.0
_FENCE: Final = 12.0  # after so long without a renewal nothing is written: others take over at 15
_RETRY: Final = 1.0


class Lease:
    """Ours."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._client = client
        self._scope = Scope(settings.namespaces, settings.exclude_namespaces)
        self._stands_by = bool(settings.identity)
        name = settings.identity or _slug(f"run-{socket.gethostname()}")
        self.ref = Ref(requests.LEASES.api_version, "Lease", settings.operator_namespace, name)
        self.me = Holder.me()
        self._held: Manifest | None = None
        self._renewed = float("-inf")

    def holds(self) -> bool:
        """Tell whether nobody else can hold it at this moment."""
        return time.monotonic() - self._renewed < _FENCE

    async def acquire(self) -> None:
        """Wait until the Lease is ours; raise OperatorError where another operator is in the way."""
        watched = Watched(self.me)
        said = False
        while not await self._try(watched):
            if not said:
                logger.info("Standing by: Lease %s is held by %s", self.ref.name, watched.claim_of(self.ref).holder)
                said = True
            if not self._stands_by and watched.seen_renewed(self.ref):
                raise self._twice(watched.claim_of(self.ref))
            await asyncio.sleep(_RETRY)
        try:
            await self._alone()
        except BaseException:
            await self.release()
            raise

    async def keep(self) -> None:
        """Renew until cancelled; raise OperatorError when the Lease is lost."""
        while True:
            await asyncio.sleep(_RENEW if self._fresh() else _RETRY)
            try:
                await self._put(self.me)
            except Unavailable as error:
                logger.warning("Lease %s is not renewed: %s", self.ref.name, error)
            except Refused as error:
                await self._reread(error)
            if not self.holds():
                raise self._lost("could not be renewed in time")

    async def release(self) -> None:
        """Give the Lease up, so that another need not wait for its end."""
        if self._held is None:
            return
        self._renewed = float("-inf")
        try:
            await self._put_down()
        except (Refused, Unavailable) as error:
            logger.warning("Lease %s is not released: %s", self.ref.name, error)
        self._held = None

    async def _put_down(self) -> None:
        """Write that nobody holds it, also over a renewal of ours that landed while its answer was not waited for."""
        try:
            await self._put(None)
        except Refused as error:
            found = await self._get() if error.status == 409 else None
            if found is None or Claim.of(found).holder != str(self.me):
                raise
            self._held = found
            await self._put(None)

    def _fresh(self) -> bool:
        return time.monotonic() - self._renewed < _RENEW

    async def _try(self, watched: Watched) -> bool:
        """Take the Lease where nobody holds it."""
        lease = await self._get()
        if lease is not None:
            claim = Claim.of(lease)
            watched.see([claim])
            if claim.holder and not watched.dead(claim):
                return False
        self._held = lease
        try:
            await self._put(self.me)
        except Refused as error:
            if error.status == 409:
                return False  # another was faster
            raise self._denied(error) from error
        return True

    async def _get(self) -> Manifest | None:
        try:
            return await self._client.send(requests.lease(self.ref))
        except Refused as error:
            if error.status == 404:
                return None
            raise self._denied(error) from error

    async def _put(self, holder: Holder | None) -> None:
        """Write the Lease over the one that we know, or make it."""
        before = self._held
        sent = time.monotonic()
        manifest = self._manifest(holder, before=before)
        request = requests.create_lease(manifest) if before is None else requests.update_lease(manifest)
        self._held = await self._client.send(request)
        if holder is not None:
            self._renewed = sent

    def _manifest(self, holder: Holder | None, *, before: Manifest | None) -> Manifest:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        former: Mapping[str, Any] = (before or {}).get("spec") or {}
        same = former.get("holderIdentity") == str(holder)
        metadata: Manifest = {
            "name": self.ref.name,
            "namespace": self.ref.namespace,
            "labels": {LABEL: self.ref.name},
            "annotations": notes(self._scope),
        }
        if before is not None:
            metadata["resourceVersion"] = before["metadata"]["resourceVersion"]
        spec: Manifest = {
            "holderIdentity": str(holder) if holder else "",
            "leaseDurationSeconds": DURATION,
            "acquireTime": former.get("acquireTime") if same or not holder else now,
            "renewTime": now,
            "leaseTransitions": (former.get("leaseTransitions") or 0) + (0 if same or not holder else 1),
        }
        return {"apiVersion": self.ref.api_version, "kind": "Lease", "metadata": metadata, "spec": spec}

    async def _reread(self, error: Refused) -> None:
        """Find out whether a Lease that could not be renewed is still ours."""
        if error.status not in (404, 409):
            logger.warning("Lease %s is not renewed: %s", self.ref.name, error)
            return
        try:
            lease = await self._get()
        except Unavailable:
            return
        if lease is not None and Claim.of(lease).holder != str(self.me):
            raise self._lost(f"was taken over by {Claim.of(lease).holder or 'nobody'}")
        self._held = lease

    async def _alone(self) -> None:
        """Make sure that no other operator may meet us; raise OperatorError where one may."""
        watched = Watched(self.me)
        deadline = time.monotonic() + _RENEW + 1
        while True:
            rivals = await self._rivals()
            watched.see(rivals)
            doubtful = [claim for claim in rivals if not watched.dead(claim)]
            for claim in doubtful:
                if claim.recent(datetime.now(UTC)) or watched.seen_renewed(claim.ref):
                    raise self._rival(claim)
            if not doubtful or time.monotonic() > deadline:
                return
            await asyncio.sleep(_RETRY)

    async def _rivals(self) -> list[Claim]:
        try:
            answer = await self._client.send(requests.leases(LABEL))
        except Refused as error:
            raise self._denied(error) from error
        claims = (Claim.of(lease) for lease in answer["items"])
        return [
            claim for claim in claims if claim.ref != self.ref and claim.holder and overlap(self._scope, claim.scope)
        ]

    def _rival(self, claim: Claim) -> OperatorError:
        return OperatorError(
            f"Another operator reconciles {claim.scope} ({claim.ref}, held by {claim.holder}), "
            f"and this one would reconcile {self._scope}: two must not meet in one namespace",
            "Set `namespaces` or `excludeNamespaces` so that they can't, or stop the other; "
            f"if it is dead already, wait {DURATION} seconds",
        )

    def _twice(self, claim: Claim) -> OperatorError:
        return OperatorError(
            f"This operator runs already: {claim.ref} is held by {claim.holder}",
            "Stop that one first, or give both the same `identity` to let one stand by for the other",
        )

    def _lost(self, how: str) -> OperatorError:
        self._held = None  # there is nothing to release
        return OperatorError(f"{self.ref} {how}: nothing is written any more", "Start the operator again")

    def _denied(self, error: Refused) -> OperatorError:
        if error.status == 404:
            return OperatorError(
                f"The namespace {self.ref.namespace} for the operator's Lease does not exist",
                f"Run `kubectl create namespace {self.ref.namespace}`, or set `operatorNamespace`",
            )
        return OperatorError(
            f"The operator may not keep its Lease: {error.message}",
            f"Grant get, create and update of leases in {self.ref.namespace}, and list of leases in the cluster",
        )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower())[:63].strip("-.")
