"""A namespace of a real cluster, seen through kubectl: what the end-to-end tests are written with."""

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
PATIENCE = 120.0  # seconds, for a busy machine: images are on the nodes already, and who is quick waits for nothing
LOOK_EVERY = 0.3
SHOWN = "shown"  # the property of a test that is printed at the end


@dataclass(frozen=True)
class Answer:
    """What a client inside the cluster got for a request."""

    code: int  # of wget: 0 when it was answered with 2xx
    body: str
    said: str  # what wget wrote about it: headers, or why there was no answer


@dataclass(frozen=True)
class Space:
    """One namespace and everything that the tests ask of it."""

    name: str

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl in this namespace to a good end and return what it printed."""
        return shell.run([*_kubectl(), "--namespace", self.name, *words], input=stdin, timeout=180)

    def try_kubectl(self, *words: str, stdin: str | None = None) -> shell.Result:
        """Run kubectl where a bad end is a result, too."""
        return shell.attempt([*_kubectl(), "--namespace", self.name, *words], input=stdin, timeout=180)

    def get(self, kind: str, name: str) -> Manifest:
        """Return one object."""
        return dict(json.loads(self.kubectl("get", kind, name, "--output", "json")))

    def find(self, kind: str, name: str) -> Manifest | None:
        """Return one object, or None when there is none."""
        found = self.try_kubectl("get", kind, name, "--output", "json", "--ignore-not-found")
        return dict(json.loads(found.out)) if found.ok and found.out.strip() else None

    def gone(self, kind: str, name: str) -> None:
        """Wait until there is no such object."""
        self.until(f"{kind}/{name} is gone", lambda: self.find(kind, name) is None)

    def every(self, kind: str, stack: str) -> list[Manifest]:
        """Return the objects of a kind that carry a stack's label."""
        found = self.kubectl("get", kind, "--selector", f"appstack.dev/stack={stack}", "--output", "json")
        return list(json.loads(found)["items"])

    def open(self) -> None:
        """Make the namespace, with a client pod in it that sends the tests' requests."""
        self.kubectl("create", "namespace", self.name)
        self.apply(_client())

    def items(self, kind: str) -> list[Manifest]:
        """Return all objects of a kind."""
        return list(json.loads(self.kubectl("get", kind, "--output", "json"))["items"])

    def apply(self, *manifests: Manifest) -> None:
        """Apply as users do, server-side."""
        self.kubectl("apply", "--server-side", "--filename", "-", stdin=yaml.safe_dump_all(manifests))

    def pods(self, stack: str) -> list[Manifest]:
        """Return a stack's pods that are not on their way out."""
        return [pod for pod in self.every("pods", stack) if "deletionTimestamp" not in pod["metadata"]]

    def pod(self, stack: str) -> Manifest:
        """Return the one pod of a stack: waits until a rollout has left only one."""

        def one() -> Manifest | None:
            pods = self.every("pods", stack)
            return pods[0] if len(pods) == 1 else None

        return self.until(f"{stack} has exactly one pod", one)

    def stack(self, name: str) -> Manifest:
        """Return an AppStack."""
        return self.get("appstack", name)

    def ready(self, name: str, seconds: float = PATIENCE) -> Manifest:
        """Wait until the AppStack is Ready in its present generation, and return it."""

        def settled() -> Manifest | None:
            found = self.stack(name)
            return found if condition(found, "Ready") == "True" else None

        return self.until(f"{name} is Ready", settled, seconds)

    def problem(self, name: str, **wanted: str) -> Manifest:
        """Wait until status tells of a problem with these members, and return it."""

        def told() -> Manifest | None:
            problems = self.stack(name).get("status", {}).get("problems", [])
            return next((p for p in problems if wanted.items() <= p.items()), None)

        return self.until(f"{name} has a problem with {wanted}", told)

    def exec(self, pod: str, container: str, *command: str) -> str:
        """Run a command inside a container."""
        return self.kubectl("exec", pod, "--container", container, "--", *command)

    def http(self, url: str, *, headers: Mapping[str, str] | None = None, data: str | None = None) -> Answer:
        """Ask from another pod of the cluster; how tests reach anything that listens."""
        words = ["timeout", "15", "wget", "-S", "-O", "-"]
        for name, value in (headers or {}).items():
            words += ["--header", f"{name}: {value}"]
        if data is not None:
            words += ["--post-data", data]
        done = self.try_kubectl("exec", CLIENT, "--", *words, url)
        return Answer(done.code, done.out, done.err)

    def page(self, url: str) -> str:
        """Return what is answered with 2xx; a Service's rules take a moment to reach every node."""

        def body() -> Answer | None:
            answer = self.http(url)
            return answer if answer.code == 0 else None

        return self.until(f"{url} is answered", body).body

    def until(self, what: str, look: Callable[[], T | None], seconds: float = PATIENCE) -> T:
        """Look again until there is something; when the time is over, fail and show what is there."""
        deadline = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.dump()}")
            time.sleep(LOOK_EVERY)

    @contextmanager
    def follow(self, thing: str, *fields: str) -> Iterator[Callable[[], list[str]]]:
        """Watch an object or a kind, and yield what tells each value that a field has had since, `|` between two."""
        words = [
            "get",
            thing,
            "--watch",
            "--output",
            f'jsonpath={"|".join(f"{{{field}}}" for field in fields)}{{"\\n"}}',
        ]
        with NamedTemporaryFile() as told:
            watch = Popen([*_kubectl(), "--namespace", self.name, *words], stdout=told)

            def values() -> list[str]:
                return Path(told.name).read_text().rpartition("\n")[0].split()  # whole lines

            try:
                self.until(f"{thing} is watched", values)
                yield values
            finally:
                watch.terminate()
                watch.wait()

    def dump(self) -> str:
        """Return what somebody needs who wants to know why: status, pods, events, the operator's log."""
        asked = (
            ("get", "appstacks", "--output", "yaml", "--show-managed-fields=false"),
            ("get", "all,configmaps,persistentvolumeclaims", "--output", "wide"),
            ("describe", "pods"),
            ("get", "events", "--sort-by", ".lastTimestamp"),
            ("logs", "--selector", "appstack.dev/stack", "--all-containers", "--prefix", "--tail", "15"),
            ("logs", "--selector", "app.kubernetes.io/name=appstack", "--prefix", "--tail", "60"),  # an operator's home
        )
        parts = [f"$ kubectl {' '.join(words)}\n{_text(self.try_kubectl(*words))}" for words in asked]
        operator = Space(install.NAMESPACE).try_kubectl("logs", f"deployment/{install.RELEASE}", "--tail", "60")
        return "\n".join([*parts, f"the operator's log:\n{_text(operator)}"])


