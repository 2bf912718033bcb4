"""Diagnostics of pods: reasons, messages, fields and hints of problems."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from appstack.api.status import MAX_LOG_CHARACTERS, MAX_PROBLEMS, Problem
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed
from appstack.status.container_state import is_restarting
from appstack.status.diagnostics import Subject, diagnose

SPEC: dict[str, Any] = {
    "backend": {"image": "s"},
    "proxy": {"serverSnippet": "nonsense;"},
    "initContainers": [{"name": "first"}, {"name": "migrate"}],
    "sidecars": [{"name": "db"}],
}


def pod(*statuses: dict[str, Any], name: str = "shop-1", init: bool = False, deleting: bool = False) -> Child:
    key = "initContainerStatuses" if init else "containerStatuses"
    ref = Ref("v1", "Pod", "team-a", name)
    return Child(ref, uid="1", resource_version="1", stack="shop", deleting=deleting, status={key: list(statuses)})


def waiting(container: str, reason: str, message: str = "", /, **last_termination: Any) -> dict[str, Any]:
    last = {"lastState": {"terminated": last_termination}} if last_termination else {}
    return {"name": container, "state": {"waiting": {"reason": reason, "message": message}}, **last}


def terminated(container: str, /, **termination: Any) -> dict[str, Any]:
    return {"name": container, "state": {"terminated": termination}}


NOW = "2026-11-21T07:00:30Z"


def problems_of(spec: dict[str, Any], pods: Iterable[Child]) -> tuple[Problem, ...]:
    return diagnose(Subject(spec, Observed(pods=tuple(pods)), now=NOW))


def only_problem(*pods: Child) -> Problem:
    (problem,) = problems_of(SPEC, pods)
    return problem


def test_completed_long_running_container_is_a_problem() -> None:
    problem = only_problem(pod(waiting("backend", "CrashLoopBackOff", "back-off 10s", exitCode=0, reason="Completed")))

    assert (problem.pod, problem.container, problem.field) == ("shop-1", "backend", "spec.backend")
    assert (problem.reason, problem.exit_code) == ("CrashLoopBackOff", 0)
    assert problem.message == "The container exited with code 0"
    assert problem.hint.startswith("The process completed: give it a command that keeps running")


@pytest.mark.parametrize(
    ("code", "reason", "hint"),
    [
        (1, "Error", "kubectl logs --previous -c db shop-1"),
        (127, "Error", "command was not found"),
        (137, "Error", "liveness probe"),
        (137, "OOMKilled", "raise resources.limits.memory"),
    ],
)
def test_hint_of_a_crash_depends_on_exit_code_and_reason(code: int, reason: str, hint: str) -> None:
    problem = only_problem(
        pod(waiting("db", "CrashLoopBackOff", exitCode=code, reason=reason, message="last output\n"))
    )

    assert hint in problem.hint
    assert (problem.log, problem.field, problem.exit_code) == ("last output", "spec.sidecars[0]", code)


def test_first_crash_is_reported_before_the_container_restarts() -> None:
    assert only_problem(pod(terminated("migrate", exitCode=3, reason="Error"), init=True)).reason == "Error"
    assert only_problem(pod(terminated("migrate", exitCode=3), init=True)).field == "spec.initContainers[1]"


@pytest.mark.parametrize("code", [0, 3])
def test_problem_of_a_crash_loop_is_the_same_between_restarts(code: int) -> None:
    between_restarts = {**terminated("backend", exitCode=code), "restartCount": 2}

    assert only_problem(pod(between_restarts)) == only_problem(
        pod(waiting("backend", "CrashLoopBackOff", exitCode=code))
    )


def started(at: str, restarts: int = 1) -> dict[str, Any]:
    """Return the status of a container that crashed before and is running since `at`."""
    last = {"terminated": {"exitCode": 3, "reason": "Error"}}
    return {
        "name": "backend",
        "state": {"running": {"startedAt": at}},
        "lastState": last,
        "restartCount": restarts,
    }


def test_problem_of_a_crash_ends_when_the_container_has_settled() -> None:
    recent, settled = pod(started("2026-11-21T07:00:21Z")), pod(started("2026-11-21T07:00:20Z"))

    assert only_problem(recent) == only_problem(
        pod({**terminated("backend", exitCode=3, reason="Error"), "restartCount": 1})
    )
    assert [is_restarting([each], now=NOW) for each in (recent, settled)] == [True, False]
    assert not is_restarting([pod(started("2026-11-21T07:00:29Z", restarts=0))], now=NOW)


@pytest.mark.parametrize(
    "status",
    [
        terminated("migrate", exitCode=0, reason="Completed"),
        {**terminated("migrate", exitCode=0, reason="Completed"), "restartCount": 1},
        started("2026-11-21T07:00:20Z"),
        waiting("backend", "PodInitializing"),
        waiting("backend", "ContainerCreating"),
        {"name": "backend"},
    ],
    ids=["completed", "completed after a restart", "settled", "init containers running", "being created", "no state"],
)
def test_container_without_an_error_is_not_a_problem(status: dict[str, Any]) -> None:
    assert problems_of(SPEC, [pod(status)]) == ()


def test_problem_of_an_image_pull_is_the_same_during_the_back_off() -> None:
    message = "failed to pull: not found"
    attempt = only_problem(pod(waiting("backend", "ErrImagePull", message)))
    back_off = only_problem(
        pod(waiting("backend", "ImagePullBackOff", f'Back-off pulling image "s:9": ErrImagePull: {message}'))
    )

    assert attempt == back_off
    assert (attempt.reason, attempt.message, attempt.field) == ("ImagePullBackOff", message, "spec.backend.image")
    assert "correct the name or the tag" in attempt.hint


def test_hint_of_an_invalid_image_name_does_not_mention_registries() -> None:
    assert only_problem(pod(waiting("proxy", "InvalidImageName", "couldn't parse"))).hint == "Correct the image name"


def test_missing_config_map_has_the_message_of_the_kubelet() -> None:
    problem = only_problem(pod(waiting("backend", "CreateContainerConfigError", 'configmap "x" not found')))

    assert problem.message == 'configmap "x" not found'
    assert problem.hint.startswith("Create the ConfigMap x in this namespace")


NGINX_OUTPUT = """\
2026/11/21 07:00:00 [emerg] 1#1: unknown directive "nonsense" in {file}:3
nginx: [emerg] unknown directive "nonsense" in {file}:3
nginx: configuration file /etc/nginx/nginx.conf test failed
"""


@pytest.mark.parametrize(
    ("file", "proxy", "field"),
    [
        ("/etc/nginx/appstack/server/user.conf", {"serverSnippet": "x"}, "spec.proxy.serverSnippet"),
        ("/etc/nginx/appstack/server/static.conf", {}, "spec.proxy.static"),
        ("/etc/nginx/nginx.conf", {"config": "x"}, "spec.proxy.config"),
        ("/etc/nginx/nginx.conf", {}, "spec.proxy"),
        ("/etc/nginx/appstack/health.conf", {"config": "x"}, "spec.proxy"),
    ],
)
@pytest.mark.parametrize("state", ["terminated", "back-off"])
def test_refused_nginx_configuration_has_the_error_line_of_nginx(
    state: str, file: str, proxy: dict[str, str], field: str
) -> None:
    termination: dict[str, Any] = {"exitCode": 1, "reason": "Error", "message": NGINX_OUTPUT.format(file=file)}
    name = "appstack-nginx-check"
    status = (
        terminated(name, **termination) if state == "terminated" else waiting(name, "CrashLoopBackOff", **termination)
    )
    (problem,) = problems_of({**SPEC, "proxy": proxy}, [pod(status, init=True)])

    assert problem.reason == "NginxConfigRefused"
    assert problem.message == f'[emerg] unknown directive "nonsense" in {file}:3'
    assert problem.field == field
    assert f"line 3 of {file}" in problem.hint


def test_nginx_check_without_a_termination_message_has_a_default_message() -> None:
    problem = only_problem(pod(terminated("appstack-nginx-check", exitCode=1), init=True))

    assert (problem.message, problem.field) == ("nginx -t refused the configuration", "spec.proxy")


@pytest.mark.parametrize(
    ("container", "field"), [("appstack-static-1", "spec.proxy.static[1].from"), ("appstack-cache", "spec.volumes")]
)
def test_problem_of_a_generated_container_has_the_field_it_is_generated_for(container: str, field: str) -> None:
    assert only_problem(pod(waiting(container, "CrashLoopBackOff", exitCode=1), init=True)).field == field


NO_SUCH_FILE = 'unable to start container process: exec: "nope": executable file not found in $PATH'


@pytest.mark.parametrize(
    ("container", "reason", "hint"),
    [
        ("backend", "RunContainerError", "The image has no such program"),
        ("appstack-static-0", "StaticCopyFailed", "Files are copied with `cp`"),
    ],
)
def test_problem_of_a_missing_command_is_the_same_between_restarts(container: str, reason: str, hint: str) -> None:
    termination: dict[str, Any] = {"exitCode": 128, "reason": "StartError", "message": NO_SUCH_FILE}
    waiting_problem = only_problem(pod(waiting(container, "RunContainerError", NO_SUCH_FILE, **termination)))

    assert (
        waiting_problem
        == only_problem(pod(terminated(container, **termination)))
        == only_problem(pod(waiting(container, "CrashLoopBackOff", **termination)))
    )
    assert (waiting_problem.reason, waiting_problem.message, waiting_problem.log) == (reason, NO_SUCH_FILE, "")
    assert waiting_problem.hint.startswith(hint)


def test_failed_static_copy_has_the_error_of_cp() -> None:
    error = "cp: can't stat '/nodir/.': No such file or directory"
    assert (
        only_problem(pod(terminated("appstack-static-0", exitCode=1, message=f"{error}\n"), init=True)).message == error
    )


def test_likeliest_cause_is_first_and_a_shared_problem_is_reported_once() -> None:
    pods = [
        pod(waiting("backend", "CrashLoopBackOff", exitCode=1), waiting("db", "ErrImagePull"), name=f"shop-{number}")
        for number in (2, 1, 3)
    ]

    assert [(problem.container, problem.pod) for problem in problems_of(SPEC, pods)] == [
        ("db", "shop-1"),
        ("backend", "shop-1"),
    ]
    assert problems_of(SPEC, pods) == problems_of(SPEC, reversed(pods))


def test_terminating_pod_has_no_problems() -> None:
    assert problems_of(SPEC, [pod(waiting("backend", "ErrImagePull"), deleting=True)]) == ()


def test_unschedulable_pods_are_reported_once_with_the_message_of_the_scheduler() -> None:
    message = "0/3 nodes are available: 3 Insufficient cpu."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    pods = [replace(pod(name=name), status={"phase": "Pending", "conditions": [condition]}) for name in ("a", "b")]

    problem = only_problem(*pods)

    assert ("a", "", "Unschedulable", message) == (problem.pod, problem.container, problem.reason, problem.message)
    assert () == problems_of(SPEC, [replace(pods[0], status={"conditions": [{**condition, "status": "True"}]})])


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_finished_pod_has_no_problems(phase: str) -> None:
    finished = pod({**terminated("backend", exitCode=1), "restartCount": 1})

    assert problems_of(SPEC, [replace(finished, status={**finished.status, "phase": phase})]) == ()


def test_problems_never_exceed_the_bounds_of_the_crd() -> None:
    long_message: dict[str, Any] = {"exitCode": 1, "message": "x" * 5000}
    crashing = pod(*(waiting(f"c{number:02}", "CrashLoopBackOff", **long_message) for number in range(30)))
    problems = problems_of(SPEC, [crashing])

    assert len(problems) == MAX_PROBLEMS
    assert {len(problem.log) for problem in problems} == {MAX_LOG_CHARACTERS}


def test_output_of_a_container_sends_nothing_to_a_terminal() -> None:
    output = "\x1b[31mTraceback\x1b[0m\n\tline\x9b2J" + "\x07" * 10_000
    problem = only_problem(pod(waiting("backend", "CrashLoopBackOff", exitCode=1, reason="Error", message=output)))

    assert len(problem.log) <= MAX_LOG_CHARACTERS
    assert {"\n", "\t"} >= {character for character in problem.log if not character.isprintable()}
    refused = only_problem(pod(waiting("backend", "CreateContainerConfigError", output[:40])))
    assert refused.message.isprintable()


@pytest.mark.parametrize(
    ("message", "field", "hint"),
    [
        (
            'host not found in upstream "reports" in /etc/nginx/nginx.conf:70',
            "spec.proxy.routes[1].service",
            "Create the Service 'reports'",
        ),
        (
            'host not found in upstream "other:80" in /etc/nginx/appstack/server/user.conf:1',
            "spec.proxy.serverSnippet",
            "Create the Service 'other'",
        ),
        ('cannot load certificate "/appstack/tls/tls.crt"', "spec.proxy.tls.secretName", "Correct the Secret"),
    ],
)
def test_refused_nginx_configuration_names_the_missing_object(message: str, field: str, hint: str) -> None:
    routes = [{"path": "/a"}, {"path": "/b", "service": {"name": "reports", "port": 80}}]
    status = terminated("appstack-nginx-check", exitCode=1, message=f"nginx: [emerg] {message}\n")

    (problem,) = problems_of({**SPEC, "proxy": {"routes": routes}}, [pod(status, init=True)])

    assert field == problem.field
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("cat: /etc/shadow: Permission denied", "PermissionDenied"),
        ("ERROR: permission denied for table users", "CrashLoopBackOff"),  # a database refuses it, not the kernel
        ("listen tcp :8000: bind: address already in use", "PortInUse"),
    ],
)
def test_cause_of_a_crash_is_read_from_the_last_output(log: str, reason: str) -> None:
    termination: dict[str, Any] = {"exitCode": 1, "reason": "Error", "message": log}

    assert only_problem(pod(waiting("backend", "CrashLoopBackOff", **termination))).reason == reason
