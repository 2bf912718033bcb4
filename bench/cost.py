"""The cost of a measured interval: CPU, memory and sockets by process, requests of the system, watch events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench import audit, prometheus
from bench.audit import Log, Record
from bench.control_plane import ControlPlane, username
from bench.processes import Process, Usage
from bench.system import System

SERVERS: Final = ("kube-apiserver", "etcd")
SYSTEM: Final = "contender"
"""Key of the system under test in `cpu_seconds` and `peak_rss_mib`; recorded results have it."""
_WATCH_EVENTS: Final = "apiserver_watch_events_total"


@dataclass(frozen=True, slots=True)
class Cost:
    """The resources used and the requests sent between two snapshots."""

    seconds: float
    requests: Mapping[str, int]
    writes: int
    reads: int
    single_reads: int
    cpu_seconds: Mapping[str, float]
    peak_rss_mib: Mapping[str, float]
    sockets: int
    watch_events: float  # sent to all clients, except those of the bench's own watch
    counters: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The values of all counters at one time."""

    at: float
    record_count: int  # length of the audit log
    usages: Mapping[str, Usage]
    watch_events: float
    counters: Mapping[str, float]


class Meter:
    """Reads all counters of one system under test on one control plane."""

    def __init__(self, control_plane: ControlPlane, system: System, log: Log, *, own_events: Callable[[], int]) -> None:
        self._control_plane = control_plane
        self._system = system
        self._log = log
        self.processes: Sequence[Process] = ()
        """The running processes of the system under test."""
        self._own_events = own_events  # number of events that the bench's own watch has received

    def snapshot(self) -> Snapshot:
        """Read all counters."""
        usages = {name: self._control_plane.process(name).usage() for name in SERVERS}
        running = [process.usage() for process in self.processes if process.alive]
        usages[SYSTEM] = Usage(
            cpu_seconds=sum(one.cpu_seconds for one in running),
            rss_mib=sum(one.rss_mib for one in running),
            peak_rss_mib=sum(one.peak_rss_mib for one in running),
            sockets=sum(one.sockets for one in running),
        )
        watch_events = prometheus.sums(self._control_plane.text("/metrics")).get(_WATCH_EVENTS, 0.0)
        return Snapshot(
            at=time.time(),
            record_count=len(self._log.read()),
            usages=usages,
            watch_events=watch_events - self._own_events(),
            counters=self._system.counters() if running else {},
        )

    def requests_of_system(self, records: Sequence[Record]) -> list[Record]:
        """Return the requests of the system under test."""
        return audit.requests_of(records, username(self._system.name))

    def cost_since(self, begin: Snapshot) -> Cost:
        """Return the cost from a snapshot until now."""
        end = self.snapshot()
        requests = self.requests_of_system(self._log.records[begin.record_count :])
        return Cost(
            seconds=end.at - begin.at,
            requests=audit.count_requests(requests),
            writes=audit.count_writes(requests),
            reads=audit.count_reads(requests),
            single_reads=audit.count_single_reads(requests),
            cpu_seconds={name: use.cpu_seconds - begin.usages[name].cpu_seconds for name, use in end.usages.items()},
            peak_rss_mib={name: use.peak_rss_mib for name, use in end.usages.items()},
            sockets=end.usages[SYSTEM].sockets,
            watch_events=end.watch_events - begin.watch_events,
            counters={name: value - begin.counters.get(name, 0.0) for name, value in end.counters.items()},
        )
