"""The example release-app: a private backend behind nginx with files, volumes, probes and an init container."""

from __future__ import annotations

import pytest

from tests.e2e.namespace import (
    Example,
    Manifest,
    Namespace,
    backend_of,
    condition_status,
    is_pod_ready,
    name_of,
    temporary_namespace,
    uid_of,
    wait_for_client,
)

EXAMPLE = Example("01-release-app")
APP = EXAMPLE.name
URL = f"http://{APP}"
BACKEND_PORT, PROXY_PORT = 8000, 8080
CACHE, CLAIM, PUBLIC = "/var/cache/app", "/srv/uploads", "/srv/app/public"


@pytest.fixture(scope="module")
def deployed(namespace: Namespace) -> Namespace:
    """Deploy the example and return its namespace."""
    namespace.apply(*EXAMPLE.manifests)
    return namespace


@pytest.fixture
def app(deployed: Namespace) -> Namespace:
    """Return the namespace when the example is Ready again after the previous test."""
    deployed.wait_for("the only pod is Ready", lambda: is_pod_ready(deployed.only_pod(APP)))
    deployed.wait_until_ready(APP)
    return deployed


def address(app: Namespace, port: int) -> str:
    """Return the URL of a port at the address of the pod."""
    return f"http://{app.only_pod(APP)['status']['podIP']}:{port}"


def inside(app: Namespace, *command: str) -> str:
    """Run a command in the backend of the only pod and return its output."""
    return app.exec(app.only_pod(APP)["metadata"]["name"], "backend", *command)


def write_file(app: Namespace, path: str, content: str) -> None:
    """Write a file through the backend."""
    result = app.http(f"{URL}/files?path={path}", data=content)
    assert result.ok, result.stderr


def read_file(app: Namespace, path: str) -> str:
    """Read a file through the backend."""
    return app.page(f"{URL}/files?path={path}")


# HTTP


def test_backend_responds_through_the_service(app: Namespace) -> None:
    assert app.page(f"{URL}/") == f"Hello from {app.only_pod(APP)['metadata']['name']}, version 1.0.0\n"


def test_static_file_of_the_backends_image_is_served_through_the_service(app: Namespace) -> None:
    assert app.page(f"{URL}/static/version.txt") == inside(app, "cat", f"{PUBLIC}/version.txt") == "1.0.0\n"


def test_nginx_serves_the_static_file_with_its_own_headers(app: Namespace) -> None:
    headers = app.http(f"{URL}/static/index.html").stderr

    assert "Cache-Control: public, max-age=3600" in headers
    assert "Content-Type: text/html" in headers


def test_nginx_directives_of_the_spec_are_active(app: Namespace) -> None:
    assert app.page(f"{URL}/about") == "release-app\n"
    assert "X-Served-By: appstack" in app.http(f"{URL}/").stderr


def test_file_of_the_spec_is_mounted_in_the_backend(app: Namespace) -> None:
    assert read_file(app, "/etc/app/settings.toml") == 'greeting = "hello"\n'


# Private backend


def test_backend_port_refuses_connections_from_another_pod(app: Namespace) -> None:
    result = app.http(f"{address(app, BACKEND_PORT)}/")

    assert not result.ok
    assert "Connection refused" in result.stderr


def test_backend_responds_through_the_nginx_port_of_the_pod(app: Namespace) -> None:
    assert f"Hello from {app.only_pod(APP)['metadata']['name']}" in app.page(f"{address(app, PROXY_PORT)}/")


# Init container


def test_init_container_has_written_its_file(app: Namespace) -> None:
    assert app.only_pod(APP)["metadata"]["name"] in read_file(app, f"{CLAIM}/migrated")


def test_init_container_runs_another_command_in_the_backends_image(app: Namespace) -> None:
    pod = app.only_pod(APP)
    init_containers = {container["name"]: container for container in pod["spec"]["initContainers"]}
    migrate = init_containers["migrate"]

    assert migrate["image"] == backend_of(pod)["image"]
    assert migrate["command"] != backend_of(pod).get("command")


# Volumes


def test_scratch_directory_is_writable(app: Namespace) -> None:
    write_file(app, "/tmp/work/scratch", "scratch")  # an emptyDir of the example

    assert read_file(app, "/tmp/work/scratch") == "scratch"


def test_cache_and_claim_survive_a_rollout(app: Namespace) -> None:
    former = app.only_pod(APP)
    write_file(app, f"{CACHE}/mark", uid_of(former))
    write_file(app, f"{CLAIM}/mark", uid_of(former))
    stack = EXAMPLE.stack
    stack["spec"]["backend"]["image"] = "appstack.dev/demo-backend:1.1.0"
    stack["spec"]["pod"] = on_the_node_of(former)

    app.apply(stack)
    app.wait_until_ready(APP)

    replacement = app.only_pod(APP)
    assert uid_of(replacement) != uid_of(former)
    assert replacement["spec"]["nodeName"] == former["spec"]["nodeName"]
    assert app.page(f"{URL}/") == f"Hello from {name_of(replacement)}, version 1.1.0\n"
    assert read_file(app, f"{CACHE}/mark") == uid_of(former)
    assert read_file(app, f"{CLAIM}/mark") == uid_of(former)


