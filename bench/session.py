"""One contender, one N, one round: a fresh control plane, and its suites one after the other."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.contender import Contender
from bench.contenders import LIFE, PODS, STREAMS, TIMED, fit, taking_part
from bench.contenders.bare import Bare
from bench.results import Result, Run
from bench.stage import Stage
from bench.suites import backlog, callbacks, delete, drift, edit, idle, ready, restart, streams
from bench.suites.figures import Figures

SWEEP: Final = (8, 16, 32, 64)
"""Numbers of requests in flight, of which the loop gets the best."""
SWEEP_N: Final = 200


_SIMPLE: Final[Mapping[str, Callable[[Stage], Awaitable[Figures]]]] = {
    "backlog": backlog.run,
    "edit": edit.run,
    "drift": drift.run,
    "restart": restart.run,
    "delete": delete.run,
    "noisy": streams.noisy,
    "ready": ready.run,
    "callbacks": callbacks.run,
}


@dataclass(frozen=True)
class Session:
    """What is measured without a break between."""

    contender: Contender
    n: int
    round: int
    suites: Sequence[str]


def missing(run: Run, contender: Contender, *, n: int, round: int, suites: Sequence[str]) -> list[Session]:
    """Return the sessions for what this run does not have yet; minutes of silence are enough once."""
    asked = [one for one in taking_part(contender, suites) if one != "idle" or round == 1]
    wanted = [one for one in asked if not run.has(one, contender.name, n_of(one, n), round)]
    kinds = ([one for one in wanted if one in kind] for kind in (LIFE, STREAMS, PODS, TIMED))
    return [Session(fit(contender, kind[0]), n_of(kind[0], n), round, kind) for kind in kinds if kind]


def n_of(suite: str, n: int) -> int:
    """Return how many stacks are there at the beginning: streams begin with none."""
    return 0 if suite in STREAMS else n


class Sessions:
    """Runs sessions, and keeps what they find."""

    def __init__(self, run: Run, *, work: Path, idle_seconds: float) -> None:
        self._run = run
        self._work = work
        self._idle = idle_seconds

    async def run(self, session: Session) -> None:
        """Run the suites of a session, and keep each result at once."""
        first = session.suites[0]
        try:
            async with Stage(self._work, session.contender, n=session.n) as stage:
                if first in STREAMS:
                    await stage.start()
                elif first in LIFE and "backlog" not in session.suites:
                    await backlog.run(stage)  # measured in a run before; the others need its stacks
                for suite in session.suites:
                    begun = time.monotonic()
                    figures = await self._measure(stage, suite)
                    self._keep(session, suite, figures)
                    self._run.say(f"    {suite}: {_brief(figures)} (took {time.monotonic() - begun:.0f} s)")
        except BaseException:
            logs = self._run.keep_logs(self._work, f"{session.contender.name}-{session.n}-{session.round}")
            self._run.say(f"    not finished; the logs of its programs are in {logs}")
            raise

    async def _measure(self, stage: Stage, suite: str) -> Figures:
        match suite:
            case "idle":
                return await idle.run(stage, seconds=self._idle)
            case "streams":
                return await streams.run(stage, rates=[rate for rate in streams.RATES if rate <= self.sustained()])
            case _:
                return await _SIMPLE[suite](stage)

    def _keep(self, session: Session, suite: str, figures: Figures) -> None:
        self._run.keep(
            Result(
                suite=suite,
                contender=session.contender.name,
                n=session.n,
                round=session.round,
                at=datetime.now(UTC).isoformat(timespec="seconds"),
                settings=session.contender.settings(),
                figures=figures,
            )
        )

    async def sweep(self) -> int:
        """Return the loop's best number of requests in flight: measured once per run."""
        if not self._rates():
            self._run.say(f"  the loop's best concurrency, with {SWEEP_N} stacks")
            rates = {str(in_flight): await self._rate(in_flight) for in_flight in SWEEP}
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self._run.keep(Result("sweep", "bare-status", SWEEP_N, 1, now, figures=Figures(numbers=rates)))
        rates = self._rates()
        best = max(rates, key=lambda in_flight: rates[in_flight])
        told = ", ".join(f"{in_flight}: {rate:.0f}/s" for in_flight, rate in rates.items())
        self._run.say(f"  the loop's best concurrency is {best} ({told})")
        return int(best)

    async def _rate(self, in_flight: int) -> float:
        async with Stage(self._work, Bare(status=True, in_flight=in_flight), n=SWEEP_N) as stage:
            figures = await backlog.run(stage)
        return SWEEP_N / figures.seconds["last status"]

    def sustained(self) -> float:
        """Return how many stacks a second the loop brings to a true status."""
        return max(self._rates().values())

    def _rates(self) -> dict[str, float]:
        return next((dict(one.figures.numbers) for one in self._run.results() if one.suite == "sweep"), {})


def _brief(figures: Figures) -> str:
    """Return the figures that tell most, for the line of progress."""
    said = [f"{name} {seconds:.2f} s" for name, seconds in figures.seconds.items()]
    said += [f"{name} p50 {one.p50:.0f} p99 {one.p99:.0f} ms" for name, one in figures.latencies.items()]
    said += [f"{name}: {note}" for name, note in figures.notes.items()]
    if figures.cost is not None:
        said.append(f"{figures.cost.writes} writes, {figures.cost.reads} reads")
    return "; ".join(said)
