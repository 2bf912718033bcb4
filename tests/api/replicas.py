"""Operator replicas with one ServiceAccount each, so that the audit log attributes every request to a process."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.api.audit_log import AuditLog
from tests.api.cluster import AUDIT_LOG, Cluster, Manifest, Namespace, eventually
from tests.api.conftest import OPERATOR_NAMESPACE, write_kubeconfig
from tests.api.operator_process import OperatorProcess


@dataclass(frozen=True)
class AuditedRequest:
    """One stage of a request that the API server received; times are seconds since the epoch."""

    received_at: float
    completed_at: float  # when the stage ended: for ResponseComplete, when the response was complete
    account: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int  # status code of the response; 0 before there is one
    audit_id: str  # the same for all stages of a request, as for the start and the end of a watch

    @property
    def is_write(self) -> bool:
        """Whether the request changes an object other than a Lease."""
        return self.verb not in ("get", "list", "watch") and self.resource != "leases"

    @property
    def is_lease_write(self) -> bool:
        """Whether the request acquired, renewed or released a Lease, which only the leader may do."""
        return self.verb in ("create", "update") and self.resource == "leases" and 200 <= self.code < 300


@dataclass(frozen=True)
class Replica:
    """An operator process and the audit log of its account."""

    account: str
    operator: OperatorProcess
    audit_log: AuditLog

    def requests(self) -> list[AuditedRequest]:
        """Return every request of the replica so far."""
        return [_audited_request(self.account, entry) for entry in self.audit_log.read()]


def _audited_request(account: str, entry: Manifest) -> AuditedRequest:
    ref = entry.get("objectRef") or {}
    received_at, completed_at = (
        datetime.fromisoformat(entry[key]).timestamp() for key in ("requestReceivedTimestamp", "stageTimestamp")
    )
    return AuditedRequest(
        received_at=received_at,
        completed_at=completed_at,
        account=account,
        verb=entry["verb"],
        resource=ref.get("resource", ""),
        subresource=ref.get("subresource", ""),
        namespace=ref.get("namespace", ""),
        name=ref.get("name", ""),
        code=(entry.get("responseStatus") or {}).get("code", 0),
        audit_id=entry["auditID"],
    )


@contextmanager
def replica(
    cluster: Cluster, operator_namespace: Namespace, account: str, folder: Path, **settings: Any
) -> Iterator[Replica]:
    """Yield a replica that is not started; kill its process after the block."""
    if not AUDIT_LOG.exists():
        pytest.skip("not run: this cluster has no .cluster/audit.log to attribute requests to a replica")
    (folder / account).mkdir()
    kubeconfig = write_kubeconfig(cluster, operator_namespace, account, folder / account)
    operator = OperatorProcess(folder / account, kubeconfig, operatorNamespace=OPERATOR_NAMESPACE, **settings)
    audit_log = AuditLog(f"system:serviceaccount:{OPERATOR_NAMESPACE}:{account}").skip_existing()
    try:
        yield Replica(account, operator, audit_log)
    finally:
        audit_log.close()
        if operator.running():
            operator.send_signal(signal.SIGCONT)
            operator.kill()


def lease_holder(replicas: list[Replica], lease: Manifest) -> Replica | None:
    """Return the running replica that holds a Lease, or None."""
    holder = lease["spec"]["holderIdentity"]
    return next(
        (replica for replica in replicas if replica.operator.running() and f"_{replica.operator.pid}_" in holder), None
    )


def wait_until_synced(replica: Replica) -> None:
    """Wait until the caches of a replica are synced."""
    eventually(replica.operator.is_ready)


def merged_requests(replicas: list[Replica]) -> list[AuditedRequest]:
    """Return the requests of all replicas in the order in which the API server received them."""
    requests = (request for replica in replicas for request in replica.requests())
    return sorted(requests, key=lambda request: request.received_at)
