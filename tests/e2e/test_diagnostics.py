"""Problems of real pods in the status of an AppStack: nginx configuration, crash loop, image."""

from __future__ import annotations

from typing import Any

from tests.e2e.manifests import BACKEND_IMAGE, appstack
from tests.e2e.namespace import Manifest, Namespace, condition_status, name_of, uid_of

PULL_REASONS = ("ErrImagePull", "ImagePullBackOff")  # the kubelet reports one or the other


def behind_nginx(name: str, server: str = "") -> Manifest:
    """Return an AppStack of a backend behind nginx, with directives for nginx."""
    backend = {
        "image": BACKEND_IMAGE,
        "ports": [{"containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/ready"}, "periodSeconds": 1},
    }
    return appstack(name, replicas=1, backend=backend, proxy={"serverSnippet": server} if server else {})


def backend_only(name: str, **backend: Any) -> Manifest:
    """Return an AppStack of a backend without nginx."""
    return appstack(name, replicas=1, backend=backend)


def test_invalid_nginx_directive_is_reported_and_never_rolled_out(namespace: Namespace) -> None:
    namespace.apply(behind_nginx("conf"))
    namespace.wait_until_ready("conf")
    former = namespace.only_pod("conf")

    namespace.apply(behind_nginx("conf", server="no_such_directive on;"))
    problem = namespace.wait_for_problem("conf", reason="NginxConfigRefused")

    assert problem["field"] == "spec.proxy.serverSnippet"
    assert 'unknown directive "no_such_directive"' in problem["message"]
    assert problem["container"] == "appstack-nginx-check"
    assert condition_status(namespace.appstack("conf"), "Ready") == "False"
    assert uid_of(former) in {uid_of(pod) for pod in namespace.pods("conf")}
    assert namespace.page("http://conf/") == f"Hello from {name_of(former)}, version 1.0.0\n"


def test_corrected_nginx_directive_is_rolled_out(namespace: Namespace) -> None:
    namespace.apply(behind_nginx("corrected", server="no_such_directive on;"))
    namespace.wait_for_problem("corrected", reason="NginxConfigRefused")

    namespace.apply(behind_nginx("corrected", server="add_header X-Corrected yes;"))
    ready = namespace.wait_until_ready("corrected")

    assert not ready["status"].get("problems")
    namespace.page("http://corrected/")
    assert "X-Corrected: yes" in namespace.http("http://corrected/").stderr


def test_crash_loop_is_reported_with_exit_code_and_log(namespace: Namespace) -> None:
    command = ["sh", "-c", "echo the database is not there; exit 3"]
    namespace.apply(backend_only("loop", image="busybox:1.35.0", command=command))

    problem = namespace.wait_for_problem("loop", reason="CrashLoopBackOff")

    assert (problem["container"], problem["exitCode"]) == ("backend", 3)
    assert "the database is not there" in problem["log"]
    assert problem["hint"]
    # The Deployment is available whenever the container runs for a moment; a crash keeps the AppStack from Ready.
    assert condition_status(namespace.appstack("loop"), "Ready") == "False"


def test_missing_image_is_reported_with_its_field(namespace: Namespace) -> None:
    namespace.apply(backend_only("nowhere", image="registry.invalid/nowhere:1"))

    problem = namespace.wait_for("the image cannot be pulled", lambda: pull_problem(namespace, "nowhere"))

    assert problem["field"] == "spec.backend.image"
    assert "registry.invalid/nowhere:1" in problem["message"]


def pull_problem(namespace: Namespace, name: str) -> Manifest | None:
    """Return the problem with the image of an AppStack, or None."""
    problems = namespace.appstack(name).get("status", {}).get("problems", [])
    return next((problem for problem in problems if problem["reason"] in PULL_REASONS), None)
