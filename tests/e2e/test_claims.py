"""Claims: shared by pods of two nodes, taken up again, and grown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.harness import Manifest, Space, condition, uid_of
from tests.e2e.stacks import nodes_of, open_backend

DATA = "/data/mark"


def claiming(name: str, claim: Manifest, **spec: Any) -> Manifest:
    """Return a stack with one claim."""
    backend = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    return open_backend(name, backend=backend, volumes=[{"name": "data", "claim": claim}], **spec)


def of(size: str, **more: object) -> Manifest:
    """Return a claim of a size."""
    return {"resources": {"requests": {"storage": size}}, **more}


def size_of(space: Space, claim: str) -> str:
    """Return what a claim asks for."""
    return str(space.get("persistentvolumeclaim", claim)["spec"]["resources"]["requests"]["storage"])


def stalled(space: Space, name: str) -> str:
    """Return the sentence that says why nothing is done; empty while it does not say so."""
    stack = space.stack(name)
    if condition(stack, "Stalled") != "True":
        return ""
    return next(str(each["message"]) for each in stack["status"]["conditions"] if each["type"] == "Stalled")


def test_pods_of_two_nodes_share_it(space: Space) -> None:
    shared = of("10Mi", accessModes=["ReadWriteMany"], storageClassName="shared")
    apart = {
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"appstack.dev/stack": "shared"}},
            }
        ]
    }
    space.apply(claiming("shared", shared, replicas=2, pod=apart))
    space.ready("shared")
    writer, reader = space.pods("shared")
    assert sorted(pod["spec"]["nodeName"] for pod in (writer, reader)) == nodes_of(space.items("nodes"))

    written = space.http(f"http://{writer['status']['podIP']}:8000/files?path={DATA}", data="from the other node")

    assert written.code == 0, written.said
    assert space.page(f"http://{reader['status']['podIP']}:8000/files?path={DATA}") == "from the other node"


def test_a_retained_one_survives_the_stack_and_is_taken_up_again(space: Space) -> None:
    space.apply(claiming("kept", of("10Mi")))
    space.ready("kept")
    space.page("http://kept:8000/")
    space.http(f"http://kept:8000/files?path={DATA}", data="still here")
    claim = space.get("persistentvolumeclaim", "kept-data")

    space.kubectl("delete", "appstack", "kept", "--timeout=120s")
    space.gone("deployment", "kept")
    space.until("its pods are gone", lambda: not space.every("pods", "kept"))
    assert "ownerReferences" not in space.get("persistentvolumeclaim", "kept-data")["metadata"]
    space.apply(claiming("kept", of("10Mi")))
    space.ready("kept")

    assert uid_of(space.get("persistentvolumeclaim", "kept-data")) == uid_of(claim)
    assert space.page(f"http://kept:8000/files?path={DATA}") == "still here"


@pytest.fixture
def growing(space: Space) -> Iterator[None]:
    """Have the default class promise to grow: its provisioner never does, but the API server takes the wish."""
    promise = '{{"allowVolumeExpansion": {}}}'
    space.kubectl("patch", "storageclass", "standard", "--patch", promise.format("true"))
    yield
    space.kubectl("patch", "storageclass", "standard", "--patch", promise.format("false"))


@pytest.mark.usefixtures("growing")
def test_growing_is_passed_on_and_shrinking_is_refused(space: Space) -> None:
    space.apply(claiming("grown", of("10Mi")))
    space.ready("grown")

    space.apply(claiming("grown", of("20Mi")))
    space.until("the claim asks for more", lambda: size_of(space, "grown-data") == "20Mi")

    space.apply(claiming("grown", of("5Mi")))
    told = space.until("it is Stalled", lambda: stalled(space, "grown"))
    assert "spec.volumes[0].claim.resources.requests.storage" in told
    assert size_of(space, "grown-data") == "20Mi"


def test_another_class_for_a_claim_that_exists_is_refused_by_name(space: Space) -> None:
    space.apply(claiming("moved", of("10Mi")))
    space.ready("moved")

    space.apply(claiming("moved", of("10Mi", storageClassName="shared")))

    told = space.until("it is Stalled", lambda: stalled(space, "moved"))
    assert "storageClassName" in told
    assert space.pods("moved")
