"""The object store: lists, watch events, answers to our own writes, and objects that have ended."""

from __future__ import annotations

import asyncio

import pytest

from appstack.controller.namespace_filter import LabelledNamespaceFilter
from appstack.informers.object_store import Deleted, ObjectStore
from appstack.informers.transform import child_of
from appstack.k8s.metadata import Key, Manifest
from tests.unit.background import DEADLINE_SECONDS, run_ready_tasks
from tests.unit.owned_objects import APPLY_ENTRY, EXCLUDED_NAMESPACE, KINDS, SHOP, owned_object, ref

CONFIG, DEPLOYMENT, POD, NAMESPACE = (KINDS[name] for name in ("ConfigMap", "Deployment", "Pod", "Namespace"))
JOB, ROUTE = KINDS["Job"], KINDS["HTTPRoute"]
CART = Key("team", "cart")
COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}


def bare_pod(version: int, phase: str, *, deleting: bool = False) -> Manifest:
    """Return a Pod that AppStack applied itself."""
    pod = owned_object(version, name="shop", managed_fields=[APPLY_ENTRY], status={"phase": phase})
    if deleting:
        pod["metadata"]["deletionTimestamp"] = "2026-11-21T08:00:00Z"
    return pod


def namespace(**metadata: str) -> Manifest:
    """Return the namespace of the AppStack."""
    return {"metadata": {"name": "team", "uid": "n1", "resourceVersion": "1"} | metadata}


def test_relabelled_object_concerns_its_old_and_its_new_appstack(objects: ObjectStore) -> None:
    assert {SHOP} == objects.update(CONFIG, owned_object(1))
    assert {SHOP, CART} == objects.update(CONFIG, owned_object(2, stack="cart"))
    assert {} == dict(objects.observed(SHOP).children)
    assert [ref(CONFIG)] == list(objects.observed(CART).children)


def test_event_of_a_known_or_older_version_concerns_no_appstack(objects: ObjectStore) -> None:
    objects.update(CONFIG, owned_object(2))

    assert set() == objects.update(CONFIG, owned_object(2))
    assert set() == objects.update(CONFIG, owned_object(1, stack="cart"))
    assert Deleted() == objects.delete(CONFIG, owned_object(1)), "the object was recreated since"


def test_objects_of_other_namespaces_are_not_stored(objects: ObjectStore) -> None:
    assert set() == objects.update(CONFIG, owned_object(1, namespace=EXCLUDED_NAMESPACE))
    assert {} == dict(objects.observed(Key(EXCLUDED_NAMESPACE, "shop")).children)


def test_complete_list_shows_which_objects_were_deleted_meanwhile(objects: ObjectStore) -> None:
    for name in ("a", "b"):
        objects.update(CONFIG, owned_object(1, name=name))
    objects.update(DEPLOYMENT, owned_object(1))
    objects.record_write(CONFIG, owned_object(9, name="new"))

    assert Deleted(children=frozenset({SHOP})) == objects.complete_list(CONFIG, [ref(CONFIG, "a")], 5)
    assert {ref(CONFIG, "a"), ref(CONFIG, "new"), ref(DEPLOYMENT)} == set(objects.observed(SHOP).children)


def test_write_is_visible_at_once_and_keeps_the_fields_that_its_answer_omits(objects: ObjectStore) -> None:
    spec, status = {"replicas": 2, "paused": True}, {"readyReplicas": 2}
    objects.update(DEPLOYMENT, owned_object(1, spec=spec, status=status))

    objects.record_write(DEPLOYMENT, owned_object(4))

    child = objects.observed(SHOP).children[ref(DEPLOYMENT)]
    assert ("4", {"replicas": 2}, {"readyReplicas": 2}) == (child.resource_version, child.spec, child.status)


def test_answer_to_a_write_that_arrives_after_the_deletion_restores_nothing(objects: ObjectStore) -> None:
    objects.update(CONFIG, owned_object(3))
    objects.delete(CONFIG, owned_object(5))
    objects.set_version(CONFIG, 5)

    objects.record_write(CONFIG, owned_object(4))

    assert {} == dict(objects.observed(SHOP).children)


