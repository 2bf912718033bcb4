"""Broken AppStacks on real pods: the first problem names the cause and its field, and ends with its cure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.e2e.broken_stacks import BROKEN, OBJECTS, OTHER_OBJECTS, Broken
from tests.e2e.namespace import Manifest, Namespace, condition_status, name_of

ALL = (*BROKEN, *OTHER_OBJECTS)
SECONDS = 300.0
"""Deadline of a wait: the pods of all AppStacks start at once, and some causes are reported after a minute."""


def by_name(broken: Broken) -> str:
    return broken.name


def first_problem(stack: Manifest) -> Manifest:
    """Return the first problem in the status of an AppStack, or an empty one."""
    problem: Manifest = next(iter(stack.get("status", {}).get("problems", [])), {})
    return problem


def is_explained(stack: Manifest, broken: Broken) -> bool:
    """Return whether the first problem is the expected one."""
    problem = first_problem(stack)
    cause = (problem.get("reason"), problem.get("field", "")) == (broken.reason, broken.field)
    return cause and broken.message in problem["message"] and broken.hint in problem["hint"]


def is_cured(stack: Manifest, _: Broken) -> bool:
    return condition_status(stack, "Ready") == "True" and not stack["status"].get("problems")


def observe(
    namespace: Namespace, expected: Sequence[Broken], condition: Callable[[Manifest, Broken], bool]
) -> dict[str, Manifest]:
    """Return each AppStack at the moment that it fulfils the condition, or its last state at the deadline.

    All of them are read with one request, as there are many.
    """
    waiting = {broken.name: broken for broken in expected}
    observed: dict[str, Manifest] = {}

    def every() -> bool:
        for stack in namespace.list_objects("appstacks"):
            broken = waiting.get(name_of(stack))
            if broken is not None:
                observed[broken.name] = stack
                if condition(stack, broken):
                    del waiting[broken.name]
        return not waiting

    try:
        namespace.wait_for("every AppStack has its expected status", every, SECONDS)
    except AssertionError:
        assert observed, "there are AppStacks"  # each test reports its own AppStack
    return observed


@pytest.fixture(scope="module")
def broken_stacks(namespace: Namespace) -> dict[str, Manifest]:
    """Apply all broken AppStacks at once; return each with its first problem."""
    namespace.apply(*OBJECTS, *(broken.manifest() for broken in ALL))
    return observe(namespace, ALL, is_explained)


@pytest.fixture(scope="module")
def cured_stacks(namespace: Namespace, broken_stacks: dict[str, Manifest]) -> dict[str, Manifest]:
    """Cure the AppStacks that have a cure, all at once; return each when it is Ready."""
    cured = [broken for broken in ALL if broken.cure]
    namespace.apply(*(broken.manifest(cured=True) for broken in cured))
    return observe(namespace, cured, is_cured)


@pytest.mark.parametrize("broken", ALL, ids=by_name)
def test_first_problem_names_the_cause_and_its_field(broken_stacks: dict[str, Manifest], broken: Broken) -> None:
    problem = first_problem(broken_stacks[broken.name])

    assert (problem.get("reason"), problem.get("field", "")) == (broken.reason, broken.field), problem
    assert broken.message in problem["message"]
    assert broken.hint in problem["hint"]


@pytest.mark.parametrize("broken", BROKEN, ids=by_name)
def test_message_of_the_condition_has_the_cause(broken_stacks: dict[str, Manifest], broken: Broken) -> None:
    stack = broken_stacks[broken.name]
    message = next(one["message"] for one in stack["status"]["conditions"] if one["type"] == "Ready")

    assert condition_status(stack, "Ready") == "False"
    assert f"{broken.reason}: " in message


@pytest.mark.parametrize("broken", [broken for broken in ALL if broken.cure], ids=by_name)
def test_cured_stack_is_ready_and_has_no_problem(cured_stacks: dict[str, Manifest], broken: Broken) -> None:
    stack = cured_stacks[broken.name]

    assert is_cured(stack, broken), stack["status"]
