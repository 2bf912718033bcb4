"""How much each group may hold."""

from __future__ import annotations

import pytest

from appstack.workqueue.fair_share import FairShare


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (64, [32, 16, 8, 4, 2, 1, 1, 0]),
        (32, [16, 8, 4, 2, 1, 1, 0, 0]),
        (3, [2, 1, 0, 0, 0, 0, 0, 0]),
        (1, [1] + [0] * 7),
    ],
)
def test_who_gives_nothing_back_leaves_half_of_the_rest(number: int, expected: list[int]) -> None:
    shares = FairShare(number)
    taken = [0] * 8
    for group in range(8):
        while shares.may(group):
            shares.take(group)
            taken[group] += 1

    assert expected == taken


def test_groups_that_give_back_end_up_with_equal_parts() -> None:
    shares, held = FairShare(32), {"first": 0, "second": 0, "third": 0}
    for group in held:
        while shares.may(group):
            shares.take(group)
            held[group] += 1
    for _ in range(100):
        for group in held:
            shares.give_back(group)
            held[group] -= 1
            for next_one in sorted(held, key=lambda one: held[one]):
                if shares.may(next_one):
                    shares.take(next_one)
                    held[next_one] += 1
                    break

    assert {8} == set(held.values()), "and as many are free"
