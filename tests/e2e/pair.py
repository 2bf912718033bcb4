"""Two replicas of the chart as a release of its own, a stream of AppStacks for them, and what both sent, by the pod."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from threading import Event, Thread
from typing import Any

from tests.api.harness import Cluster, Failure, eventually
from tests.api.harness import Space as Requests
from tests.e2e.harness import Manifest, Space
from tools import install
from tools.cluster import programs, shell, state

RELEASE = "pair"
NAME = f"{RELEASE}-appstack"
SCOPE = "pair-stacks-*"  # and never a namespace of another operator of this cluster
LEASE = 120  # seconds: who waits for its end, 80 at least, is told from who does not, on the busiest machine
PACE = 0.4  # seconds between two stacks of the stream
LAG = 5  # stacks that are newer than the one that is edited
ANOTHER = "another"  # the value that the edit sets
POD_NAME = "authentication.kubernetes.io/pod-name"


def helm(*words: str) -> str:
    """Run Helm against the cluster."""
    return shell.run([programs.path("helm"), *words], cwd=state.ROOT, env={"KUBECONFIG": str(state.KUBECONFIG)})


@dataclass(frozen=True)
class Pair:
    """The release, in a namespace of its own."""

    home: Space

    def upgrade(self, values: Mapping[str, str]) -> None:
        """Install it, or change some of its values, and wait as users do."""
        words = ["upgrade", "--install", RELEASE, install.CHART, "--reuse-values"]
        words += ["--namespace", self.home.name, "--wait", "--timeout", "5m"]
        helm(*words, *(word for each in values.items() for word in ("--set", "=".join(each))))

    def uninstall(self) -> None:
        """Take it away, with what is the cluster's."""
        helm("uninstall", RELEASE, "--namespace", self.home.name, "--ignore-not-found", "--wait", "--timeout", "5m")

    def manifest(self) -> str:
        """Return every object of the release as Helm has sent it."""
        return helm("get", "manifest", RELEASE, "--namespace", self.home.name)

    def pods(self, *, ending: bool = False) -> dict[str, Manifest]:
        """Return its pods by name, those on their way out only when asked for."""
        selector = f"app.kubernetes.io/instance={RELEASE}"
        found = json.loads(self.home.kubectl("get", "pods", "--selector", selector, "--output", "json"))["items"]
        return {pod["metadata"]["name"]: pod for pod in found if ending or "deletionTimestamp" not in pod["metadata"]}

    def leader(self) -> str:
        """Return the pod that holds the Lease; empty while nobody does."""
        lease = self.home.find("lease", NAME)
        return pod_of(lease["spec"].get("holderIdentity", "")) if lease else ""

    def whole(self) -> dict[str, Manifest]:
        """Wait until both pods are Ready and one of them leads; return them."""

        def both() -> dict[str, Manifest]:
            pods = self.pods()
            return pods if len(pods) == 2 and all(map(is_ready, pods.values())) and self.leader() in pods else {}

        return self.home.until("both are Ready and one leads", both)

    def metrics(self, pod: str) -> dict[str, float]:
        """Return what a pod has counted, by the name of the series."""
        address = self.pods()[pod]["status"]["podIP"]
        return series(self.home.page(f"http://{address}:8080/metrics"))


def series(page: str) -> dict[str, float]:
    """Read Prometheus' text format."""
    lines = (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def is_ready(pod: Manifest) -> bool:
    """Tell whether a pod says that it is Ready."""
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def pod_of(holder: str) -> str:
    """Return the pod that a Lease's holder runs in."""
    return holder.partition("_")[0]


@dataclass
class Stream:
    """AppStacks that are created one after the other, each edited once some time later."""

    requests: Requests
    created: dict[str, float] = field(default_factory=dict)
    edited: dict[str, float] = field(default_factory=dict)
    refused: list[Failure] = field(default_factory=list)

    def run(self, prefix: str, stop: Event) -> None:
        """Go on until told to stop, then edit what is left."""
        names: list[str] = []
        while not stop.wait(PACE):
            names.append(f"{prefix}-{len(names)}")
            self._write(names[-1], new=True)
            if len(names) > LAG:
                self._write(names[-LAG - 1], new=False)
        for name in names[-LAG:]:
            self._write(name, new=False)

    def _write(self, name: str, *, new: bool) -> None:
        (self.created if new else self.edited)[name] = time.time()
        backend = {"image": "busybox:1.35.0", "ports": [{"containerPort": 8000}]}
        env = {"env": [{"name": "VALUE", "value": "first" if new else ANOTHER}]}
        try:
            if new:
                self.requests.stack(name, backend=backend | env)
            else:
                self.requests.edit(name, backend=env)
        except Failure as error:
            self.refused.append(error)


@contextmanager
def streaming(namespace: str, prefix: str) -> Iterator[Stream]:
    """Let stacks come, first some of them, then for as long as the block lasts; edits come before and after it."""
    cluster, stop = Cluster(), Event()
    stream = Stream(Requests(cluster, namespace))
    writer = Thread(target=stream.run, args=(prefix, stop), daemon=True)
    writer.start()
    try:
        eventually(lambda: stream.edited or not writer.is_alive(), within=60)
        yield stream
    finally:
        stop.set()
        writer.join(60)
        cluster.close()
    assert not stream.refused
    assert stream.created.keys() == stream.edited.keys()


@dataclass(frozen=True)
class Sent:
    """A request of one of the pods, as the API server received it."""

    at: float
    pod: str
    verb: str
    resource: str
    namespace: str
    name: str

    @property
    def stack(self) -> str:
        """The stack that it was about: its children bear its name, and the files more than that."""
        return self.name.partition("-files-")[0]


@dataclass(frozen=True)
class Audit:
    """What both pods have sent since a moment; the API server notes the pod whose token came with a request."""

    account: str
    offset: int

    @classmethod
    def since_now(cls, home: Space) -> Audit:
        """Begin at the present end of the log."""
        return cls(f"system:serviceaccount:{home.name}:{NAME}", state.AUDIT_LOG.stat().st_size)

    def sent(self) -> list[Sent]:
        """Return every request in the order in which the API server received them."""
        with state.AUDIT_LOG.open("rb") as log:
            log.seek(self.offset)
            lines = [line for line in log if self.account.encode() in line and line.endswith(b"\n")]
        entries = (json.loads(line) for line in lines)
        found = (_sent(entry) for entry in entries if entry["user"]["username"] == self.account)
        return sorted(found, key=lambda one: one.at)

    def written(self, namespace: str) -> list[Sent]:
        """Return what was written in a namespace."""
        looks = ("get", "list", "watch")
        return [one for one in self.sent() if one.namespace == namespace and one.verb not in looks]

    def took_over(self, pod: str) -> float:
        """Return when a pod first wrote the Lease: who stands by never does."""
        return next(one.at for one in self.sent() if (one.resource, one.verb, one.pod) == ("leases", "update", pod))


def _sent(entry: Mapping[str, Any]) -> Sent:
    ref = entry.get("objectRef") or {}
    at = datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp()
    (pod,) = entry["user"]["extra"][POD_NAME]
    resource = "/".join(filter(None, (ref.get("resource"), ref.get("subresource"))))
    return Sent(at, pod, entry["verb"], resource, ref.get("namespace", ""), ref.get("name", ""))


def turns(values: list[str]) -> list[str]:
    """Return the values without what only repeats the one before."""
    return [value for value, _ in groupby(values)]
