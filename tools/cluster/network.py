"""The pod network where kind's own can't be pulled: a bridge on each node, and routes between the nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.cluster import kube, shell

CONFIGURATION = "/etc/cni/net.d/10-appstack.conflist"


@dataclass(frozen=True)
class Node:
    name: str
    address: str
    pods: str
    """The address range of its pods."""


def nodes(objects: Sequence[Mapping[str, Any]]) -> list[Node]:
    """Return the nodes of Kubernetes' Node objects."""
    return [
        Node(
            item["metadata"]["name"],
            next(a["address"] for a in item["status"]["addresses"] if a["type"] == "InternalIP"),
            item["spec"]["podCIDR"],
        )
        for item in objects
    ]


def bridge(node: Node) -> dict[str, Any]:
    """Return the CNI configuration of a node: pods on one bridge, and host ports."""
    return {
        "cniVersion": "0.3.1",
        "name": "appstack",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "hairpinMode": True,  # lets a pod reach itself through its Service
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": node.pods}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def routes(node: Node, others: Sequence[Node]) -> list[list[str]]:
    """Return the commands that add routes from a node to the pods of the other nodes."""
    return [["ip", "route", "replace", other.pods, "via", other.address] for other in others if other.name != node.name]


def install(env: Mapping[str, str]) -> None:
    def complete() -> bool:
        return all("podCIDR" in item["spec"] for item in kube.get("nodes"))

    if not shell.wait_until(complete, 30):
        raise shell.Failure("the nodes have no pod ranges after 30 s; run `make cluster-down` and `make cluster`")
    all_nodes = nodes(kube.get("nodes"))
    for node in all_nodes:
        inside = ["docker", "exec", "--interactive", node.name]
        shell.run([*inside, "cp", "/dev/stdin", CONFIGURATION], env=env, input=json.dumps(bridge(node)))
        for command in routes(node, all_nodes):
            shell.run([*inside, *command], env=env)
