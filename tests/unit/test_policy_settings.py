"""The policy in the operator's settings: its defaults, and settings that are refused with their path."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from appstack.cli import settings
from appstack.errors import OperatorError
from appstack.policy.evaluation import SETTINGS
from appstack.settings import Settings

DEFAULTS = """
enforcement: Enforce
podSecurity: {enforce: baseline, warn: restricted, fromNamespaceLabels: true}
hostNamespaces: []
nodeCache: true
hostPaths: []
hostPorts: []
serviceAccounts: Any
serviceAccountAnnotations: ["*"]
services: {types: [ClusterIP, NodePort, LoadBalancer], externalIPs: false}
hostnames: ["*"]
gateways: []
annotations: {deny: []}
scheduling: {nodeName: false, priorityClasses: [], tolerations: Any}
statusLogs: true
"""


def error_of(text: str, folder: Path) -> str:
    """Return the error of a settings file, without the name of the file."""
    file = folder / "settings.yaml"
    file.write_text(text)
    with pytest.raises(OperatorError) as error:
        settings.load(str(file))
    return str(error.value).removeprefix(f"{file}: ").removesuffix(". docs/reference.md lists the settings")


def test_defaults_leave_open_whatever_authors_may_do_anyway_and_close_the_node() -> None:
    assert Settings().policy.model_dump(mode="json", by_alias=True) == yaml.safe_load(DEFAULTS)
    assert Settings.model_validate({"policy": yaml.safe_load(DEFAULTS)}) == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("policy: {enforcement: Deny}", "policy.enforcement: must be 'Enforce' or 'Warn'"),
        (
            "policy: {podSecurity: {enforce: base}}",
            "policy.podSecurity.enforce: must be 'privileged', 'baseline' or 'restricted'",
        ),
        (
            "policy: {hostPaths: [{pathPrefix: sys}]}",
            "policy.hostPaths[0].pathPrefix: String should match pattern '^/'",
        ),
        ("policy: {hostPaths: [{pathPrefix: /a/../b}]}", "policy.hostPaths[0].pathPrefix: must not contain '..'"),
        ("policy: {hostPaths: [{path: /a}]}", "policy.hostPaths[0].pathPrefix: Field required; "),
        ("policy: {hostPorts: [{min: 2, max: 1}]}", "policy.hostPorts[0]: min must not be greater than max"),
        (
            "policy: {hostnames: [shop.*.com]}",
            "policy.hostnames: 'shop.*.com' is not a host name: write *, shop.example.com or *.example.com",
        ),
        ("policy: {hostnames: ['a-*.b.com']}", "policy.hostnames: 'a-*.b.com' is not a host name"),
        ("policy: {annotations: {deny: [a*]}}", "policy.annotations.deny[0]: String should match pattern"),
        ("policy: {scheduling: {tolerations: Some}}", "policy.scheduling.tolerations: must be 'Any'; "),
        ("policy: {services: {externalIps: true}}", "policy.services.externalIps: unknown setting"),
        (
            "namespacePolicies: [{namespaceSelector: {matchLabels: {a: b}}, policy: {hostPort: []}}]",
            "namespacePolicies[0].policy.hostPort: unknown setting",
        ),
        ("namespacePolicies: [{policy: {}}]", "namespacePolicies[0].namespaceSelector: Field required"),
        (
            "namespacePolicies: [{namespaceSelector: {matchExpressions: [{key: a, operator: In}]}, policy: {}}]",
            "namespacePolicies[0].namespaceSelector.matchExpressions[0]: In and NotIn need values, "
            "Exists and DoesNotExist have none",
        ),
        (
            "hostPathPrefixes: [/sys]",
            "hostPathPrefixes: is replaced by policy.hostPaths, for example [{pathPrefix: /sys}]",
        ),
    ],
)
def test_invalid_settings_are_refused_with_the_path(text: str, message: str, tmp_path: Path) -> None:
    assert error_of(text, tmp_path).startswith(message)


def test_every_field_that_can_be_violated_is_a_field_of_the_policy() -> None:
    for path in SETTINGS:
        value = yaml.safe_load(DEFAULTS)
        for name in path.split("."):
            value = value[name]