def test_watch_event_of_our_own_write_completes_its_answer(objects: ObjectStore) -> None:
    answer = owned_object(2, managed_fields=[APPLY_ENTRY])
    written = objects.record_write(DEPLOYMENT, answer)

    event = answer | {"spec": {"replicas": 2}, "status": {"replicas": 1}}
    assert {SHOP} == objects.update(DEPLOYMENT, event)

    child = objects.observed(SHOP).children[ref(DEPLOYMENT)]
    assert ({"replicas": 2}, {"replicas": 1}) == (child.spec, child.status)
    assert child == child_of(DEPLOYMENT, event)
    assert written.fields == child.fields


def test_deleted_object_is_terminating_until_another_one_has_its_name(objects: ObjectStore) -> None:
    objects.update(CONFIG, owned_object(3))
    objects.mark_deleting(objects.observed(SHOP).children[ref(CONFIG)])
    objects.update(CONFIG, owned_object(4))
    assert objects.observed(SHOP).children[ref(CONFIG)].deleting

    objects.update(CONFIG, owned_object(6, uid="c2"))
    assert not objects.observed(SHOP).children[ref(CONFIG)].deleting


def test_deletion_concerns_every_version_of_the_object(objects: ObjectStore) -> None:
    objects.update(CONFIG, owned_object(3))
    planned = objects.observed(SHOP).children[ref(CONFIG)]
    objects.update(CONFIG, owned_object(4, data={"a": "b"}))

    objects.mark_deleting(planned)
    assert objects.observed(SHOP).children[ref(CONFIG)].deleting

    objects.update(CONFIG, owned_object(6, uid="c2"))
    objects.mark_deleting(planned)
    assert not objects.observed(SHOP).children[ref(CONFIG)].deleting, "another object by now"


def test_namespace_has_a_uid_until_it_is_deleted(objects: ObjectStore) -> None:
    objects.update(NAMESPACE, namespace())
    assert "n1" == objects.observed(SHOP).namespace_uid

    objects.delete(NAMESPACE, namespace())
    assert "" == objects.observed(SHOP).namespace_uid


def test_namespace_is_terminating_until_it_is_deleted(objects: ObjectStore) -> None:
    objects.update(NAMESPACE, namespace())
    assert not objects.is_terminating("team")

    objects.update(NAMESPACE, namespace(deletionTimestamp="2026-11-21T08:00:00Z"))
    assert objects.is_terminating("team")

    objects.complete_list(NAMESPACE, [], 5)
    assert not objects.is_terminating("team")
    objects.update(NAMESPACE, namespace(uid="n2"))
    assert not objects.is_terminating("team"), "a new namespace of the same name"


def test_deleted_pod_is_a_child_only_if_the_operator_applied_it(objects: ObjectStore) -> None:
    for pod in (bare_pod(1, "Running"), owned_object(1, name="shop-7d4b")):
        objects.update(POD, pod)

    assert Deleted(dependents=frozenset({SHOP})) == objects.delete(POD, owned_object(2, name="shop-7d4b"))
    assert Deleted(children=frozenset({SHOP})) == objects.complete_list(POD, [], 2)


def test_dropped_namespace_has_no_objects(objects: ObjectStore) -> None:
    objects.update(CONFIG, owned_object(1))
    objects.update(POD, bare_pod(2, "Succeeded"))
    objects.delete(POD, bare_pod(3, "Succeeded"))

    objects.drop_namespace("team")

    observed = objects.observed(SHOP)
    assert ({}, {}) == (dict(observed.children), dict(observed.ended))


async def test_writer_waits_until_the_informer_has_shown_the_version(objects: ObjectStore) -> None:
    waiting = asyncio.create_task(objects.wait_for(CONFIG, 7, "team"))
    await run_ready_tasks()
    objects.set_version(CONFIG, 6)
    objects.set_version(DEPLOYMENT, 9)
    await run_ready_tasks()
    assert not waiting.done()

    objects.set_version(CONFIG, 8)

    async with asyncio.timeout(DEADLINE_SECONDS):
        await waiting
        await objects.wait_for(CONFIG, 7, "team")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(objects.wait_for(CONFIG, 9, "team"), 0)


