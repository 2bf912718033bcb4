"""What the cache makes of lists, watches and our own writes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from appstack.client.resource_kinds import WATCHED, Kind
from appstack.client.responses import decode
from appstack.errors import ApiUnavailable
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.informer import Informer
from appstack.informers.object_store import Key, ObjectStore
from appstack.informers.transform import child_of
from appstack.k8s.metadata import Manifest, Ref

KINDS = {kind.kind: kind for kind in WATCHED}
CONFIG, DEPLOYMENT, POD, NAMESPACE = (KINDS[name] for name in ("ConfigMap", "Deployment", "Pod", "Namespace"))
SHOP, CART = Key("team", "shop"), Key("team", "cart")


def thing(version: int, *, name: str = "x", stack: str | None = "shop", uid: str = "c1", **more: Any) -> Manifest:
    labels = {"appstack.dev/stack": stack} if stack else {}
    metadata = {"name": name, "namespace": "team", "uid": uid, "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata} | more


def ref(kind: Kind, name: str = "x") -> Ref:
    return Ref(kind.api_version, kind.kind, "team", name)


@pytest.fixture
def cache() -> ObjectStore:
    return ObjectStore(accepts=lambda namespace: namespace != "theirs")


def test_an_event_leads_to_the_stack_of_the_old_label_and_of_the_new(cache: ObjectStore) -> None:
    assert {SHOP} == cache.show(CONFIG, thing(1))
    assert {SHOP, CART} == cache.show(CONFIG, thing(2, stack="cart"))
    assert {} == dict(cache.observed(SHOP).children)
    assert [ref(CONFIG)] == list(cache.observed(CART).children)


def test_fields_of_others_may_be_nested_deep() -> None:
    fields: Manifest = {}
    for _ in range(500):  # the API server keeps what anybody writes there
        fields = {"f:a": fields}
    found = thing(1)
    found["metadata"]["managedFields"] = [{"manager": "somebody", "operation": "Update", "fieldsV1": fields}]

    event = decode(json.dumps({"type": "ADDED", "object": found}).encode())

    assert "" == child_of(CONFIG, event.object).fields


def test_what_is_known_already_leads_nowhere(cache: ObjectStore) -> None:
    cache.show(CONFIG, thing(2))

    assert set() == cache.show(CONFIG, thing(2))
    assert set() == cache.show(CONFIG, thing(1, stack="cart")), "an older one is the past"
    assert set() == cache.gone(CONFIG, thing(1)), "so is its deletion: it was made anew since"


def test_other_operators_namespaces_are_not_held(cache: ObjectStore) -> None:
    foreign = thing(1)
    foreign["metadata"]["namespace"] = "theirs"

    assert set() == cache.show(CONFIG, foreign)
    assert {} == dict(cache.observed(Key("theirs", "shop")).children)


def test_a_list_tells_what_was_deleted_while_nobody_watched(cache: ObjectStore) -> None:
    for name in ("a", "b"):
        cache.show(CONFIG, thing(1, name=name))
    cache.show(DEPLOYMENT, thing(1))
    cache.wrote(CONFIG, thing(9, name="new"))

    assert {SHOP} == cache.listed(CONFIG, [ref(CONFIG, "a")], 5)
    assert {ref(CONFIG, "a"), ref(CONFIG, "new"), ref(DEPLOYMENT)} == set(cache.observed(SHOP).children)


def test_an_own_write_is_known_at_once_and_keeps_what_the_answer_leaves_out(cache: ObjectStore) -> None:
    cache.show(DEPLOYMENT, thing(1, spec={"replicas": 2, "paused": True}, status={"readyReplicas": 2}))

    cache.wrote(DEPLOYMENT, thing(4))

    child = cache.observed(SHOP).children[ref(DEPLOYMENT)]
    assert ("4", {"replicas": 2}, {"readyReplicas": 2}) == (child.resource_version, child.spec, child.status)


def test_an_answer_that_comes_after_the_deletion_does_not_bring_it_back(cache: ObjectStore) -> None:
    cache.show(CONFIG, thing(3))
    cache.gone(CONFIG, thing(5))
    cache.mark(CONFIG, 5)

    cache.wrote(CONFIG, thing(4))

    assert {} == dict(cache.observed(SHOP).children)


def test_what_we_deleted_is_on_its_way_out_until_it_is_gone(cache: ObjectStore) -> None:
    cache.show(CONFIG, thing(3))
    cache.doomed(cache.observed(SHOP).children[ref(CONFIG)])
    cache.show(CONFIG, thing(4))
    assert cache.observed(SHOP).children[ref(CONFIG)].deleting

    cache.show(CONFIG, thing(6, uid="c2"))
    assert not cache.observed(SHOP).children[ref(CONFIG)].deleting


def test_what_we_deleted_goes_even_if_it_changed_in_the_meantime(cache: ObjectStore) -> None:
    cache.show(CONFIG, thing(3))
    planned = cache.observed(SHOP).children[ref(CONFIG)]
    cache.show(CONFIG, thing(4, data={"a": "b"}))

    cache.doomed(planned)
    assert cache.observed(SHOP).children[ref(CONFIG)].deleting

    cache.show(CONFIG, thing(6, uid="c2"))
    cache.doomed(planned)
    assert not cache.observed(SHOP).children[ref(CONFIG)].deleting, "another object by now"


def test_a_namespace_is_known_by_its_uid_until_it_is_gone(cache: ObjectStore) -> None:
    namespace = {"metadata": {"name": "team", "uid": "n1", "resourceVersion": "1"}}
    cache.show(NAMESPACE, namespace)
    assert "n1" == cache.observed(SHOP).namespace_uid

    cache.gone(NAMESPACE, namespace)
    assert "" == cache.observed(SHOP).namespace_uid


async def test_who_wrote_waits_until_the_watch_has_shown_it(cache: ObjectStore) -> None:
    waiting = asyncio.create_task(cache.shown(CONFIG, 7))
    await asyncio.sleep(0)
    cache.mark(CONFIG, 6)
    cache.mark(DEPLOYMENT, 9)
    await asyncio.sleep(0)
    assert not waiting.done()

    cache.mark(CONFIG, 8)

    async with asyncio.timeout(1):
        await waiting
        await cache.shown(CONFIG, 7)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(cache.shown(CONFIG, 9), 0)


def test_an_echo_of_our_own_write_brings_what_its_answer_lacked(cache: ObjectStore) -> None:
    metadata = thing(2)["metadata"] | {"managedFields": [ENTRY]}
    written = cache.wrote(DEPLOYMENT, {"metadata": metadata})

    assert {SHOP} == cache.show(DEPLOYMENT, {"metadata": metadata, "spec": {"replicas": 2}, "status": {"replicas": 1}})

    shown = cache.observed(SHOP).children[ref(DEPLOYMENT)]
    assert {"replicas": 2} == shown.spec
    assert {"replicas": 1} == shown.status
    assert shown == child_of(DEPLOYMENT, {"metadata": metadata, "spec": {"replicas": 2}, "status": {"replicas": 1}})
    assert written.fields == shown.fields


ENTRY = {"manager": "appstack", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}}


@pytest.mark.parametrize(
    ("sentence", "entries", "known"),
    [
        ("our own apply", [ENTRY], True),
        ("another manager's", [ENTRY | {"manager": "kubectl"}], False),
        ("a plain update under our name", [ENTRY | {"operation": "Update"}], False),
        ("our status", [ENTRY | {"subresource": "status"}], False),
        ("ours among others", [ENTRY | {"manager": "kubectl"}, ENTRY], True),
    ],
)
def test_whose_fields_count(sentence: str, entries: list[Any], known: bool) -> None:
    manifest = thing(1)
    manifest["metadata"]["managedFields"] = entries

    assert known is bool(child_of(CONFIG, manifest).fields), sentence
    assert known is bool(child_of(POD, manifest).fields), "a bare Pod is a child, too"


def test_a_change_of_our_fields_changes_their_hash() -> None:
    before, after = thing(1), thing(2)
    before["metadata"]["managedFields"] = [ENTRY | {"time": "1"}]
    after["metadata"]["managedFields"] = [ENTRY | {"time": "2"}]
    same = child_of(CONFIG, before).fields == child_of(CONFIG, after).fields
    after["metadata"]["managedFields"] = [ENTRY | {"fieldsV1": {}}]

    assert same
    assert child_of(CONFIG, before).fields != child_of(CONFIG, after).fields


def test_a_claim_without_owner_that_we_applied_is_retained() -> None:
    claim = thing(1)
    claim["metadata"]["managedFields"] = [ENTRY]
    owned = thing(1)
    owned["metadata"] |= {"managedFields": [ENTRY], "ownerReferences": [{"uid": "u1", "controller": True}]}

    assert child_of(KINDS["PersistentVolumeClaim"], claim).retained
    assert not child_of(KINDS["PersistentVolumeClaim"], owned).retained
    assert not child_of(CONFIG, claim).retained


def test_of_a_pod_only_what_tells_a_trouble_is_held() -> None:
    state = {"waiting": {"reason": "ImagePullBackOff"}}
    container = {"name": "backend", "state": state, "containerID": "c", "resources": {"limits": {}}}
    conditions = [{"type": "Ready", "status": "False", "lastProbeTime": None}, {"type": "Odd", "status": "True"}]
    status = {"phase": "Pending", "containerStatuses": [container], "conditions": conditions, "qosClass": "BestEffort"}

    child = child_of(POD, thing(1, spec={"nodeName": "n", "containers": [1]}, status=status))

    assert {"nodeName": "n"} == child.spec
    assert {
        "phase": "Pending",
        "conditions": [{"type": "Ready", "status": "False"}],
        "initContainerStatuses": [],
        "containerStatuses": [{"name": "backend", "state": state}],
    } == child.status


def test_a_line_of_a_watch_is_an_event() -> None:
    event = decode(b'{"type": "ADDED", "object": {"metadata": {"name": "x", "resourceVersion": "7"}}}')

    assert ("ADDED", "7", "x") == (event.type, event.version, event.object["metadata"]["name"])
    assert "ERROR" == decode(b'{"type": "ERROR", "object": {"code": 500}}').type


NO_EVENTS = [
    b"",
    b'{"type": "ADD',
    b'{"type": "ADDED"}',
    b'{"type": "ADDED", "object": {}}',
    b'{"type": "ADDED", "object": {"metadata": {"resourceVersion": "new"}}}',
    b'{"type": "GUESSED", "object": {"metadata": {"resourceVersion": "7"}}}',
    b"[]",
    b"null",
]


@pytest.mark.parametrize("line", NO_EVENTS)
def test_a_line_that_was_cut_off_is_no_event(line: bytes) -> None:
    with pytest.raises(ApiUnavailable, match="a watch brought no event"):
        decode(line)


JOB, ROUTE = KINDS["Job"], KINDS["HTTPRoute"]
COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}


def _pod(version: int, phase: str, *, deleting: bool = False) -> Manifest:
    pod = thing(version, name="shop", status={"phase": phase})
    pod["metadata"]["managedFields"] = [ENTRY]
    if deleting:
        pod["metadata"]["deletionTimestamp"] = "2026-11-21T08:00:00Z"
    return pod


def test_an_end_is_an_end_though_a_deletion_follows_and_though_it_is_gone(cache: ObjectStore) -> None:
    cache.show(POD, _pod(1, "Running"))
    assert cache.observed(SHOP).children[ref(POD, "shop")].ended is None
    cache.show(POD, _pod(2, "Succeeded"))
    cache.show(POD, _pod(3, "Succeeded", deleting=True))
    assert "Completed" == cache.observed(SHOP).children[ref(POD, "shop")].ended

    cache.gone(POD, _pod(4, "Succeeded", deleting=True))

    assert ["Completed"] == [child.ended for child in cache.observed(SHOP).ended.values()]
    cache.show(POD, _pod(5, "Pending"))
    assert {} == dict(cache.observed(SHOP).ended), "it was made anew"


def test_a_pod_that_a_deletion_ends_has_not_ended(cache: ObjectStore) -> None:
    cache.show(POD, _pod(1, "Running"))
    cache.show(POD, _pod(2, "Running", deleting=True))
    cache.show(POD, _pod(3, "Failed", deleting=True))

    cache.gone(POD, _pod(4, "Failed", deleting=True))

    assert {} == dict(cache.observed(SHOP).ended)


def test_an_own_write_onto_what_has_ended_does_not_undo_the_end(cache: ObjectStore) -> None:
    cache.show(JOB, thing(1, status=COMPLETE))

    cache.wrote(JOB, thing(2))

    assert "Completed" == cache.observed(SHOP).children[ref(JOB)].ended


def test_only_a_pod_of_ours_is_a_child(cache: ObjectStore) -> None:
    cache.show(POD, thing(1, name="of-a-replicaset"))
    cache.show(POD, _pod(2, "Running"))

    assert [ref(POD, "shop")] == list(cache.observed(SHOP).children)
    assert 2 == len(cache.observed(SHOP).pods)


def test_a_kind_that_the_cluster_does_not_know_is_missing_until_it_is_found(cache: ObjectStore) -> None:
    cache.show(CONFIG, thing(1))
    cache.show(ROUTE, thing(2))
    assert {SHOP} == cache.missing(ROUTE), "what was there is gone with its definition"
    assert set() == cache.missing(ROUTE)
    assert {("gateway.networking.k8s.io/v1", "HTTPRoute")} == cache.observed(SHOP).missing

    wanted = [{"apiVersion": "v1", "kind": "ConfigMap"}, {"apiVersion": ROUTE.api_version, "kind": "HTTPRoute"}]
    desired = [one | {"metadata": {"name": "shop", "namespace": "team"}} for one in wanted]
    assert {ROUTE} == cache.unknown(desired)

    cache.found(ROUTE)

    assert frozenset() == cache.observed(SHOP).missing
    assert frozenset() == cache.unknown(desired)


def test_who_holds_the_number_of_replicas(cache: ObjectStore) -> None:
    held = thing(1)
    held["metadata"]["managedFields"] = [ENTRY | {"fieldsV1": {"f:spec": {"f:replicas": {}}}}]

    assert child_of(DEPLOYMENT, held).owns_replicas
    assert not child_of(DEPLOYMENT, thing(1)).owns_replicas


def test_of_a_template_of_claims_little_is_kept_and_nothing_is_taken_for_granted() -> None:
    metadata = {"name": "shop", "namespace": "team", "uid": "u", "resourceVersion": "1"}
    spec = {"accessModes": ["ReadWriteOnce"], "selector": {"matchLabels": {"a": "b"}}}
    templates: list[Manifest] = [{}, {"metadata": {}, "spec": None}, {"metadata": {"name": "data"}, "spec": spec}]

    child = child_of(KINDS["StatefulSet"], {"metadata": metadata, "spec": {"volumeClaimTemplates": templates}})

    assert [
        {"metadata": {"name": ""}, "spec": {}},
        {"metadata": {"name": ""}, "spec": {}},
        {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}},
    ] == child.spec["volumeClaimTemplates"]


@pytest.mark.parametrize("kind", [CONFIG, POD])
def test_of_an_object_that_nobody_thought_of_it_is_known_whose_it_is(
    cache: ObjectStore, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    odd = thing(7, status={"containerStatuses": [3]})
    odd["metadata"]["managedFields"] = [{"manager": "appstack", "operation": "Apply", "fieldsV1": [1]}]

    touched: list[frozenset[Key]] = []
    client: Any = None  # nothing is sent
    watch = Informer(
        kind, client=client, cache=cache, stacks=AppStackStore(), touched=touched.append, lost=touched.append
    )
    watch._take(decode(json.dumps({"type": "ADDED", "object": odd}).encode()))

    assert [{SHOP}] == touched
    seen = cache.observed(SHOP)
    assert ["c1"] == [child.uid for child in (*seen.children.values(), *seen.pods)]
    assert "is not understood; this is a defect of AppStack" in caplog.text
