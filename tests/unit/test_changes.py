"""Detection of own writes: whether the cache shows nothing beyond the changes of the last reconcile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed
from appstack.planning.changes import Action, Applied, Change, only_own_writes

DEPLOYMENT, SERVICE = Ref("apps/v1", "Deployment", "team", "shop"), Ref("v1", "Service", "team", "shop")
SERVICE_CHILD = Child(SERVICE, uid="s1", resource_version="3", stack="shop", owner_uid="u1", fields="f0")
DEPLOYMENT_CHILD = Child(
    DEPLOYMENT, uid="d1", resource_version="7", stack="shop", owner_uid="u1", fields="f1", status={"replicas": 0}
)
POD = Child(Ref("v1", "Pod", "team", "shop-1"), "p", "1", "shop")
CREATED = Change(DEPLOYMENT, Action.CREATED, Applied(DEPLOYMENT, "r1", "f1"))
UNCHANGED = Change(SERVICE, Action.UNCHANGED, Applied(SERVICE, "r0", "f0"))
BEFORE = Observed(children={SERVICE: SERVICE_CHILD}, namespace_uid="n")
AFTER = replace(BEFORE, children={SERVICE: SERVICE_CHILD, DEPLOYMENT: DEPLOYMENT_CHILD})


def test_own_writes_need_no_other_reconcile() -> None:
    assert only_own_writes(BEFORE, AFTER, [CREATED, UNCHANGED])
    assert only_own_writes(AFTER, AFTER, [])


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(BEFORE, id="own write not in the cache, or deleted"),
        pytest.param(
            replace(AFTER, children={SERVICE: SERVICE_CHILD, DEPLOYMENT: replace(DEPLOYMENT_CHILD, fields="f2")}),
            id="own write changed by another client",
        ),
        pytest.param(
            replace(AFTER, children={SERVICE: SERVICE_CHILD, DEPLOYMENT: replace(DEPLOYMENT_CHILD, deleting=True)}),
            id="written child being deleted",
        ),
        pytest.param(
            replace(AFTER, children={SERVICE: replace(SERVICE_CHILD, fields="f9"), DEPLOYMENT: DEPLOYMENT_CHILD}),
            id="another child changed",
        ),
        pytest.param(replace(AFTER, children={DEPLOYMENT: DEPLOYMENT_CHILD}), id="another child deleted"),
        pytest.param(replace(AFTER, pods=(POD,)), id="new pod"),
        pytest.param(replace(AFTER, not_served=frozenset({("v1", "X")})), id="kind no longer served"),
    ],
)
def test_any_other_difference_needs_another_reconcile(after: Observed) -> None:
    assert not only_own_writes(BEFORE, after, [CREATED, UNCHANGED])


@pytest.mark.parametrize(
    "action", [Action.FAILED, Action.REPLACED, Action.TERMINATING, Action.BACKING_OFF, Action.SKIPPED]
)
def test_incomplete_step_needs_another_reconcile(action: Action) -> None:
    assert not only_own_writes(BEFORE, AFTER, [CREATED, replace(UNCHANGED, action=action)])
