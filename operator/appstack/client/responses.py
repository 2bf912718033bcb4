"""What the API server answers, sorted by what happens next: the one edge where that is decided. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from appstack.client.requests import Request
from appstack.errors import ApiRejected, ApiUnavailable, AppStackError, KindNotServed
from appstack.k8s.lenient_json import read
from appstack.k8s.metadata import Manifest

_LONGEST: Final = 60.0  # seconds that a server may make us wait: the probes would think that we are stuck
_LONG: Final = 4_000  # characters at both ends of a message: between them it may quote all that somebody wrote
_FOR_NOW: Final = (401, 408, 425, 429)  # besides 5xx
_IMMUTABLE: Final = ("field is immutable", "may not change fields", "may not add or remove containers")


_SHOWN: Final = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK"})


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a watch."""

    type: str  # ADDED, MODIFIED, DELETED, BOOKMARK, ERROR
    object: Manifest
    version: str = ""


def decode(line: bytes) -> Event:
    """Return the event of a line; raise Unavailable for a line that is none, or was cut off."""
    try:
        value: dict[str, Any] = read(line)
        kind, thing = value["type"], value["object"]
        if kind == "ERROR":
            return Event(kind, dict(thing))
        if kind in _SHOWN:
            return Event(kind, thing, str(int(thing["metadata"]["resourceVersion"])))
    except (ValueError, KeyError, TypeError):
        pass
    raise ApiUnavailable(f"a watch brought no event: {line[:100]!r}")


def to_error(request: Request, *, status: int, headers: Mapping[str, str], body: bytes) -> AppStackError:
    """Return what an answer of 400 and above means."""
    told = _status_object(body)
    message = _clipped(told.get("message") or "") or body[:300].decode(errors="replace") or f"HTTP {status}"
    if status in _FOR_NOW or status >= 500:
        return ApiUnavailable(f"{request.ref}: {message}", retry_after=retry_after(headers, told))
    if status == 404 and not told and request.kind.optional:
        return KindNotServed(request.ref)  # of an object that is not there it would speak in a `Status`
    reason = told.get("reason") or f"HTTP{status}"
    causes = (told.get("details") or {}).get("causes") or ()
    said = tuple(_clipped(cause.get("message", "")) for cause in causes)
    return ApiRejected(request.ref, status=status, reason=reason, message=message, causes=said)


def _clipped(message: object) -> str:
    """Return a message without its middle: what is wrong stands at one end, in Kubernetes' words at the last."""
    text = str(message)
    return text if len(text) <= 2 * _LONG else f"{text[:_LONG]} … {text[-_LONG:]}"


def is_conflict(error: ApiRejected) -> bool:
    """Tell whether what is there was not what the request was meant for: another uid or resourceVersion."""
    return error.status == 409 or (error.status == 422 and "metadata.uid" in error.message)


def is_gone(error: ApiRejected) -> bool:
    """Tell whether what was to be deleted is not there, or another object by now; a webhook may say 404, too."""
    return error.status in (404, 409) and "admission webhook" not in error.message


def is_immutable(error: ApiRejected) -> bool:
    """Tell whether all that is wrong is that a field can't be changed any more."""
    return bool(error.causes) and all(any(word in cause for word in _IMMUTABLE) for cause in error.causes)


def _status_object(body: bytes) -> Mapping[str, Any]:
    """Return the `Status` object of an answer; a proxy on the way may have answered something else."""
    try:
        value = read(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) and value.get("kind") == "Status" else {}


def retry_after(headers: Mapping[str, str], told: Mapping[str, Any] = MappingProxyType({})) -> float | None:
    """Return the seconds that a server asks us to wait, a minute at most."""
    said = headers.get("Retry-After") or (told.get("details") or {}).get("retryAfterSeconds")
    try:
        return min(float(said), _LONGEST) if said else None
    except ValueError:
        return None
