"""Generator of docs/metrics.md: the metrics of the operator's Prometheus registry."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics import MetricWrapperBase

from appstack.telemetry import metrics

INTRODUCTION = """\
# Metrics

The operator serves these metrics at `/metrics` in the Prometheus text format. No label names an AppStack or a
namespace, so the number of series does not depend on the number of AppStacks. [operating.md](operating.md) describes
alerts.

| metric | type | labels | description |
|---|---|---|---|
"""
PROCESS_METRICS = """
Prometheus' standard process metrics are served as well: `process_cpu_seconds_total`, `process_resident_memory_bytes`,
`process_open_fds`, `process_start_time_seconds` and others.
"""


def text(note: str) -> str:
    """Return the complete document; `note` names the command that generates it."""
    return f"<!-- {note} -->\n\n{INTRODUCTION}{''.join(sorted(_rows()))}{PROCESS_METRICS}"


def _rows() -> Iterator[str]:
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase | metrics.AppStackCollector | metrics.ViolationCollector):
            (family,) = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)
            yield f"| `{name}` | {family.type} | {labels} | {family.documentation} |\n"
