"""`make demo`: the example release-app in a real cluster, step by step, with the command of each step."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence

from tools import install
from tools.cluster import programs, shell, state

NAMESPACE = "demo"
EXAMPLE = "examples/01-release-app"
STACK = "release-app"
CLIENT = "client"
CLIENT_IMAGE = "busybox:1.35.0"
FETCH_TIMEOUT_SECONDS = 60.0  # until a Service's rules have reached every node
MAX_OUTPUT_LINES = 20

BACKEND_PORT, PROXY_PORT = 8000, 8080
STATIC = "/static/index.html"


class Demo:
    """Numbered steps, each with its commands and their output."""

    def __init__(self, kubectl: str, helm: str) -> None:
        self.kubectl = kubectl
        self.helm = helm
        self.step = 0

    def heading(self, text: str) -> None:
        """Print the heading of the next step."""
        self.step += 1
        print(f"\n{self.step}. {text}", flush=True)

    def run(self, argv: Sequence[str], *, show: bool = True) -> str:
        """Print a command as a user types it, run it, and print its output."""
        self.print_command(argv)
        out = shell.run(argv, cwd=state.ROOT, env=ENVIRONMENT, timeout=300)
        if show:
            self.print_output(out)
        return out

    def print_command(self, argv: Sequence[str]) -> None:
        """Print a command with short program names; their paths are printed at the end."""
        short = {self.kubectl: "kubectl", self.helm: "helm"}
        print(f"   $ {shlex.join([short.get(argv[0], argv[0]), *argv[1:]])}", flush=True)

    def print_output(self, text: str) -> None:
        """Print the first lines of an output, indented."""
        lines = text.rstrip().splitlines()
        for line in lines[:MAX_OUTPUT_LINES]:
            print(f"     {line}")
        if len(lines) > MAX_OUTPUT_LINES:
            print(f"     … {len(lines) - MAX_OUTPUT_LINES} more lines")
        sys.stdout.flush()

    def kubectl_run(self, *arguments: str, show: bool = True) -> str:
        """Run kubectl in the demo's namespace."""
        return self.run([self.kubectl, "--namespace", NAMESPACE, *arguments], show=show)

    def fetch(self, url: str) -> str:
        """Fetch a page from another pod of the cluster and print it."""
        argv = self._wget(url)
        self.print_command(argv)
        result = self._until(lambda: shell.attempt(argv, env=ENVIRONMENT, timeout=10), good=lambda r: r.ok)
        if not result.ok:
            raise shell.Failure(
                f"{url} did not respond within {FETCH_TIMEOUT_SECONDS:.0f} s: {shell.last_line(result.err)}"
            )
        self.print_output(result.out)
        return result.out

    def fetch_refused(self, url: str) -> None:
        """Fetch from a port that must refuse the connection, and print the error."""
        argv = self._wget(url)
        self.print_command(argv)
        result = shell.attempt(argv, env=ENVIRONMENT, timeout=10)
        self.print_output(result.err)
        if result.ok or "refused" not in result.err:
            raise shell.Failure(f"{url} should have refused the connection and did not")

    def _wget(self, url: str) -> list[str]:
        wget = ["wget", "-q", "-O", "-", url]
        return [self.kubectl, "--namespace", NAMESPACE, "exec", CLIENT, "--", *wget]

    def _until(self, attempt: Callable[[], shell.Result], good: Callable[[shell.Result], bool]) -> shell.Result:
        deadline = time.monotonic() + FETCH_TIMEOUT_SECONDS
        while True:
            result = attempt()
            if good(result) or time.monotonic() > deadline:
                return result
            time.sleep(0.3)


ENVIRONMENT = {"KUBECONFIG": str(state.KUBECONFIG)}


def main() -> int:
    """Run the demo; after a failure, print its cause and the commands to inspect the cluster."""
    begun = time.monotonic()
    demo = Demo(str(programs.path("kubectl")), str(programs.path("helm")))
    try:
        run_steps(demo)
    except shell.Failure as failure:
        print(f"\nThe demo stopped at step {demo.step}: {failure}", file=sys.stderr)
        print(f"To inspect the cluster: export KUBECONFIG={state.KUBECONFIG}", file=sys.stderr)
        print(f"  {demo.kubectl} -n {NAMESPACE} describe appstacks,pods", file=sys.stderr)
        print(f"  {demo.kubectl} -n {install.NAMESPACE} logs deployment/{install.RELEASE}", file=sys.stderr)
        return 1
    print(f"\nDone in {time.monotonic() - begun:.0f} s.")
    print_next_steps(demo)
    return 0


