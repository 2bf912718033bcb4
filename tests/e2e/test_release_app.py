"""The example release-app: every statement of its row in the design, seen on real pods."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Example, Manifest, Space, backend_of, condition, namespace, uid_of, wait_for_client

EXAMPLE = Example("01-release-app")
APP = EXAMPLE.name
URL = f"http://{APP}"
BACKEND_PORT, PROXY_PORT = 8000, 8080
CACHE, CLAIM, PUBLIC = "/var/cache/app", "/srv/uploads", "/srv/app/public"


@pytest.fixture(scope="module")
def deployed(space: Space) -> Space:
    """Deploy the example once for the module, as its file stands."""
    space.apply(*EXAMPLE.manifests)
    return space


@pytest.fixture
def app(deployed: Space) -> Space:
    """Start each test from a stack that is Ready, whatever the one before did to it."""
    deployed.until("the one pod is Ready", lambda: is_ready(deployed.pod(APP)))
    deployed.ready(APP)
    return deployed


def is_ready(pod: Manifest) -> bool:
    """Tell whether a pod says that it is Ready."""
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def address(app: Space, port: int) -> str:
    """Return the URL of a port at the pod's own address."""
    return f"http://{app.pod(APP)['status']['podIP']}:{port}"


def inside(app: Space, *command: str) -> str:
    """Return what a command prints inside the backend of the one pod that there is."""
    return app.exec(app.pod(APP)["metadata"]["name"], "backend", *command)


def leave(app: Space, path: str, content: str) -> None:
    """Let the backend write a file."""
    answer = app.http(f"{URL}/files?path={path}", data=content)
    assert answer.code == 0, answer.said


def read(app: Space, path: str) -> str:
    """Let the backend read a file."""
    return app.page(f"{URL}/files?path={path}")


# What comes over HTTP


def test_a_page_of_the_backend_comes_through_the_service(app: Space) -> None:
    assert app.page(f"{URL}/") == f"Hello from {app.pod(APP)['metadata']['name']}, version 1.0.0\n"


def test_a_static_file_of_the_backends_image_comes_through_the_service(app: Space) -> None:
    assert app.page(f"{URL}/static/version.txt") == inside(app, "cat", f"{PUBLIC}/version.txt") == "1.0.0\n"


def test_nginx_serves_the_static_file_itself(app: Space) -> None:
    said = app.http(f"{URL}/static/index.html").said

    assert "Cache-Control: public, max-age=3600" in said
    assert "Content-Type: text/html" in said


def test_the_just_in_time_nginx_conf_is_at_work(app: Space) -> None:
    assert app.page(f"{URL}/about") == "release-app\n"
    assert "X-Served-By: appstack" in app.http(f"{URL}/").said


def test_the_just_in_time_file_is_where_the_backend_looks_for_it(app: Space) -> None:
    assert read(app, "/etc/app/settings.toml") == 'greeting = "hello"\n'


# The backend is private


def test_from_another_pod_the_pods_address_refuses_the_backends_port(app: Space) -> None:
    answer = app.http(f"{address(app, BACKEND_PORT)}/")

    assert answer.code != 0
    assert "Connection refused" in answer.said


def test_the_same_backend_answers_through_nginx_at_the_same_address(app: Space) -> None:
    assert f"Hello from {app.pod(APP)['metadata']['name']}" in app.page(f"{address(app, PROXY_PORT)}/")


# What runs before the backend


def test_the_inits_effect_is_visible(app: Space) -> None:
    assert app.pod(APP)["metadata"]["name"] in read(app, f"{CLAIM}/migrated")


def test_the_init_is_the_backends_image_with_another_command(app: Space) -> None:
    pod = app.pod(APP)
    migrate = next(each for each in pod["spec"]["initContainers"] if each["name"] == "migrate")

    assert migrate["image"] == backend_of(pod)["image"]
    assert migrate["command"] != backend_of(pod).get("command")


# Volumes


def test_the_scratch_directory_can_be_written(app: Space) -> None:
    leave(app, "/tmp/work/scratch", "scratch")  # the example's emptyDir

    assert read(app, "/tmp/work/scratch") == "scratch"


def test_cache_and_claim_survive_a_new_deployment(app: Space) -> None:
    former = app.pod(APP)
    leave(app, f"{CACHE}/mark", uid_of(former))
    leave(app, f"{CLAIM}/mark", uid_of(former))
    stack = EXAMPLE.stack
    stack["spec"]["backend"]["image"] = "appstack.dev/demo-backend:1.1.0"
    stack["spec"]["pod"] = on_the_node_of(former)

    app.apply(stack)
    app.ready(APP)

    present = app.pod(APP)
    assert uid_of(present) != uid_of(former)
    assert present["spec"]["nodeName"] == former["spec"]["nodeName"]
    assert app.page(f"{URL}/") == f"Hello from {present['metadata']['name']}, version 1.1.0\n"
    assert read(app, f"{CACHE}/mark") == uid_of(former)
    assert read(app, f"{CLAIM}/mark") == uid_of(former)


