"""What Leases say, and what is seen of them over time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from appstack.cluster.holder import Holder
from appstack.cluster.requests import LEASES
from appstack.meta import GROUP, Manifest, Ref
from appstack.scope import Scope

LABEL: Final = f"{GROUP}/operator"
_NAMESPACES: Final = f"{GROUP}/namespaces"
_EXCLUDED: Final = f"{GROUP}/exclude-namespaces"

DURATION: Final = 15  # seconds for which a Lease holds


def notes(scope: Scope) -> dict[str, str]:
    """Return how a Lease says what its holder reconciles."""
    return {_NAMESPACES: json.dumps(list(scope.namespaces)), _EXCLUDED: json.dumps(list(scope.excluded))}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a Lease says."""

    ref: Ref
    holder: str
    renewed: str
    scope: Scope

    @classmethod
    def of(cls, lease: Manifest) -> Claim:
        """Read a Lease."""
        spec = lease.get("spec") or {}
        said = lease["metadata"].get("annotations") or {}
        ref = Ref(LEASES.api_version, "Lease", lease["metadata"]["namespace"], lease["metadata"]["name"])
        scope = Scope(_patterns(said, _NAMESPACES), _patterns(said, _EXCLUDED))
        return cls(ref, spec.get("holderIdentity") or "", spec.get("renewTime") or "", scope)

    def recent(self, now: datetime) -> bool:
        """Tell whether it was renewed of late, by our clock."""
        try:
            return abs((now - datetime.fromisoformat(self.renewed)).total_seconds()) < DURATION
        except ValueError:
            return False


def _patterns(said: Mapping[str, str], key: str) -> tuple[str, ...]:
    try:
        return tuple(str(pattern) for pattern in json.loads(said.get(key, "[]")))
    except (ValueError, TypeError):
        return ()  # as if it reconciled everything


class Watched:
    """Leases of others over time: whether one is renewed is seen, not computed from somebody else's clock."""

    def __init__(self, me: Holder, *, now: Callable[[], float] = time.monotonic) -> None:
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

    def claim_of(self, ref: Ref) -> Claim:
        """Return what was last seen of a Lease."""
        return self._claims[ref]

    def seen_renewed(self, ref: Ref) -> bool:
        """Tell whether its holder has renewed it before our eyes."""
        return ref in self._renewed

    def dead(self, claim: Claim) -> bool:
        """Tell whether its holder is gone for sure."""
        return self._me.outlived(claim.holder) or self._now() - self._since[claim.ref] > DURATION
