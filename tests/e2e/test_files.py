"""Files of an AppStack: text, bytes, modes and references, and one version of each for every revision."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from tests.e2e.manifests import public_backend
from tests.e2e.namespace import Manifest, Namespace, condition_status, name_of, uid_of

EVERY_BYTE = bytes(range(256))
FILE = "/etc/app/file"


def inside(namespace: Namespace, stack: str, *command: str) -> str:
    """Run a command in the backend of an AppStack's only pod and return its output."""
    return namespace.exec(name_of(namespace.only_pod(stack)), "backend", *command)


def with_file(name: str, content: str, **spec: Any) -> Manifest:
    """Return an AppStack with one file."""
    return public_backend(name, files=[{"path": FILE, "content": content}], **spec)


def test_binary_file_has_the_same_bytes_in_the_container(namespace: Namespace) -> None:
    files = [{"path": "/etc/app/bytes", "base64": base64.b64encode(EVERY_BYTE).decode()}]
    namespace.apply(public_backend("binary", files=files))
    namespace.wait_until_ready("binary")

    digest = inside(namespace, "binary", "sha256sum", "/etc/app/bytes").split()[0]

    assert digest == hashlib.sha256(EVERY_BYTE).hexdigest()


def test_file_has_the_mode_of_the_spec(namespace: Namespace) -> None:
    files = [
        {"path": "/etc/app/run.sh", "content": "#!/bin/sh\necho running\n", "mode": 0o555},
        {"path": "/etc/app/closed", "content": "closed\n", "mode": 0o440},
        {"path": "/etc/app/default", "content": "default\n"},
    ]
    namespace.apply(public_backend("modes", files=files, pod={"securityContext": {"fsGroup": 10001}}))
    namespace.wait_until_ready("modes")

    modes = inside(namespace, "modes", "stat", "-L", "-c", "%a", "/etc/app/closed", "/etc/app/default")

    assert inside(namespace, "modes", "/etc/app/run.sh") == "running\n"
    assert modes.split() == ["440", "644"]
    assert inside(namespace, "modes", "cat", "/etc/app/closed") == "closed\n"


def test_file_from_a_secret_or_config_map_is_mounted_and_never_copied(namespace: Namespace) -> None:
    namespace.kubectl("create", "secret", "generic", "own", "--from-literal=token=hidden")
    namespace.kubectl("create", "configmap", "own", "--from-literal=greeting=hello")
    files = [
        {"path": "/etc/app/token", "valueFrom": {"secretKeyRef": {"name": "own", "key": "token"}}},
        {"path": "/etc/app/greeting", "valueFrom": {"configMapKeyRef": {"name": "own", "key": "greeting"}}},
    ]
    namespace.apply(public_backend("referred", files=files))
    namespace.wait_until_ready("referred")

    assert inside(namespace, "referred", "cat", "/etc/app/token") == "hidden"
    assert inside(namespace, "referred", "cat", "/etc/app/greeting") == "hello"
    # The operator creates no ConfigMap with the content.
    assert namespace.children("configmaps", "referred") == []
    assert "hidden" not in namespace.kubectl("get", "appstack", "referred", "--output", "yaml")


def test_files_of_one_directory_are_mounted_per_container(namespace: Namespace) -> None:
    files = [{"path": f"/etc/app/conf.d/{number}.conf", "content": f"{number}\n"} for number in range(20)]
    side = [{"path": "/etc/app/conf.d/0.conf", "content": "another\n", "container": "side"}]
    sleeper = {
        "name": "side",
        "image": "busybox:1.35.0",
        "command": ["sh", "-c", "trap exit TERM; while sleep 1; do :; done"],
    }
    namespace.apply(public_backend("folder", files=[*files, *side], sidecars=[sleeper]))
    namespace.wait_until_ready("folder")

    pod = name_of(namespace.only_pod("folder"))

    contents = namespace.exec(pod, "backend", "sh", "-c", "cat /etc/app/conf.d/*").split()
    assert sorted(contents, key=int) == [str(number) for number in range(20)]
    assert namespace.exec(pod, "side", "sh", "-c", "cat /etc/app/conf.d/*") == "another\n"


