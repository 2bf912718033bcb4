"""The reconcile of one AppStack against the fake API server: observe, desire, apply, build the status and submit it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Container
from typing import Any

import pytest

from appstack.api.size import MAX_SPEC_BYTES
from appstack.client.client import Client
from appstack.client.resource_kinds import APPSTACKS, WATCHED_KINDS, Kind
from appstack.controller.large_appstacks import LARGE_BYTES, MAX_LARGE
from appstack.controller.object_handler import ObjectEventHandler
from appstack.controller.reconciler import DELETION_GRACE_SECONDS, NAMESPACE_LAG_SECONDS, Reconciler
from appstack.controller.status_writer import StatusWriter
from appstack.errors import ApiUnavailable
from appstack.informers.appstack_store import AppStackStore, StoredAppStack
from appstack.informers.informer import Informer
from appstack.informers.object_store import ObjectStore
from appstack.informers.watch_health import WatchHealth
from appstack.k8s.metadata import Key, Manifest, Ref
from appstack.planning.reconcile_state import NEVER
from appstack.settings import Settings
from appstack.workqueue.queue import DONE, Result, WorkQueue
from tests.unit.api_server import FakeApiServer
from tests.unit.background import eventually, running
from tests.unit.owned_objects import KINDS, SHOP, owned_object
from tests.unit.status_writing import STATUS_RESOURCE

BACKEND = {"image": "shop:1", "ports": [{"name": "http", "containerPort": 8000}]}
ROUTE = {"parentRefs": [{"name": "gateway"}]}
TERMINATING = {"deletionTimestamp": "2026-11-21T08:00:00Z"}
POD = {"apiVersion": "v1", "kind": "Pod"} | owned_object(1, name="shop-7d4b")
JOB = Ref("batch/v1", "Job", "team", "shop")
CRON_JOB = Ref("batch/v1", "CronJob", "team", "shop")
NIGHTLY = {"kind": "CronJob", "cronJob": {"schedule": "@daily"}}
COMPLETED = {
    "startTime": "2026-11-21T08:00:00Z",
    "completionTime": "2026-11-21T08:01:00Z",
    "conditions": [{"type": "Complete", "status": "True"}],
}


def finished_run(owner: Manifest) -> Manifest:
    """Return a Job of a CronJob that has completed."""
    job = owned_object(1, name="shop-1", status=COMPLETED)
    metadata = job["metadata"] | {"creationTimestamp": "2026-11-21T08:00:00Z", "ownerReferences": [owner]}
    return job | {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}


class Reconciling:
    """A reconciler with informers of every kind, whose reconciles the test starts."""

    def __init__(self, api_server: FakeApiServer, client: Client, objects: ObjectStore) -> None:
        loop = asyncio.get_running_loop()
        self.api_server = api_server
        self.objects = objects
        self.queue: WorkQueue[Key] = WorkQueue(loop, tenant=lambda key: key.namespace, workers=4)
        self.appstacks = AppStackStore(enqueue=self.queue.add)
        self.appstack_watch = WatchHealth(APPSTACKS.plural)
        handler = ObjectEventHandler(queue=self.queue, appstacks=self.appstacks, appstack_watch=self.appstack_watch)
        self.informers = [
            Informer(kind, client=client, objects=objects, appstacks=self.appstacks, handler=handler)
            for kind in WATCHED_KINDS
        ]
        self.status_writer = StatusWriter(
            loop, client=client, appstacks=self.appstacks, queue=self.queue, max_in_flight=4, instance="test"
        )
        self.reconciler = Reconciler(
            settings=Settings(),
            client=client,
            appstacks=self.appstacks,
            objects=objects,
            queue=self.queue,
            status_writer=self.status_writer,
            discover=self._discover,
        )

    async def _discover(self, kinds: Container[Kind], _: str) -> None:
        await asyncio.gather(*(informer.discover() for informer in self.informers if informer.kind in kinds))

    def add_namespace(self, **metadata: str) -> None:
        """Create the namespace of the AppStack, or change it."""
        self.api_server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"} | metadata})

    def add(self, **spec: Any) -> StoredAppStack:
        """Create or edit the AppStack, and show it to the store."""
        metadata = {"name": "shop", "namespace": "team"}
        manifest = {"apiVersion": APPSTACKS.api_version, "kind": APPSTACKS.kind, "metadata": metadata, "spec": spec}
        live = self.api_server.get(SHOP.ref) or {}
        self.appstacks.update(self.api_server.add(manifest | {"status": live.get("status") or {}}))
        return self.stored()

    def stored(self) -> StoredAppStack:
        """Return the AppStack, which is present."""
        found = self.appstacks.get(SHOP)
        assert found is not None
        return found

    async def reconcile(self) -> Result:
        """Reconcile the AppStack, and wait until its status is written."""
        result = await self.reconciler.reconcile(SHOP)
        await eventually(lambda: not self.status_writer.tasks())
        return result

    async def relist(self, kind: Kind) -> None:
        """List a kind again, and wait until it is watched."""
        informer = next(one for one in self.informers if one.kind is kind)
        number = informer.relist()
        await eventually(lambda: informer.has_listed(number) and kind.plural in self.api_server.watched())

    def writes(self) -> list[tuple[str, str]]:
        """Return verb and resource of the writes so far, except those of statuses and Events."""
        written = [one for one in self.api_server.requests if one.verb not in ("list", "watch", "get")]
        return [(one.verb, one.resource) for one in written if one.resource not in (STATUS_RESOURCE, "events")]

    def status(self) -> Manifest:
        """Return the written status."""
        status: Manifest = (self.api_server.get(SHOP.ref) or {})["status"]
        return status

    def ready_reason(self) -> str:
        """Return the reason of the condition Ready in the written status."""
        return next(str(one["reason"]) for one in self.status()["conditions"] if one["type"] == "Ready")

    def resources(self) -> set[str]:
        """Return the kinds of the children that the written status records."""
        return {entry["kind"] for entry in self.status()["resources"]}

    async def change(self, ref: Ref, **members: Any) -> None:
        """Change members of an object, and wait until its informer has shown that."""
        version = self.api_server.add((self.api_server.get(ref) or {}) | members)["metadata"]["resourceVersion"]
        await eventually(lambda: self.objects.version(ref) >= int(version))


@pytest.fixture
async def reconciling(api_server: FakeApiServer, client: Client, objects: ObjectStore) -> AsyncIterator[Reconciling]:
    """Yield a reconciler for a namespace without children; the cluster does not serve HTTPRoutes."""
    api_server.not_served.add("httproutes")
    reconciling = Reconciling(api_server, client, objects)
    reconciling.add_namespace()
    served = {kind.plural for kind in WATCHED_KINDS} - {"httproutes"}
    for informer in reconciling.informers:
        await informer.initial_list()
    async with running(*(informer.run() for informer in reconciling.informers)):
        await eventually(lambda: api_server.watched() == served)
        yield reconciling


async def test_new_appstack_gets_its_children_and_then_a_status(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND)

    result = await reconciling.reconcile()

    assert Result(keep_backoff=True) == result, "until its status is written"
    assert [("apply", "services"), ("apply", "deployments")] == reconciling.writes()
    assert "Progressing" == reconciling.ready_reason()
    assert {"Service", "Deployment"} == reconciling.resources()
    assert () == reconciling.stored().state.unrecorded


async def test_appstack_that_is_as_desired_needs_no_write(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND)
    await reconciling.reconcile()
    requests = len(reconciling.api_server.requests)

    assert DONE == await reconciling.reconcile()

    assert requests == len(reconciling.api_server.requests)


async def test_events_of_its_own_writes_do_not_repeat_a_reconcile(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND)
    reconciling.queue.open()
    reconciling.queue.add(SHOP)
    assert SHOP == await reconciling.queue.get()

    result = await reconciling.reconcile()
    assert 2 == len(reconciling.writes())
    reconciling.queue.done(SHOP, result)

    assert SHOP not in reconciling.queue


async def test_terminating_namespace_gets_no_request(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND)
    reconciling.add_namespace(**TERMINATING)
    await eventually(lambda: reconciling.objects.is_terminating("team"))

    assert DONE == await reconciling.reconcile()

    assert [] == reconciling.writes()
    assert [] == reconciling.api_server.received("apply", STATUS_RESOURCE)


async def test_appstack_waits_until_its_namespace_is_shown(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND)
    reconciling.api_server.remove(Ref("v1", "Namespace", "", "team"))
    await eventually(lambda: not reconciling.objects.observed(SHOP).namespace_uid)

    assert Result(requeue_after=NAMESPACE_LAG_SECONDS, keep_backoff=True) == await reconciling.reconcile()
    assert [] == reconciling.writes()


async def test_appstack_that_is_being_deleted_gets_no_request(reconciling: Reconciling) -> None:
    manifest = reconciling.add(backend=BACKEND).manifest
    manifest["metadata"] |= {**TERMINATING, "resourceVersion": "100000"}
    reconciling.appstacks.update(manifest)

    assert DONE == await reconciling.reconcile()
    assert [] == reconciling.writes()


async def test_stale_appstack_that_is_deleted_is_dropped(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND)
    reconciling.appstacks.mark_stale(SHOP)
    reconciling.api_server.remove(SHOP.ref)

    assert DONE == await reconciling.reconcile()

    assert reconciling.appstacks.get(SHOP) is None
    assert [] == reconciling.writes()


async def test_stale_appstack_that_exists_is_reconciled_as_it_is(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND)
    reconciling.appstacks.mark_stale(SHOP)
    edited = reconciling.stored().manifest | {"spec": {"backend": BACKEND, "paused": True}}
    reconciling.api_server.add(edited)

    await reconciling.reconcile()

    assert not reconciling.stored().stale
    assert "Paused" == reconciling.ready_reason()
    assert 1 == len(reconciling.api_server.received("get", "appstacks"))


async def test_error_in_reading_a_stale_appstack_fails_the_reconcile(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND)
    reconciling.appstacks.mark_stale(SHOP)
    reconciling.api_server.fail("get", "appstacks", 500)

    with pytest.raises(ApiUnavailable, match="failure of the test"):
        await reconciling.reconcile()
    assert reconciling.stored().stale


async def test_deleted_child_is_not_recreated_during_the_deletion_grace(reconciling: Reconciling) -> None:
    state = reconciling.add(backend=BACKEND).state
    state.last_child_deletion = time.monotonic() + 3600  # the clock of a slow machine ends no grace meanwhile

    result = await reconciling.reconcile()

    assert result.requeue_after is not None
    assert 0 < result.requeue_after <= 3600 + DELETION_GRACE_SECONDS
    assert result.keep_backoff
    assert [] == reconciling.writes()

    state.last_child_deletion = time.monotonic() - DELETION_GRACE_SECONDS
    await reconciling.reconcile()
    assert 2 == len(reconciling.writes())


async def test_deletion_of_a_pod_starts_no_deletion_grace(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND)
    await reconciling.reconcile()
    reconciling.api_server.add(POD)
    await eventually(lambda: reconciling.objects.observed(SHOP).pods)
    reconciling.appstack_watch.failure("connection reset")
    reconciling.queue.open()

    reconciling.api_server.remove(Ref.of(POD))
    await eventually(lambda: not reconciling.objects.observed(SHOP).pods)

    assert SHOP in reconciling.queue
    assert NEVER == reconciling.stored().state.last_child_deletion
    assert not reconciling.stored().stale


async def test_status_stays_outdated_during_the_deletion_grace(reconciling: Reconciling) -> None:
    state = reconciling.add(backend=BACKEND).state
    state.last_status_write = time.monotonic() + 3600  # the debounce ends after the test
    await reconciling.reconcile()
    since = state.outdated_since
    state.last_child_deletion = time.monotonic() + 3600

    await reconciling.reconcile()

    assert state.pending_status is None
    assert since is not None
    assert since == state.outdated_since


async def test_reconcile_waits_for_the_status_write_in_flight(reconciling: Reconciling) -> None:
    gate = reconciling.api_server.hold("apply", STATUS_RESOURCE)
    reconciling.add(backend=BACKEND)
    await reconciling.reconciler.reconcile(SHOP)
    await eventually(lambda: gate.waiting)
    reconciling.add(backend=BACKEND | {"image": "shop:2"})

    async with running(reconciling.reconciler.reconcile(SHOP)) as (reconcile,):
        await reconciling.relist(KINDS["ConfigMap"])
        assert 2 == len(reconciling.writes()), "later requests have been answered"
        gate.open()
        await reconcile

    assert ("apply", "deployments") == reconciling.writes()[2]


async def test_run_that_is_recorded_by_the_write_in_flight_is_kept(reconciling: Reconciling) -> None:
    state = reconciling.add(backend={"image": "shop:1"}, workload=NIGHTLY).state
    await reconciling.reconcile()
    cron_job = reconciling.api_server.get(CRON_JOB)
    assert cron_job is not None
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "shop", "uid": cron_job["metadata"]["uid"]}
    run = finished_run(owner | {"controller": True})
    reconciling.api_server.add(run)
    await eventually(lambda: reconciling.objects.version(Ref.of(run)))
    gate = reconciling.api_server.hold("apply", STATUS_RESOURCE)
    state.last_status_write = NEVER
    await reconciling.reconciler.reconcile(SHOP)
    await eventually(lambda: gate.waiting)

    reconciling.api_server.remove(Ref.of(run))
    await eventually(lambda: not reconciling.objects.version(Ref.of(run)))
    state.last_child_deletion = NEVER
    async with running(reconciling.reconciler.reconcile(SHOP)) as (reconcile,):
        await reconciling.relist(KINDS["ConfigMap"])
        gate.open()
        await reconcile
    await eventually(lambda: state.pending_status is None and not reconciling.status_writer.tasks())

    assert ["shop-1"] == [one["name"] for one in reconciling.status()["runs"]]


async def test_child_that_is_removed_before_it_was_recorded_is_forgotten(reconciling: Reconciling) -> None:
    state = reconciling.add(backend=BACKEND).state
    await reconciling.reconcile()
    state.last_status_write = time.monotonic() + 3600  # the debounce ends after the test
    reconciling.add(backend=BACKEND, networkPolicy={"enabled": True})
    await reconciling.reconcile()
    assert ["NetworkPolicy"] == [applied.ref.kind for applied in state.unrecorded]

    state.last_status_write = NEVER
    reconciling.add(backend=BACKEND | {"image": "shop:2"})
    await reconciling.reconcile()

    assert ("delete", "networkpolicies") in reconciling.writes()
    assert {"Service", "Deployment"} == reconciling.resources()
    assert () == state.unrecorded


async def test_repaired_job_is_forgotten_when_its_end_is_recorded(reconciling: Reconciling) -> None:
    state = reconciling.add(backend={"image": "shop:1"}, workload={"kind": "Job"}).state
    await reconciling.reconcile()
    job = reconciling.api_server.get(JOB)
    assert job is not None
    entry = job["metadata"]["managedFields"][0] | {"fieldsV1": {"f:spec": {}}}
    await reconciling.change(JOB, metadata=job["metadata"] | {"managedFields": [entry]})
    await reconciling.reconcile()
    assert [("apply", "jobs"), ("apply", "jobs")] == reconciling.writes()
    assert [JOB] == [applied.ref for applied in state.unrecorded], "the status is the same after the repair"

    await reconciling.change(JOB, status=COMPLETED)
    await reconciling.reconcile()

    assert ["Completed"] == [entry["ended"] for entry in reconciling.status()["resources"]]
    assert () == state.unrecorded


async def test_paused_appstack_gets_a_status_and_no_children(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND, paused=True)

    result = await reconciling.reconcile()

    assert not result.failed
    assert [] == reconciling.writes()
    assert "Paused" == reconciling.ready_reason()


async def test_invalid_spec_is_reported_and_leaves_the_children_as_they_are(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND)
    await reconciling.reconcile()
    reconciling.add(backend=None)
    reconciling.stored().state.last_status_write = NEVER

    result = await reconciling.reconcile()

    assert not result.failed, "only an edit of the AppStack can help"
    assert 2 == len(reconciling.writes())
    assert "InvalidSpec" == reconciling.ready_reason()
    assert {"Service", "Deployment"} == reconciling.resources(), "their records are kept"


async def test_kind_that_is_not_served_is_reported_and_does_not_fail_the_reconcile(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND, httpRoute=ROUTE)

    result = await reconciling.reconcile()

    assert not result.failed
    assert [("apply", "services"), ("apply", "deployments")] == reconciling.writes()
    assert "MissingKind" == reconciling.ready_reason()
    assert {SHOP} == reconciling.appstacks.requiring(KINDS["HTTPRoute"].api_version, "HTTPRoute")


async def test_kind_that_is_served_by_now_is_applied(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND, httpRoute=ROUTE)
    await reconciling.reconcile()
    reconciling.api_server.not_served.clear()
    await reconciling.relist(KINDS["HTTPRoute"])

    await reconciling.reconcile()

    assert ("apply", "httproutes") == reconciling.writes()[-1]
    assert frozenset() == reconciling.stored().state.not_served


async def test_unavailable_api_server_fails_the_reconcile_and_keeps_the_records(reconciling: Reconciling) -> None:
    state = reconciling.add(backend=BACKEND).state
    reconciling.api_server.fail("apply", "deployments", 503, retry_after=9.0, times=1)

    assert Result(requeue_after=9.0, failed=True) == await reconciling.reconcile()
    assert 1 == state.consecutive_outages
    assert ["Service"] == [applied.ref.kind for applied in state.unrecorded], "no status was written"

    await reconciling.reconcile()
    assert [("apply", "services"), ("apply", "deployments"), ("apply", "deployments")] == reconciling.writes()
    assert 0 == state.consecutive_outages
    assert {"Service", "Deployment"} == reconciling.resources()


async def test_rejected_child_is_reported_with_the_field_of_the_author(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND)
    message = "spec.template.spec.containers[0].image: Invalid value"
    reconciling.api_server.fail("apply", "deployments", 422, message=message)

    assert (await reconciling.reconcile()).failed

    assert "spec.backend.image: Invalid value" in reconciling.status()["conditions"][0]["message"]


async def test_child_that_is_no_longer_desired_is_pruned(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND, networkPolicy={"enabled": True})
    await reconciling.reconcile()
    assert ("apply", "networkpolicies") in reconciling.writes()
    reconciling.add(backend=BACKEND)

    await reconciling.reconcile()

    assert ("delete", "networkpolicies") == reconciling.writes()[-1]


def database(version: int, *, ready: bool) -> Manifest:
    """Return the AppStack `db` as its watch shows it."""
    metadata = {"name": "db", "namespace": "team", "uid": "u-db", "resourceVersion": str(version), "generation": 1}
    condition = {"type": "Ready", "status": str(ready)}
    return {"metadata": metadata, "spec": {}, "status": {"observedGeneration": 1, "conditions": [condition]}}


async def test_workload_waits_for_its_dependencies_and_later_changes_do_not(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND, dependsOn=[{"name": "db"}])
    await reconciling.reconcile()
    assert [("apply", "services")] == reconciling.writes()
    assert "DependencyNotReady" == reconciling.ready_reason()
    assert {"Service"} == reconciling.resources()
    assert reconciling.stored().state.awaits_dependencies

    reconciling.appstacks.update(database(1000, ready=True))
    await reconciling.reconcile()
    await eventually(lambda: reconciling.resources() == {"Service", "Deployment"})
    assert not reconciling.stored().state.awaits_dependencies

    reconciling.appstacks.update(database(1001, ready=False))
    reconciling.add(backend=BACKEND | {"image": "shop:2"}, dependsOn=[{"name": "db"}])
    await reconciling.reconcile()
    assert [("apply", "services"), ("apply", "deployments"), ("apply", "deployments")] == reconciling.writes()


async def test_dependency_that_becomes_ready_during_a_reconcile_repeats_it(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND, dependsOn=[{"name": "db"}])
    reconciling.queue.open()
    reconciling.queue.add(SHOP)
    assert SHOP == await reconciling.queue.get()
    gate = reconciling.api_server.hold("apply", "services")
    reconcile = asyncio.create_task(reconciling.reconcile())
    await eventually(lambda: reconciling.api_server.received("apply", "services"))

    reconciling.appstacks.update(database(1000, ready=True))
    gate.open()
    reconciling.queue.done(SHOP, await reconcile)

    assert SHOP in reconciling.queue


async def test_spec_that_is_too_large_is_refused_and_its_children_stay(reconciling: Reconciling) -> None:
    reconciling.add(backend=BACKEND)
    await reconciling.reconcile()
    writes = reconciling.writes()

    reconciling.add(backend=BACKEND | {"args": ["x" * MAX_SPEC_BYTES]})
    reconciling.stored().state.last_status_write = NEVER  # the debounce is over
    await reconciling.reconcile()

    assert "InvalidSpec" == reconciling.ready_reason()
    assert "the maximum is 65536" in str(reconciling.status()["conditions"])
    assert {"Service", "Deployment"} == reconciling.resources()
    assert writes == reconciling.writes()


async def test_namespace_reconciles_half_of_the_large_appstacks_that_the_operator_does_at_once(
    reconciling: Reconciling,
) -> None:
    content = [{"path": "/data", "content": "x" * LARGE_BYTES}]
    names = [f"shop-{number}" for number in range(MAX_LARGE)]
    for name in names:
        metadata = {"name": name, "namespace": "team"}
        spec = {"backend": BACKEND, "files": content}
        manifest = {"apiVersion": APPSTACKS.api_version, "kind": APPSTACKS.kind, "metadata": metadata, "spec": spec}
        reconciling.appstacks.update(reconciling.api_server.add(manifest))
    reconciling.add(backend=BACKEND)
    applies = reconciling.api_server.hold("apply", "configmaps")

    async with running(*(reconciling.reconciler.reconcile(Key("team", name)) for name in names)):
        await eventually(lambda: applies.waiting == MAX_LARGE // 2)
        await reconciling.reconcile()
        assert ("apply", "deployments") == reconciling.writes()[-1], "a small one does not wait"
        assert MAX_LARGE // 2 == applies.waiting
        applies.open()
        await eventually(lambda: len(reconciling.api_server.received("apply", "configmaps")) == MAX_LARGE)
