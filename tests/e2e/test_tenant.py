"""Attacks of authors of AppStacks on Secrets, tokens and nodes of a real cluster."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.e2e.manifests import appstack
from tests.e2e.namespace import Manifest, Namespace, temporary_namespace
from tools import install

TENANT = "tenant"
PASSWORD = "the-password-of-the-database"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
NODE_FILE = "etc/kubernetes/kubelet.conf"
PRIVILEGED = "pod-security.kubernetes.io/enforce=privileged"


def printing(command: str, **spec: Any) -> Manifest:
    """Return an AppStack whose backend prints a text and fails, so that the status has its log."""
    backend = {"image": "busybox:1.35.0", "command": ["sh", "-c", f"{command}; exit 1"], **spec.pop("backend", {})}
    return appstack("attack", replicas=1, backend=backend, **spec)


ATTACKS: dict[str, tuple[Manifest, str]] = {
    "Secret": (
        printing('echo "$password"', backend={"envFrom": [{"secretRef": {"name": "database"}}]}),
        PASSWORD,
    ),
    "token of another account": (
        printing(f"cut -d. -f2 {TOKEN} | base64 -d", serviceAccount={"create": False, "name": "deployer"}),
        ":deployer",
    ),
    "root on a node": (
        printing(
            f"cd /proc/1/root && grep current-context {NODE_FILE}",
            backend={"securityContext": {"privileged": True}},
            pod={"hostPID": True},
        ),
        "current-context",
    ),
}
"""AppStacks that print a secret, and a part of the secret."""


@pytest.fixture(scope="module")
def protected(namespace: Namespace) -> Namespace:
    """Return a namespace of privileged pods, with a Secret, an account and a user that may only write AppStacks."""
    namespace.kubectl("label", "namespace", namespace.name, PRIVILEGED)
    namespace.kubectl("create", "secret", "generic", "database", f"--from-literal=password={PASSWORD}")
    namespace.kubectl("create", "serviceaccount", "deployer")
    for role in ("view", "edit"):
        reference = f"--clusterrole={install.RELEASE}-{role}"
        namespace.kubectl("create", "rolebinding", f"{TENANT}-{role}", reference, f"--user={TENANT}")
    return namespace


def wait_for_log(namespace: Namespace, text: str) -> None:
    """Wait until the status of the AppStack `attack` has a log with the text."""

    def found() -> bool:
        problems = namespace.appstack("attack").get("status", {}).get("problems", [])
        return any(text in problem.get("log", "") for problem in problems)

    namespace.wait_for(f"the status contains {text}", found)


@pytest.mark.parametrize(("stack", "secret"), ATTACKS.values(), ids=ATTACKS)
def test_author_with_the_right_to_create_pods_reads_the_secret_in_the_status(
    protected: Namespace, stack: Manifest, secret: str
) -> None:
    protected.apply(stack)

    wait_for_log(protected, secret)
    protected.kubectl("delete", "appstack", "attack")
    protected.wait_until_deleted("appstack", "attack")


@pytest.mark.parametrize("stack", [stack for stack, _ in ATTACKS.values()], ids=ATTACKS)
def test_author_without_that_right_is_refused(protected: Namespace, stack: Manifest) -> None:
    command = ("create", "--as", TENANT, "--filename", "-")
    result = protected.try_kubectl(*command, stdin=yaml.safe_dump(stack))

    assert not result.ok
    assert f'user "{TENANT}" may not create pods in namespace "{protected.name}" (spec.backend)' in result.err
    assert protected.find("appstack", "attack") is None


def test_policy_refuses_root_on_a_node_until_the_namespace_permits_it(operator: None) -> None:
    stack, secret = ATTACKS["root on a node"]
    with temporary_namespace("tenant-unlabelled") as namespace:
        namespace.apply(stack)
        message = namespace.wait_until_stalled("attack")
        assert "spec.pod.hostPID" in message
        assert PRIVILEGED in message
        assert not namespace.pods("attack")

        namespace.kubectl("label", "namespace", namespace.name, PRIVILEGED)
        wait_for_log(namespace, secret)
