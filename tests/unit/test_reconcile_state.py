"""The reconcile state: children that were applied and that no written status records yet."""

from __future__ import annotations

from appstack.k8s.metadata import Ref
from appstack.planning.changes import Applied
from appstack.planning.reconcile_state import NEVER, ReconcileState

SERVICE = Ref("v1", "Service", "team", "shop")
DEPLOYMENT = Ref("apps/v1", "Deployment", "team", "shop")


def applied(ref: Ref, revision: int) -> dict[Ref, Applied]:
    """Return the record of an apply of a child."""
    return {ref: Applied(ref, rendered=f"r{revision}", fields=f"f{revision}")}


def test_latest_apply_of_each_child_is_unrecorded() -> None:
    state = ReconcileState()
    state.record_applied(applied(SERVICE, 1))
    state.record_applied(applied(DEPLOYMENT, 1) | applied(SERVICE, 2))
    state.record_applied({})

    assert {**applied(SERVICE, 2), **applied(DEPLOYMENT, 1)} == {one.ref: one for one in state.unrecorded}


def test_written_status_ends_what_it_records() -> None:
    state = ReconcileState()
    state.record_applied(applied(SERVICE, 1) | applied(DEPLOYMENT, 1))
    assert NEVER == state.last_status_write

    state.record_status(applied(SERVICE, 1), at=7.0)

    assert tuple(applied(DEPLOYMENT, 1).values()) == state.unrecorded
    assert 7.0 == state.last_status_write


def test_apply_after_the_status_was_built_stays_unrecorded() -> None:
    state = ReconcileState()
    state.record_applied(applied(SERVICE, 1))
    built = applied(SERVICE, 1)
    state.record_applied(applied(SERVICE, 2))

    state.record_status(built, at=7.0)

    assert tuple(applied(SERVICE, 2).values()) == state.unrecorded
