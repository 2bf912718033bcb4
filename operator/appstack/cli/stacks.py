"""The AppStacks of a file, each with everything that can be said of it without a cluster."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from appstack.api import AppStack, parse
from appstack.api.parsing import rest
from appstack.cli import documents
from appstack.errors import InvalidSpec, OperatorError, Severity, ValidationIssue
from appstack.k8s.metadata import GROUP, KIND
from appstack.planning.desired import compute_desired_state
from appstack.settings import Settings
from appstack.validation import check
from appstack.validation.unknown_fields import UNKNOWN, unknown_fields

_ENTRY = re.compile(r"spec\.\w+\[\d+\]")  # of a list: one volume, one sidecar


@dataclass(frozen=True, slots=True)
class Looked:
    """An AppStack of a file, with its faults."""

    source: str  # the file, and the stack's name where the file has several
    stack: AppStack | None
    issues: tuple[ValidationIssue, ...]

    @property
    def valid(self) -> bool:
        """Tell whether it can be carried out."""
        return self.stack is not None and all(issue.severity is Severity.WARNING for issue in self.issues)


def _meant(document: documents.Document, group: str) -> bool:
    """Tell whether somebody meant an AppStack and misspelt it: parsing says what is wrong."""
    return group == GROUP or str(document.get("kind", "")).lower() == KIND.lower()


def look(path: str, *, settings: Settings, namespace: str | None = None) -> list[Looked]:
    """Return the AppStacks of a file; say on standard error what else is in it."""
    ours = list(_ours(path))
    if not ours:
        hint = f"One begins with apiVersion: {GROUP}/… and kind: {KIND}"
        raise OperatorError(f"{documents.shown(path)} holds no AppStack", hint)
    return [
        _look(document, source=_source(path, document, alone=len(ours) == 1), settings=settings, namespace=namespace)
        for document in ours
    ]


def _ours(path: str) -> Iterator[documents.Document]:
    found = documents.read(path)
    if not found:
        raise OperatorError(f"{documents.shown(path)} is empty", "An AppStack begins with apiVersion and kind")
    for document in found:
        group = str(document.get("apiVersion", "")).partition("/")[0]
        if (document.get("kind") == KIND and group in (GROUP, "")) or _meant(document, group):
            yield document
        else:
            what = f"{document.get('apiVersion', 'no apiVersion')} {document.get('kind', 'no kind')}"
            print(f"{documents.shown(path)}: skipped {what} {_name(document)}".rstrip(), file=sys.stderr)


def _source(path: str, document: documents.Document, *, alone: bool) -> str:
    return documents.shown(path) if alone else f"{documents.shown(path)}: {_name(document) or 'a stack without a name'}"


def _name(document: documents.Document) -> str:
    metadata = document.get("metadata")
    return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""


def _look(document: documents.Document, *, source: str, settings: Settings, namespace: str | None) -> Looked:
    if namespace and isinstance(document.get("metadata"), dict):
        document = {**document, "metadata": {**document["metadata"], "namespace": namespace}}
    unknown = unknown_fields(document)
    try:
        stack = parse(document)
    except InvalidSpec as error:
        beyond = _beyond(rest(document), error.issues, settings)
        return Looked(source, None, _together(unknown, (*error.issues, *beyond)))
    return Looked(source, stack, _together(unknown, compute_desired_state(stack, settings=settings).issues))


def _beyond(
    stack: AppStack | None, issues: tuple[ValidationIssue, ...], settings: Settings
) -> Iterator[ValidationIssue]:
    """Yield what else is wrong, as far as that does not hang on the fields of wrong shape."""
    judged = [(_ENTRY.match(issue.field) or [issue.field])[0] for issue in issues]
    for issue in check(stack, settings) if stack else ():
        if issue.severity is Severity.ERROR and not any(issue.field.startswith(path) for path in judged):
            yield issue


def _together(unknown: tuple[ValidationIssue, ...], then: tuple[ValidationIssue, ...]) -> tuple[ValidationIssue, ...]:
    """Return both, one fault a field: why it can't be set says more than that it is unknown."""
    said = {issue.field for issue in then if issue.message != UNKNOWN}
    first = [issue for issue in unknown if issue.field not in said]
    named = {issue.field for issue in first}
    return (*first, *(issue for issue in then if issue.field not in named))
