"""The size of a spec at admission: the chart's policy refuses what the operator would refuse, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appstack.api.size import MAX_SPEC_BYTES, size_issue
from bench.tenants import largest_spec
from bench.worst_cases import WORST_CASES, largest
from tests.api.cluster import ApiError, Cluster, Manifest, Namespace
from tests.api.conftest import RUN_ID, temporary_namespace
from tests.api.tenants import bounded

REFUSAL = "characters without file contents and nginx texts, the maximum is 64 KiB"
DEFAULTS_FACTOR = 3  # the API server adds defaults, so a spec that is stored is larger than the one that is written


def stack(spec: Manifest) -> Manifest:
    """Return an AppStack with this spec."""
    return {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": "shop"}, "spec": spec}


def refusal(namespace: Namespace, spec: Manifest) -> str:
    """Return the message with which the API server refuses an AppStack, or the empty string; a dry run."""
    try:
        namespace.cluster.request("POST", namespace.path("AppStack"), stack(spec), dryRun="All")
    except ApiError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def unbounded(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace without the policy."""
    with temporary_namespace(cluster, f"size-{RUN_ID}-unbounded") as namespace:
        yield namespace


@pytest.fixture(scope="module")
def bounded_namespace(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace with the policy."""
    with temporary_namespace(cluster, f"size-{RUN_ID}-bounded") as namespace:
        probe = {"backend": {"image": "i", "args": ["x" * MAX_SPEC_BYTES] * 2}}
        with bounded(namespace, lambda: REFUSAL in refusal(namespace, probe), spec_size=True):
            yield namespace


def test_spec_is_refused_before_it_is_stored(bounded_namespace: Namespace) -> None:
    large = {"backend": {"image": "i", "args": ["x" * 1_000] * 200}}
    named = {"backend": {"image": "i", "env": [{"name": f"n{index}", "value": "x" * 200} for index in range(500)]}}

    assert REFUSAL in refusal(bounded_namespace, large)
    assert REFUSAL in refusal(bounded_namespace, named)


def test_contents_of_files_and_nginx_texts_do_not_count(bounded_namespace: Namespace) -> None:
    assert "" == refusal(bounded_namespace, largest_spec())


@pytest.mark.parametrize("case", WORST_CASES)
def test_spec_that_the_operator_accepts_is_not_refused(
    unbounded: Namespace, bounded_namespace: Namespace, case: str
) -> None:
    spec = WORST_CASES[case](max(1, largest(WORST_CASES[case]) // DEFAULTS_FACTOR))
    stored = unbounded.cluster.request("POST", unbounded.path("AppStack"), stack(spec), dryRun="All")
    assert size_issue(stored) is None

    assert "" == refusal(bounded_namespace, spec)
