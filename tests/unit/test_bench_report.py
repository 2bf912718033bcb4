"""What the bench tells: tables, ratios, and the figures that the project is held to."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.callbacks import Phase, Turn
from bench.contenders import contenders, taking_part
from bench.measure import Cost
from bench.report import goals, page, plots, tables
from bench.report.findings import Findings, seconds
from bench.report.keys import keys
from bench.results import Result, Run
from bench.session import missing
from bench.stats import Latencies, Spread
from bench.suites.figures import Figures


def cost(
    *, writes: int = 0, reads: int = 0, rss: float = 50.0, server: float = 300.0, requests: dict[str, int] | None = None
) -> Cost:
    """Return what a suite cost."""
    used = {"contender": rss, "kube-apiserver": server, "etcd": 40.0}
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


def backlog(contender: str, n: int, *, child: float, status: float | None, round: int = 1, rss: float = 50.0) -> Result:
    """Return the result of a backlog."""
    times = {"last child": child} | ({} if status is None else {"last status": status})
    figures = Figures(seconds=times, numbers={"children": 3.0 * n}, cost=cost(writes=4 * n, rss=rss))
    return Result("backlog", contender, n, round, "now", figures=figures)


def test_a_table_is_aligned_markdown() -> None:
    assert tables.rows(["who", "s"], [["a", "1"], ["long", "10"]]) == (
        "| who  |  s |\n| ---- | -: |\n| a    |  1 |\n| long | 10 |\n"
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
def test_a_figure_is_told_with_its_rounds(spread: Spread | None, expected: str) -> None:
    assert expected == tables.told(spread)


def test_a_ratio_is_made_within_its_round() -> None:
    findings = Findings(
        backlog(who, 100, child=at, status=at, round=round)
        for who, round, at in (
            ("appstack", 1, 2.0),
            ("bare", 1, 1.0),
            ("appstack", 2, 30.0),
            ("bare", 2, 10.0),
            ("appstack", 3, 7.0),
        )
    )

    assert Spread(2.5, 2.0, 3.0) == findings.ratio("backlog", 100, seconds("last child"), of="appstack", to="bare")


def test_the_key_figures_take_the_worse_of_both_comparisons() -> None:
    found = keys(
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


def test_time_beside_kro_is_the_smaller_of_both_comparisons() -> None:
    found = keys(
        Findings(
            [
                backlog("appstack", 1000, child=10.0, status=20.0),
                backlog("kro", 1000, child=14.0, status=40.0),
            ]
        )
    )

    assert 1.4 == found["kro_time_over_ours_1000"]


@pytest.mark.parametrize(("slip", "told"), [(1, 4.0001), (-1, 3.9999)])
def test_one_request_too_many_or_too_few_in_one_round_misses_the_budget(slip: int, told: float) -> None:
    def round(number: int, writes: int) -> Result:
        figures = Figures(numbers={"children": 30_000.0}, cost=cost(writes=writes))
        return Result("backlog", "appstack", 10_000, number, "now", figures=figures)

    findings = Findings([round(1, 40_000), round(2, 40_000 + slip), round(3, 40_000)])

    assert told == keys(findings)["writes_per_stack"]
    assert f"|    = 4 |   {told} |           no |" in goals.goals(findings)


def test_lists_at_a_restart_are_held_against_the_pages_there_are() -> None:
    listed = {"list appstacks 200": 22, "list configmaps 200": 20, "list jobs 200": 1, "list httproutes 404": 1}

    def restart(number: int, requests: dict[str, int]) -> Result:
        return Result("restart", "appstack", 10_000, number, "now", figures=Figures(cost=cost(requests=requests)))

    findings = Findings([restart(1, listed), restart(2, listed | {"list jobs 200": 7, "watch jobs 200": 9})])

    assert round(50 / 42, 3) == keys(findings)["restart_lists_over_pages_10000"]


@pytest.mark.parametrize(("server", "named"), [(300.0, False), (30_000.0, True)])
def test_a_cause_is_named_where_the_figures_agree_with_it(server: float, *, named: bool) -> None:
    def ours(n: int, status: float, used: float) -> Result:
        figures = Figures(seconds={"last status": status}, cost=cost(writes=4 * n, server=used))
        return Result("backlog", "appstack", n, 1, "now", figures=figures)

    findings = Findings(
        [
            ours(1000, 10.0, 300.0),
            ours(10_000, 140.0, server),
            backlog("bare-status", 1000, child=9.0, status=9.0),
            backlog("bare-status", 10_000, child=130.0, status=130.0),
        ]
    )

    assert named == ("counts all cluster IPs" in goals.goals(findings))


def test_every_goal_has_a_reason_that_the_figures_may_lack() -> None:
    assert [""] * len(goals.GOALS) == [goal.holds(Findings([])) for goal in goals.GOALS]


def test_what_was_not_measured_is_null() -> None:
    found = keys(Findings([]))

    assert {None} == set(found.values())
    assert {"time_over_go_1000", "idle_writes", "restart_seconds_10000", "noisy_neighbour_p99_ratio"} < set(found)


def test_a_page_has_the_tables_of_what_was_measured_and_no_others() -> None:
    told = page.page(
        Findings([backlog("appstack", 100, child=1.0, status=2.0)]),
        source="`x`",
        machine={"cores": "2"},
        plots=["time.svg"],
    )

    assert "### N = 100" in told
    assert "![time.svg](time.svg)" in told
    assert "## Drift" not in told
    (lacking,) = (line for line in told.splitlines() if line.startswith("- In this run: "))
    assert "drift" in lacking
    assert "backlog" not in lacking


def test_a_table_says_how_many_rounds_it_has() -> None:
    ours = [backlog("appstack", 100, child=1.0, status=2.0, round=round) for round in (1, 2)]

    def told(results: list[Result]) -> str:
        return "\n".join(page.sections(Findings(results)))

    assert "\nRounds: 2.\n" in told(ours)
    assert "\nRounds: 1 of bare, 2 of appstack.\n" in told([*ours, backlog("bare", 100, child=1.0, status=None)])


def test_lists_at_a_restart_stand_beside_their_pages() -> None:
    figures = Figures(cost=cost(requests={"list services 200": 3, "list jobs 200": 1, "list httproutes 404": 2}))
    told = page.sections(Findings([Result("restart", "appstack", 1000, 1, "now", figures=figures)]))

    assert "| services         |     3 |            2 |\n| 2 others         |     3 |            2 |\n" in told[-1]


def test_every_plot_has_a_caption(tmp_path: Path) -> None:
    figures = Figures(latencies={"status at 5/s": Latencies.of([0.1, 0.2])})
    streams = Result("streams", "appstack", 0, 1, "now", figures=figures)
    drawn = plots.draw(Findings([backlog("appstack", 100, child=1.0, status=2.0), streams]), tmp_path)

    assert set(page.PLOTS) == set(drawn)


def test_a_result_that_is_kept_is_read_as_it_was(tmp_path: Path) -> None:
    run = Run(tmp_path / "run-1")
    figures = Figures(latencies={"child": Latencies.of([0.1, 0.2])}, numbers={"a": 1.0}, cost=cost(writes=3))
    kept = Result("streams", "appstack", 0, 1, "now", settings={"workers": "16"}, figures=figures)

    run.keep(kept)

    assert [kept] == list(run.results())
    assert run.id == "1"


def test_what_is_finished_is_not_measured_again(tmp_path: Path) -> None:
    run = Run(tmp_path)
    ours = next(one for one in contenders(in_flight=8) if one.name == "appstack")
    run.keep(backlog("appstack", 100, child=1.0, status=2.0))

    (life, streams) = missing(run, ours, n=100, round=1, suites=["backlog", "restart", "streams"])

    assert (["restart"], ["streams"]) == (life.suites, streams.suites)
    assert (100, 0) == (life.n, streams.n), "streams begin with no stacks, whatever N is"


def test_silence_is_measured_once(tmp_path: Path) -> None:
    ours = next(one for one in contenders(in_flight=8) if one.name == "appstack")

    assert [1, 0] == [len(missing(Run(tmp_path), ours, n=100, round=round, suites=["idle"])) for round in (1, 2)]


def test_the_loop_takes_part_in_what_it_can_do() -> None:
    suites = {one.name: taking_part(one, ["restart", "edit", "backlog"]) for one in contenders(in_flight=8)}

    assert ["backlog"] == suites["bare"]
    assert ["backlog", "edit"] == suites["bare-status"]
    assert ["backlog", "edit", "restart"] == suites["appstack"]


def test_each_goal_is_a_figure_that_is_held_against_its_bound() -> None:
    nothing, told = Findings([]), goals.goals(Findings([backlog("appstack", 1000, child=1.0, status=2.0)]))

    assert {goal.key for goal in goals.GOALS} <= keys(nothing).keys()
    assert len(goals.GOALS) == goals.goals(nothing).count("not measured")
    assert "| writes for a new stack of three children " in told
    assert " no |" not in told


def test_a_goal_that_is_missed_says_what_the_figures_say_of_it() -> None:
    silence = {"list httproutes 404": 1200, "get (path) 200": 3, "watch jobs 200": 2, "patch configmaps 200": 1}
    early = Figures(
        seconds={"last child": 20.0, "last status": 200.0},
        numbers={"told before the last child": 900.0},
        cost=cost(writes=4000),
    )
    told = goals.goals(
        Findings(
            [
                Result("backlog", "appstack", 1000, 1, "now", figures=early),
                backlog("bare", 1000, child=10.0, status=None),
                backlog("bare-status", 1000, child=10.0, status=100.0),
                backlog("appstack", 10000, child=9.0, status=4000.0),
                backlog("bare-status", 10000, child=10.0, status=2000.0),
                Result("idle", "appstack", 1000, 1, "now", figures=Figures(cost=cost(reads=1, requests=silence))),
            ]
        )
    )

    assert "- **last child ÷ the loop's, N = 1,000**: 90% of the statuses were written before the last child" in told
    assert "used 390.0 cores together, and AppStack 1.0 times the CPU of `bare-status`.\n" in told
    assert "- **t(10,000) ÷ t(1,000)**: that of the bare loop with a status is 20.0; a write costs" in told
    assert "- **reads while nothing happens**: list httproutes 404 (1,200).\n" in told


def test_callbacks_are_told_by_phase_and_the_longest_is_held_against_its_goal() -> None:
    turns = [
        Turn("callback", 1.0, 12.0, "a"),
        Turn("callback", 2.0, 120.0, "b"),
        Turn("collection", 2.0, 60.0, "7 collected"),
        Turn("callback", 9.0, 999.0, "later"),
    ]
    phase = Phase.of(turns, since=1.0, until=3.0)
    figures = Figures(
        numbers={f"edit: {name}": value for name, value in phase.numbers().items()}, notes={"edit": phase.told()}
    )
    findings = Findings([Result("callbacks", "appstack", 1000, 1, "now", figures=figures)])
    told = page.page(findings, source="`x`", machine={}, plots=[])

    assert 120.0 == keys(findings)["longest_callback_ms_1000"]
    assert keys(findings)["longest_callback_ms_10000"] is None
    assert "| edit  | 1,000 |        120 |          2 |          1 |           1 |           1 |" in told
    assert "- edit, N = 1,000: 120.0 ms b; 12.0 ms a\n" in told
    assert "- **longest callback, ms of thread CPU, N = 1,000**: edit: 120.0 ms b; 12.0 ms a.\n" in told
