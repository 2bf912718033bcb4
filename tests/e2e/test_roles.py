"""Who starts when, and who inherits what: one pod with every kind of container beside the backend."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Manifest, Space, backend_of
from tests.e2e.stacks import BACKEND_IMAGE, open_backend

NAME = "roles"
LOOK = "env > /work/env; id -u > /work/user; cat /etc/app/own > /work/file; ls /data > /work/data"
ASK = "for port in 9001 9002; do wget -q -O /work/$port http://127.0.0.1:$port/env?name=SAID; done"


def ambassador(port: int) -> Manifest:
    """Return an ambassador that listens on loopback and answers with its own port."""
    ready = ["wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{port}/ready"]
    return {
        "name": f"to-{port}",
        "role": "Ambassador",
        "image": BACKEND_IMAGE,
        "ports": [{"containerPort": port}],
        "env": [{"name": "LISTEN", "value": f"127.0.0.1:{port}"}, {"name": "SAID", "value": f"by {port}"}],
        "startupProbe": {"exec": {"command": ready}, "periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 60},
    }


STACK = open_backend(
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
            "name": "heir",  # without an image it is the backend
            "command": ["sh", "-c", f"{LOOK}; {ASK}"],
            "env": [{"name": "CHANGED", "value": "the heir's"}],
            "envFrom": [{"configMapRef": {"name": "of-heir"}}],
            "securityContext": {"runAsUser": 10003},
            "volumeMounts": [{"name": "others", "mountPath": "/data"}],
        },
        {
            "name": "stranger",  # with an image it inherits nothing
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
def deployed(space: Space) -> Space:
    space.kubectl("create", "configmap", "of-backend", "--from-literal=FROM_BACKEND=yes")
    space.kubectl("create", "configmap", "of-heir", "--from-literal=FROM_HEIR=yes")
    space.apply(STACK)
    space.ready(NAME)
    return space


def left(space: Space, name: str) -> str:
    """Return what the heir has written down."""
    return space.page(f"http://{NAME}:8000/files?path=/work/{name}").strip()


def test_every_ambassador_answers_before_the_init_containers(deployed: Space) -> None:
    order = [each["name"] for each in deployed.pod(NAME)["spec"]["initContainers"]]

    assert order == ["to-9001", "to-9002", "heir", "stranger"]
    assert [left(deployed, port) for port in ("9001", "9002")] == ["by 9001", "by 9002"]


def test_the_environment_is_merged_by_name_and_env_from_is_replaced(deployed: Space) -> None:
    found = dict(line.split("=", 1) for line in left(deployed, "env").splitlines())

    assert {name: found.get(name) for name in ("SHARED", "CHANGED", "FROM_BACKEND", "FROM_HEIR")} == {
        "SHARED": "the backend's",
        "CHANGED": "the heir's",
        "FROM_BACKEND": None,
        "FROM_HEIR": "yes",
    }


def test_mounts_are_merged_by_path_and_files_are_seen(deployed: Space) -> None:
    assert left(deployed, "data") == "FROM_HEIR"
    assert left(deployed, "file") == "one file"


def test_the_security_context_is_merged_field_by_field(deployed: Space) -> None:
    (heir,) = [each for each in deployed.pod(NAME)["spec"]["initContainers"] if each["name"] == "heir"]

    assert left(deployed, "user") == "10003"
    assert heir["securityContext"] == {"runAsUser": 10003, "allowPrivilegeEscalation": False}


def test_what_is_a_servers_is_not_inherited(deployed: Space) -> None:
    pod = deployed.pod(NAME)
    heirs = [each for part in ("initContainers", "containers") for each in pod["spec"][part]]
    heirs = [each for each in heirs if each["name"] in ("heir", "ordinary")]

    assert [each["image"] for each in heirs] == [backend_of(pod)["image"]] * 2
    for each in heirs:
        assert {"ports", "readinessProbe", "lifecycle"}.isdisjoint(each)
        assert each["resources"] == {}


def test_an_ordinary_container_is_restarted_alone(deployed: Space) -> None:
    pod = deployed.pod(NAME)["metadata"]["name"]
    deployed.try_kubectl("exec", pod, "--container", "ordinary", "--", "kill", "1")

    deployed.until("it was restarted", lambda: restarts(deployed)["ordinary"] == 1)

    assert restarts(deployed) == {"backend": 0, "ordinary": 1}


def restarts(space: Space) -> dict[str, int]:
    """Return how often each container beside the native sidecars was restarted."""
    return {each["name"]: each["restartCount"] for each in space.pod(NAME)["status"]["containerStatuses"]}
