"""What was seen and done, and the status that follows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appstack.api import parse
from appstack.api.status import MAX_ENDPOINTS, MAX_IMAGES, Problem, Status
from appstack.errors import (
    ApiRejected,
    ApiUnavailable,
    KindNotServed,
    OperatorError,
    OwnershipConflict,
    Severity,
    ValidationIssue,
)
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed, TerminalState
from appstack.k8s.text import MAX_MESSAGE
from appstack.planning.changes import Action, Applied, Change
from appstack.planning.desired import DesiredState
from appstack.status.build import build_status

NOW, BEFORE = "2026-11-21T07:00:00Z", "2026-11-20T07:00:00Z"
DEPLOYMENT = Ref("apps/v1", "Deployment", "team-a", "shop")
SERVICE = Ref("v1", "Service", "team-a", "shop")
DONE = {
    "observedGeneration": 4,
    "replicas": 2,
    "updatedReplicas": 2,
    "readyReplicas": 2,
    "availableReplicas": 2,
    "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
}
PAGES = {"ports": [{"name": "http", "port": 80}]}


def document(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "appstack.dev/v1alpha1",
        "kind": "AppStack",
        "metadata": {"name": "shop", "namespace": "team-a", "uid": "u", "generation": 7},
        "spec": {"backend": {"image": "s"}, **spec},
        "status": status or {},
    }


def child(ref: Ref, **more: Any) -> Child:
    return Child(ref, uid="1", resource_version="1", stack="shop", **{"generation": 4, **more})


def seen(status: dict[str, Any] | None = None, *, wanted: int = 2, pods: tuple[Child, ...] = ()) -> Observed:
    workload = child(DEPLOYMENT, spec={"replicas": wanted}, status=DONE if status is None else status)
    return Observed(children={DEPLOYMENT: workload, SERVICE: child(SERVICE, spec=PAGES)}, pods=pods)


def change(ref: Ref = DEPLOYMENT, action: Action = Action.UNCHANGED, error: Any = None) -> Change:
    return Change(ref, action, applied=Applied(ref, rendered="r", fields="f"), error=error)


def told(
    doc: dict[str, Any] | None = None,
    observed: Observed | None = None,
    changes: tuple[Change, ...] = (),
    issues: tuple[ValidationIssue, ...] = (),
    unreported: tuple[Applied, ...] = (),
) -> dict[str, Any]:
    doc = document() if doc is None else doc
    wrong = any(issue.severity is Severity.ERROR for issue in issues)
    status = build_status(
        doc,
        desired=DesiredState(None if wrong else parse(doc), issues),
        observed=seen() if observed is None else observed,
        changes=changes,
        unreported=unreported,
        now=NOW,
    )
    Status.model_validate(status)
    return status


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {one["type"]: one["status"] for one in status["conditions"]}


def why(status: dict[str, Any]) -> tuple[str, str]:
    return status["conditions"][0]["reason"], status["conditions"][0].get("message", "")


READY, ON_ITS_WAY, STUCK = (
    {"Ready": "True"},
    {"Ready": "False", "Reconciling": "True"},
    {"Ready": "False", "Stalled": "True"},
)


def test_a_stack_that_works_has_a_whole_status() -> None:
    status = told(changes=(change(SERVICE), change()))

    assert conditions(status) == READY
    assert why(status) == ("Ready", "2 of 2 pods are available")
    assert status["observedGeneration"] == status["conditions"][0]["observedGeneration"] == 7
    assert (status["replicas"], status["readyReplicas"], status["selector"]) == (2, 2, "appstack.dev/stack=shop")
    assert status["endpoints"] == [{"name": "http", "url": "http://shop.team-a.svc", "scope": "Cluster"}]
    assert [one["kind"] for one in status["resources"]] == ["Deployment", "Service"]
    assert "problems" not in status


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        ({"observedGeneration": 3}, "Progressing", "has not looked at this revision"),
        ({"updatedReplicas": 1}, "Progressing", "1 of 2 pods is of this revision"),
        ({"availableReplicas": 0}, "Progressing", "0 of 2 pods are available"),
        ({"availableReplicas": 1}, "Progressing", "1 of 2 pods is available"),
        ({"replicas": 3}, "Progressing", "1 pod of the former revision still to end"),
    ],
)
def test_a_rollout_that_goes_on_is_reconciling(status: dict[str, Any], reason: str, message: str) -> None:
    found = told(observed=seen({**DONE, **status}))

    assert conditions(found) == ON_ITS_WAY
    assert why(found)[0] == reason
    assert message in why(found)[1]


def test_what_the_api_server_says_of_pods_that_it_refuses_is_told() -> None:
    said = 'pods "shop-1" is forbidden: violates PodSecurity "restricted:latest"'
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": said}
    found = told(observed=seen({"observedGeneration": 4, "conditions": [failure]}))

    assert conditions(found) == ON_ITS_WAY
    assert why(found) == ("ReplicaFailure", f"0 of 2 pods are of this revision: {said}")


def test_a_rollout_that_came_to_nothing_is_stalled() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    found = told(observed=seen({**DONE, "availableReplicas": 1, "conditions": [late]}))

    assert conditions(found) == STUCK
    assert why(found)[0] == "ProgressDeadlineExceeded"


def test_what_was_just_written_is_not_ready_before_it_was_seen() -> None:
    assert conditions(told(changes=(change(action=Action.CONFIGURED),))) == ON_ITS_WAY
    assert conditions(told(observed=Observed())) == ON_ITS_WAY
    assert conditions(told(changes=(change(SERVICE, Action.CONFIGURED),))) == READY


@pytest.mark.parametrize(
    ("error", "expected", "reason", "message"),
    [
        (OwnershipConflict(SERVICE), STUCK, "ForeignObject", "Service team-a/shop exists and is not this AppStack's"),
        (ApiRejected(SERVICE, status=422, reason="Invalid", message="no"), STUCK, "Refused", "Service team-a/shop: no"),
        (ApiUnavailable("the API server is away"), ON_ITS_WAY, "Unavailable", "the API server is away; tried again"),
        (OperatorError("Odd", "Ask"), ON_ITS_WAY, "Failed", "Odd. Ask; tried again"),
    ],
)
def test_what_could_not_be_done_decides(error: Any, expected: dict[str, str], reason: str, message: str) -> None:
    found = told(changes=(change(SERVICE, Action.FAILED, error), change()))

    assert conditions(found) == expected
    assert why(found)[0] == reason
    assert why(found)[1].startswith(message)


def test_every_fault_of_an_invalid_spec_is_told_as_far_as_there_is_room() -> None:
    few = tuple(ValidationIssue(f"spec.a[{number}]", "is wrong") for number in range(2))
    many = tuple(ValidationIssue(f"spec.a[{number}]", "is wrong" + "!" * 50) for number in range(90))

    assert conditions(told(issues=few)) == STUCK
    assert why(told(issues=few)) == ("InvalidSpec", "spec.a[0]: is wrong; spec.a[1]: is wrong")
    assert why(told(issues=many))[1].endswith(" more")
    assert len(why(told(issues=many))[1]) <= MAX_MESSAGE
    assert len(why(told(issues=(ValidationIssue("spec", "x" * 5000),)))[1]) <= MAX_MESSAGE


def test_an_invalid_spec_keeps_what_runs_in_the_status() -> None:
    status = told(
        document({"resources": told(changes=(change(),))["resources"]}), issues=(ValidationIssue("spec", "is wrong"),)
    )

    assert (status["replicas"], len(status["resources"])) == (2, 1)


def test_what_was_applied_and_never_told_of_is_told_even_if_the_spec_is_wrong_by_now() -> None:
    before, since = (
        Applied(DEPLOYMENT, rendered="r", fields="f"),
        Applied(DEPLOYMENT, rendered="s", fields="g", wish="w"),
    )
    doc = document({"resources": told(changes=(Change(DEPLOYMENT, Action.CREATED, before),))["resources"]})

    status = told(doc, seen(), issues=(ValidationIssue("spec", "is wrong"),), unreported=(since,))

    assert [("s", "g", "w")] == [(one["rendered"], one["fields"], one["wish"]) for one in status["resources"]]


def test_a_warning_is_told_and_changes_nothing() -> None:
    status = told(issues=(ValidationIssue("spec.volumes[0]", "is not used", severity=Severity.WARNING),))

    assert conditions(status) == READY
    assert why(status)[1] == "2 of 2 pods are available. Warning: spec.volumes[0]: is not used"


def test_a_paused_stack_is_reported_as_it_is_and_says_that_nothing_is_written() -> None:
    status = told(document(paused=True))

    assert conditions(status) == READY
    assert why(status)[0] == "Paused"
    assert why(status)[1].endswith("AppStack writes nothing")


def test_a_paused_stack_names_what_waits_and_keeps_its_records() -> None:
    before = told(changes=(change(SERVICE), change()))
    old = Change(SERVICE, Action.SKIPPED)

    status = told(document(before, paused=True), changes=(change(action=Action.SKIPPED), old))

    assert conditions(status) == READY
    assert why(status)[1].endswith("writes nothing, and what has changed waits: Deployment shop; Service shop")
    assert status["resources"] == before["resources"]


def test_the_first_problem_stands_in_the_message() -> None:
    away = {"name": "backend", "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
    pod = child(Ref("v1", "Pod", "team-a", "shop-1"), status={"containerStatuses": [away]})
    status = told(observed=seen({**DONE, "availableReplicas": 0}, pods=(pod,)))

    assert why(status)[1] == "0 of 2 pods are available; backend: ImagePullBackOff: not found"
    assert status["problems"][0]["field"] == "spec.backend.image"


def test_a_crash_that_the_workload_has_not_counted_yet_is_not_ready() -> None:
    fallen = {"name": "backend", "state": {"terminated": {"exitCode": 3}}, "restartCount": 1}
    pod = child(Ref("v1", "Pod", "team-a", "shop-1"), status={"containerStatuses": [fallen]})

    assert conditions(told(observed=seen(pods=(pod,)))) == ON_ITS_WAY


def test_a_condition_remembers_since_when_it_is_so() -> None:
    former = told()
    former["conditions"][0]["lastTransitionTime"] = BEFORE
    same, other = told(document(former)), told(document(former), issues=(ValidationIssue("spec", "is wrong"),))

    assert same["conditions"][0]["lastTransitionTime"] == BEFORE
    assert {one["lastTransitionTime"] for one in other["conditions"]} == {NOW}


def test_the_record_of_what_is_applied_follows_what_was_done() -> None:
    former = told(changes=(change(), change(SERVICE)))
    gone = replace(change(SERVICE, Action.PRUNED), applied=None)
    claim = Ref("v1", "PersistentVolumeClaim", "team-a", "shop-data")
    failed = replace(change(claim, Action.FAILED, ApiUnavailable("away")), applied=None)

    assert kinds(told(document(former), changes=(change(), gone))) == ["Deployment"]
    assert kinds(told(document(former), changes=(change(),))) == ["Deployment"]
    assert kinds(told(document(former), changes=(change(), failed))) == ["Deployment", "Service"]
    assert kinds(told(document(former))) == ["Deployment", "Service"]


def kinds(status: dict[str, Any]) -> list[str]:
    return sorted(one["kind"] for one in status.get("resources", []))


@pytest.mark.parametrize(
    ("port", "proxy", "url"),
    [
        ({"port": 80}, None, "http://shop.team-a.svc"),
        ({"port": 443}, None, "https://shop.team-a.svc"),
        ({"port": 8080}, {}, "http://shop.team-a.svc:8080"),
        ({"port": 8080, "appProtocol": "https"}, {}, "https://shop.team-a.svc:8080"),
        ({"port": 8081, "name": "http-metrics"}, None, "http://shop.team-a.svc:8081"),
        ({"port": 3306, "name": "mysql"}, {}, "tcp://shop.team-a.svc:3306"),
        ({"port": 53, "protocol": "UDP"}, None, "udp://shop.team-a.svc:53"),
    ],
)
def test_an_endpoint_says_how_to_speak_to_it(port: dict[str, Any], proxy: Any, url: str) -> None:
    observed = Observed(children={SERVICE: child(SERVICE, spec={"ports": [port]})})
    spec = {} if proxy is None else {"proxy": proxy}

    assert [one["url"] for one in told(document(**spec), observed)["endpoints"]] == [url]


def test_images_are_those_of_the_newest_pod() -> None:
    def pod(name: str, start: str, image: str) -> Child:
        status = {
            "startTime": start,
            "containerStatuses": [{"name": "backend", "image": image, "imageID": f"id-{image}"}],
        }
        return child(Ref("v1", "Pod", "team-a", name), status=status)

    pods = (pod("shop-2", BEFORE, "old"), pod("shop-1", NOW, "new"))

    assert told(observed=seen(pods=pods))["images"] == [{"container": "backend", "image": "new", "imageID": "id-new"}]


def test_a_status_never_outgrows_what_the_api_takes() -> None:
    many = {"ports": [{"name": f"p{number}", "port": number + 1} for number in range(300)]}
    image = {"image": "x" * 5000, "imageID": "y" * 5000}
    containers = [{"name": f"c{number}", **image} for number in range(90)]
    pod = child(Ref("v1", "Pod", "team-a", "shop-1"), status={"containerStatuses": containers})
    status = told(observed=Observed(children={SERVICE: child(SERVICE, spec=many)}, pods=(pod,)))

    assert (len(status["endpoints"]), len(status["images"])) == (MAX_ENDPOINTS, MAX_IMAGES)


def test_the_same_look_gives_the_same_status() -> None:
    changes = (change(), change(SERVICE))

    assert told(changes=changes) == told(changes=tuple(reversed(changes)))


def test_an_object_of_somebody_else_is_not_taken_for_the_workload() -> None:
    foreign = Child(DEPLOYMENT, uid="1", resource_version="1", stack="", spec={"replicas": 2}, status=DONE)

    assert conditions(told(observed=Observed(children={DEPLOYMENT: foreign}))) == ON_ITS_WAY


JOB = Ref("batch/v1", "Job", "team-a", "shop")
FAILED_JOB = {"conditions": [{"type": "Failed", "status": "True", "message": "Too often"}]}
PROBLEM = {"pod": "shop-x", "container": "backend", "reason": "Error", "message": "The container exited with code 3"}


def job(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return document(status, workload={"kind": "Job"}, **spec)


@pytest.mark.parametrize(
    ("end", "expected", "message"),
    [
        (TerminalState.COMPLETED, READY, "Completed; it is gone"),
        (TerminalState.FAILED, STUCK, "It failed; it is gone"),
        (None, ON_ITS_WAY, "not seen yet"),
    ],
)
def test_what_ended_and_is_gone_is_still_told(
    end: TerminalState | None, expected: dict[str, str], message: str
) -> None:
    kept = Change(JOB, Action.UNCHANGED, applied=Applied(JOB, "r", "f", end))

    found = told(job(), Observed(), (kept,))

    assert conditions(found) == expected
    assert message in why(found)[1]
    assert [one.get("ended") for one in found["resources"]] == [end]
    assert conditions(told(job(found), Observed())) == expected, "of a paused stack, too"


def test_a_replacement_says_why_and_then_that_it_is_under_way() -> None:
    replaced = Change(JOB, Action.REPLACED, applied=Applied(JOB, "r", "f"), note="the former one has ended")
    going = Observed({JOB: child(JOB, deleting=True)})

    assert why(told(job(), going, (replaced,))) == (
        "Replaced",
        "Job team-a/shop is deleted, and made anew as soon as it is gone: the former one has ended",
    )
    assert why(told(job(), going))[0] == "Replaced"


def test_what_a_failed_jobs_pods_said_outlives_them() -> None:
    before = {"problems": [PROBLEM]}
    failed = Observed({JOB: child(JOB, owner_uid="u", status=FAILED_JOB, ended=TerminalState.FAILED)})

    assert told(job(before), failed)["problems"] == [PROBLEM]
    assert "problems" not in told(job(before), Observed({JOB: child(JOB)}))


CRON = Ref("batch/v1", "CronJob", "team-a", "shop")
CRON_JOB = document(workload={"kind": "CronJob", "cronJob": {"schedule": "@daily"}})


def run(number: int, ended: TerminalState | None, *, code: int | None = None) -> tuple[Child, ...]:
    """Return a Job of the CronJob and, with an exit code, the pod that it leaves behind."""
    ref, status = replace(JOB, name=f"shop-{number}"), FAILED_JOB if ended is TerminalState.FAILED else {}
    uid, created = f"job-{number}", f"2026-11-21T06:0{number}:00Z"
    made = replace(child(ref, owner_uid="cron", created=created, ended=ended, status=status), uid=uid)
    if code is None:
        return (made,)
    over = {"terminated": {"exitCode": code}}
    statuses = [{"name": "backend", "restartCount": 0, "state": over}]
    pod = child(Ref("v1", "Pod", "team-a", ref.name), status={"phase": "Failed", "containerStatuses": statuses})
    return made, replace(pod, owner_uid=uid)


@pytest.mark.parametrize(
    ("sentence", "ran", "codes"),
    [
        ("the last run failed", [run(1, TerminalState.FAILED, code=3)], [3]),
        ("a later one completed", [run(1, TerminalState.FAILED, code=3), run(2, TerminalState.COMPLETED)], []),
        ("a later one is at work", [run(1, TerminalState.FAILED, code=3), run(2, None)], [3]),
        (
            "a later one failed otherwise",
            [run(1, TerminalState.FAILED, code=3), run(2, TerminalState.FAILED, code=4)],
            [4],
        ),
        ("it left no pod behind", [run(1, TerminalState.FAILED)], [None]),
    ],
)
def test_a_cron_job_tells_of_its_last_failure_and_stays_ready(
    sentence: str, ran: list[tuple[Child, ...]], codes: list[int | None]
) -> None:
    every = [one for each in ran for one in each]
    cron = replace(child(CRON, owner_uid="u"), uid="cron")
    children = {one.ref: one for one in (cron, *every) if one.ref.kind != "Pod"}

    found = told(CRON_JOB, Observed(children, pods=tuple(one for one in every if one.ref.kind == "Pod")))

    assert [one.get("exitCode") for one in found.get("problems", ())] == codes, sentence
    assert conditions(found) == READY
    assert ("failed: Too often" in why(found)[1]) == (codes == [None])


def test_what_a_failed_run_said_stays_when_its_pods_are_gone() -> None:
    cron = replace(child(CRON, owner_uid="u"), uid="cron")
    (job,) = run(1, TerminalState.FAILED)

    found = told(CRON_JOB | {"status": {"problems": [PROBLEM]}}, Observed({CRON: cron, job.ref: job}))

    assert found["problems"] == [PROBLEM]


def test_a_missing_kind_names_what_to_install() -> None:
    route = Ref("gateway.networking.k8s.io/v1", "HTTPRoute", "team-a", "shop")
    found = told(changes=(change(), change(route, Action.FAILED, KindNotServed(route))))

    assert conditions(found) == STUCK
    assert why(found)[0] == "MissingKind"
    assert "install its CustomResourceDefinition" in why(found)[1]


def test_a_stateful_set_tells_its_revisions() -> None:
    ref = Ref("apps/v1", "StatefulSet", "team-a", "shop")
    status = {"currentRevision": "shop-1", "updateRevision": "shop-2"}
    found = told(document(workload={"kind": "StatefulSet"}), Observed({ref: child(ref, status=status)}))

    assert (found["currentRevision"], found["updateRevision"]) == ("shop-1", "shop-2")


@pytest.mark.parametrize(("action", "reason"), [(Action.BACKING_OFF, "Contested"), (Action.UNCHANGED, "Ready")])
def test_a_child_that_somebody_fights_for_is_a_problem_and_while_it_is_wrong_nothing_is_ready(
    action: Action, reason: str
) -> None:
    fight = Problem(resource="Service/shop", reason="Contested", message="Service shop was changed")
    stack = parse(document())

    status = build_status(
        document(),
        desired=DesiredState(stack, ()),
        observed=seen(),
        changes=(change(), change(SERVICE, action)),
        contested=(fight,),
        now=NOW,
    )

    assert [fight.model_dump(exclude_defaults=True)] == status["problems"]
    assert reason == status["conditions"][0]["reason"]
    assert {"Deployment", "Service"} == {one["kind"] for one in status["resources"]}, "the records stay"
