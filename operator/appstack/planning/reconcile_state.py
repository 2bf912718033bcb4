"""State kept between reconciles of an AppStack, in addition to the caches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from appstack.k8s.metadata import Ref
from appstack.planning.changes import Applied
from appstack.planning.drift import NO_DRIFT, DriftBackoff
from appstack.planning.policy_issues import Violations

NEVER: Final = float("-inf")
"""The time of an event that has not happened; times here are seconds of a monotonic clock."""


@dataclass(frozen=True, slots=True)
class PendingStatus:
    """A status that waits for the status writer."""

    text: bytes  # JSON: a backlog leaves thousands of them, and text takes a fifth of the memory
    covers: tuple[Applied, ...]  # the unrecorded children that it records, or that are gone
    not_before: float  # the end of the debounce
    succeeded: bool  # the reconcile that built it succeeded, so its write ends the back-off


@dataclass(slots=True)
class ReconcileState:
    """State that one reconcile passes to the next. AppStackStore drops it with its AppStack.

    A restart loses all of it. The reason given with each field says why that changes nothing but timing.
    """

    unrecorded: tuple[Applied, ...] = ()
    """Children that were applied and that no status records yet: statuses are written after children. An operator that
    starts without it applies these children once more, without effect."""

    pending_status: PendingStatus | None = None
    """The status to write next. Each reconcile drops it and builds it again from the caches."""

    outdated_since: float | None = None
    """When a reconcile first built a status that differs from the written one: the oldest is written first."""

    last_status_write: float = NEVER
    """Start of the debounce: one write of a status a second at most."""

    last_child_deletion: float = NEVER
    """When the watch last showed the deletion of a child. It may be the first sign that the AppStack itself is deleted,
    so children are not recreated for a moment."""

    consecutive_outages: int = 0
    """Reconciles in a row for which the API server was unavailable. A short outage is not worth a status."""

    not_served: frozenset[tuple[str, str]] = frozenset()
    """apiVersion and kind of desired children that the cluster did not serve: the informer of such a kind retries
    discovery while an AppStack wants it, and enqueues that AppStack when it succeeds."""

    awaits_dependencies: bool = False
    """Whether the last reconcile held back the workload: an AppStack that becomes ready enqueues those that wait for
    it. After a restart, every AppStack is reconciled anyway."""

    drift: DriftBackoff = NO_DRIFT
    """Recent repairs of each child, for the back-off against another writer. A restart resets it."""

    violations: Violations = ()
    """Fields of the policy that the AppStack violates, for the metric. The first reconcile after a restart finds them
    again."""

    def record_applied(self, applied: Mapping[Ref, Applied]) -> None:
        """Remember applied children until a status records them."""
        if applied:
            self.unrecorded = tuple(({one.ref: one for one in self.unrecorded} | dict(applied)).values())

    def record_status(self, covers: tuple[Applied, ...], *, at: float) -> None:
        """Note that a status was written, and forget the applied children that it covers."""
        self.last_status_write, self.outdated_since = at, None
        self.unrecorded = tuple(one for one in self.unrecorded if not any(one is covered for covered in covers))
