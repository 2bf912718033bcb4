"""What is rendered of every field on every kind of workload, before a real API server's own rules."""

from __future__ import annotations

import pytest
import yaml

from appstack.render import render
from appstack.validation.kinds import KINDS
from tests.api.harness import APPLY, PATHS, Cluster, Failure, Manifest
from tests.unit import stacks
from tests.unit.test_check_kinds import SETTINGS, cells

NAMESPACE = "default"  # nothing is written


def refusal(cluster: Cluster, manifest: Manifest) -> str:
    """Return why the API server would not take an object; empty when it would."""
    path = f"{PATHS[manifest['kind']].format(ns=NAMESPACE)}/{manifest['metadata']['name']}"
    if manifest["kind"] == "Pod":  # one under an account that a dry run does not make is refused
        manifest["spec"].pop("serviceAccountName", None)
    manifest["metadata"]["namespace"] = NAMESPACE
    strict = {"dryRun": "All", "fieldManager": "tests", "fieldValidation": "Strict"}
    try:
        cluster.request("PATCH", path, manifest, kind=APPLY, **strict)
    except Failure as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_what_passes_the_check_is_taken(cluster: Cluster, kind: str) -> None:
    working = [cell for cell in cells() if cell.kind == kind and cell.refusal is None]
    refused = [
        (str(cell), manifest["kind"], answer)
        for cell in working
        for manifest in render(stacks.stack(yaml.safe_dump(cell.spec()), name="kinds-dry-run"), settings=SETTINGS)
        if manifest["kind"] != "HTTPRoute"  # it has a CRD of its own, which a cluster need not have
        if (answer := refusal(cluster, manifest))
    ]

    assert len(working) > 30
    assert [] == refused
