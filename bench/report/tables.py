"""Tables in Markdown: they are printed as they are, and put into docs/performance/README.md. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bench.report import keys
from bench.report.findings import Findings, Pick, cost, latency, number, seconds
from bench.report.keys import OURS
from bench.stats import Spread
from bench.suites.figures import Figures

RATES: Final = (5, 20, 50)
QUANTILES: Final[tuple[Literal["p50", "p95", "p99"], ...]] = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of each contender, and its ratio to those of the contenders that are named."""

    title: str
    pick: Pick
    beside: tuple[str, ...] = ()


def rows(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Return a table whose columns stand below each other, the first to the left and the others to the right."""
    lines = [list(header), *(list(row) for row in body)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(padded)} |"

    rule = [f"{'-' * widths[0]}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    return "\n".join([line(lines[0]), line(rule), *(line(one) for one in lines[1:])]) + "\n"


def figure(value: float) -> str:
    """Return a number with as many digits as one can trust."""
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def told(spread: Spread | None) -> str:
    """Return a median and, where rounds differ, from where to where they went."""
    if spread is None:
        return "-"
    low, middle, high = (figure(one) for one in (spread.low, spread.median, spread.high))
    return middle if low == high else f"{middle} ({low}..{high})"


def compare(findings: Findings, suite: str, n: int, columns: Sequence[Column]) -> str:
    """Return a table of a suite: a row per contender."""
    header = ["contender"]
    for column in columns:
        header += [column.title, *(f"÷ {other}" for other in column.beside)]
    body = []
    for name in findings.contenders(suite, n):
        cells = [name]
        for column in columns:
            cells.append(told(findings.spread(suite, name, n, column.pick)))
            cells += [told(findings.ratio(suite, n, column.pick, of=name, to=other)) for other in column.beside]
        body.append(cells)
    return rows(header, body)


def per(n: int, pick: Pick) -> Pick:
    """Return a figure per stack."""

    def divided(figures: Figures) -> float | None:
        value = pick(figures)
        return None if value is None else value / n

    return divided


def cpu(program: str) -> Pick:
    """Return the CPU seconds of a program."""
    return cost(lambda one: one.cpu_seconds[program])


def memory(program: str) -> Pick:
    """Return the peak of a program's resident memory."""
    return cost(lambda one: one.peak_rss_mib[program])


WRITES, READS = cost(lambda one: one.writes), cost(lambda one: one.reads)


def _costs(n: int) -> list[Column]:
    return [
        Column("writes per stack", per(n, WRITES)),
        Column("reads", READS),
        Column("CPU s", cpu("contender"), (OURS,)),
        Column("API server CPU s", cpu("kube-apiserver")),
        Column("etcd CPU s", cpu("etcd")),
        Column("peak MiB", memory("contender")),
        Column("sockets", cost(lambda one: one.sockets)),
        Column("watch events", cost(lambda one: one.watch_events)),
        Column("reconciles", cost(lambda one: one.counters.get("reconciles"))),
    ]


def _backlog(_: int) -> list[Column]:
    return [
        Column("last child s", seconds("last child"), ("bare", OURS)),
        Column("last status s", seconds("last status"), ("bare-status", OURS)),
        Column("start s", seconds("start")),
    ]


def _edit(n: int) -> list[Column]:
    return [
        Column("last child s", seconds("last child")),
        Column("last status s", seconds("last status"), ("bare-status",)),
        Column("user's writes s", seconds("user's writes")),
        Column("status p50 ms", latency("status", "p50")),
        Column("p99 ms", latency("status", "p99")),
        Column("writes per stack", per(n, WRITES)),
        Column("reads", READS),
        Column("CPU s", cpu("contender")),
    ]


def _drift(_: int) -> list[Column]:
    return [
        Column("one by one p50 ms", latency("one by one", "p50")),
        Column("p99 ms", latency("one by one", "p99")),
        Column("storm s", seconds("storm")),
        Column("storm p50 ms", latency("storm", "p50")),
        Column("storm p99 ms", latency("storm", "p99")),
        Column("changed", number("changed")),
        Column("put right", number("repaired")),
        Column("writes", WRITES),
        Column("reads", READS),
    ]


def _restart(_: int) -> list[Column]:
    return [
        Column("ready s", seconds("ready")),
        Column("all looked at s", seconds("all looked at")),
        Column("writes", WRITES),
        Column("reads", READS),
        Column("CPU s", cpu("contender")),
        Column("peak MiB", memory("contender")),
    ]


def _idle(_: int) -> list[Column]:
    return [
        Column("seconds", cost(lambda one: one.seconds)),
        Column("writes", WRITES),
        Column("reads", READS),
        Column("CPU s", cpu("contender")),
        Column("peak MiB", memory("contender")),
    ]


def _delete(n: int) -> list[Column]:
    return [
        Column("last child gone s", seconds("last child gone"), ("bare-status",)),
        Column("writes per stack", per(n, WRITES)),
        Column("reads", READS),
        Column("CPU s", cpu("contender")),
    ]


def _noisy(_: int) -> list[Column]:
    return [
        Column("p50 alone ms", latency("status alone", "p50")),
        Column("p99 alone ms", latency("status alone", "p99")),
        Column("p50 beside noise ms", latency("status beside noise", "p50")),
        Column("p99 beside noise ms", latency("status beside noise", "p99")),
        Column("p99 ratio", number("p99 ratio")),
        Column("edits", number("edits")),
        Column("writes", WRITES),
    ]


def streams(findings: Findings) -> str:
    """Return the table of streams: a row per contender and rate, from the user's write on."""
    header = ["contender", "rate", *(f"{what} {q} ms" for what in ("child", "status") for q in QUANTILES)]
    body = []
    for name in findings.contenders("streams", 0):
        for rate in RATES:
            picks = [latency(f"{what} at {rate}/s", q) for what in ("child", "status") for q in QUANTILES]
            spreads = [findings.spread("streams", name, 0, pick) for pick in picks]
            if any(spreads):
                body.append([name, f"{rate}/s", *(told(spread) for spread in spreads)])
    return rows(header, body)


def callbacks(findings: Findings) -> str:
    """Return how long the event loop was held up, a row per N and phase, and what the longest callbacks were."""
    whats = ("longest ms", "over 10 ms", "over 50 ms", "over 100 ms", "collections", "longest collection ms")
    body, lines = [], []
    for n in findings.ns("callbacks"):
        for phase, note in findings.notes("callbacks", OURS, n).items():
            spreads = [findings.spread("callbacks", OURS, n, number(f"{phase}: {what}")) for what in whats]
            body.append([phase, f"{n:,}", *(told(spread) for spread in spreads)])
            lines.append(f"- {phase}, N = {n:,}: {note}\n")
    return (
        f"{rows(['phase', 'N', *whats], body)}\nThe longest, by the coroutine and where it came to:\n\n{''.join(lines)}"
    )


def requests(findings: Findings, n: int) -> str:
    """Return what each contender asked for in its backlog, per stack, by verb, resource and code."""
    counts = {
        one.contender: one.figures.cost.requests
        for one in findings.results
        if (one.suite, one.n, one.round) == ("backlog", n, 1) and one.figures.cost is not None
    }
    names = [name for name in findings.contenders("backlog", n) if name in counts]
    words = sorted({word for count in counts.values() for word, number in count.items() if number >= n / 10})
    body = [[word, *(figure(counts[name].get(word, 0) / n) for name in names)] for word in words]
    return rows(["requests per stack", *names], body)


def lists(findings: Findings, n: int) -> str:
    """Return how often AppStack lists what at a restart, in the round with most, beside the pages that there are."""
    costs = [
        one.figures.cost
        for one in findings.results
        if (one.suite, one.contender, one.n) == ("restart", OURS, n) and one.figures.cost is not None
    ]
    if not costs:
        return ""
    listed = max((keys.lists(one) for one in costs), key=lambda one: sum(one.values()))
    body = [[name, figure(count), figure(keys.pages(name, n))] for name, count in listed.items() if name in keys.FILLED]
    others = [count for name, count in listed.items() if name not in keys.FILLED]
    body.append([f"{len(others)} others", figure(sum(others)), figure(len(others))])
    return rows([f"`{OURS}` lists", "times", f"pages of {keys.PAGE}"], body)


def _ready(n: int) -> list[Column]:
    return [
        Column("last available s", seconds("last available"), ("bare-status",)),
        Column("last Ready s", seconds("last Ready")),
        Column("told after available p50 ms", latency("told after", "p50")),
        Column("p99 ms", latency("told after", "p99")),
        Column("writes per stack", per(n, WRITES)),
        Column("reads", READS),
        Column("CPU s", cpu("contender")),
        Column("peak MiB", memory("contender")),
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
