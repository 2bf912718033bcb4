"""Conversion of Kubernetes objects to AppStacks.

The conversion takes every field of its sources: a field is part of the AppStack, equals a default of the API server, is
written by the cluster, or has a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from appstack.convert.draft import Draft
from appstack.convert.exposure import convert_routes, convert_services
from appstack.convert.finish import finish
from appstack.convert.grouping import assign
from appstack.convert.labels import choose_omitted, used_keys
from appstack.convert.naming import stack_names
from appstack.convert.notes import Note
from appstack.convert.pod import convert_pod
from appstack.convert.policies import convert_account, convert_policies
from appstack.convert.result import Conversion, Result
from appstack.convert.source import Source
from appstack.convert.workload import convert_workload
from appstack.settings import Settings

__all__ = ["Conversion", "Note", "Result", "convert"]


def convert(
    documents: Iterable[Mapping[str, Any]], *, settings: Settings, only: tuple[str, str] | None = None
) -> Conversion:
    """Return an AppStack for each workload among Kubernetes objects, and notes on everything that it changes.

    `only` limits the result to one workload, given by kind and name.
    """
    sources = [Source(document) for document in documents]
    groups, notes = assign(sources, only=only)
    used = used_keys(groups, sources)
    drafts = [Draft(name, group) for name, group in stack_names(groups)]
    for draft in drafts:
        choose_omitted(draft, used)
        convert_workload(draft)
        convert_account(draft)
        convert_pod(draft)
        convert_services(draft)
        convert_policies(draft)
        convert_routes(draft)
    return Conversion(tuple(finish(draft, settings) for draft in drafts), tuple(notes))
