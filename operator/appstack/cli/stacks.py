"""Validation of the AppStacks in a file, without a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from appstack.api import AppStack, parse
from appstack.api.parsing import parse_lenient
from appstack.cli import documents, output
from appstack.errors import InvalidSpec, OperatorError, Severity, ValidationIssue
from appstack.k8s.metadata import GROUP, KIND, Key
from appstack.k8s.observed import Dependencies, Dependency
from appstack.planning.dependencies import DependencyGraph
from appstack.planning.desired import compute_desired_state
from appstack.policy.effective import NAMESPACE_NAME_LABEL, PolicySource
from appstack.settings import Settings
from appstack.validation import validate
from appstack.validation.dependencies import dependency_issues
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
    loaded = documents.load(path)
    appstacks = list(_appstacks(loaded, path))
    if not appstacks:
        raise OperatorError(f"{documents.display_name(path)} contains no AppStack", documents.ADD_APPSTACK_HINT)
    only = len(appstacks) == 1
    validator = Validator(settings, labels=_namespace_labels(loaded))
    results = [
        validator.validate(_placed(document, namespace), source=_source(path, document, only=only))
        for document in appstacks
    ]
    for line in validator.assumptions():
        output.print_note(f"{documents.display_name(path)}: {line}")
    return _with_dependency_issues(results)


def _placed(document: documents.Document, namespace: str | None) -> documents.Document:
    if not namespace or not isinstance(document.get("metadata"), dict):
        return document
    return {**document, "metadata": {**document["metadata"], "namespace": namespace}}


def _namespace_labels(loaded: Iterable[documents.Document]) -> dict[str, Mapping[str, str]]:
    """Return the labels of the Namespaces among the objects."""
    labels: dict[str, Mapping[str, str]] = {}
    for document in loaded:
        metadata = document.get("metadata")
        if _is_namespace(document) and isinstance(metadata, dict):
            own = metadata.get("labels")
            labels[str(metadata.get("name", ""))] = {**own} if isinstance(own, dict) else {}
    return labels


def _is_namespace(document: documents.Document) -> bool:
    return (document.get("apiVersion"), document.get("kind")) == ("v1", "Namespace")


def _appstacks(loaded: Iterable[documents.Document], path: str) -> Iterator[documents.Document]:
    for document in loaded:
        group = str(document.get("apiVersion", "")).partition("/")[0]
        if (document.get("kind") == KIND and group in (GROUP, "")) or _is_misspelt(document, group):
            yield document
        elif not _is_namespace(document):
            kind = f"{document.get('apiVersion', 'no apiVersion')} {document.get('kind', 'no kind')}"
            line = f"{documents.display_name(path)}: skipped {kind} {_name(document)}"
            output.print_note(line.rstrip())


def _is_misspelt(document: documents.Document, group: str) -> bool:
    """Return whether an object is an AppStack with a wrong group or kind, which parsing then reports."""
    return group == GROUP or str(document.get("kind", "")).lower() == KIND.lower()


def _source(path: str, document: documents.Document, *, only: bool) -> str:
    file = documents.display_name(path)
    return file if only else f"{file}: {_name(document) or 'AppStack without a name'}"


def _name(document: documents.Document) -> str:
    metadata = document.get("metadata")
    return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""


class Validator:
    """Validates AppStacks with the operator's settings, and the labels of their namespaces as far as they are known."""

    def __init__(self, settings: Settings, labels: Mapping[str, Mapping[str, str]]) -> None:
        self._settings = settings
        self._policies = PolicySource(settings.policy, settings.namespace_policies)
        self._labels = labels
        self._assumed: dict[str, None] = {}  # namespaces with unknown labels on which a result depends

    def validate(self, document: documents.Document, *, source: str) -> ValidationResult:
        """Return the result for an AppStack as it is written."""
        unknown = unknown_fields(document)
        try:
            stack = parse(document)
        except InvalidSpec as error:
            further = _further_issues(parse_lenient(document), error.issues, self._settings)
            return ValidationResult(source, None, _merge(unknown, (*error.issues, *further)))
        issues = self._issues(stack, document["spec"])
        return ValidationResult(source, stack, _merge(unknown, issues))

    def assumptions(self) -> Iterator[str]:
        """Yield a line for each namespace with unknown labels that the results depend on."""
        for namespace in self._assumed:
            yield f"assumed that the namespace {namespace} has no labels; add the Namespace to the file if it has"

    def _issues(self, stack: AppStack, spec: Mapping[str, Any]) -> tuple[ValidationIssue, ...]:
        namespace = stack.metadata.namespace
        labels = {NAMESPACE_NAME_LABEL: namespace} | dict(self._labels.get(namespace, {}))
        policy = self._policies.find(labels)
        issues = compute_desired_state(stack, settings=self._settings, policy=policy, spec=spec).issues
        is_violated = any(issue.policy and issue.severity is Severity.ERROR for issue in issues)
        if namespace not in self._labels and (is_violated or self._settings.namespace_policies):
            self._assumed[namespace] = None
        return issues


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


def _with_dependency_issues(results: list[ValidationResult]) -> list[ValidationResult]:
    """Return the results with the issues of dependencies between the AppStacks."""
    stacks = {
        Key(each.metadata.namespace, each.metadata.name): each for each in filter(None, (r.stack for r in results))
    }
    graph = DependencyGraph()
    for key, stack in stacks.items():
        graph.set(key, tuple(each.name for each in stack.spec.depends_on))

    def issues(stack: AppStack) -> Iterator[ValidationIssue]:
        namespace, name = stack.metadata.namespace, stack.metadata.name
        keys = [Key(namespace, each.name) for each in stack.spec.depends_on]
        listed = [Dependency(key.name, workload_kind=stacks[key].spec.workload.kind) for key in keys if key in stacks]
        return dependency_issues(stack, Dependencies(tuple(listed), cycle=graph.cycle(Key(namespace, name))))

    return [replace(each, issues=(*each.issues, *issues(each.stack))) if each.stack else each for each in results]
