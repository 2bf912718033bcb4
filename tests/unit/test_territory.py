"""Which namespaces are a shard's, as their labels come and go."""

from __future__ import annotations

from collections.abc import Callable

from appstack.client.resource_kinds import WATCHED, ResourceRole
from appstack.controller.namespace_filter import HAND_OVER, NamespaceFilter
from appstack.informers.object_store import ObjectStore
from appstack.k8s.metadata import Manifest
from appstack.settings import Settings

NAMESPACES = next(kind for kind in WATCHED if kind.role is ResourceRole.NAMESPACE)


class Later:
    """A call that a test makes when it wants."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.cancelled = at, call, False

    def cancel(self) -> None:
        self.cancelled = True

    def when(self) -> float:
        return self.at


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.calls: list[Later] = []

    def time(self) -> float:
        return 0.0

    def call_at(self, when: float, callback: Callable[[], None]) -> Later:
        self.calls.append(Later(when, callback))
        return self.calls[-1]


def territory(clock: Clock, moved: list[str]) -> NamespaceFilter:
    made = NamespaceFilter(Settings(namespace_selector="shard=a"), clock)
    made.follow(entered=lambda name: moved.append(f"+{name}"), left=lambda name: moved.append(f"-{name}"))
    return made


def labelled(shard: str) -> Manifest:
    return {"metadata": {"name": "team", "labels": {"shard": shard}}}


def test_a_new_namespace_is_ours_at_once() -> None:
    moved: list[str] = []
    ours = territory(Clock(), moved)

    ours.show(labelled("a"))

    assert ours.owns("team")
    assert [] == moved, "nothing of it was passed over"


def test_one_that_was_anothers_is_ours_after_a_while() -> None:
    clock, moved = Clock(), list[str]()
    ours = territory(clock, moved)
    ours.show(labelled("b"))
    ours.show(labelled("a"))

    assert not ours.owns("team")
    (later,) = clock.calls
    assert HAND_OVER == later.at
    later.call()
    assert ours.owns("team")
    assert ["+team"] == moved


def test_one_that_goes_back_in_that_while_never_becomes_ours() -> None:
    clock = Clock()
    ours = territory(clock, [])
    for shard in ("b", "a", "b"):
        ours.show(labelled(shard))

    assert clock.calls[0].cancelled
    assert not ours.owns("team")


def test_one_that_leaves_is_let_go_at_once() -> None:
    moved: list[str] = []
    ours = territory(Clock(), moved)
    ours.show(labelled("a"))
    ours.show(labelled("b"))

    assert not ours.owns("team")
    assert ["-team"] == moved


def test_one_that_is_deleted_is_forgotten() -> None:
    clock, moved = Clock(), list[str]()
    ours = territory(clock, moved)
    cache = ObjectStore(accepts=ours.owns, labelled=ours.show, vanished=ours.gone)
    team = {"metadata": labelled("a")["metadata"] | {"uid": "1", "resourceVersion": "1"}}

    cache.show(NAMESPACES, team)
    cache.gone(NAMESPACES, team)
    cache.show(NAMESPACES, team)
    assert ours.owns("team"), "it is new"
    cache.listed(NAMESPACES, [], 2)

    assert not ours.owns("team")
    assert ["-team", "-team"] == moved
    assert [] == clock.calls


def test_something_that_came_before_its_namespace_is_found_later() -> None:
    clock, moved = Clock(), list[str]()
    ours = territory(clock, moved)

    assert not ours.owns("team"), "nobody knows yet"
    ours.show(labelled("a"))
    clock.calls[0].call()

    assert ["+team"] == moved
