"""docs/metrics.md: what the operator counts, as its own registry has it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics import MetricWrapperBase

from appstack.telemetry import metrics

INTRODUCTION = """\
# Metrics

What the operator tells at `/metrics`, in Prometheus' text format. No label names a stack or a namespace: the number of
series does not depend on the number of stacks. What to watch, and when to worry: [operating.md](operating.md).

| metric | type | labels | what |
|---|---|---|---|
"""
PROCESS = """
Beside these, Prometheus' standard metrics of the process: `process_cpu_seconds_total`, `process_resident_memory_bytes`,
`process_open_fds`, `process_start_time_seconds` and their like.
"""


def text(note: str) -> str:
    """Return the whole document."""
    return f"<!-- {note} -->\n\n{INTRODUCTION}{''.join(sorted(_rows()))}{PROCESS}"


def _rows() -> Iterator[str]:
    for each in vars(metrics).values():
        if isinstance(each, MetricWrapperBase | metrics.StackCounts):
            (family,) = each.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in each._labelnames)
            yield f"| `{name}` | {family.type} | {labels} | {family.documentation} |\n"
