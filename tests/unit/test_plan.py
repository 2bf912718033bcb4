"""What is applied, left and pruned: a table of sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appstack.k8s.metadata import Manifest, Ref, digest, labels, owner
from appstack.k8s.observed import Child, Observed, Owner, TerminalState
from appstack.planning.changes import Applied
from appstack.planning.plan import (
    Apply,
    ApplyReason,
    AwaitDeletion,
    BackOff,
    Conflict,
    Leave,
    NotServed,
    Replace,
    Step,
    decide,
    plan,
)

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
FORMER = {"owner_uid": "u0", "owner_stack": "shop"}
OURS = Child(REF, uid="c1", resource_version="7", stack="shop", owner_uid="u1", fields="f1")


def child(**changes: Any) -> Child:
    return replace(OURS, **changes)


def other(name: str, **changes: Any) -> Child:
    return child(ref=replace(REF, name=name), **changes)


@pytest.mark.parametrize(
    ("sentence", "there", "last_applied", "reason"),
    [
        ("nothing there", None, None, ApplyReason.CREATE),
        ("ours is gone", None, APPLIED, ApplyReason.CREATE),
        ("ours as applied", OURS, APPLIED, None),
        ("another rendering", OURS, replace(APPLIED, rendered="old"), ApplyReason.CONFIGURE),
        ("nobody noted what was applied", OURS, None, ApplyReason.CONFIGURE),
        ("somebody changed what we set", child(fields="f2"), APPLIED, ApplyReason.REPAIR),
        ("somebody took all our fields over", child(fields=""), APPLIED, ApplyReason.REPAIR),
        ("the owner reference was removed", child(owner_uid="", fields="f2"), APPLIED, ApplyReason.REPAIR),
        ("our label was removed", child(stack="", fields="f2"), APPLIED, ApplyReason.REPAIR),
        ("label and owner were removed", child(stack="", owner_uid="", fields="f2"), APPLIED, ApplyReason.REPAIR),
        ("a retained claim of a former stack", child(owner_uid="", retained=True), None, ApplyReason.CONFIGURE),
        ("it is on its way out", child(deleting=True), APPLIED, None),
        ("it belongs to a former stack of this name", child(**FORMER), None, None),
        ("handed over", child(stack="", owner_uid="", fields="", adopt=True), None, ApplyReason.ADOPT),
    ],
)
def test_a_child_is_applied_for_a_reason(
    sentence: str, there: Child | None, last_applied: Applied | None, reason: ApplyReason | None
) -> None:
    step = decide(OWNER, manifest=MANIFEST, child=there, last_applied=last_applied)

    assert reason == (step.reason if isinstance(step, Apply) else None), sentence
    assert isinstance(step, Apply if reason else Leave | AwaitDeletion), sentence


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
    assert Conflict(REF) == decide(OWNER, manifest=MANIFEST, child=there, last_applied=None), sentence


def test_an_apply_goes_onto_the_object_that_was_looked_at() -> None:
    step = decide(OWNER, manifest=MANIFEST, child=child(fields="f2"), last_applied=APPLIED)

    assert isinstance(step, Apply)
    assert "c1" == (step.live.uid if step.live else None)
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


JOB: Manifest = {**MANIFEST, "apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {}}}
POD: Manifest = {**MANIFEST, "kind": "Pod", "spec": {"containers": [], "initContainers": [{"name": "check"}]}}
HALF: Manifest = {**POD, "spec": {"containers": [], "initContainers": [{"name": "p", "restartPolicy": "Always"}]}}
DONE, GONE_WRONG = TerminalState.COMPLETED, TerminalState.FAILED


def noted(manifest: Manifest, ended: TerminalState | None = None, *, last_applied: bool = False) -> Applied:
    return Applied(Ref.of(manifest), rendered="old" if last_applied else digest(manifest), fields="f1", ended=ended)


def run(manifest: Manifest, **changes: Any) -> Child:
    return child(ref=Ref.of(manifest), **changes)


@pytest.mark.parametrize(
    ("sentence", "manifest", "there", "last_applied", "step"),
    [
        ("nothing there", JOB, None, None, Apply),
        ("at work", JOB, run(JOB), noted(JOB), Leave),
        ("ended", JOB, run(JOB, ended=DONE), noted(JOB), Leave),
        ("ended, and gone", JOB, None, noted(JOB, DONE), Leave),
        ("failed, and gone", JOB, None, noted(JOB, GONE_WRONG), Leave),
        ("ended, and on its way out", JOB, run(JOB, ended=DONE, deleting=True), noted(JOB), Leave),
        ("deleted before its end", JOB, run(JOB, deleting=True), noted(JOB), AwaitDeletion),
        ("gone before its end", JOB, None, noted(JOB), Apply),
        ("ended for another spec, and gone", JOB, None, noted(JOB, DONE, last_applied=True), Apply),
        ("ended for another spec", JOB, run(JOB, ended=DONE), noted(JOB, last_applied=True), Replace),
        ("at work for another spec", JOB, run(JOB), noted(JOB, last_applied=True), Apply),
        ("ended, and nobody noted for what", JOB, run(JOB, ended=DONE), None, Apply),
        ("ended for a former stack of this name", JOB, run(JOB, ended=DONE, **FORMER), noted(JOB), AwaitDeletion),
        ("a pod with preparation, of another spec", POD, run(POD), noted(POD, last_applied=True), Replace),
        ("a pod with sidecars only, of another spec", HALF, run(HALF), noted(HALF, last_applied=True), Apply),
        ("a pod that somebody changed", POD, run(POD, fields="f2"), noted(POD), Apply),
        ("somebody else's Job", JOB, run(JOB, owner_uid="", fields="", ended=DONE), None, Conflict),
    ],
)
def test_what_runs_once(
    sentence: str, manifest: Manifest, there: Child | None, last_applied: Applied | None, step: type[Step]
) -> None:
    decided = decide(OWNER, manifest=manifest, child=there, last_applied=last_applied)

    assert isinstance(decided, step), f"{sentence}: {decided}"
    if isinstance(decided, Leave) and there is not None and there.ended:
        assert decided.applied is not None
        assert there.ended == decided.applied.ended, sentence


SPEC: dict[str, Any] = {"backend": {"image": "shop:1"}}


@pytest.mark.parametrize(
    ("sentence", "manifest", "changes", "spec", "step"),
    [
        ("gone", JOB, None, SPEC, Leave),
        ("there", JOB, {"ended": DONE}, SPEC, Leave),
        ("there, and somebody changed it", JOB, {"ended": DONE, "fields": "f2"}, SPEC, Leave),
        ("paused meanwhile", JOB, None, {**SPEC, "paused": True}, Leave),
        ("an Ingress is new", JOB, None, {**SPEC, "ingress": {}}, Leave),
        ("another image is wanted", JOB, None, {"backend": {"image": "shop:2"}}, Apply),
        ("another image is wanted, and it is there", JOB, {"ended": DONE}, {"backend": {"image": "shop:2"}}, Replace),
        ("a pod with preparation at work", POD, {}, SPEC, Leave),
        ("a Job at work", JOB, {}, SPEC, Leave),
    ],
)
def test_an_operator_that_renders_the_same_wish_otherwise_does_no_work_again(
    sentence: str, manifest: Manifest, changes: dict[str, Any] | None, spec: dict[str, Any], step: type[Step]
) -> None:
    made = decide(replace(OWNER, spec=SPEC), manifest=manifest, child=None, last_applied=None)
    assert isinstance(made, Apply)
    there = None if changes is None else run(manifest, **changes)
    ended = DONE if there is None else None
    last_applied = Applied(made.ref, rendered="by another operator", fields="f1", ended=ended, wish=made.wish)

    decided = decide(replace(OWNER, spec=spec), manifest=manifest, child=there, last_applied=last_applied)

    assert isinstance(decided, step), f"{sentence}: {decided}"
    if isinstance(decided, Leave) and decided.applied is not None:
        assert digest(manifest) == decided.applied.rendered, "the next wish is compared with what is rendered now"


@pytest.mark.parametrize(
    ("sentence", "owner_uid", "step"),
    [("it was this stack's", "u1", Leave), ("it was a former stack's of this name", "u0", Apply)],
)
def test_an_end_that_nobody_noted_counts(sentence: str, owner_uid: str, step: type[Step]) -> None:
    gone = run(JOB, ended=DONE, owner_uid=owner_uid)
    observed = Observed(ended={gone.ref: gone})

    (decided,) = plan(OWNER, desired=[JOB], observed=observed, recorded={gone.ref: noted(JOB)}).steps

    assert isinstance(decided, step), sentence


def test_nothing_is_pruned_while_something_is_made_anew() -> None:
    old, ended = other("old"), run(JOB, ended=DONE)
    observed = Observed({ended.ref: ended, old.ref: old})

    planned = plan(OWNER, desired=[JOB], observed=observed, recorded={ended.ref: noted(JOB, last_applied=True)})

    assert () == planned.prune


def test_a_kind_that_the_cluster_does_not_know_is_not_asked_for() -> None:
    observed = Observed({REF: OURS}, missing=frozenset({("batch/v1", "Job")}))

    planned = plan(OWNER, desired=[MANIFEST, JOB], observed=observed, recorded={REF: APPLIED})

    assert [Leave(REF, APPLIED), NotServed(Ref.of(JOB))] == list[Step](planned.steps)


SCALED: Manifest = {**MANIFEST, "apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 3}}
FREE: Manifest = {**SCALED, "spec": {}}


@pytest.mark.parametrize(
    ("sentence", "manifest", "there", "relinquishes_replicas"),
    [
        ("held, and no longer rendered", FREE, run(FREE, owns_replicas=True), True),
        ("held, and rendered", SCALED, run(SCALED, owns_replicas=True), False),
        ("never held", FREE, run(FREE), False),
        ("nothing there", FREE, None, False),
    ],
)
def test_replicas_that_are_let_go(
    sentence: str, manifest: Manifest, there: Child | None, relinquishes_replicas: bool
) -> None:
    step = decide(OWNER, manifest=manifest, child=there, last_applied=noted(manifest, last_applied=True))

    assert isinstance(step, Apply)
    assert relinquishes_replicas == step.relinquishes_replicas, sentence


def test_files_wait_for_jobs_at_work_and_not_for_what_has_ended() -> None:
    first, second = other("one", files="r1"), other("two", files="r2")
    cron = Ref("batch/v1", "Job", "team", "shop-1")
    at_work = Child(cron, "x", "1", "shop", owner_uid="c", files="r1")
    done = Child(replace(cron, name="shop-0"), "y", "1", "shop", owner_uid="c", files="r2", ended=DONE)
    children = {REF: OURS, **{one.ref: one for one in (first, second, at_work, done)}}

    planned = plan(OWNER, desired=[MANIFEST], observed=Observed(children), recorded={REF: APPLIED})

    assert (second,) == planned.prune


@pytest.mark.parametrize(
    ("sentence", "there", "step"),
    [
        ("changed again", child(fields="f2"), BackOff),
        ("deleted again", None, BackOff),
        ("as it should be", OURS, Leave),
        ("on its way out", child(deleting=True), AwaitDeletion),
    ],
)
def test_what_was_written_too_often_rests_where_it_would_be_written(
    sentence: str, there: Child | None, step: type[Step]
) -> None:
    observed = Observed(children={REF: there} if there else {})

    found = plan(OWNER, desired=[MANIFEST], observed=observed, recorded={REF: APPLIED}, resting={REF})

    assert [step] == [type(one) for one in found.steps], sentence
