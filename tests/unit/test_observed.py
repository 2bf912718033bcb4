"""Whether a look has seen all that happened while it was at work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed
from appstack.planning.changes import Action, Applied, Change, only_own_writes

REF, OTHER = Ref("apps/v1", "Deployment", "team", "shop"), Ref("v1", "Service", "team", "shop")
OLD = Child(OTHER, uid="s1", resource_version="3", stack="shop", owner_uid="u1", fields="f0")
NEW = Child(REF, uid="d1", resource_version="7", stack="shop", owner_uid="u1", fields="f1", status={"replicas": 0})
POD = Child(Ref("v1", "Pod", "team", "shop-1"), "p", "1", "shop")
CREATED = Change(REF, Action.CREATED, Applied(REF, "r1", "f1"))
LEFT = Change(OTHER, Action.UNCHANGED, Applied(OTHER, "r0", "f0"))
BEFORE = Observed(children={OTHER: OLD}, namespace_uid="n")
AFTER = replace(BEFORE, children={OTHER: OLD, REF: NEW})


def test_our_own_writes_are_nothing_new() -> None:
    assert only_own_writes(BEFORE, AFTER, [CREATED, LEFT])
    assert only_own_writes(AFTER, AFTER, [])


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(BEFORE, id="not shown yet, or gone again"),
        pytest.param(replace(AFTER, children={OTHER: OLD, REF: replace(NEW, fields="f2")}), id="changed by another"),
        pytest.param(replace(AFTER, children={OTHER: OLD, REF: replace(NEW, deleting=True)}), id="being deleted"),
        pytest.param(replace(AFTER, children={OTHER: replace(OLD, fields="f9"), REF: NEW}), id="a neighbour changed"),
        pytest.param(replace(AFTER, children={REF: NEW}), id="a neighbour gone"),
        pytest.param(replace(AFTER, pods=(POD,)), id="a pod"),
        pytest.param(replace(AFTER, missing=frozenset({("v1", "X")})), id="a kind gone"),
    ],
)
def test_whatever_else_is_seen_wants_another_look(after: Observed) -> None:
    assert not only_own_writes(BEFORE, after, [CREATED, LEFT])


@pytest.mark.parametrize(
    "action", [Action.FAILED, Action.REPLACED, Action.TERMINATING, Action.BACKING_OFF, Action.SKIPPED]
)
def test_what_is_not_done_wants_another_look(action: Action) -> None:
    assert not only_own_writes(BEFORE, AFTER, [CREATED, replace(LEFT, action=action)])
