"""Requests to the cluster, through the kubectl of its version."""

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
        raise shell.Failure(f"the API server does not respond: {shell.last_line(result.err)}")
    items: list[dict[str, Any]] = json.loads(result.out)["items"]
    return items


def apply(manifest: str) -> None:
    result = kubectl("apply", "--server-side", "--filename", "-", input=manifest)
    if not result.ok:
        raise shell.Failure(f"the API server rejects an object of the cluster's set-up: {shell.last_line(result.err)}")


def unhealthy(timeout: float = 3.0) -> str | None:
    """Return why the cluster is not healthy, or None if all its nodes are ready."""
    if not state.KUBECONFIG.exists():
        return "it has no kubeconfig"
    result = kubectl("get", "nodes", "--output", "json", f"--request-timeout={timeout:.0f}s", timeout=2 * timeout)
    if not result.ok:
        return "its API server does not respond"
    unready = [node["metadata"]["name"] for node in json.loads(result.out)["items"] if not ready(node)]
    return f"{' and '.join(unready)} not ready" if unready else None


def ready(item: dict[str, Any]) -> bool:
    conditions = item.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