def test_new_image_is_served_with_its_static_files(app: Namespace) -> None:
    image = backend_of(app.only_pod(APP))["image"]

    assert app.page(f"{URL}/static/version.txt").strip() == image.rpartition(":")[2]


def test_namespaces_have_separate_cache_directories(app: Namespace) -> None:
    pod = app.only_pod(APP)
    write_file(app, f"{CACHE}/mark", uid_of(pod))
    stack = EXAMPLE.stack
    stack["spec"]["pod"] = on_the_node_of(pod)

    with temporary_namespace("other") as other:
        wait_for_client(other)
        other.apply(stack)
        other.wait_until_ready(APP)
        other_pod = other.only_pod(APP)

        assert other_pod["spec"]["nodeName"] == pod["spec"]["nodeName"]
        assert cache_path(other_pod) != cache_path(pod)
        assert not other.http(f"{URL}/files?path={CACHE}/mark").ok
        write_file(other, f"{CACHE}/mark", uid_of(other_pod))
        assert read_file(app, f"{CACHE}/mark") == uid_of(pod)


def on_the_node_of(pod: Manifest) -> Manifest:
    """Return the fields that bind a new pod to the node of another, because each node has its own cache."""
    return {"nodeSelector": {"kubernetes.io/hostname": pod["spec"]["nodeName"]}}


def cache_path(pod: Manifest) -> str:
    """Return the directory of the cache on the node."""
    return next(str(volume["hostPath"]["path"]) for volume in pod["spec"]["volumes"] if volume["name"] == "cache")


def test_read_write_many_claim_is_shared_by_pods_on_two_nodes(app: Namespace) -> None:
    if app.find("storageclass", "shared") is None:
        pytest.skip("not run: the cluster has no StorageClass `shared`, which `make cluster` creates")
    stack = EXAMPLE.stack
    stack["metadata"]["name"] = "shared"
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"appstack.dev/stack": "shared"}},
    }
    stack["spec"].update(replicas=2, pod={"topologySpreadConstraints": [spread]})

    app.apply(stack)
    app.wait_until_ready("shared")
    writer, reader = app.pods("shared")
    app.exec(name_of(writer), "backend", "sh", "-c", f"echo shared > {CLAIM}/shared")

    assert writer["spec"]["nodeName"] != reader["spec"]["nodeName"]
    assert app.exec(name_of(reader), "backend", "cat", f"{CLAIM}/shared") == "shared\n"


# Probes


def test_all_three_probes_of_the_private_backend_succeed(app: Namespace) -> None:
    pod = app.only_pod(APP)
    (status,) = pod["status"]["containerStatuses"]

    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= backend_of(pod).keys()
    assert (status["started"], status["ready"]) == (True, True)


def test_failed_readiness_probe_removes_the_pod_from_the_service_until_it_succeeds(app: Namespace) -> None:
    backend = address(app, PROXY_PORT)
    restarts = restart_count(app)
    app.http(f"{backend}/-/ready?on=false", data="")
    app.wait_for("the stack is not Ready", lambda: condition_status(app.appstack(APP), "Ready") == "False")

    app.wait_for("the Service has no endpoint", lambda: not app.http(f"{URL}/").ok)
    app.http(f"{backend}/-/ready?on=true", data="")
    app.wait_until_ready(APP)

    assert app.page(f"{URL}/")
    assert restart_count(app) == restarts


def test_failed_liveness_probe_restarts_the_backend_and_not_nginx(app: Namespace) -> None:
    before = app.only_pod(APP)
    restarts = restart_count(app)

    app.http(f"{address(app, PROXY_PORT)}/-/healthy?on=false", data="")
    app.wait_for("the backend is restarted", lambda: restart_count(app) > restarts)
    app.wait_until_ready(APP)

    after = app.only_pod(APP)
    assert uid_of(after) == uid_of(before)
    statuses = {status["name"]: status for status in after["status"]["initContainerStatuses"]}
    assert statuses["proxy"]["restartCount"] == 0


def restart_count(app: Namespace) -> int:
    """Return the number of restarts of the backend."""
    (status,) = app.only_pod(APP)["status"]["containerStatuses"]
    return int(status["restartCount"])


# Status


def test_status_lists_the_children_and_no_problem(app: Namespace) -> None:
    def status_of_one_replica() -> Manifest | None:
        status: Manifest = app.appstack(APP)["status"]
        return status if status["replicas"] == status["readyReplicas"] == 1 else None

    status = app.wait_for("status reports one ready replica", status_of_one_replica)

    kinds = {ref["kind"] for ref in status["resources"]}
    assert kinds == {"Deployment", "Service", "ConfigMap", "PersistentVolumeClaim"}
    assert not status.get("problems")
