"""What the API tests stand on: a REST client of their own, the audit log, and the operator as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import urllib3
import yaml
from kubernetes import config
from kubernetes.client import Configuration

from appstack.k8s.lenient_json import read

ROOT = Path(__file__).parents[2]
CLUSTER = Path(os.environ.get("APPSTACK_TEST_CLUSTER", ROOT / ".cluster"))
"""Where the kubeconfig and the audit log of the cluster are: any control plane will do for these tests."""
KUBECONFIG = CLUSTER / "kubeconfig"
AUDIT_LOG = CLUSTER / "audit.log"

Manifest = dict[str, Any]
T = TypeVar("T")

PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ConfigMap": "/api/v1/namespaces/{ns}/configmaps",
    "Service": "/api/v1/namespaces/{ns}/services",
    "ServiceAccount": "/api/v1/namespaces/{ns}/serviceaccounts",
    "PersistentVolumeClaim": "/api/v1/namespaces/{ns}/persistentvolumeclaims",
    "ResourceQuota": "/api/v1/namespaces/{ns}/resourcequotas",
    "Deployment": "/apis/apps/v1/namespaces/{ns}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{ns}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{ns}/daemonsets",
    "ControllerRevision": "/apis/apps/v1/namespaces/{ns}/controllerrevisions",
    "Pod": "/api/v1/namespaces/{ns}/pods",
    "Job": "/apis/batch/v1/namespaces/{ns}/jobs",
    "CronJob": "/apis/batch/v1/namespaces/{ns}/cronjobs",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{ns}/httproutes",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets",
    "ReplicaSet": "/apis/apps/v1/namespaces/{ns}/replicasets",
    "AppStack": "/apis/appstack.dev/v1alpha1/namespaces/{ns}/appstacks",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases",
    "Event": "/apis/events.k8s.io/v1/namespaces/{ns}/events",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings",
}
APPLY, MERGE, STRATEGIC, JSON_PATCH = (
    "application/apply-patch+yaml",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
)


class Failure(Exception):
    """An answer of 400 and above."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status


PATIENCE = 60.0  # seconds: it costs nothing where all is well, and CI has little CPU


def eventually(what: Callable[[], T], *, within: float = PATIENCE) -> T:
    """Return what is asked for as soon as it is true; fail with the last answer when it does not become so."""
    deadline = time.monotonic() + within
    while True:
        try:
            answer = what()
            problem: object = answer
        except (AssertionError, Failure, KeyError, IndexError) as error:
            answer, problem = None, error
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {within} s: {problem!r}")
        time.sleep(0.05)


class Cluster:
    """The API server, as its administrator."""

    def __init__(self) -> None:
        found = Configuration()
        config.load_kube_config(config_file=str(KUBECONFIG), client_configuration=found)  # type: ignore[no-untyped-call]
        self.server, self.ca = found.host, found.ssl_ca_cert
        self._pool = urllib3.PoolManager(ca_certs=found.ssl_ca_cert, cert_file=found.cert_file, key_file=found.key_file)

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.clear()

    def request(
        self, method: str, path: str, body: object = None, *, kind: str = "application/json", **query: str
    ) -> Manifest:
        """Send a request; raise Failure."""
        response = self._pool.request(
            method,
            f"{self.server}{path}?{urlencode(query)}",
            body=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": kind, "Accept": "application/json"},
        )
        if response.status >= 400:
            raise Failure(response.status, response.data.decode())
        answer: Manifest = read(response.data)
        return answer


