"""Children for which somebody fights: when they are put right, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.client.resource_kinds import of
from appstack.informers.transform import child_of
from appstack.k8s.managed_fields import has, leaves
from appstack.k8s.metadata import Manifest, Ref
from appstack.planning.changes import Action, Cause, Change
from appstack.planning.drift import QUIET, DriftBackoff, cause, contested, wake

SERVICE = Ref("v1", "Service", "team", "shop")
DEPLOYMENT = Ref("apps/v1", "Deployment", "team", "shop")
FOUND = Cause("was changed by kubectl-edit (spec.selector)", "Stop it")
OURS = {"manager": "appstack", "operation": "Apply", "time": "2026-01-01T00:00:10Z"}
WANTED: Manifest = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {
        "replicas": 2,
        "template": {
            "spec": {
                "containers": [{"name": "backend", "image": "shop:1", "args": ["a"], "ports": [{"containerPort": 1}]}]
            }
        },
    },
}


def fought(times: int, *, every: float = 0.125, generation: int = 1) -> tuple[DriftBackoff, float]:
    """Return contests after so many repairs, and when the last one was."""
    contests, now = DriftBackoff(), 0.0
    for turn in range(times):
        now = 1024.0 + turn * every
        contests.repaired("u1", generation=generation, causes={SERVICE: FOUND}, now=now)
    return contests, now


@pytest.mark.parametrize(
    ("times", "rest"),
    [(0, None), (1, None), (7, None), (8, 1), (9, 2), (10, 4), (14, 64), (15, 120), (2000, 120)],
)
def test_the_first_repairs_come_at_once_and_further_ones_later_and_later(times: int, rest: float | None) -> None:
    contests, last = fought(times)

    found = contests.of("u1", generation=1, now=last)

    assert ([] if rest is None else [rest]) == [one.due - last for one in found.values()]
    assert rest is None or found[SERVICE].rests(last + rest - 0.01)
    assert rest is None or not found[SERVICE].rests(last + rest)


@pytest.mark.parametrize(
    ("sentence", "uid", "generation", "after", "is_open"),
    [
        ("it is told for as long as it may go on", "u1", 1, QUIET - 1, True),
        ("once it was quiet it is forgotten", "u1", 1, QUIET, False),
        ("an edit begins anew", "u1", 2, 0, False),
        ("it is that stack's own", "u2", 1, 0, False),
        ("a clock that was set back makes nobody wait", "u1", 1, -60, False),
    ],
)
def test_a_contest_ends(sentence: str, uid: str, generation: int, after: float, is_open: bool) -> None:
    contests, last = fought(9)

    assert is_open is bool(contests.of(uid, generation=generation, now=last + after)), sentence


def test_after_an_edit_the_first_repairs_come_at_once_again() -> None:
    contests, last = fought(9)

    contests.repaired("u1", generation=2, causes={SERVICE: FOUND}, now=last)

    assert {} == contests.of("u1", generation=2, now=last)


def test_who_fights_slowly_is_told_and_put_right_at_once() -> None:
    contests, last = fought(9, every=QUIET - 1)
    (one,) = contests.of("u1", generation=1, now=last + QUIET - 1).values()

    assert not one.rests(last + QUIET - 1)


def test_what_is_quiet_takes_no_memory() -> None:
    contests = DriftBackoff()
    for turn in range(1000):
        contests.repaired(f"u{turn}", generation=1, causes={SERVICE: FOUND}, now=float(turn))

    assert QUIET == len(contests)


@pytest.mark.parametrize(
    ("times", "action", "at", "seconds"),
    [
        (7, Action.BACKING_OFF, 0, None),
        (9, Action.BACKING_OFF, 0.5, 1.5),
        (9, Action.BACKING_OFF, 2.1, 0),  # it became due while the look was under way
        (9, Action.UNCHANGED, 2, QUIET - 2),
    ],
)
def test_a_look_comes_when_there_is_something_to_do_or_to_tell(
    times: int, action: Action, at: float, seconds: float | None
) -> None:
    contests, last = fought(times)
    open_ones = contests.of("u1", generation=1, now=last + at)

    assert pytest.approx(seconds) == wake(open_ones, [Change(SERVICE, action)], last + at)


def entry(manager: str, time: str, fields: object, **more: str) -> Manifest:
    return {"manager": manager, "operation": "Update", "time": f"2026-01-01T00:00:{time}Z", "fieldsV1": fields} | more


IMAGE: Manifest = {
    "f:spec": {
        "f:template": {"f:spec": {"f:containers": {'k:{"name":"backend"}': {".": {}, "f:image": {}, "f:tty": {}}}}}
    }
}
PORT: Manifest = {
    "f:spec": {
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"backend"}': {
                        "f:ports": {'k:{"containerPort":1,"protocol":"TCP"}': {"f:containerPort": {}}}
                    }
                }
            }
        }
    }
}
MADE_UP: Manifest = {
    "f:spec": {
        "f:template": {
            "f:spec": {"f:containers": {'k:{"name":"backend"}': {"f:args": {'k:{"name":[["a"]]}': {"f:b": {}}}}}}
        }
    }
}
REPLICAS: Manifest = {"f:spec": {"f:replicas": {}}}


@pytest.mark.parametrize(
    ("sentence", "ours", "other_managers", "what"),
    [
        ("nobody is known: a field was removed", {}, [], "was changed by somebody"),
        (
            "the field of a list's entry",
            REPLICAS,
            [entry("kubectl-edit", "11", IMAGE)],
            "was changed by kubectl-edit (spec.template.spec.containers[name=backend].image)",
        ),
        (
            "a key that has a default",
            {},
            [entry("kubectl-edit", "11", PORT)],
            "was changed by kubectl-edit (spec.template.spec.containers[name=backend]"
            ".ports[containerPort=1,protocol=TCP].containerPort)",
        ),
        (
            "whoever scales",
            {},
            [entry("kube-controller-manager", "10", REPLICAS, subresource="scale")],
            "was changed by kube-controller-manager (spec.replicas)",
        ),
        ("they own the same value", REPLICAS, [entry("other", "11", REPLICAS)], "was changed by somebody"),
        ("they wrote before us", {}, [entry("other", "09", REPLICAS)], "was changed by somebody"),
        (
            "what we do not set is no quarrel",
            {},
            [entry("mesh", "12", {"f:metadata": {"f:labels": {"f:c": {}}}}), entry("it", "11", REPLICAS)],
            "was changed by it (spec.replicas)",
        ),
        (
            "the latest of two",
            {},
            [entry("first", "11", REPLICAS), entry("second", "12", REPLICAS)],
            "was changed by second (spec.replicas)",
        ),
        (
            "an account that somebody made up",
            {},
            [entry("forger", "11", MADE_UP)],
            "was changed by somebody",
        ),
        (
            "a controller's status is no quarrel",
            {},
            [entry("controller", "11", REPLICAS, subresource="status")],
            "was changed by somebody",
        ),
    ],
)
def test_who_fights_is_told_where_managed_fields_tell(
    sentence: str, ours: Any, other_managers: list[Manifest], what: str
) -> None:
    metadata = {"name": "shop", "namespace": "team", "uid": "u9", "resourceVersion": "1"}
    child = child_of(
        of(DEPLOYMENT), {"metadata": metadata | {"managedFields": [OURS | {"fieldsV1": ours}, *other_managers]}}
    )

    assert what == cause(child, WANTED).what, sentence


def test_little_is_kept_of_what_others_make_up() -> None:
    deep: Manifest = {f"f:{number}": {} for number in range(1_000)}
    for _ in range(180):  # deeper than that nothing is read
        deep = {"f:a": deep}
    wide: Manifest = {"f:spec": {f"f:{number}": {} for number in range(1_000)}}
    long: Manifest = {"f:" + "a" * 10_000: {}, "f:b": {}}
    entries = [entry(f"m{number}", "11", fields) for number, fields in enumerate([deep, wide, long] * 300)]
    metadata = {"name": "shop", "namespace": "team", "uid": "u9", "resourceVersion": "1"}

    other_managers = child_of(
        of(DEPLOYMENT), {"metadata": metadata | {"managedFields": [OURS | {"fieldsV1": {}}, *entries]}}
    ).other_managers

    assert 10 == len(other_managers)
    assert {1, 50} == {len(other.fields) for other in other_managers}
    assert 41 == max(len(path) for other in other_managers for path in other.fields)
    assert ("f:b",) in other_managers[2].fields


@pytest.mark.parametrize("ours", [IMAGE, PORT, {}, {"f:a": {}, "f:b": {".": {}, "f:c": None}}])
def test_a_field_is_ours_if_it_is_one_of_our_leaves(ours: Manifest) -> None:
    mine = set(leaves(ours))
    every = {*mine, *leaves(IMAGE), *leaves(PORT), ("f:b",), ("f:b", "f:c"), ("f:b", "f:c", "f:d"), ("f:a",)}

    assert mine == {path for path in every if has(ours, path)}


def test_a_child_that_is_gone_was_deleted_or_lost_its_label() -> None:
    assert "was deleted, or lost the label appstack.dev/stack" == cause(None, WANTED).what


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (
            Action.BACKING_OFF,
            "Service shop was changed by kubectl-edit (spec.selector), after it was put right 10 times within 90 s; "
            "tried again at 00:18:38Z",
        ),
        (
            Action.UNCHANGED,
            "Service shop was put right 10 times within 90 s; last, it was changed by kubectl-edit (spec.selector)",
        ),
    ],
)
def test_status_tells_what_how_often_who_and_when_again(action: Action, message: str) -> None:
    contests, last = fought(10, every=10)
    (problem,) = contested(contests.of("u1", generation=1, now=last), [Change(SERVICE, action, cause=FOUND)])

    assert {"resource": "Service/shop", "reason": "Contested", "message": message, "hint": "Stop it"} == (
        problem.model_dump(exclude_defaults=True)
    )
