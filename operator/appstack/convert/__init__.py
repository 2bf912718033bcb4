"""Conversion of Kubernetes objects to AppStacks.

The conversion takes every field of its sources: a field is part of the AppStack, equals a default of the API server, is
written by the cluster, or has a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from appstack.convert.draft import Draft
from appstack.convert.exposure import convert_routes, convert_services
from appstack.convert.finish import finish
from appstack.convert.grouping import assign, equality
from appstack.convert.labels import choose_omitted, used_keys
from appstack.convert.naming import stack_names
from appstack.convert.notes import Note, NoteKind
from appstack.convert.pod import convert_pod
from appstack.convert.policies import convert_account, convert_policies
from appstack.convert.result import Conversion, Result
from appstack.convert.source import Source
from appstack.convert.workload import convert_workload
from appstack.k8s import selectors
from appstack.settings import Settings

__all__ = ["Conversion", "Note", "Result", "convert"]

WRONG_TYPE: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""Errors of the conversion of an object that the API server would refuse: `ports: 80`, a container without a name."""


def convert(
    documents: Iterable[Mapping[str, Any]], *, settings: Settings, only: tuple[str, str] | None = None
) -> Conversion:
    """Return an AppStack for each workload among Kubernetes objects, and notes on everything that it changes.

    `only` limits the result to one workload, given by kind and name.
    """
    malformed: list[Note] = []
    sources = list(_well_formed(documents, malformed))
    groups, notes = assign(sources, only=only)
    used = used_keys(groups, sources)
    results = [_converted(Draft(name, group), used, settings) for name, group in stack_names(groups)]
    return Conversion(tuple(results), (*malformed, *notes))


def _converted(draft: Draft, used: frozenset[str], settings: Settings) -> Result:
    """Return the AppStack of a draft; a refused one if the workload or a member has a value of the wrong type."""
    try:
        choose_omitted(draft, used)
        convert_workload(draft)
        convert_account(draft)
        convert_pod(draft)
        convert_services(draft)
        convert_policies(draft)
        convert_routes(draft)
        return finish(draft, settings)
    except WRONG_TYPE as error:
        draft.notes.append(_malformed(draft.group.workload, error))
        return Result(draft.document(), tuple(draft.notes), None)


def _well_formed(documents: Iterable[Mapping[str, Any]], notes: list[Note]) -> Iterator[Source]:
    """Yield the objects that can be assigned to workloads; add a note for each other one."""
    for document in documents:
        source = Source({"kind": document.get("kind"), "metadata": {"name": _name(document)}})
        try:
            source = Source(document)
            groups, _ = assign([source], only=None)
            used_keys(groups, [source])
            for labels in (source.get("metadata.labels") or {}, *(group.pod_labels for group in groups)):
                selectors.matches(equality(labels), labels)
        except WRONG_TYPE as error:
            notes.append(_malformed(source, error))
        else:
            yield source


def _name(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    return str(metadata.get("name")) if isinstance(metadata, dict) else ""


def _malformed(source: Source, error: Exception) -> Note:
    message = f"a field has a value of the wrong type ({error}); check it with kubectl apply --dry-run=server"
    return Note(NoteKind.REFUSED, str(source), "", message)
