"""The little that is asked of the cluster itself, through the kubectl that was built with it."""

from __future__ import annotations

import json
from typing import Any

from tools.cluster import programs, shell, state


def kubectl(*arguments: str, input: str | None = None, timeout: float | None = None) -> shell.Result:
    argv = [str(programs.path("kubectl")), "--kubeconfig", str(state.KUBECONFIG), *arguments]
    return shell.attempt(argv, input=input, timeout=timeout)


def get(kind: str, *arguments: str) -> list[dict[str, Any]]:
    result = kubectl("get", kind, "--output", "json", *arguments)
    if not result.ok:
        raise shell.Failure(f"the cluster does not answer: {shell.last_line(result.err)}")
    items: list[dict[str, Any]] = json.loads(result.out)["items"]
    return items


def apply(manifest: str) -> None:
    result = kubectl("apply", "--server-side", "--filename", "-", input=manifest)
    if not result.ok:
        raise shell.Failure(f"the cluster refuses one of its own objects: {shell.last_line(result.err)}")


def unhealthy(timeout: float = 3.0) -> str | None:
    """What is wrong with the cluster, in a few words; None when all its nodes are ready."""
    if not state.KUBECONFIG.exists():
        return "it has no kubeconfig"
    result = kubectl("get", "nodes", "--output", "json", f"--request-timeout={timeout:.0f}s", timeout=2 * timeout)
    if not result.ok:
        return "its API server does not answer"
    waiting = [node["metadata"]["name"] for node in json.loads(result.out)["items"] if not ready(node)]
    return f"{' and '.join(waiting)} not ready" if waiting else None


def ready(item: dict[str, Any]) -> bool:
    conditions = item.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
