"""Diagnostics that depend on Warning Events, and on objects other than pods."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.api.status import Problem
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed, WarningEvent
from appstack.status.diagnostics import Subject, diagnose, diagnose_objects, seconds_until_due

NOW = "2026-11-30T10:02:00Z"
STARTED = "2026-11-30T10:00:00Z"
AFTER_START = "2026-11-30T10:00:30Z"
BEFORE_START = "2026-11-30T09:59:59Z"
POD = Ref("v1", "Pod", "team", "shop-1")
PROBE = {"httpGet": {"path": "/ready"}, "timeoutSeconds": 3}
SPEC: dict[str, Any] = {
    "backend": {"image": "s", "ports": [{"name": "http", "containerPort": 8000}], "readinessProbe": PROBE},
    "volumes": [{"name": "conf", "configMap": {"name": "settings"}}],
    "files": [{"path": "/key", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}],
}
TEMPLATE = {"spec": {"containers": [{"name": "backend", "readinessProbe": PROBE, "livenessProbe": PROBE}]}}


def child(kind: str, name: str = "shop", *, created: str = "2026-11-30T10:00:00Z", **fields: Any) -> Child:
    api_version = {"StatefulSet": "apps/v1", "Deployment": "apps/v1", "Job": "batch/v1"}.get(kind, "v1")
    ref = Ref(api_version, kind, "team", name)
    return Child(ref, uid="1", resource_version="1", stack="shop", created=created, **fields)


def pod(*statuses: dict[str, Any], phase: str = "Running", **status: Any) -> Child:
    return child("Pod", "shop-1", status={"phase": phase, "containerStatuses": list(statuses), **status})


def running(**fields: Any) -> dict[str, Any]:
    state = {"running": {"startedAt": STARTED}}
    return {"name": "backend", "started": True, "ready": False, "state": state, **fields}


def event(reason: str, message: str, *, container: str = "", ref: Ref = POD, time: str = AFTER_START) -> WarningEvent:
    return WarningEvent(ref, reason, message, container=container, time=time)


def problems_of(*pods: Child, warnings: tuple[WarningEvent, ...] = (), **fields: Any) -> tuple[Problem, ...]:
    observed = Observed(pods=pods, warnings=warnings)
    return diagnose(Subject(**{"spec": SPEC, "template": TEMPLATE, **fields}, observed=observed, now=NOW))


def probe_problem(detail: str, *, probe: str = "Readiness", **status: Any) -> Problem:
    warning = event("Unhealthy", f"{probe} probe failed: {detail}", container="backend")
    (problem,) = problems_of(pod(running(**status)), warnings=(warning,))
    return problem


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        ("HTTP probe failed with statuscode: 503", "GET http://pod:8000/ready: the answer is status 503"),
        ('Get "http://10.0.0.1:8000/ready": dial tcp 10.0.0.1:8000: connect: connection refused', "nothing listens"),
        ('Get "http://10.0.0.1:8000/ready": context deadline exceeded', "no response within 3 s"),
        ('Get "http://10.0.0.1:8000/ready": EOF', "closed the connection without a response"),
        (
            'Get "http://10.0.0.1:8000/ready": net/http: HTTP/1.x transport connection broken: malformed HTTP response',
            "not",
        ),
        ("an unknown failure", "an unknown failure"),
    ],
)
def test_failed_probe_has_request_and_response(detail: str, message: str) -> None:
    problem = probe_problem(detail)

    assert (problem.reason, problem.field) == ("ReadinessProbeFailed", "spec.backend.readinessProbe")
    assert message in problem.message
    assert problem.hint


def test_request_of_a_proxied_probe_has_the_port_of_the_backend() -> None:
    warning = event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404", container="backend")
    template = {"spec": {"containers": [{"name": "backend", "readinessProbe": {"httpGet": {"port": 15080}}}]}}
    (problem,) = problems_of(pod(running()), warnings=(warning,), spec={**SPEC, "proxy": {}}, template=template)

    assert "GET http://127.0.0.1:8000/ready: the answer is status 404" in problem.message


def test_output_of_a_probe_is_hidden_without_permission() -> None:
    probe = {"exec": {"command": ["check"]}}
    spec = {"backend": {"image": "s", "readinessProbe": probe}}
    template = {"spec": {"containers": [{"name": "backend", "readinessProbe": probe}]}}
    warning = event("Unhealthy", "Readiness probe failed: password=1\n", container="backend")

    def message(*, has_output: bool) -> str:
        fields = {"spec": spec, "template": template, "has_output": has_output}
        (problem,) = problems_of(pod(running()), warnings=(warning,), **fields)
        return problem.message

    assert "its output is 'password=1'" in message(has_output=True)
    assert "password" not in message(has_output=False)


def test_failure_of_an_earlier_process_is_no_problem_of_the_running_one() -> None:
    earlier = event("Unhealthy", "Readiness probe failed: x", container="backend", time=BEFORE_START)

    assert problems_of(pod(running()), warnings=(earlier,)) == ()


def test_failed_probe_of_a_ready_container_is_no_problem() -> None:
    warning = event("Unhealthy", "Readiness probe failed: x", container="backend")

    assert problems_of(pod(running(ready=True)), warnings=(warning,)) == ()


def test_startup_probe_counts_until_the_container_has_started() -> None:
    assert probe_problem("x", probe="Startup", started=False).reason == "StartupProbeFailed"
    assert (
        problems_of(pod(running()), warnings=(event("Unhealthy", "Startup probe failed: x", container="backend"),))
        == ()
    )


@pytest.mark.parametrize("code", [0, 137, 143])
def test_container_that_a_liveness_probe_stopped_did_not_complete(code: int) -> None:
    terminated = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "startedAt": STARTED}
    status = {
        "name": "backend",
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": terminated},
    }
    warning = event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500", container="backend")
    (problem,) = problems_of(pod(status), warnings=(warning,))

    assert problem.reason == "LivenessProbeFailed"
    assert "the kubelet stopped the container" in problem.message
    assert "complete" not in (problem.message + problem.hint).lower()


def test_completed_container_with_a_liveness_probe_may_have_been_stopped() -> None:
    status = {
        "name": "backend",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 0, "reason": "Completed"}},
    }
    (problem,) = problems_of(pod(status))

    assert problem.hint.startswith("The process ended after a failed probe, or completed")


def test_bad_gateway_of_a_proxied_probe_means_that_nothing_listens() -> None:
    warning = event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 502", container="backend")
    default = {"image": "s", "ports": [{"containerPort": 8001}]}
    template = {"spec": {"containers": [{"name": "backend", "readinessProbe": {"httpGet": {"port": 15080}}}]}}
    spec = {"backend": default, "proxy": {}}
    (problem,) = problems_of(pod(running()), warnings=(warning,), spec=spec, template=template)

    assert "AppStack's default readiness probe" in problem.message
    assert "nothing listens on 127.0.0.1:8001" in problem.message
    assert problem.field == "spec.backend"

    spec = {"backend": {"image": "s"}, "proxy": {"upstream": "unix:/run/app/a.sock"}}
    (problem,) = problems_of(pod(running()), warnings=(warning,), spec=spec, template=template)

    assert "nginx cannot connect to unix:/run/app/a.sock" in problem.message
    assert "fsGroup" in problem.hint


@pytest.mark.parametrize(
    ("message", "field", "hint"),
    [
        (
            'MountVolume.SetUp failed for volume "conf" : configmap "settings" not found',
            "volumes[0].configMap",
            "Create",
        ),
        (
            'MountVolume.SetUp failed for volume "conf" : references non-existent config key: a',
            "volumes[0].configMap",
            "a",
        ),
        (
            'MountVolume.SetUp failed for volume "appstack-secret-1" : secret "keys" not found',
            "files[0].valueFrom.secretKeyRef",
            "Create the Secret keys",
        ),
        ('Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) shop-0', "", "Recreate"),
        (
            "Unable to attach or mount volumes: unmounted volumes=[conf], unattached volumes=[]: timed out",
            "volumes[0]",
            "does not answer",
        ),
    ],
)
def test_failed_mount_has_the_field_of_the_volume(message: str, field: str, hint: str) -> None:
    waiting = {"name": "backend", "state": {"waiting": {"reason": "ContainerCreating"}}}
    (problem,) = problems_of(pod(waiting, phase="Pending"), warnings=(event("FailedMount", message),))

    assert problem.field == (f"spec.{field}" if field else "")
    assert hint in problem.hint


def test_missing_secret_of_the_proxy_has_its_field() -> None:
    spec = {**SPEC, "proxy": {"tls": {"secretName": "shop-tls"}}}
    message = 'MountVolume.SetUp failed for volume "appstack-tls" : secret "shop-tls" not found'
    (problem,) = problems_of(pod(phase="Pending"), warnings=(event("FailedMount", message),), spec=spec)

    assert (problem.field, problem.hint[:26]) == ("spec.proxy.tls.secretName", "Create the Secret shop-tls")


@pytest.mark.parametrize(("index", "field"), [(0, "spec.backend.image"), (1, "spec.proxy.static[1].image")])
def test_image_of_static_files_that_cannot_be_pulled_has_its_field(index: int, field: str) -> None:
    static = [{"path": "/", "from": "/srv"}, {"path": "/ui", "image": "ui:7", "from": "/dist"}]
    waiting = {"name": f"appstack-static-{index}", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    copying = pod(phase="Pending", initContainerStatuses=[waiting])
    (problem,) = problems_of(copying, spec={**SPEC, "proxy": {"static": static}})

    assert problem.field == field


def test_failed_mount_ends_when_a_container_runs() -> None:
    assert problems_of(pod(running(ready=True)), warnings=(event("FailedMount", "x"),)) == ()


@pytest.mark.parametrize(
    ("message", "reason", "field"),
    [
        ("exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1", "QuotaExceeded", "spec.replicas"),
        ("exceeded quota: q, requested: cpu=1, used: cpu=1", "QuotaExceeded", "spec.backend.resources"),
        ("failed quota: q: must specify limits.cpu for: backend", "QuotaExceeded", "spec.backend.resources"),
        (
            'violates PodSecurity "restricted:latest": runAsNonRoot != true (pod or container "backend" must set it)',
            "PodSecurityViolated",
            "spec.backend.securityContext",
        ),
        ('admission webhook "policy.example.com" denied the request: no', "AdmissionDenied", ""),
        ('failed calling webhook "policy.example.com": connection refused', "WebhookUnavailable", ""),
        ('serviceaccount "absent" not found', "ServiceAccountNotFound", "spec.serviceAccount.name"),
        ("no PriorityClass with name absent was found", "PriorityClassNotFound", "spec.pod.priorityClassName"),
        ("maximum cpu usage per Container is 1, but limit is 2", "LimitRangeViolated", "spec.backend.resources"),
        ("something else", "FailedCreate", ""),
    ],
)
def test_workload_without_pods_has_the_cause(message: str, reason: str, field: str) -> None:
    workload = child("StatefulSet", spec={"replicas": 2}, status={})
    warning = event("FailedCreate", f"create Pod shop-0 in StatefulSet shop failed error: {message}", ref=workload.ref)
    (problem,) = problems_of(warnings=(warning,), workload=workload)

    assert (problem.reason, problem.field) == (reason, field)
    assert message in problem.message


def test_former_failure_to_create_pods_ends_with_the_pods() -> None:
    workload = child("StatefulSet", spec={"replicas": 1}, status={})
    warning = event("FailedCreate", "exceeded quota: q", ref=workload.ref)

    assert problems_of(pod(running(ready=True)), warnings=(warning,), workload=workload) == ()


def test_init_container_that_blocks_is_reported_after_a_minute() -> None:
    template = {"spec": {"initContainers": [{"name": "wait"}]}}
    spec = {**SPEC, "initContainers": [{"name": "wait"}]}

    def blocked(since: str) -> Child:
        status = {"name": "wait", "state": {"running": {"startedAt": since}}}
        return child("Pod", "shop-1", status={"phase": "Pending", "initContainerStatuses": [status]})

    (problem,) = problems_of(blocked(STARTED), spec=spec, template=template)
    assert (problem.reason, problem.field) == ("InitContainerRunning", "spec.initContainers[0]")
    assert STARTED in problem.message
    recent = blocked("2026-11-30T10:01:30Z")
    assert problems_of(recent, spec=spec, template=template) == ()
    assert seconds_until_due(Observed(pods=(recent,)), now=NOW) == 30


def test_evicted_pod_is_reported_while_pods_are_missing() -> None:
    evicted = pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory.")

    (problem,) = problems_of(evicted)
    assert (problem.reason, problem.message) == ("Evicted", "The node was low on resource: memory.")
    assert problems_of(evicted, ready=True) == ()


def test_pod_on_a_failed_node_names_the_node() -> None:
    conditions = [{"type": "Ready", "status": "False"}]
    unreachable = child("Pod", "shop-1", spec={"nodeName": "n1"}, status={"phase": "Running", "conditions": conditions})
    (problem,) = problems_of(unreachable, warnings=(event("NodeNotReady", "Node is not ready"),))

    assert "Node n1 of pod shop-1" in problem.message


CLAIM = {"spec": {"volumes": [{"name": "data", "claim": {}}]}}


@pytest.mark.parametrize(
    ("kind", "fields", "reason", "field"),
    [
        (
            "PersistentVolumeClaim",
            {"status": {"phase": "Pending"}},
            "ClaimPending",
            "spec.volumes[0].claim.storageClassName",
        ),
        ("PersistentVolumeClaim", {"status": {"phase": "Lost"}}, "ClaimLost", "spec.volumes[0].claim"),
        ("Ingress", {}, "IngressPending", "spec.ingress"),
        ("HTTPRoute", {}, "RoutePending", "spec.httpRoute.parentRefs"),
        (
            "HTTPRoute",
            {
                "status": {
                    "parents": [
                        {
                            "parentRef": {"name": "public"},
                            "conditions": [{"type": "Accepted", "status": "False", "reason": "NotAllowedByListeners"}],
                        }
                    ]
                }
            },
            "NotAllowedByListeners",
            "spec.httpRoute.parentRefs",
        ),
        ("Service", {"spec": {"type": "LoadBalancer"}}, "LoadBalancerPending", "spec.service.type"),
        (
            "HorizontalPodAutoscaler",
            {
                "status": {
                    "conditions": [
                        {
                            "type": "ScalingActive",
                            "status": "False",
                            "reason": "FailedGetResourceMetric",
                            "lastTransitionTime": STARTED,
                        }
                    ]
                }
            },
            "FailedGetResourceMetric",
            "spec.autoscaling",
        ),
    ],
)
def test_object_that_another_controller_does_not_complete(
    kind: str, fields: dict[str, Any], reason: str, field: str
) -> None:
    def problems(created: str) -> list[tuple[str, str]]:
        one = child(kind, "shop-data" if kind == "PersistentVolumeClaim" else "shop", created=created, **fields)
        subject = Subject(CLAIM["spec"], Observed(children={one.ref: one}), now=NOW)
        return [(problem.reason, problem.field) for problem in diagnose_objects(subject)]

    assert problems("2026-11-30T10:00:00Z") == [(reason, field)]
    assert problems("2026-11-30T10:01:30Z") == [], "it may still come"


def test_load_balancer_of_a_further_service_has_its_field() -> None:
    one = child("Service", "public", spec={"type": "LoadBalancer"})
    subject = Subject({"services": [{"name": "admin"}, {"name": "public"}]}, Observed(children={one.ref: one}), now=NOW)
    (problem,) = diagnose_objects(subject)

    assert (problem.reason, problem.field) == ("LoadBalancerPending", "spec.services[1].type")


def test_complete_objects_have_no_problem() -> None:
    address = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    children = [
        child("PersistentVolumeClaim", "shop-data", status={"phase": "Bound"}),
        child("Ingress", status=address),
        child("Service", spec={"type": "LoadBalancer"}, status=address),
        child("Service", "other", spec={"type": "ClusterIP"}),
    ]
    observed = Observed(children={one.ref: one for one in children})

    assert diagnose_objects(Subject(SPEC, observed, now=NOW)) == ()
    assert seconds_until_due(observed, now="2026-11-30T10:00:01Z") is None
