"""The Helm command that installs the operator, for the demo and for the end-to-end tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tools.cluster import state

NAMESPACE = "appstack-system"
RELEASE = "appstack"
REPOSITORY, TAG = "appstack.dev/appstack-operator", "dev"
OWNED = ("demo*", "e2e-*")  # disjoint from api-*, the namespaces of the API tests' operator
PROXY_IMAGE = "nginx:1.22.1"  # a registry has it, and a machine without one can build it
CHART = "deploy/appstack"


def sources() -> str:
    """Return a hash of the image's sources; as an annotation, it replaces pods of an older build."""
    digest = hashlib.sha256()
    package = state.ROOT / "operator/appstack"
    kept = (path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    for path in sorted([*kept, state.ROOT / "Dockerfile", state.ROOT / "requirements.lock"]):
        digest.update(str(path.relative_to(state.ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def command(
    helm: Path | str,
    release: str = RELEASE,
    namespaces: Iterable[str] = OWNED,
    policy: Mapping[str, Any] | None = None,
    **settings: str,
) -> list[str]:
    """Return the Helm command, which runs in the project's folder; without a policy, the default one applies."""
    values = {
        "image.tag": TAG,
        "podAnnotations.build": sources(),
        "settings.namespaces": f"{{{','.join(namespaces)}}}",
        "settings.proxyImage": PROXY_IMAGE,
        **{f"settings.{name}": value for name, value in settings.items()},
    }
    install = [str(helm), "upgrade", "--install", release, CHART]
    # The API tests install the CustomResourceDefinition without Helm if they run first.
    adopt = ["--take-ownership", "--force-conflicts"]
    target = ["--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "2m"]
    return [
        *install,
        *target,
        *adopt,
        *(option for key, value in values.items() for option in ("--set", f"{key}={value}")),
        *(("--set-json", f"settings.policy={json.dumps(policy)}") if policy else ()),
    ]
