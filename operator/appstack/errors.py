"""Exception hierarchy, by the reaction to each error.

AppStackError
├── InvalidSpec         the author of the AppStack must edit it; carries every validation issue
├── OwnershipConflict   a user must rename one of two objects or permit adoption; retried with back-off
├── ApiRejected         the API server refuses the object as it is; retried with back-off
│   └── KindNotServed   the cluster does not serve the kind; retried when its CustomResourceDefinition is installed
├── ApiUnavailable      the API server could not answer; retried with back-off
└── OperatorError       the administrator must act; the process prints the message with its hint and exits
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter
from typing import Final, TypeVar

from appstack.k8s.metadata import Ref
from appstack.k8s.text import MAX_MESSAGE, truncate


class Severity(StrEnum):
    """Severity of a validation issue: an Error blocks the stack, a Warning only informs."""

    ERROR = "Error"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class ValidationIssue:
    """One issue with an AppStack, with the same text offline, at admission and in the status.

    `field` is a path in Kubernetes' notation, for example `spec.sidecars[0].ports[1].containerPort`.
    """

    field: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    policy: str = ""  # the field of the administrator's policy that the spec violates, such as hostPorts

    def __str__(self) -> str:
        """Return one line with field, message and hint."""
        text = f"{self.field}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text


MAX_ISSUES_PER_KIND: Final = 50
"""Maximum number of errors, and of warnings, of one kind: of one check, or of one type of parsing error."""

Item = TypeVar("Item")


def first_of_each_kind(
    items: Iterable[Item], kind: Callable[[Item], Hashable]
) -> tuple[list[Item], list[tuple[Item, int]]]:
    """Return the first `MAX_ISSUES_PER_KIND` items of each kind in their order, and the first and number of the others.

    Items beyond the maximum are only counted, so the caller need not format them.
    """
    numbers, kept, omitted = Counter[Hashable](), list[Item](), dict[Hashable, Item]()
    for item in items:
        kind_of_item = kind(item)
        numbers[kind_of_item] += 1
        if numbers[kind_of_item] <= MAX_ISSUES_PER_KIND:
            kept.append(item)
        else:
            omitted.setdefault(kind_of_item, item)
    return kept, [(first, numbers[each] - MAX_ISSUES_PER_KIND) for each, first in omitted.items()]


def limit_issues(issues: Iterable[ValidationIssue]) -> Iterator[ValidationIssue]:
    """Yield the first errors and warnings of one check, and an issue that counts those left out.

    Messages are cut to `MAX_MESSAGE` characters: they repeat values of the spec.
    """
    kept, omitted = first_of_each_kind(issues, attrgetter("severity"))
    for issue in kept:
        yield issue if len(issue.message) <= MAX_MESSAGE else replace(issue, message=truncate(issue.message))
    for first, count in omitted:
        yield replace(more_issue(first.field, count, severity=first.severity), policy=first.policy)


def more_issue(field: str, count: int, *, severity: Severity = Severity.ERROR) -> ValidationIssue:
    """Return the issue that stands for `count` issues of one kind that are left out, the first of them at `field`."""
    noun = severity.lower() if count == 1 else f"{severity.lower()}s"
    return ValidationIssue(field, f"and {count} more {noun} of this kind", "correct the others first", severity)


class AppStackError(Exception):
    """Base class of all errors that this package raises."""


class InvalidSpec(AppStackError):
    """The spec of an AppStack cannot be rendered."""

    def __init__(self, issues: tuple[ValidationIssue, ...]) -> None:
        super().__init__("; ".join(str(issue) for issue in issues))
        self.issues = issues


class OwnershipConflict(AppStackError):
    """An object that the AppStack does not control already has the name of a child."""

    def __init__(self, ref: Ref) -> None:
        super().__init__(
            f"{ref} exists and is not controlled by this AppStack: rename one of the two, "
            f'or permit adoption by annotating the object with appstack.dev/adopt: "true"'
        )
        self.ref = ref


class ApiRejected(AppStackError):
    """The API server refused a request with a 4xx status that a retry alone does not cure."""

    def __init__(self, ref: Ref, *, status: int, reason: str, message: str, causes: tuple[str, ...] = ()) -> None:
        super().__init__(f"{ref}: {message}")
        self.ref = ref
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes  # details.causes of the Status object, one text each


class KindNotServed(ApiRejected):
    """The cluster does not serve a kind, or the administrator has disabled it for this operator."""

    def __init__(self, ref: Ref, *, disabled: bool = False) -> None:
        if disabled:
            message = (
                f"this operator may not use {ref.kind} ({ref.api_version}): its administrator has set `disabledKinds`, "
                "or `rbac.kinds` of the Helm chart. The other objects do not wait for it"
            )
        else:
            message = (
                f"the cluster does not serve {ref.kind} ({ref.api_version}): install its CustomResourceDefinition, "
                "and the object is applied within a minute. The other objects do not wait for it"
            )
        super().__init__(ref, status=404, reason="MissingKind", message=message)


class ApiUnavailable(AppStackError):
    """The API server failed temporarily or was unreachable: 5xx, 429, time-out, broken connection."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds, from the Retry-After header


class OperatorError(AppStackError):
    """The operator cannot run in this configuration; the message and the hint address the administrator."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message}. {hint}")
