"""`make demo`: the example release-app in a real cluster, step by step, each with the command a user would type."""

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
PATIENCE = 60.0  # seconds, for a Service's rules to reach every node
SHOWN_LINES = 20

BACKEND_PORT, PROXY_PORT = 8000, 8080
STATIC = "/static/index.html"


class Demo:
    """The steps, numbered as they come."""

    def __init__(self, kubectl: str, helm: str) -> None:
        self.kubectl = kubectl
        self.helm = helm
        self.step = 0

    def title(self, text: str) -> None:
        """Say what comes next."""
        self.step += 1
        print(f"\n{self.step}. {text}", flush=True)

    def run(self, argv: Sequence[str], *, show: bool = True) -> str:
        """Print a command as a user would type it, run it, show what it prints."""
        self.type(argv)
        out = shell.run(argv, cwd=state.ROOT, env=ENVIRONMENT, timeout=300)
        if show:
            self.show(out)
        return out

    def type(self, argv: Sequence[str]) -> None:
        """Print a command; programs by their short names, whose paths are told at the end."""
        short = {self.kubectl: "kubectl", self.helm: "helm"}
        print(f"   $ {shlex.join([short.get(argv[0], argv[0]), *argv[1:]])}", flush=True)

    def show(self, text: str) -> None:
        """Print output, indented, and not more than fits."""
        lines = text.rstrip().splitlines()
        for line in lines[:SHOWN_LINES]:
            print(f"     {line}")
        if len(lines) > SHOWN_LINES:
            print(f"     … {len(lines) - SHOWN_LINES} more lines")
        sys.stdout.flush()

    def k(self, *words: str, show: bool = True) -> str:
        """Run kubectl in the demo's namespace."""
        return self.run([self.kubectl, "--namespace", NAMESPACE, *words], show=show)

    def ask(self, url: str) -> str:
        """Fetch a page from another pod of the cluster, and show it."""
        argv = self._wget(url)
        self.type(argv)
        result = self._until(lambda: shell.attempt(argv, env=ENVIRONMENT, timeout=10), good=lambda r: r.ok)
        if not result.ok:
            raise shell.Failure(f"{url} was not answered within {PATIENCE:.0f} s: {shell.last_line(result.err)}")
        self.show(result.out)
        return result.out

    def refused(self, url: str) -> None:
        """Ask where nobody may answer, and show that nobody does."""
        argv = self._wget(url)
        self.type(argv)
        result = shell.attempt(argv, env=ENVIRONMENT, timeout=10)
        self.show(result.err)
        if result.ok or "refused" not in result.err:
            raise shell.Failure(f"{url} should have refused the connection and did not")

    def _wget(self, url: str) -> list[str]:
        asked = ["wget", "-q", "-O", "-", url]
        return [self.kubectl, "--namespace", NAMESPACE, "exec", CLIENT, "--", *asked]

    def _until(self, attempt: Callable[[], shell.Result], good: Callable[[shell.Result], bool]) -> shell.Result:
        deadline = time.monotonic() + PATIENCE
        while True:
            result = attempt()
            if good(result) or time.monotonic() > deadline:
                return result
            time.sleep(0.3)


ENVIRONMENT = {"KUBECONFIG": str(state.KUBECONFIG)}


def main() -> int:
    """Run the demo; a failure is one sentence and where to look."""
    begun = time.monotonic()
    demo = Demo(str(programs.path("kubectl")), str(programs.path("helm")))
    try:
        tell(demo)
    except shell.Failure as failure:
        print(f"\nThe demo stopped at step {demo.step}: {failure}", file=sys.stderr)
        print(f"To look around: export KUBECONFIG={state.KUBECONFIG}", file=sys.stderr)
        print(f"  {demo.kubectl} -n {NAMESPACE} describe appstacks,pods", file=sys.stderr)
        print(f"  {demo.kubectl} -n {install.NAMESPACE} logs deployment/{install.RELEASE}", file=sys.stderr)
        return 1
    print(f"\nDone in {time.monotonic() - begun:.0f} s.")
    whats_next(demo)
    return 0


