"""The share of a limited pool that each tenant may hold."""

from __future__ import annotations

from collections.abc import Hashable


class FairShare:
    """Limits the slots of each tenant: it may acquire a slot while it holds fewer than are free.

    A tenant that never releases ends up with half of the pool, a second such tenant with half of the rest. Tenants that
    do release end up with equal parts, however much each of them asks for.
    """

    def __init__(self, size: int) -> None:
        self._free = size
        self._held: dict[Hashable, int] = {}

    def may_acquire(self, tenant: Hashable) -> bool:
        """Return whether the tenant holds fewer slots than are free."""
        return self._held.get(tenant, 0) < self._free

    def acquire(self, tenant: Hashable) -> None:
        """Count a slot as held by the tenant."""
        self._free -= 1
        self._held[tenant] = self._held.get(tenant, 0) + 1

    def release(self, tenant: Hashable) -> None:
        """Count a slot of the tenant as free."""
        self._free += 1
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]

    def is_idle(self) -> bool:
        """Return whether no slot is held."""
        return not self._held
