"""The policy of one namespace: the general one, with the changes of the first namespace policy that selects it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

from appstack.k8s import selectors
from appstack.policy.model import NamespacePolicy, Policy, PolicyModel
from appstack.policy.pod_security import Level

NAMESPACE_NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""The label that Kubernetes sets on each namespace; its value is the name."""
ENFORCE_LABEL: Final = "pod-security.kubernetes.io/enforce"
WARN_LABEL: Final = "pod-security.kubernetes.io/warn"

Labels = Mapping[str, str]
Model = TypeVar("Model", bound=PolicyModel)
PolicyKey = tuple[int, str, str, bool, bool]
"""Equal keys stand for equal policies, under the same settings."""


@dataclass(frozen=True)
class EffectivePolicy:
    """The policy of a namespace, and the settings that its fields come from."""

    policy: Policy
    key: PolicyKey
    enforce: Level
    warn: Level
    enforce_label: str = ""  # the label of the namespace that decides about the level
    warn_label: str = ""
    namespace_policies: Sequence[NamespacePolicy] = ()
    index: int | None = None  # of the namespace policy that selects the namespace

    def setting(self, path: str) -> str:
        """Return the setting that decides about a field of the policy, such as `scheduling.nodeName`."""
        if self.index is None or not _sets(self.namespace_policies[self.index].policy, path):
            return f"policy.{path}"
        return f"namespacePolicies[{self.index}].policy.{path}"

    def labels_of_others(self, *paths: str) -> str:
        """Return the labels of the first other namespaces for which the settings change one of these fields."""
        for index, each in enumerate(self.namespace_policies):
            labels = each.namespace_selector.match_labels
            if index != self.index and labels and any(_sets(each.policy, path) for path in paths):
                return ",".join(f"{key}={value}" for key, value in labels.items())
        return ""


class PolicySource:
    """Finds the policy of each namespace."""

    def __init__(self, policy: Policy, namespace_policies: Sequence[NamespacePolicy]) -> None:
        self._policy = policy
        self._namespace_policies = namespace_policies
        self._candidates = tuple(
            (each.namespace_selector.selector, overlay(policy, each.policy)) for each in namespace_policies
        )

    @cached_property
    def label_keys(self) -> frozenset[str]:
        """The keys of the labels that the policy of a namespace depends on."""
        policies = (self._policy, *(policy for _, policy in self._candidates))
        keys = {requirement.key for selector, _ in self._candidates for requirement in selector}
        if any(policy.pod_security.from_namespace_labels for policy in policies):
            keys |= {ENFORCE_LABEL, WARN_LABEL}
        return frozenset(keys)

    def find(self, labels: Labels) -> EffectivePolicy:
        """Return the policy of a namespace with these labels."""
        for index, (selector, policy) in enumerate(self._candidates):
            if selectors.matches(selector, labels):
                return self._effective(policy, labels, index)
        return self._effective(self._policy, labels, None)

    def _effective(self, policy: Policy, labels: Labels, index: int | None) -> EffectivePolicy:
        levels = policy.pod_security
        keys = labels.keys() & {ENFORCE_LABEL, WARN_LABEL} if levels.from_namespace_labels else frozenset()
        enforce = _level(labels[ENFORCE_LABEL]) if ENFORCE_LABEL in keys else levels.enforce
        warn = _level(labels[WARN_LABEL]) if WARN_LABEL in keys else levels.warn
        return EffectivePolicy(
            policy=policy,
            key=(-1 if index is None else index, enforce.value, warn.value, ENFORCE_LABEL in keys, WARN_LABEL in keys),
            enforce=enforce,
            warn=warn,
            enforce_label=f"the namespace label {ENFORCE_LABEL}" if ENFORCE_LABEL in keys else "",
            warn_label=f"the namespace label {WARN_LABEL}" if WARN_LABEL in keys else "",
            namespace_policies=self._namespace_policies,
            index=index,
        )


def overlay(base: Model, changes: Model) -> Model:
    """Return `base` with the fields that `changes` sets: objects field by field, everything else replaced."""
    update = {}
    for name in changes.model_fields_set:
        old, new = getattr(base, name), getattr(changes, name)
        update[name] = overlay(old, new) if isinstance(new, PolicyModel) else new
    return base.model_copy(update=update)


def _sets(changes: object, path: str) -> bool:
    """Return whether a policy sets a field that is given by its names in the settings, such as `services.types`."""
    for alias in path.split("."):
        if not isinstance(changes, PolicyModel):
            return True  # a list that is replaced as a whole
        fields = type(changes).model_fields
        name = next((each for each in changes.model_fields_set if fields[each].alias == alias), None)
        if name is None:
            return False
        changes = getattr(changes, name)
    return True


def _level(label: str) -> Level:
    """Return the level of a label; an unknown one stands for `restricted`, as in Kubernetes."""
    return Level(label) if label in {level.value for level in Level} else Level.RESTRICTED
