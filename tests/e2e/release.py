"""The chart as a release of two replicas, a stream of AppStacks for it, and the requests of each of its pods."""

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

from tests.api.cluster import ApiError, Cluster, eventually
from tests.api.cluster import Namespace as ApiNamespace
from tests.e2e.namespace import Manifest, Namespace, is_pod_ready
from tools import install
from tools.cluster import programs, shell, state

RELEASE = "pair"
NAME = f"{RELEASE}-appstack"
NAMESPACE_PATTERN = "pair-stacks-*"  # matches no namespace of another operator of the cluster
LEASE_DURATION_SECONDS = 120  # a replica that waits for an expiry, of at least 80 s, is unmistakable on a busy machine
CREATE_INTERVAL_SECONDS = 0.4  # between two AppStacks of the stream
EDIT_LAG = 5  # AppStacks that are created before the edit of one
FIRST_VALUE, EDITED_VALUE = "first", "edited"
POD_NAME_KEY = "authentication.kubernetes.io/pod-name"


def helm(*arguments: str) -> str:
    """Run Helm against the cluster and return its standard output."""
    return shell.run([programs.path("helm"), *arguments], cwd=state.ROOT, env={"KUBECONFIG": str(state.KUBECONFIG)})


@dataclass(frozen=True)
class Release:
    """The release, in a namespace of its own."""

    namespace: Namespace

    def upgrade(self, values: Mapping[str, str]) -> None:
        """Install the release, or change some of its values, and wait until Helm reports success."""
        arguments = ["upgrade", "--install", RELEASE, install.CHART, "--reuse-values"]
        arguments += ["--namespace", self.namespace.name, "--wait", "--timeout", "5m"]
        helm(*arguments, *(argument for value in values.items() for argument in ("--set", "=".join(value))))

    def uninstall(self) -> None:
        """Uninstall the release, with its cluster-wide objects."""
        arguments = ["--namespace", self.namespace.name, "--ignore-not-found", "--wait", "--timeout", "5m"]
        helm("uninstall", RELEASE, *arguments)

    def manifest(self) -> str:
        """Return every object of the release as Helm has applied it."""
        return helm("get", "manifest", RELEASE, "--namespace", self.namespace.name)

    def pods(self, *, with_terminating: bool = False) -> dict[str, Manifest]:
        """Return the pods by name."""
        selector = f"app.kubernetes.io/instance={RELEASE}"
        output = self.namespace.kubectl("get", "pods", "--selector", selector, "--output", "json")
        pods = json.loads(output)["items"]
        return {
            pod["metadata"]["name"]: pod
            for pod in pods
            if with_terminating or "deletionTimestamp" not in pod["metadata"]
        }

    def leader(self) -> str:
        """Return the name of the pod that holds the Lease, or the empty string."""
        lease = self.namespace.find("lease", NAME)
        return pod_of(lease["spec"].get("holderIdentity", "")) if lease else ""

    def wait_until_ready(self) -> dict[str, Manifest]:
        """Wait until both pods are Ready and one of them holds the Lease; return the pods."""

        def both_ready() -> dict[str, Manifest]:
            pods = self.pods()
            ready = len(pods) == 2 and all(map(is_pod_ready, pods.values()))
            return pods if ready and self.leader() in pods else {}

        return self.namespace.wait_for("both pods are Ready and one leads", both_ready)

    def metrics(self, pod: str) -> dict[str, float]:
        """Return the metrics of a pod by the name of the series."""
        address = self.pods()[pod]["status"]["podIP"]
        return parse_metrics(self.namespace.page(f"http://{address}:8080/metrics"))


