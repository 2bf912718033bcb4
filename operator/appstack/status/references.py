"""Finds the field of an AppStack's spec that refers to a ConfigMap or Secret, or mounts a volume."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple


class _ReferenceFields(NamedTuple):
    """The field names by which a spec refers to one kind of object."""

    key_ref: str
    env_from: str
    volume: str
    volume_name: str


_FIELDS_BY_KIND: Final[Mapping[str, _ReferenceFields]] = {
    "configmap": _ReferenceFields("configMapKeyRef", "configMapRef", "configMap", "name"),
    "secret": _ReferenceFields("secretKeyRef", "secretRef", "secret", "secretName"),
}


def reference_field(spec: Mapping[str, Any], kind: str, name: str, *, key: str = "", container: str = "") -> str:
    """Return the field that refers to a `configmap` or `secret`, and to its key if one is given; empty without one.

    `container` is the field of a container, for example `spec.backend`: its references precede those of others.
    """
    fields = (each for each, reference in _references(spec, kind, container) if _matches(reference, name, key))
    return next(fields, "")


def _matches(reference: tuple[str, frozenset[str]], name: str, key: str) -> bool:
    own_name, keys = reference
    return own_name == name and (not key or not keys or key in keys)


def _references(spec: Mapping[str, Any], kind: str, container: str) -> Iterator[tuple[str, tuple[str, frozenset[str]]]]:
    """Yield the fields that refer to objects of a kind, each with the object's name and keys; no keys mean all."""
    names = _FIELDS_BY_KIND[kind]
    for field, entry in _containers(spec, container):
        yield from _container_references(field, entry, names)
    for index, file in enumerate(spec.get("files") or ()):
        selector = (file.get("valueFrom") or {}).get(names.key_ref)
        if selector:
            keys = frozenset((selector.get("key", ""),))
            yield f"spec.files[{index}].valueFrom.{names.key_ref}", (selector.get("name", ""), keys)
    tls = (spec.get("proxy") or {}).get("tls")
    if tls and kind == "secret":
        yield "spec.proxy.tls.secretName", (tls.get("secretName", ""), frozenset())
    for index, volume in enumerate(spec.get("volumes") or ()):
        yield from _volume_references(f"spec.volumes[{index}]", volume, names)


def _containers(spec: Mapping[str, Any], first: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    entries: dict[str, Mapping[str, Any]] = {
        f"spec.{key}[{index}]": entry
        for key in ("initContainers", "sidecars")
        for index, entry in enumerate(spec.get(key) or ())
    }
    entries |= {f"spec.{key}": spec[key] for key in ("backend", "proxy") if spec.get(key)}
    order = (first, "spec.backend", "spec.proxy", *entries)  # a container without an image inherits from the backend
    return ((field, entries[field]) for field in dict.fromkeys(order) if field in entries)


def _container_references(
    field: str, entry: Mapping[str, Any], names: _ReferenceFields
) -> Iterator[tuple[str, tuple[str, frozenset[str]]]]:
    for index, variable in enumerate(entry.get("env") or ()):
        selector = (variable.get("valueFrom") or {}).get(names.key_ref)
        if selector:
            keys = frozenset((selector.get("key", ""),))
            yield f"{field}.env[{index}].valueFrom.{names.key_ref}", (selector.get("name", ""), keys)
    for index, source in enumerate(entry.get("envFrom") or ()):
        if source.get(names.env_from):
            yield f"{field}.envFrom[{index}].{names.env_from}", (source[names.env_from].get("name", ""), frozenset())


def _volume_references(
    field: str, volume: Mapping[str, Any], names: _ReferenceFields
) -> Iterator[tuple[str, tuple[str, frozenset[str]]]]:
    source = volume.get(names.volume)
    if source:
        yield f"{field}.{names.volume}", (source.get(names.volume_name, ""), _keys(source))
    for index, projected in enumerate((volume.get("projected") or {}).get("sources") or ()):
        source = projected.get(names.volume)
        if source:
            yield f"{field}.projected.sources[{index}].{names.volume}", (source.get("name", ""), _keys(source))


def _keys(source: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(item.get("key", "") for item in source.get("items") or ())


def volume_field(spec: Mapping[str, Any], name: str) -> str:
    """Return the field of a volume of the spec; empty for a volume that AppStack adds."""
    names = [volume.get("name") for volume in spec.get("volumes") or ()]
    return f"spec.volumes[{names.index(name)}]" if name in names else ""
