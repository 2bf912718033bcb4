"""The end of a conversion: notes on what is left, validation, and comparison with the source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from appstack.api import parse
from appstack.convert.comparison import Comparison, added_field, compare
from appstack.convert.draft import Draft
from appstack.convert.notes import Note, NoteKind, short_value
from appstack.convert.source import Source
from appstack.errors import InvalidSpec, Severity, ValidationIssue
from appstack.k8s.metadata import KIND, Manifest
from appstack.render import render
from appstack.settings import Settings
from appstack.validation import validate
from appstack.validation.unknown_fields import UNKNOWN_FIELD, unknown_fields

_PATH: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


@dataclass(frozen=True)
class Result:
    """An AppStack with the notes of its conversion, and its comparison with the source."""

    document: Manifest
    notes: tuple[Note, ...]
    comparison: Comparison | None  # None: AppStack refuses the document

    @property
    def name(self) -> str:
        """The name of the AppStack."""
        return str(self.document["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The namespace of the AppStack; empty if the source has none."""
        return str(self.document["metadata"].get("namespace", ""))


def finish(draft: Draft, settings: Settings) -> Result:
    """Return the AppStack of a draft, with a note for each field of its sources that is left."""
    _note_untaken(draft)
    document = draft.document()
    _drop_unknown(draft, document)
    _note_host_paths(draft)
    try:
        stack = parse(deepcopy(document))
        errors = [each for each in validate(stack, settings) if each.severity is Severity.ERROR]
    except InvalidSpec as error:
        _note_refused(draft, error.issues)
        return Result(document, tuple(draft.notes), None)
    if errors:
        _note_refused(draft, errors)
        return Result(document, tuple(draft.notes), None)
    comparison = compare(draft, render(stack, settings=settings))
    for field in dict.fromkeys(added_field(each) for each in comparison.additions):
        draft.note(NoteKind.ADDED, field, "", "a default of AppStack")
    return Result(document, tuple(draft.notes), comparison)


def _note_untaken(draft: Draft) -> None:
    """Add a note for each field of the sources that the AppStack does not represent."""
    for kind in list(draft.group.members):
        for source in draft.group.members[kind]:
            if source in draft.kept_objects:
                continue
            if kind in ("ConfigMap", "PersistentVolumeClaim") and source.get("metadata.name"):
                draft.keep(source, "the pods refer to it by name")
            else:
                _note_fields(draft, source)
    _note_fields(draft, draft.group.workload)


def _note_fields(draft: Draft, source: Source) -> None:
    for path, value in source.untaken():
        draft.note(NoteKind.UNSUPPORTED, f"{source} {path}", "", f"{short_value(value)} has no place in an AppStack")


def _drop_unknown(draft: Draft, document: Manifest) -> None:
    """Remove the fields that the CustomResourceDefinition does not know, with a note for each."""
    while found := [each for each in unknown_fields(document) if each.message == UNKNOWN_FIELD]:
        for issue in found:
            value = _removed(document, issue.field)
            message = f"no such field; its value is {short_value(value)}"
            draft.note(NoteKind.UNSUPPORTED, str(draft.group.workload), issue.field, message)


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


def _note_host_paths(draft: Draft) -> None:
    """Add a note for each host path: only the administrator's policy can allow it."""
    paths = [
        str(volume["hostPath"].get("path"))
        for volume in draft.spec.get("volumes", [])
        if isinstance(volume.get("hostPath"), dict)
    ]
    for path in paths:
        message = f"the administrator has to allow the hostPath {path}"
        draft.note(NoteKind.REQUIRED, str(draft.group.workload), "spec.volumes", message)


def _note_refused(draft: Draft, issues: Iterable[ValidationIssue]) -> None:
    for issue in issues:
        text = f"{issue.message} ({issue.hint})" if issue.hint else issue.message
        draft.notes.append(
            Note(NoteKind.REFUSED, str(draft.group.workload), f"{KIND}/{draft.name} {issue.field}", text)
        )


def lines(notes: Iterable[Note]) -> Iterator[str]:
    """Yield each note as a line, without duplicates."""
    yield from dict.fromkeys(map(str, notes))
