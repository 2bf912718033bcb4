"""The rest of the pod: lists that Kubernetes merges by a key. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.check.subject import Subject, repeated
from appstack.errors import Fault

_KEYS: Final = {
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}


def keys(subject: Subject) -> Iterator[Fault]:
    """Yield entries of the pod's lists that stand twice."""
    written = subject.spec.pod.dump()
    for name, parts in _KEYS.items():
        located = [
            (f"spec.pod.{name}[{index}]", tuple(entry.get(part) for part in parts))
            for index, entry in enumerate(written.get(name, []))
        ]
        yield from repeated(located, key=tuple, what=lambda key: f"{' '.join(str(part) for part in key)!r}")


CHECKS: Final = (keys,)
