"""What Leases say, and what is seen of them over time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from appstack.client.requests import LEASES
from appstack.k8s.lenient_json import read
from appstack.k8s.metadata import GROUP, Manifest, Ref
from appstack.leaderelection.identity import Holder
from appstack.leaderelection.scope import Scope
from appstack.settings import LONGEST_LEASE, LONGEST_SELECTOR, MANY, WIDEST

LABEL: Final = f"{GROUP}/operator"
_NAMESPACES: Final = f"{GROUP}/namespaces"
_EXCLUDED: Final = f"{GROUP}/exclude-namespaces"
_SELECTOR: Final = f"{GROUP}/namespace-selector"

_DURATION: Final = 15  # seconds for which a Lease holds that doesn't say so
_CLOCK: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """Return seconds of a clock that nobody sets, and that goes on while we are paused or the machine sleeps."""
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True, slots=True)
class Times:
    """What a holder makes of the seconds for which its Lease holds."""

    duration: int

    @property
    def renew(self) -> float:
        """After how long it renews the Lease."""
        return self.duration / 3

    @property
    def fence(self) -> float:
        """For how long after it sent a renewal that succeeded it may send anything: others take over later."""
        return self.duration * 0.8

    @property
    def patience(self) -> float:
        """How long it waits for the answer to a renewal: a second try fits in before the fence."""
        return self.duration / 5

    @property
    def retry(self) -> float:
        """How long it waits after a renewal that failed."""
        return self.duration / 15


def notes(scope: Scope) -> dict[str, str]:
    """Return how a Lease says what its holder reconciles."""
    return {
        _NAMESPACES: json.dumps(list(scope.namespaces)),
        _EXCLUDED: json.dumps(list(scope.excluded)),
        _SELECTOR: scope.selector,
    }


@dataclass(frozen=True, slots=True)
class Claim:
    """What a Lease says."""

    ref: Ref
    holder: str
    renewed: str
    times: Times
    scope: Scope
    version: str = field(default="", compare=False)  # the Lease's resourceVersion

    @classmethod
    def of(cls, lease: Manifest) -> Claim:
        """Read a Lease."""
        spec = lease.get("spec") or {}
        said = lease["metadata"].get("annotations") or {}
        ref = Ref(LEASES.api_version, "Lease", lease["metadata"]["namespace"], lease["metadata"]["name"])
        return cls(
            ref,
            holder=spec.get("holderIdentity") or "",
            renewed=spec.get("renewTime") or "",
            times=Times(min(spec.get("leaseDurationSeconds") or _DURATION, LONGEST_LEASE)),  # it may say a lifetime
            scope=_scope(said),
            version=lease["metadata"]["resourceVersion"],
        )

    def recent(self, now: datetime) -> bool:
        """Tell whether it was renewed of late, by our clock."""
        try:
            return abs((now - datetime.fromisoformat(self.renewed)).total_seconds()) < self.times.duration
        except ValueError:
            return False


def _scope(said: Mapping[str, str]) -> Scope:
    """Return what a Lease says that its holder reconciles, and more where to compare that would take long."""
    selector = said.get(_SELECTOR, "")
    labelled = selector if len(selector) <= LONGEST_SELECTOR else ""
    return Scope(_patterns(said, _NAMESPACES), _patterns(said, _EXCLUDED), labelled)


def _patterns(said: Mapping[str, str], key: str) -> tuple[str, ...]:
    try:
        patterns = tuple(str(pattern) for pattern in read(said.get(key, "[]").encode()))
    except (ValueError, TypeError):
        return ()  # as if it reconciled everything
    return patterns if len(patterns) <= MANY and all(len(each) <= WIDEST for each in patterns) else ()


class Watched:
    """Leases of others over time: whether one is renewed is seen, not computed from somebody else's clock."""

    def __init__(self, me: Holder, *, now: Callable[[], float] = elapsed) -> None:
        self._me = me
        self._now = now
        self._claims: dict[Ref, Claim] = {}
        self._since: dict[Ref, float] = {}
        self._renewed: set[Ref] = set()

    def see(self, claims: Iterable[Claim]) -> None:
        """Take in what is there now."""
        for claim in claims:
            before = self._claims.get(claim.ref)
            if before == claim:
                continue
            if before is not None and before.holder == claim.holder:
                self._renewed.add(claim.ref)
            self._claims[claim.ref] = claim
            self._since[claim.ref] = self._now()

    def last(self, ref: Ref) -> Claim | None:
        """Return what a Lease said when it was last seen."""
        return self._claims.get(ref)

    def seen_renewed(self, ref: Ref) -> bool:
        """Tell whether its holder has renewed it before our eyes."""
        return ref in self._renewed

    def left(self, claim: Claim) -> float:
        """Return for how many seconds its holder may still live."""
        return self._since[claim.ref] + claim.times.duration - self._now()

    def dead(self, claim: Claim) -> bool:
        """Tell whether its holder is gone for sure: not the least renewal for as long as the Lease held."""
        silent = self._claims.get(claim.ref) == claim and self.left(claim) < 0
        return silent or self._me.outlived(claim.holder)