def test_changed_file_rolls_out_new_pods(namespace: Namespace) -> None:
    namespace.apply(with_file("changed", "former"))
    namespace.wait_until_ready("changed")
    former = namespace.only_pod("changed")

    namespace.apply(with_file("changed", "present"))
    namespace.wait_until_ready("changed")

    assert uid_of(namespace.only_pod("changed")) != uid_of(former)
    assert inside(namespace, "changed", "cat", FILE) == "present"


def test_recreated_pod_of_the_old_revision_has_the_old_file_during_a_stuck_rollout(namespace: Namespace) -> None:
    namespace.apply(with_file("stuck", "former", replicas=2))
    namespace.wait_until_ready("stuck")
    old = namespace.pods("stuck")
    revision = old[0]["metadata"]["labels"]["appstack.dev/files"]

    never_ready = {"readinessProbe": {"httpGet": {"path": "/nowhere"}, "periodSeconds": 1}}
    namespace.apply(with_file("stuck", "present", replicas=2, backend=never_ready))
    namespace.wait_for(
        "a new pod runs", lambda: len(running_pods_of_other_revisions(namespace, "stuck", revision)) == 1
    )
    namespace.kubectl("delete", "pod", name_of(old[0]), "--wait=false")
    recreated = namespace.wait_for("an old pod is recreated", lambda: new_pod(namespace, "stuck", revision, old))
    namespace.kubectl("wait", "--for=condition=Ready", f"pod/{name_of(recreated)}", "--timeout=120s")

    assert namespace.exec(name_of(recreated), "backend", "cat", FILE) == "former"
    (new,) = running_pods_of_other_revisions(namespace, "stuck", revision)
    assert namespace.exec(name_of(new), "backend", "cat", FILE) == "present"
    assert condition_status(namespace.appstack("stuck"), "Ready") == "False"


def running_pods_of_other_revisions(namespace: Namespace, stack: str, revision: str) -> list[Manifest]:
    """Return the running pods of other revisions of the files."""
    pods = namespace.pods(stack)
    others = [pod for pod in pods if pod["metadata"]["labels"]["appstack.dev/files"] != revision]
    return [pod for pod in others if pod["status"]["phase"] == "Running"]


def new_pod(namespace: Namespace, stack: str, revision: str, old: list[Manifest]) -> Manifest | None:
    """Return a pod of a revision that is not one of the old pods, or None."""
    known = {uid_of(pod) for pod in old}
    same = [pod for pod in namespace.pods(stack) if pod["metadata"]["labels"]["appstack.dev/files"] == revision]
    return next((pod for pod in same if uid_of(pod) not in known), None)


def test_return_to_the_former_spec_restores_the_former_file(namespace: Namespace) -> None:
    namespace.apply(with_file("back", "former"))
    namespace.wait_until_ready("back")
    namespace.apply(with_file("back", "present"))
    namespace.wait_until_ready("back")

    namespace.apply(with_file("back", "former"))
    namespace.wait_until_ready("back")

    assert inside(namespace, "back", "cat", FILE) == "former"


def test_kubectl_rollout_undo_restores_the_former_file_while_the_stack_is_paused(namespace: Namespace) -> None:
    namespace.apply(with_file("undone", "former"))
    namespace.wait_until_ready("undone")
    present = with_file("undone", "present")
    namespace.apply(present)
    namespace.wait_until_ready("undone")
    present["spec"]["paused"] = True
    namespace.apply(present)
    namespace.wait_for("the stack is paused", lambda: namespace.appstack("undone")["status"]["observedGeneration"] >= 3)

    namespace.kubectl("rollout", "undo", "deployment/undone")
    namespace.kubectl("rollout", "status", "deployment/undone", "--timeout=120s")

    assert inside(namespace, "undone", "cat", FILE) == "former"
