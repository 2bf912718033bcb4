"""`make examples-report`: docs/examples.md from the last end-to-end run: what was seen, and in how many seconds.

It is written from a real run and never by hand; a row that did not pass stands there as it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tools.cluster import state

RESULTS = state.CLUSTER / "e2e.xml"
PAGE = state.ROOT / "docs/examples.md"
HEAD = """# The examples, and what was seen of them

Written by `make examples-report` from a run of `make test` on a real cluster; do not edit. Each example is a \
folder of [examples/](../examples/) with the stack, what it becomes and what to look at.

By hand: `make demo` first, then `kubectl apply -n demo -f examples/09-multi-nginx/appstack.yaml`; its operator \
looks at `demo*` and `e2e-*` only. Images under `appstack.dev/` are published nowhere: the demo builds them onto its \
nodes. `make e2e EXAMPLE=multi-nginx` runs one example's tests.
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One statement about an example, and whether it held."""

    module: str
    statement: str
    result: str
    seconds: float


def seen(results: Path) -> Iterator[Seen]:
    """Yield every end-to-end test of a run, from pytest's JUnit file."""
    for case in ElementTree.parse(results).iter("testcase"):
        module = case.get("classname", "").rpartition(".")[2].removeprefix("test_")
        if "tests.e2e" not in case.get("classname", ""):
            continue
        issues = {child.tag for child in case} & {"failure", "error", "skipped"}
        name = re.sub(r"\[(.*)\]$", r": \1", case.get("name", "").removeprefix("test_"))
        result = ", ".join(sorted(issues)) or "passed"
        yield Seen(module, name.replace("_", " "), result, float(case.get("time", "0")))


def page(found: list[Seen]) -> str:
    """Return the page: the examples in their order, each with its statements."""
    folders = sorted(path.name for path in (state.ROOT / "examples").iterdir() if path.is_dir())
    parts = [HEAD]
    for folder in folders:
        module = folder[3:].replace("-", "_")
        rows = [each for each in found if each.module == module]
        total = sum(each.seconds for each in rows)
        parts.append(f"## [{folder}](../examples/{folder}/)\n\n{_rows(rows)}\n\n{total:.0f} s in all.\n")
    return "\n".join(parts)


def _rows(rows: list[Seen]) -> str:
    if not rows:
        return "Not run."
    lines = [f"| {each.statement} | {each.result} | {each.seconds:.1f} |" for each in rows]
    return "\n".join(["| what was seen | result | seconds |", "|---|---|---|", *lines])


def main() -> int:
    """Write the page."""
    if not RESULTS.exists():
        print("there is no run to report: make test writes one", file=sys.stderr)
        return 1
    PAGE.write_text(page(list(seen(RESULTS))), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(state.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
