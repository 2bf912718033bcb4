"""Leader hand-over between real replicas, judged by the audit log: fast, and never two writers at the same time."""

from __future__ import annotations

import random
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from tests.api.cluster import Cluster, Manifest, Namespace, eventually
from tests.api.conftest import REPLICA_ACCOUNTS, RUN_ID, temporary_namespace
from tests.api.replicas import AuditedRequest, Replica, lease_holder, merged_requests, replica

LEASE_SECONDS = 15
SHORT_LEASE_SECONDS = 5  # where twenty Leases have to expire; a renewal request then has one second to be answered
PAUSE_COUNT = 20
PAUSE_DELAY_SECONDS = 0.4  # upper bounds of random delays: a pause and a wake-up may come at any moment of the work
WAKE_DELAY_SECONDS = 0.5
SHORT_PAUSE_SECONDS = LEASE_SECONDS / 4  # a renewal is due after a third, and may be sent until four fifths
LEASE_AGE_AT_KILL_SECONDS = 2  # slack for a standby that a busy machine schedules late
HANDOVER_COUNT = 3  # a stall of the machine may delay one of them
BURST_SIZE = 6  # AppStacks that are new when the leader is paused or stopped
SYNC_TIMEOUT_SECONDS = 180  # until all replicas have synced caches, on a busy machine
LEASE_EXPIRED = "was not renewed in time"  # log text of a leader that exits because its Lease expired


