"""Names of the AppStacks of a conversion."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from appstack.convert.grouping import Group
from appstack.k8s.metadata import MAX_NAME_LENGTH

_INVALID: Final = re.compile(r"[^a-z0-9-]+")


def stack_names(groups: Iterable[Group]) -> Iterator[tuple[str, Group]]:
    """Yield a name for each group: that of its workload where possible, with the kind if another stack has the name."""
    taken: set[tuple[str, str]] = set()
    for group in groups:
        workload = group.workload
        name = valid_name(workload.name)
        if (workload.namespace, name) in taken:
            name = valid_name(f"{name[: MAX_NAME_LENGTH - len(workload.kind) - 1]}-{workload.kind.lower()}")
        number = 2
        while (workload.namespace, name) in taken:
            name, number = f"{name[: MAX_NAME_LENGTH - 3]}-{number}", number + 1
        taken.add((workload.namespace, name))
        yield name, group


def valid_name(name: str) -> str:
    """Return the closest name that an AppStack can have."""
    return _INVALID.sub("-", name.lower())[:MAX_NAME_LENGTH].strip("-") or "appstack"
