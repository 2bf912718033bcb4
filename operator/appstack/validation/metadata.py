"""Checks of labels and annotations, and of every string and integer of the spec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from appstack.api.base import ObjectMetadata
from appstack.api.parsing import SURROGATE_HINT
from appstack.errors import ValidationIssue
from appstack.k8s import metadata as meta
from appstack.validation.context import ValidationContext

_NAME: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LIST_INDEX: Final = re.compile(r"\[\d+\]$")
_MAY_BE_NEGATIVE: Final = frozenset({"priority", "terminationGracePeriodSeconds", "tolerationSeconds", "values"})
_CHECKED_ELSEWHERE: Final = frozenset({"port", "containerPort", "hostPort", "maxReplicas"})
_NOT_CHECKED_HERE: Final = _MAY_BE_NEGATIVE | _CHECKED_ELSEWHERE


def labels_and_annotations(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each key that is reserved or invalid, and for each value that is invalid."""
    for path, metadata in context.field_values:
        if not isinstance(metadata, ObjectMetadata):
            continue
        for key, value in (metadata.labels or {}).items():
            field = f"{path}.labels[{key}]"
            yield from _key_issues(field, key)
            if value and not _NAME.fullmatch(value):
                hint = "use at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"
                yield ValidationIssue(field, f"{value!r} is not a valid label value", hint)
        for key in metadata.annotations or {}:
            yield from _key_issues(f"{path}.annotations[{key}]", key.lower())  # as Kubernetes does


def _key_issues(field: str, key: str) -> Iterator[ValidationIssue]:
    prefix, slash, name = key.rpartition("/")
    if meta.is_reserved(key):
        yield ValidationIssue(field, f"keys under {meta.GROUP}/ are reserved for AppStack", "choose another key")
    elif not _NAME.fullmatch(name) or (slash and (len(prefix) > 253 or not _PREFIX.fullmatch(prefix))):
        yield ValidationIssue(field, f"{key!r} is not a valid key", "use a key such as example.com/name")


def strings(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each string with an unpaired surrogate, which a YAML escape can write but UTF-8 cannot."""
    for field, value in context.field_values:
        if isinstance(value, str) and not _is_utf8(value):
            yield ValidationIssue(field, "contains an unpaired surrogate", SURROGATE_HINT)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def integers(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each negative integer where Kubernetes does not allow one."""
    for field, value in context.field_values:
        if isinstance(value, int) and value < 0:
            name = _LIST_INDEX.sub("", field).rpartition(".")[2]
            if name not in _NOT_CHECKED_HERE:
                yield ValidationIssue(field, f"{value} is less than 0", "use 0 or more")


CHECKS: Final = (labels_and_annotations, strings, integers)
