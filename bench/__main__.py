"""`python -m bench`: what `make bench` runs."""

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
from bench.contenders import SUITES, contenders
from bench.plane import Refused
from bench.report import page, plots
from bench.report.findings import Findings
from bench.report.keys import keys
from bench.results import Run
from bench.session import Session, Sessions, missing
from tools.cluster import programs, shell

ROOT: Final = Path(__file__).resolve().parent.parent
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
  make bench                                        everything, N = 100 and 1000, three rounds
  make bench N=1000 ONLY=backlog,edit,drift,restart ROUNDS=3
  make bench N=10000 ONLY=backlog,restart ROUNDS=1 OUT=bench/results/run-big
  make bench REPORT=1                               only write the tables and plots of the last run anew

What is finished is kept in the run's folder and not measured again: after Ctrl-C, run the same command.
"""


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.replace(",", " ").split()]


def _words(text: str) -> list[str]:
    words = text.replace(",", " ").split()
    wrong = [word for word in words if word not in SUITES]
    if wrong:
        raise argparse.ArgumentTypeError(f"no suite {', '.join(wrong)}; there are {', '.join(SUITES)}")
    return words


def _parse() -> argparse.Namespace:
    today = datetime.now(UTC).date().isoformat()
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure AppStack beside a bare loop and beside its peers, on a control plane of its own.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-n", type=_numbers, default=[100, 1000], metavar="N[,N]", help="how many stacks (default 100,1000)")
    add("--only", type=_words, default=list(SUITES), metavar="SUITE[,SUITE]", help="these suites (default all)")
    add("--contenders", default="", metavar="NAME[,NAME]", help="these contenders (default all)")
    add("--rounds", type=int, default=3, metavar="R", help="how often (default 3); contenders take turns")
    add("--idle", type=float, default=600, metavar="S", help="how long the idle suite waits (default 600)")
    results = ROOT / "bench/results" / f"run-{today}"
    add("--out", type=Path, default=results, metavar="FOLDER", help="the run's folder (default bench/results/run-DATE)")
    add("--docs", type=Path, default=ROOT / "docs/performance", metavar="FOLDER", help="for tables and plots")
    add("--report", action="store_true", help="measure nothing, write tables and plots of the run anew")
    return parser.parse_args()


async def _measure(given: argparse.Namespace, run: Run) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel, asyncio.current_task())
    run.made_on(machine.describe())
    programs.ensure(["etcd", "kube-apiserver", "kube-controller-manager", "kubeadm"])
    with tempfile.TemporaryDirectory(prefix="appstack-bench-") as folder:
        sessions = Sessions(run, work=Path(folder) / "plane", idle_seconds=given.idle)
        todo = _plan(given, run, in_flight=await sessions.sweep())
        for number, session in enumerate(todo, 1):
            name, suites = session.contender.name, ", ".join(session.suites)
            run.say(f"  [{number}/{len(todo)}] round {session.round}, N={session.n}, {name}: {suites}")
            try:
                await sessions.run(session)
            except* (shell.Failure, Refused, aiohttp.ClientError, OSError) as failures:
                for failure in failures.exceptions:
                    run.say(f"    failed: {failure}")


def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()


def _plan(given: argparse.Namespace, run: Run, *, in_flight: int) -> list[Session]:
    """Return what is to do: in each round all contenders, each time another one first."""
    asked = set(given.contenders.replace(",", " ").split())
    everybody = [one for one in contenders(in_flight=in_flight) if not asked or one.name in asked]
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
    run = Run(given.out.absolute())
    begun = time.monotonic()
    try:
        if not given.report:
            asyncio.run(_measure(given, run))
    except shell.Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130
    _report(run, given.docs)
    out, docs = _shown(given.out), _shown(given.docs)
    run.say(f"measured in {time.monotonic() - begun:.0f} s; results are in {out}, plots in {docs}")
    return 0


def _shown(folder: Path) -> str:
    """Return a folder's name as it may be committed."""
    absolute = folder.absolute()
    return str(absolute.relative_to(ROOT) if absolute.is_relative_to(ROOT) else folder)


def _report(run: Run, docs: Path) -> None:
    """Print the tables, and write them, the plots and the key figures."""
    findings, found = Findings(run.results()), run.machine()
    print("\n".join(page.sections(findings)))
    told = keys(findings)
    print("\n".join(f"{name:28} {'-' if value is None else value}" for name, value in told.items()))
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "README.md").write_text(page.page(findings, run=run.id, machine=found, plots=plots.draw(findings, docs)))
    (run.folder.parent / "latest.json").write_text(page.latest(told, run=run.id, machine=found))


if __name__ == "__main__":
    raise SystemExit(main())
