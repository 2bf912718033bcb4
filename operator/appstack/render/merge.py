"""How a container's own fields are laid over those that it starts from: by Kubernetes' merge keys. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appstack.k8s.metadata import Manifest

_MERGE_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "protocol"),
}
_DEFAULTS: Final = {"protocol": "TCP"}
_WHOLE: Final = frozenset(  # one says which kind it is, and what is of another kind is refused beside it
    {"startupProbe", "livenessProbe", "readinessProbe", "seccompProfile", "appArmorProfile"}
)


def overlay(base: Mapping[str, Any], own: Mapping[str, Any]) -> Manifest:
    """Return `base` with `own` over it: lists that have a key by it, objects by field, all else replaced."""
    merged = dict(base)
    for field, value in own.items():
        former = merged.get(field)
        if field in _MERGE_KEYS and isinstance(former, list):
            merged[field] = _by_key(former, value, key=_MERGE_KEYS[field])
        elif field not in _WHOLE and isinstance(former, Mapping) and isinstance(value, Mapping):
            merged[field] = overlay(former, value)
        else:
            merged[field] = value
    return merged


def _by_key(base: list[Manifest], own: list[Manifest], *, key: tuple[str, ...]) -> list[Manifest]:
    def identity(item: Manifest) -> tuple[Any, ...]:
        return tuple(item.get(part, _DEFAULTS.get(part)) for part in key)

    mine = {identity(item): item for item in own}
    kept = [mine.pop(identity(item), item) for item in base]
    return [*kept, *(item for item in own if identity(item) in mine)]
