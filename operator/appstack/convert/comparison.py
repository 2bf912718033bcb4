"""Semantic comparison of the objects of a source with those that an AppStack renders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appstack.convert.canonical import canonical
from appstack.convert.draft import Draft
from appstack.convert.notes import short_value
from appstack.convert.source import WORKLOAD_KINDS, Source
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest

_NAMED_KINDS: Final = ("Service", "ServiceAccount", "PersistentVolumeClaim")
"""Kinds that other objects refer to by name; every other kind has one object in an AppStack, of the stack's name."""

_READ_THROUGH_MOUNTS: Final = "ConfigMap"  # compared as content of the files in the containers
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """A field with another value in the rendered objects than in the source."""

    field: str  # for example `Deployment/web spec.template.spec.containers[web].image`
    source: Any  # None: not set
    rendered: Any

    def __str__(self) -> str:
        """Return both values."""
        return f"{self.field}: {_text(self.source)} becomes {_text(self.rendered)}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences between source and rendered objects, and the additions that every AppStack has."""

    differences: tuple[Difference, ...]
    additions: tuple[Difference, ...]


def compare(draft: Draft, rendered: Iterable[Manifest]) -> Comparison:
    """Return the differences between the objects that a draft converts and those that its AppStack renders."""
    objects = list(rendered)
    kept = {id(each) for each in draft.kept_objects}
    members = [each for kind in draft.group.members.values() for each in kind if id(each) not in kept]
    sources = [draft.group.workload, *(each for each in members if each.kind != _READ_THROUGH_MOUNTS)]
    config_maps = _contents([each.original for each in members if each.kind == _READ_THROUGH_MOUNTS])
    own_config_maps = _contents([each for each in objects if each["kind"] == _READ_THROUGH_MOUNTS])
    by_key = {_key(each): each for each in objects if each["kind"] != _READ_THROUGH_MOUNTS}
    found: list[Difference] = []
    for source in sources:
        counterpart = by_key.pop(_source_key(source), None)
        if counterpart is None:
            found.append(Difference(str(source), "an object", None))
            continue
        before = canonical(source.original, config_maps, kind=source.kind)
        after = canonical(counterpart, own_config_maps, kind=source.kind)
        found.extend(_differences(str(source), before, after, draft))
    found.extend(
        Difference(f"{each['kind']}/{each['metadata']['name']}", None, "an object") for each in by_key.values()
    )
    additions = tuple(each for each in found if _is_addition(each, draft))
    return Comparison(tuple(each for each in found if each not in additions), additions)


def _contents(config_maps: Iterable[Manifest]) -> dict[str, Manifest]:
    return {
        each["metadata"]["name"]: {**(each.get("data") or {}), **(each.get("binaryData") or {})} for each in config_maps
    }


def _key(manifest: Manifest) -> tuple[str, str]:
    kind = manifest["kind"]
    return kind, manifest["metadata"]["name"] if kind in _NAMED_KINDS else ""


def _source_key(source: Source) -> tuple[str, str]:
    return source.kind, source.name if source.kind in _NAMED_KINDS else ""


def _differences(name: str, before: Mapping[str, Any], after: Mapping[str, Any], draft: Draft) -> Iterator[Difference]:
    for path in [*before, *(path for path in after if path not in before)]:
        one, other = before.get(path, _ABSENT), after.get(path, _ABSENT)
        if one != other and not _is_own_label(path, one, other, draft):
            absent = (None if value is _ABSENT else value for value in (one, other))
            yield Difference(f"{name} {path}", *absent)


_LABEL: Final = re.compile(r".*metadata\.labels\[(?P<key>[^\]]+)\]")


def _is_own_label(path: str, before: Any, after: Any, draft: Draft) -> bool:
    """Return whether a difference is a label that AppStack sets, or one that was omitted with a note."""
    found = _LABEL.fullmatch(path)
    if not found:
        return False
    key = found["key"]
    if before is _ABSENT:
        own = {**meta.labels(draft.name), meta.FILES_LABEL: after, meta.VOLUME_LABEL: after}
        return bool(own.get(key) == after) or key.startswith(f"{meta.GROUP}/")
    return after is _ABSENT and (key, before) in draft.omitted_labels


_ADDITIONS: Final = (
    re.compile(r"(?P<field>.*ontainers\[[^\]]+\]\.terminationMessagePolicy)"),
    re.compile(r"(?P<field>.*\.containers\[[^\]]+\]\.lifecycle\.preStop)\.sleep\.seconds"),
    re.compile(r"(?P<field>.*\.containers\[[^\]]+\]\.readinessProbe)\..*"),
    re.compile(r"(?P<field>Deployment/\S+ spec\.strategy\.rollingUpdate\.maxUnavailable)"),
    re.compile(r"(?P<field>StatefulSet/\S+ spec\.serviceName)"),
)
"""Fields that AppStack adds where the source does not set them; docs/convert.md lists them."""


def _is_addition(difference: Difference, draft: Draft) -> bool:
    """Return whether a difference is a default of AppStack that replaces a default of Kubernetes."""
    if difference.field in (f"Service/{draft.name}-pods", f"Service/{draft.governing_service}"):
        return difference.source is None
    workload = draft.group.workload
    if not difference.field.startswith(f"{workload} ") or workload.kind not in WORKLOAD_KINDS:
        return False
    return difference.source in (None, "File", "25%") and added_field(difference) != difference.field.partition(" ")[0]


def added_field(difference: Difference) -> str:
    """Return the field that AppStack adds as a whole, for example a probe; the name of the object for any other."""
    found = next(filter(None, (pattern.fullmatch(difference.field) for pattern in _ADDITIONS)), None)
    return found["field"] if found else difference.field.partition(" ")[0]


def _text(value: Any) -> str:
    return "unset" if value is None else short_value(value)
