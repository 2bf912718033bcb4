"""The rendered objects that the policy checks, with the hints that its violations share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from appstack.k8s.metadata import GROUP, Manifest
from appstack.policy.effective import ENFORCE_LABEL, EffectivePolicy
from appstack.policy.pod_security import Level
from appstack.policy.pod_templates import PodTemplate, pod_templates

_MAX_LISTED: Final = 20


@dataclass(frozen=True)
class Subject:
    """The rendered objects of an AppStack, and the policy of its namespace."""

    manifests: Sequence[Manifest]
    namespace: str
    effective: EffectivePolicy
    node_caches: frozenset[str] = frozenset()  # names of the volumes that are node caches
    cache_root: str = "/"
    _hints: dict[str, str] = field(default_factory=dict, compare=False, repr=False)  # the same for all violations

    @cached_property
    def pods(self) -> Sequence[PodTemplate]:
        """The pod templates."""
        return pod_templates(self.manifests)

    def of_kind(self, *kinds: str) -> Iterator[Manifest]:
        """Yield the objects of these kinds."""
        return (manifest for manifest in self.manifests if manifest["kind"] in kinds)

    def allowed(self, path: str, values: Iterable[str]) -> str:
        """Return the hint at a list of the policy, with its values and the labels of namespaces with other values."""
        if path not in self._hints:
            listed = list(values)
            more = f" and {len(listed) - _MAX_LISTED} more" if len(listed) > _MAX_LISTED else ""
            names = ", ".join(listed[:_MAX_LISTED]) + more if listed else "none"
            self._hints[path] = f"allowed by {self.effective.setting(path)}: {names}{self._of_others(path)}"
        return self._hints[path]

    def allowed_on_node(self, path: str, values: Iterable[str]) -> str:
        """Return the hint at a list that adds to the Pod Security level."""
        return f"{self.allowed(path, values)}{self._label_hint(Level.PRIVILEGED)}"

    def set_by(self, path: str) -> str:
        """Return the hint at a field of the policy."""
        if path not in self._hints:
            self._hints[path] = f"set by {self.effective.setting(path)}{self._of_others(path)}"
        return self._hints[path]

    def level_hint(self, level: Level) -> str:
        """Return the hint at the level `podSecurity.enforce`; `level` is the one that allows the field."""
        if level not in self._hints:
            path = "podSecurity.enforce"
            decides = self.effective.enforce_label or self.effective.setting(path)
            current = f"Pod Security level {self.effective.enforce} of {decides}"
            self._hints[level] = f"{current}{self._of_others(path)}{self._label_hint(level)}"
        return self._hints[level]

    def warn_hint(self) -> str:
        """Return the hint at the level `podSecurity.warn`."""
        decides = self.effective.warn_label or self.effective.setting("podSecurity.warn")
        cure = "spec.podSecurity: restricted sets the missing fields; " if self.effective.warn == "restricted" else ""
        return f"{cure}warned of by {decides}"

    def _of_others(self, path: str) -> str:
        labels = self.effective.labels_of_others(path)
        return f"; it differs for namespaces with {labels}" if labels else ""

    def _label_hint(self, level: Level) -> str:
        if not self.effective.policy.pod_security.from_namespace_labels:
            return ""
        return f"; the namespace label {ENFORCE_LABEL}={level} allows it"


@dataclass(frozen=True)
class KeyPatterns:
    """Patterns of annotation keys: whole keys, `prefix/*`, or `*`."""

    patterns: Sequence[str]

    def match(self, key: str) -> bool:
        """Return whether a pattern matches the key."""
        return key in self._whole or key.startswith(self._prefixes)

    @cached_property
    def _whole(self) -> frozenset[str]:
        return frozenset(self.patterns)

    @cached_property
    def _prefixes(self) -> tuple[str, ...]:
        return tuple(pattern.removesuffix("*") for pattern in self.patterns if pattern.endswith("*"))


def authored_annotations(metadata: Manifest) -> Iterator[str]:
    """Yield the keys of the annotations that AppStack itself does not add."""
    return (key for key in metadata.get("annotations") or () if not key.startswith(f"{GROUP}/"))
