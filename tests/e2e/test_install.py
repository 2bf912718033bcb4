"""The operator as Helm installs it: what it may do, and that its own coming and going restarts nothing."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.e2e.harness import Example, Space, uid_of
from tools import install
from tools.cluster import programs, shell, state

OPERATOR = Space(install.NAMESPACE)
AS = f"--as=system:serviceaccount:{install.NAMESPACE}:{install.RELEASE}"


def test_the_operators_own_namespace_may_enforce_the_restricted_profile() -> None:
    warned = OPERATOR.try_kubectl(
        "label", "namespace", install.NAMESPACE, "--overwrite", "--dry-run=server",
        "pod-security.kubernetes.io/enforce=restricted",
    )  # fmt: skip

    assert warned.ok
    assert "violate" not in warned.err


@pytest.mark.parametrize(
    "request_",
    ["get secrets", "list secrets", "create pods --subresource=exec", "create deployments.apps --subresource=scale"],
)
def test_it_may_not(request_: str) -> None:
    answer = OPERATOR.try_kubectl("auth", "can-i", *request_.split(), AS, "--all-namespaces")

    assert answer.out.strip() == "no"


def test_it_may_write_its_own_lease_in_its_own_namespace_only() -> None:
    own, another = (f"leases.coordination.k8s.io/{name}" for name in (install.RELEASE, "another"))
    asked = ((OPERATOR, own), (OPERATOR, another), (Space("default"), own))

    answers = [space.try_kubectl("auth", "can-i", "update", lease, AS).out.strip() for space, lease in asked]

    assert ["yes", "no", "no"] == answers


def test_it_is_never_refused_for_want_of_a_permission() -> None:
    log = OPERATOR.kubectl("logs", "--selector", f"app.kubernetes.io/instance={install.RELEASE}", "--tail", "-1")

    assert "Reconciling" in log
    assert not [line for line in log.splitlines() if re.search(r"User .* cannot \w+ resource", line)]


def test_metrics_come_through_their_service(space: Space) -> None:
    page = space.page(f"http://{install.RELEASE}-metrics.{install.NAMESPACE}:8080/metrics")

    assert "\nappstack_" in page


def test_a_user_who_may_edit_a_namespace_may_edit_its_appstacks(space: Space) -> None:
    space.kubectl("create", "rolebinding", "ann", "--clusterrole=edit", "--user=ann")

    def may() -> bool:  # the controller that aggregates roles takes a moment
        answer = space.try_kubectl("auth", "can-i", "create", "appstacks.appstack.dev", "--as=ann")
        return answer.out.strip() == "yes"

    space.until("ann may create AppStacks", may)


def test_a_restart_of_the_operator_changes_nothing(space: Space) -> None:
    example = Example("02-sidecar-log")
    space.apply(*example.manifests)
    space.ready(example.name)
    pod = uid_of(space.pod(example.name))
    before = versions(space, example.name)

    OPERATOR.kubectl("rollout", "restart", f"deployment/{install.RELEASE}")
    OPERATOR.kubectl("rollout", "status", f"deployment/{install.RELEASE}", "--timeout=120s")
    changed = example.stack
    changed["metadata"]["annotations"] = {"looked": "again"}
    space.apply(changed)
    space.ready(example.name)

    assert versions(space, example.name) == before
    assert uid_of(space.pod(example.name)) == pod


def versions(space: Space, stack: str) -> dict[str, str]:
    """Return the resourceVersion of every child that the operator applies."""
    kinds = ("deployments", "services", "configmaps")
    children = (child for kind in kinds for child in space.every(kind, stack))
    return {f"{c['kind']}/{c['metadata']['name']}": c["metadata"]["resourceVersion"] for c in children}


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ("{}", "default"),
        ('{"namespaces": ["team-*"]}', "NAMESPACE"),
        ('{"excludeNamespaces": ["def*"]}', "NAMESPACE"),
        ('{"namespaceSelector": "shard=a"}', "NAMESPACE"),
    ],
)
def test_the_notes_send_the_first_stack_to_a_namespace_that_is_reconciled(settings: str, where: str) -> None:
    dry = ["install", "appstack", install.CHART, "--dry-run=client", "--set-json", f"settings={settings}"]
    notes = shell.run([programs.path("helm"), *dry], cwd=state.ROOT).partition("NOTES:")[2]

    assert re.findall(r"kubectl (?:apply|wait|get) --namespace (\S+)", notes) == [where] * 3


def test_a_deployment_that_is_recreated_rolls_nothing() -> None:
    rendered = shell.run(
        [programs.path("helm"), "template", install.CHART, "--set", "strategy.type=Recreate"], cwd=state.ROOT
    )
    (deployment,) = (one for one in yaml.safe_load_all(rendered) if one and one["kind"] == "Deployment")

    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_a_value_that_does_not_exist_is_refused() -> None:
    refused = shell.attempt(
        [programs.path("helm"), "template", install.CHART, "--set", "settings.nope=1"], cwd=state.ROOT
    )

    assert not refused.ok
    assert "'nope' not allowed" in refused.err
