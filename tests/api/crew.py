"""Several operators, each with an account of its own, so that the audit log tells which process sent what."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import SYSTEM, login
from tests.api.harness import AUDIT_LOG, Audit, Cluster, Manifest, Operator, Space, eventually


@dataclass(frozen=True)
class Sent:
    """A request that the API server received."""

    at: float
    ended: float  # when the answer was complete
    account: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int  # of the answer; 0 where there is none yet
    number: str  # the same where the log tells the beginning and the end of one request, as of a watch

    @property
    def writes(self) -> bool:
        """Whether it changes anything but a Lease."""
        return self.verb not in ("get", "list", "watch") and self.resource != "leases"

    @property
    def holds(self) -> bool:
        """Whether it takes a Lease, keeps it or gives it back: whoever may do so leads."""
        return self.verb in ("create", "update") and self.resource == "leases" and 200 <= self.code < 300


@dataclass(frozen=True)
class Member:
    """An operator and what it has sent."""

    account: str
    operator: Operator
    audit: Audit

    def sent(self) -> list[Sent]:
        """Return every request of its so far."""
        return [_sent(self.account, entry) for entry in self.audit.read()]


def _sent(account: str, entry: Manifest) -> Sent:
    ref = entry.get("objectRef") or {}
    at, ended = (
        datetime.fromisoformat(entry[one]).timestamp() for one in ("requestReceivedTimestamp", "stageTimestamp")
    )
    code = (entry.get("responseStatus") or {}).get("code", 0)
    resource, subresource = ref.get("resource", ""), ref.get("subresource", "")
    where, name = ref.get("namespace", ""), ref.get("name", "")
    return Sent(at, ended, account, entry["verb"], resource, subresource, where, name, code, entry["auditID"])


@contextmanager
def member(cluster: Cluster, system: Space, account: str, folder: Path, **settings: Any) -> Iterator[Member]:
    """Give an operator that is not started yet; end it afterwards."""
    if not AUDIT_LOG.exists():
        pytest.skip("not run: this cluster gives no .cluster/audit.log that tells who sent what")
    (folder / account).mkdir()
    kubeconfig = login(cluster, system, account, folder / account)
    operator = Operator(folder / account, kubeconfig, operatorNamespace=SYSTEM, **settings)
    audit = Audit(f"system:serviceaccount:{SYSTEM}:{account}").from_now_on()
    try:
        yield Member(account, operator, audit)
    finally:
        audit.close()
        if operator.running():
            operator.send(signal.SIGCONT)
            operator.kill()


def leader(crew: list[Member], lease: Manifest) -> Member | None:
    """Return who holds a Lease, if it is one of these."""
    holder = lease["spec"]["holderIdentity"]
    return next((one for one in crew if one.operator.running() and f"_{one.operator.pid}_" in holder), None)


def standing_by(one: Member) -> None:
    """Wait until an operator has warm caches."""
    eventually(lambda: is_ready(one.operator))


def is_ready(operator: Operator) -> bool:
    """Tell whether an operator has warm caches; not while it does not run."""
    try:
        return operator.fetch(operator.health, "/readyz") == "ok\n"
    except OSError:  # it does not listen yet
        return False


def merged(crew: list[Member]) -> list[Sent]:
    """Return what all have sent, in the order in which the API server received it."""
    return sorted((one for each in crew for one in each.sent()), key=lambda one: one.at)