def run_steps(demo: Demo) -> None:
    """Run all steps; raise Failure at the first that fails."""
    if not state.KUBECONFIG.exists():
        raise shell.Failure("there is no cluster: run `make demo`, which creates one")
    demo.heading("A real cluster")
    demo.run([demo.kubectl, "get", "nodes"])

    demo.heading("The operator, installed with Helm")
    install_operator(demo)
    demo.run([demo.kubectl, "--namespace", install.NAMESPACE, "get", "pods"])

    demo.heading(f"An AppStack: {EXAMPLE}/appstack.yaml")
    create_namespace(demo)
    demo.kubectl_run("apply", "-f", f"{EXAMPLE}/appstack.yaml")

    demo.heading("Ready")
    wait_ready(demo)
    demo.kubectl_run(
        "get", "deployments,services,configmaps,persistentvolumeclaims,pods", "-l", f"appstack.dev/stack={STACK}"
    )

    demo.heading("A page of the backend, through the Service and nginx")
    demo.fetch(f"http://{STACK}/")

    demo.heading("A static file out of the backend's image, served by nginx itself")
    demo.fetch(f"http://{STACK}{STATIC}")

    demo.heading("The backend is private: its own port refuses, at the pod's own address")
    template = "jsonpath={.items[0].status.podIP}"
    address = demo.kubectl_run("get", "pods", "-l", f"appstack.dev/stack={STACK}", "-o", template)
    demo.fetch_refused(f"http://{address}:{BACKEND_PORT}/")
    print("   … while the same backend answers through nginx, at the same address:")
    demo.fetch(f"http://{address}:{PROXY_PORT}/")

    demo.heading("The status of the AppStack")
    demo.kubectl_run("get", "appstacks")


def install_operator(demo: Demo) -> None:
    """Install the operator; if it does not become ready, raise Failure with its last log line."""
    try:
        demo.run(install.command(demo.helm), show=False)
    except shell.Failure as failure:
        argv = [demo.kubectl, "-n", install.NAMESPACE, "logs", f"deployment/{install.RELEASE}", "--tail", "1"]
        output = shell.attempt(argv, env=ENVIRONMENT).out.strip()
        raise shell.Failure(f"{failure}; the operator's last log line: {output or 'none'}") from failure


def create_namespace(demo: Demo) -> None:
    """Create the namespace and the client pod, unless they exist from an earlier demo."""
    namespace = shell.attempt([demo.kubectl, "get", "namespace", NAMESPACE], env=ENVIRONMENT)
    if not namespace.ok:
        demo.run([demo.kubectl, "create", "namespace", NAMESPACE])
    client = shell.attempt([demo.kubectl, "-n", NAMESPACE, "get", "pod", CLIENT], env=ENVIRONMENT)
    if not client.ok:
        demo.kubectl_run("run", CLIENT, f"--image={CLIENT_IMAGE}", "--restart=Never", "--", "sleep", "1000000")


def wait_ready(demo: Demo) -> None:
    """Wait for the AppStack and the client pod; raise Failure with the problems in the AppStack's status."""
    try:
        demo.kubectl_run("wait", "--for=condition=Ready", f"appstack/{STACK}", "--timeout=180s")
    except shell.Failure as failure:
        template = "jsonpath={range .status.problems[*]}{.message} ({.hint}){'\\n'}{end}"
        argv = [demo.kubectl, "-n", NAMESPACE, "get", "appstack", STACK, "-o", template]
        problems = shell.attempt(argv, env=ENVIRONMENT).out.strip()
        raise shell.Failure(f"{STACK} is not Ready: {problems or failure}") from failure
    demo.kubectl_run("wait", "--for=condition=Ready", f"pod/{CLIENT}", "--timeout=60s", show=False)


def print_next_steps(demo: Demo) -> None:
    """Print commands to inspect the cluster, to try more, and to remove it."""
    print(
        f"""
The cluster keeps running. To inspect it:
  export KUBECONFIG={state.KUBECONFIG}
  alias kubectl={demo.kubectl} helm={demo.helm}
  kubectl get appstacks -n {NAMESPACE}
  kubectl describe appstack {STACK} -n {NAMESPACE}

To try next:
  kubectl edit appstack {STACK} -n {NAMESPACE}               # spec.replicas: 2, or another image: demo-backend:1.1.0
  kubectl scale deployment/{STACK} --replicas=5 -n {NAMESPACE}   # is repaired at once
  .venv/bin/appstack render -f {EXAMPLE}/appstack.yaml     # its Kubernetes objects, without a cluster
  kubectl apply -n {NAMESPACE} -f examples/02-sidecar-log/appstack.yaml

To remove everything except the cache of built programs:
  make cluster-down"""
    )


if __name__ == "__main__":
    raise SystemExit(main())
