"""Install the operator the way users do: one Helm command, the same for the demo and for the end-to-end tests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import yaml

from tools.cluster import state

NAMESPACE = "appstack-system"
RELEASE = "appstack"
REPOSITORY, TAG = "appstack.dev/appstack-operator", "dev"
OWNED = ("demo*", "e2e-*")  # the API tests' operator owns api-*: two never fight over one cluster
PROXY_IMAGE = "nginx:1.22.1"  # what a machine without a registry can build, and what a registry has, too
CHART = "deploy/appstack"
HOST_PATHS = "examples/11-cadvisor/settings.yaml"  # what an administrator allows for it, and nothing else


def sources() -> str:
    """Return the hash of what the operator's image is made of: a pod of an older build is replaced."""
    digest = hashlib.sha256()
    package = state.ROOT / "operator/appstack"
    kept = (path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    for path in sorted([*kept, state.ROOT / "Dockerfile", state.ROOT / "requirements.lock"]):
        digest.update(str(path.relative_to(state.ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def command(helm: Path | str, release: str = RELEASE, namespaces: Iterable[str] = OWNED, **settings: str) -> list[str]:
    """Return the Helm command, to be run in the project's folder."""
    prefixes = yaml.safe_load((state.ROOT / HOST_PATHS).read_text())["hostPathPrefixes"]
    values = {
        "image.tag": TAG,
        "podAnnotations.build": sources(),
        "settings.namespaces": f"{{{','.join(namespaces)}}}",
        "settings.proxyImage": PROXY_IMAGE,
        "settings.hostPathPrefixes": f"{{{','.join(prefixes)}}}",
        **{f"settings.{name}": value for name, value in settings.items()},
    }
    install = [str(helm), "upgrade", "--install", release, CHART]
    # The API tests put the CustomResourceDefinition there by themselves when they come first.
    shared = ["--take-ownership", "--force-conflicts"]
    where = ["--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "2m"]
    return [*install, *where, *shared, *(word for key, value in values.items() for word in ("--set", f"{key}={value}"))]
