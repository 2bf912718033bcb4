"""Start order and inheritance of init containers and sidecars: one pod with every role."""

from __future__ import annotations

import pytest

from tests.e2e.manifests import BACKEND_IMAGE, public_backend
from tests.e2e.namespace import Manifest, Namespace, backend_of

NAME = "roles"
RECORD = "env > /work/env; id -u > /work/user; cat /etc/app/own > /work/file; ls /data > /work/data"
REQUEST = "for port in 9001 9002; do wget -q -O /work/$port http://127.0.0.1:$port/env?name=REPLY; done"


def ambassador(port: int) -> Manifest:
    """Return an ambassador that listens on loopback and responds with its own port."""
    ready = ["wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{port}/ready"]
    return {
        "name": f"to-{port}",
        "role": "Ambassador",
        "image": BACKEND_IMAGE,
        "ports": [{"containerPort": port}],
        "env": [{"name": "LISTEN", "value": f"127.0.0.1:{port}"}, {"name": "REPLY", "value": f"by {port}"}],
        "startupProbe": {"exec": {"command": ready}, "periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 60},
    }


STACK = public_backend(
    NAME,
    backend={
        "env": [
            {"name": "LISTEN", "value": ":8000"},
            {"name": "SHARED", "value": "the backend's"},
            {"name": "CHANGED", "value": "the backend's"},
        ],
        "envFrom": [{"configMapRef": {"name": "of-backend"}}],
        "resources": {"requests": {"cpu": "10m"}},
        "securityContext": {"runAsUser": 10002, "allowPrivilegeEscalation": False},
        "volumeMounts": [{"name": "work", "mountPath": "/work"}, {"name": "data", "mountPath": "/data"}],
    },
    initContainers=[
        {
            "name": "heir",  # without an image it inherits from the backend
            "command": ["sh", "-c", f"{RECORD}; {REQUEST}"],
            "env": [{"name": "CHANGED", "value": "the heir's"}],
            "envFrom": [{"configMapRef": {"name": "of-heir"}}],
            "securityContext": {"runAsUser": 10003},
            "volumeMounts": [{"name": "others", "mountPath": "/data"}],
        },
        {
            "name": "independent",  # with an image it inherits nothing
            "image": "busybox:1.35.0",
            "command": ["sh", "-c", "test -z $SHARED$FROM_BACKEND && test ! -e /data && test ! -e /etc/app"],
        },
    ],
    sidecars=[
        {"name": "ordinary", "native": False, "command": ["sh", "-c", "trap exit TERM; while sleep 1; do :; done"]},
        ambassador(9001),
        ambassador(9002),
    ],
    files=[{"path": "/etc/app/own", "content": "one file"}],
    volumes=[
        {"name": "work", "emptyDir": {}},
        {"name": "data", "emptyDir": {}},
        {"name": "others", "configMap": {"name": "of-heir"}},
    ],
    pod={"securityContext": {"fsGroup": 10001}, "terminationGracePeriodSeconds": 2},
)


@pytest.fixture(scope="module")
def deployed(namespace: Namespace) -> Namespace:
    """Deploy the AppStack and return its namespace."""
    namespace.kubectl("create", "configmap", "of-backend", "--from-literal=FROM_BACKEND=yes")
    namespace.kubectl("create", "configmap", "of-heir", "--from-literal=FROM_HEIR=yes")
    namespace.apply(STACK)
    namespace.wait_until_ready(NAME)
    return namespace


def recorded(namespace: Namespace, name: str) -> str:
    """Return a file that the init container without an image has written."""
    return namespace.page(f"http://{NAME}:8000/files?path=/work/{name}").strip()


def test_every_ambassador_responds_before_the_init_containers(deployed: Namespace) -> None:
    order = [container["name"] for container in deployed.only_pod(NAME)["spec"]["initContainers"]]

    assert order == ["to-9001", "to-9002", "heir", "independent"]
    assert [recorded(deployed, port) for port in ("9001", "9002")] == ["by 9001", "by 9002"]


def test_environment_is_merged_by_name_and_env_from_is_replaced(deployed: Namespace) -> None:
    environment = dict(line.split("=", 1) for line in recorded(deployed, "env").splitlines())

    assert {name: environment.get(name) for name in ("SHARED", "CHANGED", "FROM_BACKEND", "FROM_HEIR")} == {
        "SHARED": "the backend's",
        "CHANGED": "the heir's",
        "FROM_BACKEND": None,
        "FROM_HEIR": "yes",
    }


def test_mounts_are_merged_by_path_and_files_are_inherited(deployed: Namespace) -> None:
    assert recorded(deployed, "data") == "FROM_HEIR"
    assert recorded(deployed, "file") == "one file"


def test_security_context_is_merged_by_field(deployed: Namespace) -> None:
    init_containers = deployed.only_pod(NAME)["spec"]["initContainers"]
    (heir,) = [container for container in init_containers if container["name"] == "heir"]

    assert recorded(deployed, "user") == "10003"
    assert heir["securityContext"] == {"runAsUser": 10003, "allowPrivilegeEscalation": False}


def test_ports_probes_lifecycle_and_resources_are_not_inherited(deployed: Namespace) -> None:
    pod = deployed.only_pod(NAME)
    containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    heirs = [container for container in containers if container["name"] in ("heir", "ordinary")]

    assert [heir["image"] for heir in heirs] == [backend_of(pod)["image"]] * 2
    for heir in heirs:
        assert {"ports", "readinessProbe", "lifecycle"}.isdisjoint(heir)
        assert heir["resources"] == {}


def test_ordinary_sidecar_restarts_without_the_other_containers(deployed: Namespace) -> None:
    pod = deployed.only_pod(NAME)["metadata"]["name"]
    deployed.try_kubectl("exec", pod, "--container", "ordinary", "--", "kill", "1")

    deployed.wait_for("the sidecar is restarted", lambda: restart_counts(deployed)["ordinary"] == 1)

    assert restart_counts(deployed) == {"backend": 0, "ordinary": 1}


def restart_counts(namespace: Namespace) -> dict[str, int]:
    """Return the number of restarts of each container, init containers and native sidecars excepted."""
    statuses = namespace.only_pod(NAME)["status"]["containerStatuses"]
    return {status["name"]: status["restartCount"] for status in statuses}
