"""The Lease while the API server responds late, with errors, or has lost the Lease."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from appstack.client.client import Client
from appstack.client.fencing import Fence
from appstack.errors import OperatorError
from appstack.k8s.metadata import Manifest
from appstack.leaderelection.lease import Lease
from appstack.leaderelection.lease_record import LABEL
from appstack.settings import Settings
from tests.unit.api_server import FakeApiServer
from tests.unit.background import eventually, running

LEASE_SECONDS = 3
SETTINGS = Settings(identity="one", lease_duration=LEASE_SECONDS)


def foreign_lease(name: str = "one", *, holder: str = "elsewhere_boot_1_x", renewed: str = "") -> Manifest:
    """Return a Lease that a process on another machine holds."""
    renew_time = renewed or "2026-01-01T00:00:00Z"
    spec = {"holderIdentity": holder, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": renew_time}
    metadata = {"name": name, "namespace": "appstack-system", "labels": {LABEL: name}}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def holder(api_server: FakeApiServer, lease: Lease) -> str:
    """Return the present holder of the Lease; empty if the Lease does not exist."""
    return str((api_server.get(lease.ref) or {"spec": {"holderIdentity": ""}})["spec"]["holderIdentity"])


async def test_deleted_lease_counts_as_held_until_it_would_have_expired(
    api_server: FakeApiServer, client: Client
) -> None:
    lease = Lease(SETTINGS, client, Fence())
    api_server.add(foreign_lease())
    async with running(lease.acquire()):
        await eventually(lambda: "leases" in api_server.watched())
        api_server.remove(lease.ref)
        await eventually(lease.is_leader)

    assert str(lease.identity) == holder(api_server, lease)
    observed, acquired = api_server.received("get", "leases")[0], api_server.received("create", "leases")[0]
    assert LEASE_SECONDS <= acquired.at - observed.at


async def test_watch_error_is_followed_by_a_pause(api_server: FakeApiServer, client: Client) -> None:
    lease = Lease(SETTINGS, client, Fence())
    api_server.add(foreign_lease())
    api_server.oldest_version = api_server.version + 1

    async with running(lease.acquire()):
        await eventually(lease.is_leader)

    assert str(lease.identity) == holder(api_server, lease)
    assert 16 >= len(api_server.received("watch", "leases")), "one watch per retry interval, of a fifteenth each"


async def test_renewal_that_times_out_is_retried_before_the_send_deadline(
    api_server: FakeApiServer, client: Client
) -> None:
    lease = Lease(Settings(identity="one", lease_duration=9), client, Fence())
    await lease.acquire()
    renewals = api_server.hold("update", "leases")

    async with running(lease.renew_forever()):
        await eventually(lambda: renewals.waiting)
        await eventually(lambda: len(api_server.received("update", "leases")) == 2)
        renewals.open()
        version = api_server.version
        await eventually(lambda: api_server.version > version)
        assert lease.is_leader()


async def test_takeover_by_another_process_ends_the_leadership(api_server: FakeApiServer, client: Client) -> None:
    fence = Fence()
    lease = Lease(SETTINGS, client, fence)
    await lease.acquire()
    api_server.add(foreign_lease())

    with pytest.raises(OperatorError, match="was taken over by elsewhere_boot_1_x: this operator has stopped writing"):
        await lease.renew_forever()

    assert not lease.is_leader()
    assert not fence.may_send()


async def test_released_lease_has_no_holder(api_server: FakeApiServer, client: Client) -> None:
    lease = Lease(SETTINGS, client, Fence())
    await lease.acquire()
    assert str(lease.identity) == holder(api_server, lease)

    await lease.release()

    assert "" == holder(api_server, lease)
    assert not lease.is_leader()


async def test_conflicting_operator_is_found_on_any_page(api_server: FakeApiServer, client: Client) -> None:
    api_server.page_size = 1
    api_server.add(foreign_lease("a", holder=""))
    api_server.add(foreign_lease("other", renewed=datetime.now(UTC).isoformat()))

    with pytest.raises(OperatorError, match="Another operator reconciles all namespaces"):
        await Lease(SETTINGS, client, Fence()).check_conflicts()


async def test_lease_of_a_tenant_is_ignored_where_no_policy_refuses_it(
    api_server: FakeApiServer, client: Client
) -> None:
    settings = SETTINGS.model_copy(update={"conflict_check": "OperatorNamespace"})
    forged = foreign_lease("other", renewed=datetime.now(UTC).isoformat())
    api_server.add(forged | {"metadata": forged["metadata"] | {"namespace": "team"}})

    await Lease(settings, client, Fence()).check_conflicts()

    api_server.add(forged)
    with pytest.raises(OperatorError, match="Another operator reconciles all namespaces"):
        await Lease(settings, client, Fence()).check_conflicts()
