"""`python -m bench`: the command line behind `make bench`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp

from bench import machine
from bench.checkout import ROOT
from bench.control_plane import ApiRejected
from bench.report import page, plots
from bench.report.findings import Findings
from bench.report.key_figures import key_figures
from bench.results import SCRATCH, WORK_FOLDER, Run, newest
from bench.session import Session, SessionRunner, pending_sessions
from bench.systems import SUITES, Selection, all_systems, select
from bench.systems.appstack import BEFORE
from tools.cluster import programs, shell

RESULTS: Final = ROOT / "bench/results"
DOCS: Final = ROOT / "docs/performance"
EPILOG: Final = """\
suites:
  backlog   N stacks exist before the system starts (cold start)
  edit      every stack is edited
  drift     one child of every tenth stack is changed or deleted
  restart   the system is killed and started again, with nothing to reconcile
  idle      no changes; measured in the first round only
  delete    every stack is deleted
  streams   stacks are created at 5, 20 and 50 a second
  ready     as backlog, with a pod for each stack (nodes simulated by kwok)
  noisy     one stack is edited 20 times a second while others are created
  callbacks longest callbacks of AppStack's event loop, in an instrumented process

systems:
  bare, bare-status, appstack, go, kro
  appstack@PATH   the operator of another checkout of this repository, reported as appstack-before

examples:
  make bench                     all suites, N = 100 and 1000, three rounds
  make bench N=1000 ONLY=backlog,edit,drift,restart ROUNDS=3
  make bench N=1000 ONLY=backlog,streams ROUNDS=2 SYSTEMS=appstack,appstack@../before,bare-status OUT=/tmp/run-compare
  make bench REPORT=1            measure nothing; write page, plots and latest.json of the newest run

A complete page takes several commands with the same OUT:
  export OUT=bench/results/run-DATE
  make bench N=1000 ONLY=backlog,edit,drift,restart ROUNDS=3
  make bench N=10000 ONLY=backlog,drift,restart,callbacks ROUNDS=1
  make bench N=1000 ONLY=idle,streams,noisy,delete,ready,callbacks ROUNDS=1
  make bench N=100 ONLY=backlog

Each command rewrites page, plots and latest.json from all results in OUT. Results in OUT are not measured again: after
Ctrl-C, run the same command. All results in one OUT must come from the same state of the code. A run with
appstack-before is a comparison: its page, plots and latest.json are written into OUT.
"""


def _numbers(text: str) -> list[int]:
    return [int(token) for token in text.replace(",", " ").split()]


def _suites(text: str) -> list[str]:
    suites = text.replace(",", " ").split()
    unknown = [suite for suite in suites if suite not in SUITES]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown suite {', '.join(unknown)}; choose from {', '.join(SUITES)}")
    return suites


def _systems(text: str) -> Selection:
    try:
        return select(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure AppStack, bare request loops and baseline controllers, each on a fresh control plane.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-n", type=_numbers, default=[100, 1000], metavar="N[,N]", help="number of stacks (default 100,1000)")
    add("--only", type=_suites, default=list(SUITES), metavar="SUITE[,SUITE]", help="suites to run (default all)")
    add("--systems", type=_systems, default=Selection(), metavar="NAME[,NAME]", help="systems under test (default all)")
    add("--rounds", type=int, default=3, metavar="R", help="number of rounds (default 3); systems alternate in each")
    add("--idle", type=float, default=600, metavar="S", help="seconds that the idle suite waits (default 600)")
    out = "folder of the run (default bench/results/run-DATE of today; with --report, the newest run)"
    add("--out", type=Path, metavar="FOLDER", help=out)
    add("--docs", type=Path, metavar="FOLDER", help="folder for page and plots (default docs/performance)")
    add("--report", action="store_true", help="measure nothing; write page, plots and latest.json from the results")
    return parser.parse_args()


def _run(given: argparse.Namespace) -> Run:
    """Return the run that the options name; raise Failure if it is to be reported and has no results."""
    if given.out is None and not given.report:
        return Run(RESULTS / f"run-{datetime.now(UTC).date().isoformat()}")
    run = newest(RESULTS) if given.out is None else Run(given.out.absolute())
    if given.report and (run is None or not any(run.results())):
        raise shell.Failure("there are no results to report: measure first, or name their folder with OUT=folder")
    assert run is not None
    return run


async def _measure(given: argparse.Namespace, run: Run) -> list[str]:
    """Run every pending session and return the descriptions of those that failed."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel, asyncio.current_task())
    before = given.systems.before
    machine.require_same_code(run.machine(), before=before)
    run.record_machine(machine.describe(before=before))
    programs.ensure(["etcd", "kube-apiserver", "kube-controller-manager", "kubeadm"])
    failed = []
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as folder:
        runner = SessionRunner(run, work=Path(folder) / WORK_FOLDER, idle_seconds=given.idle)
        pending = _plan(given, run, in_flight=await runner.best_concurrency())
        for number, session in enumerate(pending, 1):
            description = f"round {session.round}, N={session.n}, {session.system.name}: {', '.join(session.suites)}"
            run.log(f"  [{number}/{len(pending)}] {description}")
            try:
                await runner.run(session)
            except* (shell.Failure, ApiRejected, aiohttp.ClientError, OSError) as failures:
                for failure in failures.exceptions:
                    run.log(f"    failed: {failure}")
                failed.append(description)
    return failed


