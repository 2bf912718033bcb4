"""The relist tracker: AppStacks that a list of kopf lacks, and the deferral of AppStacks that need nothing."""

from __future__ import annotations

import pytest

from appstack.k8s.metadata import Key
from appstack.kopf_adapter.relist import DEFERRAL_QUIET_SECONDS, LIST_QUIET_SECONDS, MAX_DEFERRAL_SECONDS, RelistTracker
from tests.unit.clock import ManualClock
from tests.unit.handlers import RecordingObjectHandler

SHOP, OTHER = Key("team", "shop"), Key("team", "other")


class Lists:
    """Two known AppStacks, and a tracker that is notified of kopf's lists."""

    def __init__(self, clock: ManualClock) -> None:
        self.handler, self.resumed = RecordingObjectHandler(), list[Key]()
        self.tracker = RelistTracker(
            clock, known=lambda: [SHOP, OTHER], handler=self.handler, resume=self.resumed.append
        )

    @property
    def stale(self) -> list[frozenset[Key]]:
        """The AppStacks that were marked as stale, by call."""
        return self.handler.stale

    def start(self, *keys: Key) -> None:
        """Let kopf list, and hand out the AppStacks of the first page."""
        self.tracker.list_started()
        self.hand_out(*keys)

    def hand_out(self, *keys: Key) -> None:
        """Hand out listed AppStacks."""
        for key in keys:
            self.tracker.on_event(key, listed=True)

    def complete(self) -> None:
        """Let kopf open the watch that follows the last page."""
        self.tracker.list_completed()


@pytest.fixture
def lists(clock: ManualClock) -> Lists:
    """Return a tracker before the first list."""
    return Lists(clock)


def test_appstack_that_is_missing_from_a_list_is_stale(lists: Lists, clock: ManualClock) -> None:
    lists.tracker.on_event(OTHER, listed=False)
    lists.start()
    lists.complete()
    clock.advance(LIST_QUIET_SECONDS - 1)
    lists.hand_out(SHOP)  # late: kopf hands out a list after it has opened the watch
    clock.advance(LIST_QUIET_SECONDS - 1)
    assert [] == lists.stale

    clock.advance(1)

    assert [{OTHER}] == lists.stale


def test_every_appstack_is_stale_after_an_empty_list(lists: Lists, clock: ManualClock) -> None:
    lists.start()
    lists.complete()
    clock.advance(LIST_QUIET_SECONDS)

    assert [{SHOP, OTHER}] == lists.stale


def test_appstack_with_a_watch_event_during_the_list_exists(lists: Lists, clock: ManualClock) -> None:
    lists.start(SHOP)
    lists.tracker.on_event(OTHER, listed=False)
    lists.complete()
    clock.advance(LIST_QUIET_SECONDS)

    assert [] == lists.stale


def test_list_is_not_complete_before_its_last_page(lists: Lists, clock: ManualClock) -> None:
    lists.start(SHOP)
    clock.advance(10 * LIST_QUIET_SECONDS)  # kopf repeats the request for a page until it has it
    lists.hand_out(OTHER)
    clock.advance(2 * LIST_QUIET_SECONDS)
    lists.complete()
    clock.advance(LIST_QUIET_SECONDS)

    assert [] == lists.stale


def test_new_list_replaces_the_former_one(lists: Lists, clock: ManualClock) -> None:
    lists.start(SHOP)
    lists.complete()
    clock.advance(LIST_QUIET_SECONDS - 1)
    lists.start(OTHER)
    clock.advance(2 * LIST_QUIET_SECONDS)
    assert [] == lists.stale, "the former list no longer counts"

    lists.complete()
    clock.advance(LIST_QUIET_SECONDS)

    assert [{SHOP}] == lists.stale


def test_watch_without_a_list_marks_nothing_as_stale(lists: Lists, clock: ManualClock) -> None:
    lists.start(SHOP, OTHER)
    for _ in range(3):  # the first ones while the list is handed out
        lists.complete()
        clock.advance(LIST_QUIET_SECONDS - 1)
    lists.tracker.on_event(SHOP, listed=False)
    clock.advance(2 * LIST_QUIET_SECONDS)

    assert [] == lists.stale


def test_only_the_first_list_counts_as_being_handed_out(lists: Lists, clock: ManualClock) -> None:
    assert not lists.tracker.is_delivering
    lists.start()
    lists.complete()
    lists.hand_out(SHOP)
    assert lists.tracker.is_delivering

    clock.advance(DEFERRAL_QUIET_SECONDS)
    assert not lists.tracker.is_delivering

    clock.advance(LIST_QUIET_SECONDS)
    lists.start(SHOP)
    assert not lists.tracker.is_delivering, "the caches have these AppStacks already"


def test_deferred_appstacks_resume_in_order_after_the_list_is_handed_out(lists: Lists, clock: ManualClock) -> None:
    lists.hand_out(SHOP)
    lists.tracker.defer(SHOP)
    for _ in range(5):
        clock.advance(0.75 * DEFERRAL_QUIET_SECONDS)
        lists.hand_out(OTHER)
        lists.tracker.defer(OTHER)
    assert [] == lists.resumed
    assert 2 == len(lists.tracker)

    clock.advance(DEFERRAL_QUIET_SECONDS)
    assert [SHOP, OTHER] == lists.resumed
    assert 0 == len(lists.tracker)


def test_appstack_that_is_deferred_without_a_list_resumes_soon(lists: Lists, clock: ManualClock) -> None:
    lists.tracker.defer(SHOP)  # as a standby that becomes the leader does
    clock.advance(DEFERRAL_QUIET_SECONDS)

    assert [SHOP] == lists.resumed


def test_deferred_appstack_waits_for_pages_that_are_still_to_come(lists: Lists, clock: ManualClock) -> None:
    lists.start(SHOP)
    lists.tracker.defer(SHOP)
    clock.advance(10 * DEFERRAL_QUIET_SECONDS)
    lists.hand_out(OTHER)
    clock.advance(10 * DEFERRAL_QUIET_SECONDS)
    assert [] == lists.resumed

    lists.complete()
    clock.advance(DEFERRAL_QUIET_SECONDS)
    assert [SHOP] == lists.resumed


def test_deferral_ends_although_a_page_is_missing(lists: Lists, clock: ManualClock) -> None:
    lists.start(SHOP)
    lists.tracker.defer(SHOP)
    lists.tracker.defer(OTHER)
    clock.advance(MAX_DEFERRAL_SECONDS - 1)
    assert [] == lists.resumed

    clock.advance(1)
    assert [SHOP, OTHER] == lists.resumed


def test_deferral_ends_although_lists_follow_each_other(lists: Lists, clock: ManualClock) -> None:
    lists.tracker.defer(SHOP)
    while not lists.resumed and clock.now < 10 * MAX_DEFERRAL_SECONDS:
        lists.start(OTHER)
        lists.complete()
        clock.advance(DEFERRAL_QUIET_SECONDS / 2)

    assert [SHOP] == lists.resumed
    assert MAX_DEFERRAL_SECONDS == pytest.approx(clock.now, abs=DEFERRAL_QUIET_SECONDS)
