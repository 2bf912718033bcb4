"""Status of an AppStack: records of applied objects, endpoints, images, problems, and bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appstack.api.status import MAX_ENDPOINTS, MAX_IMAGES, Problem
from appstack.errors import ApiUnavailable, ValidationIssue
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed
from appstack.planning.changes import Action, Applied, Change
from tests.unit.status_fixtures import (
    AVAILABLE,
    DEPLOYMENT,
    NOW,
    POD,
    READY,
    RECONCILING,
    SERVICE,
    YESTERDAY,
    appstack,
    change,
    child,
    condition_statuses,
    message,
    observed_deployment,
    reason,
    status_of,
)


def recorded_kinds(status: dict[str, Any]) -> list[str]:
    return sorted(resource["kind"] for resource in status.get("resources", []))


def test_status_of_a_healthy_stack_is_complete() -> None:
    status = status_of(changes=(change(SERVICE), change()))

    assert condition_statuses(status) == READY
    assert (reason(status), message(status)) == ("Ready", "2 of 2 pods are available")
    assert status["observedGeneration"] == status["conditions"][0]["observedGeneration"] == 7
    assert (status["replicas"], status["readyReplicas"], status["selector"]) == (2, 2, "appstack.dev/stack=shop")
    assert status["endpoints"] == [{"name": "http", "url": "http://shop.team-a.svc", "scope": "Cluster"}]
    assert recorded_kinds(status) == ["Deployment", "Service"]
    assert "problems" not in status


def test_status_with_an_invalid_spec_keeps_replicas_and_records() -> None:
    previous = {"resources": status_of(changes=(change(),))["resources"]}

    status = status_of(appstack(previous), issues=(ValidationIssue("spec", "is wrong"),))

    assert (status["replicas"], len(status["resources"])) == (2, 1)


def test_unrecorded_apply_is_recorded_with_an_invalid_spec() -> None:
    recorded = Applied(DEPLOYMENT, rendered="r", fields="f")
    unrecorded = Applied(DEPLOYMENT, rendered="s", fields="g", spec_hash="w")
    previous = {"resources": status_of(changes=(Change(DEPLOYMENT, Action.CREATED, recorded),))["resources"]}

    status = status_of(appstack(previous), issues=(ValidationIssue("spec", "is wrong"),), unrecorded=(unrecorded,))

    assert [("s", "g", "w")] == [(one["rendered"], one["fields"], one["specHash"]) for one in status["resources"]]


def test_paused_stack_keeps_its_records() -> None:
    previous = status_of(changes=(change(SERVICE), change()))
    skipped = (change(action=Action.SKIPPED), Change(SERVICE, Action.SKIPPED))

    assert status_of(appstack(previous, paused=True), changes=skipped)["resources"] == previous["resources"]


def test_records_follow_the_changes_of_a_reconcile() -> None:
    previous = status_of(changes=(change(), change(SERVICE)))
    pruned = replace(change(SERVICE, Action.PRUNED), applied=None)
    claim = Ref("v1", "PersistentVolumeClaim", "team-a", "shop-data")
    failed = replace(change(claim, Action.FAILED, ApiUnavailable("away")), applied=None)

    assert recorded_kinds(status_of(appstack(previous), changes=(change(), pruned))) == ["Deployment"]
    assert recorded_kinds(status_of(appstack(previous), changes=(change(),))) == ["Deployment"]
    assert recorded_kinds(status_of(appstack(previous), changes=(change(), failed))) == ["Deployment", "Service"]
    assert recorded_kinds(status_of(appstack(previous))) == ["Deployment", "Service"]


def test_first_problem_is_part_of_the_ready_message() -> None:
    waiting = {"name": "backend", "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
    pod = child(POD, status={"containerStatuses": [waiting]})
    status = status_of(observed=observed_deployment({**AVAILABLE, "availableReplicas": 0}, pods=(pod,)))

    assert message(status) == "0 of 2 pods are available; backend: ImagePullBackOff: not found"
    assert status["problems"][0]["field"] == "spec.backend.image"


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
def test_endpoint_url_has_the_scheme_of_its_port(port: dict[str, Any], proxy: Any, url: str) -> None:
    observed = Observed(children={SERVICE: child(SERVICE, spec={"ports": [port]})})
    spec = {} if proxy is None else {"proxy": proxy}

    assert [endpoint["url"] for endpoint in status_of(appstack(**spec), observed)["endpoints"]] == [url]


def test_images_are_those_of_the_newest_pod() -> None:
    def pod(name: str, start: str, image: str) -> Child:
        status = {
            "startTime": start,
            "containerStatuses": [{"name": "backend", "image": image, "imageID": f"id-{image}"}],
        }
        return child(replace(POD, name=name), status=status)

    pods = (pod("shop-2", YESTERDAY, "old"), pod("shop-1", NOW, "new"))

    images = status_of(observed=observed_deployment(pods=pods))["images"]

    assert images == [{"container": "backend", "image": "new", "imageID": "id-new"}]


def test_status_never_exceeds_the_bounds_of_the_crd() -> None:
    ports = {"ports": [{"name": f"p{number}", "port": number + 1} for number in range(300)]}
    image = {"image": "x" * 5000, "imageID": "y" * 5000}
    containers = [{"name": f"c{number}", **image} for number in range(90)]
    pod = child(POD, status={"containerStatuses": containers})
    status = status_of(observed=Observed(children={SERVICE: child(SERVICE, spec=ports)}, pods=(pod,)))

    assert (len(status["endpoints"]), len(status["images"])) == (MAX_ENDPOINTS, MAX_IMAGES)


def test_status_does_not_depend_on_the_order_of_changes() -> None:
    changes = (change(), change(SERVICE))

    assert status_of(changes=changes) == status_of(changes=tuple(reversed(changes)))


def test_deployment_without_the_stack_label_is_not_the_workload() -> None:
    unlabelled = Child(DEPLOYMENT, uid="1", resource_version="1", stack="", spec={"replicas": 2}, status=AVAILABLE)

    assert condition_statuses(status_of(observed=Observed(children={DEPLOYMENT: unlabelled}))) == RECONCILING


def test_status_of_a_stateful_set_has_its_revisions() -> None:
    ref = Ref("apps/v1", "StatefulSet", "team-a", "shop")
    revisions = {"currentRevision": "shop-1", "updateRevision": "shop-2"}
    observed = Observed({ref: child(ref, status=revisions)})
    status = status_of(appstack(workload={"kind": "StatefulSet"}), observed)

    assert (status["currentRevision"], status["updateRevision"]) == ("shop-1", "shop-2")


@pytest.mark.parametrize(
    ("action", "expected_reason"), [(Action.BACKING_OFF, "Contested"), (Action.UNCHANGED, "Ready")]
)
def test_child_with_recurring_drift_is_a_problem_and_not_ready_while_backing_off(
    action: Action, expected_reason: str
) -> None:
    problem = Problem(resource="Service/shop", reason="Contested", message="Service shop was changed")

    status = status_of(changes=(change(), change(SERVICE, action)), drift_problems=(problem,))

    assert [problem.model_dump(exclude_defaults=True)] == status["problems"]
    assert expected_reason == reason(status)
    assert ["Deployment", "Service"] == recorded_kinds(status)
