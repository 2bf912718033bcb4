"""Merge of container fields over inherited or default ones, by Kubernetes' merge keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from operator import itemgetter
from typing import Any, Final

from appstack.k8s.metadata import Manifest

_MERGE_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "protocol"),
}
_KEY_DEFAULTS: Final = {"protocol": "TCP"}
_UNIONS: Final = frozenset(  # each selects one variant, and the API server rejects fields of two variants
    {"startupProbe", "livenessProbe", "readinessProbe", "seccompProfile", "appArmorProfile"}
)


def overlay(base: Mapping[str, Any], own: Mapping[str, Any]) -> Manifest:
    """Return `base` with `own` merged over it: lists by merge key, objects by field; other values are replaced."""
    merged = dict(base)
    for field, value in own.items():
        inherited = merged.get(field)
        if field in _MERGE_KEYS and isinstance(inherited, list):
            merged[field] = _merge_lists(inherited, value, key=_MERGE_KEYS[field])
        elif field not in _UNIONS and isinstance(inherited, Mapping) and isinstance(value, Mapping):
            merged[field] = overlay(inherited, value)
        else:
            merged[field] = value
    return merged


def _merge_lists(base: list[Manifest], own: list[Manifest], *, key: tuple[str, ...]) -> list[Manifest]:
    if len(key) == 1:
        identity: Callable[[Manifest], Any] = itemgetter(*key)
    else:
        identity = partial(_identity, key)
    overrides = {identity(item): item for item in own}
    kept = [overrides.pop(identity(item), item) for item in base]
    return [*kept, *(item for item in own if identity(item) in overrides)]


def _identity(key: tuple[str, ...], item: Manifest) -> tuple[Any, ...]:
    return tuple(item.get(part, _KEY_DEFAULTS.get(part)) for part in key)
