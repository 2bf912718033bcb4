"""Plan: the step for each child, pruning, Jobs and Pods that run once, and drift back-off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appstack.k8s.metadata import Manifest, Ref, digest, labels, owner_reference
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
        "ownerReferences": [owner_reference(name="shop", uid="u1")],
    },
}
REF = Ref.of(MANIFEST)
APPLIED = Applied(REF, rendered=digest(MANIFEST), fields="f1")
PREVIOUS_OWNER = {"owner_uid": "u0", "owner_stack": "shop"}
CHILD = Child(REF, uid="c1", resource_version="7", stack="shop", owner_uid="u1", fields="f1")


def child(**changes: Any) -> Child:
    return replace(CHILD, **changes)


def named_child(name: str, **changes: Any) -> Child:
    return child(ref=replace(REF, name=name), **changes)


@pytest.mark.parametrize(
    ("sentence", "live", "last_applied", "reason"),
    [
        ("missing", None, None, ApplyReason.CREATE),
        ("applied, and deleted since", None, APPLIED, ApplyReason.CREATE),
        ("as applied", CHILD, APPLIED, None),
        ("another manifest", CHILD, replace(APPLIED, rendered="old"), ApplyReason.CONFIGURE),
        ("no record of the last apply", CHILD, None, ApplyReason.CONFIGURE),
        ("own fields changed by another client", child(fields="f2"), APPLIED, ApplyReason.REPAIR),
        ("all own fields taken over by another field manager", child(fields=""), APPLIED, ApplyReason.REPAIR),
        ("owner reference removed", child(owner_uid="", fields="f2"), APPLIED, ApplyReason.REPAIR),
        ("label removed", child(stack="", fields="f2"), APPLIED, ApplyReason.REPAIR),
        ("label and owner reference removed", child(stack="", owner_uid="", fields="f2"), APPLIED, ApplyReason.REPAIR),
        (
            "retained PersistentVolumeClaim of a deleted AppStack",
            child(owner_uid="", retained=True),
            None,
            ApplyReason.CONFIGURE,
        ),
        ("being deleted", child(deleting=True), APPLIED, None),
        ("owned by a deleted AppStack of the same name", child(**PREVIOUS_OWNER), None, None),
        ("adoption requested", child(stack="", owner_uid="", fields="", adopt=True), None, ApplyReason.ADOPT),
    ],
)
def test_child_is_applied_for_a_reason(
    sentence: str, live: Child | None, last_applied: Applied | None, reason: ApplyReason | None
) -> None:
    step = decide(OWNER, manifest=MANIFEST, child=live, last_applied=last_applied)

    assert reason == (step.reason if isinstance(step, Apply) else None), sentence
    assert isinstance(step, Apply if reason else Leave | AwaitDeletion), sentence


@pytest.mark.parametrize(
    ("sentence", "live"),
    [
        ("no label, no owner, no own fields", child(stack="", owner_uid="", fields="")),
        ("label only", child(owner_uid="", fields="")),
        ("another controller owns it", child(stack="", owner_uid="u9", fields="")),
        ("applied, and taken over by another controller", child(owner_uid="u9")),
        ("applied for another AppStack, which owns it", child(stack="other", owner_uid="u9")),
        ("orphaned by an AppStack of another name", child(stack="other", owner_uid="")),
    ],
)
def test_object_that_the_stack_does_not_own_is_a_conflict(sentence: str, live: Child) -> None:
    assert Conflict(REF) == decide(OWNER, manifest=MANIFEST, child=live, last_applied=None), sentence


def test_apply_is_conditioned_on_the_observed_object() -> None:
    step = decide(OWNER, manifest=MANIFEST, child=child(fields="f2"), last_applied=APPLIED)

    assert isinstance(step, Apply)
    assert "c1" == (step.live.uid if step.live else None)
    assert digest(MANIFEST) == step.rendered


@pytest.mark.parametrize(
    ("sentence", "live", "pruned"),
    [
        ("no longer rendered", named_child("old"), True),
        ("labelled, and owned by another controller", named_child("old", owner_uid="u9"), False),
        ("retained PersistentVolumeClaim", named_child("old", owner_uid="", retained=True), False),
        ("already being deleted", named_child("old", deleting=True), False),
        ("files that no pod mounts", named_child("old", files="r0"), True),
        ("files of an old ReplicaSet", named_child("old", files="r1"), False),
        ("files of a terminating pod", named_child("old", files="r2"), False),
    ],
)
def test_undesired_child_is_pruned_unless_it_is_needed(sentence: str, live: Child, pruned: bool) -> None:
    revision = Child(Ref("apps/v1", "ReplicaSet", "team", "shop-1"), "x", "1", "shop", files="r1")
    pod = Child(Ref("v1", "Pod", "team", "shop-1-a"), "y", "1", "shop", files="r2", deleting=True)
    observed = Observed({REF: CHILD, live.ref: live}, revisions=(revision,), pods=(pod,))

    planned = plan(OWNER, desired=[MANIFEST], observed=observed, recorded={REF: APPLIED})

    assert ((live,) if pruned else ()) == planned.prune, sentence
    assert [Leave(REF, APPLIED)] == list[Step](planned.steps)


def test_steps_are_in_the_order_of_the_manifests() -> None:
    second = MANIFEST | {"metadata": MANIFEST["metadata"] | {"name": "a-second"}}

    planned = plan(OWNER, desired=[MANIFEST, second], observed=Observed(), recorded={})

    assert ["shop", "a-second"] == [step.ref.name for step in planned.steps]


JOB: Manifest = {**MANIFEST, "apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {}}}
POD: Manifest = {**MANIFEST, "kind": "Pod", "spec": {"containers": [], "initContainers": [{"name": "check"}]}}
SIDECAR_POD: Manifest = {
    **POD,
    "spec": {"containers": [], "initContainers": [{"name": "p", "restartPolicy": "Always"}]},
}
COMPLETED, FAILED = TerminalState.COMPLETED, TerminalState.FAILED


def record(manifest: Manifest, ended: TerminalState | None = None, *, outdated: bool = False) -> Applied:
    return Applied(Ref.of(manifest), rendered="old" if outdated else digest(manifest), fields="f1", ended=ended)


def child_of(manifest: Manifest, **changes: Any) -> Child:
    return child(ref=Ref.of(manifest), **changes)


@pytest.mark.parametrize(
    ("sentence", "manifest", "live", "last_applied", "step"),
    [
        ("never created", JOB, None, None, Apply),
        ("running", JOB, child_of(JOB), record(JOB), Leave),
        ("completed", JOB, child_of(JOB, ended=COMPLETED), record(JOB), Leave),
        ("completed, and deleted", JOB, None, record(JOB, COMPLETED), Leave),
        ("failed, and deleted", JOB, None, record(JOB, FAILED), Leave),
        ("completed, and being deleted", JOB, child_of(JOB, ended=COMPLETED, deleting=True), record(JOB), Leave),
        ("being deleted while it runs", JOB, child_of(JOB, deleting=True), record(JOB), AwaitDeletion),
        ("deleted while it ran", JOB, None, record(JOB), Apply),
        ("completed for another spec, and deleted", JOB, None, record(JOB, COMPLETED, outdated=True), Apply),
        ("completed for another spec", JOB, child_of(JOB, ended=COMPLETED), record(JOB, outdated=True), Replace),
        ("running for another spec", JOB, child_of(JOB), record(JOB, outdated=True), Apply),
        ("completed, without a record", JOB, child_of(JOB, ended=COMPLETED), None, Apply),
        (
            "completed for a deleted AppStack of the same name",
            JOB,
            child_of(JOB, ended=COMPLETED, **PREVIOUS_OWNER),
            record(JOB),
            AwaitDeletion,
        ),
        ("Pod with init containers, of another spec", POD, child_of(POD), record(POD, outdated=True), Replace),
        (
            "Pod with sidecars only, of another spec",
            SIDECAR_POD,
            child_of(SIDECAR_POD),
            record(SIDECAR_POD, outdated=True),
            Apply,
        ),
        ("Pod changed by another client", POD, child_of(POD, fields="f2"), record(POD), Apply),
        ("Job of another owner", JOB, child_of(JOB, owner_uid="", fields="", ended=COMPLETED), None, Conflict),
    ],
)
def test_job_or_pod_runs_once_for_a_spec(
    sentence: str, manifest: Manifest, live: Child | None, last_applied: Applied | None, step: type[Step]
) -> None:
    decided = decide(OWNER, manifest=manifest, child=live, last_applied=last_applied)

    assert isinstance(decided, step), f"{sentence}: {decided}"
    if isinstance(decided, Leave) and live is not None and live.ended:
        assert decided.applied is not None
        assert live.ended == decided.applied.ended, sentence


SPEC: dict[str, Any] = {"backend": {"image": "shop:1"}}


@pytest.mark.parametrize(
    ("sentence", "manifest", "changes", "spec", "step"),
    [
        ("deleted", JOB, None, SPEC, Leave),
        ("completed", JOB, {"ended": COMPLETED}, SPEC, Leave),
        ("completed, and changed by another client", JOB, {"ended": COMPLETED, "fields": "f2"}, SPEC, Leave),
        ("paused", JOB, None, {**SPEC, "paused": True}, Leave),
        ("Ingress added", JOB, None, {**SPEC, "ingress": {}}, Leave),
        ("another image, deleted", JOB, None, {"backend": {"image": "shop:2"}}, Apply),
        ("another image, completed", JOB, {"ended": COMPLETED}, {"backend": {"image": "shop:2"}}, Replace),
        ("running Pod with init containers", POD, {}, SPEC, Leave),
        ("running Job", JOB, {}, SPEC, Leave),
    ],
)
def test_job_or_pod_does_not_run_again_after_an_operator_upgrade(
    sentence: str, manifest: Manifest, changes: dict[str, Any] | None, spec: dict[str, Any], step: type[Step]
) -> None:
    created = decide(replace(OWNER, spec=SPEC), manifest=manifest, child=None, last_applied=None)
    assert isinstance(created, Apply)
    live = None if changes is None else child_of(manifest, **changes)
    ended = COMPLETED if live is None else None
    last_applied = Applied(
        created.ref, rendered="by another version", fields="f1", ended=ended, spec_hash=created.spec_hash
    )

    decided = decide(replace(OWNER, spec=spec), manifest=manifest, child=live, last_applied=last_applied)

    assert isinstance(decided, step), f"{sentence}: {decided}"
    if isinstance(decided, Leave) and decided.applied is not None:
        assert digest(manifest) == decided.applied.rendered, "the record has the digest of another version"


@pytest.mark.parametrize(
    ("sentence", "owner_uid", "step"),
    [("of this AppStack", "u1", Leave), ("of a deleted AppStack of the same name", "u0", Apply)],
)
def test_job_that_ended_and_was_deleted_unrecorded_does_not_run_again(
    sentence: str, owner_uid: str, step: type[Step]
) -> None:
    deleted = child_of(JOB, ended=COMPLETED, owner_uid=owner_uid)
    observed = Observed(ended={deleted.ref: deleted})

    (decided,) = plan(OWNER, desired=[JOB], observed=observed, recorded={deleted.ref: record(JOB)}).steps

    assert isinstance(decided, step), sentence


def test_nothing_is_pruned_before_a_replacement_is_complete() -> None:
    old, ended = named_child("old"), child_of(JOB, ended=COMPLETED)
    observed = Observed({ended.ref: ended, old.ref: old})

    planned = plan(OWNER, desired=[JOB], observed=observed, recorded={ended.ref: record(JOB, outdated=True)})

    assert () == planned.prune


def test_child_of_a_kind_that_is_not_served_is_not_applied() -> None:
    observed = Observed({REF: CHILD}, not_served=frozenset({("batch/v1", "Job")}))

    planned = plan(OWNER, desired=[MANIFEST, JOB], observed=observed, recorded={REF: APPLIED})

    assert [Leave(REF, APPLIED), NotServed(Ref.of(JOB))] == list[Step](planned.steps)


SCALED: Manifest = {**MANIFEST, "apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 3}}
UNSCALED: Manifest = {**SCALED, "spec": {}}


@pytest.mark.parametrize(
    ("sentence", "manifest", "live", "relinquishes_replicas"),
    [
        ("owned, and no longer rendered", UNSCALED, child_of(UNSCALED, owns_replicas=True), True),
        ("owned, and rendered", SCALED, child_of(SCALED, owns_replicas=True), False),
        ("never owned", UNSCALED, child_of(UNSCALED), False),
        ("missing", UNSCALED, None, False),
    ],
)
def test_owned_replicas_are_relinquished(
    sentence: str, manifest: Manifest, live: Child | None, relinquishes_replicas: bool
) -> None:
    step = decide(OWNER, manifest=manifest, child=live, last_applied=record(manifest, outdated=True))

    assert isinstance(step, Apply)
    assert relinquishes_replicas == step.relinquishes_replicas, sentence


def test_files_of_running_jobs_are_kept_and_those_of_ended_jobs_pruned() -> None:
    first, second = named_child("one", files="r1"), named_child("two", files="r2")
    job = Ref("batch/v1", "Job", "team", "shop-1")
    running = Child(job, "x", "1", "shop", owner_uid="c", files="r1")
    completed = Child(replace(job, name="shop-0"), "y", "1", "shop", owner_uid="c", files="r2", ended=COMPLETED)
    children = {REF: CHILD, **{child.ref: child for child in (first, second, running, completed)}}

    planned = plan(OWNER, desired=[MANIFEST], observed=Observed(children), recorded={REF: APPLIED})

    assert (second,) == planned.prune


@pytest.mark.parametrize(
    ("sentence", "live", "step"),
    [
        ("changed again", child(fields="f2"), BackOff),
        ("deleted again", None, BackOff),
        ("as desired", CHILD, Leave),
        ("being deleted", child(deleting=True), AwaitDeletion),
    ],
)
def test_child_with_persistent_drift_is_not_written_during_the_backoff(
    sentence: str, live: Child | None, step: type[Step]
) -> None:
    observed = Observed(children={REF: live} if live else {})

    planned = plan(OWNER, desired=[MANIFEST], observed=observed, recorded={REF: APPLIED}, backing_off={REF})

    assert [step] == [type(planned_step) for planned_step in planned.steps], sentence