@pytest.fixture
def namespace(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace that only the replicas of the test reconcile."""
    with temporary_namespace(cluster, f"ha-{RUN_ID}-{secrets.token_hex(2)}") as namespace:
        yield namespace


@dataclass
class ReplicaGroup:
    """Replicas of one identity, which compete for one Lease."""

    replicas: list[Replica]
    operator_namespace: Namespace
    identity: str

    def lease(self) -> Manifest:
        """Return the Lease."""
        return self.operator_namespace.get("Lease", self.identity)

    def wait_for_leader(self, *, other_than: Replica | None = None) -> Replica:
        """Wait until a replica holds the Lease, a different one if given, and return it."""

        def leaders() -> list[Replica]:
            self.restart_expired()
            holder = lease_holder(self.replicas, self.lease())
            return [holder] if holder is not None and holder is not other_than else []

        return eventually(leaders)[0]

    def restart_expired(self) -> None:
        """Start a replica again, as a kubelet would, when a busy machine kept it from renewing its Lease."""
        for member in self.replicas:
            if member.operator.exited() and LEASE_EXPIRED in member.operator.log_text().splitlines()[-1]:
                member.operator.launch()

    def all_synced(self) -> bool:
        """Return whether every replica has synced caches."""
        self.restart_expired()
        return all(member.operator.is_ready() for member in self.replicas)

    def wait_until_synced(self) -> None:
        """Wait until every replica has synced caches."""
        eventually(self.all_synced, within=SYNC_TIMEOUT_SECONDS)


@pytest.fixture
def group(
    cluster: Cluster,
    operator_namespace: Namespace,
    namespace: Namespace,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[ReplicaGroup]:
    """Return running replicas of one identity; the parameter is their number and their Lease duration in seconds."""
    number, lease_seconds = request.param
    identity = f"ha-{secrets.token_hex(3)}"
    settings = {"identity": identity, "namespaces": [namespace.name], "leaseDuration": lease_seconds}
    with ExitStack() as stack:
        replicas = [
            stack.enter_context(replica(cluster, operator_namespace, account, tmp_path, **settings))
            for account in REPLICA_ACCOUNTS[:number]
        ]
        group = ReplicaGroup(replicas, operator_namespace, identity)
        for member in replicas:
            member.operator.launch()
        group.wait_until_synced()
        group.wait_for_leader()
        yield group


@dataclass(frozen=True)
class Pause:
    """One pause of a leader: its account, and when it was resumed and exited, in seconds since the epoch."""

    account: str
    resumed_at: float
    exited_at: float

    def includes(self, request: AuditedRequest) -> bool:
        """Return whether the paused leader sent a request after it was resumed."""
        return request.account == self.account and self.resumed_at < request.received_at < self.exited_at


def pause_leader(group: ReplicaGroup, namespace: Namespace, number: int, chance: random.Random) -> Pause:
    """Pause the leader at work until another replica leads, resume it and wait for its exit."""
    paused = False
    while not paused:
        leader = group.wait_for_leader()
        for _ in range(BURST_SIZE):
            namespace.create_stack(f"pause-{number}-{secrets.token_hex(3)}")
        time.sleep(chance.uniform(0, PAUSE_DELAY_SECONDS))
        leader.operator.send_signal(signal.SIGSTOP)
        paused = not leader.operator.exited()  # on a busy machine it may have exited by itself
    group.wait_for_leader(other_than=leader)
    time.sleep(chance.uniform(0, WAKE_DELAY_SECONDS))
    resumed_at = leader.operator.send_signal(signal.SIGCONT)
    assert leader.operator.wait() > 0
    exited_at = time.time()
    assert LEASE_EXPIRED in leader.operator.log_text().splitlines()[-1]
    group.wait_until_synced()
    return Pause(leader.account, resumed_at, exited_at)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("group", [(3, SHORT_LEASE_SECONDS)], indirect=True, ids=["three"])
def test_leader_paused_past_its_lease_sends_nothing_after_it_resumes(group: ReplicaGroup, namespace: Namespace) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201  # printed when the test fails
    chance = random.Random(seed)

    pauses = [pause_leader(group, namespace, number, chance) for number in range(PAUSE_COUNT)]
    eventually(lambda: group.all_synced() and all_stacks_ready(namespace), within=SYNC_TIMEOUT_SECONDS)

    requests = merged_requests(group.replicas)
    late = {request.audit_id: request for request in requests for pause in pauses if pause.includes(request)}
    # A process may be paused between the fence's last check and the system call (docs/decisions/0018): about one pause
    # in a thousand, and one request is then sent. Two requests would be a different defect.
    assert len(late) <= 1, late
    in_time = [request for request in requests if request.audit_id not in late]
    assert_only_the_lease_holder_writes(in_time, namespace)
    assert "Traceback" not in "".join(member.operator.log_text() for member in group.replicas)


def all_stacks_ready(namespace: Namespace) -> bool:
    """Return whether every AppStack is Ready; none of them is edited."""
    statuses = [stack.get("status") or {} for stack in namespace.list("AppStack")]
    conditions = [
        {condition["type"]: condition["status"] for condition in status.get("conditions", ())} for status in statuses
    ]
    enough = len(conditions) >= PAUSE_COUNT * BURST_SIZE
    return enough and all(types.get("Ready") == "True" for types in conditions)


def assert_only_the_lease_holder_writes(requests: list[AuditedRequest], namespace: Namespace) -> None:
    """Assert that each write came from the account that last acquired or renewed the Lease."""
    holder, writers, violations = "", set(), []
    for request in requests:
        if request.is_lease_write:
            holder = request.account
        elif request.is_write and request.namespace == namespace.name:
            writers.add(request.account)
            violations += [] if request.account == holder else [(holder, request)]
    assert len(writers) > 1
    assert [] == violations


@pytest.mark.parametrize("group", [(2, LEASE_SECONDS)], indirect=True, ids=["two"])
def test_leader_paused_for_less_than_its_lease_continues(group: ReplicaGroup, namespace: Namespace) -> None:
    namespace.create_stack("before")
    namespace.wait_until_ready("before")
    leader = group.wait_for_leader()
    leader.operator.send_signal(signal.SIGSTOP)
    time.sleep(SHORT_PAUSE_SECONDS)
    leader.operator.send_signal(signal.SIGCONT)

    namespace.create_stack()
    namespace.wait_until_ready()

    assert leader is group.wait_for_leader()
    writes = [request for request in merged_requests(group.replicas) if request.is_write]
    assert {leader.account} == {request.account for request in writes if request.namespace == namespace.name}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("group", [(2, LEASE_SECONDS)], indirect=True, ids=["two"])
def test_standby_takes_over_from_a_killed_or_stopped_leader_without_a_list(
    group: ReplicaGroup, namespace: Namespace
) -> None:
    before = group.lease()["spec"]["renewTime"]
    eventually(lambda: group.lease()["spec"]["renewTime"] != before)
    time.sleep(LEASE_AGE_AT_KILL_SECONDS)
    create_burst(namespace, "killed")
    leader = group.wait_for_leader()
    killed_at = leader.operator.send_signal(signal.SIGKILL)
    follower = group.wait_for_leader(other_than=leader)
    wait_for_burst(namespace, "killed")
    assert acquired_at(follower, since=killed_at) - killed_at < LEASE_SECONDS + 1
    assert_no_list(follower, since=killed_at)
    leader.operator.launch()

    durations = [stop_leader(group, namespace, f"stopped-{number}") for number in range(HANDOVER_COUNT)]
    assert median(durations) < 1, durations
    assert max(durations) < LEASE_SECONDS / 3, "a stall never makes a standby wait for a released Lease to expire"
    assert_only_the_lease_holder_writes(merged_requests(group.replicas), namespace)


def stop_leader(group: ReplicaGroup, namespace: Namespace, name: str) -> float:
    """Stop the leader at work and start it again; return the seconds until another replica acquired the Lease."""
    group.wait_until_synced()
    leader = group.wait_for_leader()
    logged = len(leader.operator.log_text())
    create_burst(namespace, name)
    stopped_at = leader.operator.send_signal(signal.SIGTERM)
    follower = group.wait_for_leader(other_than=leader)
    assert 0 == leader.operator.wait()
    assert f"Lease {group.identity} is released" in leader.operator.log_text()[logged:]
    wait_for_burst(namespace, name)
    assert_no_list(follower, since=stopped_at)
    leader.operator.launch()
    return acquired_at(follower, since=stopped_at) - stopped_at


def create_burst(namespace: Namespace, prefix: str) -> None:
    """Create BURST_SIZE AppStacks."""
    for number in range(BURST_SIZE):
        namespace.create_stack(f"{prefix}-{number}")


def wait_for_burst(namespace: Namespace, prefix: str) -> None:
    """Wait until the AppStacks of a burst are Ready."""
    for number in range(BURST_SIZE):
        namespace.wait_until_ready(f"{prefix}-{number}")


def acquired_at(standby: Replica, *, since: float) -> float:
    """Return when a replica that was a standby at a time acquired the Lease."""
    lease_writes = (request.received_at for request in standby.requests() if request.is_lease_write)
    return min(received_at for received_at in lease_writes if received_at > since)


def assert_no_list(member: Replica, *, since: float) -> None:
    """Assert that a replica has listed only Leases, and a kind that the cluster may not serve, since a time."""
    lists = [request for request in member.requests() if request.verb == "list" and request.received_at > since]
    assert {request.resource for request in lists} <= {"leases", "httproutes", "servicemonitors"}, (
        "the caches of a standby are synced"
    )
