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

from dataclasses import dataclass
from enum import StrEnum

from appstack.k8s.metadata import Ref


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

    def __str__(self) -> str:
        """Return one line with field, message and hint."""
        text = f"{self.field}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text


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
    """The cluster does not serve a kind: its CustomResourceDefinition is not installed."""

    def __init__(self, ref: Ref) -> None:
        super().__init__(
            ref,
            status=404,
            reason="MissingKind",
            message=f"the cluster does not serve {ref.kind} ({ref.api_version}): install its "
            "CustomResourceDefinition, and the object is applied within a minute. The other objects do not wait for it",
        )


class ApiUnavailable(AppStackError):
    """The API server failed temporarily or was unreachable: 5xx, 429, time-out, broken connection."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds, from the Retry-After header


class OperatorError(AppStackError):
    """The operator cannot run in this configuration; the message and the hint address the administrator."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message}. {hint}")
