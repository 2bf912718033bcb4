"""Plots: time and memory of a cold start against N, and latencies of streams."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.cost import SYSTEM
from bench.report.findings import Findings, Metric
from bench.report.key_figures import CHILD, STATUS
from bench.report.tables import RATES, memory
from bench.stats import CURVE

_COLORS: Final = {
    "bare": "#999999",
    "bare-status": "#555555",
    "appstack": "#1b6ac9",
    "appstack-before": "#88b4e7",
    "go": "#1a9850",
    "kro": "#d95f02",
}
_SIZE: Final = (7.0, 4.2)


def draw(findings: Findings, folder: Path) -> list[str]:
    """Draw every plot that has results, and return the file names."""
    mpl.rcParams["svg.hashsalt"] = "appstack"  # makes the files reproducible
    mpl.rcParams["svg.fonttype"] = "none"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    if findings.sizes("backlog"):
        drawn.append(_save(_against_n(findings, "seconds", _times), folder / "time.svg"))
        drawn.append(_save(_against_n(findings, "peak resident memory, MiB", _memories), folder / "memory.svg"))
    if findings.sizes("streams"):
        drawn.append(_save(_latencies(findings), folder / "latency.svg"))
    return drawn


def _save(figure: Figure, file: Path) -> str:
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    return file.name


def _against_n(findings: Findings, unit: str, lines: Callable[[Findings, Axes], None]) -> Figure:
    figure = Figure(figsize=_SIZE)
    axes = figure.add_subplot()
    lines(findings, axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("N stacks at a cold start")
    axes.set_ylabel(unit)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False)
    return figure


def _times(findings: Findings, axes: Axes) -> None:
    for name in _names(findings):
        _line(findings, axes, name, CHILD if name == "bare" else STATUS)


def _memories(findings: Findings, axes: Axes) -> None:
    for name in _names(findings):
        _line(findings, axes, name, memory(SYSTEM))


def _names(findings: Findings) -> list[str]:
    found = dict.fromkeys(name for n in findings.sizes("backlog") for name in findings.systems("backlog", n))
    return [name for name in _COLORS if name in found]


def _line(findings: Findings, axes: Axes, name: str, metric: Metric) -> None:
    """Draw the medians, with error bars from minimum to maximum of the rounds."""
    points = [(n, spread) for n in findings.sizes("backlog") if (spread := findings.spread("backlog", name, n, metric))]
    medians = [spread.median for _, spread in points]
    errors = [[one.median - one.low for _, one in points], [one.high - one.median for _, one in points]]
    axes.errorbar([n for n, _ in points], medians, errors, label=name, color=_COLORS[name], marker="o", capsize=3)


def _latencies(findings: Findings) -> Figure:
    """Draw the cumulative distribution of status latencies, one set of axes for each rate."""
    figure = Figure(figsize=(11, 4.2))
    for position, rate in enumerate(RATES, 1):
        axes = figure.add_subplot(1, len(RATES), position)
        for name in findings.systems("streams", 0):
            curves = [
                one.figures.latencies[f"status at {rate}/s"].curve
                for one in findings.results
                if (one.suite, one.system) == ("streams", name) and f"status at {rate}/s" in one.figures.latencies
            ]
            for number, curve in enumerate(curves):
                label = name if number == 0 else None
                axes.plot(curve, [q * 100 for q in CURVE], label=label, color=_COLORS.get(name, "#000000"), alpha=0.7)
        axes.set_xscale("log")
        axes.set_title(f"{rate} stacks a second")
        axes.set_xlabel("ms from the client's write to the current status")
        axes.grid(visible=True, alpha=0.3)
        if position == 1:
            axes.set_ylabel("% of the stacks")
            axes.legend(frameon=False)
    return figure
