"""The cost of a spec: work grows in proportion to its size, in every dimension in which a spec can grow.

Work is the number of executed lines and of characters of the issues, which does not depend on the speed of the
machine. `python -m bench.spec_cost` measures the time.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest
from pydantic_core import to_json

from appstack.api import parse
from appstack.api.size import MAX_SPEC_VALUES
from appstack.errors import MAX_ISSUES_PER_KIND, InvalidSpec, Severity
from appstack.planning.desired import DesiredStateCache
from appstack.render.nginx_text import parse_result
from appstack.settings import Settings
from appstack.validation import CHECKS, validate
from bench.admission import violations
from bench.filled_fields import filled_fields
from bench.worst_cases import WORST_CASES, Spec, document, largest

MAX_GROWTH = 2.5  # of the work when the input doubles
MAX_WORK = 1_200_000  # of a spec half as large as the largest; 100 ms are about 5,000,000 lines of Python
MAX_ISSUE_CHARACTERS = 1_000_000

LARGEST = {name: largest(generator) for name, generator in WORST_CASES.items()}


def work(spec: Spec, settings: Settings | None = None) -> int:
    """Return the number of lines that are executed to compute the desired state, and of characters of its issues."""
    lines = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    parse_result.cache_clear()
    desired_states, manifest, previous = DesiredStateCache(settings or Settings()), document(spec), sys.gettrace()
    sys.settrace(trace)
    try:
        desired = desired_states.get(manifest, namespace_uid="n")
    finally:
        sys.settrace(previous)
    return lines + sum(len(str(issue)) for issue in desired.issues)


@pytest.mark.parametrize("case", WORST_CASES)
def test_work_grows_in_proportion_to_the_spec(case: str) -> None:
    half, quarter = (WORST_CASES[case](max(1, LARGEST[case] // part)) for part in (2, 4))
    growth_of_size = len(to_json(half)) / len(to_json(quarter))  # a nested path doubles in number and in length

    work_of_half = work(half)

    assert work_of_half < max(MAX_GROWTH, MAX_GROWTH / 2 * growth_of_size) * work(quarter)
    assert work_of_half < MAX_WORK, "the work per byte is too large, for example in each of 64 containers"


@pytest.mark.parametrize("case", WORST_CASES)
def test_worst_case_is_admitted_and_its_issues_are_bounded(case: str) -> None:
    manifest = document(WORST_CASES[case](LARGEST[case]))
    issues = validate(parse(manifest), Settings())

    assert [] == list(violations(manifest))
    assert len(issues) <= len(CHECKS) * len(Severity) * (MAX_ISSUES_PER_KIND + 1)
    assert sum(len(str(issue)) for issue in issues) < MAX_ISSUE_CHARACTERS


def test_spec_with_too_many_bytes_is_refused() -> None:
    with pytest.raises(InvalidSpec, match=r"spec: has \d+ bytes without file contents and nginx"):
        parse(document(WORST_CASES["deep_mounts"](2 * LARGEST["deep_mounts"])))


def test_spec_with_too_many_values_is_refused() -> None:
    tolerations: list[Spec] = [{} for _ in range(MAX_SPEC_VALUES)]
    with pytest.raises(InvalidSpec, match="spec: has more than 10000 values, the maximum"):
        parse(document({"backend": {"image": "a"}, "pod": {"tolerations": tolerations}}))


def test_circular_spec_is_refused() -> None:
    spec: Spec = {"backend": {"image": "a"}}
    spec["pod"] = spec
    with pytest.raises(InvalidSpec, match="spec: has more than 10000 values"):
        parse(document(spec))


def test_every_list_map_and_string_of_the_schema_is_parsed_as_admitted() -> None:
    manifests = {path: document(generator(1)) for path, generator in filled_fields().items()}

    assert len(manifests) > 800
    assert [] == [path for path, manifest in manifests.items() if list(violations(manifest))]
    assert [] == [path for path, manifest in manifests.items() if not _is_parsed(manifest)]


def _is_parsed(manifest: dict[str, Any]) -> bool:
    try:
        parse(manifest)
    except InvalidSpec:
        return False
    return True
