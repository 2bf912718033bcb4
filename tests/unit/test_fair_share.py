"""Fair shares of a limited pool."""

from __future__ import annotations

import pytest

from appstack.workqueue.fair_share import FairShare


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (64, [32, 16, 8, 4, 2, 1, 1, 0]),
        (32, [16, 8, 4, 2, 1, 1, 0, 0]),
        (3, [2, 1, 0, 0, 0, 0, 0, 0]),
        (1, [1] + [0] * 7),
    ],
)
def test_tenant_that_releases_nothing_leaves_half_of_the_rest(size: int, expected: list[int]) -> None:
    share = FairShare(size)
    held = [0] * 8
    for tenant in range(8):
        while share.may_acquire(tenant):
            share.acquire(tenant)
            held[tenant] += 1

    assert expected == held


def test_tenants_that_release_end_up_with_equal_parts() -> None:
    share, held = FairShare(32), {"first": 0, "second": 0, "third": 0}
    for tenant in held:
        while share.may_acquire(tenant):
            share.acquire(tenant)
            held[tenant] += 1
    for _ in range(100):
        for tenant in held:
            share.release(tenant)
            held[tenant] -= 1
            smallest_first = sorted(held, key=lambda one: held[one])
            acquirer = next((one for one in smallest_first if share.may_acquire(one)), None)
            if acquirer is not None:
                share.acquire(acquirer)
                held[acquirer] += 1

    assert {8} == set(held.values()), "and 8 slots are free"


def test_share_is_idle_when_every_slot_is_released() -> None:
    share = FairShare(2)
    assert share.is_idle()

    share.acquire("a")
    assert not share.is_idle()

    share.release("a")
    assert share.is_idle()
