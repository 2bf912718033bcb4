"""Leases that a tenant forges: Kubernetes' role `edit` in one namespace includes the permission to write Leases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appstack.leaderelection.lease_record import LABEL
from tests.api.cluster import MERGE, ApiError, Cluster, Manifest, Namespace
from tests.api.conftest import OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, RUN_ID, temporary_namespace
from tests.api.operator_process import OperatorProcess
from tests.api.tenants import User, add_user, bounded, denial, message_of

RECONCILED = f"forged-{RUN_ID}-reconciled"
ACCOUNTS = ("system:serviceaccounts", f"system:serviceaccounts:{OPERATOR_NAMESPACE}")
POLICY = "may not write Leases with the label appstack.dev/operator in namespace"


def forged_lease(**metadata: Any) -> Manifest:
    """Return a Lease that looks like that of an operator for the reconciled namespace, renewed at this moment."""
    annotations = {"appstack.dev/namespaces": json.dumps([RECONCILED])}
    spec = {
        "holderIdentity": "forged",
        "leaseDurationSeconds": 300,
        "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "forged", "labels": {LABEL: "forged"}, "annotations": annotations, **metadata},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def tenant_namespace(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return the namespace of the tenant."""
    with temporary_namespace(cluster, f"forged-{RUN_ID}-tenant") as namespace:
        yield namespace


@pytest.fixture(scope="module")
def tenant(tenant_namespace: Namespace) -> User:
    """Return a user with Kubernetes' role `edit` in the namespace."""
    return add_user(tenant_namespace, "tenant", [], cluster_role="edit")


@pytest.fixture
def starting(kubeconfig: Path, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Return an operator, not started, of another namespace than that of the tenant."""
    process = OperatorProcess(
        tmp_path, kubeconfig, identity="forged", operatorNamespace=OPERATOR_NAMESPACE, namespaces=[RECONCILED]
    )
    yield process
    if process.running():
        process.kill()


def test_forged_lease_keeps_no_operator_from_starting_that_ignores_leases_of_tenants(
    cluster: Cluster, tenant: User, tenant_namespace: Namespace, starting: OperatorProcess
) -> None:
    tenant.request("POST", tenant_namespace.path("Lease"), forged_lease())
    try:
        starting.launch()
        assert starting.wait() > 0
        assert "Another operator reconciles" in starting.log_text(), "the attack, where no policy prevents it"

        starting.settings["conflictCheck"] = "OperatorNamespace"
        starting.start()
        with temporary_namespace(cluster, RECONCILED) as reconciled:
            reconciled.create_stack()
            reconciled.wait_until_ready()
        assert 0 == starting.stop(), starting.log_text()
    finally:
        tenant_namespace.delete("Lease", "forged")


def test_policy_refuses_the_lease_of_an_operator_to_a_tenant(
    cluster: Cluster, tenant: User, tenant_namespace: Namespace
) -> None:
    other_lease = forged_lease(labels={"app": "shop"})
    with bounded(tenant_namespace, lambda: POLICY in denial(tenant, tenant_namespace, forged_lease()), leases=True):
        refusal = denial(tenant, tenant_namespace, forged_lease())
        assert f'user "tenant" {POLICY} "{tenant_namespace.name}"' in refusal
        assert "" == denial(tenant, tenant_namespace, other_lease), "Leases of applications"
        assert "" == denial(cluster, tenant_namespace, forged_lease()), "an administrator"
        cluster.request("POST", tenant_namespace.path("Lease"), other_lease)
        for patch in ({"metadata": {"labels": {LABEL: ""}}}, {"metadata": {"labels": {LABEL: "forged"}}}):
            with pytest.raises(ApiError) as raised:
                tenant.request(
                    "PATCH",
                    tenant_namespace.path("Lease", "forged"),
                    patch,
                    content_type=MERGE,
                )
            assert POLICY in message_of(raised.value)


def test_policy_permits_an_operator_its_lease(cluster: Cluster, operator_namespace: Namespace) -> None:
    rule = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]}
    other = add_user(operator_namespace, "lease-writer", [rule])
    account = User(cluster, f"system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR_ACCOUNT}", *ACCOUNTS)

    with bounded(operator_namespace, lambda: POLICY in denial(other, operator_namespace, forged_lease()), leases=True):
        assert "" == denial(account, operator_namespace, forged_lease(name="another"))
