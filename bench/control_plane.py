"""A control plane for one session: etcd and kube-apiserver on loopback, with an audit log of every request.

Every client that is measured is a ServiceAccount, so its requests are subject to priority and fairness. etcd writes to
disk with fsync. A kube-controller-manager runs only in the suites that start one.
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

NAMESPACE: Final = "bench-system"
"""Namespace of the ServiceAccounts and Leases of the systems under test."""
_SERVICE_RANGE: Final = "10.96.0.0/12"  # the default has 254 addresses, and each stack has a Service
_AUDIT_POLICY: Final = Path(programs.__file__).with_name("audit-policy.yaml")
_APPLY: Final = "application/apply-patch+yaml"
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"


class ApiRejected(Exception):
    """A response with a status code of 400 or above."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status


def free_port() -> int:
    """Return an unused port of loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class ControlPlane:
    """A control plane in a folder of its own; stop() also ends every process that run() has started."""

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
        """Start etcd and the API server, and wait until /readyz succeeds."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        built = programs.ensure(["etcd", "kube-apiserver", "kubeadm"])
        shell.run([built["kubeadm"], "init", "phase", "certs", "sa", "--cert-dir", self.folder])
        (self.folder / "tokens.csv").write_text(f"{self._token},admin,admin,system:masters\n")
        self.run("etcd", self._etcd_command(built["etcd"]))
        self.run("kube-apiserver", self._apiserver_command(built["kube-apiserver"]))
        if not shell.wait_until(self._ready, 60):
            raise shell.Failure(f"kube-apiserver is not ready after 60 s (see {self.folder}/kube-apiserver.log)")
        self.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})

    def stop(self) -> None:
        """Stop all processes, the API server and etcd last."""
        for process in reversed(list(self._processes.values())):
            process.stop()
        self._pool.clear()

    def run(self, name: str, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> Process:
        """Start a program; its log is `name`.log in the folder of the control plane."""
        process = Process(name, argv, log=self.folder / f"{name}.log", env=env)
        self._processes[name] = process
        return process

    def process(self, name: str) -> Process:
        """Return the process that was started last under this name."""
        return self._processes[name]

    def start_controller_manager(self, controllers: Sequence[str]) -> Process:
        """Start a kube-controller-manager with these controllers and raised client limits."""
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

    # --- requests as administrator, which are not measured ---

    def request(
        self, method: str, path: str, body: object = None, *, content_type: str = "application/json", **query: str
    ) -> Any:
        """Send a request and return the decoded JSON response; raise ApiRejected."""
        response = self._pool.request(
            method,
            f"{self.server}{path}?{urlencode(query)}",
            body=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": content_type, "Authorization": f"Bearer {self._token}"},
        )
        if response.status >= 400:
            raise ApiRejected(response.status, response.data.decode())
        return json.loads(response.data)

    def text(self, path: str) -> str:
        """Return the text of a path such as /metrics."""
        response = self._pool.request("GET", self.server + path, headers={"Authorization": f"Bearer {self._token}"})
        return response.data.decode()

    def create(self, collection: str, manifest: Manifest) -> Manifest:
        """Create an object in a collection such as `/api/v1/namespaces`."""
        created: Manifest = self.request("POST", collection, manifest)
        return created

    def apply(self, collection: str, manifest: Manifest) -> Manifest:
        """Apply an object of a collection with server-side apply."""
        path = f"{collection}/{manifest['metadata']['name']}"
        applied: Manifest = self.request(
            "PATCH", path, manifest, content_type=_APPLY, fieldManager="bench", force="true"
        )
        return applied

    def apply_crd(self, manifest: Manifest) -> None:
        """Apply a CustomResourceDefinition and wait until its last version is served."""
        self.apply("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", manifest)
        spec = manifest["spec"]
        path = f"/apis/{spec['group']}/{spec['versions'][-1]['name']}/{spec['names']['plural']}"
        if not shell.wait_until(lambda: self.serves(path), 30):
            raise shell.Failure(f"the API server does not serve {path}")

    def serves(self, path: str) -> bool:
        """Return whether a GET of this path succeeds."""
        try:
            self.request("GET", path, limit="1")
        except ApiRejected:
            return False
        return True

    def kubeconfig(self, account: str) -> Path:
        """Return the kubeconfig of a ServiceAccount with the role cluster-admin, creating the account if necessary."""
        file = self.folder / f"{account}.kubeconfig"
        if file.exists():
            return file
        accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
        self.create(accounts, {"metadata": {"name": account}})
        subject = {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        binding = {"metadata": {"name": f"bench-{account}"}, "roleRef": role, "subjects": [subject]}
        self.create(f"{_RBAC}/clusterrolebindings", binding)
        token = self.create(f"{accounts}/{account}/token", {"spec": {"expirationSeconds": 86400}})
        return self._kubeconfig(account, token["status"]["token"])

    def admin_kubeconfig(self) -> Path:
        """Return the kubeconfig of the administrator, for components that are not measured."""
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
            "allow-privileged": "true",  # as kubeadm sets it
            "service-cluster-ip-range": _SERVICE_RANGE,
            "service-account-issuer": "https://bench",
            "service-account-key-file": str(self.folder / "sa.pub"),
            "service-account-signing-key-file": str(self.folder / "sa.key"),
            "audit-policy-file": str(_AUDIT_POLICY),
            "audit-log-path": str(self.audit_log),
            "audit-log-maxsize": "100000",  # megabytes; rotation would remove requests from the counts
        }
        return [program, *flags(options)]


def username(account: str) -> str:
    """Return the name of a ServiceAccount in the audit log."""
    return f"system:serviceaccount:{NAMESPACE}:{account}"


def flags(options: Mapping[str, str]) -> list[str]:
    """Return options as command-line flags."""
    return [f"--{name}={value}" for name, value in options.items()]
