"""The report of the bench: tables, ratios, key figures and goals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cost import SYSTEM, Cost
from bench.report import goals, page, plots, tables
from bench.report.findings import Findings, seconds
from bench.report.key_figures import key_figures
from bench.results import Result, Run
from bench.session import pending_sessions
from bench.slow_callbacks import Phase, SlowCallback
from bench.stats import Latencies, Spread
from bench.suites.figures import STATUSES_BEFORE_LAST_CHILD, Figures
from bench.systems import all_systems


def cost(
    *, writes: int = 0, reads: int = 0, rss: float = 50.0, server: float = 300.0, requests: dict[str, int] | None = None
) -> Cost:
    """Return the cost of a suite."""
    used = {SYSTEM: rss, "kube-apiserver": server, "etcd": 40.0}
    return Cost(
        seconds=1.0,
        requests=requests or {"patch configmaps 201": writes},
        writes=writes,
        reads=reads,
        single_reads=0,
        cpu_seconds=used,
        peak_rss_mib=used,
        sockets=3,
        watch_events=1,
        counters={},
    )


def backlog(system: str, n: int, *, child: float, status: float | None, round: int = 1, rss: float = 50.0) -> Result:
    """Return the result of a backlog suite."""
    times = {"last child": child} | ({} if status is None else {"last status": status})
    figures = Figures(seconds=times, numbers={"children": 3.0 * n}, cost=cost(writes=4 * n, rss=rss))
    return Result("backlog", system, n, round, "now", figures=figures)


def test_table_is_aligned_markdown() -> None:
    assert tables.markdown(["name", "s"], [["a", "1"], ["long", "10"]]) == (
        "| name |  s |\n| ---- | -: |\n| a    |  1 |\n| long | 10 |\n"
    )


@pytest.mark.parametrize(
    ("spread", "expected"),
    [
        (None, "-"),
        (Spread(2.0, 2.0, 2.0), "2"),
        (Spread(1.234, 1.0, 12.34), "1.23 (1..12.3)"),
        (Spread(1234.5, 1234.4, 1234.6), "1,234 (1,234..1,235)"),
    ],
)
def test_spread_has_its_range_where_rounds_differ(spread: Spread | None, expected: str) -> None:
    assert expected == tables.format_spread(spread)


def test_ratio_is_computed_within_each_round() -> None:
    findings = Findings(
        backlog(system, 100, child=at, status=at, round=round)
        for system, round, at in (
            ("appstack", 1, 2.0),
            ("bare", 1, 1.0),
            ("appstack", 2, 30.0),
            ("bare", 2, 10.0),
            ("appstack", 3, 7.0),
        )
    )

    assert Spread(2.5, 2.0, 3.0) == findings.ratio("backlog", 100, seconds("last child"), of="appstack", to="bare")


def test_key_figure_is_the_worse_of_both_comparisons() -> None:
    found = key_figures(
        Findings(
            [
                backlog("appstack", 1000, child=11.0, status=24.0, rss=80),
                backlog("bare", 1000, child=10.0, status=None),
                backlog("bare-status", 1000, child=11.0, status=20.0),
                backlog("kro", 1000, child=40.0, status=48.0),
                backlog("appstack", 10000, child=100.0, status=240.0, rss=200),
            ]
        )
    )

    assert (1.2, 1.1, 1.2) == tuple(
        found[name] for name in ("time_over_bare_1000", "child_over_bare_1000", "status_over_bare_1000")
    )
    assert (2.0, 10.0, 200.0) == tuple(
        found[name] for name in ("kro_time_over_ours_1000", "time_10000_over_1000", "peak_rss_mib_10000")
    )
    assert (0.0, 4.0) == (found["reads_per_new_child"], found["writes_per_stack"])


def test_ratio_of_kro_is_the_smaller_of_both_comparisons() -> None:
    found = key_figures(
        Findings(
            [
                backlog("appstack", 1000, child=10.0, status=20.0),
                backlog("kro", 1000, child=14.0, status=40.0),
            ]
        )
    )

    assert 1.4 == found["kro_time_over_ours_1000"]


@pytest.mark.parametrize(("deviation", "expected"), [(1, 4.0001), (-1, 3.9999)])
def test_one_request_more_or_less_in_one_round_misses_an_exact_goal(deviation: int, expected: float) -> None:
    def round(number: int, writes: int) -> Result:
        figures = Figures(numbers={"children": 30_000.0}, cost=cost(writes=writes))
        return Result("backlog", "appstack", 10_000, number, "now", figures=figures)

    findings = Findings([round(1, 40_000), round(2, 40_000 + deviation), round(3, 40_000)])

    assert expected == key_figures(findings)["writes_per_stack"]
    assert f"|    = 4 |   {expected} |           no |" in goals.goals(findings)


def test_lists_at_a_restart_are_compared_with_the_number_of_pages() -> None:
    listed = {"list appstacks 200": 22, "list configmaps 200": 20, "list jobs 200": 1, "list httproutes 404": 1}

    def restart(number: int, requests: dict[str, int]) -> Result:
        return Result("restart", "appstack", 10_000, number, "now", figures=Figures(cost=cost(requests=requests)))

    findings = Findings([restart(1, listed), restart(2, listed | {"list jobs 200": 7, "watch jobs 200": 9})])

    assert round(50 / 42, 3) == key_figures(findings)["restart_lists_over_pages_10000"]


@pytest.mark.parametrize(("server", "explained"), [(300.0, False), (30_000.0, True)])
def test_cause_is_given_where_the_figures_support_it(server: float, *, explained: bool) -> None:
    def result(n: int, status: float, used: float) -> Result:
        figures = Figures(seconds={"last status": status}, cost=cost(writes=4 * n, server=used))
        return Result("backlog", "appstack", n, 1, "now", figures=figures)

    findings = Findings(
        [
            result(1000, 10.0, 300.0),
            result(10_000, 140.0, server),
            backlog("bare-status", 1000, child=9.0, status=9.0),
            backlog("bare-status", 10_000, child=130.0, status=130.0),
        ]
    )

    assert explained == ("counts all cluster IPs" in goals.goals(findings))


def test_explanation_without_figures_is_empty() -> None:
    assert [""] * len(goals.GOALS) == [goal.explanation(Findings([])) for goal in goals.GOALS]


def test_key_figure_without_results_is_none() -> None:
    found = key_figures(Findings([]))

    assert {None} == set(found.values())
    assert {"time_over_go_1000", "idle_writes", "restart_seconds_10000", "noisy_neighbour_p99_ratio"} < set(found)


def test_page_has_the_tables_of_measured_suites_only() -> None:
    text = page.page(
        Findings([backlog("appstack", 100, child=1.0, status=2.0)]),
        source="`x`",
        machine={"cores": "2"},
        plots=["time.svg"],
    )

    assert "### N = 100" in text
    assert "![time.svg](time.svg)" in text
    assert "## Drift" not in text
    (missing,) = (line for line in text.splitlines() if line.startswith("- In this run: "))
    assert "drift" in missing
    assert "backlog" not in missing


def test_table_has_its_number_of_rounds() -> None:
    results = [backlog("appstack", 100, child=1.0, status=2.0, round=round) for round in (1, 2)]

    def text(results: list[Result]) -> str:
        return "\n".join(page.sections(Findings(results)))

    assert "\nRounds: 2.\n" in text(results)
    assert "\nRounds: 1 of bare, 2 of appstack.\n" in text([*results, backlog("bare", 100, child=1.0, status=None)])


def test_lists_at_a_restart_are_beside_their_pages() -> None:
    figures = Figures(cost=cost(requests={"list services 200": 3, "list jobs 200": 1, "list httproutes 404": 2}))
    sections = page.sections(Findings([Result("restart", "appstack", 1000, 1, "now", figures=figures)]))

    assert "| services         |     3 |            2 |\n| 2 others         |     3 |            2 |\n" in sections[-1]


def test_every_plot_has_a_caption(tmp_path: Path) -> None:
    figures = Figures(latencies={"status at 5/s": Latencies.of([0.1, 0.2])})
    streams = Result("streams", "appstack", 0, 1, "now", figures=figures)
    drawn = plots.draw(Findings([backlog("appstack", 100, child=1.0, status=2.0), streams]), tmp_path)

    assert set(page.PLOTS) == set(drawn)


def test_saved_result_is_loaded_unchanged(tmp_path: Path) -> None:
    run = Run(tmp_path / "run-1")
    figures = Figures(latencies={"child": Latencies.of([0.1, 0.2])}, numbers={"a": 1.0}, cost=cost(writes=3))
    result = Result("streams", "appstack", 0, 1, "now", settings={"workers": "16"}, figures=figures)

    run.save(result)

    assert [result] == list(run.results())
    assert run.id == "1"


def test_json_keys_of_recorded_results_stay(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save(backlog("appstack", 100, child=1.0, status=2.0))

    content = json.loads((tmp_path / "backlog-appstack-100-1.json").read_text())
    assert ["suite", "contender", "n", "round", "at", "settings", "figures"] == list(content)
    assert "contender" in content["figures"]["cost"]["cpu_seconds"]


def test_suite_with_a_result_is_not_measured_again(tmp_path: Path) -> None:
    run = Run(tmp_path)
    system = next(one for one in all_systems(in_flight=8) if one.name == "appstack")
    run.save(backlog("appstack", 100, child=1.0, status=2.0))

    (lifecycle, streams) = pending_sessions(run, system, n=100, round=1, suites=["backlog", "restart", "streams"])

    assert (["restart"], ["streams"]) == (lifecycle.suites, streams.suites)
    assert (100, 0) == (lifecycle.n, streams.n), "streams begin without stacks for every N"


def test_idle_is_measured_in_the_first_round_only(tmp_path: Path) -> None:
    system = next(one for one in all_systems(in_flight=8) if one.name == "appstack")

    assert [1, 0] == [
        len(pending_sessions(Run(tmp_path), system, n=100, round=round, suites=["idle"])) for round in (1, 2)
    ]


def test_each_goal_has_a_key_figure_and_a_bound() -> None:
    empty, text = Findings([]), goals.goals(Findings([backlog("appstack", 1000, child=1.0, status=2.0)]))

    assert {goal.key for goal in goals.GOALS} <= key_figures(empty).keys()
    assert len(goals.GOALS) == goals.goals(empty).count("not measured")
    assert "| writes per new stack of three children " in text
    assert " no |" not in text


def test_missed_goal_is_explained_by_the_figures() -> None:
    idle = {"list httproutes 404": 1200, "get (path) 200": 3, "watch jobs 200": 2, "patch configmaps 200": 1}
    early = Figures(
        seconds={"last child": 20.0, "last status": 200.0},
        numbers={STATUSES_BEFORE_LAST_CHILD: 900.0},
        cost=cost(writes=4000),
    )
    text = goals.goals(
        Findings(
            [
                Result("backlog", "appstack", 1000, 1, "now", figures=early),
                backlog("bare", 1000, child=10.0, status=None),
                backlog("bare-status", 1000, child=10.0, status=100.0),
                backlog("appstack", 10000, child=9.0, status=4000.0),
                backlog("bare-status", 10000, child=10.0, status=2000.0),
                Result("idle", "appstack", 1000, 1, "now", figures=Figures(cost=cost(reads=1, requests=idle))),
            ]
        )
    )

    assert "- **last child ÷ bare loop's, N = 1,000**: 90% of the statuses were written before the last child" in text
    assert "used 390.0 cores together, and AppStack 1.0 times the CPU time of `bare-status`.\n" in text
    assert "- **t(10,000) ÷ t(1,000)**: the ratio of `bare-status` is 20.0; a write takes" in text
    assert "- **reads while idle**: list httproutes 404 (1,200).\n" in text


def test_callbacks_are_reported_by_phase_and_the_longest_is_compared_with_its_goal() -> None:
    records = [
        SlowCallback("callback", 1.0, 12.0, "a"),
        SlowCallback("callback", 2.0, 120.0, "b"),
        SlowCallback("collection", 2.0, 60.0, "7 collected"),
        SlowCallback("callback", 9.0, 999.0, "later"),
    ]
    phase = Phase.of(records, since=1.0, until=3.0)
    figures = Figures(
        numbers={f"edit: {name}": value for name, value in phase.numbers().items()}, notes={"edit": phase.summary()}
    )
    findings = Findings([Result("callbacks", "appstack", 1000, 1, "now", figures=figures)])
    text = page.page(findings, source="`x`", machine={}, plots=[])

    assert 120.0 == key_figures(findings)["longest_callback_ms_1000"]
    assert key_figures(findings)["longest_callback_ms_10000"] is None
    assert "| edit  | 1,000 |        120 |          2 |          1 |           1 |           1 |" in text
    assert "- edit, N = 1,000: 120.0 ms b; 12.0 ms a\n" in text
    assert "- **longest callback, ms of thread CPU, N = 1,000**: edit: 120.0 ms b; 12.0 ms a.\n" in text
