"""Errors, sorted by what happens next.

AppStackError
├── InvalidSpec      the author of the AppStack must act: it carries every fault that was found
├── ForeignObject    somebody must hand an object over or rename the stack; looked at again now and then
├── Refused          the API server will not take an object as it stands: tried again now and then, with back-off
│   └── MissingKind  the cluster does not know the kind: looked at again when it does
├── Unavailable      the API server could not answer: tried again with back-off
└── OperatorError    whoever runs the operator must act: one sentence and what to do, then exit
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from appstack.k8s.metadata import Ref


class Severity(StrEnum):
    """How much a fault matters: an Error is refused, a Warning is legal but odd."""

    ERROR = "Error"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class ValidationIssue:
    """One thing that is wrong with a stack: the same words offline, at admission and in status.

    `path` is the field in Kubernetes' notation, for example `spec.sidecars[0].ports[1].containerPort`.
    """

    field: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        """One line: path, what, hint."""
        sentence = f"{self.field}: {self.message}"
        return f"{sentence} ({self.hint})" if self.hint else sentence


class AppStackError(Exception):
    """The root of what this package raises on purpose."""


class InvalidSpec(AppStackError):
    """The stack can't be rendered as it is written."""

    def __init__(self, issues: tuple[ValidationIssue, ...]) -> None:
        super().__init__("; ".join(str(issue) for issue in issues))
        self.issues = issues


class OwnershipConflict(AppStackError):
    """An object of the name that a child would bear belongs to somebody else."""

    def __init__(self, ref: Ref) -> None:
        super().__init__(
            f"{ref} exists and is not this AppStack's: rename one of the two, "
            f'or hand it over with the annotation appstack.dev/adopt: "true" on it'
        )
        self.ref = ref


class ApiRejected(AppStackError):
    """The API server answered that it will not do this: a 4xx that trying again does not cure."""

    def __init__(self, ref: Ref, *, status: int, reason: str, message: str, causes: tuple[str, ...] = ()) -> None:
        super().__init__(f"{ref}: {message}")
        self.ref = ref
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes  # each thing that is wrong, in the API server's words


class KindNotServed(ApiRejected):
    """The cluster has no such kind: its CustomResourceDefinition is not installed."""

    def __init__(self, ref: Ref) -> None:
        super().__init__(
            ref,
            status=404,
            reason="MissingKind",
            message=f"the cluster does not know {ref.kind} ({ref.api_version}): install its "
            "CustomResourceDefinition, and it is applied within a minute; the rest of the stack works",
        )


class ApiUnavailable(AppStackError):
    """The API server, or the way to it, failed for now: 5xx, 429, time-outs, broken connections."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds, when the server said so


class OperatorError(AppStackError):
    """The operator can't run as it was started: a sentence for the one who started it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message}. {hint}")
