"""Labels of the source: those that only its own selectors use are omitted, because AppStack has a selector label."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from appstack.convert.draft import Draft
from appstack.convert.grouping import Group, label_selectors
from appstack.convert.notes import NoteKind
from appstack.convert.source import Source
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest

_LABEL_PATH: Final = re.compile(r"metadata\.labels(?:\['(?P<key>[^']+)'\])?")
_EVERY_KEY: Final = "*"


def used_keys(groups: Iterable[Group], sources: Iterable[Source]) -> frozenset[str]:
    """Return the label keys that selectors outside the workloads' own use; `*` if every label is used.

    The selectors of a workload, and of the Service, budget and policy of one workload, become selectors of AppStack.
    """
    keys: set[str] = set()
    outside: dict[int, Source] = {}
    for group in groups:
        outside |= {id(each): each for each in group.selecting}
        keys |= set(_keys(label_selectors(group.get("spec"))))
        keys |= set(_key_lists(group.get("spec")))
        keys |= set(_label_paths(group.get("spec")))
    for source in sources:
        if source.kind == "NetworkPolicy":
            keys |= set(_keys(label_selectors([source.get("spec.ingress"), source.get("spec.egress")])))
        if id(source) in outside or source.kind == "ServiceMonitor":
            keys |= set(_keys(label_selectors(source.original.get("spec"))))
            keys |= {source.get("spec.jobLabel") or ""}
            keys |= {*(source.get("spec.targetLabels") or ()), *(source.get("spec.podTargetLabels") or ())}
            if source.kind == "Service":
                keys |= (source.get("spec.selector") or {}).keys()
    return frozenset(keys)


def _keys(found: Iterable[Manifest]) -> Iterator[str]:
    for selector in found:
        yield from selector.get("matchLabels") or {}
        yield from (str(each.get("key")) for each in selector.get("matchExpressions") or ())


def _key_lists(value: Any) -> Iterator[str]:
    """Yield the keys in `matchLabelKeys` and `mismatchLabelKeys`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("matchLabelKeys", "mismatchLabelKeys") and isinstance(inner, list):
                yield from map(str, inner)
            else:
                yield from _key_lists(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _key_lists(inner)


def _label_paths(value: Any) -> Iterator[str]:
    """Yield the labels that the downward API passes to containers; `*` for all of them."""
    if isinstance(value, dict):
        for name, inner in value.items():
            found = _LABEL_PATH.fullmatch(str(inner)) if name == "fieldPath" else None
            if found:
                yield found["key"] or _EVERY_KEY
            else:
                yield from _label_paths(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _label_paths(inner)


def choose_omitted(draft: Draft, used: frozenset[str]) -> None:
    """Record the labels that only selectors which AppStack replaces use."""
    group = draft.group
    own = dict(group.workload.get("spec.selector.matchLabels") or {}) if group.workload.kind != "Pod" else {}
    for service in group.members["Service"]:
        own |= service.get("spec.selector") or {}
    rendered = meta.labels(draft.name)  # AppStack would set another value where the author sets none
    pairs = {(key, value) for key, value in group.pod_labels.items() if own.get(key) == value and key not in rendered}
    if _EVERY_KEY in used:
        pairs = set()
    draft.omitted_labels = {pair for pair in pairs if pair[0] not in used}


def take_metadata(draft: Draft, source: Source, path: str = "metadata") -> Manifest:
    """Take labels and annotations at a path of a source and return the `metadata` block of the AppStack's field."""
    metadata: Manifest = {}
    rendered = meta.labels(draft.name)
    labels = source.take(f"{path}.labels") or {}
    kept = {key: value for key, value in labels.items() if rendered.get(key) != value}
    omitted = [key for key in kept if (key, kept[key]) in draft.omitted_labels]
    for key in omitted:
        message = f"{kept[key]!r} is used by no selector that remains: AppStack selects by {meta.STACK_LABEL}"
        draft.note(NoteKind.OMITTED, f"{source} {path}.labels[{key}]", "", message)
    kept = {key: value for key, value in kept.items() if key not in omitted}
    for key in [key for key in kept if meta.is_reserved(key)]:
        draft.note(NoteKind.OMITTED, f"{source} {path}.labels[{key}]", "", "AppStack sets its own labels")
        del kept[key]
    annotations = source.take(f"{path}.annotations") or {}
    for key in [key for key in annotations if meta.is_reserved(key)]:
        draft.note(NoteKind.OMITTED, f"{source} {path}.annotations[{key}]", "", "AppStack sets its own annotations")
        del annotations[key]
    for name, value in (("labels", kept), ("annotations", annotations)):
        if value:
            metadata[name] = value
    return metadata