@dataclass(frozen=True)
class Space:
    """One namespace, and what a test does in it."""

    cluster: Cluster
    name: str

    def path(self, kind: str, name: str = "") -> str:
        """Return the path of an object, or of the collection."""
        return PATHS[kind].format(ns=self.name) + (f"/{name}" if name else "")

    def get(self, kind: str, name: str) -> Manifest:
        """Get an object."""
        return self.cluster.request("GET", self.path(kind, name))

    def list(self, kind: str, **query: str) -> list[Manifest]:
        """List a kind."""
        items: list[Manifest] = self.cluster.request("GET", self.path(kind), **query)["items"]
        return items

    def exists(self, kind: str, name: str) -> bool:
        """Tell whether an object is there."""
        try:
            self.get(kind, name)
        except Failure as error:
            if error.status == 404:
                return False
            raise
        return True

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object here."""
        placed = manifest | {"metadata": manifest["metadata"] | {"namespace": self.name}}
        return self.cluster.request("POST", self.path(manifest["kind"]), placed, fieldValidation="Strict")

    def patch(self, kind: str, name: str, change: object, *, how: str = MERGE, sub: str = "") -> Manifest:
        """Change an object as somebody else would."""
        path = self.path(kind, name) + (f"/{sub}" if sub else "")
        return self.cluster.request("PATCH", path, change, kind=how, fieldManager="somebody")

    def delete(self, kind: str, name: str) -> None:
        """Delete an object."""
        self.cluster.request("DELETE", self.path(kind, name))

    def stack(self, name: str = "shop", **spec: Any) -> Manifest:
        """Create an AppStack."""
        return self.create(stack(name, **spec))

    def edit(self, name: str = "shop", **spec: Any) -> Manifest:
        """Change members of an AppStack's spec."""
        return self.patch("AppStack", name, {"spec": spec})

    def status(self, name: str = "shop") -> Manifest:
        """Return an AppStack's status."""
        status: Manifest = self.get("AppStack", name).get("status") or {}
        return status

    def condition(self, kind: str, name: str = "shop") -> Manifest:
        """Return a condition of the present generation; empty while there is none."""
        found = self.get("AppStack", name)
        conditions = found.get("status", {}).get("conditions", ())
        present = (one for one in conditions if one["observedGeneration"] == found["metadata"]["generation"])
        return next((one for one in present if one["type"] == kind and one["status"] == "True"), {})

    def ready(self, name: str = "shop", *, within: float = PATIENCE) -> Manifest:
        """Wait until an AppStack is Ready; return it."""
        eventually(lambda: self.condition("Ready", name), within=within)
        return self.get("AppStack", name)


def stack(name: str = "shop", **spec: Any) -> Manifest:
    """Return an AppStack whose Deployment wants no pods: what is tested here is what the API server sees."""
    backend = {"image": "busybox:1.35.0", "command": ["sleep", "infinity"], "ports": [{"containerPort": 8000}]}
    files = [{"path": "/etc/app/settings.toml", "content": "debug = false\n"}]
    whole = {"replicas": 0, "backend": backend, "files": files, "serviceAccount": {}} | spec
    return {
        "apiVersion": "appstack.dev/v1alpha1",
        "kind": "AppStack",
        "metadata": {"name": name},
        "spec": {key: value for key, value in whole.items() if value is not None},
    }


LEASE = 60  # seconds: who renews too late ends, as on a busy machine, and few tests are about that
CHILDREN = 4  # of that stack: ServiceAccount, files, Service, Deployment


