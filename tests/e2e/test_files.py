"""Just-in-time files: text, bytes, modes and references, and that a file belongs to its revision."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from tests.e2e.harness import Manifest, Space, condition, uid_of
from tests.e2e.stacks import open_backend

BYTES = bytes(range(256))
TOLD = "/etc/app/told"


def name_of(pod: Manifest) -> str:
    """Return a pod's name."""
    return str(pod["metadata"]["name"])


def inside(space: Space, stack: str, *command: str) -> str:
    """Return what a command prints in the backend of a stack's one pod."""
    return space.exec(name_of(space.pod(stack)), "backend", *command)


def with_file(name: str, content: str, **spec: Any) -> Manifest:
    """Return a stack whose backend finds one file."""
    return open_backend(name, files=[{"path": TOLD, "content": content}], **spec)


def test_bytes_arrive_as_they_are(space: Space) -> None:
    files = [{"path": "/etc/app/bytes", "base64": base64.b64encode(BYTES).decode()}]
    space.apply(open_backend("binary", files=files))
    space.ready("binary")

    digest = inside(space, "binary", "sha256sum", "/etc/app/bytes").split()[0]

    assert digest == hashlib.sha256(BYTES).hexdigest()


def test_a_file_has_the_mode_that_is_written(space: Space) -> None:
    files = [
        {"path": "/etc/app/run.sh", "content": "#!/bin/sh\necho it runs\n", "mode": 0o555},
        {"path": "/etc/app/closed", "content": "closed\n", "mode": 0o440},
        {"path": "/etc/app/usual", "content": "usual\n"},
    ]
    space.apply(open_backend("modes", files=files, pod={"securityContext": {"fsGroup": 10001}}))
    space.ready("modes")

    shown = inside(space, "modes", "stat", "-L", "-c", "%a", "/etc/app/closed", "/etc/app/usual")

    assert inside(space, "modes", "/etc/app/run.sh") == "it runs\n"
    assert shown.split() == ["440", "644"]
    assert inside(space, "modes", "cat", "/etc/app/closed") == "closed\n"


def test_a_file_from_the_users_own_objects_is_mounted_and_never_read_by_the_operator(space: Space) -> None:
    space.kubectl("create", "secret", "generic", "own", "--from-literal=token=hidden")
    space.kubectl("create", "configmap", "own", "--from-literal=greeting=hello")
    files = [
        {"path": "/etc/app/token", "valueFrom": {"secretKeyRef": {"name": "own", "key": "token"}}},
        {"path": "/etc/app/greeting", "valueFrom": {"configMapKeyRef": {"name": "own", "key": "greeting"}}},
    ]
    space.apply(open_backend("referred", files=files))
    space.ready("referred")

    assert inside(space, "referred", "cat", "/etc/app/token") == "hidden"
    assert inside(space, "referred", "cat", "/etc/app/greeting") == "hello"
    # Nothing of ours holds either content.
    assert space.every("configmaps", "referred") == []
    assert "hidden" not in space.kubectl("get", "appstack", "referred", "--output", "yaml")


def test_a_folder_of_files_for_several_containers(space: Space) -> None:
    files = [{"path": f"/etc/app/conf.d/{n}.conf", "content": f"{n}\n"} for n in range(20)]
    side = [{"path": "/etc/app/conf.d/0.conf", "content": "another\n", "container": "side"}]
    sleeper = {
        "name": "side",
        "image": "busybox:1.35.0",
        "command": ["sh", "-c", "trap exit TERM; while sleep 1; do :; done"],
    }
    space.apply(open_backend("folder", files=[*files, *side], sidecars=[sleeper]))
    space.ready("folder")

    pod = name_of(space.pod("folder"))

    every = space.exec(pod, "backend", "sh", "-c", "cat /etc/app/conf.d/*").split()
    assert sorted(every, key=int) == [str(n) for n in range(20)]
    assert space.exec(pod, "side", "sh", "-c", "cat /etc/app/conf.d/*") == "another\n"


def test_a_changed_file_rolls_the_pods_out(space: Space) -> None:
    space.apply(with_file("changed", "former"))
    space.ready("changed")
    former = space.pod("changed")

    space.apply(with_file("changed", "present"))
    space.ready("changed")

    assert uid_of(space.pod("changed")) != uid_of(former)
    assert inside(space, "changed", "cat", TOLD) == "present"


def test_in_a_stuck_roll_out_an_old_pod_that_restarts_still_sees_the_old_file(space: Space) -> None:
    space.apply(with_file("stuck", "former", replicas=2))
    space.ready("stuck")
    old = space.pods("stuck")
    revision = old[0]["metadata"]["labels"]["appstack.dev/files"]

    never = {"readinessProbe": {"httpGet": {"path": "/nowhere"}, "periodSeconds": 1}}
    space.apply(with_file("stuck", "present", replicas=2, backend=never))
    space.until("a new pod is there and not ready", lambda: len(of_another(space, "stuck", revision)) == 1)
    space.kubectl("delete", "pod", name_of(old[0]), "--wait=false")
    again = space.until("an old pod is there anew", lambda: made_anew(space, "stuck", revision, old))
    space.kubectl("wait", "--for=condition=Ready", f"pod/{name_of(again)}", "--timeout=120s")

    assert space.exec(name_of(again), "backend", "cat", TOLD) == "former"
    (new,) = of_another(space, "stuck", revision)
    assert space.exec(name_of(new), "backend", "cat", TOLD) == "present"
    assert condition(space.stack("stuck"), "Ready") == "False"


def of_another(space: Space, stack: str, revision: str) -> list[Manifest]:
    """Return the running pods that have other files."""
    pods = space.pods(stack)
    others = [pod for pod in pods if pod["metadata"]["labels"]["appstack.dev/files"] != revision]
    return [pod for pod in others if pod["status"]["phase"] == "Running"]


def made_anew(space: Space, stack: str, revision: str, old: list[Manifest]) -> Manifest | None:
    """Return a pod of a revision that was not there before."""
    known = {uid_of(pod) for pod in old}
    same = [pod for pod in space.pods(stack) if pod["metadata"]["labels"]["appstack.dev/files"] == revision]
    return next((pod for pod in same if uid_of(pod) not in known), None)


def test_a_return_to_the_former_spec_brings_the_former_file(space: Space) -> None:
    space.apply(with_file("back", "former"))
    space.ready("back")
    space.apply(with_file("back", "present"))
    space.ready("back")

    space.apply(with_file("back", "former"))
    space.ready("back")

    assert inside(space, "back", "cat", TOLD) == "former"


def test_kubectls_own_rollback_finds_its_files_too_until_the_spec_wins(space: Space) -> None:
    space.apply(with_file("undone", "former"))
    space.ready("undone")
    present = with_file("undone", "present")
    space.apply(present)
    space.ready("undone")
    present["spec"]["paused"] = True
    space.apply(present)
    space.until("it is paused", lambda: space.stack("undone")["status"]["observedGeneration"] >= 3)

    space.kubectl("rollout", "undo", "deployment/undone")
    space.kubectl("rollout", "status", "deployment/undone", "--timeout=120s")

    assert inside(space, "undone", "cat", TOLD) == "former"