def test_a_new_image_brings_its_new_static_files(app: Space) -> None:
    image = backend_of(app.pod(APP))["image"]

    assert app.page(f"{URL}/static/version.txt").strip() == image.rpartition(":")[2]


def test_the_cache_of_another_namespace_is_another_directory(app: Space) -> None:
    here = app.pod(APP)
    leave(app, f"{CACHE}/mark", uid_of(here))
    stack = EXAMPLE.stack
    stack["spec"]["pod"] = on_the_node_of(here)

    with namespace("other") as other:
        wait_for_client(other)
        other.apply(stack)
        other.ready(APP)
        there = other.pod(APP)

        assert there["spec"]["nodeName"] == here["spec"]["nodeName"]
        assert cache_path(there) != cache_path(here)
        assert other.http(f"{URL}/files?path={CACHE}/mark").code != 0
        leave(other, f"{CACHE}/mark", uid_of(there))
        assert read(app, f"{CACHE}/mark") == uid_of(here)


def on_the_node_of(pod: Manifest) -> Manifest:
    """Return what brings a new pod to the node where another runs: a cache is a node's."""
    return {"nodeSelector": {"kubernetes.io/hostname": pod["spec"]["nodeName"]}}


def cache_path(pod: Manifest) -> str:
    """Return the node's directory of the cache."""
    return next(str(v["hostPath"]["path"]) for v in pod["spec"]["volumes"] if v["name"] == "cache")


def test_a_claim_of_many_writers_is_shared_by_pods_of_two_nodes(app: Space) -> None:
    if app.find("storageclass", "shared") is None:
        pytest.skip("the cluster has no storage class `shared`, as that of `make cluster` has")
    stack = EXAMPLE.stack
    stack["metadata"]["name"] = "shared"
    apart = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"appstack.dev/stack": "shared"}},
    }
    stack["spec"].update(replicas=2, pod={"topologySpreadConstraints": [apart]})

    app.apply(stack)
    app.ready("shared")
    one, two = app.pods("shared")
    app.exec(one["metadata"]["name"], "backend", "sh", "-c", f"echo from one > {CLAIM}/shared")

    assert one["spec"]["nodeName"] != two["spec"]["nodeName"]
    assert app.exec(two["metadata"]["name"], "backend", "cat", f"{CLAIM}/shared") == "from one\n"


# Probes


def test_all_three_probes_reach_the_private_backend_and_hold(app: Space) -> None:
    pod = app.pod(APP)
    (status,) = pod["status"]["containerStatuses"]

    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= backend_of(pod).keys()
    assert (status["started"], status["ready"]) == (True, True)


def test_a_failing_readiness_takes_the_pod_out_and_a_good_one_brings_it_back(app: Space) -> None:
    backend = address(app, PROXY_PORT)
    restarts = restart_count(app)
    app.http(f"{backend}/-/ready?on=false", data="")
    app.until("the stack is not Ready", lambda: condition(app.stack(APP), "Ready") == "False")

    app.until("the Service answers no more", lambda: app.http(f"{URL}/").code != 0)
    app.http(f"{backend}/-/ready?on=true", data="")
    app.ready(APP)

    assert app.page(f"{URL}/")
    assert restart_count(app) == restarts


def test_a_failing_liveness_restarts_the_backend_and_not_nginx(app: Space) -> None:
    before = app.pod(APP)
    restarts = restart_count(app)

    app.http(f"{address(app, PROXY_PORT)}/-/healthy?on=false", data="")
    app.until("the backend was restarted", lambda: restart_count(app) > restarts)
    app.ready(APP)

    after = app.pod(APP)
    assert uid_of(after) == uid_of(before)
    proxy = next(s for s in after["status"]["initContainerStatuses"] if s["name"] == "proxy")
    assert proxy["restartCount"] == 0


def restart_count(app: Space) -> int:
    """Return how often the backend was restarted."""
    (status,) = app.pod(APP)["status"]["containerStatuses"]
    return int(status["restartCount"])


# Status


def test_status_tells_what_there_is(app: Space) -> None:
    def told() -> Manifest | None:
        status: Manifest = app.stack(APP)["status"]
        return status if status["replicas"] == status["readyReplicas"] == 1 else None

    status = app.until("status tells of the one pod", told)

    kinds = {each["kind"] for each in status["resources"]}
    assert kinds == {"Deployment", "Service", "ConfigMap", "PersistentVolumeClaim"}
    assert not status.get("problems")