def test_end_of_a_pod_survives_its_deletion_until_it_is_recreated(objects: ObjectStore) -> None:
    objects.update(POD, bare_pod(1, "Running"))
    assert objects.observed(SHOP).children[ref(POD, "shop")].ended is None
    objects.update(POD, bare_pod(2, "Succeeded"))
    objects.update(POD, bare_pod(3, "Succeeded", deleting=True))
    assert "Completed" == objects.observed(SHOP).children[ref(POD, "shop")].ended

    objects.delete(POD, bare_pod(4, "Succeeded", deleting=True))
    assert ["Completed"] == [child.ended for child in objects.observed(SHOP).ended.values()]

    objects.update(POD, bare_pod(5, "Pending"))
    assert {} == dict(objects.observed(SHOP).ended)


def test_pod_that_fails_because_it_is_deleted_has_not_ended(objects: ObjectStore) -> None:
    objects.update(POD, bare_pod(1, "Running"))
    objects.update(POD, bare_pod(2, "Running", deleting=True))
    objects.update(POD, bare_pod(3, "Failed", deleting=True))

    objects.delete(POD, bare_pod(4, "Failed", deleting=True))

    assert {} == dict(objects.observed(SHOP).ended)


def test_write_to_a_job_that_has_ended_keeps_its_end(objects: ObjectStore) -> None:
    objects.update(JOB, owned_object(1, status=COMPLETE))

    objects.record_write(JOB, owned_object(2))

    assert "Completed" == objects.observed(SHOP).children[ref(JOB)].ended


def test_only_a_pod_that_was_applied_is_a_child(objects: ObjectStore) -> None:
    objects.update(POD, owned_object(1, name="of-a-replicaset"))
    objects.update(POD, bare_pod(2, "Running"))

    assert [ref(POD, "shop")] == list(objects.observed(SHOP).children)
    assert 2 == len(objects.observed(SHOP).pods)


def test_objects_of_a_kind_vanish_with_its_definition(objects: ObjectStore) -> None:
    objects.update(CONFIG, owned_object(1))
    objects.update(ROUTE, owned_object(2))

    assert {SHOP} == objects.mark_not_served(ROUTE)
    assert set() == objects.mark_not_served(ROUTE), "known already"
    assert {ref(CONFIG)} == set(objects.observed(SHOP).children)


def test_kind_is_not_served_until_it_is_discovered(objects: ObjectStore) -> None:
    kinds = ({"apiVersion": "v1", "kind": "ConfigMap"}, {"apiVersion": ROUTE.api_version, "kind": "HTTPRoute"})
    desired = [kind | {"metadata": {"name": "shop", "namespace": "team"}} for kind in kinds]
    assert frozenset() == objects.not_served(desired)

    objects.mark_not_served(ROUTE)
    assert {ROUTE} == objects.not_served(desired)
    assert {("gateway.networking.k8s.io/v1", "HTTPRoute")} == objects.observed(SHOP).not_served

    objects.mark_served(ROUTE)
    assert frozenset() == objects.observed(SHOP).not_served
    assert frozenset() == objects.not_served(desired)


def test_list_of_a_namespace_keeps_the_objects_of_other_namespaces(objects: ObjectStore) -> None:
    for namespace in ("team", "other"):
        objects.update(CONFIG, owned_object(1, namespace=namespace))
    objects.mark_not_served(ROUTE, "other")

    assert Deleted(children=frozenset({Key("other", "shop")})) == objects.complete_list(CONFIG, [], 5, "other")
    assert {ref(CONFIG)} == set(objects.observed(SHOP).children)
    assert frozenset() == objects.observed(SHOP).not_served
    assert {(ROUTE.api_version, "HTTPRoute")} == objects.observed(Key("other", "shop")).not_served


async def test_watch_of_a_namespace_shows_nothing_of_other_namespaces(objects: ObjectStore) -> None:
    waiting = asyncio.create_task(objects.wait_for(CONFIG, 7, "team"))
    await asyncio.sleep(0)

    objects.set_version(CONFIG, 8, "other")
    await asyncio.sleep(0)
    assert not waiting.done()
    objects.record_write(CONFIG, owned_object(6))
    assert {ref(CONFIG)} == set(objects.observed(SHOP).children), "the watch of another namespace is not ahead of it"

    objects.set_version(CONFIG, 7, "team")
    await waiting


def test_disabled_kind_counts_as_not_served(namespaces: LabelledNamespaceFilter) -> None:
    objects = ObjectStore(namespaces, disabled=[ROUTE])
    route = (ROUTE.api_version, "HTTPRoute")

    assert {route} == objects.observed(SHOP).not_served == objects.observed(SHOP).disabled
