"""`python -m bench`: what `make bench` runs."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp

from bench import machine
from bench.contenders import SUITES, contenders
from bench.plane import ApiRejected
from bench.report import page, plots
from bench.report.findings import ORDER, Findings
from bench.report.keys import keys
from bench.results import ROOT, SCRATCH, Run, newest
from bench.session import Session, Sessions, missing
from tools.cluster import programs, shell

RESULTS: Final = ROOT / "bench/results"
EPILOG: Final = """\
suites:
  backlog   N stacks are there, then the contender is started
  edit      every stack is edited
  drift     one child of every tenth stack is changed or deleted
  restart   killed and started again, with nothing to do
  idle      nothing happens; in the first round only
  delete    every stack is deleted
  streams   stacks come at 5, 20 and 50 a second
  ready     N stacks with a pod each are there (nodes by kwok), then the contender is started
  noisy     one stack is rewritten 20 times a second while others are created
  callbacks how long AppStack's event loop is held up at a time, in a process with a clock in it

examples:
  make bench                     everything, N = 100 and 1000, three rounds
  make bench N=1000 ONLY=backlog,edit,drift,restart ROUNDS=3
  make bench REPORT=1            measure nothing, write page, plots and latest.json of the newest run anew

one complete page, by several commands with the same OUT:
  export OUT=bench/results/run-DATE
  make bench N=1000 ONLY=backlog,edit,drift,restart ROUNDS=3
  make bench N=10000 ONLY=backlog,drift,restart,callbacks ROUNDS=1
  make bench N=1000 ONLY=idle,streams,noisy,delete,ready,callbacks ROUNDS=1
  make bench N=100 ONLY=backlog

Each command writes page, plots and latest.json anew from all that its OUT holds. What is finished is kept in OUT and
not measured again: after Ctrl-C, run the same command. OUT takes results of one state of the code only.
"""


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.replace(",", " ").split()]


def _suites(text: str) -> list[str]:
    return _known("suite", text, SUITES)


def _contenders(text: str) -> list[str]:
    return _known("contender", text, ORDER)


def _known(what: str, text: str, known: Sequence[str]) -> list[str]:
    words = text.replace(",", " ").split()
    wrong = [word for word in words if word not in known]
    if wrong:
        raise argparse.ArgumentTypeError(f"no {what} {', '.join(wrong)}; there are {', '.join(known)}")
    return words


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure AppStack beside a bare loop and beside its peers, on a control plane of its own.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-n", type=_numbers, default=[100, 1000], metavar="N[,N]", help="how many stacks (default 100,1000)")
    add("--only", type=_suites, default=list(SUITES), metavar="SUITE[,SUITE]", help="these suites (default all)")
    add("--contenders", type=_contenders, default=list(ORDER), metavar="NAME[,NAME]", help="these (default all)")
    add("--rounds", type=int, default=3, metavar="R", help="how often (default 3); contenders take turns")
    add("--idle", type=float, default=600, metavar="S", help="how long the idle suite waits (default 600)")
    where = "the run's folder (default bench/results/run-DATE of today; with --report, the newest run)"
    add("--out", type=Path, metavar="FOLDER", help=where)
    add("--docs", type=Path, default=ROOT / "docs/performance", metavar="FOLDER", help="for tables and plots")
    add("--report", action="store_true", help="measure nothing, write page, plots and latest.json anew")
    return parser.parse_args()


def _run(given: argparse.Namespace) -> Run:
    """Return the run that is meant; raise Failure where there is none to report."""
    if given.out is None and not given.report:
        return Run(RESULTS / f"run-{datetime.now(UTC).date().isoformat()}")
    run = newest(RESULTS) if given.out is None else Run(given.out.absolute())
    if given.report and (run is None or not any(run.results())):
        raise shell.Failure("there are no results to report: measure first, or say where they are with OUT=folder")
    assert run is not None
    return run


async def _measure(given: argparse.Namespace, run: Run) -> list[str]:
    """Measure what is missing, and return what failed."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel, asyncio.current_task())
    machine.hold_code(run.machine())
    run.made_on(machine.describe())
    programs.ensure(["etcd", "kube-apiserver", "kube-controller-manager", "kubeadm"])
    failed = []
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as folder:
        sessions = Sessions(run, work=Path(folder) / "plane", idle_seconds=given.idle)
        todo = _plan(given, run, in_flight=await sessions.sweep())
        for number, session in enumerate(todo, 1):
            what = f"round {session.round}, N={session.n}, {session.contender.name}: {', '.join(session.suites)}"
            run.say(f"  [{number}/{len(todo)}] {what}")
            try:
                await sessions.run(session)
            except* (shell.Failure, ApiRejected, aiohttp.ClientError, OSError) as failures:
                for failure in failures.exceptions:
                    run.say(f"    failed: {failure}")
                failed.append(what)
    return failed


def _cancel(task: asyncio.Task[list[str]] | None) -> None:
    if task is not None:
        task.cancel()


def _plan(given: argparse.Namespace, run: Run, *, in_flight: int) -> list[Session]:
    """Return what is to do: in each round all contenders, each time another one first."""
    everybody = [one for one in contenders(in_flight=in_flight) if one.name in given.contenders]
    todo: list[Session] = []
    for n in given.n:
        for round in range(1, given.rounds + 1):
            first = (round - 1) % len(everybody)
            for contender in everybody[first:] + everybody[:first]:
                found = missing(run, contender, n=n, round=round, suites=given.only)
                todo += [session for session in found if session not in todo]  # streams are the same for every N
    return todo


def main() -> int:
    """Measure, then report."""
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
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130
    _report(run, given.docs)
    shell.say(f"the page with tables and plots is in {given.docs}")
    if not given.report:
        run.say(f"measured in {time.monotonic() - begun:.0f} s; results are in {run.folder}")
    for what in failed:
        run.say(f"failed: {what}")
    return 1 if failed else 0


def _report(run: Run, docs: Path) -> None:
    """Print the tables, and write them, the plots and the key figures."""
    findings, found = Findings(run.results()), run.machine()
    print("\n".join(page.sections(findings)))
    told = keys(findings)
    print("\n".join(f"{name:30} {'-' if value is None else value}" for name, value in told.items()))
    docs.mkdir(parents=True, exist_ok=True)
    text = page.page(findings, source=_source(run.folder), machine=found, plots=plots.draw(findings, docs))
    (docs / "README.md").write_text(text)
    (run.folder.parent / "latest.json").write_text(page.latest(told, run=run.id, machine=found))


def _source(folder: Path) -> str:
    """Return how the page calls the run: a folder of another place is nothing that a reader could open."""
    if folder.is_relative_to(ROOT):
        return f"`{folder.relative_to(ROOT)}`"
    return f"a run that is not kept with the project, `{folder.name}`"


if __name__ == "__main__":
    raise SystemExit(main())
