"""The parts of expensive specs, and the largest spec that is admitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from appstack.api.size import size_issue
from bench.admission import violations

Spec = dict[str, Any]
Generator = Callable[[int], Spec]

CONTAINERS: Final = 32  # maximum of spec.sidecars, and of spec.initContainers
VOLUME: Final = {"name": "v", "emptyDir": {}}
_LARGEST_N: Final = 1 << 20


def document(spec: Spec) -> dict[str, Any]:
    """Return an AppStack as the API server stores it."""
    metadata = {"name": "shop", "namespace": "team", "uid": "u1", "generation": 1, "resourceVersion": "1"}
    return {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": metadata, "spec": spec}


def largest(generator: Generator) -> int:
    """Return the largest `n` with an admitted spec; admission must be monotonic in `n`."""
    low, high = 1, 2
    while high < _LARGEST_N and _admitted(generator(high)):
        low, high = high, high * 2
    while high - low > max(1, low // 100):
        middle = (low + high) // 2
        low, high = (middle, high) if _admitted(generator(middle)) else (low, middle)
    return low


def _admitted(spec: Spec) -> bool:
    whole = document(spec)
    return size_issue(whole) is None and next(violations(whole), None) is None


def make_backend(**fields: Any) -> Spec:
    return {"image": "shop:1", **fields}


def inheriting(**fields: Any) -> Spec:
    """Return as many sidecars and init containers as possible, which inherit from the backend."""
    return {
        "sidecars": [{"name": f"s{index}", **fields} for index in range(CONTAINERS)],
        "initContainers": [{"name": f"i{index}", "restartPolicy": "Always", **fields} for index in range(CONTAINERS)],
    }


def make_mounts(n: int, path: str = "/m{}", name: str = "v") -> list[Spec]:
    return [{"name": name.format(index), "mountPath": path.format(index)} for index in range(n)]
