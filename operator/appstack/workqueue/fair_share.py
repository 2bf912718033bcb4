"""How much each group may hold of what there is a limited number of. PURE."""

from __future__ import annotations

from collections.abc import Hashable


class FairShare:
    """A group may take another one while it holds fewer than are free: so no group takes what others would need.

    One that gives nothing back ends up with half of all, a second such one with half of the rest. Groups that do give
    back end up with equal parts, however much each of them wants.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._held: dict[Hashable, int] = {}

    def may(self, group: Hashable) -> bool:
        """Tell whether a group may take another one. Groups that may not are fewer than are held, if one is free."""
        return self._held.get(group, 0) < self._free

    def take(self, group: Hashable) -> None:
        """Let a group hold another one."""
        self._free -= 1
        self._held[group] = self._held.get(group, 0) + 1

    def give_back(self, group: Hashable) -> None:
        """Let a group hold one fewer."""
        self._free += 1
        self._held[group] -= 1
        if not self._held[group]:
            del self._held[group]

    def unused(self) -> bool:
        """Tell whether nobody holds any."""
        return not self._held
