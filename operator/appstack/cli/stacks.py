"""Validation of the AppStacks in a file, without a cluster."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from appstack.api import AppStack, parse
from appstack.api.parsing import parse_lenient
from appstack.cli import documents
from appstack.errors import InvalidSpec, OperatorError, Severity, ValidationIssue
from appstack.k8s.metadata import GROUP, KIND
from appstack.planning.desired import compute_desired_state
from appstack.settings import Settings
from appstack.validation import validate
from appstack.validation.unknown_fields import UNKNOWN_FIELD, unknown_fields

_LIST_ITEM = re.compile(r"spec\.\w+\[\d+\]")  # one volume, one sidecar


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """An AppStack from a file with its validation issues."""

    source: str  # the file name, followed by the name of the AppStack if the file has several
    stack: AppStack | None  # None if it cannot be parsed
    issues: tuple[ValidationIssue, ...]

    @property
    def valid(self) -> bool:
        """Whether the AppStack can be rendered: it has no issues except warnings."""
        return self.stack is not None and all(issue.severity is Severity.WARNING for issue in self.issues)


def validate_file(path: str, *, settings: Settings, namespace: str | None = None) -> list[ValidationResult]:
    """Return a result for each AppStack in a file. Report skipped objects on standard error.

    Raise OperatorError if there is no AppStack. A namespace replaces the namespace of every AppStack.
    """
    appstacks = list(_appstacks(path))
    if not appstacks:
        raise OperatorError(f"{documents.display_name(path)} contains no AppStack", documents.ADD_APPSTACK_HINT)
    only = len(appstacks) == 1
    return [
        _validate(document, source=_source(path, document, only=only), settings=settings, namespace=namespace)
        for document in appstacks
    ]


def _appstacks(path: str) -> Iterator[documents.Document]:
    for document in documents.load(path):
        group = str(document.get("apiVersion", "")).partition("/")[0]
        if (document.get("kind") == KIND and group in (GROUP, "")) or _is_misspelt(document, group):
            yield document
        else:
            kind = f"{document.get('apiVersion', 'no apiVersion')} {document.get('kind', 'no kind')}"
            line = f"{documents.display_name(path)}: skipped {kind} {_name(document)}"
            print(line.rstrip(), file=sys.stderr)


def _is_misspelt(document: documents.Document, group: str) -> bool:
    """Return whether an object is an AppStack with a wrong group or kind, which parsing then reports."""
    return group == GROUP or str(document.get("kind", "")).lower() == KIND.lower()


def _source(path: str, document: documents.Document, *, only: bool) -> str:
    file = documents.display_name(path)
    return file if only else f"{file}: {_name(document) or 'AppStack without a name'}"


def _name(document: documents.Document) -> str:
    metadata = document.get("metadata")
    return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""


def _validate(
    document: documents.Document, *, source: str, settings: Settings, namespace: str | None
) -> ValidationResult:
    if namespace and isinstance(document.get("metadata"), dict):
        document = {**document, "metadata": {**document["metadata"], "namespace": namespace}}
    unknown = unknown_fields(document)
    try:
        stack = parse(document)
    except InvalidSpec as error:
        further = _further_issues(parse_lenient(document), error.issues, settings)
        return ValidationResult(source, None, _merge(unknown, (*error.issues, *further)))
    return ValidationResult(source, stack, _merge(unknown, compute_desired_state(stack, settings=settings).issues))


def _further_issues(
    stack: AppStack | None, issues: tuple[ValidationIssue, ...], settings: Settings
) -> Iterator[ValidationIssue]:
    """Yield the errors of a leniently parsed AppStack, except in the parts that failed to parse."""
    failed_paths = [(_LIST_ITEM.match(issue.field) or [issue.field])[0] for issue in issues]
    for issue in validate(stack, settings) if stack else ():
        if issue.severity is Severity.ERROR and not any(issue.field.startswith(path) for path in failed_paths):
            yield issue


def _merge(unknown: tuple[ValidationIssue, ...], issues: tuple[ValidationIssue, ...]) -> tuple[ValidationIssue, ...]:
    """Return all issues, but only one of the two sources per field: any reason is better than "unknown field"."""
    explained = {issue.field for issue in issues if issue.message != UNKNOWN_FIELD}
    kept = [issue for issue in unknown if issue.field not in explained]
    unknown_paths = {issue.field for issue in kept}
    return (*kept, *(issue for issue in issues if issue.field not in unknown_paths))
