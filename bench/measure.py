"""What a stretch of time cost: CPU, memory and sockets of each program, requests of the contender, watch events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench import audit, prometheus
from bench.audit import Log, Record
from bench.contender import Contender
from bench.plane import Plane, username
from bench.processes import Process, Usage

SERVERS = ("kube-apiserver", "etcd")
_SENT = "apiserver_watch_events_total"


@dataclass(frozen=True, slots=True)
class Cost:
    """What was used between two moments."""

    seconds: float
    requests: Mapping[str, int]
    writes: int
    reads: int
    single_reads: int
    cpu_seconds: Mapping[str, float]
    peak_rss_mib: Mapping[str, float]
    sockets: int
    watch_events: float  # that the API server has sent to anybody, less those of the bench's own watch
    counters: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Moment:
    """The state of all counters."""

    at: float
    record: int  # how many records the audit log had
    usages: Mapping[str, Usage]
    watch_events: float
    counters: Mapping[str, float]


class Meter:
    """Reads all counters of one contender on one control plane."""

    def __init__(self, plane: Plane, contender: Contender, log: Log, *, own_events: Callable[[], int]) -> None:
        self._plane = plane
        self._contender = contender
        self._log = log
        self.processes: Sequence[Process] = ()
        """Those of the contender, as long as it runs."""
        self._own_events = own_events  # how many events the bench's own watch has had

    def now(self) -> Moment:
        """Read all counters."""
        usages = {name: self._plane.process(name).usage() for name in SERVERS}
        running = [process.usage() for process in self.processes if process.alive]
        usages["contender"] = Usage(
            cpu_seconds=sum(one.cpu_seconds for one in running),
            peak_rss_mib=sum(one.peak_rss_mib for one in running),
            sockets=sum(one.sockets for one in running),
        )
        return Moment(
            at=time.time(),
            record=len(self._log.read()),
            usages=usages,
            watch_events=prometheus.sums(self._plane.text("/metrics")).get(_SENT, 0.0) - self._own_events(),
            counters=self._contender.counters() if running else {},
        )

    def mine(self, records: Sequence[Record]) -> list[Record]:
        """Return the contender's own requests."""
        return audit.of(records, username(self._contender.name))

    def since(self, begin: Moment) -> Cost:
        """Return what was used since."""
        end = self.now()
        mine = self.mine(self._log.records[begin.record :])
        return Cost(
            seconds=end.at - begin.at,
            requests=audit.count(mine),
            writes=audit.writes(mine),
            reads=audit.reads(mine),
            single_reads=audit.single_reads(mine),
            cpu_seconds={name: use.cpu_seconds - begin.usages[name].cpu_seconds for name, use in end.usages.items()},
            peak_rss_mib={name: use.peak_rss_mib for name, use in end.usages.items()},
            sockets=end.usages["contender"].sockets,
            watch_events=end.watch_events - begin.watch_events,
            counters={name: value - begin.counters.get(name, 0.0) for name, value in end.counters.items()},
        )
