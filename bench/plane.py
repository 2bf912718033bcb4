"""A control plane of the bench's own: etcd and kube-apiserver on loopback, with an audit log of every request.

Requests are under priority and fairness as in any cluster: every client that is measured is a ServiceAccount. etcd
writes to the disk with fsync. There is a kube-controller-manager only where a suite asks for it.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import urllib3
import yaml

from bench.processes import Process
from tools.cluster import programs, shell

Manifest = dict[str, Any]

SYSTEM: Final = "bench-system"
"""The namespace of the contenders' ServiceAccounts and Leases."""
SERVICES: Final = "10.96.0.0/12"  # the default has 254 addresses, and each stack has a Service
_AUDIT_POLICY: Final = Path(programs.__file__).with_name("audit-policy.yaml")
_APPLY: Final = "application/apply-patch+yaml"
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"


class ApiRejected(Exception):
    """An answer of 400 and above."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Plane:
    """A running control plane in a folder of its own; stop() ends every process that run() has started on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "apiserver.crt"
        self.audit_log = folder / "audit.log"
        self.server = f"https://127.0.0.1:{free_port()}"
        self._etcd = f"http://127.0.0.1:{free_port()}"
        self._token = secrets.token_hex(16)
        self._processes: dict[str, Process] = {}
        self._pool = urllib3.PoolManager()

    def start(self) -> None:
        """Start etcd and the API server, and wait until it answers."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        built = programs.ensure(["etcd", "kube-apiserver", "kubeadm"])
        shell.run([built["kubeadm"], "init", "phase", "certs", "sa", "--cert-dir", self.folder])
        (self.folder / "tokens.csv").write_text(f"{self._token},admin,admin,system:masters\n")
        self.run("etcd", self._etcd_command(built["etcd"]))
        self.run("kube-apiserver", self._apiserver_command(built["kube-apiserver"]))
        if not shell.wait_until(self._ready, 60):
            raise shell.Failure(f"the API server does not get ready (see {self.folder}/kube-apiserver.log)")
        self.create("/api/v1/namespaces", {"metadata": {"name": SYSTEM}})

    def stop(self) -> None:
        """End everything that runs on it, the API server and etcd last."""
        for process in reversed(list(self._processes.values())):
            process.stop()
        self._pool.clear()

    def run(self, name: str, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> Process:
        """Start a program; its log is `name`.log in the plane's folder."""
        process = Process(name, argv, log=self.folder / f"{name}.log", env=env)
        self._processes[name] = process
        return process

    def process(self, name: str) -> Process:
        """Return a process by the name under which it was started last."""
        return self._processes[name]

    def start_controller_manager(self, controllers: Sequence[str]) -> Process:
        """Start these controllers, with client limits that do not hold up what is measured."""
        program = programs.ensure(["kube-controller-manager"])["kube-controller-manager"]
        options = {
            "kubeconfig": str(self.admin_kubeconfig()),
            "controllers": ",".join(controllers),
            "service-account-private-key-file": str(self.folder / "sa.key"),
            "kube-api-qps": "1000",
            "kube-api-burst": "2000",
            "leader-elect": "false",
            "secure-port": str(free_port()),
            "bind-address": "127.0.0.1",
            "use-service-account-credentials": "true",
        }
        return self.run("kube-controller-manager", [program, *flags(options)])

    # --- as its administrator, who is not measured ---

    def request(
        self, method: str, path: str, body: object = None, *, kind: str = "application/json", **query: str
    ) -> Any:
        """Send a request and return the answer's JSON; raise Refused."""
        response = self._pool.request(
            method,
            f"{self.server}{path}?{urlencode(query)}",
            body=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": kind, "Authorization": f"Bearer {self._token}"},
        )
        if response.status >= 400:
            raise ApiRejected(response.status, response.data.decode())
        return json.loads(response.data)

    def text(self, path: str) -> str:
        """Return what a path that speaks no JSON answers, as /metrics."""
        response = self._pool.request("GET", self.server + path, headers={"Authorization": f"Bearer {self._token}"})
        return response.data.decode()

    def create(self, collection: str, manifest: Manifest) -> Manifest:
        """Create an object in a collection, as `/api/v1/namespaces`."""
        created: Manifest = self.request("POST", collection, manifest)
        return created

    def apply(self, collection: str, manifest: Manifest) -> Manifest:
        """Apply an object of a collection server-side."""
        path = f"{collection}/{manifest['metadata']['name']}"
        applied: Manifest = self.request("PATCH", path, manifest, kind=_APPLY, fieldManager="bench", force="true")
        return applied

    def apply_crd(self, manifest: Manifest) -> None:
        """Apply a CustomResourceDefinition, and wait until the API server serves its last version."""
        self.apply("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", manifest)
        spec = manifest["spec"]
        path = f"/apis/{spec['group']}/{spec['versions'][-1]['name']}/{spec['names']['plural']}"
        if not shell.wait_until(lambda: self.serves(path), 30):
            raise shell.Failure(f"the API server does not serve {path}")

    def serves(self, path: str) -> bool:
        """Tell whether a GET of this path is answered well."""
        try:
            self.request("GET", path, limit="1")
        except ApiRejected:
            return False
        return True

    def kubeconfig(self, account: str) -> Path:
        """Return the kubeconfig of a ServiceAccount that may do everything, but is under priority and fairness."""
        file = self.folder / f"{account}.kubeconfig"
        if file.exists():
            return file
        accounts = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts"
        self.create(accounts, {"metadata": {"name": account}})
        subject = {"kind": "ServiceAccount", "name": account, "namespace": SYSTEM}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        binding = {"metadata": {"name": f"bench-{account}"}, "roleRef": role, "subjects": [subject]}
        self.create(f"{_RBAC}/clusterrolebindings", binding)
        asked = self.create(f"{accounts}/{account}/token", {"spec": {"expirationSeconds": 86400}})
        return self._kubeconfig(account, asked["status"]["token"])

    def admin_kubeconfig(self) -> Path:
        """Return the kubeconfig of the administrator: for what is part of the cluster and not measured."""
        return self._kubeconfig("admin", self._token)

    def _kubeconfig(self, user: str, token: str) -> Path:
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "bench",
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": user}}],
            "clusters": [{"name": "bench", "cluster": {"server": self.server, "certificate-authority": str(self.ca)}}],
            "users": [{"name": user, "user": {"token": token}}],
        }
        file = self.folder / f"{user}.kubeconfig"
        file.write_text(yaml.safe_dump(content))
        return file

    def _ready(self) -> bool:
        for name in ("etcd", "kube-apiserver"):
            if not self.process(name).alive:
                raise self.process(name).failure()
        if not self.ca.exists():
            return False
        self._pool = urllib3.PoolManager(ca_certs=str(self.ca))
        try:
            return self.text("/readyz") == "ok"
        except urllib3.exceptions.HTTPError:
            return False

    def _etcd_command(self, program: Path) -> list[str | Path]:
        options = {
            "data-dir": str(self.folder / "etcd"),
            "listen-client-urls": self._etcd,
            "advertise-client-urls": self._etcd,
            "listen-peer-urls": f"http://127.0.0.1:{free_port()}",
            "quota-backend-bytes": str(8 << 30),
            "log-level": "warn",
        }
        return [program, *flags(options)]

    def _apiserver_command(self, program: Path) -> list[str | Path]:
        options = {
            "etcd-servers": self._etcd,
            "bind-address": "127.0.0.1",
            "secure-port": self.server.rpartition(":")[2],
            "endpoint-reconciler-type": "none",
            "cert-dir": str(self.folder),
            "token-auth-file": str(self.folder / "tokens.csv"),
            "authorization-mode": "RBAC",
            "service-cluster-ip-range": SERVICES,
            "service-account-issuer": "https://bench",
            "service-account-key-file": str(self.folder / "sa.pub"),
            "service-account-signing-key-file": str(self.folder / "sa.key"),
            "audit-policy-file": str(_AUDIT_POLICY),
            "audit-log-path": str(self.audit_log),
            "audit-log-maxsize": "100000",  # megabytes: a rotated log would hide requests from a count
        }
        return [program, *flags(options)]


def username(account: str) -> str:
    """Return what the audit log calls a ServiceAccount."""
    return f"system:serviceaccount:{SYSTEM}:{account}"


def flags(options: Mapping[str, str]) -> list[str]:
    """Return options as a program of Kubernetes takes them."""
    return [f"--{name}={value}" for name, value in options.items()]