def tell(demo: Demo) -> None:
    """Tell the whole story."""
    if not state.KUBECONFIG.exists():
        raise shell.Failure("there is no cluster: run `make cluster`, or `make demo`, which does")
    demo.title("A real cluster")
    demo.run([demo.kubectl, "get", "nodes"])

    demo.title("The operator, installed by Helm as users do")
    install_operator(demo)
    demo.run([demo.kubectl, "--namespace", install.NAMESPACE, "get", "pods"])

    demo.title(f"An AppStack: {EXAMPLE}/appstack.yaml")
    make_namespace(demo)
    demo.k("apply", "-f", f"{EXAMPLE}/appstack.yaml")

    demo.title("Ready")
    wait_ready(demo)
    demo.k("get", "deployments,services,configmaps,persistentvolumeclaims,pods", "-l", f"appstack.dev/stack={STACK}")

    demo.title("A page of the backend, through the Service and nginx")
    demo.ask(f"http://{STACK}/")

    demo.title("A static file out of the backend's image, served by nginx itself")
    demo.ask(f"http://{STACK}{STATIC}")

    demo.title("The backend is private: its own port refuses, at the pod's own address")
    where = "jsonpath={.items[0].status.podIP}"
    address = demo.k("get", "pods", "-l", f"appstack.dev/stack={STACK}", "-o", where)
    demo.refused(f"http://{address}:{BACKEND_PORT}/")
    print("   … while the same backend answers through nginx, at the same address:")
    demo.ask(f"http://{address}:{PROXY_PORT}/")

    demo.title("What it is now")
    demo.k("get", "appstacks")


def install_operator(demo: Demo) -> None:
    """Install it; when it does not come up, its last words say why."""
    try:
        demo.run(install.command(demo.helm), show=False)
    except shell.Failure as failure:
        argv = [demo.kubectl, "-n", install.NAMESPACE, "logs", f"deployment/{install.RELEASE}", "--tail", "1"]
        said = shell.attempt(argv, env=ENVIRONMENT).out.strip()
        raise shell.Failure(f"{failure}; the operator's last words: {said or 'none'}") from failure


def make_namespace(demo: Demo) -> None:
    """Make the namespace and, in it, a pod to ask from; both may be there from an earlier demo."""
    there = shell.attempt([demo.kubectl, "get", "namespace", NAMESPACE], env=ENVIRONMENT)
    if not there.ok:
        demo.run([demo.kubectl, "create", "namespace", NAMESPACE])
    client = shell.attempt([demo.kubectl, "-n", NAMESPACE, "get", "pod", CLIENT], env=ENVIRONMENT)
    if not client.ok:
        demo.k("run", CLIENT, f"--image={CLIENT_IMAGE}", "--restart=Never", "--", "sleep", "1000000")


def wait_ready(demo: Demo) -> None:
    """Wait for the AppStack and the client; when the stack does not come up, its status says why."""
    try:
        demo.k("wait", "--for=condition=Ready", f"appstack/{STACK}", "--timeout=180s")
    except shell.Failure as failure:
        template = "jsonpath={range .status.problems[*]}{.message} ({.hint}){'\\n'}{end}"
        argv = [demo.kubectl, "-n", NAMESPACE, "get", "appstack", STACK, "-o", template]
        problems = shell.attempt(argv, env=ENVIRONMENT).out.strip()
        raise shell.Failure(f"{STACK} is not Ready: {problems or failure}") from failure
    demo.k("wait", "--for=condition=Ready", f"pod/{CLIENT}", "--timeout=60s", show=False)


def whats_next(demo: Demo) -> None:
    """Say how to look around, what to try, and how to remove it all."""
    print(
        f"""
The cluster stays. To look around:
  export KUBECONFIG={state.KUBECONFIG}
  alias kubectl={demo.kubectl} helm={demo.helm}
  kubectl get appstacks -n {NAMESPACE}
  kubectl describe appstack {STACK} -n {NAMESPACE}

To try next:
  kubectl edit appstack {STACK} -n {NAMESPACE}               # spec.replicas: 2, or another image: demo-backend:1.1.0
  kubectl scale deployment/{STACK} --replicas=5 -n {NAMESPACE}   # is put right at once
  .venv/bin/appstack render -f {EXAMPLE}/appstack.yaml     # what it becomes, without a cluster
  kubectl apply -n {NAMESPACE} -f examples/02-sidecar-log/appstack.yaml

To remove everything but the cache of built programs:
  make cluster-down"""
    )


if __name__ == "__main__":
    raise SystemExit(main())
