"""Rendered objects of every field on every workload kind pass the validation of a real API server."""

from __future__ import annotations

import pytest
import yaml

from appstack.client.resource_kinds import kind_of
from appstack.k8s.metadata import Ref
from appstack.render import render
from appstack.validation.kind_support import KINDS
from tests.api.cluster import APPLY, PATHS, ApiError, Cluster, Manifest
from tests.unit import stacks
from tests.unit.test_validation_kind_support import SETTINGS, cells

NAMESPACE = "default"  # every request is a dry run


def refusal(cluster: Cluster, manifest: Manifest) -> str:
    """Return the error with which the API server refuses an object in a dry run, or an empty string."""
    path = f"{PATHS[manifest['kind']].format(ns=NAMESPACE)}/{manifest['metadata']['name']}"
    if manifest["kind"] == "Pod":  # the ServiceAccount does not exist, because its creation is a dry run
        manifest["spec"].pop("serviceAccountName", None)
    manifest["metadata"]["namespace"] = NAMESPACE
    strict = {"dryRun": "All", "fieldManager": "tests", "fieldValidation": "Strict"}
    try:
        cluster.request("PATCH", path, manifest, content_type=APPLY, **strict)
    except ApiError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_objects_of_a_valid_spec_are_accepted(cluster: Cluster, kind: str) -> None:
    valid = [cell for cell in cells() if cell.kind == kind and cell.reason is None]
    refused = [
        (str(cell), manifest["kind"], error)
        for cell in valid
        for manifest in render(stacks.stack(yaml.safe_dump(cell.spec()), name="kinds-dry-run"), settings=SETTINGS)
        if not kind_of(Ref.of(manifest)).optional  # the cluster may not have its CRD
        if (error := refusal(cluster, manifest))
    ]

    assert len(valid) > 30
    assert [] == refused
