"""The operator's claim: a Lease of its own that says what it reconciles, so that no two ever meet.

Operators of one identity share a Lease: one works, the others stand by. Operators of different identities must have
scopes that can't overlap; who comes later and does not fit is refused with a sentence.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, TypeVar

from appstack.client import requests
from appstack.client.client import Client, said
from appstack.client.responses import decode
from appstack.errors import ApiRejected, ApiUnavailable, OperatorError
from appstack.k8s.metadata import Manifest, Ref
from appstack.leaderelection.identity import Holder
from appstack.leaderelection.lease_record import LABEL, Claim, Times, Watched, elapsed, notes
from appstack.leaderelection.scope import Scope, overlap
from appstack.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Lease:
    """Ours."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._client = client
        self.scope = Scope(settings.namespaces, settings.exclude_namespaces, settings.namespace_selector)
        self._stands_by = bool(settings.identity)
        name = settings.identity or _slug(f"run-{socket.gethostname()}")
        self.ref = Ref(requests.LEASES.api_version, "Lease", settings.operator_namespace, name)
        self.me = Holder.me()
        self._times = Times(settings.lease_duration)
        self._watched = Watched(self.me)
        self._held: Manifest | None = None  # as we last wrote it
        self._alone = False  # nobody who may meet us was found: only then do we work
        self._won = False  # until it is given up: who loses it ends
        self._renewed = float("-inf")

    def holds(self) -> bool:
        """Tell whether nobody else can hold it at this moment."""
        return elapsed() - self._renewed < self._times.fence

    def passes(self) -> bool:
        """Tell whether anything may be sent at this moment: whoever stands by only looks, whoever has won must hold it.

        A process that was paused past its Lease finds this shut when it wakes, for the Lease's own renewal, too.
        """
        return not self._won or self.holds()

    async def acquire(self) -> None:
        """Wait until the Lease is ours; raise OperatorError where it never will be."""
        told = False
        while (claim := await self._insist(self._try)) is not None:
            if not told:
                logger.info("Standing by: Lease %s is held by %s", self.ref.name, claim.holder)
                self._watched.see(
                    await self._insist(self._rivals)
                )  # who stays silent from now on is known to be dead by then
                told = True
            if not self._stands_by and self._watched.seen_renewed(self.ref):
                raise self._twice(claim)
            await self._change(claim)

    async def alone(self) -> None:
        """Make sure that no other operator may meet us; raise OperatorError where one may."""
        watched = Watched(self.me)
        began = elapsed()
        while True:
            rivals = [claim for claim in await self._insist(self._rivals) if not self._watched.dead(claim)]
            watched.see(rivals)
            doubtful = [claim for claim in rivals if not watched.dead(claim)]
            for claim in doubtful:
                if claim.recent(datetime.now(UTC)) or watched.seen_renewed(claim.ref):
                    raise self._rival(claim)
            if all(elapsed() - began > claim.times.renew + 1 for claim in doubtful):
                self._alone = True
                return
            await asyncio.sleep(self._times.retry)

    async def keep(self) -> None:
        """Renew until cancelled; raise OperatorError when the Lease is lost."""
        while True:
            await asyncio.sleep(self._times.renew if self._fresh() else self._times.retry)
            if not self.holds():
                raise self._lost("was not renewed in time")
            try:
                async with asyncio.timeout(self._times.patience):
                    await self._renew()
            except (ApiUnavailable, TimeoutError) as error:
                logger.warning("Lease %s is not renewed: %s", self.ref.name, said(error))

    async def release(self) -> None:
        """Give the Lease up, so that another need not wait for its end."""
        if not self._won or not self.holds():
            return
        try:
            await self._put_down()
            logger.log(logging.INFO if self._alone else logging.DEBUG, "Lease %s is released", self.ref.name)
        except (ApiRejected, ApiUnavailable) as error:
            logger.warning("Lease %s is not released: %s", self.ref.name, error)
        self._won, self._renewed = False, float("-inf")

    async def _put_down(self) -> None:
        """Write that nobody holds it, also over a renewal of ours that landed while its answer was not waited for."""
        try:
            await self._put(None)
        except ApiRejected as error:
            found = await self._get() if error.status == 409 else None
            if found is None or Claim.of(found).holder != str(self.me):
                raise
            self._held = found
            await self._put(None)

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until the API server can answer."""
        while True:
            try:
                return await ask()
            except ApiUnavailable as error:
                logger.debug("Lease %s: %s", self.ref.name, error)
            await asyncio.sleep(self._times.retry)

    def _fresh(self) -> bool:
        return elapsed() - self._renewed < self._times.renew

    async def _try(self) -> Claim | None:
        """Take the Lease where nobody holds it; return whose it is where somebody does.

        Whoever held one that was deleted may still write: it is theirs until it would have been over.
        """
        while True:
            lease = await self._get()
            claim = self._watched.last(self.ref) if lease is None else Claim.of(lease)
            if claim is not None:
                self._watched.see([claim])
                if claim.holder and not self._watched.dead(claim):
                    return claim
            self._held = lease
            try:
                await self._put(self.me)
            except ApiRejected as error:
                if error.status != 409:  # else another was faster
                    raise self._denied(error) from error
            else:
                return None

    async def _change(self, claim: Claim) -> None:
        """Wait until the Lease is another's, renewed or over: a watch shows it at once, else we ask again soon."""
        left = max(self._watched.left(claim), 0)
        try:
            async with (
                asyncio.timeout(left),
                aclosing(self._client.lines(requests.watch_lease(self.ref, version=claim.version))) as lines,
            ):
                async for line in lines:
                    if decode(line).type not in ("ERROR", "DELETED"):
                        return
                    break  # too old a version, or a Lease that is gone: every watch would begin with that
        except TimeoutError:
            return
        except (ApiRejected, ApiUnavailable) as error:
            logger.debug("Watch of Lease %s: %s", self.ref.name, error)
        await asyncio.sleep(min(left, self._times.retry))

    async def _get(self) -> Manifest | None:
        try:
            return await self._client.send(requests.lease(self.ref))
        except ApiRejected as error:
            if error.status == 404:
                return None
            raise self._denied(error) from error

    async def _put(self, holder: Holder | None) -> None:
        """Write the Lease over the one that we know, or make it."""
        before = self._held
        sent = elapsed()
        manifest = self._manifest(holder, before=before)
        request = requests.create_lease(manifest) if before is None else requests.update_lease(manifest)
        self._held = await self._client.send(request)
        if holder is not None:
            self._won, self._renewed = True, sent

    def _manifest(self, holder: Holder | None, *, before: Manifest | None) -> Manifest:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        former: Mapping[str, Any] = (before or {}).get("spec") or {}
        same = former.get("holderIdentity") == str(holder)
        metadata: Manifest = {
            "name": self.ref.name,
            "namespace": self.ref.namespace,
            "labels": {LABEL: self.ref.name},
            "annotations": notes(self.scope),
        }
        if before is not None:
            metadata["resourceVersion"] = before["metadata"]["resourceVersion"]
        spec: Manifest = {
            "holderIdentity": str(holder) if holder else "",
            "leaseDurationSeconds": self._times.duration,
            "acquireTime": former.get("acquireTime") if same or not holder else now,
            "renewTime": now,
            "leaseTransitions": (former.get("leaseTransitions") or 0) + (0 if same or not holder else 1),
        }
        return {"apiVersion": self.ref.api_version, "kind": "Lease", "metadata": metadata, "spec": spec}

    async def _renew(self) -> None:
        try:
            await self._put(self.me)
        except ApiRejected as error:
            await self._reread(error)

    async def _reread(self, error: ApiRejected) -> None:
        """Find out whether a Lease that could not be renewed is still ours."""
        if error.status not in (404, 409):
            logger.warning("Lease %s is not renewed: %s", self.ref.name, error)
            return
        lease = await self._get()
        if lease is not None and Claim.of(lease).holder != str(self.me):
            raise self._lost(f"was taken over by {Claim.of(lease).holder or 'nobody'}")
        self._held = lease

    async def _rivals(self) -> list[Claim]:
        found: list[Claim] = []
        after = ""
        while True:
            try:
                page = await self._client.send(requests.leases(LABEL, after=after))
            except ApiRejected as error:
                if error.status == 410:  # it took too long: from the first page again
                    raise ApiUnavailable(error.message) from error
                raise self._denied(error) from error
            for lease in page["items"]:
                claim = Claim.of(lease)
                if claim.ref != self.ref and claim.holder and overlap(self.scope, claim.scope):
                    found.append(claim)
                await asyncio.sleep(0)  # whoever may write Leases may write many
            after = (page.get("metadata") or {}).get("continue", "")
            if not after:
                return found

    def _rival(self, claim: Claim) -> OperatorError:
        return OperatorError(
            f"Another operator reconciles {claim.scope} ({claim.ref}, held by {claim.holder}), "
            f"and this one would reconcile {self.scope}: two must not meet in one namespace",
            "Set `namespaces` or `excludeNamespaces` so that they can't, or give both a `namespaceSelector` with "
            "other values of one label, or stop the other; "
            f"if it is dead already, wait {claim.times.duration} seconds",
        )

    def _twice(self, claim: Claim) -> OperatorError:
        return OperatorError(
            f"This operator runs already: {claim.ref} is held by {claim.holder}",
            "Stop that one first, or give both the same `identity` to let one stand by for the other",
        )

    def _lost(self, how: str) -> OperatorError:
        self._renewed = float("-inf")  # there is nothing to release
        return OperatorError(f"{self.ref} {how}: nothing is written any more", "Start the operator again")

    def _denied(self, error: ApiRejected) -> OperatorError:
        if error.status == 404:
            return OperatorError(
                f"The namespace {self.ref.namespace} for the operator's Lease does not exist",
                f"Run `kubectl create namespace {self.ref.namespace}`, or set `operatorNamespace`",
            )
        return OperatorError(
            f"The operator may not keep its Lease: {error.message}",
            f"Grant get, watch, create and update of leases in {self.ref.namespace}, and list of leases in the cluster",
        )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower())[:63].strip("-.")
