"""Many stacks at once: children first, statuses after; and an operator that is killed in the middle loses nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import CREW, WORKER, namespace
from tests.api.crew import Member, member
from tests.api.harness import CHILDREN, Cluster, Space, eventually

STACKS = 80
KINDS = ("ServiceAccount", "ConfigMap", "Service", "Deployment")
STATUS = "patch appstacks/status 200"


@pytest.fixture
def home(cluster: Cluster, system: Space) -> Iterator[Space]:
    """Give a namespace with many stacks that nobody has looked at yet."""
    with namespace(cluster, f"backlog-{WORKER}-{secrets.token_hex(2)}") as space:
        for number in range(STACKS):
            space.stack(f"shop-{number:03}")
        yield space


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
    eventually(lambda: told(home) == STACKS, within=60)

    words = slow.audit.of(home.name)
    last_child = max(place for place, word in enumerate(words) if word.endswith(" 201"))
    early = words[:last_child].count(STATUS)

    assert STACKS * CHILDREN == sum(word.endswith(" 201") for word in words)
    assert words.count(STATUS) >= STACKS, "and more where a controller was quick to say something of a child"
    assert 0 < early < STACKS / 2, "one worker of many tells meanwhile, as there is but one namespace"


def test_an_operator_that_is_killed_in_a_backlog_loses_nothing(slow: Member, home: Space) -> None:
    slow.operator.start()
    eventually(lambda: len(home.list("Deployment")) > STACKS / 3, within=60)
    slow.operator.kill()
    before = versions(home)
    assert told(home) < STACKS

    slow.operator.start()
    eventually(lambda: told(home) == STACKS, within=60)

    after = versions(home)
    assert before == {which: after[which] for which in before}, "what is applied once more stays as it was"
    assert STACKS * CHILDREN == len(after)


def versions(home: Space) -> dict[tuple[str, str], tuple[str, str]]:
    """Return uid and resourceVersion of every child."""
    found = ((kind, one["metadata"]) for kind in KINDS for one in home.list(kind))
    ours = ((kind, meta) for kind, meta in found if "appstack.dev/stack" in meta.get("labels", {}))
    return {(kind, meta["name"]): (meta["uid"], meta["resourceVersion"]) for kind, meta in ours}
