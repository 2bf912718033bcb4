"""AppStacks as last seen, what is worth an Event, and who holds a Lease."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from appstack.informers.appstack_store import AppStackStore
from appstack.informers.object_store import Key
from appstack.k8s.metadata import Manifest, Ref
from appstack.leaderelection.identity import Holder
from appstack.planning.changes import Applied
from appstack.status.events import event, transition_events

KEY = Key("team", "shop")
REF = Ref("v1", "Service", "team", "shop")


def stack(version: int, *, uid: str = "u1", **more: Any) -> Manifest:
    metadata = {"name": "shop", "namespace": "team", "uid": uid, "resourceVersion": str(version), "generation": 1}
    return {"metadata": metadata | {"managedFields": []}} | more


@pytest.fixture
def stacks() -> AppStackStore:
    found = AppStackStore()
    found.show(stack(5))
    return found


def test_only_what_is_newer_is_news(stacks: AppStackStore) -> None:
    assert [False, False, True, True, False] == [
        stacks.show(stack(5)),
        stacks.show(stack(4)),
        stacks.show(stack(6)),
        stacks.show(stack(7, uid="u2")),
        stacks.show(stack(6)),  # of the one before, late
    ]


def test_our_own_status_is_no_news(stacks: AppStackStore) -> None:
    stacks.reported(KEY, stack(7), status={"a": 1}, at=1.0)
    held = stacks.get(KEY)

    assert held
    assert ({"a": 1}, 1.0) == (held.doc["status"], held.reported)
    assert "managedFields" not in held.doc["metadata"]
    assert not stacks.show(stack(7, status={"a": 1}))


def test_a_status_that_the_watch_shows_before_its_answer_is_no_news(stacks: AppStackStore) -> None:
    edited = stack(7, status={"a": 1})
    edited["metadata"]["generation"] = 2
    with stacks.publishing(KEY, {"a": 1}):
        assert not stacks.show(stack(6, status={"a": 1}))
        assert stacks.show(edited)
        assert stacks.show(stack(8, status={"a": 2}))

    assert stacks.show(stack(9, status={"a": 1}))


def test_a_stack_is_unchanged_until_something_is_shown_or_doubted(stacks: AppStackStore) -> None:
    held = stacks.get(KEY)
    assert held
    assert stacks.unchanged(KEY, held)

    stacks.doubt(KEY)
    assert not stacks.unchanged(KEY, held)
    stacks.show(stack(6))
    assert not stacks.unchanged(KEY, held)


def test_a_spec_that_was_written_before_our_status_and_is_shown_after_it_is_news(stacks: AppStackStore) -> None:
    answer = stack(7)
    answer["metadata"]["generation"] = 2
    stacks.reported(KEY, answer, status={"a": 1}, at=1.0)

    assert stacks.show(answer | {"spec": "new", "status": {"a": 1}})


def test_a_spec_that_is_shown_after_our_status_and_was_written_before_it_undoes_nothing_of_it(
    stacks: AppStackStore,
) -> None:
    answer = stack(9)
    answer["metadata"]["generation"] = 2
    stacks.reported(KEY, answer, status={"a": 1}, at=1.0)

    for version, status, kept in ((7, 0, 1), (8, None, 1), (9, 1, 1), (10, 2, 2)):
        shown = stack(version, status={} if status is None else {"a": status}, spec="new")
        shown["metadata"]["generation"] = 2
        assert stacks.show(shown)

        held = stacks.get(KEY)
        assert held
        assert ("new", {"a": kept}) == (held.doc["spec"], held.doc["status"])


def test_an_answer_that_comes_after_the_watch_has_shown_more_takes_nothing_back(stacks: AppStackStore) -> None:
    stacks.show(stack(9, status={"a": 1}, spec="newer"))
    stacks.reported(KEY, stack(7), status={"a": 1}, at=1.0)

    held = stacks.get(KEY)
    assert held
    assert (9, "newer", 1.0) == (held.version, held.doc["spec"], held.reported)


def test_what_was_applied_counts_before_a_status_tells_it(stacks: AppStackStore) -> None:
    entry = {"apiVersion": "v1", "kind": "Service", "name": "shop", "rendered": "r1", "fields": "f1"}
    stacks.show(stack(6, status={"resources": [entry]}))
    stacks.applied(KEY, uid="u1", records={REF: Applied(REF, "r2", "f2")})
    stacks.applied(KEY, uid="u0", records={REF: Applied(REF, "r9", "f9")})

    held = stacks.get(KEY)
    assert held
    assert {REF: Applied(REF, "r2", "f2")} == held.recorded(held.doc)


def test_a_loss_is_of_the_stack_that_is_there(stacks: AppStackStore) -> None:
    stacks.lost(KEY, at=3.0)
    stacks.lost(Key("team", "unknown"), at=3.0)
    held = stacks.get(KEY)
    assert held
    assert 3.0 == held.bereft

    stacks.show(stack(6, uid="u2"))
    held = stacks.get(KEY)
    assert held
    assert 3.0 > held.bereft


def test_a_later_stack_of_the_same_name_is_not_forgotten_with_the_former(stacks: AppStackStore) -> None:
    stacks.show(stack(9, uid="u2"))
    stacks.forget(KEY, uid="u1")
    assert stacks.get(KEY)

    stacks.forget(KEY, uid="u2")
    assert not stacks.get(KEY)


STALLED = {"type": "Stalled", "status": "True", "reason": "InvalidSpec", "message": "spec.backend: is required"}
PROBLEM = {"container": "backend", "reason": "CrashLoopBackOff", "message": "it ends", "log": "boom", "hint": "look"}


@pytest.mark.parametrize(
    ("sentence", "former", "status", "reasons"),
    [
        ("all is well", {}, {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready"}]}, []),
        ("it stalls", {}, {"conditions": [STALLED]}, ["InvalidSpec"]),
        ("it is still stalled", {"conditions": [STALLED]}, {"conditions": [STALLED]}, []),
        (
            "for another reason",
            {"conditions": [STALLED | {"reason": "Refused"}]},
            {"conditions": [STALLED]},
            ["InvalidSpec"],
        ),
        ("a new problem", {}, {"problems": [PROBLEM]}, ["CrashLoopBackOff"]),
        ("the same in another pod", {"problems": [PROBLEM | {"pod": "a"}]}, {"problems": [PROBLEM]}, []),
        ("all is well again", {"conditions": [STALLED], "problems": [PROBLEM]}, {}, []),
    ],
)
def test_only_what_goes_wrong_is_an_incident(
    sentence: str, former: Manifest, status: Manifest, reasons: list[str]
) -> None:
    assert reasons == [record.reason for record in transition_events(former, status)], sentence


def test_an_event_tells_whom_it_is_about_and_how_it_came() -> None:
    (record,) = transition_events({}, {"problems": [PROBLEM]})
    made = event(record, doc=stack(1), now="2026-01-01T00:00:00.000000Z", instance="me")

    assert ("Warning", "CrashLoopBackOff") == (made["type"], made["reason"])
    assert "backend: it ends\nboom\nlook" == made["note"]
    assert ("shop", "u1") == (made["regarding"]["name"], made["regarding"]["uid"])


@pytest.mark.parametrize(
    ("sentence", "holder", "dead"),
    [
        ("a former process of our own number", lambda me: Holder(me.host, me.boot, me.pid, "0"), True),
        ("our parent, who lives", lambda me: Holder(me.host, me.boot, os.getppid(), "0"), False),
        ("no such process here", lambda me: Holder(me.host, me.boot, 2**22 + 1, "0"), True),
        ("another machine of this name", lambda me: Holder(me.host, "another", 2**22 + 1, "0"), False),
        ("another machine", lambda me: Holder("another", me.boot, 2**22 + 1, "0"), False),
        ("another program's words", lambda _: "somebody", False),
    ],
)
def test_a_holder_is_dead_only_for_sure(sentence: str, holder: Callable[[Holder], object], dead: bool) -> None:
    me = Holder.me()

    assert dead is me.outlived(str(holder(me))), sentence
