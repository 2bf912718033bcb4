"""A namespace of a real cluster, accessed through kubectl, and the examples that tests deploy into it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from subprocess import Popen
from tempfile import NamedTemporaryFile
from typing import Any, TypeVar

import yaml

from tools import install
from tools.cluster import programs, shell, state

T = TypeVar("T")
Manifest = dict[str, Any]

EXAMPLES = state.ROOT / "examples"
CLIENT = "client"
CLIENT_IMAGE = "busybox:1.35.0"
DEFAULT_TIMEOUT_SECONDS = 120.0  # for a busy machine; the images are on the nodes already
KUBECTL_TIMEOUT_SECONDS = 180
POLL_SECONDS = 0.3
MEASUREMENT = "measurement"
"""Name of a test property whose value is printed at the end of the run."""


@dataclass(frozen=True)
class HttpResult:
    """Result of a request that the client pod sent with wget."""

    exit_code: int  # 0 for a response with a 2xx code
    body: str
    stderr: str  # the response headers, or the reason for no response

    @property
    def ok(self) -> bool:
        """Whether the response had a 2xx code."""
        return self.exit_code == 0


@dataclass(frozen=True)
class Namespace:
    """One namespace and the operations of the tests in it."""

    name: str

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in this namespace and return its standard output; raise CommandFailed."""
        command = [*_kubectl(), "--namespace", self.name, *arguments]
        return shell.run(command, input=stdin, timeout=KUBECTL_TIMEOUT_SECONDS)

    def try_kubectl(self, *arguments: str, stdin: str | None = None) -> shell.Result:
        """Run kubectl in this namespace and return the result, which may be a failure."""
        command = [*_kubectl(), "--namespace", self.name, *arguments]
        return shell.attempt(command, input=stdin, timeout=KUBECTL_TIMEOUT_SECONDS)

    def create(self) -> None:
        """Create the namespace, with a client pod that sends the HTTP requests of the tests."""
        self.kubectl("create", "namespace", self.name)
        self.apply(_client_pod())

    def apply(self, *manifests: Manifest) -> None:
        """Apply manifests, server-side."""
        self.kubectl("apply", "--server-side", "--filename", "-", stdin=yaml.safe_dump_all(manifests))

    def get(self, kind: str, name: str) -> Manifest:
        """Return an object."""
        return dict(json.loads(self.kubectl("get", kind, name, "--output", "json")))

    def find(self, kind: str, name: str) -> Manifest | None:
        """Return an object, or None when it does not exist."""
        result = self.try_kubectl("get", kind, name, "--output", "json", "--ignore-not-found")
        return dict(json.loads(result.out)) if result.ok and result.out.strip() else None

    def list_objects(self, kind: str) -> list[Manifest]:
        """Return the objects of a kind."""
        return list(json.loads(self.kubectl("get", kind, "--output", "json"))["items"])

    def children(self, kind: str, stack: str) -> list[Manifest]:
        """Return the objects of a kind that have the label of an AppStack."""
        output = self.kubectl("get", kind, "--selector", f"appstack.dev/stack={stack}", "--output", "json")
        return list(json.loads(output)["items"])

    def pods(self, stack: str) -> list[Manifest]:
        """Return the pods of an AppStack that are not terminating."""
        return [pod for pod in self.children("pods", stack) if "deletionTimestamp" not in pod["metadata"]]

    def only_pod(self, stack: str) -> Manifest:
        """Wait until an AppStack has exactly one pod, terminating ones included, and return it."""

        def only() -> Manifest | None:
            pods = self.children("pods", stack)
            return pods[0] if len(pods) == 1 else None

        return self.wait_for(f"{stack} has exactly one pod", only)

    def appstack(self, name: str) -> Manifest:
        """Return an AppStack."""
        return self.get("appstack", name)

    def wait_until_ready(self, name: str, seconds: float = DEFAULT_TIMEOUT_SECONDS) -> Manifest:
        """Wait until an AppStack is Ready in its current generation and return it."""

        def ready() -> Manifest | None:
            stack = self.appstack(name)
            return stack if condition_status(stack, "Ready") == "True" else None

        return self.wait_for(f"{name} is Ready", ready, seconds)

    def wait_until_stalled(self, name: str) -> str:
        """Wait until an AppStack is Stalled in its current generation and return the message of the condition."""

        def message() -> str:
            stack = self.appstack(name)
            if condition_status(stack, "Stalled") != "True":
                return ""
            conditions = {condition["type"]: condition for condition in stack["status"]["conditions"]}
            return str(conditions["Stalled"]["message"])

        return self.wait_for(f"{name} is Stalled", message)

    def wait_for_problem(self, name: str, **fields: str) -> Manifest:
        """Wait until the status of an AppStack has a problem with these fields and return the problem."""

        def matching() -> Manifest | None:
            problems = self.appstack(name).get("status", {}).get("problems", [])
            return next((problem for problem in problems if fields.items() <= problem.items()), None)

        return self.wait_for(f"{name} has a problem with {fields}", matching)

    def wait_until_deleted(self, kind: str, name: str) -> None:
        """Wait until an object does not exist."""
        self.wait_for(f"{kind}/{name} is deleted", lambda: self.find(kind, name) is None)

    def exec(self, pod: str, container: str, *command: str) -> str:
        """Run a command in a container and return its standard output."""
        return self.kubectl("exec", pod, "--container", container, "--", *command)

    def http(self, url: str, *, headers: Mapping[str, str] | None = None, data: str | None = None) -> HttpResult:
        """Send an HTTP request from the client pod: a POST when there is data, else a GET."""
        command = ["timeout", "15", "wget", "-S", "-O", "-"]
        for name, value in (headers or {}).items():
            command += ["--header", f"{name}: {value}"]
        if data is not None:
            command += ["--post-data", data]
        result = self.try_kubectl("exec", CLIENT, "--", *command, url)
        return HttpResult(result.code, result.out, result.err)

    def page(self, url: str) -> str:
        """Wait for a 2xx response and return its body; a node needs a moment to learn a Service's endpoints."""

        def success() -> HttpResult | None:
            result = self.http(url)
            return result if result.ok else None

        return self.wait_for(f"{url} responds", success).body

    def wait_for(
        self, description: str, condition: Callable[[], T | None], seconds: float = DEFAULT_TIMEOUT_SECONDS
    ) -> T:
        """Poll a condition until it is true and return its value; after the deadline, raise with diagnostics."""
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {description}\n{self.diagnostics()}")
            time.sleep(POLL_SECONDS)

    @contextmanager
    def watch(self, resource: str, *fields: str) -> Iterator[Callable[[], list[str]]]:
        """Watch an object or a kind; yield a function that returns the observed values of the fields.

        Each value belongs to one event; several fields of an event are separated by `|`.
        """
        jsonpath = "|".join(f"{{{field}}}" for field in fields)
        arguments = ["get", resource, "--watch", "--output", f'jsonpath={jsonpath}{{"\\n"}}']
        with NamedTemporaryFile() as output:
            process = Popen([*_kubectl(), "--namespace", self.name, *arguments], stdout=output)

            def values() -> list[str]:
                return Path(output.name).read_text().rpartition("\n")[0].split()  # complete lines only

            try:
                self.wait_for(f"{resource} is watched", values)
                yield values
            finally:
                process.terminate()
                process.wait()

    def diagnostics(self) -> str:
        """Return the AppStacks, objects, events and logs of the namespace, and the log of the operator."""
        commands = (
            ("get", "appstacks", "--output", "yaml", "--show-managed-fields=false"),
            ("get", "all,configmaps,persistentvolumeclaims", "--output", "wide"),
            ("describe", "pods"),
            ("get", "events", "--sort-by", ".lastTimestamp"),
            ("logs", "--selector", "appstack.dev/stack", "--all-containers", "--prefix", "--tail", "15"),
            # where the namespace is an operator's own
            ("logs", "--selector", "app.kubernetes.io/name=appstack", "--prefix", "--tail", "60"),
        )
        parts = [f"$ kubectl {' '.join(command)}\n{_output(self.try_kubectl(*command))}" for command in commands]
        operator = Namespace(install.NAMESPACE).try_kubectl("logs", f"deployment/{install.RELEASE}", "--tail", "60")
        return "\n".join([*parts, f"log of the operator:\n{_output(operator)}"])


