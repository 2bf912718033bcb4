"""What is worth an Event: what has gone wrong since the status before, and what was replaced. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appstack.k8s.metadata import API_VERSION, KIND, Manifest, digest
from appstack.planning.changes import Action, Change

_NOTE: Final = 1024  # characters that the API takes
_CONTROLLER: Final = "appstack.dev/appstack"


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that went wrong."""

    reason: str
    note: str
    type: str = "Warning"


def transition_events(former: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[EventRecord, ...]:
    """Return what is wrong in `status` and was not in the `former` one."""
    return (*_stalls(former, status), *_troubles(former, status))


def replacement_events(changes: Iterable[Change]) -> tuple[EventRecord, ...]:
    """Return what is deleted to be made anew: nobody should wonder where it went."""
    return tuple(
        EventRecord("Replaced", f"{change.ref} is deleted and made anew: {change.note}", type="Normal")
        for change in changes
        if change.action is Action.REPLACED
    )


def _stalls(former: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[EventRecord]:
    before = {condition["reason"] for condition in _stalled(former)}
    for condition in _stalled(status):
        if condition["reason"] not in before:
            yield EventRecord(condition["reason"], condition.get("message", ""))


def _stalled(status: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    for condition in status.get("conditions") or ():
        if (condition["type"], condition["status"]) == ("Stalled", "True"):
            yield condition


def _troubles(former: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[EventRecord]:
    before = {_whose(one) for one in former.get("problems") or ()}
    for one in status.get("problems") or ():
        if _whose(one) not in before:
            said = ": ".join(word for word in (one.get("container"), one.get("message")) if word)
            words = (said, one.get("log", ""), one.get("hint", ""))
            yield EventRecord(one["reason"], "\n".join(word for word in words if word))


def _whose(problem: Mapping[str, Any]) -> tuple[object, ...]:
    return problem.get("container"), problem.get("resource"), problem["reason"]


def event(record: EventRecord, *, doc: Mapping[str, Any], now: str, instance: str) -> Manifest:
    """Return the Event that tells of it; `now` is a MicroTime."""
    meta = doc["metadata"]
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
        "note": record.note[:_NOTE],
        "eventTime": now,
        "reportingController": _CONTROLLER,
        "reportingInstance": instance[:128],
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
    }
