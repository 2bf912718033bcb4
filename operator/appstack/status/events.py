"""Events of an AppStack: transitions to Stalled, new problems, and replaced objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appstack.k8s.metadata import API_VERSION, KIND, Manifest, digest
from appstack.k8s.text import escape_controls
from appstack.planning.changes import Action, Change

_MAX_NOTE_CHARACTERS: Final = 1024  # the API's limit
_REPORTING_CONTROLLER: Final = "appstack.dev/appstack"


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Reason, note and type of an Event to create."""

    reason: str
    note: str
    type: str = "Warning"


def transition_events(previous: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[EventRecord, ...]:
    """Return an event for each Stalled reason and each problem in `status` that the previous status does not have."""
    return (*_stalled_events(previous, status), *_problem_events(previous, status))


def replacement_events(changes: Iterable[Change]) -> tuple[EventRecord, ...]:
    """Return an event for each object that is deleted and recreated."""
    return tuple(
        EventRecord("Replaced", f"{change.ref} was deleted, to be recreated: {change.note}", type="Normal")
        for change in changes
        if change.action is Action.REPLACED
    )


def _stalled_events(previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[EventRecord]:
    known = {condition["reason"] for condition in _stalled_conditions(previous)}
    for condition in _stalled_conditions(status):
        if condition["reason"] not in known:
            yield EventRecord(condition["reason"], condition.get("message", ""))


def _stalled_conditions(status: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    for condition in status.get("conditions") or ():
        if (condition["type"], condition["status"]) == ("Stalled", "True"):
            yield condition


def _problem_events(previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[EventRecord]:
    known = {_identity(problem) for problem in previous.get("problems") or ()}
    for problem in status.get("problems") or ():
        if _identity(problem) not in known:
            summary = ": ".join(text for text in (problem.get("container"), problem.get("message")) if text)
            lines = (summary, problem.get("log", ""), problem.get("hint", ""))
            yield EventRecord(problem["reason"], "\n".join(line for line in lines if line))


def _identity(problem: Mapping[str, Any]) -> tuple[object, ...]:
    return problem.get("container"), problem.get("resource"), problem["reason"]


def build_event(record: EventRecord, *, manifest: Mapping[str, Any], now: str, instance: str) -> Manifest:
    """Return the manifest of the Event that reports a record on the AppStack `manifest`; `now` is a MicroTime."""
    meta = manifest["metadata"]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{meta['name']}.{digest([meta['uid'], record.reason, record.note, now])}",
            "namespace": meta["namespace"],
        },
        "type": record.type,
        "reason": record.reason[:128],
        "action": "Reconcile",
        "note": escape_controls(record.note, multiline=True)[:_MAX_NOTE_CHARACTERS],
        "eventTime": now,
        "reportingController": _REPORTING_CONTROLLER,
        "reportingInstance": instance[:128],
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
    }
