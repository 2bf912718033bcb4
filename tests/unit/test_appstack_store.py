"""The store of AppStacks: order of events, recognition of our own status writes, life of the reconcile state."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.api.size import MAX_SPEC_BYTES, MAX_SPEC_VALUES, size_issue
from appstack.informers.appstack_store import AppStackStore, StoredAppStack
from appstack.k8s.metadata import Key, Manifest, Ref
from appstack.k8s.observed import TerminalState
from appstack.planning.changes import Applied, recorded_children
from appstack.planning.reconcile_state import NEVER

KEY = Key("team", "shop")
SERVICE = Ref("v1", "Service", "team", "shop")
JOB = Ref("batch/v1", "Job", "team", "shop")
JOB_RECORD = {"apiVersion": "batch/v1", "kind": "Job", "name": "shop", "rendered": "r", "fields": "f"}


def appstack(version: int, *, uid: str = "u1", generation: int = 1, **members: Any) -> Manifest:
    """Return an AppStack as a watch shows it."""
    metadata = {"name": "shop", "namespace": "team", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": metadata | {"generation": generation, "managedFields": []}} | members


def stored(appstacks: AppStackStore) -> StoredAppStack:
    """Return the AppStack, which is present."""
    found = appstacks.get(KEY)
    assert found is not None
    return found


@pytest.fixture
def appstacks() -> AppStackStore:
    """Return a store with one AppStack of version 5."""
    store = AppStackStore()
    store.update(appstack(5))
    return store


def test_only_a_newer_version_needs_a_reconcile(appstacks: AppStackStore) -> None:
    assert [False, False, True, True, False] == [
        appstacks.update(appstack(5)),
        appstacks.update(appstack(4)),
        appstacks.update(appstack(6)),
        appstacks.update(appstack(7, uid="u2")),
        appstacks.update(appstack(6)),  # a late event of the former AppStack of this name
    ]


def test_written_status_is_stored_at_once_and_its_event_needs_no_reconcile(appstacks: AppStackStore) -> None:
    appstacks.record_status_write(KEY, appstack(7), status={"a": 1}, covers=(), at=1.0)

    assert {"a": 1} == stored(appstacks).manifest["status"]
    assert 1.0 == stored(appstacks).state.last_status_write
    assert "managedFields" not in stored(appstacks).manifest["metadata"]
    assert not appstacks.update(appstack(7, status={"a": 1}))


def test_written_status_forgets_the_applied_children_that_it_covers(appstacks: AppStackStore) -> None:
    state = stored(appstacks).state
    state.record_applied({SERVICE: Applied(SERVICE, "r", "f")})
    covers = state.unrecorded
    state.record_applied({JOB: Applied(JOB, "r", "f")})

    appstacks.record_status_write(KEY, appstack(7), status={"a": 1}, covers=covers, at=1.0)

    assert [JOB] == [applied.ref for applied in stored(appstacks).state.unrecorded]


def test_event_of_a_status_write_in_flight_needs_no_reconcile(appstacks: AppStackStore) -> None:
    with appstacks.writing_status(KEY, {"a": 1}):
        assert not appstacks.update(appstack(6, status={"a": 1}))
        assert appstacks.update(appstack(7, generation=2, status={"a": 1})), "the spec has changed as well"
        assert appstacks.update(appstack(8, generation=2, status={"a": 2})), "another status"

    assert appstacks.update(appstack(9, generation=2, status={"a": 1})), "no write is in flight"


def test_appstack_is_unchanged_until_the_watch_shows_it_or_it_becomes_stale(appstacks: AppStackStore) -> None:
    before = stored(appstacks)
    assert appstacks.is_unchanged(KEY, before)

    appstacks.mark_stale(KEY)
    assert not appstacks.is_unchanged(KEY, before)

    appstacks.update(appstack(6))
    assert not stored(appstacks).stale
    assert not appstacks.is_unchanged(KEY, before)


def test_list_that_brings_a_stale_appstack_unchanged_proves_that_it_exists(appstacks: AppStackStore) -> None:
    appstacks.mark_stale(KEY)
    appstacks.mark_stale(Key("team", "unknown"))

    assert not appstacks.update(appstack(5))
    assert not stored(appstacks).stale


def test_spec_that_is_shown_after_a_later_status_write_needs_a_reconcile(appstacks: AppStackStore) -> None:
    answer = appstack(7, generation=2)
    appstacks.record_status_write(KEY, answer, status={"a": 1}, covers=(), at=1.0)

    assert appstacks.update(answer | {"spec": {"paused": True}, "status": {"a": 1}})


def test_event_that_is_older_than_a_status_write_keeps_the_written_status(appstacks: AppStackStore) -> None:
    appstacks.record_status_write(KEY, appstack(9, generation=2), status={"a": 1}, covers=(), at=1.0)

    for version, status, expected in ((7, {"a": 0}, 1), (8, {}, 1), (9, {"a": 1}, 1), (10, {"a": 2}, 2)):
        assert appstacks.update(appstack(version, generation=2, status=status, spec={"paused": True}))

        manifest = stored(appstacks).manifest
        assert ({"paused": True}, {"a": expected}) == (manifest["spec"], manifest["status"])


def test_answer_to_a_status_write_does_not_replace_a_later_event(appstacks: AppStackStore) -> None:
    appstacks.update(appstack(9, status={"a": 1}, spec={"paused": False}))
    appstacks.record_status_write(KEY, appstack(7), status={"a": 1}, covers=(), at=1.0)

    assert (9, {"paused": False}) == (stored(appstacks).version, stored(appstacks).manifest["spec"])
    assert 1.0 == stored(appstacks).state.last_status_write


def test_answer_to_a_status_write_of_a_deleted_appstack_is_ignored(appstacks: AppStackStore) -> None:
    appstacks.update(appstack(9, uid="u2"))
    appstacks.record_status_write(KEY, appstack(7), status={"a": 1}, covers=(), at=1.0)

    assert NEVER == stored(appstacks).state.last_status_write
    assert "status" not in stored(appstacks).manifest


def test_status_is_current_if_it_reports_on_the_present_generation(appstacks: AppStackStore) -> None:
    assert not appstacks.status_is_current(KEY)
    assert not appstacks.status_is_current(Key("team", "unknown"))

    appstacks.record_status_write(KEY, appstack(7), status={"observedGeneration": 1}, covers=(), at=1.0)
    assert appstacks.status_is_current(KEY)

    appstacks.update(appstack(8, generation=2, status={"observedGeneration": 1}))
    assert not appstacks.status_is_current(KEY)


def test_records_of_a_status_are_read_under_the_field_name_of_the_former_release_too() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "name": "shop", "rendered": "r1", "fields": "f1"}
    for spec_hash in ("specHash", "wish"):
        status = {"resources": [service, JOB_RECORD | {"ended": "Completed", spec_hash: "h"}]}

        assert {
            SERVICE: Applied(SERVICE, "r1", "f1"),
            JOB: Applied(JOB, "r", "f", TerminalState.COMPLETED, "h"),
        } == recorded_children(status, "team")


def test_state_lasts_for_as_long_as_its_appstack(appstacks: AppStackStore) -> None:
    state = stored(appstacks).state
    state.consecutive_outages = 2
    appstacks.update(appstack(6, generation=2))
    appstacks.mark_stale(KEY)
    appstacks.record_status_write(KEY, appstack(7, generation=2), status={"a": 1}, covers=(), at=1.0)

    assert state is stored(appstacks).state


def test_state_ends_when_an_appstack_of_another_uid_has_the_name(appstacks: AppStackStore) -> None:
    stored(appstacks).state.consecutive_outages = 2

    appstacks.update(appstack(6, uid="u2"))

    assert 0 == stored(appstacks).state.consecutive_outages


def test_state_ends_with_the_deletion_of_its_appstack(appstacks: AppStackStore) -> None:
    stored(appstacks).state.consecutive_outages = 2
    appstacks.delete(KEY, uid="u1")
    assert appstacks.get(KEY) is None

    appstacks.update(appstack(6))

    assert 0 == stored(appstacks).state.consecutive_outages


def test_state_ends_when_the_namespace_is_no_longer_selected(appstacks: AppStackStore) -> None:
    stored(appstacks).state.consecutive_outages = 2
    appstacks.drop_namespace("other")
    assert 1 == len(appstacks)
    appstacks.drop_namespace("team")
    assert 0 == len(appstacks)

    appstacks.update(appstack(6))

    assert 0 == stored(appstacks).state.consecutive_outages


def test_late_deletion_of_a_former_appstack_leaves_the_present_one(appstacks: AppStackStore) -> None:
    appstacks.update(appstack(9, uid="u2"))
    appstacks.delete(KEY, uid="u1")
    assert [KEY] == appstacks.keys()

    appstacks.delete(KEY, uid="u2")
    assert [] == appstacks.keys()


def test_appstack_wants_a_kind_until_it_is_deleted_or_no_longer_desires_it(appstacks: AppStackStore) -> None:
    stored(appstacks).state.not_served = frozenset({("v1", "Route")})
    assert {KEY} == appstacks.requiring("v1", "Route")
    assert set() == appstacks.requiring("v1", "Other")

    deleting = appstack(6)
    deleting["metadata"]["deletionTimestamp"] = "2026-11-21T08:00:00Z"
    appstacks.update(deleting)
    assert set() == appstacks.requiring("v1", "Route")


def large_spec(**fields: Any) -> Manifest:
    """Return a spec that is larger than an AppStack may have."""
    return {"backend": {"args": ["x" * MAX_SPEC_BYTES]}, **fields}


def test_nothing_but_a_summary_is_stored_of_a_spec_that_is_too_large(appstacks: AppStackStore) -> None:
    appstacks.update(appstack(6, generation=2, spec=large_spec(workload={"kind": "Job"}, proxy={"port": 1})))

    refused = stored(appstacks)
    assert refused.refusal is not None
    assert "the maximum is 65536" in refused.refusal.message
    assert {"workload": {"kind": "Job"}, "proxy": {}} == refused.manifest["spec"]
    assert 500 > len(refused.text)


@pytest.mark.parametrize("versions", [(7, 7), (9, 8)], ids=["the status is written", "an older event follows"])
def test_spec_that_is_too_large_stays_refused_after_a_status_write(
    appstacks: AppStackStore, versions: tuple[int, int]
) -> None:
    appstacks.update(appstack(6, generation=2, spec=large_spec()))
    written, observed = versions

    response = appstack(written, generation=2 if written == observed else 3)
    appstacks.record_status_write(KEY, response, status={"a": 1}, covers=(), at=1.0)
    appstacks.update(appstack(observed, generation=2 if written == observed else 3, spec=large_spec()))

    assert stored(appstacks).refusal is not None
    assert {"a": 1} == stored(appstacks).manifest["status"]


def test_smaller_spec_is_stored_again(appstacks: AppStackStore) -> None:
    appstacks.update(appstack(6, generation=2, spec=large_spec()))
    appstacks.update(appstack(7, generation=3, spec={"backend": {"args": ["x"]}}))

    assert stored(appstacks).refusal is None
    assert {"backend": {"args": ["x"]}} == stored(appstacks).manifest["spec"]


@pytest.mark.parametrize(
    "spec",
    [
        {"backend": {"args": ["x"] * MAX_SPEC_VALUES}},
        {"backend": {"args": ["x" * MAX_SPEC_BYTES]}},
        {"volumes": [{}] * MAX_SPEC_VALUES},
    ],
    ids=["values", "bytes", "smallest text"],
)
def test_every_spec_that_is_refused_for_its_size_is_found_by_the_length_of_its_text(
    appstacks: AppStackStore, spec: Manifest
) -> None:
    manifest = appstack(6, spec=spec)
    assert size_issue(manifest) is not None

    appstacks.update(manifest)

    assert stored(appstacks).refusal is not None
