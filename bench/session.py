"""A session: a fresh control plane for one system, one N and one round, on which suites run one after the other."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.fixture import Fixture
from bench.results import CONCURRENCY_SUITE, Result, Run
from bench.suites import backlog, callbacks, delete, drift, edit, idle, ready, restart, streams
from bench.suites.figures import Figures
from bench.system import System
from bench.systems import INSTRUMENTED, LIFECYCLE, PODS, STREAMS, configured, supported_suites
from bench.systems.bare import Bare

CONCURRENCY_LEVELS: Final = (8, 16, 32, 64)
"""Numbers of concurrent requests from which the bare loop gets the best."""
CONCURRENCY_STACKS: Final = 200

_SUITES: Final[Mapping[str, Callable[[Fixture], Awaitable[Figures]]]] = {
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
    """Suites that run on one control plane without a break."""

    system: System
    n: int
    round: int
    suites: Sequence[str]


def pending_sessions(run: Run, system: System, *, n: int, round: int, suites: Sequence[str]) -> list[Session]:
    """Return the sessions without a result in this run; the idle suite belongs to the first round only."""
    requested = [one for one in supported_suites(system, suites) if one != "idle" or round == 1]
    pending = [one for one in requested if not run.has(one, system.name, initial_stacks(one, n), round)]
    groups = ([one for one in pending if one in group] for group in (LIFECYCLE, STREAMS, PODS, INSTRUMENTED))
    return [
        Session(configured(system, group[0]), initial_stacks(group[0], n), round, group) for group in groups if group
    ]


def initial_stacks(suite: str, n: int) -> int:
    """Return the number of stacks with which a suite begins: none for streams, N for the others."""
    return 0 if suite in STREAMS else n


class SessionRunner:
    """Runs sessions and saves their results."""

    def __init__(self, run: Run, *, work: Path, idle_seconds: float) -> None:
        self._run = run
        self._work = work
        self._idle_seconds = idle_seconds

    async def run(self, session: Session) -> None:
        """Run the suites of a session and save each result at once."""
        first = session.suites[0]
        try:
            async with Fixture(self._work, session.system, n=session.n) as fixture:
                if first in STREAMS:
                    await fixture.start()
                elif first in LIFECYCLE and "backlog" not in session.suites:
                    await backlog.run(fixture)  # its result is recorded already; the other suites need its stacks
                for suite in session.suites:
                    begun = time.monotonic()
                    figures = await self._measure(fixture, suite)
                    self._save(session, suite, figures)
                    self._run.log(f"    {suite}: {_summary(figures)} (took {time.monotonic() - begun:.0f} s)")
        except BaseException:
            logs = self._run.save_logs(self._work, f"{session.system.name}-{session.n}-{session.round}")
            self._run.log(f"    not finished; the logs of its processes are in {logs}")
            raise

    async def _measure(self, fixture: Fixture, suite: str) -> Figures:
        match suite:
            case "idle":
                return await idle.run(fixture, seconds=self._idle_seconds)
            case "streams":
                limit = self.bare_rate()
                return await streams.run(fixture, rates=[rate for rate in streams.RATES if rate <= limit])
            case _:
                return await _SUITES[suite](fixture)

    def _save(self, session: Session, suite: str, figures: Figures) -> None:
        self._run.save(
            Result(
                suite=suite,
                system=session.system.name,
                n=session.n,
                round=session.round,
                at=datetime.now(UTC).isoformat(timespec="seconds"),
                settings=session.system.settings(),
                figures=figures,
            )
        )

    async def best_concurrency(self) -> int:
        """Return the bare loop's best number of concurrent requests; it is measured once per run."""
        if not self._rates():
            self._run.log(f"  best concurrency of the bare loop, with {CONCURRENCY_STACKS} stacks")
            rates = {str(in_flight): await self._measure_rate(in_flight) for in_flight in CONCURRENCY_LEVELS}
            now = datetime.now(UTC).isoformat(timespec="seconds")
            figures = Figures(numbers=rates)
            self._run.save(Result(CONCURRENCY_SUITE, "bare-status", CONCURRENCY_STACKS, 1, now, figures=figures))
        rates = self._rates()
        best = max(rates, key=lambda in_flight: rates[in_flight])
        summary = ", ".join(f"{in_flight}: {rate:.0f}/s" for in_flight, rate in rates.items())
        self._run.log(f"  best concurrency of the bare loop: {best} requests ({summary})")
        return int(best)

    async def _measure_rate(self, in_flight: int) -> float:
        system = Bare(status=True, in_flight=in_flight)
        async with Fixture(self._work, system, n=CONCURRENCY_STACKS) as fixture:
            figures = await backlog.run(fixture)
        return CONCURRENCY_STACKS / figures.seconds["last status"]

    def bare_rate(self) -> float:
        """Return the number of stacks a second that the bare loop brings to a current status."""
        return max(self._rates().values())

    def _rates(self) -> dict[str, float]:
        results = self._run.results()
        return next((dict(one.figures.numbers) for one in results if one.suite == CONCURRENCY_SUITE), {})


def _summary(figures: Figures) -> str:
    """Return the main figures on one line, for the progress log."""
    parts = [f"{name} {seconds:.2f} s" for name, seconds in figures.seconds.items()]
    parts += [f"{name} p50 {one.p50:.0f} p99 {one.p99:.0f} ms" for name, one in figures.latencies.items()]
    parts += [f"{name}: {note}" for name, note in figures.notes.items()]
    if figures.cost is not None:
        parts.append(f"{figures.cost.writes} writes, {figures.cost.reads} reads")
    return "; ".join(parts)