def _cancel(task: asyncio.Task[list[str]] | None) -> None:
    if task is not None:
        task.cancel()


def _plan(given: argparse.Namespace, run: Run, *, in_flight: int) -> list[Session]:
    """Return the pending sessions; each round has all systems and begins with the next one in the list."""
    selection: Selection = given.systems
    systems = [one for one in all_systems(in_flight=in_flight, before=selection.before) if one.name in selection.names]
    pending: list[Session] = []
    for n in given.n:
        for round in range(1, given.rounds + 1):
            first = (round - 1) % len(systems)
            for system in systems[first:] + systems[:first]:
                found = pending_sessions(run, system, n=n, round=round, suites=given.only)
                pending += [session for session in found if session not in pending]  # streams are the same for each N
    return pending


def main() -> int:
    """Measure, then write the report; return the exit code."""
    given = _parse()
    begun, failed = time.monotonic(), []
    try:
        run = _run(given)
        if not given.report:
            failed = asyncio.run(_measure(given, run))
    except shell.Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nstopped; run the same command to continue", file=sys.stderr)
        return 130
    docs = _report(run, given.docs)
    shell.progress(f"the page with tables and plots is in {docs}")
    if not given.report:
        run.log(f"measured in {time.monotonic() - begun:.0f} s; results are in {run.folder}")
    for description in failed:
        run.log(f"failed: {description}")
    return 1 if failed else 0


def _report(run: Run, docs: Path | None) -> Path:
    """Print tables and key figures; write page, plots and latest.json; return the folder of the page.

    A comparison of two checkouts is no result of the project, so its files stay in the folder of the run.
    """
    findings, measured_on = Findings(run.results()), run.machine()
    comparison = any(one.system == BEFORE for one in findings.results)
    docs = docs or (run.folder / "report" if comparison else DOCS)
    latest = (run.folder if comparison else run.folder.parent) / "latest.json"
    print("\n".join(page.sections(findings)))
    figures = key_figures(findings)
    print("\n".join(f"{name:30} {'-' if value is None else value}" for name, value in figures.items()))
    docs.mkdir(parents=True, exist_ok=True)
    drawn = plots.draw(findings, docs)
    (docs / "README.md").write_text(page.page(findings, source=_source(run.folder), machine=measured_on, plots=drawn))
    latest.write_text(page.latest(figures, run=run.id, machine=measured_on))
    return docs


def _source(folder: Path) -> str:
    """Return the name of a run on the page; a folder outside the checkout is named without its path."""
    if folder.is_relative_to(ROOT):
        return f"`{folder.relative_to(ROOT)}`"
    return f"a run that is not kept with the project, `{folder.name}`"


if __name__ == "__main__":
    raise SystemExit(main())
