"""What keeps a pod from working, and what its author is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from appstack.api.status import MAX_LOG, MAX_PROBLEMS, Problem
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child
from appstack.status.diagnostics import problems, restarting

SPEC: dict[str, Any] = {
    "backend": {"image": "s"},
    "proxy": {"server": "nonsense;"},
    "initContainers": [{"name": "first"}, {"name": "migrate"}],
    "sidecars": [{"name": "db"}],
}


def pod(*statuses: dict[str, Any], name: str = "shop-1", init: bool = False, deleting: bool = False) -> Child:
    key = "initContainerStatuses" if init else "containerStatuses"
    ref = Ref("v1", "Pod", "team-a", name)
    return Child(ref, uid="1", resource_version="1", stack="shop", deleting=deleting, status={key: list(statuses)})


def waiting(container: str, reason: str, message: str = "", /, **ended: Any) -> dict[str, Any]:
    last = {"lastState": {"terminated": ended}} if ended else {}
    return {"name": container, "state": {"waiting": {"reason": reason, "message": message}}, **last}


def ended(container: str, /, **how: Any) -> dict[str, Any]:
    return {"name": container, "state": {"terminated": how}}


NOW = "2026-11-21T07:00:30Z"


def found(spec: dict[str, Any], pods: Iterable[Child]) -> tuple[Problem, ...]:
    return problems(spec, pods, now=NOW)


def only(*pods: Child) -> Problem:
    (problem,) = found(SPEC, pods)
    return problem


def test_a_container_that_completes_is_told_to_go_on() -> None:
    problem = only(pod(waiting("backend", "CrashLoopBackOff", "back-off 10s", exitCode=0, reason="Completed")))

    assert (problem.pod, problem.container, problem.field) == ("shop-1", "backend", "spec.backend")
    assert (problem.reason, problem.exit_code) == ("CrashLoopBackOff", 0)
    assert problem.message == "The container exited with code 0"
    assert problem.hint.startswith("It completed: give it a command that goes on")


@pytest.mark.parametrize(
    ("code", "reason", "hint"),
    [
        (1, "Error", "kubectl logs --previous -c db shop-1"),
        (127, "Error", "command was not found"),
        (137, "Error", "liveness probe"),
        (137, "OOMKilled", "raise resources.limits.memory"),
    ],
)
def test_how_a_container_ended_decides_the_hint(code: int, reason: str, hint: str) -> None:
    problem = only(pod(waiting("db", "CrashLoopBackOff", exitCode=code, reason=reason, message="last words\n")))

    assert hint in problem.hint
    assert (problem.log, problem.field, problem.exit_code) == ("last words", "spec.sidecars[0]", code)


def test_the_first_crash_is_told_before_it_loops() -> None:
    assert only(pod(ended("migrate", exitCode=3, reason="Error"), init=True)).reason == "Error"
    assert only(pod(ended("migrate", exitCode=3), init=True)).field == "spec.initContainers[1]"


@pytest.mark.parametrize("code", [0, 3])
def test_a_crash_has_one_name_while_it_loops(code: int) -> None:
    between = {**ended("backend", exitCode=code), "restartCount": 2}

    assert only(pod(between)) == only(pod(waiting("backend", "CrashLoopBackOff", exitCode=code)))


def started(at: str, restarts: int = 1) -> dict[str, Any]:
    """Return a container that crashed before, and runs since then."""
    last = {"terminated": {"exitCode": 3, "reason": "Error"}}
    return {
        "name": "backend",
        "state": {"running": {"startedAt": at}},
        "lastState": last,
        "restartCount": restarts,
    }


def test_a_crash_is_forgiven_only_when_the_container_has_settled() -> None:
    again, settled = pod(started("2026-11-21T07:00:21Z")), pod(started("2026-11-21T07:00:20Z"))

    assert only(again) == only(pod({**ended("backend", exitCode=3, reason="Error"), "restartCount": 1}))
    assert [restarting([one], now=NOW) for one in (again, settled)] == [True, False]
    assert not restarting([pod(started("2026-11-21T07:00:29Z", restarts=0))], now=NOW)


@pytest.mark.parametrize(
    "status",
    [
        ended("migrate", exitCode=0, reason="Completed"),
        {**ended("migrate", exitCode=0, reason="Completed"), "restartCount": 1},
        started("2026-11-21T07:00:20Z"),
        waiting("backend", "PodInitializing"),
        waiting("backend", "ContainerCreating"),
        {"name": "backend"},
    ],
    ids=["done", "done at the second try", "running again", "waiting for others", "being made", "not yet there"],
)
def test_what_is_on_its_way_is_no_problem(status: dict[str, Any]) -> None:
    assert found(SPEC, [pod(status)]) == ()


def test_an_image_that_cannot_be_pulled_has_one_name_while_it_is_tried_again() -> None:
    said = "failed to pull: not found"
    tried = only(pod(waiting("backend", "ErrImagePull", said)))
    waits = only(pod(waiting("backend", "ImagePullBackOff", f'Back-off pulling image "s:9": ErrImagePull: {said}')))

    assert tried == waits
    assert (tried.reason, tried.message, tried.field) == ("ImagePullBackOff", said, "spec.backend.image")
    assert "imagePullSecrets" in tried.hint


def test_an_image_of_a_wrong_name_is_not_looked_for_in_registries() -> None:
    assert only(pod(waiting("proxy", "InvalidImageName", "couldn't parse"))).hint == "Correct the image's name"


def test_a_missing_key_is_named_as_the_kubelet_names_it() -> None:
    problem = only(pod(waiting("backend", "CreateContainerConfigError", 'configmap "x" not found')))

    assert problem.message == 'configmap "x" not found'
    assert problem.hint.startswith("Make the ConfigMap, Secret or key")


NGINX_SAID = """\
2026/11/21 07:00:00 [emerg] 1#1: unknown directive "nonsense" in {file}:3
nginx: [emerg] unknown directive "nonsense" in {file}:3
nginx: configuration file /etc/nginx/nginx.conf test failed
"""


@pytest.mark.parametrize(
    ("file", "proxy", "field"),
    [
        ("/etc/nginx/appstack/server/user.conf", {"server": "x"}, "spec.proxy.server"),
        ("/etc/nginx/appstack/server/static.conf", {}, "spec.proxy.static"),
        ("/etc/nginx/nginx.conf", {"config": "x"}, "spec.proxy.config"),
        ("/etc/nginx/nginx.conf", {}, "spec.proxy"),
        ("/etc/nginx/appstack/health.conf", {"config": "x"}, "spec.proxy"),
    ],
)
@pytest.mark.parametrize("state", ["ended", "looping"])
def test_a_refused_nginx_conf_comes_with_nginxs_own_line(
    state: str, file: str, proxy: dict[str, str], field: str
) -> None:
    how: dict[str, Any] = {"exitCode": 1, "reason": "Error", "message": NGINX_SAID.format(file=file)}
    name = "appstack-nginx-check"
    status = ended(name, **how) if state == "ended" else waiting(name, "CrashLoopBackOff", **how)
    (problem,) = found({**SPEC, "proxy": proxy}, [pod(status, init=True)])

    assert problem.reason == "NginxConfigRefused"
    assert problem.message == f'[emerg] unknown directive "nonsense" in {file}:3'
    assert problem.field == field
    assert f"line 3 of {file}" in problem.hint


def test_a_check_without_words_still_says_what_it_was() -> None:
    problem = only(pod(ended("appstack-nginx-check", exitCode=1), init=True))

    assert (problem.message, problem.field) == ("nginx -t refused the configuration", "spec.proxy")


@pytest.mark.parametrize(
    ("container", "field"), [("appstack-static-1", "spec.proxy.static[1]"), ("appstack-cache", "spec.volumes")]
)
def test_appstacks_own_containers_lead_to_the_field_that_they_work_for(container: str, field: str) -> None:
    assert only(pod(waiting(container, "CrashLoopBackOff", exitCode=1), init=True)).field == field


NO_SUCH_FILE = 'unable to start container process: exec: "nope": executable file not found in $PATH'


@pytest.mark.parametrize(
    ("container", "reason", "hint"),
    [
        ("backend", "RunContainerError", "Check that `command` names a file"),
        ("appstack-static-0", "StaticCopyFailed", "Files are copied with `cp`"),
    ],
)
def test_a_command_that_is_not_there_has_one_name_while_it_is_tried_again(
    container: str, reason: str, hint: str
) -> None:
    how: dict[str, Any] = {"exitCode": 128, "reason": "StartError", "message": NO_SUCH_FILE}
    tried = only(pod(waiting(container, "RunContainerError", NO_SUCH_FILE, **how)))

    assert tried == only(pod(ended(container, **how))) == only(pod(waiting(container, "CrashLoopBackOff", **how)))
    assert (tried.reason, tried.message, tried.log) == (reason, NO_SUCH_FILE, "")
    assert tried.hint.startswith(hint)


def test_a_copy_says_what_cp_said() -> None:
    said = "cp: can't stat '/nodir/.': No such file or directory"
    assert only(pod(ended("appstack-static-0", exitCode=1, message=f"{said}\n"), init=True)).message == said


def test_the_likeliest_cause_comes_first_and_what_pods_share_is_told_once() -> None:
    pods = [
        pod(waiting("backend", "CrashLoopBackOff", exitCode=1), waiting("db", "ErrImagePull"), name=f"shop-{number}")
        for number in (2, 1, 3)
    ]

    assert [(one.container, one.pod) for one in found(SPEC, pods)] == [("db", "shop-1"), ("backend", "shop-1")]
    assert found(SPEC, pods) == found(SPEC, reversed(pods))


def test_a_pod_that_goes_has_no_problems() -> None:
    assert found(SPEC, [pod(waiting("backend", "ErrImagePull"), deleting=True)]) == ()


def test_a_pod_that_no_node_takes_is_told_once_in_the_schedulers_words() -> None:
    said = "0/3 nodes are available: 3 Insufficient cpu."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
    pods = [replace(pod(name=name), status={"phase": "Pending", "conditions": [condition]}) for name in ("a", "b")]

    problem = only(*pods)

    assert ("a", "", "Unschedulable", said) == (problem.pod, problem.container, problem.reason, problem.message)
    assert () == found(SPEC, [replace(pods[0], status={"conditions": [{**condition, "status": "True"}]})])


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_is_over_has_no_problems(phase: str) -> None:
    over = pod({**ended("backend", exitCode=1), "restartCount": 1})

    assert found(SPEC, [replace(over, status={**over.status, "phase": phase})]) == ()


def test_there_are_never_more_than_the_api_takes() -> None:
    noisy: dict[str, Any] = {"exitCode": 1, "message": "x" * 5000}
    many = pod(*(waiting(f"c{number:02}", "CrashLoopBackOff", **noisy) for number in range(30)))
    shown = found(SPEC, [many])

    assert len(shown) == MAX_PROBLEMS
    assert {len(one.log) for one in shown} == {MAX_LOG}
