"""What is applied, left and pruned: a table of sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appstack.meta import Manifest, Ref, digest, labels, owner
from appstack.observed import Applied, Child, Observed
from appstack.plan import Apply, Foreign, Leave, Owner, Step, Why, decide, plan

OWNER = Owner(name="shop", uid="u1")
MANIFEST: Manifest = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": "shop",
        "namespace": "team",
        "labels": labels("shop"),
        "ownerReferences": [owner(name="shop", uid="u1")],
    },
}
REF = Ref.of(MANIFEST)
APPLIED = Applied(REF, rendered=digest(MANIFEST), fields="f1")
OURS = Child(REF, uid="c1", resource_version="7", stack="shop", owner_uid="u1", fields="f1")


def child(**changes: Any) -> Child:
    return replace(OURS, **changes)


def other(name: str, **changes: Any) -> Child:
    return child(ref=replace(REF, name=name), **changes)


@pytest.mark.parametrize(
    ("sentence", "there", "former", "why"),
    [
        ("nothing there", None, None, Why.CREATE),
        ("ours is gone", None, APPLIED, Why.CREATE),
        ("ours as applied", OURS, APPLIED, None),
        ("another rendering", OURS, replace(APPLIED, rendered="old"), Why.CONFIGURE),
        ("nobody noted what was applied", OURS, None, Why.CONFIGURE),
        ("somebody changed what we set", child(fields="f2"), APPLIED, Why.REPAIR),
        ("somebody took all our fields over", child(fields=""), APPLIED, Why.REPAIR),
        ("the owner reference was removed", child(owner_uid="", fields="f2"), APPLIED, Why.REPAIR),
        ("our label was removed", child(stack="", fields="f2"), APPLIED, Why.REPAIR),
        ("label and owner were removed", child(stack="", owner_uid="", fields="f2"), APPLIED, Why.REPAIR),
        ("a retained claim of a former stack", child(owner_uid="", retained=True), None, Why.CONFIGURE),
        ("it is on its way out", child(deleting=True), APPLIED, None),
        ("it belongs to a former stack of this name", child(owner_uid="u0", owner_stack="shop"), None, None),
        ("handed over", child(stack="", owner_uid="", fields="", adopt=True), None, Why.ADOPT),
    ],
)
def test_a_child_is_applied_for_a_reason(
    sentence: str, there: Child | None, former: Applied | None, why: Why | None
) -> None:
    step = decide(OWNER, manifest=MANIFEST, child=there, former=former)

    assert why == (step.why if isinstance(step, Apply) else None), sentence
    assert isinstance(step, Apply if why else Leave), sentence


@pytest.mark.parametrize(
    ("sentence", "there"),
    [
        ("no label, no owner, not our fields", child(stack="", owner_uid="", fields="")),
        ("our label alone proves nothing", child(owner_uid="", fields="")),
        ("another's controller owns it", child(stack="", owner_uid="u9", fields="")),
        ("ours, and another controller has taken it over", child(owner_uid="u9")),
        ("applied by us for another stack, which owns it", child(stack="other", owner_uid="u9")),
        ("orphaned by a stack of another name", child(stack="other", owner_uid="")),
    ],
)
def test_what_is_not_ours_is_left_alone(sentence: str, there: Child) -> None:
    assert Foreign(REF) == decide(OWNER, manifest=MANIFEST, child=there, former=None), sentence


def test_an_apply_goes_onto_the_object_that_was_looked_at() -> None:
    step = decide(OWNER, manifest=MANIFEST, child=child(fields="f2"), former=APPLIED)

    assert isinstance(step, Apply)
    assert "c1" == (step.onto.uid if step.onto else None)
    assert digest(MANIFEST) == step.rendered


@pytest.mark.parametrize(
    ("sentence", "there", "pruned"),
    [
        ("ours, and no longer rendered", other("old"), True),
        ("somebody else's with our label", other("old", owner_uid="u9"), False),
        ("a retained claim", other("old", owner_uid="", retained=True), False),
        ("already on its way out", other("old", deleting=True), False),
        ("files that nobody needs", other("old", files="r0"), True),
        ("files that an old ReplicaSet needs", other("old", files="r1"), False),
        ("files that a pod needs", other("old", files="r2"), False),
    ],
)
def test_pruning(sentence: str, there: Child, pruned: bool) -> None:
    revision = Child(Ref("apps/v1", "ReplicaSet", "team", "shop-1"), "x", "1", "shop", files="r1")
    pod = Child(Ref("v1", "Pod", "team", "shop-1-a"), "y", "1", "shop", files="r2", deleting=True)
    observed = Observed({REF: OURS, there.ref: there}, revisions=(revision,), pods=(pod,))

    planned = plan(OWNER, desired=[MANIFEST], observed=observed, recorded={REF: APPLIED})

    assert ((there,) if pruned else ()) == planned.prune, sentence
    assert [Leave(REF, APPLIED)] == list[Step](planned.steps)


def test_steps_keep_the_order_of_the_rendering() -> None:
    second = MANIFEST | {"metadata": MANIFEST["metadata"] | {"name": "a-second"}}

    planned = plan(OWNER, desired=[MANIFEST, second], observed=Observed(), recorded={})

    assert ["shop", "a-second"] == [step.ref.name for step in planned.steps]
