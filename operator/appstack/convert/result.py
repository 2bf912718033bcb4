"""The result of a conversion, and its validation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from appstack.api import AppStack, parse
from appstack.convert.comparison import Comparison
from appstack.convert.notes import Note, NoteKind, short_value
from appstack.convert.source import Source
from appstack.errors import InvalidSpec, Severity, ValidationIssue
from appstack.k8s.metadata import KIND, Manifest
from appstack.settings import Settings
from appstack.validation import validate
from appstack.validation.unknown_fields import UNKNOWN_FIELD, unknown_fields

_PATH: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_FIELDS: Final = (
    *("dependsOn", "podSecurity", "workload", "replicas", "backend", "proxy", "initContainers", "sidecars", "files"),
    *("volumes", "service", "services", "serviceMonitor", "serviceAccount", "ingress", "httpRoute", "autoscaling"),
    *("podDisruptionBudget", "networkPolicy", "pod"),
)
"""The fields of a spec in the order in which they are written."""


@dataclass(frozen=True)
class Result:
    """An AppStack with the notes of its conversion, and its comparison with a Kubernetes source."""

    document: Manifest
    notes: tuple[Note, ...]
    stack: AppStack | None  # None: AppStack refuses the document
    comparison: Comparison | None = None
    sources: tuple[Source, ...] = ()  # the workload, and the objects that are part of the AppStack

    @property
    def name(self) -> str:
        """The name of the AppStack."""
        return str(self.document["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The namespace of the AppStack; empty if the source has none."""
        return str(self.document["metadata"].get("namespace", ""))


@dataclass(frozen=True)
class Conversion:
    """The AppStacks of an input, and notes on the objects that are part of none."""

    results: tuple[Result, ...]
    notes: tuple[Note, ...]


def checked(document: Manifest, source: str, settings: Settings) -> Result:
    """Return the result of a conversion: without unknown fields, validated, with the fields of the spec in order.

    The administrator's policy is not checked here.
    """
    document = deepcopy(document)
    spec = document["spec"]
    document["spec"] = {key: spec[key] for key in (*_FIELDS, *spec) if key in spec}
    notes = list(_without_unknown(document, source))
    try:
        stack = parse(deepcopy(document))
        errors = [each for each in validate(stack, settings) if each.severity is Severity.ERROR]
    except InvalidSpec as error:
        return Result(document, (*notes, *_refused(document, source, error.issues)), None)
    notes.extend(_refused(document, source, errors))
    return Result(document, tuple(notes), None if errors else stack)


def _refused(document: Manifest, source: str, issues: Iterable[ValidationIssue]) -> Iterator[Note]:
    name = document["metadata"]["name"]
    for issue in issues:
        text = f"{issue.message} ({issue.hint})" if issue.hint else issue.message
        yield Note(NoteKind.REFUSED, source, f"{KIND}/{name} {issue.field}", text)


def _without_unknown(document: Manifest, source: str) -> Iterator[Note]:
    """Remove the fields that the CustomResourceDefinition does not know, and yield a note for each."""
    while found := [each for each in unknown_fields(document) if each.message == UNKNOWN_FIELD]:
        for issue in found:
            value = _removed(document, issue.field)
            target = f"{KIND}/{document['metadata']['name']} {issue.field}"
            yield Note(NoteKind.UNSUPPORTED, source, target, f"no such field; its value is {short_value(value)}")


def _removed(document: Manifest, path: str) -> Any:
    """Remove and return the field at a path."""
    value: Any = document
    *outer, last = [int(index) if index else key for index, key in _PATH.findall(path)]
    parents = []
    for key in outer:
        parents.append(value)
        value = value[key]
    removed = value.pop(last)
    for parent, key in zip(reversed(parents), reversed(outer), strict=True):
        if parent[key] == {}:
            del parent[key]
    return removed
