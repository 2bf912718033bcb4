"""Content of Leases, and observation of their renewals over time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from appstack.client.fencing import elapsed
from appstack.client.requests import LEASES
from appstack.k8s.lenient_json import loads
from appstack.k8s.metadata import GROUP, Manifest, Ref
from appstack.leaderelection.identity import HolderIdentity
from appstack.leaderelection.scope import Scope
from appstack.settings import MAX_LEASE_SECONDS, MAX_NAMESPACE_PATTERNS, MAX_PATTERN_LENGTH, MAX_SELECTOR_LENGTH

LABEL: Final = f"{GROUP}/operator"
_NAMESPACES: Final = f"{GROUP}/namespaces"
_EXCLUDED: Final = f"{GROUP}/exclude-namespaces"
_SELECTOR: Final = f"{GROUP}/namespace-selector"

_DEFAULT_LEASE_SECONDS: Final = 15  # of a Lease without leaseDurationSeconds


@dataclass(frozen=True, slots=True)
class LeaseTimings:
    """Intervals and deadlines that follow from the duration of a Lease, all in seconds."""

    duration: int

    @property
    def renew_after(self) -> float:
        """Interval between two renewals."""
        return self.duration / 3

    @property
    def send_deadline(self) -> float:
        """Time after the start of the last successful renewal during which the leader may send requests.

        It ends before the Lease expires, so that the next leader never sends at the same time.
        """
        return self.duration * 0.8

    @property
    def request_timeout(self) -> float:
        """Timeout of a renewal. A second attempt fits in before the send deadline."""
        return self.duration / 5

    @property
    def retry_interval(self) -> float:
        """Pause after a failed request."""
        return self.duration / 15


def scope_annotations(scope: Scope) -> dict[str, str]:
    """Return the annotations that publish the scope of an operator on its Lease."""
    return {
        _NAMESPACES: json.dumps(list(scope.namespaces)),
        _EXCLUDED: json.dumps(list(scope.excluded)),
        _SELECTOR: scope.selector,
    }


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """Content of a Lease. Records are equal if the holder has not renewed the Lease between them."""

    ref: Ref
    holder: str  # empty when the Lease is released
    renew_time: str
    timings: LeaseTimings
    scope: Scope
    resource_version: str = field(default="", compare=False)

    @classmethod
    def of(cls, lease: Manifest) -> LeaseRecord:
        """Return the content of a Lease, which may have been written by any API client."""
        spec = lease.get("spec") or {}
        ref = Ref(LEASES.api_version, "Lease", lease["metadata"]["namespace"], lease["metadata"]["name"])
        return cls(
            ref,
            holder=spec.get("holderIdentity") or "",
            renew_time=spec.get("renewTime") or "",
            timings=LeaseTimings(min(spec.get("leaseDurationSeconds") or _DEFAULT_LEASE_SECONDS, MAX_LEASE_SECONDS)),
            scope=_scope(lease["metadata"].get("annotations") or {}),
            resource_version=lease["metadata"]["resourceVersion"],
        )

    def was_renewed_recently(self, now: datetime) -> bool:
        """Return whether `renewTime` is less than one Lease duration away from the local clock."""
        try:
            return abs((now - datetime.fromisoformat(self.renew_time)).total_seconds()) < self.timings.duration
        except ValueError:
            return False


def _scope(values: Mapping[str, str]) -> Scope:
    """Return the scope in the annotations. A part that is malformed or costly to compare counts as unrestricted."""
    selector = values.get(_SELECTOR, "")
    bounded = selector if len(selector) <= MAX_SELECTOR_LENGTH else ""
    return Scope(_patterns(values, _NAMESPACES), _patterns(values, _EXCLUDED), bounded)


def _patterns(values: Mapping[str, str], key: str) -> tuple[str, ...]:
    try:
        patterns = tuple(str(pattern) for pattern in loads(values.get(key, "[]").encode()))
    except (ValueError, TypeError):
        return ()
    bounded = len(patterns) <= MAX_NAMESPACE_PATTERNS and all(len(one) <= MAX_PATTERN_LENGTH for one in patterns)
    return patterns if bounded else ()


class LeaseObserver:
    """Latest records of Leases, with the local time at which each of them changed.

    A renewal is recognised by a change between two records. The clock of the holder is not used.
    """

    def __init__(self, identity: HolderIdentity, *, now: Callable[[], float] = elapsed) -> None:
        self._identity = identity
        self._now = now
        self._records: dict[Ref, LeaseRecord] = {}
        self._changed_at: dict[Ref, float] = {}
        self._renewed: set[Ref] = set()

    def observe(self, records: Iterable[LeaseRecord]) -> None:
        """Store the current records."""
        for record in records:
            previous = self._records.get(record.ref)
            if previous == record:
                continue
            if previous is not None and previous.holder == record.holder:
                self._renewed.add(record.ref)
            self._records[record.ref] = record
            self._changed_at[record.ref] = self._now()

    def latest(self, ref: Ref) -> LeaseRecord | None:
        """Return the latest record of a Lease, also of one that has been deleted since."""
        return self._records.get(ref)

    def was_renewed(self, ref: Ref) -> bool:
        """Return whether a holder has renewed the Lease between two observations."""
        return ref in self._renewed

    def remaining(self, record: LeaseRecord) -> float:
        """Return the seconds until the Lease of an observed record expires; negative after that."""
        return self._changed_at[record.ref] + record.timings.duration - self._now()

    def is_expired(self, record: LeaseRecord) -> bool:
        """Return whether the holder cannot send requests any more: its Lease has expired, or its process is dead."""
        expired = self._records.get(record.ref) == record and self.remaining(record) < 0
        return expired or self._identity.is_dead(record.holder)
