"""Two operators share a cluster by a label of its namespaces, and a namespace moves from one to the other."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.api.conftest import CREW, WORKER, namespace
from tests.api.crew import Member, Sent, member, merged
from tests.api.harness import Cluster, Space, eventually

NAMES = f"shard-{WORKER}-*"
KEY = f"example.org/shard-{secrets.token_hex(3)}"


def label(space: Space, shard: str | None) -> None:
    """Give a namespace to a shard, or to none."""
    change = {"metadata": {"labels": {KEY: shard}}}
    space.cluster.request("PATCH", f"/api/v1/namespaces/{space.name}", change, kind="application/merge-patch+json")


@pytest.fixture
def spaces(cluster: Cluster, system: Space) -> Iterator[dict[str, Space]]:
    """Give a namespace for each shard, and one that is nobody's."""
    with ExitStack() as stack:
        made = {
            which: stack.enter_context(namespace(cluster, f"shard-{WORKER}-{which}-{secrets.token_hex(2)}"))
            for which in ("a", "b", "none")
        }
        label(made["a"], "a")
        label(made["b"], "b")
        yield made


@pytest.fixture
def shards(cluster: Cluster, system: Space, spaces: dict[str, Space], tmp_path: Path) -> Iterator[dict[str, Member]]:
    """Give two operators at work, one for each shard."""
    with ExitStack() as stack:
        made = {}
        for shard, account in zip("ab", CREW, strict=False):
            identity, selector = f"{KEY.rpartition('/')[2]}-{shard}", f"{KEY}={shard}"
            settings = {"identity": identity, "namespaces": [NAMES], "namespaceSelector": selector}
            made[shard] = stack.enter_context(member(cluster, system, account, tmp_path, **settings))
            made[shard].operator.start()
        yield made
        for one in made.values():
            assert 0 == one.operator.stop(), one.operator.words()[-3000:]
            assert "Traceback" not in one.operator.words()


def sent(shards: dict[str, Member], space: Space) -> list[Sent]:
    """Return what was written in a namespace."""
    return [one for one in merged(list(shards.values())) if one.writes and one.namespace == space.name]


def writers(shards: dict[str, Member], space: Space) -> set[str]:
    """Return who has written in a namespace."""
    return {one.account for one in sent(shards, space)}


def test_each_works_in_its_own_namespaces_and_nobody_in_the_rest(
    shards: dict[str, Member], spaces: dict[str, Space]
) -> None:
    for space in spaces.values():
        space.stack()
    spaces["a"].ready()
    spaces["b"].ready()

    for which, one in shards.items():
        assert {one.account} == writers(shards, spaces[which])
    assert set() == writers(shards, spaces["none"])

    label(spaces["none"], "b")

    spaces["none"].ready()
    assert {shards["b"].account} == writers(shards, spaces["none"])


def test_a_namespace_moves_and_nothing_in_it_is_touched(shards: dict[str, Member], spaces: dict[str, Space]) -> None:
    space = spaces["a"]
    space.stack()
    space.ready()
    uid = space.get("Deployment", "shop")["metadata"]["uid"]

    moved = time.time()  # not how much was logged by then: the log may be late with what was sent before
    label(space, "b")
    eventually(lambda: f"Namespace {space.name} is ours no longer" in shards["a"].operator.words())
    space.edit(service={"metadata": {"labels": {"moved": "yes"}}})
    eventually(lambda: "moved" in space.get("Service", "shop")["metadata"]["labels"], within=40)
    space.ready()

    later = [one for one in sent(shards, space) if one.at > moved]
    assert {shards["b"].account} == {one.account for one in later}
    assert {"services", "appstacks"} == {one.resource for one in later}, "the new owner knows what is there"
    assert uid == space.get("Deployment", "shop")["metadata"]["uid"]

    space.delete("Service", "shop")
    eventually(lambda: space.exists("Service", "shop"))
    assert {shards["b"].account} == {one.account for one in sent(shards, space) if one.at > moved}


def test_a_third_that_may_meet_one_of_them_is_refused(
    shards: dict[str, Member], cluster: Cluster, system: Space, tmp_path: Path
) -> None:
    settings = {"namespaces": [NAMES], "namespaceSelector": f"{KEY} in (b,c)"}
    with member(cluster, system, CREW[2], tmp_path, **settings) as third:
        third.operator.launch()

        assert third.operator.wait() > 0
        assert f"Another operator reconciles {NAMES} labelled {KEY}=b" in third.operator.words()
