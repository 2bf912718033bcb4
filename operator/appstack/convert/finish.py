"""The end of a conversion: notes on the remaining fields, validation, and comparison with the source."""

from __future__ import annotations

from dataclasses import replace

from appstack.convert.comparison import added_field, compare
from appstack.convert.draft import Draft
from appstack.convert.notes import NoteKind, short_value
from appstack.convert.result import Result, checked
from appstack.convert.source import Source
from appstack.render import render
from appstack.settings import Settings


def finish(draft: Draft, settings: Settings) -> Result:
    """Return the AppStack of a draft, with a note for each field of its sources that is left."""
    _note_untaken(draft)
    _note_host_paths(draft)
    result = checked(draft.document(), str(draft.group.workload), settings)
    draft.notes.extend(result.notes)
    if result.stack is None:
        return replace(result, notes=tuple(draft.notes))
    comparison = compare(draft, render(result.stack, settings=settings))
    for field in dict.fromkeys(added_field(each) for each in comparison.additions):
        draft.note(NoteKind.ADDED, field, "", "a default of AppStack")
    members = [each for kind in draft.group.members.values() for each in kind if each not in draft.kept_objects]
    sources = (draft.group.workload, *members)
    return replace(result, notes=tuple(draft.notes), comparison=comparison, sources=sources)


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


def _note_host_paths(draft: Draft) -> None:
    for volume in draft.spec.get("volumes", []):
        if isinstance(volume.get("hostPath"), dict):
            message = f"the administrator has to allow the hostPath {volume['hostPath'].get('path')}"
            draft.note(NoteKind.REQUIRED, str(draft.group.workload), "spec.volumes", message)
