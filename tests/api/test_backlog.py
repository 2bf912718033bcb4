"""Many stacks at once: children first, statuses after; and an operator that is killed in the middle loses nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import CREW, WORKER, namespace
from tests.api.crew import Member, Sent, member
from tests.api.harness import CHILDREN, Cluster, Space, eventually

STACKS = 80
TRIES = 3  # to kill it in the middle: a busy machine may see the middle when it is over
PUT_OFF = 9.0  # seconds; who is untold for more than ten is told by whichever worker has the next look at it
KINDS = ("ServiceAccount", "ConfigMap", "Service", "Deployment")


@pytest.fixture
def home(cluster: Cluster, system: Space) -> Iterator[Space]:
    """Give a namespace with many stacks that nobody has looked at yet."""
    with namespace(cluster, f"backlog-{WORKER}-{secrets.token_hex(2)}") as space:
        fill(space, "shop")
        yield space


def fill(home: Space, name: str) -> None:
    """Make many stacks."""
    for number in range(STACKS):
        home.stack(f"{name}-{number:03}")


@pytest.fixture
def slow(cluster: Cluster, system: Space, home: Space, tmp_path: Path) -> Iterator[Member]:
    """Give an operator with fewer workers than there are stacks, not started."""
    settings = {"identity": f"backlog-{secrets.token_hex(3)}", "namespaces": [home.name], "workers": 16}
    with member(cluster, system, CREW[0], tmp_path, **settings) as one:
        yield one


def told(home: Space) -> int:
    """Return how many stacks say that all is applied."""
    statuses = (one.get("status") or {} for one in home.list("AppStack"))
    return sum(len(status.get("resources", ())) == CHILDREN for status in statuses)


def test_children_come_first_and_statuses_after(slow: Member, home: Space) -> None:
    slow.operator.start()
    eventually(lambda: told(home) == STACKS, within=120)

    sent = [one for one in slow.sent() if one.namespace == home.name and one.writes]
    made = [one for one in sent if one.code == 201 and one.subresource == ""]
    statuses = [one for one in sent if one.subresource == "status"]
    looked = {one.name: one.at for one in made if one.resource == "serviceaccounts"}  # each first look begins with one
    early = [one for one in statuses if one.at < max(looked.values())]
    in_turn = [one for one in early if one.at < looked[one.name] + PUT_OFF]

    assert STACKS * CHILDREN == len([one for one in made if one.resource != "events"])
    assert len(statuses) >= STACKS, "and more where a controller was quick to say something of a child"
    assert in_turn, "who waits for a look keeps nobody from being told of for ever"
    assert most_at_once(in_turn) <= 2, "one worker of 16 tells meanwhile, as there is but one namespace"
    assert most_at_once(made) > 2


def test_an_operator_that_is_killed_in_a_backlog_loses_nothing(slow: Member, home: Space) -> None:
    stacks = STACKS
    while not killed_in_time(slow, home, stacks):
        assert stacks < TRIES * STACKS, "it was never killed before it was done"
        fill(home, f"more-{stacks}")
        stacks += STACKS
    before = versions(home)

    slow.operator.start()
    eventually(lambda: told(home) == stacks, within=120)

    after = versions(home)
    assert before == {which: after[which] for which in before}, "what is applied once more stays as it was"
    assert stacks * CHILDREN == len(after)


def killed_in_time(slow: Member, home: Space, stacks: int) -> bool:
    """Start it and kill it in the middle of the newest stacks; tell whether some were left to be told of."""
    slow.operator.start()
    eventually(lambda: len(home.list("Deployment")) > stacks - STACKS * 2 / 3)
    slow.operator.kill()
    return told(home) < stacks


def most_at_once(sent: list[Sent]) -> int:
    """Return the most requests that the API server had in hand at the same time."""
    return max(sum(one.at <= other.at <= one.ended for other in sent) for one in sent)


def versions(home: Space) -> dict[tuple[str, str], tuple[str, str]]:
    """Return uid and version of every child: of a Deployment the generation, as its controller writes its status."""
    found = ((kind, one["metadata"]) for kind in KINDS for one in home.list(kind))
    ours = ((kind, meta) for kind, meta in found if "appstack.dev/stack" in meta.get("labels", {}))
    return {
        (kind, meta["name"]): (meta["uid"], str(meta.get("generation") or meta["resourceVersion"]))
        for kind, meta in ours
    }
