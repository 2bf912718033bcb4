"""The namespace filter of a shard, while labels move namespaces between shards."""

from __future__ import annotations

import pytest

from appstack.client.resource_kinds import WATCHED_KINDS, ResourceRole
from appstack.controller.namespace_filter import TAKEOVER_DELAY_SECONDS, LabelledNamespaceFilter
from appstack.informers.object_store import ObjectStore
from appstack.k8s.metadata import Manifest
from appstack.settings import Settings
from tests.unit.clock import ManualClock
from tests.unit.handlers import RecordingNamespaceHandler

NAMESPACES = next(kind for kind in WATCHED_KINDS if kind.role is ResourceRole.NAMESPACE)


class Shard:
    """The filter of shard `a`, and the calls of its handler."""

    def __init__(self, clock: ManualClock) -> None:
        self.handler = RecordingNamespaceHandler()
        self.filter = LabelledNamespaceFilter(Settings(namespace_selector="shard=a"), clock, self.handler)

    @property
    def calls(self) -> list[str]:
        """The calls of the handler so far."""
        return self.handler.calls


@pytest.fixture
def shard(clock: ManualClock) -> Shard:
    """Return a shard that knows no namespace yet."""
    return Shard(clock)


def labelled(shard: str) -> Manifest:
    """Return a namespace with the label of a shard."""
    return {"metadata": {"name": "team", "uid": "1", "resourceVersion": "1", "labels": {"shard": shard}}}


def test_new_namespace_is_selected_at_once(shard: Shard) -> None:
    shard.filter.update(labelled("a"))

    assert shard.filter.selects("team")
    assert [] == shard.calls, "none of its objects was ignored before"


def test_namespace_of_another_shard_is_taken_over_after_a_delay(shard: Shard, clock: ManualClock) -> None:
    shard.filter.update(labelled("b"))
    shard.filter.update(labelled("a"))
    clock.advance(TAKEOVER_DELAY_SECONDS - 0.1)
    assert not shard.filter.selects("team")

    clock.advance(0.1)

    assert shard.filter.selects("team")
    assert ["added team"] == shard.calls


def test_namespace_that_is_relabelled_back_during_the_delay_is_not_taken_over(shard: Shard, clock: ManualClock) -> None:
    for name in ("b", "a", "b"):
        shard.filter.update(labelled(name))

    clock.advance(TAKEOVER_DELAY_SECONDS)

    assert not shard.filter.selects("team")
    assert [] == shard.calls


def test_namespace_that_is_relabelled_for_another_shard_is_released_at_once(shard: Shard) -> None:
    shard.filter.update(labelled("a"))
    shard.filter.update(labelled("b"))

    assert not shard.filter.selects("team")
    assert ["removed team"] == shard.calls


def test_deleted_namespace_is_released_and_a_later_one_of_its_name_is_new(shard: Shard, clock: ManualClock) -> None:
    objects = ObjectStore(shard.filter)

    objects.update(NAMESPACES, labelled("a"))
    objects.delete(NAMESPACES, labelled("a"))
    objects.update(NAMESPACES, labelled("a"))
    assert shard.filter.selects("team")
    objects.complete_list(NAMESPACES, [], 2)

    assert not shard.filter.selects("team")
    assert ["removed team"] * 2 == shard.calls
    assert clock.next_timer() is None


def test_namespace_that_is_asked_for_before_its_labels_are_known_is_taken_over_later(
    shard: Shard, clock: ManualClock
) -> None:
    assert not shard.filter.selects("team")
    shard.filter.update(labelled("a"))

    clock.advance(TAKEOVER_DELAY_SECONDS)

    assert ["added team"] == shard.calls


def test_excluded_namespace_is_never_selected(clock: ManualClock) -> None:
    settings = Settings(namespace_selector="shard=a", exclude_namespaces=("team",))
    excluding = LabelledNamespaceFilter(settings, clock, RecordingNamespaceHandler())
    excluding.update(labelled("a"))

    assert not excluding.selects("team")
