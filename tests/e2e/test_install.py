"""The operator as Helm installs it: its permissions, its metrics, and a restart that changes no child."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.e2e.namespace import Example, Namespace, uid_of
from tools import install
from tools.cluster import programs, shell, state

OPERATOR = Namespace(install.NAMESPACE)
AS_OPERATOR = f"--as=system:serviceaccount:{install.NAMESPACE}:{install.RELEASE}"


def test_operator_namespace_may_enforce_the_restricted_pod_security_profile() -> None:
    result = OPERATOR.try_kubectl(
        "label", "namespace", install.NAMESPACE, "--overwrite", "--dry-run=server",
        "pod-security.kubernetes.io/enforce=restricted",
    )  # fmt: skip

    assert result.ok
    assert "violate" not in result.err


@pytest.mark.parametrize(
    "permission",
    ["get secrets", "list secrets", "create pods --subresource=exec", "create deployments.apps --subresource=scale"],
)
def test_operator_has_no_permission(permission: str) -> None:
    result = OPERATOR.try_kubectl("auth", "can-i", *permission.split(), AS_OPERATOR, "--all-namespaces")

    assert result.out.strip() == "no"


def test_operator_may_update_its_own_lease_in_its_own_namespace_only() -> None:
    own, another = (f"leases.coordination.k8s.io/{name}" for name in (install.RELEASE, "another"))
    leases = ((OPERATOR, own), (OPERATOR, another), (Namespace("default"), own))

    answers = [
        namespace.try_kubectl("auth", "can-i", "update", lease, AS_OPERATOR).out.strip() for namespace, lease in leases
    ]

    assert ["yes", "no", "no"] == answers


def test_operator_log_has_no_forbidden_request() -> None:
    log = OPERATOR.kubectl("logs", "--selector", f"app.kubernetes.io/instance={install.RELEASE}", "--tail", "-1")

    assert "Reconciling" in log
    assert not [line for line in log.splitlines() if re.search(r"User .* cannot \w+ resource", line)]


def test_metrics_are_served_through_their_service(namespace: Namespace) -> None:
    page = namespace.page(f"http://{install.RELEASE}-metrics.{install.NAMESPACE}:8080/metrics")

    assert "\nappstack_" in page


def test_user_with_the_edit_role_may_create_appstacks(namespace: Namespace) -> None:
    namespace.kubectl("create", "rolebinding", "ann", "--clusterrole=edit", "--user=ann")

    def may_create() -> bool:  # the controller that aggregates roles needs a moment
        result = namespace.try_kubectl("auth", "can-i", "create", "appstacks.appstack.dev", "--as=ann")
        return result.out.strip() == "yes"

    namespace.wait_for("ann may create AppStacks", may_create)


def test_author_needs_the_rights_that_an_appstack_uses(namespace: Namespace) -> None:
    stack = yaml.safe_dump(Example("02-sidecar-log").stack)
    namespace.kubectl("create", "role", "author", "--verb=get,create,patch", "--resource=appstacks.appstack.dev")
    namespace.kubectl("create", "rolebinding", "bob", "--role=author", "--user=bob")

    def is_refused() -> bool:
        result = namespace.try_kubectl("apply", "--dry-run=server", "--as=bob", "--filename", "-", stdin=stack)
        return f'user "bob" may not create pods in namespace "{namespace.name}" (spec.backend)' in result.err

    namespace.wait_for("the policy refuses the AppStack of bob", is_refused)


def test_operator_restart_changes_no_child(namespace: Namespace) -> None:
    example = Example("02-sidecar-log")
    namespace.apply(*example.manifests)
    namespace.wait_until_ready(example.name)
    pod = uid_of(namespace.only_pod(example.name))
    before = child_versions(namespace, example.name)

    OPERATOR.kubectl("rollout", "restart", f"deployment/{install.RELEASE}")
    OPERATOR.kubectl("rollout", "status", f"deployment/{install.RELEASE}", "--timeout=120s")
    changed = example.stack
    changed["metadata"]["annotations"] = {"reconcile": "again"}
    namespace.apply(changed)
    namespace.wait_until_ready(example.name)

    assert child_versions(namespace, example.name) == before
    assert uid_of(namespace.only_pod(example.name)) == pod


def child_versions(namespace: Namespace, stack: str) -> dict[str, str]:
    """Return the resourceVersion of each child of an AppStack."""
    kinds = ("deployments", "services", "configmaps")
    children = (child for kind in kinds for child in namespace.children(kind, stack))
    return {f"{child['kind']}/{child['metadata']['name']}": child["metadata"]["resourceVersion"] for child in children}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("{}", "default"),
        ('{"namespaces": ["team-*"]}', "NAMESPACE"),
        ('{"excludeNamespaces": ["def*"]}', "NAMESPACE"),
        ('{"namespaceSelector": "shard=a"}', "NAMESPACE"),
    ],
)
def test_chart_notes_name_a_namespace_that_the_operator_reconciles(settings: str, expected: str) -> None:
    arguments = ["install", "appstack", install.CHART, "--dry-run=client", "--set-json", f"settings={settings}"]
    notes = shell.run([programs.path("helm"), *arguments], cwd=state.ROOT).partition("NOTES:")[2]

    assert re.findall(r"kubectl (?:apply|wait|get) --namespace (\S+)", notes) == [expected] * 3


def test_recreate_strategy_has_no_rolling_update_parameters() -> None:
    rendered = shell.run(
        [programs.path("helm"), "template", install.CHART, "--set", "strategy.type=Recreate"], cwd=state.ROOT
    )
    (deployment,) = (
        manifest for manifest in yaml.safe_load_all(rendered) if manifest and manifest["kind"] == "Deployment"
    )

    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_unknown_chart_value_is_refused() -> None:
    result = shell.attempt(
        [programs.path("helm"), "template", install.CHART, "--set", "settings.nope=1"], cwd=state.ROOT
    )

    assert not result.ok
    assert "'nope' not allowed" in result.err
