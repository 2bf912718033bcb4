"""Evaluation of the policy: the checks of all its fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from appstack.policy import exposure, pods
from appstack.policy.subject import Subject
from appstack.policy.violation import PolicyViolation

CHECKS: Final[tuple[Callable[[Subject], Iterator[PolicyViolation]], ...]] = (
    pods.pod_security_level,
    pods.host_paths,
    pods.host_ports,
    pods.node_caches,
    pods.service_accounts,
    pods.scheduling,
    exposure.service_account_annotations,
    exposure.services,
    exposure.hostnames,
    exposure.gateways,
    exposure.denied_annotations,
)
"""Checks that `enforcement` applies to. To add a field of the policy, add its check here and its path to `SETTINGS`."""

WARN_SETTING: Final = "podSecurity.warn"
WARNING_CHECKS: Final = (pods.pod_security_warnings,)
"""Checks that only warn."""

SETTINGS: Final = (
    "podSecurity.enforce",
    WARN_SETTING,
    "hostNamespaces",
    "nodeCache",
    "hostPaths",
    "hostPorts",
    "serviceAccounts",
    "serviceAccountAnnotations",
    "services.types",
    "services.externalIPs",
    "hostnames",
    "gateways",
    "annotations.deny",
    "scheduling.nodeName",
    "scheduling.priorityClasses",
    "scheduling.tolerations",
)
"""The fields of the policy that can be violated."""