def condition(stack: Manifest, kind: str) -> str:
    """Return a condition's status if it speaks of the present generation, else the empty string."""
    for each in stack.get("status", {}).get("conditions", []):
        if each["type"] == kind and each.get("observedGeneration") == stack["metadata"]["generation"]:
            return str(each["status"])
    return ""


def uid_of(manifest: Manifest) -> str:
    """Return an object's uid."""
    return str(manifest["metadata"]["uid"])


def backend_of(pod: Manifest) -> Manifest:
    """Return the backend's container of a pod or a pod template."""
    return next(each for each in pod["spec"]["containers"] if each["name"] == "backend")


@dataclass(frozen=True)
class Example:
    """A folder under examples/."""

    folder: str

    @cached_property
    def manifests(self) -> list[Manifest]:
        """Return what the user writes."""
        text = Path(EXAMPLES, self.folder, "appstack.yaml").read_text()
        return [each for each in yaml.safe_load_all(text) if each]

    @property
    def stack(self) -> Manifest:
        """Return a copy of its AppStack, to be changed."""
        return deepcopy(next(each for each in self.manifests if each["kind"] == "AppStack"))

    @property
    def name(self) -> str:
        """Return the AppStack's name."""
        return str(self.stack["metadata"]["name"])


@contextmanager
def namespace(stem: str, owner: str = "e2e") -> Iterator[Space]:
    """Make a namespace that never was, with a client pod in it; it is removed without waiting for it."""
    space = Space(f"{owner}-{stem}-{secrets.token_hex(2)}")
    try:
        space.open()
        yield space
    finally:
        space.try_kubectl("delete", "namespace", space.name, "--wait=false")


def wait_for_client(space: Space) -> None:
    """Wait until requests can be sent from the namespace."""
    space.kubectl("wait", "--for=condition=Ready", f"pod/{CLIENT}", "--timeout=120s")


def _client() -> Manifest:
    container = {"name": "client", "image": CLIENT_IMAGE, "command": ["sleep", "1000000"]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": CLIENT}, "spec": spec}


def _kubectl() -> list[str]:
    return [str(programs.path("kubectl")), f"--kubeconfig={state.KUBECONFIG}"]


def _text(result: shell.Result) -> str:
    return result.out + result.err