def condition_status(stack: Manifest, condition_type: str) -> str:
    """Return the status of a condition of the current generation, or the empty string."""
    for condition in stack.get("status", {}).get("conditions", []):
        current = condition.get("observedGeneration") == stack["metadata"]["generation"]
        if condition["type"] == condition_type and current:
            return str(condition["status"])
    return ""


def is_pod_ready(pod: Manifest) -> bool:
    """Return whether a pod has the condition Ready."""
    conditions = pod["status"].get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def uid_of(manifest: Manifest) -> str:
    """Return the uid of an object."""
    return str(manifest["metadata"]["uid"])


def name_of(manifest: Manifest) -> str:
    """Return the name of an object."""
    return str(manifest["metadata"]["name"])


def backend_of(pod: Manifest) -> Manifest:
    """Return the backend container of a pod or of a pod template."""
    return next(container for container in pod["spec"]["containers"] if container["name"] == "backend")


@dataclass(frozen=True)
class Example:
    """A folder of examples/."""

    folder: str

    @cached_property
    def manifests(self) -> list[Manifest]:
        """The manifests that a user applies."""
        text = Path(EXAMPLES, self.folder, "appstack.yaml").read_text()
        return [manifest for manifest in yaml.safe_load_all(text) if manifest]

    @property
    def stack(self) -> Manifest:
        """A copy of the first AppStack, for a test to change."""
        return deepcopy(next(manifest for manifest in self.manifests if manifest["kind"] == "AppStack"))

    @property
    def name(self) -> str:
        """The name of the first AppStack."""
        return name_of(self.stack)


@contextmanager
def temporary_namespace(stem: str, prefix: str = "e2e") -> Iterator[Namespace]:
    """Create a namespace with a new name for the block; delete it afterwards without waiting for the deletion."""
    namespace = Namespace(f"{prefix}-{stem}-{secrets.token_hex(2)}")
    try:
        namespace.create()
        yield namespace
    finally:
        namespace.try_kubectl("delete", "namespace", namespace.name, "--wait=false")


def wait_for_client(namespace: Namespace) -> None:
    """Wait until the client pod of a namespace is Ready."""
    namespace.kubectl("wait", "--for=condition=Ready", f"pod/{CLIENT}", "--timeout=120s")


def _client_pod() -> Manifest:
    container = {"name": "client", "image": CLIENT_IMAGE, "command": ["sleep", "1000000"]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": CLIENT}, "spec": spec}


def _kubectl() -> list[str]:
    return [str(programs.path("kubectl")), f"--kubeconfig={state.KUBECONFIG}"]


def _output(result: shell.Result) -> str:
    return result.out + result.err