@dataclass
class Audit:
    """What one user has asked of the API server, by its own account."""

    user: str
    entries: list[Manifest] = field(default_factory=list)
    _file: Any = None
    _rest: str = ""

    def read(self) -> list[Manifest]:
        """Return every request so far."""
        if self._file is None or not self._same():
            self.close()
            self._file = AUDIT_LOG.open()
        text = self._rest + self._file.read()
        *lines, self._rest = text.split("\n")
        mine = (json.loads(line) for line in lines if self.user in line)
        self.entries += [entry for entry in mine if entry["user"]["username"] == self.user]
        return self.entries

    def from_now_on(self) -> Audit:
        """Leave out what was asked before, as an account may have served another test."""
        self.read()
        self.entries.clear()
        return self

    def close(self) -> None:
        """Let go of the log."""
        if self._file is not None:
            self._file.close()

    def _same(self) -> bool:
        return os.fstat(self._file.fileno()).st_ino == AUDIT_LOG.stat().st_ino

    def of(self, namespace: str) -> list[str]:
        """Return the requests in a namespace: verb, resource and code, as `patch deployments 201`."""
        found = (entry for entry in self.read() if entry.get("objectRef", {}).get("namespace") == namespace)
        return [_word(entry) for entry in found if entry["stage"] == "ResponseComplete"]

    def single(self) -> list[str]:
        """Return the requests for single objects anywhere, Leases aside."""
        found = (entry for entry in self.read() if entry.get("objectRef", {}).get("name"))
        return [_word(entry) for entry in found if entry["objectRef"]["resource"] != "leases"]

    def settled(self, namespace: str, *, within: float = PATIENCE) -> Counter[str]:
        """Wait until nothing was asked for longer than the operator ever puts a status off; count what was."""
        deadline, quiet, before = time.monotonic() + within, 0, -1
        while quiet < 16:  # looks, not seconds: a machine that stalls between two of them stalls the operator, too
            time.sleep(0.1)
            count = len(self.of(namespace))
            quiet, before = (quiet + 1 if count == before else 0), count
            assert time.monotonic() < deadline, f"never quiet: {self.of(namespace)[-20:]}"
        return Counter(self.of(namespace))

    @contextmanager
    def counting(self, namespace: str) -> Iterator[Counter[str]]:
        """Count what is asked because of what happens in the block."""
        before, after = self.settled(namespace), Counter[str]()
        yield after
        after.update(self.settled(namespace) - before)


def _word(entry: Mapping[str, Any]) -> str:
    ref = entry["objectRef"]
    resource = "/".join(filter(None, (ref["resource"], ref.get("subresource"))))
    return f"{entry['verb']} {resource} {entry['responseStatus']['code']}"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Operator:
    """`appstack run` as a process of its own, with the rights of the chart's ServiceAccount."""

    def __init__(self, folder: Path, kubeconfig: Path, *, before: str = "", **settings: Any) -> None:
        self.folder, self.kubeconfig = folder, kubeconfig
        self.before = before  # Python, run first: a number that takes minutes elsewhere
        self.health, self.metrics = free_port(), free_port()
        ports = {"listen": "127.0.0.1", "healthPort": self.health, "metricsPort": self.metrics}
        self.settings = ports | {"leaseDuration": LEASE} | settings
        self.log = folder / "operator.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it reconciles."""
        before = self._said()
        self.launch()
        eventually(lambda: self._said() > before or self.exited(), within=120)
        assert not self.exited(), self.log.read_text()[-3000:]

    def launch(self) -> None:
        """Start, and wait for nothing."""
        file = self.folder / "settings.yaml"
        file.write_text(yaml.safe_dump(self.settings))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    *(("-c", f"{self.before}; from appstack import __main__") if self.before else ("-m", "appstack")),
                    "run",
                    "--settings",
                    str(file),
                    "--kubeconfig",
                    str(self.kubeconfig),
                ],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(ROOT / "operator")},
                stdout=log,
                stderr=log,
            )

    def _said(self) -> int:
        return self.log.read_text().count("Reconciling ") if self.log.exists() else 0

    def running(self) -> bool:
        """Tell whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def exited(self) -> bool:
        """Tell whether it has ended."""
        return self._process is not None and self._process.poll() is not None

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process
        return self._process.pid

    def send(self, how: signal.Signals) -> float:
        """Send it a signal; return when, by the clock of the audit log."""
        assert self._process
        self._process.send_signal(how)
        return time.time()

    def stop(self) -> int:
        """Tell it to stop; return its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """End it without a chance to tidy up."""
        return self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        self.send(how)
        return self.wait()

    def wait(self, *, within: float = 30.0) -> int:
        """Wait for its end; return its exit code."""
        assert self._process
        return self._process.wait(within)

    def fetch(self, port: int, path: str) -> str:
        """Return what it answers on one of its ports."""
        with socket.create_connection(("127.0.0.1", port), timeout=5) as asked:
            asked.sendall(f"GET {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: asked.recv(65536), b"")).decode().partition("\r\n\r\n")[2]

    def words(self) -> str:
        """Return all it has said."""
        return self.log.read_text()
