"""Expensive AppStacks: their computation lets other tasks run, and namespaces take turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from appstack.controller.large_appstacks import LargeAppStacks
from appstack.informers.appstack_store import AppStackStore, StoredAppStack
from appstack.k8s.metadata import Key, Manifest
from appstack.planning.desired import DesiredState, DesiredStateCache, Steps, finish
from appstack.settings import Settings
from bench.worst_cases import WORST_CASES, document

BACKEND = {"image": "shop:1"}
RESULT = DesiredState(None, ())


def stored(manifest: Manifest) -> StoredAppStack:
    """Return the AppStack as the store holds it."""
    appstacks = AppStackStore()
    appstacks.update(manifest)
    found = appstacks.get(Key("team", "shop"))
    assert found is not None
    return found


EXPENSIVE = stored(document({"backend": BACKEND | {"args": ["x" * 20_000]}}))
CHEAP = stored(document({"backend": BACKEND}))


def recorded_steps(record: Callable[[], None], count: int = 3) -> Steps:
    """Return steps that record when each of them is taken."""
    for _ in range(count):
        record()
        yield
    return RESULT


async def test_one_step_is_taken_in_an_iteration_of_the_event_loop() -> None:
    large, iterations = LargeAppStacks(), 0
    taken: list[int] = []

    async def count_iterations() -> None:
        nonlocal iterations
        while True:
            iterations += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_iterations())
    steps = (recorded_steps(lambda: taken.append(iterations)) for _ in range(5))
    results = await asyncio.gather(*(large.compute("team", EXPENSIVE, each) for each in steps))
    counting.cancel()

    assert [RESULT] * 5 == results
    assert 15 == len(taken) == len(set(taken)), taken


async def test_namespaces_are_computed_round_robin() -> None:
    large = LargeAppStacks()
    order: list[str] = []
    namespaces = ["noisy"] * 5 + ["calm"]

    def steps(namespace: str) -> Steps:
        return recorded_steps(lambda: order.append(namespace), 1)

    await asyncio.gather(*(large.compute(name, EXPENSIVE, steps(name)) for name in namespaces))

    assert order.index("calm") <= 2, order


async def test_cheap_appstack_does_not_wait() -> None:
    large = LargeAppStacks()
    order: list[str] = []
    expensive = (recorded_steps(lambda: order.append("expensive")) for _ in range(5))

    await asyncio.gather(
        *(large.compute("noisy", EXPENSIVE, each) for each in expensive),
        large.compute("calm", CHEAP, recorded_steps(lambda: order.append("cheap"))),
    )

    assert ["expensive", "cheap", "cheap", "cheap"] == order[:4]


def test_steps_lead_to_the_state_that_is_computed_at_once() -> None:
    manifest = document(WORST_CASES["inherited_mounts"](100))
    steps = DesiredStateCache(Settings()).steps(manifest, namespace_uid="n", namespace_labels={})

    assert DesiredStateCache(Settings()).get(manifest, namespace_uid="n") == finish(steps)
    counted = sum(1 for _ in DesiredStateCache(Settings()).steps(manifest, namespace_uid="n", namespace_labels={}))
    assert 4 == counted, "parsing, validation, rendering, Pod Security, policy"
