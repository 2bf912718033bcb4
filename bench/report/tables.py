"""Tables in Markdown, for the terminal and for docs/performance/README.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bench.cost import SYSTEM
from bench.report.findings import Findings, Metric, cost, latency, number, seconds
from bench.report.key_figures import APPSTACK, LISTED_WITH_OBJECTS, PAGE_SIZE, list_counts, page_count
from bench.stats import Spread
from bench.suites.figures import CALM, CLIENT_WRITES, DELETED, READY_DELAY, RECONCILED, Figures

RATES: Final = (5, 20, 50)
QUANTILES: Final[tuple[Literal["p50", "p95", "p99"], ...]] = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Column:
    """A metric of each system, and its ratio to the same metric of each system in `beside`."""

    title: str
    metric: Metric
    beside: tuple[str, ...] = ()


def markdown(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns, the first to the left and the others to the right."""
    lines = [list(header), *(list(row) for row in body)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(padded)} |"

    rule = [f"{'-' * widths[0]}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    return "\n".join([line(lines[0]), line(rule), *(line(one) for one in lines[1:])]) + "\n"


def format_number(value: float) -> str:
    """Return a number with about three significant digits."""
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def format_spread(spread: Spread | None) -> str:
    """Return a median and, if the rounds differ, minimum and maximum."""
    if spread is None:
        return "-"
    low, middle, high = (format_number(one) for one in (spread.low, spread.median, spread.high))
    return middle if low == high else f"{middle} ({low}..{high})"


def compare(findings: Findings, suite: str, n: int, columns: Sequence[Column]) -> str:
    """Return a table of a suite with a row for each system."""
    header = ["system"]
    for column in columns:
        header += [column.title, *(f"÷ {other}" for other in column.beside)]
    body = []
    for name in findings.systems(suite, n):
        cells = [name]
        for column in columns:
            cells.append(format_spread(findings.spread(suite, name, n, column.metric)))
            cells += [
                format_spread(findings.ratio(suite, n, column.metric, of=name, to=other)) for other in column.beside
            ]
        body.append(cells)
    return markdown(header, body)


def per(n: int, metric: Metric) -> Metric:
    """Return the metric divided by N."""

    def divided(figures: Figures) -> float | None:
        value = metric(figures)
        return None if value is None else value / n

    return divided


def cpu(process: str) -> Metric:
    """Return the metric of a process's CPU seconds."""
    return cost(lambda one: one.cpu_seconds[process])


def memory(process: str) -> Metric:
    """Return the metric of a process's peak resident memory in MiB."""
    return cost(lambda one: one.peak_rss_mib[process])


WRITES, READS = cost(lambda one: one.writes), cost(lambda one: one.reads)


def _costs(n: int) -> list[Column]:
    return [
        Column("writes per stack", per(n, WRITES)),
        Column("reads", READS),
        Column("CPU s", cpu(SYSTEM), (APPSTACK,)),
        Column("API server CPU s", cpu("kube-apiserver")),
        Column("etcd CPU s", cpu("etcd")),
        Column("peak MiB", memory(SYSTEM)),
        Column("sockets", cost(lambda one: one.sockets)),
        Column("watch events", cost(lambda one: one.watch_events)),
        Column("reconciles", cost(lambda one: one.counters.get("reconciles"))),
    ]


def _backlog(_: int) -> list[Column]:
    return [
        Column("last child s", seconds("last child"), ("bare", APPSTACK)),
        Column("last status s", seconds("last status"), ("bare-status", APPSTACK)),
        Column("start s", seconds("start")),
    ]


def _edit(n: int) -> list[Column]:
    return [
        Column("last child s", seconds("last child")),
        Column("last status s", seconds("last status"), ("bare-status",)),
        Column("client's writes s", seconds(CLIENT_WRITES)),
        Column("status p50 ms", latency("status", "p50")),
        Column("p99 ms", latency("status", "p99")),
        Column("writes per stack", per(n, WRITES)),
        Column("reads", READS),
        Column("CPU s", cpu(SYSTEM)),
    ]


def _drift(_: int) -> list[Column]:
    return [
        Column("one by one p50 ms", latency("one by one", "p50")),
        Column("p99 ms", latency("one by one", "p99")),
        Column("storm s", seconds("storm")),
        Column("storm p50 ms", latency("storm", "p50")),
        Column("storm p99 ms", latency("storm", "p99")),
        Column("changed", number("changed")),
        Column("repaired", number("repaired")),
        Column("writes", WRITES),
        Column("reads", READS),
    ]


def _restart(_: int) -> list[Column]:
    return [
        Column("ready s", seconds("ready")),
        Column("all reconciled s", seconds(RECONCILED)),
        Column("writes", WRITES),
        Column("reads", READS),
        Column("CPU s", cpu(SYSTEM)),
        Column("peak MiB", memory(SYSTEM)),
    ]


def _idle(_: int) -> list[Column]:
    return [
        Column("seconds", cost(lambda one: one.seconds)),
        Column("writes", WRITES),
        Column("reads", READS),
        Column("CPU s", cpu(SYSTEM)),
        Column("peak MiB", memory(SYSTEM)),
    ]


def _delete(n: int) -> list[Column]:
    return [
        Column("last child deleted s", seconds(DELETED), ("bare-status",)),
        Column("writes per stack", per(n, WRITES)),
        Column("reads", READS),
        Column("CPU s", cpu(SYSTEM)),
    ]


def _noisy(_: int) -> list[Column]:
    return [
        Column("p50 without noise ms", latency(f"status {CALM}", "p50")),
        Column("p99 without noise ms", latency(f"status {CALM}", "p99")),
        Column("p50 beside noise ms", latency("status beside noise", "p50")),
        Column("p99 beside noise ms", latency("status beside noise", "p99")),
        Column("p99 ratio", number("p99 ratio")),
        Column("edits", number("edits")),
        Column("writes", WRITES),
    ]


def streams(findings: Findings) -> str:
    """Return the table of streams: a row for each system and rate, with latencies from the client's write on."""
    header = ["system", "rate", *(f"{what} {q} ms" for what in ("child", "status") for q in QUANTILES)]
    body = []
    for name in findings.systems("streams", 0):
        for rate in RATES:
            metrics = [latency(f"{what} at {rate}/s", q) for what in ("child", "status") for q in QUANTILES]
            spreads = [findings.spread("streams", name, 0, metric) for metric in metrics]
            if any(spreads):
                body.append([name, f"{rate}/s", *(format_spread(spread) for spread in spreads)])
    return markdown(header, body)


def callbacks(findings: Findings) -> str:
    """Return the table of slow callbacks, a row for each N and phase, and the list of the longest callbacks."""
    names = ("longest ms", "over 10 ms", "over 50 ms", "over 100 ms", "collections", "longest collection ms")
    body, lines = [], []
    for n in findings.sizes("callbacks"):
        for phase, note in findings.notes("callbacks", APPSTACK, n).items():
            spreads = [findings.spread("callbacks", APPSTACK, n, number(f"{phase}: {name}")) for name in names]
            body.append([phase, f"{n:,}", *(format_spread(spread) for spread in spreads)])
            lines.append(f"- {phase}, N = {n:,}: {note}\n")
    table = markdown(["phase", "N", *names], body)
    return f"{table}\nThe longest callbacks, by coroutine and the line that it reached:\n\n{''.join(lines)}"


def requests(findings: Findings, n: int) -> str:
    """Return the requests of each system in its backlog, per stack, by verb, resource and status code."""
    counts = {
        one.system: one.figures.cost.requests
        for one in findings.results
        if (one.suite, one.n, one.round) == ("backlog", n, 1) and one.figures.cost is not None
    }
    names = [name for name in findings.systems("backlog", n) if name in counts]
    keys = sorted({key for count in counts.values() for key, number in count.items() if number >= n / 10})
    body = [[key, *(format_number(counts[name].get(key, 0) / n) for name in names)] for key in keys]
    return markdown(["requests per stack", *names], body)


def lists(findings: Findings, n: int) -> str:
    """Return AppStack's list requests at a restart by resource, in the round with the most, beside the pages."""
    costs = [
        one.figures.cost
        for one in findings.results
        if (one.suite, one.system, one.n) == ("restart", APPSTACK, n) and one.figures.cost is not None
    ]
    if not costs:
        return ""
    counts = max((list_counts(one) for one in costs), key=lambda one: sum(one.values()))
    body = [
        [name, format_number(count), format_number(page_count(name, n))]
        for name, count in counts.items()
        if name in LISTED_WITH_OBJECTS
    ]
    others = [count for name, count in counts.items() if name not in LISTED_WITH_OBJECTS]
    body.append([f"{len(others)} others", format_number(sum(others)), format_number(len(others))])
    return markdown([f"`{APPSTACK}` lists", "times", f"pages of {PAGE_SIZE}"], body)


def _ready(n: int) -> list[Column]:
    return [
        Column("last available s", seconds("last available"), ("bare-status",)),
        Column("last Ready s", seconds("last Ready")),
        Column("Ready after available p50 ms", latency(READY_DELAY, "p50")),
        Column("p99 ms", latency(READY_DELAY, "p99")),
        Column("writes per stack", per(n, WRITES)),
        Column("reads", READS),
        Column("CPU s", cpu(SYSTEM)),
        Column("peak MiB", memory(SYSTEM)),
    ]


COLUMNS: Final[dict[str, Sequence[Callable[[int], list[Column]]]]] = {
    "backlog": (_backlog, _costs),
    "edit": (_edit,),
    "drift": (_drift,),
    "restart": (_restart,),
    "idle": (_idle,),
    "delete": (_delete,),
    "noisy": (_noisy,),
    "ready": (_ready,),
}
