"""Events about an AppStack: for which transitions of its status, and their content."""

from __future__ import annotations

import pytest

from appstack.k8s.metadata import Manifest
from appstack.status.events import EventRecord, build_event, transition_events

STALLED = {"type": "Stalled", "status": "True", "reason": "InvalidSpec", "message": "spec.backend: is required"}
PROBLEM = {"container": "backend", "reason": "CrashLoopBackOff", "message": "it ends", "log": "boom", "hint": "fix"}
METADATA = {"name": "shop", "namespace": "team", "uid": "u1"}


@pytest.mark.parametrize(
    ("sentence", "previous", "status", "reasons"),
    [
        ("ready", {}, {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready"}]}, []),
        ("newly stalled", {}, {"conditions": [STALLED]}, ["InvalidSpec"]),
        ("still stalled", {"conditions": [STALLED]}, {"conditions": [STALLED]}, []),
        (
            "stalled for another reason",
            {"conditions": [STALLED | {"reason": "Refused"}]},
            {"conditions": [STALLED]},
            ["InvalidSpec"],
        ),
        ("a new problem", {}, {"problems": [PROBLEM]}, ["CrashLoopBackOff"]),
        ("the same problem in another pod", {"problems": [PROBLEM | {"pod": "a"}]}, {"problems": [PROBLEM]}, []),
        ("recovered", {"conditions": [STALLED], "problems": [PROBLEM]}, {}, []),
    ],
)
def test_event_is_recorded_for_each_transition_to_a_worse_state(
    sentence: str, previous: Manifest, status: Manifest, reasons: list[str]
) -> None:
    assert reasons == [record.reason for record in transition_events(previous, status)], sentence


def test_event_names_the_appstack_and_the_cause() -> None:
    (record,) = transition_events({}, {"problems": [PROBLEM]})
    event = build_event(record, manifest={"metadata": METADATA}, now="2026-01-01T00:00:00.000000Z", instance="host")

    assert ("Warning", "CrashLoopBackOff") == (event["type"], event["reason"])
    assert "backend: it ends\nboom\nfix" == event["note"]
    assert ("shop", "u1") == (event["regarding"]["name"], event["regarding"]["uid"])


def test_event_keeps_lines_and_escapes_other_control_characters() -> None:
    record = EventRecord("CrashLoopBackOff", "boom\n\x1b[2Jfix" + "\x1b" * 2000)
    event = build_event(record, manifest={"metadata": METADATA}, now="2026-01-01T00:00:00.000000Z", instance="host")

    assert event["note"].startswith("boom\n\\x1b[2Jfix")
    assert 1024 == len(event["note"])
