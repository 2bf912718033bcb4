"""Pod Security of rendered pods: of AppStack's own containers, and of all containers with `podSecurity: restricted`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from appstack.api import parse
from appstack.k8s.metadata import Manifest
from appstack.planning.desired import compute_desired_state
from appstack.policy.pod_security import Level, violations
from appstack.policy.pod_templates import pod_templates
from appstack.settings import Settings
from tests.unit.stacks import stack

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/appstack.yaml"))
OWN_PREFIX = "appstack-"
ROOT_CONTAINER = "appstack-cache"

BACKENDS: tuple[Manifest, ...] = (
    {},
    {"runAsUser": 0},
    {"runAsUser": 1000, "runAsGroup": 0},
    {"runAsNonRoot": True},
    {"runAsNonRoot": False},
    {"runAsUser": 0, "privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}},
    {"seccompProfile": {"type": "Unconfined"}, "procMount": "Unmasked", "allowPrivilegeEscalation": True},
)
"""securityContexts of the backend."""

PODS: tuple[Manifest, ...] = (
    {},
    {"securityContext": {"runAsUser": 0}},
    {"securityContext": {"runAsUser": 1000, "runAsNonRoot": True}},
    {"securityContext": {"runAsNonRoot": False, "seccompProfile": {"type": "Unconfined"}}},
    {"hostUsers": False},
    {"hostIPC": True, "hostPID": True, "automountServiceAccountToken": False},
)
"""Fields of spec.pod."""

SIDECARS = """
sidecars:
- {name: agent, image: agent:1}
- {name: plain, image: plain:1, native: false, securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}}
initContainers: [{name: migrate, command: [migrate]}]
"""


def rendered_pod(*texts: str, settings: Settings | None = None) -> Manifest:
    """Return the pod template of the AppStack that `stack` returns."""
    desired = compute_desired_state(stack(*texts), settings=settings or Settings())
    assert not desired.invalid, desired.issues
    return pod_templates(desired.manifests)[0].pod


def containers(pod: Manifest) -> dict[str, tuple[str, Manifest]]:
    """Return path and container by name."""
    lists = ("initContainers", "containers")
    located = (
        (f"spec.{name}[{index}]", each) for name in lists for index, each in enumerate(pod["spec"].get(name, ()))
    )
    return {container["name"]: (path, container) for path, container in located}


def violations_by_container(pod: Manifest) -> dict[str, list[str]]:
    """Return the violated checks of `restricted` by container."""
    found = list(violations(pod, Level.RESTRICTED))
    return {
        name: [violation.check for violation in found if violation.field.startswith(f"{path}.")]
        for name, (path, _) in containers(pod).items()
    }


def user_of_backend(backend: Manifest, pod: Manifest) -> int | None:
    """Return the user that the spec gives the backend; None is that of its image."""
    user: int | None = backend.get("runAsUser", pod.get("securityContext", {}).get("runAsUser"))
    return user


def assert_own_containers_are_restricted(pod: Manifest, *, backend_is_root: bool) -> list[str]:
    """Assert that only the exceptions violate `restricted`, and return the names of AppStack's containers."""
    found = violations_by_container(pod)
    own = [name for name in found if name.startswith(OWN_PREFIX) or name == "proxy"]
    for name in own:
        if name == ROOT_CONTAINER:
            assert found[name] == ["capabilities_restricted", "runAsNonRoot", "runAsUser"]
        elif name.startswith("appstack-static-") and backend_is_root:
            assert found[name] == ["runAsNonRoot", "runAsUser"]
        else:
            assert found[name] == [], name
    return own


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("pod", PODS, ids=str)
@pytest.mark.parametrize("backend", BACKENDS, ids=str)
def test_own_containers_are_restricted_whatever_the_backend_is(
    backend: Manifest, pod: Manifest, restricted: bool
) -> None:
    backend_is_root = user_of_backend(backend, pod) == 0
    fields: dict[str, Any] = {
        "backend": {"image": "shop:1", "ports": [{"containerPort": 8000}], "securityContext": backend},
        "proxy": {"static": [{"path": "/a/", "from": "/srv/a"}, {"path": "/b/", "volume": "cache"}]},
        "volumes": [{"name": "cache", "nodeCache": {}}],
        "pod": pod,
        **({"podSecurity": "restricted"} if restricted else {}),
    }
    in_user_namespace = pod.get("hostUsers") is False
    template = rendered_pod(yaml.safe_dump(fields), SIDECARS)
    if in_user_namespace:  # the level permits root there, which would hide the users
        template["spec"]["hostUsers"] = None

    own = assert_own_containers_are_restricted(template, backend_is_root=backend_is_root)

    assert own == ["appstack-nginx-check", "appstack-cache", "appstack-static-0", "proxy"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_own_containers_of_examples_are_restricted(path: Path) -> None:
    settings_file = path.parent / "settings.yaml"
    settings = Settings.model_validate(yaml.safe_load(settings_file.read_text()) if settings_file.exists() else {})
    for document in yaml.safe_load_all(path.read_text()):
        if document["kind"] == "AppStack":
            desired = compute_desired_state(parse(document), settings=settings)
            (template,) = pod_templates(desired.manifests)
            assert_own_containers_are_restricted(template.pod, backend_is_root=False)


@pytest.mark.parametrize(
    ("backend", "pod", "user"),
    [
        ("{}", "{}", {"runAsUser": 101, "runAsNonRoot": True}),
        ("{runAsNonRoot: false}", "{}", {"runAsUser": 101, "runAsNonRoot": True}),
        ("{runAsNonRoot: true}", "{}", {"runAsNonRoot": True}),
        ("{}", "{securityContext: {runAsNonRoot: true}}", {"runAsNonRoot": True}),
        ("{runAsUser: 7, runAsGroup: 8}", "{}", {"runAsUser": 7, "runAsGroup": 8, "runAsNonRoot": True}),
        ("{}", "{securityContext: {runAsUser: 7}}", {"runAsUser": 7, "runAsNonRoot": True}),
        ("{runAsUser: 7}", "{securityContext: {runAsUser: 0}}", {"runAsUser": 7, "runAsNonRoot": True}),
        ("{runAsUser: 0}", "{securityContext: {runAsNonRoot: true}}", {"runAsUser": 0, "runAsNonRoot": False}),
    ],
)
def test_a_copy_runs_as_the_backend_or_as_nginx(backend: str, pod: str, user: Manifest) -> None:
    spec = f"""
backend: {{image: shop:1, ports: [{{containerPort: 8000}}], securityContext: {backend}}}
proxy: {{static: [{{path: /a/, from: /srv}}]}}
pod: {pod}
"""
    _, copy = containers(rendered_pod(spec))["appstack-static-0"]
    context = copy["securityContext"]
    assert {name: context[name] for name in ("runAsUser", "runAsGroup", "runAsNonRoot") if name in context} == user
    assert context["allowPrivilegeEscalation"] is False


def test_a_copy_replaces_read_only_files_of_an_earlier_run_and_is_readable_by_every_user() -> None:
    _, copy = containers(rendered_pod("proxy: {static: [{path: /a/, from: /srv}]}"))["appstack-static-0"]
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        Path(source, "sub").mkdir(parents=True)
        for name, mode in {"index.html": 0o444, "sub/a b": 0o400, ".hidden": 0o400}.items():
            Path(source, name).write_text("a")
            Path(source, name).chmod(mode)
        Path(source, "link").symlink_to("/none")
        Path(source, "sub").chmod(0o700)
        target.mkdir()
        target.chmod(0o777)
        Path(folder).chmod(0o755)
        user = 65534 if os.geteuid() == 0 else None  # root may write to a read-only file
        if user is not None:
            for path in (source, *source.rglob("*")):
                os.chown(path, user, user, follow_symlinks=False)
        for _ in range(2):
            subprocess.run([*copy["command"][:4], source, target], check=True, user=user)

        copied = {each.relative_to(target): each.lstat().st_mode & 0o777 for each in target.rglob("*")}
        assert {Path("index.html"), Path("sub"), Path("sub/a b"), Path(".hidden"), Path("link")} == copied.keys()
        assert not [path for path, mode in copied.items() if mode & 0o044 != 0o044]


def test_a_proxy_that_the_spec_makes_root_or_privileged_can_start() -> None:
    spec = "proxy: {securityContext: {runAsUser: 0, privileged: true}}"
    for name in ("proxy", "appstack-nginx-check"):
        _, container = containers(rendered_pod(spec))[name]
        assert "runAsNonRoot" not in container["securityContext"]
        assert "allowPrivilegeEscalation" not in container["securityContext"]
