"""What holds wherever it stands: labels, annotations, text, numbers. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from appstack.api.base import ObjectMetadata
from appstack.errors import ValidationIssue
from appstack.k8s import metadata as meta
from appstack.validation.subject import Subject

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_HALF = re.compile(r"[\ud800-\udfff]")
_LAST = re.compile(r"(\w+)(\[\d+\])?$")
_MAY_BE_NEGATIVE: Final = frozenset({"priority", "terminationGracePeriodSeconds", "tolerationSeconds", "values"})
_JUDGED_ELSEWHERE: Final = frozenset({"port", "containerPort", "hostPort", "maxReplicas"})
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def ours(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield keys that are AppStack's own, and keys or values that Kubernetes does not take."""
    theirs = meta.labels(subject.stack.metadata.name)
    for where, metadata in subject.values:
        if not isinstance(metadata, ObjectMetadata):
            continue
        for key, value in (metadata.labels or {}).items():
            field = f"{where}.labels[{key}]"
            yield from _key(field, key)
            if key in theirs and not _reserved(key) and value != theirs[key]:
                yield ValidationIssue(
                    field, f"AppStack sets it to {theirs[key]!r}", "leave it out, or choose another key"
                )
            if value and not _NAME.fullmatch(value):
                hint = "at most 63 letters, digits, - _ . , beginning and ending with a letter or digit"
                yield ValidationIssue(field, f"{value!r} is not a label's value", hint)
        for key in metadata.annotations or {}:
            yield from _key(f"{where}.annotations[{key}]", key)


def _key(field: str, key: str) -> Iterator[ValidationIssue]:
    prefix, slash, name = key.rpartition("/")
    if _reserved(key):
        yield ValidationIssue(field, f"keys under {meta.GROUP}/ are AppStack's own", "choose another")
    elif not _NAME.fullmatch(name) or (slash and (len(prefix) > 253 or not _PREFIX.fullmatch(prefix))):
        yield ValidationIssue(field, f"{key!r} is not a key", "for example example.com/name")


def _reserved(key: str) -> bool:
    prefix = key.rpartition("/")[0]
    return prefix == meta.GROUP or prefix.endswith(f".{meta.GROUP}")


def text(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield text that can't be sent to anybody: halves of characters, which only an escape in YAML can write."""
    for where, value in subject.values:
        if isinstance(value, str) and _HALF.search(value):
            yield ValidationIssue(
                where, "holds half a character", "write the character itself instead of \\ud800 and the like"
            )


def numbers(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield numbers below 0: Kubernetes counts, times and numbers things, and knows few that could be."""
    for where, value in subject.values:
        if isinstance(value, int) and value < 0:
            name = _LAST.search(where)
            if name and name[1] not in _MAY_BE_NEGATIVE | _JUDGED_ELSEWHERE:
                yield ValidationIssue(where, f"{value} is less than 0", "0 or more")


CHECKS: Final = (ours, text, numbers)
