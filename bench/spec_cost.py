"""`python -m bench.spec_cost`: CPU time of the most expensive specs that the API server accepts."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydantic_core import to_json

from appstack.api import parse
from appstack.planning.desired import DesiredStateCache
from appstack.render import render
from appstack.settings import Settings
from appstack.validation import validate
from bench.filled_fields import filled_fields
from bench.worst_cases import WORST_CASES, Generator, document, largest

MAX_MILLISECONDS: Final = 100.0
"""Maximum CPU time of parsing, validation and rendering together: other AppStacks wait meanwhile."""
_REPETITIONS: Final = 3
_SETTINGS: Final = Settings()


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time of one spec in milliseconds, the least of several repetitions."""

    n: int
    spec_bytes: int  # with the contents of files and nginx.conf
    parse: float
    validate: float
    render: float  # also of an invalid spec, which the operator does not render
    total: float  # of the desired state as the operator computes it
    issues: int


def measure(generator: Generator) -> Cost:
    """Return the cost of the largest spec of a generator."""
    n = largest(generator)
    manifest = document(generator(n))
    stack = parse(manifest)
    return Cost(
        n=n,
        spec_bytes=len(to_json(manifest["spec"])),
        parse=_milliseconds(lambda: parse(manifest)),
        validate=_milliseconds(lambda: validate(stack, _SETTINGS)),
        render=_milliseconds(lambda: render(stack, settings=_SETTINGS)),
        total=_milliseconds(lambda: DesiredStateCache(_SETTINGS).get(manifest, namespace_uid="n")),
        issues=len(validate(stack, _SETTINGS)),
    )


def _milliseconds(function: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPETITIONS):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times) * 1000


def main() -> int:
    """Print a table; return 1 if a spec takes more than the maximum."""
    parser = argparse.ArgumentParser(prog="python -m bench.spec_cost", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"default: all of {', '.join(WORST_CASES)}")
    parser.add_argument("--fields", action="store_true", help="fill each field of the CRD instead; takes a minute")
    args = parser.parse_args()
    generators = filled_fields() if args.fields else WORST_CASES
    cases = args.cases or list(generators)
    if unknown := set(cases) - generators.keys():
        parser.error(f"unknown cases: {', '.join(sorted(unknown))}")
    print("CPU time in ms\n")
    width = max(map(len, cases)) + 2
    print(f"{'case':{width}}{'n':>8}{'bytes':>9}{'parse':>8}{'validate':>10}{'render':>8}{'total':>8}{'issues':>8}")
    exceeded = []
    for case in cases:
        cost = measure(generators[case])
        times = f"{cost.parse:8.1f}{cost.validate:10.1f}{cost.render:8.1f}{cost.total:8.1f}"
        print(f"{case:{width}}{cost.n:8}{cost.spec_bytes:9}{times}{cost.issues:8}", flush=True)
        if cost.total > MAX_MILLISECONDS:
            exceeded.append(case)
    print(f"\nMore than {MAX_MILLISECONDS:.0f} ms: {', '.join(exceeded) or 'none'}")
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
