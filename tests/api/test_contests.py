"""Two actors fight for a child: the operator's writes stay few, status tells, and an edit always comes through."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import urllib3

from tests.api.harness import JSON_PATCH, Audit, Cluster, Failure, Operator, Space, eventually

SELECTOR = "/spec/selector/appstack.dev~1stack"
REPAIRS = 8 + 5  # at once, and after 1, 2, 4, 8 and 16 s: a fight of half a minute


def _change(space: Space) -> None:
    space.patch("Service", "shop", [{"op": "replace", "path": SELECTOR, "value": "other"}], how=JSON_PATCH)


def _delete(space: Space) -> None:
    space.delete("Service", "shop")


def _right(space: Space) -> bool:
    return bool(space.get("Service", "shop")["spec"]["selector"]["appstack.dev/stack"] == "shop")


@contextmanager
def fighting(space: Space, act: Callable[[Space], None]) -> Iterator[None]:
    """Do it again as soon as the Service is right, for as long as the block lasts."""
    over, other = threading.Event(), Space(Cluster(), space.name)

    def fight() -> None:
        while not over.wait(0.02):
            try:
                if _right(other):
                    act(other)
            except Failure as error:
                # it is not there at the moment, or the API server is too busy
                assert error.status in (404, 409) or error.status >= 500  # noqa: PT017
            except urllib3.exceptions.HTTPError:
                pass  # the same

    fighter = threading.Thread(target=fight)
    fighter.start()
    try:
        yield
    finally:
        over.set()
        fighter.join()
        other.cluster.close()


def _contested(space: Space) -> str:
    """Return what status tells of the fight while the Service is wrong."""
    assert space.condition("Reconciling")["reason"] == "Contested"
    (problem,) = space.status()["problems"]
    assert ("Service/shop", "Contested") == (problem["resource"], problem["reason"])
    return str(problem["message"])


@pytest.mark.parametrize(
    ("act", "repair", "told"),
    [
        (_change, "patch services 200", "Service shop was changed by somebody (spec.selector)"),
        (_delete, "patch services 201", "Service shop was deleted, or lost the label appstack.dev/stack"),
    ],
    ids=["changed", "deleted"],
)
def test_a_fight_costs_little_and_is_told_and_once_it_is_over_all_is_well(
    space: Space, audit: Audit, operator: Operator, act: Callable[[Space], None], repair: str, told: str
) -> None:
    space.stack()
    space.ready()
    before = len(audit.of(space.name))

    with fighting(space, act):
        message = eventually(lambda: _contested(space), within=15)
        eventually(lambda: "11 times" in space.status()["problems"][0]["message"], within=15)
    eventually(lambda: _right(space), within=20)
    eventually(lambda: space.condition("Ready"))

    assert message.startswith(told)
    assert " times within " in message
    assert "tried again at " in message
    words = audit.of(space.name)[before:]
    assert 11 <= words.count(repair) <= REPAIRS
    assert words.count("patch appstacks/status 200") <= 2 * REPAIRS
    (event,) = [one for one in space.list("Event") if one["reason"] == "Contested"]
    assert "Warning" == event["type"]


def test_an_edit_is_carried_out_at_once_in_the_middle_of_a_fight(space: Space, operator: Operator) -> None:
    space.stack()
    space.ready()

    with fighting(space, _change):
        eventually(lambda: "11 times" in _contested(space), within=20)
        assert not _right(space)
        space.edit(service={"metadata": {"annotations": {"a": "b"}}})
        eventually(
            lambda: space.get("Service", "shop")["metadata"]["annotations"]["a"] == "b", within=5
        )  # it rests for eight
