"""Specs that cost the operator as much as possible: one generator for each dimension of a spec.

Each generator returns a spec that grows with `n`. `largest` returns the largest one that an AppStack can have:
the CustomResourceDefinition admits it, and the operator does not refuse it for its size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bench.worst_cases import mounts, ports, texts, values
from bench.worst_cases.spec import VOLUME, Generator, Spec, document, inheriting, largest, make_backend, make_mounts

__all__ = ["WORST_CASES", "Generator", "Spec", "document", "inheriting", "largest"]


def everything(n: int) -> Spec:
    """Mounts, variables, ports and metrics at once, beside the largest files and nginx.conf."""
    env, probe = [{"name": f"e{index}"} for index in range(n)], {"tcpSocket": {"port": 65000}}
    return {
        **inheriting(readinessProbe=probe, ports=[{"containerPort": 65001}]),
        "backend": make_backend(volumeMounts=make_mounts(n), env=env, ports=ports.make_ports(n)),
        "volumes": [VOLUME],
        "autoscaling": ports.metrics(64)["autoscaling"],
        "proxy": texts.nginx_directives(6500)["proxy"],
        "files": texts.file_contents(524_288)["files"],
    }


WORST_CASES: Final[Mapping[str, Generator]] = {
    generator.__name__: generator
    for generator in (*mounts.CASES, *ports.CASES, *values.CASES, *texts.CASES, everything)
}