def parse_metrics(page: str) -> dict[str, float]:
    """Parse the Prometheus text format."""
    lines = (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def pod_of(holder: str) -> str:
    """Return the pod of a Lease holder."""
    return holder.partition("_")[0]


@dataclass
class AppStackStream:
    """AppStacks that are created one after the other, each edited once some time later."""

    namespace: ApiNamespace
    created: dict[str, float] = field(default_factory=dict)
    edited: dict[str, float] = field(default_factory=dict)
    errors: list[ApiError] = field(default_factory=list)

    def run(self, prefix: str, stop: Event) -> None:
        """Create and edit AppStacks until the event is set, then edit the remaining ones."""
        names: list[str] = []
        while not stop.wait(CREATE_INTERVAL_SECONDS):
            names.append(f"{prefix}-{len(names)}")
            self._create(names[-1])
            if len(names) > EDIT_LAG:
                self._edit(names[-EDIT_LAG - 1])
        for name in names[-EDIT_LAG:]:
            self._edit(name)

    def _create(self, name: str) -> None:
        self.created[name] = time.time()
        backend = {"image": "busybox:1.35.0", "ports": [{"containerPort": 8000}], **_environment(FIRST_VALUE)}
        try:
            self.namespace.create_stack(name, backend=backend)
        except ApiError as error:
            self.errors.append(error)

    def _edit(self, name: str) -> None:
        self.edited[name] = time.time()
        try:
            self.namespace.edit_stack(name, backend=_environment(EDITED_VALUE))
        except ApiError as error:
            self.errors.append(error)


def _environment(value: str) -> dict[str, Any]:
    return {"env": [{"name": "VALUE", "value": value}]}


@contextmanager
def streaming(namespace: str, prefix: str) -> Iterator[AppStackStream]:
    """Run a stream of AppStacks in a thread: the block starts after the first edit, and ends the stream."""
    cluster, stop = Cluster(), Event()
    stream = AppStackStream(ApiNamespace(cluster, namespace))
    thread = Thread(target=stream.run, args=(prefix, stop), daemon=True)
    thread.start()
    try:
        eventually(lambda: stream.edited or not thread.is_alive(), within=60)
        yield stream
    finally:
        stop.set()
        thread.join(60)
        cluster.close()
    assert not stream.errors
    assert stream.created.keys() == stream.edited.keys()


@dataclass(frozen=True)
class PodRequest:
    """A request of a pod of the release, as the audit log records it; the time is in seconds since the epoch."""

    received_at: float
    pod: str
    verb: str
    resource: str
    namespace: str
    name: str

    @property
    def stack(self) -> str:
        """The AppStack of the object: children have its name, and the ConfigMap of files has a suffix."""
        return self.name.partition("-files-")[0]


@dataclass(frozen=True)
class PodAuditLog:
    """The requests of both pods since a moment; the API server records the pod of each ServiceAccount token."""

    account: str
    offset: int

    @classmethod
    def from_now(cls, namespace: Namespace) -> PodAuditLog:
        """Return a log that starts at the current end of the file."""
        return cls(f"system:serviceaccount:{namespace.name}:{NAME}", state.AUDIT_LOG.stat().st_size)

    def requests(self) -> list[PodRequest]:
        """Return the requests in the order in which the API server received them."""
        with state.AUDIT_LOG.open("rb") as log:
            log.seek(self.offset)
            lines = [line for line in log if self.account.encode() in line and line.endswith(b"\n")]
        entries = (json.loads(line) for line in lines)
        requests = (_pod_request(entry) for entry in entries if entry["user"]["username"] == self.account)
        return sorted(requests, key=lambda request: request.received_at)

    def writes(self, namespace: str) -> list[PodRequest]:
        """Return the writes in a namespace."""
        reads = ("get", "list", "watch")
        return [request for request in self.requests() if request.namespace == namespace and request.verb not in reads]

    def elected_at(self, pod: str) -> float:
        """Return when a pod first wrote the Lease, which a standby never does."""
        update = ("leases", "update", pod)
        return next(
            request.received_at
            for request in self.requests()
            if (request.resource, request.verb, request.pod) == update
        )


def _pod_request(entry: Mapping[str, Any]) -> PodRequest:
    ref = entry.get("objectRef") or {}
    (pod,) = entry["user"]["extra"][POD_NAME_KEY]
    return PodRequest(
        received_at=datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp(),
        pod=pod,
        verb=entry["verb"],
        resource="/".join(filter(None, (ref.get("resource"), ref.get("subresource")))),
        namespace=ref.get("namespace", ""),
        name=ref.get("name", ""),
    )


def without_repeats(values: list[str]) -> list[str]:
    """Return the values without those that equal their predecessor."""
    return [value for value, _ in groupby(values)]
