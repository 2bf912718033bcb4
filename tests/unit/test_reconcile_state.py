"""The reconcile state: children that were applied and that no written status records yet."""

from __future__ import annotations

import pytest

from appstack.k8s.metadata import Ref
from appstack.planning.changes import Applied
from appstack.planning.reconcile_state import NEVER, ReconcileState

SERVICE = Ref("v1", "Service", "team", "shop")
CONFIG_MAP = Ref("v1", "ConfigMap", "team", "shop")
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


def test_written_status_is_current_from_the_time_of_its_write() -> None:
    state = ReconcileState(outdated_since=3.0)
    assert NEVER == state.last_status_write

    state.record_status((), at=7.0)

    assert 7.0 == state.last_status_write
    assert state.outdated_since is None


def test_written_status_forgets_the_children_that_it_covers() -> None:
    state = ReconcileState()
    state.record_applied(applied(SERVICE, 1) | applied(DEPLOYMENT, 1))
    covers = state.unrecorded
    state.record_applied(applied(CONFIG_MAP, 1))

    state.record_status(covers, at=7.0)

    assert tuple(applied(CONFIG_MAP, 1).values()) == state.unrecorded


@pytest.mark.parametrize("revision", [1, 2])
def test_apply_after_the_status_was_built_stays_unrecorded(revision: int) -> None:
    state = ReconcileState()
    state.record_applied(applied(SERVICE, 1))
    covers = state.unrecorded
    state.record_applied(applied(SERVICE, revision))

    state.record_status(covers, at=7.0)

    assert tuple(applied(SERVICE, revision).values()) == state.unrecorded
