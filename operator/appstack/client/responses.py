"""Responses of the API server: watch events, and errors classified by the reaction that they call for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pydantic_core import from_json

from appstack.client.requests import Request
from appstack.errors import ApiRejected, ApiUnavailable, AppStackError, KindNotServed
from appstack.k8s.lenient_json import loads
from appstack.k8s.metadata import Manifest

_MAX_RETRY_AFTER_SECONDS: Final = 60.0  # beyond that a watch counts as stuck, and the liveness probe fails
_MAX_MESSAGE_HALF: Final = 4_000  # characters kept at either end of a message, which may quote a whole object
_RETRYABLE: Final = (401, 408, 425, 429)  # besides 5xx
_UNKNOWN_FIELD: Final = "failed to create typed patch object"
"""Beginning of the message of a server-side apply with a field that the schema of a custom resource does not have. The
API server responds with the code 500, but a retry succeeds only with another CustomResourceDefinition."""
_IMMUTABLE: Final = ("field is immutable", "may not change fields", "may not add or remove containers")
_OBJECT_EVENTS: Final = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK"})


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One event of a watch."""

    type: str  # ADDED, MODIFIED, DELETED, BOOKMARK, ERROR
    object: Manifest
    resource_version: str = ""


def decode_watch_event(line: bytes) -> WatchEvent:
    """Return the event in a line of a watch. Raise ApiUnavailable for a truncated or malformed line."""
    try:
        value: dict[str, Any] = loads(line)
        event_type, manifest = value["type"], value["object"]
        if event_type == "ERROR":
            return WatchEvent(event_type, dict(manifest))
        if event_type in _OBJECT_EVENTS:
            return WatchEvent(event_type, manifest, str(int(manifest["metadata"]["resourceVersion"])))
    except (ValueError, KeyError, TypeError):
        pass
    raise ApiUnavailable(f"not a watch event: {line[:100]!r}")


def to_error(request: Request, *, status: int, headers: Mapping[str, str], body: bytes) -> AppStackError:
    """Return the error for a response with a status of 400 or above."""
    details = _status_object(body)
    message = _shorten(details.get("message") or "") or body[:300].decode(errors="replace") or f"HTTP {status}"
    if status in _RETRYABLE or (status >= 500 and not message.startswith(_UNKNOWN_FIELD)):
        return ApiUnavailable(f"{request.ref}: {message}", retry_after=retry_after(headers, details))
    if status == 404 and not details and request.kind.optional:
        return KindNotServed(request.ref)  # the 404 of a missing object has a Status object
    reason = details.get("reason") or f"HTTP{status}"
    causes = (details.get("details") or {}).get("causes") or ()
    messages = tuple(_shorten(cause.get("message", "")) for cause in causes)
    return ApiRejected(request.ref, status=status, reason=reason, message=message, causes=messages)


def _shorten(message: object) -> str:
    """Return a message without its middle. The field stands at its beginning, Kubernetes' verdict at its end."""
    text = str(message)
    half = _MAX_MESSAGE_HALF
    return text if len(text) <= 2 * half else f"{text[:half]} … {text[-half:]}"


def is_conflict(error: ApiRejected) -> bool:
    """Return whether a precondition of the request failed: the live object has another uid or resourceVersion."""
    return error.status == 409 or (error.status == 422 and "metadata.uid" in error.message)


def is_already_deleted(error: ApiRejected) -> bool:
    """Return whether the object of a delete no longer exists. A 404 or 409 of an admission webhook does not count."""
    return error.status in (404, 409) and "admission webhook" not in error.message


def is_immutable(error: ApiRejected) -> bool:
    """Return whether changes of immutable fields are the only cause of the error."""
    return bool(error.causes) and all(any(text in cause for text in _IMMUTABLE) for cause in error.causes)


def _status_object(body: bytes) -> Mapping[str, Any]:
    """Return the `Status` object of a response, empty if there is none, as in the response of a proxy.

    Of a body that was not read to its end, the members that were read are returned.
    """
    try:
        value = loads(body)
    except ValueError:
        try:
            value = from_json(body, allow_partial="trailing-strings")
        except ValueError:
            return {}
    return value if isinstance(value, dict) and value.get("kind") == "Status" else {}


def retry_after(headers: Mapping[str, str], status: Mapping[str, Any] = MappingProxyType({})) -> float | None:
    """Return the seconds to wait before a retry, as the header or the Status object asks for; at most 60."""
    seconds = headers.get("Retry-After") or (status.get("details") or {}).get("retryAfterSeconds")
    try:
        return min(float(seconds), _MAX_RETRY_AFTER_SECONDS) if seconds else None
    except ValueError:
        return None
