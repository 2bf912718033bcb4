"""What goes wrong, what is changed behind the operator's back, and what is deleted: seen on real pods."""

from __future__ import annotations

from typing import Any

from tests.e2e.harness import Manifest, Space, backend_of, condition, uid_of

BACKEND_IMAGE = "appstack.dev/demo-backend:1.0.0"


def stack(name: str, **spec: Any) -> Manifest:
    """Return a small AppStack: a private backend and nginx in front of it."""
    whole = {
        "replicas": 1,
        "backend": {
            "image": BACKEND_IMAGE,
            "ports": [{"containerPort": 8000}],
            "readinessProbe": {"httpGet": {"path": "/ready"}, "periodSeconds": 1},
        },
        "proxy": {},
        **spec,
    }
    return {
        "apiVersion": "appstack.dev/v1alpha1",
        "kind": "AppStack",
        "metadata": {"name": name},
        "spec": whole,
    }


def lonely(name: str, **backend: Any) -> Manifest:
    """Return an AppStack of a backend alone."""
    whole = stack(name, backend=backend)
    del whole["spec"]["proxy"]
    return whole


# Problems


def test_a_wrong_nginx_conf_never_serves_and_status_has_nginxs_own_line(space: Space) -> None:
    space.apply(stack("conf"))
    space.ready("conf")
    former = space.pod("conf")

    space.apply(stack("conf", proxy={"server": "no_such_directive on;"}))
    problem = space.problem("conf", reason="NginxConfigRefused")

    assert problem["field"] == "spec.proxy.server"
    assert 'unknown directive "no_such_directive"' in problem["message"]
    assert problem["container"] == "appstack-nginx-check"
    assert condition(space.stack("conf"), "Ready") == "False"
    assert uid_of(former) in {uid_of(pod) for pod in space.pods("conf")}
    assert space.page("http://conf/") == f"Hello from {former['metadata']['name']}, version 1.0.0\n"


def test_a_corrected_nginx_conf_serves(space: Space) -> None:
    space.apply(stack("again", proxy={"server": "no_such_directive on;"}))
    space.problem("again", reason="NginxConfigRefused")

    space.apply(stack("again", proxy={"server": "add_header X-Corrected yes;"}))
    ready = space.ready("again")

    assert not ready["status"].get("problems")
    space.page("http://again/")
    assert "X-Corrected: yes" in space.http("http://again/").said


def test_a_crash_loop_is_told_with_its_exit_code_and_last_words(space: Space) -> None:
    command = ["sh", "-c", "echo the database is not there; exit 3"]
    space.apply(lonely("loop", image="busybox:1.35.0", command=command))

    problem = space.problem("loop", reason="CrashLoopBackOff")

    assert (problem["container"], problem["exitCode"]) == ("backend", 3)
    assert "the database is not there" in problem["log"]
    assert problem["hint"]
    # Kubernetes takes it for available whenever it runs again; once it has crashed, AppStack does not.
    assert condition(space.stack("loop"), "Ready") == "False"


def test_an_image_that_is_nowhere_is_told_with_the_field_that_names_it(space: Space) -> None:
    space.apply(lonely("nowhere", image="registry.invalid/nowhere:1"))

    problem = space.until("the image can't be pulled", lambda: pull_problem(space))

    assert problem["field"] == "spec.backend.image"
    assert "registry.invalid/nowhere:1" in problem["message"]


def pull_problem(space: Space) -> Manifest | None:
    """Return the problem with the image: the kubelet calls it by one of two names, in turn."""
    problems = space.stack("nowhere").get("status", {}).get("problems", [])
    return next((p for p in problems if p["reason"] in ("ErrImagePull", "ImagePullBackOff")), None)


# Drift


def test_what_somebody_changed_is_repaired(space: Space) -> None:
    space.apply(stack("drift"))
    space.ready("drift")

    space.kubectl("set", "image", "deployment/drift", "backend=busybox:1.35.0")

    space.until("the image is ours again", lambda: image_of(space, "drift") == BACKEND_IMAGE)
    space.ready("drift")


def test_a_scale_behind_its_back_is_repaired(space: Space) -> None:
    space.apply(stack("scaled"))
    space.ready("scaled")

    space.kubectl("scale", "deployment/scaled", "--replicas=3")

    space.until("there is one replica", lambda: space.get("deployment", "scaled")["spec"]["replicas"] == 1)
    space.pod("scaled")


def test_a_deleted_child_comes_back(space: Space) -> None:
    space.apply(stack("gone"))
    space.ready("gone")
    former = space.get("service", "gone")

    space.kubectl("delete", "service", "gone")

    again = space.until("the Service is there again", lambda: space.find("service", "gone"))
    assert uid_of(again) != uid_of(former)


def test_what_somebody_added_stays(space: Space) -> None:
    space.apply(stack("added"))
    space.ready("added")

    space.kubectl("label", "service/added", "team=blue")
    space.kubectl("rollout", "restart", "deployment/added")
    space.kubectl("rollout", "status", "deployment/added", "--timeout=120s")
    space.apply(stack("added", proxy={"clientMaxBodySize": "5Mi"}))
    space.ready("added")

    assert space.get("service", "added")["metadata"]["labels"]["team"] == "blue"
    template = space.get("deployment", "added")["spec"]["template"]
    assert "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"]


def image_of(space: Space, name: str) -> str:
    """Return the image of a Deployment's backend."""
    return str(backend_of(space.get("deployment", name)["spec"]["template"])["image"])


# Deletion


def with_claims(name: str) -> Manifest:
    """Return an AppStack with a claim that is retained and one that is not."""
    size = {"resources": {"requests": {"storage": "10Mi"}}}
    backend = {
        "image": BACKEND_IMAGE,
        "ports": [{"containerPort": 8000}],
        "volumeMounts": [{"name": "kept", "mountPath": "/kept"}, {"name": "lost", "mountPath": "/lost"}],
    }
    volumes = [
        {"name": "kept", "claim": size},
        {"name": "lost", "claim": {**size, "retentionPolicy": {"whenDeleted": "Delete"}}},
    ]
    return stack(name, backend=backend, volumes=volumes)


def test_delete_takes_everything_but_the_retained_claim_and_a_new_stack_takes_it_up(space: Space) -> None:
    space.apply(with_claims("data"))
    space.ready("data")
    assert space.page("http://data/")
    space.http("http://data/files?path=/kept/mark", data="still here")

    space.kubectl("delete", "appstack", "data", "--timeout=120s")
    space.gone("deployment", "data")
    space.gone("service", "data")
    space.gone("persistentvolumeclaim", "data-lost")
    space.until("its pods are gone", lambda: not space.every("pods", "data"))
    kept = space.get("persistentvolumeclaim", "data-kept")

    space.apply(with_claims("data"))
    space.ready("data")

    assert uid_of(space.get("persistentvolumeclaim", "data-kept")) == uid_of(kept)
    assert space.page("http://data/files?path=/kept/mark") == "still here"


def test_delete_works_with_a_spec_that_never_was_right(space: Space) -> None:
    wrong = stack("wrong")
    wrong["spec"]["volumes"] = [{"name": "twice", "emptyDir": {}, "nodeCache": {}}]
    space.apply(wrong)
    space.until("it is Stalled", lambda: condition(space.stack("wrong"), "Stalled") == "True")

    space.kubectl("delete", "appstack", "wrong", "--timeout=120s")

    assert space.find("appstack", "wrong") is None
